//! Whole runs that are killed at any moment, again and again, while chat models, an editor's endpoint and ComfyUI answer; then a run to the
//! end: the output of a run that nobody disturbed, and next to nothing paid for twice.
//!
//! `THRESHFLOW_TEST_KILLS=300` kills as often; else eight times. `THRESHFLOW_TEST_SEED` draws other moments.

use std::collections::{HashMap, HashSet};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::Rng;
use tests::fakes::comfy::{Ending, Fake};
use tests::fakes::http::Action;
use tests::fakes::models::{Before, Faults, Models, answer};
use tests::program::{ended, start};
use tests::trees;

use crate::desk::Desk;

/// Kills of one store, one run after the other.
const KILLS_A_STORE: usize = 4;
const IN_FLIGHT: usize = 4;
const FLAGS: &str = "--in-flight=4 --caption-model=writer --nouns-model=writer --instruct-model=writer";

/// Who makes the edits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Editor {
    Endpoint,
    ComfyUi,
}

/// Servers of one store: what they were asked is counted for it alone.
struct Servers {
    models: Models,
    comfy: Fake,
}

impl Servers {
    fn start() -> Self {
        // Slow enough that most of a run is asking.
        let slow: Before = Box::new(|asked, task| {
            Some(Action::After(Duration::from_millis(12), Box::new(answer(asked, task))))
        });
        Servers { models: Models::with(Faults::default(), slow), comfy: Fake::new(Ending::Picture) }
    }

    fn flags(&self, desk: &Desk, editor: Editor) -> String {
        match editor {
            Editor::Endpoint => format!("{FLAGS} --edits=remove,replace,content_memory"),
            Editor::ComfyUi => {
                let folder = workflows(desk);
                format!(
                    "{FLAGS} --edits=remove,replace --comfyui={} --workflows={folder}",
                    self.comfy.address
                )
            }
        }
    }

    /// Questions that had been answered and were asked again, and how many there were.
    fn again(&self) -> (usize, usize) {
        let sent: HashSet<usize> = self.models.server().sent().into_iter().collect();
        let (mut answered, mut again) = (HashSet::new(), 0);
        let asked = self.models.asked_since(0);
        for (number, (_, key)) in asked.iter().enumerate() {
            again += usize::from(answered.contains(key));
            if sent.contains(&number) {
                answered.insert(*key);
            }
        }
        let mut prompts: HashMap<String, usize> = HashMap::new();
        for graph in &self.comfy.state().prompts {
            *prompts.entry(graph.to_string()).or_default() += 1;
        }
        let repeated: usize = prompts.values().map(|times| times - 1).sum();
        (again + repeated, asked.len() + self.comfy.prompts())
    }
}

/// A folder with a workflow that removes and replaces.
fn workflows(desk: &Desk) -> String {
    let folder = desk.path("workflows");
    let workflow = json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a text"}},
        "9": {"class_type": "SaveImage", "inputs": {"text": ["2", 0], "images": ["1", 0]}}
    });
    let binding = json!({"operations": ["remove", "replace"], "picture": "1.image", "mask": "alpha",
        "output": "9", "prompt": {"to": ["2.text"], "text": "{result}", "for": {"remove": "empty"}}});
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("paint.json"), workflow.to_string()).expect("writes");
    std::fs::write(folder.join("paint.binding.json"), binding.to_string()).expect("writes");
    folder.to_string_lossy().into_owned()
}

fn desk() -> Desk {
    Desk::of(6, 8)
}

/// A run that nothing disturbs, how long it takes, and how much it asks.
struct Undisturbed {
    desk: Desk,
    seconds: f64,
    asked: usize,
}

fn undisturbed(editor: Editor) -> Undisturbed {
    let (desk, servers) = (desk(), Servers::start());
    let flags = servers.flags(&desk, editor);
    let begin = Instant::now();
    let done = ended(&mut desk.program(&servers.models, &flags));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let (again, asked) = servers.again();
    assert_eq!(again, 0, "nothing is asked twice");
    assert!(asked > 30, "{asked} are too few to be interrupted");
    Undisturbed { desk, seconds: begin.elapsed().as_secs_f64(), asked }
}

/// Waits for a moment of the run, for a question between now and the last, or for the publishing; and a little more.
fn wait_for_the_moment(
    dice: &mut Rng,
    child: &mut Child,
    desk: &Desk,
    servers: &Servers,
    whole: &Undisturbed,
) {
    let pause = |most: f64, dice: &mut Rng| {
        #[expect(clippy::disallowed_methods, reason = "the moment of the kill")]
        std::thread::sleep(Duration::from_secs_f64(most * dice.below(1000) as f64 / 1000.0));
    };
    let asked = servers.again().1;
    let question = asked + 1 + dice.below(whole.asked.saturating_sub(asked));
    let what = dice.below(4);
    if what == 0 {
        return pause(whole.seconds, dice);
    }
    let now = || match what {
        1 => desk.path("out/.writing").exists(),
        _ => servers.again().1 >= question,
    };
    let begin = Instant::now();
    while !now() && child.try_wait().expect("can be waited for").is_none() {
        assert!(begin.elapsed() < Duration::from_secs(300), "the moment never came");
        pause(0.004, dice);
    }
    pause(0.03, dice);
}

#[derive(Debug, Default)]
struct Came {
    kills: usize,
    before_the_first_question: usize,
    while_asking: usize,
    while_publishing: usize,
    after_the_end: usize,
    asked: usize,
    asked_again: usize,
    most_again_of_a_store: usize,
}

/// Kills a store's runs, then lets one come to the end.
fn play(seed: u64, editor: Editor, whole: &Undisturbed, came: &mut Came) {
    let mut dice = Rng(seed ^ 0x006b_696c_6c73);
    dice.next();
    let (desk, servers) = (desk(), Servers::start());
    let flags = servers.flags(&desk, editor);
    let context = format!("{editor:?}, seed {seed}");
    for _ in 0..KILLS_A_STORE {
        let before = servers.again().1;
        let mut child = start(&mut desk.program(&servers.models, &flags));
        wait_for_the_moment(&mut dice, &mut child, &desk, &servers, whole);
        let over = child.try_wait().expect("can be waited for").is_some();
        child.kill().expect("is killed");
        child.wait().expect("is reaped");
        // The threads of the servers find out that nobody is there.
        #[expect(clippy::disallowed_methods, reason = "the test waits for a server")]
        std::thread::sleep(Duration::from_millis(60));
        came.kills += 1;
        match () {
            () if over => came.after_the_end += 1,
            () if desk.path("out/.writing").exists() => came.while_publishing += 1,
            () if servers.again().1 == before => came.before_the_first_question += 1,
            () => came.while_asking += 1,
        }
    }
    let done = ended(&mut desk.program(&servers.models, &flags));
    assert_eq!(done.code, Some(0), "{context}: {done:#?}");
    trees::assert_same(&desk.path("out"), &whole.desk.path("out"), &context);
    let (again, asked) = servers.again();
    came.asked += asked;
    came.asked_again += again;
    came.most_again_of_a_store = came.most_again_of_a_store.max(again);
    // What was on its way when the process died: as many as may be under way, each kill.
    assert!(again <= KILLS_A_STORE * IN_FLIGHT, "{context}: {again} of {asked} were paid for again");
    assert!(asked >= whole.asked, "{context}: {asked} were asked, {} are needed", whole.asked);
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |number| number.parse().expect("a number"))
}

#[test]
fn runs_that_are_killed_again_and_again_come_to_the_same_and_pay_once() {
    let (kills, seed) =
        (number("THRESHFLOW_TEST_KILLS", 2 * KILLS_A_STORE), number("THRESHFLOW_TEST_SEED", 1) as u64);
    for editor in [Editor::Endpoint, Editor::ComfyUi] {
        let (whole, mut came) = (undisturbed(editor), Came::default());
        println!("{editor:?}: {} questions in {:.1} s", whole.asked, whole.seconds);
        for store in 0..kills.div_ceil(2 * KILLS_A_STORE) as u64 {
            play(seed * 1000 + store, editor, &whole, &mut came);
        }
        println!("{editor:?}: {came:?}");
        assert!(came.while_asking > 0, "no kill met the asking: {came:?}");
    }
}

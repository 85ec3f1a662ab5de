//! A job array over servers that are paid for: each part asks its own, one is killed, and one run publishes.

use std::collections::HashSet;
use std::time::Duration;

use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task, answer};
use tests::program::{ended, killed_when, start};
use tests::trees;

use crate::desk::Desk;

const IN_FLIGHT: usize = 4;
const PARTS: usize = 3;
const FLAGS: &str = "--edits=remove,replace,content_memory --in-flight=4 --caption-model=writer --nouns-model=writer \
    --instruct-model=writer";

#[test]
fn an_array_pays_what_one_run_pays_and_publishes_what_it_publishes() {
    let slow: tests::fakes::models::Before = Box::new(|asked, task| {
        (task == Task::Edit).then(|| Action::After(Duration::from_millis(40), Box::new(answer(asked, task))))
    });
    let models = Models::with(Faults::default(), slow);
    let whole = Desk::new();
    ended(&mut whole.program(&models, FLAGS)).expect(0, &[]);
    let needed: HashSet<_> = models.asked_since(0).into_iter().map(|(_, key)| key).collect();
    let first = models.server().count();

    let desk = Desk::new();
    let part = |part: usize| format!("{FLAGS} --part={part}/{PARTS}");
    let edits = || models.asked_since(first).iter().filter(|(task, _)| *task == Task::Edit).count();
    let busy = (1..=PARTS).find(|part| has_shards(&desk, *part) > 0).expect("a part with shards");
    killed_when(start(&mut desk.program(&models, &part(busy))), || edits() > 2);
    // The threads of the server find out that nobody is there.
    #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
    std::thread::sleep(Duration::from_millis(200));
    for number in 1..=PARTS {
        ended(&mut desk.program(&models, &part(number))).expect(0, &[]);
    }
    assert!(!desk.path("out/manifest.json").exists());
    let before = models.server().count();
    ended(&mut desk.program(&models, FLAGS)).expect(0, &[]);
    assert_eq!(models.server().count(), before, "the run that publishes asks nobody");

    let asked = models.asked_since(first);
    let distinct: HashSet<_> = asked.iter().map(|(_, key)| *key).collect();
    assert_eq!(distinct, needed, "the same questions as one run's");
    let again = asked.len() - distinct.len();
    println!("{} requests for {} answers", asked.len(), distinct.len());
    assert!(again <= IN_FLIGHT, "{again} were paid for twice");
    trees::assert_same(&desk.path("out"), &whole.path("out"), "an array, and one run");
    // What is released is made of what the parts answered.
    for desk in [&whole, &desk] {
        ended(&mut desk.bare("release", &["--to=released"])).expect(0, &[]);
    }
    trees::assert_same(
        &desk.path("released"),
        &whole.path("released"),
        "released of an array, and of one run",
    );
}

fn has_shards(desk: &Desk, part: usize) -> usize {
    let part = threshflow::cli::Part { index: part as u16, of: PARTS as u16 };
    let shards = std::fs::read_dir(desk.path("shards")).expect("is listed");
    let names = shards.map(|entry| entry.expect("a file").path().file_stem().expect("a name").to_owned());
    names.filter(|name| part.has(&name.to_string_lossy())).count()
}

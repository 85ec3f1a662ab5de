//! Servers that are not there: a run says so within seconds, with exit code 1, and what was published stands.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::fakes::comfy::{Ending, Fake};
use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task};
use tests::program::{Ended, ended_within, signal, start};
use tests::trees;

use crate::desk::Desk;

/// For a run that ends as soon as it knows.
const SOON: u64 = 60;

/// An address at which nobody listens.
pub(crate) fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    format!("http://{}", listener.local_addr().expect("bound"))
}

/// Runs the program, and says how long it took.
fn run(desk: &Desk, models: &Models, more: &str) -> (Ended, Duration) {
    let begin = Instant::now();
    let ended = ended_within(start(&mut desk.program(models, more)), SOON);
    (ended, begin.elapsed())
}

#[test]
fn what_is_not_there_at_the_start_is_said_and_what_was_published_stands() {
    let models = Models::start();
    models.server().list_models(Action::json(200, &json!({"data": [{"id": "writer"}, {"id": "painter"}]})));
    let desk = Desk::of(10, 8);
    desk.run(&models, "--edits=remove");
    let before = trees::read(&desk.path("out"));
    let absent = Models::with(
        Faults::default(),
        Box::new(|asked, _| {
            let is_absent = String::from_utf8_lossy(&asked.body).contains("absent");
            is_absent.then(|| Action::json(404, &json!({"error": {"message": "no such model", "code": 404}})))
        }),
    );
    absent.server().list_models(Action::json(200, &json!({"data": [{"id": "writer"}, {"id": "painter"}]})));
    let locked = Models::start();
    locked.server().list_models(Action::json(401, &json!({"error": {"message": "who are you?"}})));
    let nowhere = nowhere();
    for (models, more, words) in [
        (
            &models,
            format!("--judge-model=elsewhere --judge-url={nowhere}/v1"),
            ["can't", "check that it runs"],
        ),
        (&absent, "--judge-model=absent".to_owned(), ["the model absent", "it serves writer, painter"]),
        (&absent, "--edit-model=absent".to_owned(), ["the model absent", "it serves writer, painter"]),
        (
            &locked,
            "--caption-model=other".to_owned(),
            ["wants a key and none is set", "Run the same command again"],
        ),
        (
            &models,
            format!("--comfyui={nowhere} --workflows={}", workflows(&desk)),
            ["no server of ComfyUI", "--comfyui"],
        ),
    ] {
        let (ended, took) = run(&desk, models, &format!("--edits=remove {more}"));
        println!("{more}: {:.1} s", took.as_secs_f64());
        let words = if words[0] == "can't" { ["/models)", words[1]] } else { words };
        let ended = ended.expect(1, &words);
        assert!(!ended.stderr.contains("--retry"), "{}", ended.stderr);
        assert!(trees::read(&desk.path("out")) == before, "{more}: what was published changed");
    }
}

#[test]
fn an_unknown_model_is_said_though_the_endpoint_answers_for_others() {
    let absent = |asked: &tests::fakes::http::Asked, task: Task| {
        let error = || json!({"error": {"message": "no such model", "code": 404}});
        (task == Task::Judge && asked.path.ends_with("completions")).then(|| Action::json(404, &error()))
    };
    let (models, desk) = (Models::with(Faults::default(), Box::new(absent)), Desk::of(10, 8));
    // Too few edits for so many failures in a row as stop a run; all that fails is allowed.
    let (ended, _) = run(&desk, &models, "--edits=remove --judge-model=absent");
    ended.expect(1, &["the model absent", "Run the same command again to go on"]);
    assert!(models.asked_since(0).iter().any(|(task, _)| *task == Task::Caption), "others were answered");
    assert!(!desk.path("out/manifest.json").exists(), "nothing is published");
}

/// A folder with one workflow that takes things out.
fn workflows(desk: &Desk) -> String {
    let folder = desk.path("workflows");
    std::fs::create_dir_all(&folder).expect("is made");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("is written");
    let graph = json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}},
        "2": {"class_type": "Own Node (of mine)", "inputs": {"image": ["1", 0], "mask": "y.png"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}},
    });
    write("out.json", graph.to_string());
    let binding = json!({"operations": ["remove"], "picture": "1.image", "output": "9"});
    write("out.binding.json", binding.to_string());
    folder.to_string_lossy().into_owned()
}

#[test]
fn a_comfyui_that_lacks_a_node_is_said_before_anything_is_uploaded() {
    let (models, desk, comfy) = (Models::start(), Desk::of(10, 8), Fake::new(Ending::Picture));
    comfy.state().missing = vec!["Own%20Node%20%28of%20mine%29".to_owned()];
    let flags = format!("--edits=remove --comfyui={} --workflows={}", comfy.address, workflows(&desk));
    let (ended, _) = run(&desk, &models, &flags);
    ended.expect(1, &["no node type Own Node (of mine) (of out)", "install these custom nodes"]);
    assert_eq!(comfy.prompts(), 0);
    assert!(comfy.calls().is_empty(), "{:?}", comfy.calls());
}

#[test]
fn trouble_in_the_middle_is_told_and_a_dead_server_holds_no_ctrl_c_up() {
    // All goes well but for edits.
    let models = Models::with(
        Faults::default(),
        Box::new(|_, task| (task == Task::Edit).then_some(Action::CutConnection)),
    );
    let desk = Desk::of(10, 8);
    let mut command = desk.program(&models, "--edits=remove,replace --call-timeout=100 --call-deadline=1000");
    let stderr = desk.path("stderr");
    let file = std::fs::File::create(&stderr).expect("is made");
    let mut child = command.stderr(file).spawn().expect("starts");
    let said = || std::fs::read_to_string(&stderr).unwrap_or_default();
    let begin = Instant::now();
    while !said().contains(" tries") {
        assert!(begin.elapsed() < Duration::from_secs(SOON), "nothing is said: {}", said());
        assert!(child.try_wait().expect("can be waited for").is_none(), "it ended: {}", said());
        #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
        std::thread::sleep(Duration::from_millis(50));
    }
    let stopped = Instant::now();
    signal(&child, libc::SIGTERM);
    while child.try_wait().expect("can be waited for").is_none() {
        assert!(stopped.elapsed() < Duration::from_secs(20), "a dead server holds it up: {}", said());
        #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().expect("ended").code(), Some(1));
    assert!(said().contains("stopping") && said().contains("once more ends at once"), "{}", said());
}

//! A key is sent, and stands nowhere.

use tests::fakes::http::{Action, Asked};
use tests::fakes::models::{Faults, Models, Task, key, said};
use tests::program::ended;

use crate::desk::Desk;

const CANARY: &str = "canary-7f3a91d2c4";

/// A server that repeats what it was sent, in errors and in answers.
fn script(asked: &Asked, task: Task) -> Option<Action> {
    let echoed = asked.header("authorization").unwrap_or_default().to_owned();
    let words = serde_json::json!({"error": {"message": format!("what is {echoed}?"), "code": "bad"}});
    match (task, key(asked) % 4) {
        (Task::Caption, 0) => Some(Action::json(400, &words)),
        (Task::Caption, 1) => {
            Some(said(&format!("A car stands before a house, and {echoed} stands below the sky.")))
        }
        (Task::Instruct, 0) => Some(Action::json(422, &words)),
        (Task::Edit, 0) => Some(Action::json(400, &words)),
        (Task::Judge, 0) => Some(said(&format!(
            "{{\"follows\": 3, \"natural\": 4, \"match\": true, \"reason\": \"{echoed}\"}}"
        ))),
        (Task::Judge, 1) => Some(said(&echoed)),
        (Task::Judge, 2) => Some(Action::json(500, &words)),
        _ => None,
    }
}

fn assert_unseen(place: &str, bytes: &[u8]) {
    let found = bytes.windows(CANARY.len()).any(|some| some == CANARY.as_bytes());
    assert!(!found, "the key stands in {place}");
}

#[test]
fn a_key_stands_nowhere_but_in_the_requests() {
    let models = Models::with(Faults::default(), Box::new(script));
    let desk = Desk::new();
    let mut program = desk.program(&models, "--edits=remove --report=report.html --call-deadline=3");
    let ended = ended(program.env("OPENAI_API_KEY", CANARY));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let bearer = format!("Bearer {CANARY}");
    assert!(models.server().asked().iter().all(|asked| asked.header("authorization") == Some(&bearer)));
    let said: Vec<Task> = models.asked_since(0).into_iter().map(|(task, _)| task).collect();
    assert!([Task::Caption, Task::Instruct, Task::Edit, Task::Judge].iter().all(|task| said.contains(task)));
    assert_unseen("what was printed", ended.stdout.as_bytes());
    assert_unseen("what was said", ended.stderr.as_bytes());
    let files = tests::trees::read(desk.folder());
    assert!(files.contains_key("report.html") && files.keys().any(|name| name.starts_with("store/")));
    for (name, bytes) in files.iter().filter(|(name, _)| !name.starts_with("shards/")) {
        assert_unseen(name, bytes);
    }
}

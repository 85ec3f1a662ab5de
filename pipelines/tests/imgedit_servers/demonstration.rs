//! Models that were made for the demo say so where they are shown other pictures: at the start, and wherever the set is told of.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::fakes::models::Models;
use tests::tars::{file, tar_of};

use crate::desk::Desk;

const EDITS: &str = "--edits=remove,replace,style";
const SAYS: &str = "Made with demonstration models: not for training.";

/// Makes the demo's scenes a user's own: one tar of them, without the files that mark them.
fn disown(desk: &Desk) {
    let shards = desk.path("shards");
    let mut tar = tar::Archive::new(std::fs::File::open(shards.join("00000.tar")).expect("a shard"));
    let mut members = Vec::new();
    for entry in tar.entries().expect("a tar") {
        let mut entry = entry.expect("a member");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("reads");
        if !name.ends_with(".demonstration") {
            members.push(file(name, bytes));
        }
    }
    std::fs::remove_dir_all(&shards).expect("removed");
    std::fs::create_dir(&shards).expect("made");
    std::fs::write(shards.join("own.tar"), tar_of(&members)).expect("writes");
}

/// The demo's models without the mark, as if they were a user's own.
fn own_models(desk: &Desk) {
    for (_, from) in tests::demo_models() {
        let to = desk.path("models").join(Path::new(&from).file_name().expect("a name"));
        std::fs::create_dir_all(&to).expect("made");
        for entry in std::fs::read_dir(&from).expect("a model").flatten() {
            let mut bytes = std::fs::read(entry.path()).expect("reads");
            let key = b"threshflow.demonstration";
            if let Some(at) = bytes.windows(key.len()).position(|some| some == key) {
                // Behind the tags and lengths of the entry and of its key.
                bytes.truncate(at - 4);
            }
            std::fs::write(to.join(entry.file_name()), bytes).expect("writes");
        }
    }
}

/// What of a command is the user's own.
#[derive(Clone, Copy)]
struct Own {
    models: bool,
    /// Whether chat models and an editing model are named.
    served: bool,
    judge: bool,
}

fn command(desk: &Desk, subcommand: &str, models: &Models, own: Own) -> Command {
    let mut words = desk.command(subcommand, &models.url(), EDITS);
    if own.models {
        for (flag, from) in tests::demo_models() {
            let at = words.iter().position(|word| word == flag).expect("it is named");
            let name = Path::new(&from).file_name().expect("a name");
            words[at + 1] = desk.path("models").join(name).to_string_lossy().into_owned();
        }
    }
    if !own.served {
        while let Some(at) = words.iter().position(|word| ["--chat-url", "--edit-url"].contains(&&**word)) {
            words.drain(at..at + 2);
        }
        words.retain(|word| !word.starts_with("--edit-model") && !word.starts_with("--chat-model"));
    } else if !own.judge {
        words.retain(|word| !word.starts_with("--chat-model"));
        words.extend(["caption", "nouns", "instruct"].map(|who| format!("--{who}-model=writer")));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
    command.arg("imgedit").args(words).current_dir(desk.folder()).stdin(Stdio::null());
    if subcommand == "run" {
        command.args(["--json", "--report", "report.html", "--max-removed=100%"]);
    }
    command
}

/// The stages that a run says are there to demonstrate; what it says is the same wherever it says so.
fn said(desk: &Desk, models: &Models, own: Own) -> Vec<Value> {
    let done = command(desk, "run", models, own).output().expect("starts");
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{stderr}");
    let told = |bytes: &[u8]| {
        let told: Value = serde_json::from_slice(bytes).expect("JSON");
        told["demonstration"].as_array().cloned().unwrap_or_default()
    };
    let read = |name: &str| std::fs::read(desk.path(name)).expect("reads");
    let stages = told(&done.stdout);
    assert_eq!(told(&read("out/manifest.json")), stages);
    assert_eq!(told(&read("out/summary.json")), stages);
    for page in ["out/README.md", "report.html"] {
        let page = String::from_utf8(read(page)).expect("text");
        assert_eq!(page.contains(SAYS), !stages.is_empty());
        let names = |stage: &Value, field: &str| page.contains(stage[field].as_str().expect("text"));
        let named = |stage: &Value| names(stage, "stage") && names(stage, "what");
        assert!(stages.iter().all(named), "{stages:?}");
    }
    let warnings = stderr.lines().filter(|line| line.starts_with("warning: demonstration models")).count();
    assert_eq!(warnings, usize::from(!stages.is_empty()), "{stderr}");
    stages
}

#[test]
fn demonstration_models_say_so_of_pictures_that_are_not_the_demos() {
    let models = Models::start();
    let desk = Desk::of(8, 12);
    let (embedded, served) =
        (Own { models: false, served: false, judge: false }, Own { models: true, served: true, judge: true });
    // The demo itself, which its models were made for.
    assert_eq!(said(&desk, &models, embedded), Vec::<Value>::new());
    // One picture of another makes the difference, and nothing is asked again for it.
    disown(&desk);
    let of_demo = "a model of the demo, made for its drawn scenes";
    let expected = [
        ("aesthetic", of_demo),
        ("caption", "the embedded captioner"),
        ("nouns", "the embedded finder of nouns"),
        ("detect", of_demo),
        ("segment", of_demo),
        ("region_score", of_demo),
        ("instruct", "the embedded grammar"),
        ("edit", "the embedded painter"),
        ("judge", "the embedded judge"),
    ];
    let expected = |named: &[&str]| -> Vec<Value> {
        let named = expected.iter().filter(|(stage, _)| named.contains(stage));
        named.map(|(stage, what)| json!({ "stage": stage, "what": what })).collect()
    };
    let all =
        ["aesthetic", "caption", "nouns", "detect", "segment", "region_score", "instruct", "edit", "judge"];
    assert_eq!(said(&desk, &models, embedded), expected(&all));
    let plan = command(&desk, "plan", &models, embedded).output().expect("starts");
    let warned =
        String::from_utf8_lossy(&plan.stderr).lines().any(|line| line.starts_with("warning: demonstration"));
    assert!(plan.status.success() && warned, "a plan says so, too");
    released(&desk, true);
    // Servers answer for some of it.
    let own = Own { models: false, served: true, judge: true };
    assert_eq!(said(&desk, &models, own), expected(&["aesthetic", "detect", "segment", "region_score"]));
    // All is the user's own, but for the judge; then that, too.
    own_models(&desk);
    assert_eq!(said(&desk, &models, Own { judge: false, ..served }), expected(&["judge"]));
    assert_eq!(said(&desk, &models, served), Vec::<Value>::new());
    released(&desk, false);
}

/// The card of a release says what the published set's says.
fn released(desk: &Desk, says: bool) {
    let to = desk.path("released");
    let mut release = Command::new(env!("CARGO_BIN_EXE_threshflow"));
    release.args(["imgedit", "release", "--store", "store", "--out", "out", "--to", "released"]);
    let done = release.current_dir(desk.folder()).stdin(Stdio::null()).output().expect("starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let card = std::fs::read_to_string(to.join("README.md")).expect("a card");
    assert_eq!(card.contains(SAYS), says, "{card}");
}

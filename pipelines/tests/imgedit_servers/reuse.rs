//! Dials of all five stages are turned: only what is new is asked, and as much of it as was foretold.

use std::collections::HashSet;

use tests::fakes::models::{Models, Task};
use tests::trees;

use crate::desk::{Asks, Desk, asked, planned};

const EDITS: &str = "--edits=remove,replace,hybrid";
const BASE: &str =
    "--set=aesthetic=4.75 --set=detection=0.5 --set=object_clip=0.9 --set=follows=3 --set=natural=2";

/// A turn, and the stages whose asking it foretells to the number: all of them, where no list is given.
type Turn = (&'static str, Option<&'static [&'static str]>);

const TURNS: [Turn; 5] = [
    // Tighter at the end: nothing is asked.
    (
        "--set=aesthetic=4.75 --set=detection=0.5 --set=object_clip=0.9 --set=follows=4 --set=natural=3 --set=object_match=1",
        None,
    ),
    // Tighter in the middle: other objects are chosen, and all that follows from it is foretold.
    ("--set=aesthetic=4.75 --set=detection=0.5 --set=object_clip=0.995 --set=follows=3", None),
    // Looser there: regions that were never scored decide on what comes after them.
    (
        "--set=aesthetic=4.75 --set=detection=0.2 --set=object_clip=0.5 --set=follows=1",
        Some(&["segment", "region_score"]),
    ),
    // Looser at the start: what a new picture shows decides on what comes after it.
    (
        "--set=aesthetic=0 --set=detection=0.5 --set=object_clip=0.9 --set=follows=3 --set=natural=2",
        Some(&["caption", "caption_chat", "nouns", "nouns_chat", "detect"]),
    ),
    (BASE, None),
];

fn of(asks: &Asks, stages: Option<&[&str]>) -> Asks {
    let wanted = |stage: &String| stages.is_none_or(|stages| stages.contains(&stage.as_str()));
    asks.iter().filter(|(stage, _)| wanted(stage)).map(|(stage, asks)| (stage.clone(), *asks)).collect()
}

#[test]
fn turned_dials_ask_only_what_is_new_and_as_foretold() {
    let models = Models::start();
    let desk = Desk::new();
    desk.run(&models, &format!("{EDITS} {BASE}"));
    let before = desk.path("before");
    for (name, bytes) in trees::read(&desk.path("out")) {
        let path = before.join(name);
        std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("writes");
    }
    for (turn, stages) in TURNS {
        let first = models.server().count();
        let plan = desk.plan(&models, &format!("{EDITS} {turn}"));
        assert_eq!(models.server().count(), first, "a plan asks nothing");
        let report = desk.run(&models, &format!("{EDITS} {turn}"));
        let (plan, asked) = (planned(&plan), asked(&report));
        println!("{turn}\n  foretold {plan:?}\n  asked {asked:?}");
        assert_eq!(of(&plan, stages), of(&asked, stages), "{turn}");
        let requests = models.asked_since(first);
        let of_task = |wanted: Task| requests.iter().filter(|(task, _)| *task == wanted).count() as u64;
        for (task, stage) in [
            (Task::Caption, "caption_chat"),
            (Task::Nouns, "nouns_chat"),
            (Task::Instruct, "instruct_chat"),
            (Task::Edit, "edit_http"),
            (Task::Judge, "judge_chat"),
        ] {
            assert_eq!(of_task(task), asked.get(stage).copied().unwrap_or(0), "{stage} after {turn}");
        }
    }
    let keys: Vec<u64> = models.asked_since(0).into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "something was asked twice");
    trees::assert_same(&desk.path("out"), &before, "back where they began");
}

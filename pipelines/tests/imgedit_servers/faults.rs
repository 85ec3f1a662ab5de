//! Servers that fail, and models that answer badly.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tests::fakes::http::{Action, Asked};
use tests::fakes::models::{Faults, Models, Task, edited_at, key, said};
use tests::trees;

use crate::desk::{Desk, asked};

fn distinct(models: &Models) -> usize {
    models.asked_since(0).into_iter().map(|(_, key)| key).collect::<BTreeSet<u64>>().len()
}

#[test]
fn servers_that_fail_often_cost_no_row_and_next_to_no_call() {
    let models = Models::failing(Faults { too_many: 30, broken: 10, hang: 5 });
    let desk = Desk::new();
    let report = desk.run(&models, "--edits=remove --in-flight=32 --call-timeout=3");
    let (received, needed, injected) = (models.server().count(), distinct(&models), models.injected());
    println!("{received} requests for {needed} answers, {injected} failed on purpose");
    assert!(injected > needed / 2, "{injected} of {needed} failed");
    assert!(received as f64 <= 1.05 * needed as f64 + injected as f64, "{received} requests");
    let answered: u64 = asked(&report)
        .into_iter()
        .filter(|(stage, _)| stage.ends_with("_chat") || stage == "edit_http")
        .map(|(_, asked)| asked)
        .sum();
    assert_eq!(answered as usize, needed);
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    assert!(edits.kept > 10 && edits.refused.keys().all(|stage| stage == "choose"), "{edits:?}");
    let received = models.server().count();
    assert_eq!(asked(&desk.run(&models, "--edits=remove")).len(), 0);
    assert_eq!(models.server().count(), received);
    // What is published tells nothing of what happened, nor of where the models were reached.
    let undisturbed = Desk::new();
    undisturbed.run(&Models::start(), "--edits=remove");
    trees::assert_same(&desk.path("out"), &undisturbed.path("out"), "disturbed and not");
}

#[test]
fn workers_leave_no_trace() {
    let models = Models::start();
    let (one, four) = (Desk::new(), Desk::new());
    let flags = "--edits=remove,content_memory";
    let first = one.run(&models, &format!("{flags} --workers=1"));
    let received = models.server().count();
    let second = four.run(&models, &format!("{flags} --workers=4"));
    assert_eq!(asked(&first), asked(&second));
    assert_eq!((models.server().count(), distinct(&models)), (2 * received, received));
    trees::assert_same(&one.path("out"), &four.path("out"), "1 and 4 workers");
}

/// What the script below makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Good,
    /// The judge's filter stops the answer.
    Filtered,
    /// The judge's filter turns the question away.
    TurnedAway,
    /// What comes is no caption; asked once more, one comes.
    BadOnce,
    /// No caption comes.
    BadTwice,
}

fn fate(asked: &Asked, task: Task) -> Fate {
    let messages = asked.json()["messages"].as_array().map_or(0, Vec::len);
    let first = match (task, messages) {
        // The question that is asked again is the first one and two messages more.
        (Task::Caption, 3..) => {
            let answer = asked.json()["messages"][messages - 2]["content"].as_str().map(str::to_owned);
            return if answer.as_deref() == Some("Hm.") { Fate::Good } else { Fate::BadTwice };
        }
        _ => key(asked) % 3,
    };
    match (task, first) {
        (Task::Caption, 0) => Fate::BadOnce,
        (Task::Caption, 1) => Fate::BadTwice,
        (Task::Judge, 0) => Fate::Filtered,
        (Task::Judge, 1) => Fate::TurnedAway,
        _ => Fate::Good,
    }
}

fn script(asked: &Asked, task: Task) -> Option<Action> {
    match fate(asked, task) {
        Fate::Good => None,
        Fate::BadOnce => Some(said("Hm.")),
        Fate::BadTwice => Some(said("No.")),
        Fate::Filtered => Some(Action::json(
            200,
            &json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "follows: 5"},
                "finish_reason": "content_filter"}]}),
        )),
        Fate::TurnedAway => Some(Action::json(
            400,
            &json!({"error": {"message": "The response was filtered due to the prompt triggering the content management policy.",
                "type": null, "param": "prompt", "code": "content_filter", "status": 400}}),
        )),
    }
}

#[test]
fn a_filter_gives_no_score_and_what_does_not_parse_is_asked_once_more() {
    let models = Models::with(Faults::default(), Box::new(script));
    let desk = Desk::new();
    let report = desk.run(&models, "--edits=remove,replace");
    let mut fates: BTreeMap<(Fate, bool), u64> = BTreeMap::new();
    for asked in models.server().asked() {
        let again = asked.json()["messages"].as_array().map_or(0, Vec::len) > 2;
        let task = match asked.path.ends_with("edits") {
            true => Task::Edit,
            false => models.asked_since(asked.number)[0].0,
        };
        *fates.entry((fate(&asked, task), again)).or_default() += 1;
    }
    let count = |fate: Fate, again: bool| fates.get(&(fate, again)).copied().unwrap_or(0);
    let (once, twice) = (count(Fate::BadOnce, false), count(Fate::BadTwice, false));
    assert!(once > 0 && twice > 0, "{fates:?}");
    assert_eq!(count(Fate::BadTwice, true), twice, "each is asked once more: {fates:?}");
    assert_eq!(report.summary.refused["caption"], BTreeMap::from([("unparsable_answer".to_owned(), twice)]));
    assert_eq!(asked(&report)["caption_chat"], asked(&report)["caption"] + once + twice);
    let filtered = count(Fate::Filtered, false) + count(Fate::TurnedAway, false);
    assert!(count(Fate::Filtered, false) > 0 && count(Fate::TurnedAway, false) > 0, "{fates:?}");
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    assert_eq!(edits.refused["judge"], BTreeMap::from([("content_filter".to_owned(), filtered)]));
    // Both say something of the question, and stay: the next run asks nothing.
    let received = models.server().count();
    assert_eq!(asked(&desk.run(&models, "--edits=remove,replace")).len(), 0);
    assert_eq!(models.server().count(), received);
}

/// One of three answers has one pixel, one of three is a line of them.
fn misshapen(asked: &Asked, task: Task) -> Option<Action> {
    let hash = key(asked);
    match (task, hash % 3) {
        (Task::Edit, 0) => Some(edited_at(hash, 1, 1)),
        (Task::Edit, 1) => Some(edited_at(hash, 60_000, 1)),
        _ => None,
    }
}

#[test]
fn what_no_editor_can_mean_is_refused_by_its_shape_and_not_paid_for_again() {
    let models = Models::with(Faults::default(), Box::new(misshapen));
    let desk = Desk::new();
    let report = desk.run(&models, "--edits=remove");
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    let refused = &edits.refused["edit"];
    let asked_for = asked(&report)["edit_http"];
    assert!(refused.keys().eq(["wrong_shape"]), "{refused:?}");
    assert!((1..asked_for).contains(&refused["wrong_shape"]), "{refused:?} of {asked_for}");
    let received = models.server().count();
    let again = desk.run(&models, "--edits=remove");
    assert_eq!(again.summary.edits.as_ref().expect("edits are tried").refused["edit"], *refused);
    assert_eq!(models.server().count(), received, "the answer is a function of the question");
}

//! Servers that fail, and models that answer badly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;
use tests::fakes::http::{Action, Asked};
use tests::fakes::models::{Faults, Models, Task, answer, edited_at, key, said};
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

/// What a server that is set up badly makes of every second caption: thinking, a call, or nothing.
fn without_content(asked: &Asked, task: Task) -> Option<Action> {
    let call = json!([{"id": "1", "type": "function", "function": {"name": "describe", "arguments": "{}"}}]);
    let message = match (task, key(asked) % 6) {
        (Task::Caption, 0) => json!({"content": null, "reasoning_content": "A scene, it seems."}),
        (Task::Caption, 1) => json!({"content": null, "tool_calls": call}),
        (Task::Caption, 2) => json!({"content": "<think>A scene, it seems."}),
        (Task::Caption, 3) => json!({"content": ""}),
        _ => return None,
    };
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Some(Action::json(200, &json!({"choices": [choice]})))
}

#[test]
fn what_a_server_did_is_asked_again_by_the_next_run() {
    let ill = Arc::new(AtomicBool::new(true));
    let is_ill = ill.clone();
    let models = Models::with(
        Faults::default(),
        Box::new(move |asked, task| if is_ill.load(SeqCst) { without_content(asked, task) } else { None }),
    );
    let desk = Desk::new();
    let report = desk.run(&models, "--edits=remove");
    let refused = report.summary.refused["caption"].clone();
    let classes: Vec<&str> = refused.keys().map(String::as_str).collect();
    assert_eq!(classes, ["empty_answer", "only_called", "only_thought"]);
    let refused: u64 = refused.values().sum();
    // Each was asked once: what comes of such a server is not asked for again by the same run.
    assert_eq!(asked(&report)["caption_chat"], asked(&report)["caption"]);
    assert_eq!(asked(&desk.run(&models, "--edits=remove")).get("caption_chat"), Some(&refused));
    ill.store(false, SeqCst);
    // No `--retry`.
    let report = desk.run(&models, "--edits=remove");
    assert_eq!(asked(&report)["caption_chat"], refused);
    assert!(!report.summary.refused.contains_key("caption"), "{:?}", report.summary.refused);
    assert_eq!(asked(&desk.run(&models, "--edits=remove")).len(), 0);
    let undisturbed = Desk::new();
    undisturbed.run(&Models::start(), "--edits=remove");
    trees::assert_same(&desk.path("out"), &undisturbed.path("out"), "after a server that was ill");
}

/// Answers as models with templates write them: in thinking, in marks, with drafts, in broken JSON.
fn as_models_write(asked: &Asked, task: Task) -> Option<Action> {
    let answered = answer(asked, task);
    let Action::Respond { body, .. } = &answered else { return None };
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let plain = body["choices"][0]["message"]["content"].as_str()?.to_owned();
    let draft = r#"{"reason": "a draft", "follows": 1, "natural": 1, "match": false, "objects": [], "instruction": "x"}"#;
    Some(said(&match key(asked) % 6 {
        0 => format!("<think>\n{draft}\n</think>\n\n{plain}<|im_end|>"),
        1 => format!("{draft} Hm.\n</think>\n<|begin_of_box|>{plain}<|end_of_box|>"),
        2 => format!(
            "<|channel|>analysis<|message|>{draft}<|end|><|start|>assistant<|channel|>final<|message|>{plain}<|return|>"
        ),
        3 => format!("<thinking>{draft}</thinking>\n```json\n{plain}\n```"),
        4 if plain.ends_with('}') => format!("<answer>{},}}</answer>", plain.trim_end_matches('}')),
        _ => {
            format!("{plain}<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n{draft}")
        }
    }))
}

#[test]
fn forms_of_answers_leave_no_trace() {
    let flags = "--edits=remove,replace,content_memory";
    let models = Models::with(Faults::default(), Box::new(as_models_write));
    let (odd, plain) = (Desk::of(12, 8), Desk::of(12, 8));
    let report = odd.run(&models, flags);
    let undisturbed = plain.run(&Models::start(), flags);
    // Nothing had to be asked twice, and nothing of the forms is published.
    assert_eq!(asked(&report), asked(&undisturbed));
    assert!(asked(&report)["judge_chat"] > 10, "{:?}", asked(&report));
    trees::assert_same(&odd.path("out"), &plain.path("out"), "odd forms and plain ones");
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

//! Every type is asked for by a prompt of its own, and answered in the keys that it was asked for.

use threshflow::row::RegionKind;

use super::*;
use crate::plan::edit_plan::check::{
    MOST_OF_NEW_OBJECT, MOST_OF_PREMISE, MOST_OF_RESULT, MOST_OF_STYLE, MOST_WORDS, MOST_WORDS_OF_TWO,
};
use crate::plan::edit_plan::{Operation, PlannedObject};

fn step(operation: Operation, noun: &str) -> PlannedStep {
    let object = (!noun.is_empty()).then(|| PlannedObject {
        noun: noun.to_owned(),
        kind: RegionKind::Object,
        bbox: [0.0, 400.0, 150.0, 600.0],
    });
    PlannedStep { operation, object }
}

/// A plan of every type, and an answer to it that passes.
fn plan_and_answer(edit_type: EditType) -> (EditPlan, Value) {
    use Operation::*;
    let (steps, answer) = match edit_type {
        EditType::Add => (vec![step(Add, "dog")], json!({"instruction": "Add a small dog on the left."})),
        EditType::Remove => {
            (vec![step(Remove, "dog")], json!({"instruction": "Remove the small dog on the left."}))
        }
        EditType::Replace => (
            vec![step(Replace, "dog")],
            json!({"instruction": "Replace the dog on the left with a cat.", "result": "a cat"}),
        ),
        EditType::Adjust => (
            vec![step(Adjust, "dog")],
            json!({"instruction": "Make the dog's fur black.", "result": "a black dog."}),
        ),
        EditType::Action => (vec![step(Action, "")], json!({"instruction": "Let the woman sit down."})),
        EditType::Style => (
            vec![step(Style, "")],
            json!({"instruction": "Paint it in watercolour.", "result": "watercolour"}),
        ),
        EditType::Extract => {
            (vec![step(Extract, "dog")], json!({"instruction": "Cut the dog out onto white."}))
        }
        EditType::Visual => (
            vec![step(Visual, "dog")],
            json!({"instruction": "Put what the reference shows in the dog's place.", "result": "a cat"}),
        ),
        EditType::Background => (
            vec![step(Background, "sky")],
            json!({"instruction": "Make the sky a starry night.", "result": "a starry night"}),
        ),
        EditType::Hybrid => (
            vec![step(Remove, "dog"), step(Adjust, "car")],
            json!({"instruction": "Remove the dog and paint the car red.", "result_2": "a red car"}),
        ),
        EditType::ContentMemory => (
            vec![step(Replace, "dog"), step(Adjust, "car")],
            json!({
                "premise": "All that is edited must be golden.", "turn_1": "Replace the dog with a cat.",
                "turn_2": "Give the car another finish.", "result_1": "a golden cat", "result_2": "a golden car"
            }),
        ),
        EditType::ContentUnderstanding => (
            vec![step(Add, "dog"), step(Adjust, "dog"), step(Remove, "dog")],
            json!({
                "turn_1": "Add a dog.", "turn_2": "Make its fur black.", "turn_3": "Take it away again.",
                "result_2": "a black dog"
            }),
        ),
        EditType::VersionBacktracking => (
            vec![step(Add, "dog"), step(Replace, "dog"), step(Adjust, "dog")],
            json!({
                "turn_1": "Add a dog.", "turn_2": "Make it a cat.", "turn_3": "Undo that and make the dog black.",
                "result_2": "a cat", "result_3": "a black dog"
            }),
        ),
    };
    let caption = "A dog, a car and a {sky}.".to_owned();
    (EditPlan { edit_type, width: 1000, height: 900, caption, steps, pick: 1234 }, answer)
}

fn texts(request: &ChatRequest) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Picture { bytes, .. } => format!("[{}]", String::from_utf8_lossy(bytes)),
    };
    request.parts.iter().map(text).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_type_is_answered_in_the_keys_that_it_was_asked_for() {
    for edit_type in EditType::ALL {
        let (plan, answer) = plan_and_answer(edit_type);
        let instruction =
            parse(&answer.to_string(), &plan, &[]).unwrap_or_else(|why| panic!("{edit_type}: {why}"));
        assert_eq!(instruction.prompts.len(), edit_type.turns());
        assert_eq!(instruction.results.len(), plan.steps.len());
        let request = request(&plan, &Seen::default(), &Limits::default());
        let (_, schema) = request.schema.as_ref().expect("JSON");
        let given: Vec<&String> = answer.as_object().expect("an object").keys().collect();
        let mut asked: Vec<&String> = schema["properties"].as_object().expect("keys").keys().collect();
        let required = schema["required"].as_array().expect("keys");
        assert_eq!(required.len(), asked.len(), "strict servers want every key required");
        asked.sort();
        let mut sorted = given.clone();
        sorted.sort();
        assert_eq!(asked, sorted, "{edit_type}");
        let question = texts(&request);
        for key in given {
            assert!(question.contains(&format!("{key:?}: ")), "{edit_type} does not tell the key {key}");
            let mut less = answer.as_object().expect("an object").clone();
            less.remove(key);
            assert!(
                parse(&Value::Object(less).to_string(), &plan, &[]).is_err(),
                "{edit_type} without {key}"
            );
        }
    }
    let (plan, answer) = plan_and_answer(EditType::Adjust);
    assert_eq!(parse(&answer.to_string(), &plan, &[]).expect("parses").results, ["a black dog"]);
}

#[test]
fn prompts_say_what_the_checker_demands() {
    let single = format!("t most {MOST_WORDS} words");
    let new_object = format!("t most {MOST_OF_NEW_OBJECT} words besides an article");
    let demands: [(EditType, &[&str]); 13] = [
        (EditType::Add, &["by its noun", "words given as its place", "say that size"]),
        (EditType::Remove, &["by its noun", "words given as its place", "say that size"]),
        (EditType::Replace, &["by its noun", "given as its place", "at most one adjective", &new_object]),
        (EditType::Adjust, &["by its noun", "same noun", "colour, its material, its texture"]),
        (EditType::Action, &["pose, action or expression", "no word of frames"]),
        (EditType::Style, &["style's name", "t most 5 words", "Number 234"]),
        (EditType::Extract, &["by its noun", "cut out or isolated"]),
        (EditType::Visual, &["by its noun", "`reference`", &new_object]),
        (EditType::Background, &["by its noun", "Mention no object", "at most 12"]),
        (EditType::Hybrid, &["one sentence", "both objects by their nouns", "50 words", &new_object]),
        (EditType::ContentMemory, &["at most 40 words", "No turn repeats the premise", &new_object]),
        (EditType::ContentUnderstanding, &["do not name it again", "pronoun", &new_object]),
        (EditType::VersionBacktracking, &["withdraws turn 2", "pronoun", &new_object]),
    ];
    assert_eq!((MOST_OF_STYLE, MOST_OF_RESULT, MOST_OF_PREMISE, MOST_WORDS_OF_TWO), (5, 12, 40, 50));
    for (edit_type, said) in demands {
        let question = texts(&request(&plan_and_answer(edit_type).0, &Seen::default(), &Limits::default()));
        for said in said {
            assert!(question.contains(said), "{edit_type}: {said}");
        }
        assert!(edit_type == EditType::Hybrid || question.contains(&single), "{edit_type}: {single}");
        assert!(question.contains("A dog, a car and a {sky}."), "{edit_type} has no caption");
    }
}

#[test]
fn a_step_is_told_with_its_noun_place_and_size() {
    let (plan, _) = plan_and_answer(EditType::Remove);
    let question = texts(&request(&plan, &Seen::default(), &Limits::default()));
    assert!(question.contains("Step 1: remove\nobject: dog\nplace: on the left\nsize: small"), "{question}");
    let (plan, _) = plan_and_answer(EditType::Background);
    let question = texts(&request(&plan, &Seen::default(), &Limits::default()));
    assert!(question.contains("Step 1: background\nbackground: sky\n"), "{question}");
}

#[test]
fn pictures_come_with_their_names() {
    let picture = |name: &str| Part::Picture { bytes: name.into(), mime: "image/jpeg" };
    let (plan, _) = plan_and_answer(EditType::Action);
    let seen = Seen {
        picture: Some(picture("first")),
        end_frame: Some(picture("second")),
        crops: vec![picture("crop")],
        reference: Some(picture("other")),
    };
    let question = texts(&request(&plan, &seen, &Limits::default()));
    assert!(question.contains("before the edit:\n[first]\n"));
    assert!(question.contains("after the edit:\n[second]\n"));
    assert!(question.contains("step 1, cut out:\n[crop]\nThe reference picture:\n[other]\n"));
}

#[test]
fn what_is_wrong_is_told_in_a_sentence() {
    let (plan, _) = plan_and_answer(EditType::Remove);
    let told = parse("{\"instruction\": \"Remove the animal.\"}", &plan, &[]).expect_err("names no dog");
    assert!(told.contains("\"dog\" to the letter"), "{told}");
    assert!(
        parse("Remove the small dog on the left.", &plan, &[]).expect_err("text").contains("no JSON object")
    );
    let (plan, answer) = plan_and_answer(EditType::Background);
    assert!(parse(&answer.to_string(), &plan, &["night"]).is_err(), "another noun of the picture");
}

#[test]
fn a_stamp_covers_its_own_rules_only() {
    let mut stamps: Vec<_> = EditType::ALL.into_iter().map(stamp_parts).collect();
    stamps.sort();
    stamps.dedup();
    assert_eq!(stamps.len(), EditType::COUNT);
}

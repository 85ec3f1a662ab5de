//! Instructions that pass and that don't, type by type.

use threshflow::row::RegionKind;

use super::*;
use crate::plan::edit_plan::EditType;

const SMALL_LEFT: [f32; 4] = [0.0, 400.0, 150.0, 600.0];
const LARGE_RIGHT: [f32; 4] = [500.0, 200.0, 1000.0, 800.0];

fn step(operation: Operation, noun: &str, bbox: [f32; 4]) -> PlannedStep {
    let kind = if operation == Operation::Background { RegionKind::Background } else { RegionKind::Object };
    let object = (!noun.is_empty()).then(|| PlannedObject { noun: noun.into(), kind, bbox });
    PlannedStep { operation, object }
}

fn plan(edit_type: EditType, steps: Vec<PlannedStep>) -> EditPlan {
    EditPlan { edit_type, width: 1000, height: 1000, caption: String::new(), steps, pick: 0 }
}

fn single(operation: Operation, noun: &str, bbox: [f32; 4]) -> EditPlan {
    let edit_type = EditType::from_name(operation.name()).expect("a type of one operation");
    plan(edit_type, vec![step(operation, noun, bbox)])
}

fn said(prompts: &[&str], results: &[&str], premise: Option<&str>) -> Instruction {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Instruction { prompts: owned(prompts), results: owned(results), premise: premise.map(str::to_owned) }
}

/// Passes where `wrong` is empty; else is refused in a sentence that holds it.
fn holds(plan: &EditPlan, instruction: &Instruction, wrong: &str) {
    let told = check(instruction, plan);
    match wrong {
        "" => assert_eq!(told, Ok(()), "{instruction:?}"),
        wrong => {
            let why = told.expect_err(&format!("{instruction:?} must not pass"));
            assert!(why.contains(wrong), "{why:?} has no {wrong:?}");
            assert!(!why.contains('\n'), "{why:?}");
        }
    }
}

#[test]
fn single_edits() {
    use Operation::*;
    let (left, right) = (SMALL_LEFT, LARGE_RIGHT);
    /// Operation, noun, box, prompt, result, and what is wrong.
    type Case = (Operation, &'static str, [f32; 4], &'static str, &'static str, &'static str);
    let table: &[Case] = &[
        (Remove, "red kite", left, "Remove the small Red Kite on the left.", "", ""),
        (Remove, "red kite", left, "Remove the small kite on the left.", "", "to the letter"),
        (Remove, "kite", left, "Remove the kite on the left.", "", "small"),
        (Remove, "kite", left, "Remove the large kite on the left.", "", "wrong size"),
        (Remove, "kite", left, "Remove the small kite.", "", "where"),
        (Remove, "kite", left, "Remove the small kite on the right.", "", "\"right\""),
        (Remove, "left shoe", right, "Remove the big left shoe.", "", "where"),
        (Remove, "kite", left, "Add a small kite on the left.", "", "opens with \"add\""),
        (Remove, "kite", left, "Remove the small kite on the left.", "sky", "must be empty"),
        (Remove, "kite", left, "", "", "empty"),
        (Remove, "kite", left, "Remove the small {object} kite on the left", "", "plain line"),
        (Add, "dog", right, "Add a large dog on the right.", "", ""),
        (Add, "dog", right, "Remove the large dog on the right.", "", "opens with"),
        (Replace, "dog", right, "Replace the dog on the right with a black cat.", "a black cat", ""),
        (Replace, "dog", right, "Replace the dog on the right with a black cat.", "", "missing"),
        (
            Replace,
            "dog",
            right,
            "Replace the dog on the right with something.",
            "a black cat",
            "name its result",
        ),
        (Replace, "dog", right, "Replace the dog on the right.", "the dog", "as it was before"),
        (Replace, "dog", right, "Replace the dog with a cat.", "a cat", "where"),
        (
            Replace,
            "dog",
            right,
            "Replace the dog on the right with a cat.",
            "a big old tired black cat",
            "6 words",
        ),
        (Adjust, "red car", left, "Paint the red car blue.", "a blue car", ""),
        (Adjust, "red car", left, "Paint the red car blue.", "a blue lorry", "still be a car"),
        (Adjust, "red car", left, "Paint the red car red.", "red car", "as it was before"),
        (Adjust, "red car", left, "Paint the red car blue.", "make the car blue", "noun phrase"),
        (Adjust, "red car", left, "Paint the red car blue.", "A blue car.", "noun phrase"),
        (Extract, "dog", left, "Cut the dog out onto a clean white ground.", "", ""),
        (Extract, "dog", left, "A cut-out of the dog on white.", "", ""),
        (Extract, "dog", left, "Show the dog.", "", "cut out"),
        (Remove, "kite", left, "Remove the small-sized kite on the left-hand side.", "", ""),
        (Visual, "dog", left, "Put the animal of the reference picture in the dog's place.", "tabby cat", ""),
        (Visual, "dog", left, "Put a cat in the dog's place.", "tabby cat", "reference"),
        (Background, "sky", right, "Change the sky to a starry night.", "starry night", ""),
        (Background, "sky", right, "Change the ground to a starry night.", "starry night", "to the letter"),
        (Background, "sky", right, "Change the sky.", "starry night", "name its result"),
        (Style, "", left, "Render the picture as a watercolour.", "watercolour", ""),
        (Style, "", left, "Render the picture differently.", "watercolour", "name its result"),
        (Style, "", left, "Make it Gothic.", "a gothic thing of very many words", "7 words"),
        (Action, "", left, "Let the woman raise her right arm and smile.", "", ""),
        (Action, "", left, "Let her look as in the second frame.", "", "second frame"),
    ];
    for (operation, noun, bbox, prompt, result, wrong) in table {
        holds(&single(*operation, noun, *bbox), &said(&[prompt], &[result], None), wrong);
    }
}

#[test]
fn a_prompt_has_at_most_thirty_words() {
    let plan = single(Operation::Remove, "kite", SMALL_LEFT);
    let long = |more: usize| format!("Remove the small kite on the left{}", " please".repeat(more));
    holds(&plan, &said(&[&long(23)], &[""], None), "");
    holds(&plan, &said(&[&long(24)], &[""], None), "31 words, at most 30");
}

#[test]
fn a_background_is_changed_without_a_word_of_the_objects() {
    let plan = single(Operation::Background, "sky", LARGE_RIGHT);
    let instruction = said(&["Change the sky behind the dog to a starry night."], &["starry night"], None);
    assert_eq!(check(&instruction, &plan), Ok(()));
    let told = check_beside(&instruction, &plan, &["cat", "dog"]);
    assert!(told.expect_err("names a dog").contains("\"dog\""));
}

#[test]
fn hybrids_hold_two_operations_in_one_sentence() {
    let steps =
        vec![step(Operation::Remove, "kite", SMALL_LEFT), step(Operation::Adjust, "dog", LARGE_RIGHT)];
    let plan = plan(EditType::Hybrid, steps);
    let table = [
        ("Remove the kite and make the dog brown.", ["", "a brown dog"], ""),
        ("Remove the kite. Make the dog brown.", ["", "a brown dog"], "one sentence"),
        ("Remove the kite and make the animal brown.", ["", "a brown dog"], "\"dog\""),
        ("Remove the kite and make the dog brown.", ["empty sky", "a brown dog"], "must be empty"),
        ("Remove the kite and make the dog brown.", ["", ""], "missing"),
    ];
    for (prompt, results, wrong) in table {
        holds(&plan, &said(&[prompt], &results, None), wrong);
    }
    holds(&plan, &said(&["Remove the kite and make the dog brown."], &[""], None), "2 results");
}

#[test]
fn a_premise_is_obeyed_and_not_repeated() {
    let steps =
        vec![step(Operation::Replace, "chair", SMALL_LEFT), step(Operation::Adjust, "table", LARGE_RIGHT)];
    let plan = plan(EditType::ContentMemory, steps);
    let results = ["a wooden stool", "an oak table"];
    let premise = Some("From now on everything that is changed must be of wood.");
    let turns = ["Replace the chair with a stool.", "Now give the table another look."];
    holds(&plan, &said(&turns, &results, premise), "");
    holds(&plan, &said(&turns, &results, Some("Whatever you change must look like wood.")), "");
    holds(&plan, &said(&turns, &results, None), "premise is missing");
    holds(&plan, &said(&turns, &results, Some("All must be changed")), "obey");
    let repeats = ["Replace the chair with a stool.", "Make the table of wood too."];
    holds(&plan, &said(&repeats, &results, premise), "turn 2: it repeats \"wood\"");
    let unnamed = ["Replace the seat with a stool.", "Now give the table another look."];
    holds(&plan, &said(&unnamed, &results, premise), "turn 1: it does not name");
    let single = single(Operation::Remove, "kite", SMALL_LEFT);
    holds(&single, &said(&["Remove the small kite on the left."], &[""], premise), "no premise");
}

#[test]
fn later_turns_speak_in_pronouns() {
    let of = |operation| step(operation, "dog", SMALL_LEFT);
    let steps = vec![of(Operation::Add), of(Operation::Adjust), of(Operation::Replace)];
    let plan = plan(EditType::ContentUnderstanding, steps);
    let results = ["", "a black dog", "a cat"];
    let table = [
        (["Add a dog on the grass.", "Make its fur black.", "Replace it with a cat."], ""),
        (["Add an animal.", "Make its fur black.", "Replace it with a cat."], "turn 1"),
        (["Add a dog.", "Make the dog black.", "Replace it with a cat."], "turn 2: it names"),
        (["Add a dog.", "Make its fur black.", "Replace the animal with a cat."], "turn 3: it refers"),
        (["Add a dog.", "Make its fur black.", "Replace it."], "turn 3: it does not name its result"),
    ];
    for (turns, wrong) in table {
        holds(&plan, &said(&turns, &results, None), wrong);
    }
    holds(&plan, &said(&["Add a dog."], &results, None), "3 prompts");
}

#[test]
fn the_third_turn_withdraws_the_second() {
    let of = |operation| step(operation, "dog", SMALL_LEFT);
    let steps = vec![of(Operation::Add), of(Operation::Replace), of(Operation::Adjust)];
    let plan = plan(EditType::VersionBacktracking, steps);
    let results = ["", "a cat", "a black dog"];
    let table = [
        (["Add a dog.", "Replace it with a cat.", "Undo that and make the dog black."], ""),
        (["Add a dog.", "Replace the dog with a cat.", "Go back to before and make it black."], ""),
        (["Add a dog.", "Replace it with a cat.", "Make the dog black."], "turn 3: it does not withdraw"),
        (["Add a dog.", "Bring a cat.", "Undo that and make the dog black."], "turn 2: it refers"),
    ];
    for (turns, wrong) in table {
        holds(&plan, &said(&turns, &results, None), wrong);
    }
}

#[test]
fn a_plan_without_its_object_is_no_panic() {
    let plan = single(Operation::Remove, "", SMALL_LEFT);
    holds(&plan, &said(&["Remove the kite on the left."], &[""], None), "no object");
    let empty = super::super::EditPlan { steps: vec![], ..plan };
    holds(&empty, &said(&["Remove the kite on the left."], &[""], None), "1 steps");
}

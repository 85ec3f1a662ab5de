//! What a chat model is told of an edit, turn by turn.

use super::super::*;
use crate::plan::edit_plan::{EditPlan, Instruction, PlannedStep};
use crate::words::chat::Part;

const PROMPTS: [&str; 3] = ["Paint the boat red.", "Give it a sail.", "Undo the sail."];

fn planned(edit_type: EditType) -> Planned {
    let steps = [Operation::Adjust, Operation::Adjust, Operation::Adjust];
    let steps = steps.map(|operation| PlannedStep { operation, object: None });
    Planned {
        plan: EditPlan {
            edit_type,
            width: 40,
            height: 40,
            caption: String::new(),
            steps: steps[..edit_type.turns()].to_vec(),
            pick: 0,
        },
        regions: Vec::new(),
        objects: Vec::new(),
        sure: Vec::new(),
    }
}

/// What is written in the question about a turn.
fn asked(edit_type: EditType, premise: Option<&str>, turn: usize) -> String {
    let prompts = PROMPTS[..edit_type.turns()].iter().map(|prompt| (*prompt).to_owned()).collect();
    let instruction = Instruction { prompts, results: Vec::new(), premise: premise.map(str::to_owned) };
    let stored = StoredInstruction { instruction, ..StoredInstruction::default() };
    let picture = RgbImage::new(40, 40);
    let request = request(&planned(edit_type), (&stored, None), turn, [&picture, &picture]).unwrap();
    let texts = request.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Picture { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_turn_is_judged_by_its_own_words_after_all_that_was_said_before() {
    for turn in 0..3 {
        let asked = asked(EditType::VersionBacktracking, None, turn);
        let places = PROMPTS.map(|prompt| asked.find(prompt));
        let (said, later) = places.split_at(turn + 1);
        assert!(said.iter().all(Option::is_some) && said.is_sorted(), "turn {turn}: {asked}");
        assert!(later.iter().all(Option::is_none), "turn {turn}: {asked}");
    }
    let premise = "All that is changed becomes red.";
    for (turn, prompt) in PROMPTS.into_iter().take(2).enumerate() {
        let asked = asked(EditType::ContentMemory, Some(premise), turn);
        let [premise, prompt] = [premise, prompt].map(|text| asked.find(text));
        assert!(premise.is_some() && premise < prompt, "turn {turn}: {asked}");
    }
}

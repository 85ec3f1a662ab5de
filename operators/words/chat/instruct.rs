//! `instruct`: an edit's plan in words. One prompt a type, and one checker for all: [`check`](crate::plan::edit_plan::check).

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::prompt::{fill, version};
use super::reader::objects::{Shape, object_in, text};
use super::reader::said;
use super::{ChatRequest, Part};
use crate::editors::limits::Limits;
use crate::plan::edit_plan::check::check_beside;
use crate::plan::edit_plan::place::{Position, Size};
use crate::plan::edit_plan::{Changes, EditPlan, EditType, Instruction, Needs, PlannedStep, Telling};
use crate::plan::edit_type::edit_types;

const SYSTEM: &str = include_str!("../prompts/instruct.md");
/// Raise this when the code changes what is asked or taken.
const VERSION: &[u8] = b"chat instruct/2";

/// The rules of each type: a file of its name.
macro_rules! rules {
    (
        operations {$($of_operations:tt)*}
        types {$($(#[$doc:meta])* $type:ident $name:literal: needs $needs:ident, told $told:ident,
            steps $([$($step:tt)+])+;)+}
    ) => {
        /// The rules of a type.
        fn rules(edit_type: EditType) -> &'static str {
            match edit_type {
                $(EditType::$type => include_str!(concat!("../prompts/instruct/", $name, ".md")),)+
            }
        }
    };
}
edit_types!(rules);

/// The pictures that go with a plan, each as [`encode`](super::encode) made it; words alone will do but for `action`, which is
/// about two, and `visual`, whose result only the reference knows.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The picture; of `action` the first frame.
    pub picture: Option<Part>,
    /// The object of each step, cut out of it: in the order of the steps, as far as there are any.
    pub crops: Vec<Part>,
    /// Of `visual`: the object to be put in.
    pub reference: Option<Part>,
    /// Of `action`: the second frame.
    pub end_frame: Option<Part>,
}

/// Asks for a plan's words, which are to keep within these limits.
pub fn request(plan: &EditPlan, seen: &Seen, limits: &Limits) -> ChatRequest {
    let mut parts = Vec::new();
    let mut show = |label: String, picture: Option<&Part>| {
        if let Some(picture) = picture {
            parts.push(Part::Text(label));
            parts.push(picture.clone());
        }
    };
    let two_frames = plan.edit_type.needs() == Needs::TwoFrames;
    let label = if two_frames { "The picture before the edit:" } else { "The picture:" };
    show(label.into(), seen.picture.as_ref());
    show("The picture after the edit:".into(), seen.end_frame.as_ref());
    for (number, crop) in seen.crops.iter().enumerate() {
        show(format!("The object of step {}, cut out:", number + 1), Some(crop));
    }
    show("The reference picture:".into(), seen.reference.as_ref());
    parts.push(Part::Text(question(plan, limits)));
    ChatRequest {
        system: SYSTEM.trim_end().to_owned(),
        parts,
        schema: Some(("instruction", schema(plan))),
        again: None,
    }
}

fn question(plan: &EditPlan, limits: &Limits) -> String {
    let pick = (plan.pick % 1000).to_string();
    let mut question = fill(rules(plan.edit_type), &[("pick", &pick)]);
    // Writing to a String cannot fail.
    let _ = write!(question, "\n\nThe picture has {} x {} pixels.", plan.width, plan.height);
    if !plan.caption.trim().is_empty() {
        let _ = write!(question, " What is known to be in it:\n\"\"\"\n{}\n\"\"\"", plan.caption.trim());
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = write!(question, "\n\nStep {}: {}", number + 1, told(step, plan));
        if let Some(results) = limits.told(step.operation) {
            let _ = write!(question, "\nthe result must be: {results}");
        }
    }
    let keys: Vec<String> = keys(plan).iter().map(|key| format!("{:?}: \"…\"", key.name)).collect();
    let _ = write!(question, "\n\nAnswer with this JSON object:\n{{{}}}", keys.join(", "));
    question
}

/// A step for the model: operation, noun, place and size.
fn told(step: &PlannedStep, plan: &EditPlan) -> String {
    let mut told = step.operation.name().to_owned();
    let Some(object) = &step.object else { return told };
    let place = Position::of(object.bbox, plan.width, plan.height).phrase();
    let of_a_background = step.operation.changes() == Changes::Background;
    let what = if of_a_background { "background" } else { "object" };
    let _ = write!(told, "\n{what}: {}", object.noun);
    if !of_a_background {
        let _ = write!(told, "\nplace: {place}");
        if let Some(size) = Size::of(object.bbox, plan.width, plan.height).word() {
            let _ = write!(told, "\nsize: {size}");
        }
    }
    told
}

/// A key of the answer, and what it holds.
struct AnswerKey {
    name: String,
    holds: Holds,
}

#[derive(Clone, Copy)]
enum Holds {
    Premise,
    Prompt,
    /// Of this step.
    Result(usize),
}

/// The keys that an answer has: only those that its plan has a use for.
fn keys(plan: &EditPlan) -> Vec<AnswerKey> {
    let turns = plan.edit_type.turns();
    let mut keys = Vec::new();
    if plan.edit_type.told() == Telling::UnderPremise {
        keys.push(AnswerKey { name: "premise".into(), holds: Holds::Premise });
    }
    for turn in 1..=turns {
        let name = if turns == 1 { "instruction".into() } else { format!("turn_{turn}") };
        keys.push(AnswerKey { name, holds: Holds::Prompt });
    }
    for (number, step) in plan.steps.iter().enumerate() {
        if step.operation.has_result() {
            let name = if plan.steps.len() == 1 { "result".into() } else { format!("result_{}", number + 1) };
            keys.push(AnswerKey { name, holds: Holds::Result(number) });
        }
    }
    keys
}

fn schema(plan: &EditPlan) -> Value {
    let keys = keys(plan);
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.clone(), json!({"type": "string"}))).collect();
    let required: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The instruction, checked against its plan; `objects` are the picture's other nouns, none of which an instruction about a
/// background may name.
pub fn parse(answer: &str, plan: &EditPlan, objects: &[&str]) -> Result<Instruction, String> {
    let keys = keys(plan);
    let said = said(answer).map_err(|silence| silence.told().to_owned())?;
    let names: Vec<[&str; 1]> = keys.iter().map(|key| [key.name.as_str()]).collect();
    let wanted: Vec<&[&str]> = names.iter().map(|name| name.as_slice()).collect();
    let object = object_in(&said, Shape { wanted: &wanted })?;
    let mut instruction =
        Instruction { prompts: Vec::new(), results: vec![String::new(); plan.steps.len()], premise: None };
    for key in keys {
        let said = text(&object, &key.name)?;
        match key.holds {
            Holds::Premise => instruction.premise = Some(said),
            Holds::Prompt => instruction.prompts.push(said),
            Holds::Result(step) => instruction.results[step] = said.trim_end_matches('.').to_owned(),
        }
    }
    check_beside(&instruction, plan, objects)?;
    Ok(instruction)
}

/// What of this task shapes an answer of one type: another type's rules don't.
pub(crate) fn stamp_parts(edit_type: EditType) -> Vec<(&'static str, Vec<u8>)> {
    vec![("task", VERSION.to_vec()), ("prompts", version([SYSTEM, rules(edit_type)]))]
}

#[cfg(test)]
mod tests;

//! Instructions from a small grammar: what an edit is about, where that is, and what shall come of it.
//!
//! Every slot (wording, colour, thing, style, ground) is filled by a hash of the plan's pick and the slot's name, so that slots are
//! independent of each other and every rerun gives the same words. The result must pass [`check`](crate::plan::edit_plan::check::check). If
//! a filling does not, others are tried. A plan that no filling fits is refused.

use threshflow::row::Refusal;

use super::lexicon::Lexicon;
use super::motion::Motion;
use crate::plan::choice::slot;
use crate::plan::edit_plan::check::check_beside;
use crate::plan::edit_plan::{EditPlan, Instruction, Needs};

mod subject;
mod writer;

use writer::Writer;

/// So many fillings of a plan's slots are tried.
const ATTEMPTS: u64 = 24;
/// From this one on, only what must be said of an object is said.
const TERSE_FROM: u64 = 12;

/// What is known besides the plan. All of it may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// A name for the colour of each step's object, in the order of the steps; of an object that several steps are about, the first
    /// of them counts.
    pub colours: &'a [Option<&'a str>],
    /// Between the two frames of an `action`.
    pub motion: Option<&'a Motion>,
    /// The noun of what a `visual`'s reference picture shows.
    pub reference: Option<&'a str>,
    /// Nouns of the picture's objects: an instruction about a background names none of them.
    pub objects: &'a [&'a str],
}

/// Puts a plan in words. Refused as `no_motion` where an `action` shows none, as `bad_plan` where the plan's steps are not those
/// of its type, and as `unsayable` where no wording passes the checker: a noun of thirty words, or of none.
///
/// ```
/// use operators::plan::edit_plan::{EditPlan, EditType, Operation, PlannedObject, PlannedStep};
/// use operators::words::plain::{Known, Lexicon, instruct};
/// use threshflow::row::RegionKind;
/// let object = PlannedObject {
///     noun: "car".into(),
///     kind: RegionKind::Object,
///     bbox: [0.0, 100.0, 40.0, 130.0],
/// };
/// let plan = EditPlan {
///     edit_type: EditType::Remove,
///     width: 300,
///     height: 300,
///     caption: String::new(),
///     steps: vec![PlannedStep { operation: Operation::Remove, object: Some(object) }],
///     pick: 4,
/// };
/// let known = Known { colours: &[Some("red")], ..Known::default() };
/// let instruction = instruct(&Lexicon::embedded(), &plan, &known).unwrap();
/// assert!(instruction.prompts[0].contains("the small red car on the left"));
/// ```
pub fn instruct(lexicon: &Lexicon, plan: &EditPlan, known: &Known<'_>) -> Result<Instruction, Refusal> {
    let mut complaint = String::new();
    for attempt in 0..ATTEMPTS {
        let pick = if attempt == 0 { plan.pick } else { slot(plan.pick, &format!("attempt {attempt}")) };
        let writer = Writer::new(lexicon, plan, known, pick, attempt >= TERSE_FROM)?;
        let instruction = writer.write()?;
        let of_a_background = plan.edit_type.needs() == Needs::Background;
        let objects = if of_a_background { known.objects } else { &[] };
        match check_beside(&instruction, plan, objects) {
            Ok(()) => return Ok(instruction),
            Err(why) => complaint = why,
        }
    }
    let nouns = plan.steps.iter().filter_map(|step| step.object.as_ref());
    let nouns: Vec<String> = nouns.map(|object| object.noun.chars().take(60).collect()).collect();
    let message = format!("the plain grammar has no words for {} of {nouns:?}: {complaint}", plan.edit_type);
    Err(Refusal::permanent("unsayable", message))
}

#[cfg(test)]
mod tests;

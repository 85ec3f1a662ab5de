//! What an edit is to be: its type, its steps and what each is about. The words that operators which write, make and judge
//! edits share.
//!
//! The types and operations themselves are a table: [`edit_type`](crate::plan::edit_type).

use serde::{Deserialize, Serialize};
use threshflow::row::RegionKind;

pub use crate::plan::edit_type::{
    Changes, EditType, MadeBy, Needs, Operation, Outcome, Shows, Telling, edit_type,
};

pub mod check;
pub mod passes;
pub mod place;
pub mod words;

/// An edit that was chosen for a picture, before anyone put it in words.
#[derive(Clone, Debug, PartialEq)]
pub struct EditPlan {
    pub edit_type: EditType,
    /// Of the picture as shown, in pixels.
    pub width: u32,
    pub height: u32,
    /// What is known to be in the picture, in words; empty where nobody described it.
    pub caption: String,
    /// One step for every operation: 1 for single edits, 2 for `hybrid` and `content_memory`, 3 for the other two.
    /// The steps of a `hybrid` share one instruction; else there is one for each.
    pub steps: Vec<PlannedStep>,
    /// Picks among styles, colours, wordings: a keyed hash of (seed, picture, type), so stable under every rerun.
    pub pick: u64,
}

/// An operation and the region that it is about: none for style and action.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStep {
    pub operation: Operation,
    pub object: Option<PlannedObject>,
}

/// A region as the ground stage found it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedObject {
    /// As it stands in the caption.
    pub noun: String,
    pub kind: RegionKind,
    /// Left, top, right, bottom, in pixels of the picture as shown.
    pub bbox: [f32; 4],
}

/// An edit in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// As many as the type has [turns](EditType::turns).
    pub prompts: Vec<String>,
    /// `edit_result` of every step of the plan; empty where [the operation has none](Operation::has_result).
    pub results: Vec<String>,
    /// What all turns of `content_memory` obey, and none repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub premise: Option<String>,
}

//! What an edit is to be: its type, its steps and what each is about. The words that operators which write, make and judge
//! edits share.
//!
//! The thirteen types are ImgEdit's; their names are those of its parquet files.

use std::fmt;

use serde::{Deserialize, Serialize};
use threshflow::row::RegionKind;

pub mod check;
pub mod passes;
pub mod place;
pub mod words;

/// The thirteen types of ImgEdit, ten of one turn and three of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditType {
    Add,
    Remove,
    Replace,
    Adjust,
    Action,
    Style,
    Extract,
    Visual,
    Background,
    Hybrid,
    ContentMemory,
    ContentUnderstanding,
    VersionBacktracking,
}

impl EditType {
    /// In the order of their numbers.
    pub const ALL: [EditType; 13] = [
        EditType::Add,
        EditType::Remove,
        EditType::Replace,
        EditType::Adjust,
        EditType::Action,
        EditType::Style,
        EditType::Extract,
        EditType::Visual,
        EditType::Background,
        EditType::Hybrid,
        EditType::ContentMemory,
        EditType::ContentUnderstanding,
        EditType::VersionBacktracking,
    ];

    /// As files and settings name it: `add`, `content_memory`.
    pub fn name(self) -> &'static str {
        match self {
            EditType::Add => "add",
            EditType::Remove => "remove",
            EditType::Replace => "replace",
            EditType::Adjust => "adjust",
            EditType::Action => "action",
            EditType::Style => "style",
            EditType::Extract => "extract",
            EditType::Visual => "visual",
            EditType::Background => "background",
            EditType::Hybrid => "hybrid",
            EditType::ContentMemory => "content_memory",
            EditType::ContentUnderstanding => "content_understanding",
            EditType::VersionBacktracking => "version_backtracking",
        }
    }

    /// Its place in [`EditType::ALL`]: what rows carry.
    pub fn number(self) -> u16 {
        self as u16
    }

    pub fn from_number(number: u16) -> Option<Self> {
        EditType::ALL.get(usize::from(number)).copied()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        EditType::ALL.into_iter().find(|known| known.name() == name)
    }

    /// How many instructions such an edit has: 1, or the turns of a conversation.
    pub fn turns(self) -> usize {
        match self {
            EditType::ContentMemory => 2,
            EditType::ContentUnderstanding | EditType::VersionBacktracking => 3,
            _ => 1,
        }
    }

    pub fn is_multi_turn(self) -> bool {
        self.turns() > 1
    }

    /// How many objects (regions of different nouns) such an edit is about: 0 for style and action.
    pub fn objects(self) -> usize {
        match self {
            EditType::Style | EditType::Action => 0,
            EditType::Hybrid | EditType::ContentMemory => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for EditType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one step does to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Add,
    Remove,
    Replace,
    Adjust,
    Action,
    Style,
    Extract,
    Visual,
    Background,
}

impl Operation {
    pub const ALL: [Operation; 9] = [
        Operation::Add,
        Operation::Remove,
        Operation::Replace,
        Operation::Adjust,
        Operation::Action,
        Operation::Style,
        Operation::Extract,
        Operation::Visual,
        Operation::Background,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Operation::Add => "add",
            Operation::Remove => "remove",
            Operation::Replace => "replace",
            Operation::Adjust => "adjust",
            Operation::Action => "action",
            Operation::Style => "style",
            Operation::Extract => "extract",
            Operation::Visual => "visual",
            Operation::Background => "background",
        }
    }

    /// Whether an instruction must say what comes of the step (`edit_result`): a noun phrase, or a style's name.
    pub fn has_result(self) -> bool {
        !matches!(self, Operation::Add | Operation::Remove | Operation::Action | Operation::Extract)
    }
}

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

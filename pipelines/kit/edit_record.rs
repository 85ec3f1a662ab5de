//! What is published of an edit: the JSON text in the column `record` of `edits/`. A release is written from it and the store, without a
//! model.

use operators::plan::edit_plan::passes::Shown;
use operators::plan::edit_plan::{EditType, Operation};
use operators::plan::judgement::Judgement;
use serde::{Deserialize, Serialize};
use threshflow::lane::{Operator, Stage};
use threshflow::row::{ContentHash, RegionKind};
use threshflow::shard::Origin;

/// An edit and all that shaped it.
///
/// In `edits_rejected/`, `J` is [`Option<Judgement>`](Judgement): an edit may have ended before it was judged. Then its turns have no
/// judgement, `judge_model` is empty, and `stamps` names the stages that had answered. If it was not made, it has no passes, and if it
/// was not put in words, no turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditRecord<J = Judgement> {
    pub edit_type: EditType,
    /// Of the source shard, by its name.
    pub shard: String,
    pub key: String,
    /// The source picture's path: `00094/00030/000304748.jpg`.
    pub original_path: String,
    /// What the source picture's sidecar says of where it comes from.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// Of the source picture, as shown, in pixels.
    pub width: u32,
    pub height: u32,
    pub turns: Vec<RecordedTurn<J>>,
    /// One a step.
    pub operations: Vec<Operation>,
    /// One a step: what must come of it, empty where the operation has none.
    pub results: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub premise: Option<String>,
    /// What the reference picture of a `visual` shows: as the embedded editor draws it, unless it was the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where the store remembers that picture, if it was the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_picture: Option<RecordedPicture>,
    /// One a step that is about a region.
    pub objects: Vec<RecordedObject>,
    /// What [`Shown::Made`] counts.
    pub passes: Vec<RecordedPass>,
    /// Every score that the edit's row carries, by name.
    pub scores: Vec<(String, f32)>,
    /// Every stage that shaped the edit.
    pub stamps: Vec<RecordedStamp>,
    pub judge_model: String,
    /// Whether pictures were shown as they are stored, not as their EXIF orientation says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_stored: bool,
}

/// An instruction, what it starts from and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedTurn<J = Judgement> {
    pub prompt: String,
    pub input: Shown,
    pub output: Shown,
    pub judgement: J,
}

/// The region of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedObject {
    pub step: usize,
    /// Its number among the regions that were found in the picture.
    pub number: u16,
    pub noun: String,
    pub kind: RegionKind,
    pub bbox: [f32; 4],
    /// COCO's run lengths, of the picture's size.
    pub mask: String,
    pub scores: Vec<(String, f32)>,
}

/// A picture that an editor made: where the store remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPass {
    pub operation: Operation,
    /// The editor's cache: `edit_embedded`.
    pub editor: String,
    /// The memo's stamp, and the key in it, as 32 hex digits each.
    pub stamp: String,
    pub key: String,
    /// The hash of the picture's file, 32 hex digits; not there in what was published before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A reference picture that the user brought along: where the store remembers it, as PNG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPicture {
    /// The memo's stamp, and the key in it (the hash of the user's file), as 32 hex digits each.
    pub stamp: String,
    pub key: String,
}

/// A stage and the stamp of its answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStamp {
    pub stage: String,
    pub stamp: String,
    pub model: String,
}

impl RecordedStamp {
    /// Of a stage as it answers now.
    pub fn of<O: Operator>(stage: &Stage<O>) -> Self {
        RecordedStamp {
            stage: stage.operator().name().to_owned(),
            stamp: stage.memo().stamp().to_string(),
            model: stage.operator().model(),
        }
    }
}

impl EditRecord {
    /// Of the record's text: another where anything of the edit is another.
    pub fn digest(text: &str) -> ContentHash {
        ContentHash::of(text.as_bytes())
    }
}

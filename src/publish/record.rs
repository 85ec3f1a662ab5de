//! Records: what a pipeline publishes of a picture beside its row, as nested columns and as a JSON file.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::row::{ContentHash, Of, RowId, Stamp};
use crate::shard::{Picture, Sample, Sidecar};

/// What a nested column holds. Every value may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nested {
    Text,
    Int64,
    Float32,
    Float64,
    List(Box<Nested>),
    /// Fields by name, in order.
    Struct(Vec<(&'static str, Nested)>),
    /// A JSON object whose keys are data, not names: a list of `{name, value}`.
    Entries(Box<Nested>),
    /// A picture's file, as Hugging Face's `Image` stores it: its bytes and its path. As JSON it is the path alone, and its bytes are
    /// handed in beside it, in [`Pictures`].
    Picture,
}

/// The bytes of picture files, by path.
pub type Pictures = BTreeMap<String, Vec<u8>>;

/// The fields of an entry.
pub(super) const ENTRY: [&str; 2] = ["name", "value"];

/// The fields of a picture.
pub(super) const PICTURE: [&str; 2] = ["bytes", "path"];

impl Nested {
    /// Whether pictures lie in it.
    pub(super) fn has_pictures(&self) -> bool {
        match self {
            Nested::Picture => true,
            Nested::List(item) | Nested::Entries(item) => item.has_pictures(),
            Nested::Struct(fields) => fields.iter().any(|(_, holds)| holds.has_pictures()),
            Nested::Text | Nested::Int64 | Nested::Float32 | Nested::Float64 => false,
        }
    }
}

/// As the card and digests spell it: `list<struct<label: text, score: float32>>`.
impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nested::Text => f.write_str("text"),
            Nested::Int64 => f.write_str("int64"),
            Nested::Float32 => f.write_str("float32"),
            Nested::Float64 => f.write_str("float64"),
            Nested::List(item) => write!(f, "list<{item}>"),
            Nested::Struct(fields) => {
                f.write_str("struct<")?;
                for (place, (name, holds)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {holds}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str(">")
            }
            Nested::Entries(value) => {
                let [name, content] = ENTRY;
                write!(f, "list<struct<{name}: text, {content}: {value}>>")
            }
            Nested::Picture => {
                let [bytes, path] = PICTURE;
                write!(f, "struct<{bytes}: binary, {path}: text>")
            }
        }
    }
}

/// A region or an edit that is published with its picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPiece<'a> {
    /// Its place among the regions that were found in the picture; the number of the edit.
    pub number: u16,
    /// See [`Row::content`](crate::row::Row::content).
    pub content: ContentHash,
    /// In the order of [`WantedPieces::score_columns`](super::WantedPieces::score_columns).
    pub scores: &'a [f32],
}

/// A region or an edit that is not published with its picture, and what it had been told by then.
///
/// A piece that passed everything, and whose picture is not kept, was told all.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectedPiece<'a> {
    /// See [`PublishedPiece::number`].
    pub number: u16,
    /// Of its row where it ended. `None` where it was never a row: an edit that could not be chosen.
    pub content: Option<ContentHash>,
    /// The first of the scores that a kept one has, in the order of
    /// [`WantedPieces::score_columns`](super::WantedPieces::score_columns).
    pub scores: Vec<f32>,
    /// The stages that had answered about it, by name, in the order of the wiring. Where the flow of the pieces is split, stages of
    /// all branches.
    pub answered: &'a [&'static str],
}

impl RejectedPiece<'_> {
    /// Whether the stage of that name had answered.
    pub fn is_answered(&self, stage: &str) -> bool {
        self.answered.contains(&stage)
    }
}

/// A picture that is published, and all that its record may be made of. Rows of rejected pieces are made of it, too: the picture may
/// then be one that is not published, and has no scores.
pub struct KeptPicture<'a> {
    /// The shard's name.
    pub shard: &'a str,
    pub id: RowId,
    pub sample: &'a Sample,
    pub picture: &'a Picture,
    /// The name of the picture's file in the shard.
    pub file: &'a str,
    pub sidecar: &'a Sidecar,
    /// The row's scores, by name.
    pub scores: Vec<(&'static str, f32)>,
    /// In the order of their numbers.
    pub regions: Vec<PublishedPiece<'a>>,
    pub region_score_names: &'a [&'static str],
    /// In the order of their numbers.
    pub edits: Vec<PublishedPiece<'a>>,
    pub edit_score_names: &'a [&'static str],
}

/// How a pipeline writes what it knows of a picture.
pub trait Recorder: Send + Sync {
    /// Of all that shapes records beyond the row, its regions and the sidecar: the stamps of the stages whose answers
    /// are read, and the version of the writing.
    fn stamp(&self) -> Stamp;
    /// The fields of the record that become columns of the data parts, in order. None may bear the name of a column that
    /// every data part has. A field that is missing or null is null there; one of another type than its column's is an
    /// error, and so is 1.0 where whole numbers belong.
    fn columns(&self) -> Vec<(&'static str, Nested)>;
    /// The picture's record: the text of one JSON object, the same for the same picture always.
    fn record(&self, picture: &KeptPicture<'_>) -> Result<String, String>;
    /// The columns that the parts of edits have beside `key` and `shard`, in order; none where no edits are published.
    fn edit_columns(&self) -> Vec<(&'static str, Nested)> {
        Vec::new()
    }
    /// One row for each of the picture's [edits](KeptPicture::edits), in their order, with the fields of
    /// [`Recorder::edit_columns`].
    fn edits(&self, _picture: &KeptPicture<'_>) -> Result<Vec<Map<String, Value>>, String> {
        Ok(Vec::new())
    }
    /// The columns that the parts of rejected pieces of that sort have beside those that say why and by which scores, in order.
    /// None may bear the name of one of these: `key`, `shard`, `region` or `edit`, `stage`, `dial`, `score`, `threshold`, `class`,
    /// `message`, `rejected`, `content`, `scores`.
    fn rejected_columns(&self, _of: Of) -> Vec<(&'static str, Nested)> {
        Vec::new()
    }
    /// One row for each of a picture's `rejected` pieces of that sort, in their order, with the fields of
    /// [`Recorder::rejected_columns`]. A field that nobody knows is missing or null.
    fn rejected(
        &self,
        _of: Of,
        _picture: &KeptPicture<'_>,
        rejected: &[RejectedPiece<'_>],
    ) -> Result<Vec<Map<String, Value>>, String> {
        Ok(vec![Map::new(); rejected.len()])
    }
}

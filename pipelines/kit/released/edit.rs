//! The input of the writer: which edits there are, what each is, and where its pictures come from.

use operators::plan::edit_plan::passes::Shown;
use operators::plan::edit_plan::{EditType, Operation};
use threshflow::row::{ContentHash, RegionKind};
use threshflow::shard::Origin;

/// A shard of source pictures and the edits of its pictures that are to be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedShard {
    /// The shard's name. Its place among all names, from 1, is the number of its parts; so a shard none of whose edits
    /// was kept must be listed, too.
    pub name: String,
    /// In the order in which they are to be written.
    pub edits: Vec<ListedEdit>,
}

/// That there is an edit, without anything of it: small, because all of them are held at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEdit {
    pub edit_type: EditType,
    /// Of the source picture in its shard; one edit a (shard, key, type).
    pub key: String,
    /// Changes when anything of the edit changes: words, scores, stamps, pictures.
    pub digest: ContentHash,
}

/// An edit in full but for its pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleasedEdit {
    pub edit_type: EditType,
    /// The source shard's name.
    pub shard: String,
    /// See [`ListedEdit::key`].
    pub key: String,
    /// See [`ListedEdit::digest`].
    pub digest: ContentHash,
    /// The source picture's path as users know it: `00094/00030/000304748.jpg`.
    pub original_path: String,
    /// What its sidecar says of where it comes from.
    pub origin: Origin,
    /// Of the source picture, as shown, in pixels: what masks and boxes are measured on.
    pub width: u32,
    pub height: u32,
    /// 1, or as many as the type has turns.
    pub turns: Vec<Turn>,
    /// One a step that is about an object, in the order of the steps.
    pub objects: Vec<EditedObject>,
    /// One a step: what is done.
    pub operations: Vec<Operation>,
    /// One a step: what must come of it, empty where the operation has none.
    pub results: Vec<String>,
    /// Of `content_memory`.
    pub premise: Option<String>,
    /// Whether a picture of a reference object was shown to the editor, and is released.
    pub reference: Option<PictureRef>,
    /// Every score that a stage gave, by name.
    pub scores: Vec<(String, f32)>,
    /// Every stage that shaped the edit.
    pub stamps: Vec<StageStamp>,
    /// Who judged, in words.
    pub judge_model: String,
}

/// One instruction, with what it starts from and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub input: PictureRef,
    pub output: PictureRef,
    pub prompt: String,
    /// `None` where nobody judged it.
    pub judgement: Option<Judged>,
}

/// What the judge said of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Score 1: follows the instruction, 1 to 5.
    pub follows: f32,
    /// Score 2: natural, and nothing else changed, 1 to 5.
    pub natural: f32,
    /// Whether the objects are those of the instruction.
    pub matches: Option<bool>,
    /// At most twenty words.
    pub reason: String,
}

/// A region that a step is about.
#[derive(Clone, Debug, PartialEq)]
pub struct EditedObject {
    /// Which step: its place in [`ReleasedEdit::operations`].
    pub step: usize,
    pub noun: String,
    pub kind: RegionKind,
    /// Left, top, right, bottom, in pixels of the source picture as shown.
    pub bbox: [f32; 4],
    /// COCO's run lengths, of the source picture's size.
    pub mask: String,
    /// `score`, `clip_score`, `aes_score` ..., by name.
    pub scores: Vec<(String, f32)>,
}

/// A stage and the stamp of the answers that it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageStamp {
    pub stage: String,
    /// 32 hex digits.
    pub stamp: String,
    /// In words.
    pub model: String,
}

/// A picture of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureRef {
    /// The source's own, or what a pass made.
    Shown(Shown),
    /// The object that the editor was shown, for `visual`.
    Reference,
}

/// Where the pictures of a released set lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturesIn {
    /// In tars, as ImgEdit's own, in pieces of at most so many bytes; rows name them.
    Tars { piece_bytes: u64 },
    /// In the rows, as Hugging Face's `Image`; there are no tars.
    Rows,
}

impl PicturesIn {
    /// In tars as ImgEdit's own: pieces of 20 GB.
    pub const TARS: Self = PicturesIn::Tars { piece_bytes: DEFAULT_PIECE_BYTES };
}

/// How long a piece of a tar is if nobody says otherwise.
pub const DEFAULT_PIECE_BYTES: u64 = 20_000_000_000;

/// A picture file, as it is to be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFile {
    pub bytes: Vec<u8>,
    /// How its name ends, no dot: `png`, `jpg`, `webp`.
    pub extension: &'static str,
}

/// Who made a set, and what had to be passed to be in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The pipeline's name.
    pub pipeline: String,
    /// The stages that were asked, each with the model, in words.
    pub asked: Vec<(String, String)>,
    /// Where the dials stood: `follows >= 2.75`.
    pub dials: Vec<String>,
}

/// Where released edits come from. Asked for one edit at a time, and for its pictures one at a time, so that no more than a sample
/// is held; by several threads, each of which works on a part.
pub trait Release: Sync {
    /// Everything that is to be there, and nothing else: what is not listed is removed.
    fn shards(&self) -> Vec<ReleasedShard>;
    /// An edit in full. Asked only where its part is written anew.
    fn edit(&self, shard: &str, listed: &ListedEdit) -> Result<ReleasedEdit, String>;
    /// What is to be known before anything else of it: a sentence for the card.
    fn remark(&self) -> Option<String> {
        None
    }
    /// Who made the edits, and what they had to pass.
    fn provenance(&self) -> Provenance {
        Provenance::default()
    }
    /// One of its pictures.
    fn picture(&self, edit: &ReleasedEdit, picture: &PictureRef) -> Result<PictureFile, String>;
}

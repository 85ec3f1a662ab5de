//! The self-correcting sink: desired - published = what to write.
//!
//! One code path serves a fresh run, a run after a crash, a moved dial and a new model. [`commit`] is given the complete wanted set, and
//! writes the parts that differ from it. Then `out/` holds exactly
//!
//! ```text
//! data/<shard>-<digest>.parquet               kept rows, one part a shard that has some
//! rejected/<shard>-<digest>.parquet           gated and refused rows, likewise
//! jsons/<shard>-<digest>.tar                  the records of kept rows, where the pipeline writes records
//! edits/<shard>-<digest>.parquet              the edits of kept pictures, a row each, where the pipeline makes edits
//! regions_rejected/<shard>-<digest>.parquet   all regions that are not published with a picture, likewise
//! edits_rejected/<shard>-<digest>.parquet     all edits that are not published with a picture, likewise
//! manifest.json                               what is published: parts, dials, stages and their stamps
//! summary.json                                the counts
//! README.md                                   the dataset card
//! ```
//!
//! and every byte of it is a function of [`Wanted`] and the shards: no time, no host, no history. `parts` has the protocol that keeps a
//! complete set named at any moment. `wanted` says what a part is a function of.

mod card;
mod digest;
mod error;
mod explain;
mod export;
mod funnel;
mod lost;
mod manifest;
mod names;
mod origins;
mod parquet;
mod parts;
mod pieces;
mod plain_tar;
mod published;
mod record;
mod records;
mod rejected;
mod remote;
mod removed;
mod seal;
mod seen;
mod source;
mod split;
mod steps;
#[cfg(test)]
mod tests;
mod together;
mod verify;
mod wanted;
mod writable;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use error::PublishError;
pub use explain::{Ended, Explained, ExplainedPiece, Kept, PieceEnded, RowKey, find_verdict, published_keys};
pub(crate) use explain::{find_verdict_in, near_keys};
pub(crate) use export::check_export;
pub use export::export;
pub use funnel::{FunnelStep, PieceSummary, Summary, entered, funnel, summarise};
pub(crate) use funnel::{add_classes, add_pieces, piece_funnel};
pub(crate) use lost::lost_rows;
pub use lost::{Lost, LostRows};
pub(crate) use manifest::dials_of;
pub use manifest::{
    Manifest, Note, Part, PartKind, PicturesFolder, PublishedDial, PublishedPieces, PublishedStage,
    read_manifest,
};
pub use origins::{OriginCounts, Tally};
pub use parquet::MOST_PICTURE_BYTES;
pub(crate) use parquet::stream::{StreamColumn, arrow_stream};
pub use parquet::table::{Table, TableError, TableWriter};
pub use plain_tar::PlainTar;
pub(crate) use published::published_rows;
pub use published::{PublishedPlace, PublishedRow};
pub use record::{KeptPicture, Nested, Pictures, PublishedPiece, Recorder, RejectedPiece};
pub(crate) use records::{edits_of_row, edits_published, record_of_row};
pub use remote::{Mirror, Remote, RemoteKind, Rival, Sent, Without, Writing};
pub(crate) use removed::removed_rows;
pub use removed::{Present, Removed, RemovedOfShard};
pub use seal::{seal_holds, sealed};
pub use seen::{Mended, Named, Seen};
pub use split::{Chunk, HashedFile, SplitFile, hash_of_file};
pub use together::{Commit, StagedShare};
pub use verify::{Damaged, Verified, check_part, verify, verify_files};
pub use writable::writable;

use crate::flow::{Verdicts, dial_name};
use crate::row::{Of, RowId, Stamp, Verdict};
use crate::shard::Catalogue;
use parts::{Folder, Layout};
use source::Shards;
use together::{Counted, put};

/// The version of the files' layout and bytes. Raise it when either changes, be it by an encoder's upgrade: all
/// parts are then written anew.
pub(crate) const FORMAT: u32 = 1;

static PUBLISHED: Layout = Layout {
    format: manifest::PUBLISHED_FORMAT,
    version: FORMAT,
    kinds: &[
        PartKind::Data,
        PartKind::Rejected,
        PartKind::Records,
        PartKind::Edits,
        PartKind::RegionsRejected,
        PartKind::EditsRejected,
    ],
};

/// A dial as it stood when the set was wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct DialSetting {
    /// As `--set` takes it; of a dial by group, one of its groups: `follows[remove]`.
    pub name: &'static str,
    /// That group.
    pub group: Option<&'static str>,
    /// `px`, `0 to 10`.
    pub unit: &'static str,
    /// `>`, `>=`, `<`, `<=`: a row passes where `score comparison value`.
    pub comparison: &'static str,
    /// Where it stands.
    pub value: f32,
    /// The share that this is, where it was set by share: `top:30%`.
    pub share: Option<String>,
    /// Where it stands if nobody turns it.
    pub default: f32,
    /// What labels say of it there, where there are some: `precision 0.97 [0.93, 0.99] by 84 labels`.
    pub labels: Option<String>,
    /// The doc comment of its declaration.
    pub about: &'static str,
}

impl DialSetting {
    /// The name of the dial: what its groups have in common.
    pub fn dial(&self) -> &'static str {
        dial_name(self.name, self.group)
    }
}

/// A stage of the pipeline in the order of its wiring: what the funnel is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum StageDescription {
    /// Where rows come from; its refusals bear the stage name `probe`.
    Probe,
    /// A question; `model` says in words who answers.
    Ask {
        /// The stage's name, which its refusals bear.
        name: &'static str,
        /// Whether it is asked about pictures or about their pieces.
        of: Of,
        /// Of all that shapes an answer.
        stamp: Stamp,
        /// `CLIP ViT-L/14 + head, fp32`.
        model: String,
    },
    /// Where the edits of pictures are chosen; the refusals of those that cannot be bear its name.
    Choose {
        /// The stage's name.
        name: &'static str,
    },
    /// A gate; rows that it holds back bear the dial's name.
    Gate {
        /// The dial's name.
        dial: &'static str,
        /// Whether it holds back pictures or pieces of them.
        of: Of,
        /// Whether it holds back nothing, since the stage of a column that it needs is [absent](StageDescription::Absent).
        open: bool,
    },
    /// A stage that this run does without: in these columns every row has NaN.
    Absent {
        /// The columns' names.
        columns: Vec<&'static str>,
        /// Whether pictures or their pieces have the columns.
        of: Of,
    },
}

impl StageDescription {
    /// What the step is about.
    pub fn of(&self) -> Of {
        match self {
            StageDescription::Probe => Of::Pictures,
            StageDescription::Choose { .. } => Of::Edits,
            StageDescription::Ask { of, .. }
            | StageDescription::Gate { of, .. }
            | StageDescription::Absent { of, .. } => *of,
        }
    }
}

/// A stage that was there to demonstrate, and pictures of other people than the demo's came to it: what it made is not for training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demonstration {
    /// The stage's name.
    pub stage: String,
    /// What of it: `a model of the demo`.
    pub what: String,
}

impl Demonstration {
    /// What there is, each with its stages.
    ///
    /// ```
    /// use threshflow::publish::Demonstration;
    /// let of = |stage: &str, what: &str| Demonstration { stage: stage.to_owned(), what: what.to_owned() };
    /// let all = [of("detect", "a demo's model"), of("judge", "the embedded judge"), of("segment", "a demo's model")];
    /// assert_eq!(Demonstration::list(&all), "a demo's model (detect, segment), the embedded judge (judge)");
    /// ```
    pub fn list(all: &[Demonstration]) -> String {
        let mut sorts: Vec<(&str, Vec<&str>)> = Vec::new();
        for Demonstration { stage, what } in all {
            match sorts.iter_mut().find(|(known, _)| known == what) {
                Some((_, stages)) => stages.push(stage),
                None => sorts.push((what, vec![stage])),
            }
        }
        let sorts = sorts.iter().map(|(what, stages)| format!("{what} ({})", stages.join(", ")));
        sorts.collect::<Vec<_>>().join(", ")
    }

    /// A sentence for the card and the page about the set; none where there is nothing to say.
    pub fn sentence(all: &[Demonstration]) -> Option<String> {
        (!all.is_empty()).then(|| {
            format!(
                "Made with demonstration models: not for training. There to demonstrate: {}.",
                Demonstration::list(all)
            )
        })
    }
}

/// One shard's rows and where each ended: `verdicts[i]` is the verdict of `samples[i]` of its index.
pub struct WantedShard<'a> {
    /// The number that this store gave the shard; nothing published depends on it.
    pub seq: u32,
    /// The shard's name.
    pub name: &'a str,
    /// In the order of the index.
    pub verdicts: &'a [Verdict],
}

impl WantedShard<'_> {
    /// The row of `verdicts[member]`.
    pub(crate) fn row_id(&self, member: usize) -> RowId {
        RowId { shard: self.seq, member: member as u32 }
    }
}

/// All that the published set is a function of.
pub struct Wanted<'a> {
    /// The pipeline's name.
    pub pipeline: &'static str,
    /// In the order of their wiring.
    pub stages: &'a [StageDescription],
    /// Every dial of the pipeline.
    pub dials: &'a [DialSetting],
    /// Columns of [`Verdict::Kept`]'s scores, in order.
    pub score_columns: &'a [&'static str],
    /// Every shard of the input, each name once.
    pub shards: Vec<WantedShard<'a>>,
    /// What is published of regions and edits; `None` where the pipeline has none.
    pub pieces: Option<WantedPieces<'a>>,
    /// The stages that were there to demonstrate; none where all pictures are a demo's.
    pub demonstration: &'a [Demonstration],
}

/// The regions and the edits of the pictures, and how they are published.
#[derive(Clone, Copy)]
pub struct WantedPieces<'a> {
    /// Where every piece stands: [`Verdicts::pieces_of`] by the shard's number and the row's place.
    pub verdicts: &'a Verdicts,
    /// The sorts of pieces that are published, and the columns of a kept one's scores, in order.
    pub sorts: &'a [(Of, Vec<&'static str>)],
    pub recorder: &'a dyn Recorder,
}

impl<'a> WantedPieces<'a> {
    /// The columns of the scores of that sort; `None` where it is not published.
    pub fn score_columns(&self, of: Of) -> Option<&'a [&'static str]> {
        self.sorts.iter().find(|(known, _)| *known == of).map(|(_, names)| names.as_slice())
    }
}

/// What a commit did. Bytes and counts are of parts; manifest, summary and card are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Parts that are new, or hold other rows than before, or were missing or cut.
    pub parts_written: usize,
    /// Parts of which nothing is left: the shard is gone, or has no such rows any more.
    pub parts_removed: usize,
    /// Parts that were not touched.
    pub parts_unchanged: usize,
    /// By the parts written.
    pub bytes_written: u64,
    /// Those of the parts written that were published as they are wanted, and were damaged or missing.
    pub mended: Vec<Mended>,
}

/// Whether [`commit`] may and can write to `out`, as far as can be told without changing it.
pub(crate) fn check_out(out: &Path) -> Result<(), PublishError> {
    parts::check(out, &PUBLISHED)
}

/// Makes `out` hold exactly the set that is wanted, writing only the parts that differ from what the manifest names.
///
/// An error leaves the set that was published before, whole.
pub fn commit(out: &Path, wanted: &Wanted<'_>, catalogue: &Catalogue) -> Result<Committed, PublishError> {
    commit_from(out, wanted, catalogue)
}

/// Whether everything that would be published has a name of its own.
///
/// # Errors
/// [`PublishError::SameName`], with the name.
pub fn check_columns(wanted: &Wanted<'_>) -> Result<(), PublishError> {
    wanted::all_data_columns(wanted).map(drop)
}

fn commit_from(out: &Path, wanted: &Wanted<'_>, shards: &impl Shards) -> Result<Committed, PublishError> {
    let counted = Counted::of(wanted)?;
    let folder = Folder::open(out, &PUBLISHED)?;
    folder.or_clean(|| put(&folder, wanted, StagedShare::stage(counted, &folder, wanted, shards)?))
}

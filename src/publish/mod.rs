//! The self-correcting sink: desired - published = what to write.

use std::path::Path;

use crate::row::{Stamp, Verdict};
use crate::shard::{Catalogue, ShardError};

/// A dial as it stood when the set was wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct DialSetting {
    pub name: &'static str,
    /// `px`, `0 to 10`.
    pub unit: &'static str,
    /// `>`, `>=`, `<`, `<=`: a row passes where `score comparison value`.
    pub comparison: &'static str,
    pub value: f32,
    pub default: f32,
    /// The doc comment of its declaration.
    pub about: &'static str,
}

/// A stage of the pipeline in the order of its wiring: what the funnel is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum StageDescription {
    /// Where rows come from; its refusals bear the stage name `probe`.
    Probe,
    Ask {
        name: &'static str,
        stamp: Stamp,
        model: String,
    },
    Gate {
        dial: &'static str,
    },
}

/// One shard's rows and where each ended: `verdicts[i]` is the verdict of `samples[i]` of its index.
pub struct WantedShard<'a> {
    pub seq: u32,
    pub name: &'a str,
    pub verdicts: &'a [Verdict],
}

/// All that the published set is a function of.
pub struct Wanted<'a> {
    pub pipeline: &'static str,
    pub stages: &'a [StageDescription],
    pub dials: &'a [DialSetting],
    /// Columns of [`Verdict::Kept`]'s scores, in order.
    pub score_columns: &'a [&'static str],
    /// Sorted by name.
    pub shards: Vec<WantedShard<'a>>,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    pub parts_written: usize,
    pub parts_removed: usize,
    pub parts_unchanged: usize,
    pub bytes_written: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("{0}")]
    Other(String),
}

/// Makes `out` hold exactly the set that is wanted, writing only the parts that differ from what the manifest names.
pub fn commit(_out: &Path, _wanted: &Wanted<'_>, _catalogue: &Catalogue) -> Result<Committed, PublishError> {
    todo!()
}

/// Makes `to` hold WebDataset tars with the original bytes of the rows that `out` publishes.
pub fn export(_out: &Path, _to: &Path, _catalogue: &Catalogue) -> Result<Committed, PublishError> {
    todo!()
}

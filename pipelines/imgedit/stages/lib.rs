//! What `imgedit` is wired of: its flags, the stages that they open, the records of what was made, and the released layout.
//!
//! It knows nothing of the wiring. So a changed line of the pipeline builds none of it again.

#[allow(rustdoc::broken_intra_doc_links, reason = "--help shows these words as they stand, brackets too")]
mod args;
mod flags;
mod measures;
mod open;
mod record;
pub mod release;
pub mod subcommands;

use std::sync::Arc;

use kit::illustrate::IllustrateEdits;
use kit::scorers::Scorers;
use operators::caption::Caption;
use operators::clip_direction::DirectionByClip;
use operators::compare::Compare;
use operators::edit::Edit;
use operators::instruct::Instruct;
use operators::judge::Judge;
use operators::noun_finder::NounFinder;
use operators::plan::choose::Choose;
use operators::redetect::Redetect;
use operators::similarity::Similarity;
use operators::{AestheticScorer, Detect, RegionScore, Segment};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::Stage;

pub use args::Args;
pub use record::ImgEditRecorder;

/// The stages of the pipeline, opened once and shared by every worker.
pub struct Stages {
    pub aesthetic: Arc<Stage<AestheticScorer>>,
    /// Of the user's own.
    pub scorers: Scorers,
    pub caption: Arc<Stage<Caption>>,
    pub nouns: Arc<Stage<NounFinder>>,
    pub detect: Arc<Stage<Detect>>,
    pub segment: Arc<Stage<Segment>>,
    pub region_score: Arc<Stage<RegionScore>>,
    pub choose: Arc<Choose>,
    pub instruct: Arc<Stage<Instruct>>,
    pub edit: Arc<Stage<Edit>>,
    pub compare: Arc<Stage<Compare>>,
    /// Absent where no flag asks for them.
    pub similarity: Option<Arc<Stage<Similarity>>>,
    pub clip_direction: Option<Arc<Stage<DirectionByClip>>>,
    pub redetect: Option<Arc<Stage<Redetect>>>,
    pub judge: Arc<Stage<Judge>>,
    pub recorder: ImgEditRecorder,
    pub illustrator: IllustrateEdits,
}

impl Stages {
    /// The stages that the flags name.
    pub fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        open::open(args, workbench)
    }
}

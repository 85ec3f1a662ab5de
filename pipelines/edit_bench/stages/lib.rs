//! What `edit_bench` is wired of: its flags, the items as a source, the stages, the records, and what stands beside a published set.
//!
//! It knows nothing of the wiring. So a changed line of the pipeline builds none of it again.

mod agreement;
#[allow(rustdoc::broken_intra_doc_links, reason = "--help shows these words as they stand, brackets too")]
mod args;
pub mod bench;
pub mod demo_items;
mod edit;
mod flags;
mod html;
mod items;
mod judge;
mod open;
mod page;
pub mod plan;
mod record;
mod runs;
mod sheet;
pub mod source;
pub mod subcommands;
pub mod tables;
mod thumbs;
mod written;

use std::sync::Arc;

use threshflow::cli::{Failure, Workbench};
use threshflow::lane::Stage;

pub use args::{Args, Baseline};
pub use edit::{EditItems, Lies, MadePicture};
pub use flags::judges_by_pixels;
pub use items::ReadItems;
pub use judge::{AnswersRead, ItemScore, JudgeItems};
pub use record::{BenchRecord, BenchRecorder};
pub use written::Run;

/// The stages of the pipeline, opened once and shared by every worker.
pub struct Stages {
    pub items: Arc<Stage<ReadItems>>,
    pub edits: Arc<Stage<EditItems>>,
    pub judge: Arc<Stage<JudgeItems>>,
    pub recorder: BenchRecorder,
    pub run: Run,
}

impl Stages {
    /// The stages that the flags name.
    pub fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        open::open(args, workbench)
    }
}

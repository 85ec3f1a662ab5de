//! Distinct: the pictures that `prepare` keeps, without those that look like a better one.
//!
//! The lines are those of `prepare`, and share its answers. Then every picture gets a perceptual hash, and a dial says how far, in bits of
//! 56, it must be from any picture that scores higher.

use operators::score::Results;
use operators::{Aesthetic, PictureHasher, ShortSide};
use threshflow::cli::{App, Bench, Entry, Failure, Workbench, stage_by_stage};
use threshflow::flow::NearestBetter;
use threshflow::prelude::*;
use threshflow::report::Illustrator;
use threshflow::shard::ShardNames;

use prepare::{Args, Prepare};

dials! {
    /// What a rerun may turn: `threshflow distinct run ... --set duplicate_distance=5`.
    pub struct Dials {
        /// How long the shorter side of a picture must be.
        short_side: ShortSide > 1280,
        /// How pleasing a picture must be.
        aesthetic: Aesthetic > 4.75,
        /// How many bits of 56 a picture must differ from every better one; -1 keeps all of them.
        duplicate_distance: NearestBetter > 3,
    }
}

/// The pipeline as a program has it. It is compiled here, with the crate.
pub static ENTRY: Entry = Entry::of::<Distinct>();

/// The stages that cost something, opened once and shared by every worker.
pub struct Distinct {
    prepare: Prepare,
    hasher: Arc<Stage<PictureHasher>>,
    names: ShardNames,
}

impl Pipeline for Distinct {
    const NAME: &'static str = "distinct";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let pleasing = self.prepare.pleasing(images, &dial.short_side, &dial.aesthetic);
        pleasing.ask(&self.hasher).nearest_better(&self.names, Aesthetic).gate(&dial.duplicate_distance)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        self.prepare.illustrator()
    }
}

impl App for Distinct {
    const ABOUT: &'static str = "Curates web shards: of the pictures that are large and pleasing enough, keeps one of those that look alike";
    const BENCH: Option<Bench<Args>> = Some(stage_by_stage::<Self>);
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let hasher = Stage::open(PictureHasher { decoding: args.models.decode }, &workbench.lanes)?;
        Ok(Distinct {
            prepare: Prepare::open(args, workbench)?,
            hasher,
            names: workbench.lanes.shard_names(),
        })
    }

    kit::dials_of_scorers!(Results::NotMade);
}

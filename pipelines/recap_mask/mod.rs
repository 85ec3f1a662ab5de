//! Recap and mask: every picture with its nouns, and the boxes, masks and scores of its regions. ImgEdit's second stage.
//!
//! The first lines are those of `prepare`, and share its answers. From `regions` on there is a row for every region that was found. A gate
//! before a question saves the question for the rows that it holds back.

mod demo;

use operators::plan::noun_list::NounSource;
use operators::score::{Results, SourceScorer};
use operators::{
    Aesthetic, AestheticScorer, Area, ClipScore, Detect, Detection, MaskScore, NounsFromSidecar, RegionScore,
    Segment, ShortSide, area, short_side,
};
use threshflow::cli::{App, Bench, Demo, Entry, Failure, Workbench, stage_by_stage};
use threshflow::flow::RegionCount;
use threshflow::prelude::*;
use threshflow::publish::Recorder;
use threshflow::report::Illustrator;

use kit::candidate_dials;
use kit::ground::{Ground, GroundArgs, Opening};
use kit::illustrate::Illustrate;
use kit::region_record::RegionRecorder;
use kit::scorers::ScoreArgs;

dials! {
    /// What a rerun may turn: `threshflow recap_mask run ... --set detection=0.3 --set object_clip=0.7`.
    pub struct Dials {
        /// How long the shorter side of a picture must be.
        short_side: ShortSide > 1280,
        /// How pleasing a picture must be.
        aesthetic: Aesthetic > 4.75,
        /// How sure the detector must be of a region. It is asked for all above 0.005.
        detection: Detection > 0.005,
        /// How much of the picture an object must cover, at least.
        object_area: Area > 0.01,
        /// How much of the picture an object may cover.
        object_area_most: Area <= 0.60,
        /// How surely an object must show its noun ...
        object_clip: ClipScore >= 0.8,
        /// ... or else how large it must be, with a mask that is good enough:
        object_area_sure: Area >= 0.08,
        /// How good such an object's mask must be. (In the tool that made ImgEdit, the mask's quality stood under `score`.)
        object_mask: MaskScore >= 0.8,
        /// How much of the picture a background must cover, at least.
        background_area: Area > 0.40,
        /// How much of the picture a background may cover.
        background_area_most: Area <= 0.70,
        /// How surely a background must show its noun ...
        background_clip: ClipScore >= 0.7,
        /// ... or else how large it must be, with a mask that is good enough:
        background_area_sure: Area >= 0.40,
        /// How good such a background's mask must be.
        background_mask: MaskScore >= 0.75,
        /// How many regions must be left of a picture; with 0, pictures without any are published too.
        regions: RegionCount >= 0,
    }
}

/// The pipeline as a program has it. It is compiled here, with the crate.
pub static ENTRY: Entry = Entry::of::<RecapMask>();

/// The stages that cost something, opened once and shared by every worker.
pub struct RecapMask {
    aesthetic: Arc<Stage<AestheticScorer>>,
    /// Of the user's own.
    scorers: Vec<Arc<Stage<SourceScorer>>>,
    nouns: Arc<Stage<NounsFromSidecar>>,
    detect: Arc<Stage<Detect>>,
    segment: Arc<Stage<Segment>>,
    region_score: Arc<Stage<RegionScore>>,
    recorder: RegionRecorder,
}

impl Pipeline for RecapMask {
    const NAME: &'static str = "recap_mask";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let pictures =
            images.each(short_side).gate(&dial.short_side).ask(&self.aesthetic).gate(&dial.aesthetic);
        let pictures = pictures.named_scores(&self.scorers);
        let rules = candidate_dials!(dial);
        let (pictures, regions) = pictures.ask(&self.nouns).ask(&self.detect).regions(&self.detect);

        let regions = regions.gate(&dial.detection).each(area);
        let regions = rules.by_area(regions).ask(&self.segment).ask(&self.region_score);
        let regions = rules.by_scores(regions);
        pictures.with(regions).gate(&dial.regions)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(&self.recorder)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&Illustrate)
    }
}

/// Flags of `recap_mask run` and `recap_mask plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub ground: GroundArgs,
    #[command(flatten)]
    pub scorers: ScoreArgs,
}

impl App for RecapMask {
    const ABOUT: &'static str =
        "Finds, masks and scores the regions of the pictures that are large and pleasing enough";
    const DEMO: Option<Demo> = Some(demo::run);
    const BENCH: Option<Bench<Args>> = Some(stage_by_stage::<Self>);
    type Args = Args;

    kit::dials_of_scorers!(Results::NotMade);

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let opening = Opening::of(&args.ground, workbench)?;
        let scorers = args.scorers.open_sources(|| Ok(opening.backend.clone()), workbench)?;
        let nouns = NounsFromSidecar::new(&args.ground.nouns_from, opening.records.clone());
        let nouns = Stage::open(nouns, &workbench.lanes)?;
        let source: Arc<dyn NounSource> = nouns.clone();
        let Ground { detect, segment, region_score, .. } = opening.ground(&source)?;
        let records = opening.records.clone();
        let recorder = RegionRecorder::new(None, source, detect.clone(), segment.clone(), records);
        let aesthetic = opening.aesthetic.clone();
        Ok(RecapMask { aesthetic, scorers, nouns, detect, segment, region_score, recorder })
    }
}

//! ImgEdit's stages: pictures are filtered, described, grounded, put in words, edited, measured and judged. Thirteen types of edits are tried
//! for every picture. If one type fails, the others are not affected.
//!
//! Each `ask` costs something and is answered once. Each `gate` has a dial that can be moved without asking again. Flags decide who
//! answers, models, servers or the embedded defaults: see the crate `imgedit_stages`.

mod demo;

use std::path::Path;

use operators::clip_direction::ClipDirection;
use operators::compare::{
    ChangedInside, ChangedOutside, ColourCast, DifferenceInside, DifferenceOutside, LargestChange, NoOp,
    PsnrOutside, Resized, Seam, Shift, SsimOutside, Zoom,
};
use operators::judge::{Follows, Natural, ObjectMatch};
use operators::plan::edit_plan::{EditType, edit_type};
use operators::redetect::{NewFound, OldFound, OthersFound};
use operators::score::Results;
use operators::similarity::{SimilarityInside, SimilarityOutside, SimilarityWhole};
use operators::{Aesthetic, Area, ClipScore, Detection, MaskScore, ShortSide, area, short_side};
use threshflow::cli::{App, Bench, Demo, Entry, Failure, Workbench, stage_by_stage};
use threshflow::flow::{EditCount, RegionCount};
use threshflow::prelude::*;
use threshflow::publish::Recorder;
use threshflow::report::Illustrator;

use imgedit_stages::{Args, Stages, subcommands};
use kit::candidate_dials;

dials! {
    /// What a rerun may turn: `threshflow imgedit run ... --set aesthetic=top:30% --set follows=4 --set 'follows[remove]=4.5'`.
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
        /// How good such an object's mask must be.
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
        /// How many regions must be left of a picture.
        regions: RegionCount >= 0,
        /// How much of what an edit may change must have changed. The measures of a pair are those of its weakest turn.
        changed_inside: ChangedInside >= 0,
        /// How much of all else may have changed.
        changed_outside: ChangedOutside <= 1,
        /// How strong the change must be.
        difference_inside: DifferenceInside >= 0,
        /// How strongly all else may differ.
        difference_outside: DifferenceOutside <= 1,
        /// How true all else must have stayed: 99 where nothing differs.
        psnr_outside: PsnrOutside >= 0,
        /// How alike in structure all else must have stayed.
        ssim_outside: SsimOutside >= -1,
        /// How large a patch of all else may have changed.
        largest_change: LargestChange <= 1,
        /// How harsh the edge of the mask may be: 1 is no harsher than it was, or than what surrounds it.
        seam: Seam <= 40,
        /// How far all of the picture may have moved.
        shift: Shift <= 4080,
        /// How much larger or smaller everything may be drawn.
        zoom: Zoom <= 1.25,
        /// How large a picture must be as the editor gave it: 1 is the original's size.
        resized: Resized >= 0,
        /// How far the colours of all else may be off.
        colour_cast: ColourCast <= 255,
        /// How alike both pictures must be to the vision tower of --similarity.
        similarity: SimilarityWhole >= -1,
        /// How alike they may be where the edit is.
        similarity_inside: SimilarityInside <= 1,
        /// How alike they must be where it is not.
        similarity_outside: SimilarityOutside >= -1,
        /// How far the picture must have changed as the words did, with --clip-direction.
        clip_direction: ClipDirection >= -1,
        /// How surely the detector may still find what had to go, with --redetect.
        old_found: OldFound <= 1,
        /// How surely it must find what had to come.
        new_found: NewFound >= 0,
        /// How many of the other objects it must still find.
        others_found: OthersFound >= 0,
        /// Whether an edit may have changed nothing: 1, or 0 for no.
        no_op: NoOp <= 0,
        /// How well an edit must follow its instruction: its weakest turn counts. The embedded judge gives 3 at most where no model
        /// confirms it, and 2 where one contradicts.
        follows: Follows >= 2.75 by EditType,
        /// How natural an edit must look: its weakest turn counts.
        natural: Natural >= 3 by EditType,
        /// Whether what changed must be what the instruction names: 1, or 0 for both.
        object_match: ObjectMatch >= 0 by EditType,
        /// How many edits must be left of a picture.
        edits: EditCount >= 1,
    }
}

/// The pipeline: its stages, opened once and shared by every worker.
pub struct ImgEdit {
    stages: Stages,
}

/// The pipeline as a program has it. It is compiled here, with the crate.
pub static ENTRY: Entry = Entry::of::<ImgEdit>();

impl Pipeline for ImgEdit {
    const NAME: &'static str = "imgedit";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let stages = &self.stages;
        // 1. Prepare: size and beauty, what scorers of the user's own say, a dense caption, and its nouns.
        let pictures =
            images.each(short_side).gate(&dial.short_side).ask(&stages.aesthetic).gate(&dial.aesthetic);
        let pictures = pictures.named_scores(&stages.scorers.sources);
        let pictures = pictures.ask(&stages.caption).ask(&stages.nouns);

        // 2. Ground: boxes, masks and scores of what the nouns name; the candidates among them.
        let rules = candidate_dials!(dial);
        let (pictures, regions) = pictures.ask(&stages.detect).regions(&stages.detect);
        let regions = regions.gate(&dial.detection).each(area);
        let regions = rules.by_area(regions).ask(&stages.segment).ask(&stages.region_score);
        let regions = rules.by_scores(regions);
        let candidates = regions.candidates();
        let pictures = pictures.with(regions).gate(&dial.regions);

        // 3. Instruct: for every type of edit an object is chosen, and words are found.
        let (pictures, edits) = pictures.edits(candidates, &stages.choose);
        let edits = edits.each(edit_type).ask(&stages.instruct);

        // 4. Edit: the passes that the words come to.
        let edits = edits.ask(&stages.edit);

        // 5. Measure: what changed where it should, and what should have stayed. Models measure what flags ask for.
        let edits = edits.ask(&stages.compare).ask(&stages.similarity).ask(&stages.clip_direction);
        let edits = edits.ask(&stages.redetect).named_scores(&stages.scorers.results);

        // 6. Judge: what is good enough to be trained on.
        let edits = edits.ask(&stages.judge);
        let edits = edits.gate_either([vec![
            dial.no_op.passes(),
            dial.changed_inside.passes(),
            dial.changed_outside.passes(),
            dial.difference_inside.passes(),
            dial.difference_outside.passes(),
            dial.psnr_outside.passes(),
            dial.ssim_outside.passes(),
            dial.largest_change.passes(),
            dial.seam.passes(),
            dial.shift.passes(),
            dial.zoom.passes(),
            dial.resized.passes(),
            dial.colour_cast.passes(),
            dial.similarity.passes(),
            dial.similarity_inside.passes(),
            dial.similarity_outside.passes(),
            dial.clip_direction.passes(),
            dial.old_found.passes(),
            dial.new_found.passes(),
            dial.others_found.passes(),
            dial.follows.passes(),
            dial.natural.passes(),
            dial.object_match.passes(),
        ]]);
        pictures.with_edits(edits).gate(&dial.edits)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(&self.stages.recorder)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&self.stages.illustrator)
    }
}

impl App for ImgEdit {
    const ABOUT: &'static str =
        "Makes judged edit pairs of pictures: thirteen types of edits, single and multi-turn";
    const DEMO: Option<Demo> = Some(demo::run);
    const BENCH: Option<Bench<Args>> = Some(stage_by_stage::<Self>);
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        Ok(ImgEdit { stages: Stages::open(args, workbench)? })
    }

    kit::dials_of_scorers!(Results::Made);

    fn verify(folder: &Path) -> Result<Option<threshflow::publish::Verified>, Failure> {
        subcommands::verify(folder)
    }

    fn subcommands() -> Vec<clap::Command> {
        subcommands::subcommands()
    }

    fn subcommand(name: &str, matches: &clap::ArgMatches) -> Result<(), Failure> {
        subcommands::subcommand(name, matches)
    }
}

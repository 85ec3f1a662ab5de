//! What the operators of edits read of earlier answers: an edit's plan, the masks of its regions, pictures as pixels.

use std::sync::Arc;

use image::RgbImage;
use threshflow::flow::{Finds, Found};
use threshflow::lane::{Question, Stage};
use threshflow::row::{ContentHash, Refusal, RegionKind, Row, Stamp};
use threshflow::shard::EndFrame;

use crate::caption::CaptionSource;
use crate::detect::Detect;
use crate::editors::paint;
use crate::editors::references::{self, LOST_REFERENCE, Reference, References, StoredReference};
use crate::pixels::decode::{Purpose, decode};
use crate::pixels::full::as_image;
use crate::pixels::mask::Mask;
use crate::plan::choice;
use crate::plan::choose::operations;
use crate::plan::edit_plan::{EditPlan, EditType, Operation, PlannedObject, PlannedStep};
use crate::segment::{Segment, StoredMask};

/// Pixels of a side of a drawn reference.
pub const REFERENCE_SIDE: u32 = 512;

/// Of how the pictures that a `visual` shows are drawn, or made of a user's file.
pub(crate) fn reference_stamp() -> Stamp {
    let (side, kept) = (REFERENCE_SIDE.to_le_bytes(), references::cache_stamp());
    Stamp::of(&[("drawn", paint::VERSION), ("side", &side), ("kept", &kept.0.0)])
}

/// Where what shapes an edit is remembered.
#[derive(Clone)]
pub struct EditSource {
    pub captions: Arc<dyn CaptionSource>,
    pub detect: Arc<Stage<Detect>>,
    pub masks: Arc<Stage<Segment>>,
    /// Shapes picks among words and pixels.
    pub seed: u64,
    /// The pictures that a `visual` shows, where the user brought some; else one is drawn.
    pub references: Option<Arc<References>>,
}

/// An edit's plan and what is behind it.
pub struct Planned {
    pub plan: EditPlan,
    /// The regions that the steps are about, each once, in the order of the choice.
    pub regions: Vec<PlannedRegion>,
    /// The nouns of all that was found as objects, each once.
    pub objects: Vec<String>,
    /// The objects that the detector was sure of, noun and box: among them is what moves in a film.
    pub sure: Vec<(String, [f32; 4])>,
}

/// How sure the detector must be of what an instruction speaks of unasked.
pub(crate) const SURE: f32 = 0.3;

/// A chosen region.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRegion {
    /// Its number in the picture.
    pub number: u16,
    /// What its mask is remembered under.
    pub content: ContentHash,
    pub object: PlannedObject,
    /// Whether the detector was sure of it.
    pub sure: bool,
}

impl Planned {
    /// The region that step `step` is about.
    pub fn region_of(&self, step: usize) -> Option<&PlannedRegion> {
        of_step(&self.regions, step)
    }
}

/// What belongs to step `step`, of things that there is one of for each chosen region: the steps of an edit of one region share it.
pub(crate) fn of_step<T>(all: &[T], step: usize) -> Option<&T> {
    if all.len() > 1 { all.get(step) } else { all.first() }
}

impl EditSource {
    /// Stamps of what is read.
    pub fn stamps(&self) -> Vec<ContentHash> {
        let seed = ContentHash::of(&self.seed.to_le_bytes());
        let stamps = [self.captions.stamp(), self.detect.memo().stamp(), self.masks.memo().stamp()];
        let references = self.references.as_ref().map(|references| references.content_hash());
        stamps.into_iter().map(|stamp| stamp.0).chain([seed, reference_stamp().0]).chain(references).collect()
    }

    /// What the reference picture of a plan shows; `None` where its type shows none. Of the user's pictures one, else something that
    /// the embedded editor can draw, in some colour.
    pub(crate) fn choose_reference(&self, planned: &Planned) -> Result<StoredReference, Refusal> {
        let pick = |what: &str| choice::slot(planned.plan.pick, what);
        let drawn = || {
            let thing = choice::of(pick("reference"), paint::drawable())?;
            let colour = choice::of(pick("reference colour"), &paint::COLOURS)?;
            Some(format!("{} {thing}", colour.0))
        };
        match &self.references {
            _ if !planned.plan.edit_type.has_reference() => Ok(StoredReference::default()),
            None => Ok(StoredReference { shows: drawn(), content: None }),
            Some(references) => {
                let chosen = references.choose(pick("reference"))?;
                Ok(StoredReference { shows: Some(chosen.name), content: Some(chosen.content) })
            }
        }
    }

    /// A reference as a picture, where there is one.
    pub fn reference_picture(&self, reference: &StoredReference) -> Result<Option<RgbImage>, Refusal> {
        let Some(name) = &reference.shows else { return Ok(None) };
        match (&reference.content, &self.references) {
            (None, _) => paint::reference(name, REFERENCE_SIDE).map(Some),
            (Some(content), Some(references)) => {
                let reference = Reference { name: name.clone(), content: content.clone() };
                references.picture(&reference).map(Some)
            }
            (Some(content), None) => {
                let message = format!("{name:?} ({content}) is one of --references, and there are none now");
                Err(Refusal::transient(LOST_REFERENCE, message))
            }
        }
    }

    /// The plan of the edit that the question is about. Reads memos: not for a worker thread.
    pub fn planned(&self, question: &Question) -> Result<Planned, Refusal> {
        let not_an_edit =
            || Refusal::permanent("no_edit", "only edits have a plan, and this question is about none");
        let edit = question.edit.as_ref().ok_or_else(not_an_edit)?;
        let edit_type = EditType::from_number(edit.number).ok_or_else(not_an_edit)?;
        let found = match self.detect.memo().read(&edit.picture) {
            Ok(Some(blob)) => blob.map_err(|refusal| (*refusal).clone())?,
            Ok(None) => {
                return Err(Refusal::transient("not_remembered", "what was found in the picture is lost"));
            }
            Err(error) => return Err(Refusal::transient("unreadable_memo", error.to_string())),
        };
        let found = self.detect.operator().found(&found)?;
        let region = |number: u16| -> Result<PlannedRegion, Refusal> {
            let lost =
                || Refusal::transient("not_remembered", format!("region {number} of the picture is lost"));
            let row = Found::region_of(&found, &edit.image, number).ok_or_else(lost)?;
            let noun = found[usize::from(number)].noun_text.clone();
            let object = PlannedObject { noun, kind: row.kind, bbox: row.bbox() };
            let sure = found[usize::from(number)].score >= SURE;
            Ok(PlannedRegion { number, content: row.content(), object, sure })
        };
        let regions: Vec<PlannedRegion> = edit.choice.regions().map(region).collect::<Result<_, _>>()?;
        let mut planned = Planned {
            plan: EditPlan {
                edit_type,
                width: edit.image.width.into(),
                height: edit.image.height.into(),
                caption: self.captions.caption(question)?,
                steps: Vec::new(),
                pick: choice::pick(self.seed, &edit.image.content, &format!("words of {edit_type}")),
            },
            regions,
            objects: Vec::new(),
            sure: Vec::new(),
        };
        let step = |(number, operation): (usize, Operation)| PlannedStep {
            operation,
            object: planned.region_of(number).map(|region| region.object.clone()),
        };
        planned.plan.steps = operations(&edit.choice).into_iter().enumerate().map(step).collect();
        for one in found.iter().filter(|one| one.kind == RegionKind::Object) {
            if !planned.objects.contains(&one.noun_text) {
                planned.objects.push(one.noun_text.clone());
            }
            if one.score >= SURE {
                planned.sure.push((one.noun_text.clone(), one.bbox));
            }
        }
        Ok(planned)
    }

    /// A region's mask as it is remembered.
    pub fn stored_mask(&self, region: &ContentHash) -> Result<StoredMask, Refusal> {
        match self.masks.memo().read(region) {
            Ok(Some(Ok(blob))) => StoredMask::from_bytes(&blob),
            Ok(Some(Err(refusal))) => Err((*refusal).clone()),
            Ok(None) => Err(Refusal::transient("not_remembered", "the mask of a region is lost")),
            Err(error) => Err(Refusal::transient("unreadable_memo", error.to_string())),
        }
    }

    /// The masks of the plan's regions, in their order, at the picture's size.
    pub fn masks(&self, planned: &Planned) -> Result<Vec<Mask>, Refusal> {
        let (width, height) = (planned.plan.width, planned.plan.height);
        let mask = |region: &PlannedRegion| self.stored_mask(&region.content)?.mask(width, height);
        planned.regions.iter().map(mask).collect()
    }
}

/// The picture's own end frame, shown as the picture is; refused as `no_end_frame` where the sample has none.
pub(crate) fn end_frame(frame: Option<&EndFrame<'_>>) -> Result<RgbImage, Refusal> {
    let frame = frame.ok_or_else(no_end_frame)?;
    let looked = frame.looked.clone()?;
    as_image(decode(frame.bytes, looked.format, looked.orientation, Purpose::Full)?)
}

pub(crate) fn no_end_frame() -> Refusal {
    let message = "the sample has no second frame; an action is shown by two: put KEY.end.jpg beside KEY.jpg";
    Refusal::permanent(Refusal::NO_END_FRAME, message)
}

/// Operations by their names.
pub fn operations_text(operations: &[Operation]) -> Vec<&'static str> {
    operations.iter().map(|operation| operation.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_share_the_one_region_and_have_their_own_of_several() {
        let of = |all: &[char]| [0, 1, 2].map(|step| of_step(all, step).copied());
        assert_eq!(of(&[]), [None; 3]);
        assert_eq!(of(&['a']), [Some('a'); 3]);
        assert_eq!(of(&['a', 'b']), [Some('a'), Some('b'), None]);
    }

    #[test]
    fn operations_are_told_by_name_in_their_order() {
        let operations = [Operation::Replace, Operation::Add, Operation::Replace];
        assert_eq!(operations_text(&operations), ["replace", "add", "replace"]);
        assert!(operations_text(&[]).is_empty());
    }
}

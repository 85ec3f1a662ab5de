//! The embedded judge's CLIP: crops of a step's region before and after are compared with its noun and with what is put in. The arithmetic
//! is in [`judge::pixels`](crate::judge::pixels). This file runs the towers.

use std::borrow::Cow;
use std::sync::Arc;

use image::RgbImage;
use threshflow::lane::Limits;
use threshflow::row::{ContentHash, Refusal};

use crate::edit_source::{Planned, of_step};
use crate::judge::pixels::{Agreement, Seen};
use crate::models::clip_tower::ClipTower;
use crate::models::region_clip::{NounTexts, RegionClip, TEMPLATE};
use crate::models::texts::Texts;
use crate::pixels::mask::Mask;
use crate::pixels::region_crop::Channels;
use crate::plan::edit_plan::words::without_article;
use crate::plan::edit_plan::{Changes, Operation, Shows};

/// Raise this when the code changes what is looked at.
const VERSION: &[u8] = b"judge_clip/2";

/// A CLIP for the embedded judge.
pub struct JudgeClip {
    region: RegionClip,
}

/// A step's region made ready for the tower.
pub struct ToSee {
    /// Before and after.
    crops: [Vec<u8>; 2],
    noun: NounTexts,
    target: Option<Vec<f32>>,
    /// The other nouns that were found in the picture.
    rivals: Vec<Vec<f32>>,
    /// Whether the detector was sure of the region.
    sure: bool,
}

impl JudgeClip {
    /// By the tower of a CLIP; `texts` are of its text tower, `channels` as region_score's.
    pub fn new(tower: Arc<ClipTower>, texts: Arc<Texts>, channels: Channels) -> Self {
        JudgeClip { region: RegionClip::new(tower, texts, channels) }
    }

    /// All that shapes an agreement, by name.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut parts = self.region.model().vision_stamp_parts();
        parts.extend([
            ("clip", VERSION.to_vec()),
            ("texts", self.region.texts_stamp().0.0.to_vec()),
            ("template", TEMPLATE.into()),
            ("channels", self.region.channels().stamp().into()),
        ]);
        parts
    }

    /// What it looks at, and the words.
    pub(crate) fn region(&self) -> &RegionClip {
        &self.region
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        self.region.demonstration()
    }

    /// The embedding of each crop, in order.
    pub(crate) fn embed(&self, crops: &[&[u8]]) -> Vec<Result<Vec<f32>, Refusal>> {
        self.region.tower().embed(crops)
    }

    /// For people.
    pub fn description(&self) -> String {
        format!("ONNX CLIP {}", &self.region.model().content_hash().to_string()[..8])
    }

    pub fn limits(&self) -> Limits {
        self.region.tower().limits()
    }

    /// The bytes of the crops that so many steps wait with.
    pub(crate) fn bytes_of_steps(&self, steps: usize) -> u64 {
        2 * (steps * self.region.model().preprocess().crop_bytes()) as u64
    }

    /// What is to be seen of step `step`; `None` where no region of it is known. `masks` are those of the plan's regions, not
    /// widened: what `region_score` looked at. A style, which is about no region, must leave the surest object what it is.
    ///
    /// Where a thing is put in or taken out, the mask's whole box is seen, before and after: cut out by its outline, a boat that is
    /// gone is a boat still. (Of the demo's edits by its own CLIP: clip_score 0.98 to 0.97 by the outline, 0.98 to 0.16 by the box.)
    pub fn prepare(
        &self,
        planned: &Planned,
        (step, operation): (usize, Operation),
        masks: &[Mask],
        result: Option<&str>,
        [before, after]: [&RgbImage; 2],
    ) -> Result<Option<ToSee>, Refusal> {
        let sure = planned.region_of(step).is_none_or(|region| region.sure);
        let (noun, mask) = match (planned.region_of(step), of_step(masks, step), planned.sure.first()) {
            _ if operation.shows() == Shows::Unknown => return Ok(None),
            (Some(region), Some(mask), _) => (region.object.noun.as_str(), seen_of(operation, mask)),
            (_, _, Some((noun, bbox))) => {
                (noun.as_str(), Cow::Owned(mask_of_box(*bbox, before.dimensions())))
            }
            _ => return Ok(None),
        };
        let target = target_of(operation, result).map(|target| self.region.text(&target)).transpose()?;
        let crops = [self.region.crop(before, &mask)?, self.region.crop(after, &mask)?];
        let rivals = planned.objects.iter().filter(|rival| *rival != noun);
        let rivals = rivals.map(|rival| self.region.text(rival)).collect::<Result<_, Refusal>>()?;
        Ok(Some(ToSee { crops, noun: self.region.noun(noun)?, target, rivals, sure }))
    }

    /// How each region agrees with its words, in order.
    pub fn see(&self, regions: &[&ToSee]) -> Vec<Result<Agreement, Refusal>> {
        let crops: Vec<&[u8]> =
            regions.iter().flat_map(|region| region.crops.iter().map(Vec::as_slice)).collect();
        let lost =
            || Err(Refusal::transient("model_failed", "the vision tower gave no answer for this region"));
        let mut embedded = self.embed(&crops).into_iter();
        let mut next = || embedded.next().unwrap_or_else(lost);
        let agreement = |region: &&ToSee| {
            // Both are taken off, whatever the first is.
            let (before, after) = (next(), next());
            let (before, after) = (before?, after?);
            let seen = Seen {
                crops: [&before, &after],
                noun: &region.noun,
                target: region.target.as_deref(),
                rivals: &region.rivals,
                sure: region.sure,
            };
            Agreement::of(&seen).ok_or_else(|| {
                Refusal::permanent(
                    "not_a_number",
                    "the CLIP gives no cosine for this region; look at the model",
                )
            })
        };
        regions.iter().map(agreement).collect()
    }

    /// The texts of an edit that were never asked.
    pub fn unknown(&self, planned: &Planned, results: &[String]) -> Vec<(&'static str, ContentHash)> {
        let steps = planned.plan.steps.iter().enumerate();
        let targets =
            steps.filter_map(|(n, step)| target_of(step.operation, results.get(n).map(String::as_str)));
        let targets: Vec<String> = targets.collect();
        let chosen = planned.regions.iter().map(|region| region.object.noun.as_str());
        let styled = planned.plan.steps.iter().any(|step| step.operation.changes() == Changes::Picture);
        let sure = planned.sure.first().filter(|_| styled);
        let nouns: Vec<&str> = chosen.chain(sure.map(|(noun, _)| noun.as_str())).collect();
        let rivals = planned.objects.iter().map(String::as_str).filter(|rival| !nouns.contains(rival));
        let rivals: Vec<&str> = if nouns.is_empty() { Vec::new() } else { rivals.collect() };
        let mut unknown = self.region.unknown_nouns(nouns);
        unknown.extend(self.region.unknown_texts(targets.iter().map(String::as_str)));
        unknown.extend(self.region.unknown_texts(rivals.into_iter()));
        unknown
    }
}

/// What a region is to show after the step, as nouns are written: without an article.
pub(crate) fn target_of(operation: Operation, result: Option<&str>) -> Option<String> {
    let shown = match operation.shows() {
        Shows::Gone | Shows::Come | Shows::Another | Shows::Altered => true,
        Shows::Same | Shows::Unknown => false,
    };
    let target = without_article(result?.trim());
    (shown && !target.is_empty()).then(|| target.to_owned())
}

/// What of a region is looked at.
pub(crate) fn seen_of(operation: Operation, mask: &Mask) -> Cow<'_, Mask> {
    let comes_or_goes = operation.changes() == Changes::Object && operation.shows() != Shows::Altered;
    match mask.bounds() {
        Some(bounds) if comes_or_goes => {
            Cow::Owned(mask_of_box(bounds.map(|edge| edge as f32), (mask.width, mask.height)))
        }
        _ => Cow::Borrowed(mask),
    }
}

/// A detector's box as a mask: every pixel that it touches, one at least.
fn mask_of_box(bbox: [f32; 4], (width, height): (u32, u32)) -> Mask {
    let mut mask = Mask::empty(width, height);
    let edge = |at: f32, most: u32| at.clamp(0.0, most as f32) as u32;
    let [left, top] = [edge(bbox[0].floor(), width - 1), edge(bbox[1].floor(), height - 1)];
    let [right, bottom] = [edge(bbox[2].ceil(), width), edge(bbox[3].ceil(), height)];
    for y in top..bottom.max(top + 1) {
        let row = y as usize * width as usize;
        mask.bits[row + left as usize..row + right.max(left + 1) as usize].fill(1);
    }
    mask
}

#[cfg(test)]
pub(crate) mod tests;

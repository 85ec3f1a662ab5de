//! What is to be looked for again in what an editor made, and what is said of what was found. No model is asked here.

use super::Redetected;
use crate::detect::Spotted;
use crate::edit_source::{PlannedRegion, SURE};
use crate::models::nms::iou;
use crate::plan::edit_plan::words::without_article;
use crate::plan::edit_plan::{Changes, Operation, Shows};

/// From such an IoU on two boxes are at one place.
const SAME_PLACE: f32 = 0.5;
/// From such a score on an object that the detector was sure of is found again.
const STILL: f32 = SURE / 2.0;

/// A box: left, top, right, bottom, in pixels of the picture.
type Box4 = [f32; 4];

/// What is to be looked for in one picture.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// What had to go, and where it was.
    old: Vec<(String, Box4)>,
    /// What has to be there, by any of these names, and where.
    new: Vec<(Vec<String>, Box4)>,
    /// What else was there.
    others: Vec<(String, Box4)>,
}

/// An operation, the region that it is about, and what is said to come of it.
pub(super) type Step<'a> = (Operation, Option<&'a PlannedRegion>, Option<&'a str>);

/// What is to be looked for after these steps of one turn; `sure` are the objects that the detector was sure of.
pub(super) fn wanted(steps: &[Step<'_>], sure: &[(String, Box4)], can_find: impl Fn(&str) -> bool) -> Wanted {
    let mut wanted = Wanted::default();
    for (operation, region, result) in steps {
        let Some(region) = region else { continue };
        let (noun, bbox) = (region.object.noun.clone(), region.object.bbox);
        let result = result.map(|text| without_article(text.trim()).to_owned());
        let result = result.filter(|text| !text.is_empty() && *text != noun);
        match operation.shows() {
            Shows::Gone | Shows::Come => wanted.old.push((noun, bbox)),
            Shows::Another => {
                wanted.old.push((noun, bbox));
                wanted.new.extend(result.map(|result| (vec![result], bbox)));
            }
            Shows::Altered => wanted.new.push((std::iter::once(noun).chain(result).collect(), bbox)),
            Shows::Same => wanted.new.push((vec![noun], bbox)),
            Shows::Unknown => {}
        }
    }
    wanted.old.retain(|(noun, _)| can_find(noun));
    wanted.new.iter_mut().for_each(|(nouns, _)| nouns.retain(|noun| can_find(noun)));
    wanted.new.retain(|(nouns, _)| !nouns.is_empty());
    let stays = |operation: Operation| match operation.changes() {
        Changes::Object | Changes::Background => true,
        Changes::Surroundings | Changes::Picture | Changes::Motion => false,
    };
    if steps.iter().all(|(operation, ..)| stays(*operation)) {
        // The objects on a changed ground are all to stay; those that stand in a changed object are not.
        let of_object = |step: &&Step<'_>| step.0.changes() == Changes::Object;
        let changed: Vec<Box4> =
            steps.iter().filter(of_object).filter_map(|step| Some(step.1?.object.bbox)).collect();
        let stands_in = |bbox: &Box4| changed.iter().any(|region| at_region(*bbox, *region));
        let others = sure.iter().filter(|(noun, bbox)| can_find(noun) && !stands_in(bbox));
        wanted.others.extend(others.cloned());
    }
    wanted
}

/// Whether a box is at a region's.
fn at_region(bbox: Box4, region: Box4) -> bool {
    let area = |[left, top, right, bottom]: Box4| (right - left) * (bottom - top);
    let (x, y) = ((bbox[0] + bbox[2]) / 2.0, (bbox[1] + bbox[3]) / 2.0);
    let inside = (region[0]..=region[2]).contains(&x) && (region[1]..=region[3]).contains(&y);
    iou(bbox, region) >= SAME_PLACE || (inside && area(bbox) <= area(region))
}

impl Wanted {
    /// The nouns that are looked for: some may stand there several times.
    pub(super) fn nouns(&self) -> Vec<&str> {
        let new = self.new.iter().flat_map(|(nouns, _)| nouns);
        let nouns = self.old.iter().chain(&self.others).map(|(noun, _)| noun).chain(new);
        nouns.map(String::as_str).collect()
    }

    /// What is said of what was found.
    pub(super) fn scores(&self, found: &[Spotted]) -> Redetected {
        let best = |nouns: &[&str], region: Box4| {
            let at = found.iter().filter(|one| nouns.contains(&one.noun.as_str()));
            at.filter(|one| at_region(one.bbox, region)).map(|one| one.score).fold(0.0, f32::max)
        };
        let old = self.old.iter().map(|(noun, region)| best(&[noun.as_str()], *region));
        let new = self
            .new
            .iter()
            .map(|(nouns, region)| best(&nouns.iter().map(String::as_str).collect::<Vec<_>>(), *region));
        let again = |(noun, bbox): &&(String, Box4)| {
            let is = |one: &&Spotted| one.noun == *noun && one.score >= STILL;
            found.iter().filter(is).any(|one| iou(one.bbox, *bbox) >= SAME_PLACE)
        };
        let others = match self.others.len() {
            0 => 1.0,
            all => self.others.iter().filter(again).count() as f32 / all as f32,
        };
        // A detector's score may be above 1 by rounding.
        let ends = |score: f32| score.clamp(0.0, 1.0);
        Redetected([ends(old.fold(0.0, f32::max)), ends(new.fold(1.0, f32::min)), others])
    }
}

//! Non-maximum suppression with torchvision's semantics: of boxes that overlap, the one with the best score stays.
//!
//! Boxes are taken by descending score, and equal scores in the given order (torchvision leaves that order open where it separates classes;
//! the result is the same). A box is removed if its IoU (intersection over union, in float32) with a box that stayed is above the
//! threshold, compared as float64; equal is not above. A box without area has an IoU of 0 with all others, or none at all, and neither
//! suppresses. Source: torchvision.ops.nms, CPU kernel.

use std::collections::HashMap;

/// A box that something was seen in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// x1, y1, x2, y2, in pixels of whatever grid.
    pub bbox: [f32; 4],
    pub score: f32,
    pub class: u32,
}

/// Which boxes can suppress which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Any box any other.
    All,
    /// Only boxes of one class each other. Classes are kept apart as they are. (torchvision's batched_nms does that for many
    /// boxes; for few it moves each class to coordinates of its own, where float32 rounds more coarsely.)
    EachClass,
}

/// The places of the boxes that stay, best first, and no more than `most` of them.
///
/// A candidate with NaN in its box or score never stays and suppresses nothing. Each box is compared only with those that
/// stayed, so `most` bounds the time: 30,000 boxes and 300 that stay are at most 9 million comparisons.
///
/// ```
/// use operators::models::nms::{Among, Candidate, suppress};
/// let seen = |x: f32, score: f32, class: u32| Candidate { bbox: [x, 0.0, x + 10.0, 10.0], score, class };
/// let candidates = [seen(0.0, 0.5, 0), seen(1.0, 0.9, 0), seen(0.0, 0.7, 1), seen(40.0, 0.1, 0)];
/// assert_eq!(suppress(&candidates, Among::All, 0.7, usize::MAX), [1, 3]);
/// assert_eq!(suppress(&candidates, Among::EachClass, 0.7, usize::MAX), [1, 2, 3]);
/// assert_eq!(suppress(&candidates, Among::EachClass, 0.7, 2), [1, 2]);
/// ```
pub fn suppress(candidates: &[Candidate], among: Among, threshold: f64, most: usize) -> Vec<usize> {
    let is_number = |candidate: &Candidate| {
        !candidate.score.is_nan() && candidate.bbox.iter().all(|value| !value.is_nan())
    };
    let mut order: Vec<usize> = (0..candidates.len()).filter(|&at| is_number(&candidates[at])).collect();
    // Stable; and not by total_cmp, to which -0 and 0 differ.
    order.sort_by(|&a, &b| {
        candidates[b].score.partial_cmp(&candidates[a].score).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut stayed: HashMap<u32, Vec<Survivor>> = HashMap::new();
    let mut places = Vec::new();
    for at in order {
        if places.len() == most {
            break;
        }
        let rivals = match among {
            Among::All => stayed.entry(0).or_default(),
            Among::EachClass => stayed.entry(candidates[at].class).or_default(),
        };
        let this = Survivor::new(candidates[at].bbox);
        if !rivals.iter().any(|rival| f64::from(rival.iou(&this)) > threshold) {
            rivals.push(this);
            places.push(at);
        }
    }
    places
}

/// How much of the two boxes' common area both cover, 0 to 1 (intersection over union); NaN where both are empty. A box is left, top, right,
/// bottom.
pub fn iou(one: [f32; 4], other: [f32; 4]) -> f32 {
    Survivor::new(one).iou(&Survivor::new(other))
}

struct Survivor {
    bbox: [f32; 4],
    area: f32,
}

impl Survivor {
    fn new(bbox: [f32; 4]) -> Self {
        Survivor { bbox, area: (bbox[2] - bbox[0]) * (bbox[3] - bbox[1]) }
    }

    fn iou(&self, other: &Survivor) -> f32 {
        let width = (self.bbox[2].min(other.bbox[2]) - self.bbox[0].max(other.bbox[0])).max(0.0);
        let height = (self.bbox[3].min(other.bbox[3]) - self.bbox[1].max(other.bbox[1])).max(0.0);
        let common = width * height;
        common / (self.area + other.area - common)
    }
}

#[cfg(test)]
mod tests;

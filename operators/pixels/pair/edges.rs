//! Seams: how harsh neighbouring pixels differ across the edge of a mask.

use image::RgbImage;

use super::near::near;
use super::{Made, OUTSIDE};
use crate::pixels::mask::Mask;

/// Added to mean differences before they are compared, in levels of 255: on a flat ground an edge of so many levels, which an eye just
/// takes for one, doubles the number.
const EDGE: f64 = 8.0;
/// How far around a mask its surroundings reach, in parts of its own width and height.
const AROUND: f32 = 0.5;
/// An edge of fewer pairs of pixels tells nothing.
const LEAST_PAIRS: u64 = 8;

/// The harshest seam of all masks, see [`Compared::seam`](super::Compared::seam).
pub(super) fn seam(pair: [&RgbImage; 2], seams: &[(&Mask, u8, Made)], owners: &[u8]) -> f32 {
    let of_one = |(mask, reach, made): &(&Mask, u8, Made)| {
        let pair = if *made == Made::After { pair } else { [pair[1], pair[0]] };
        seam_of(pair, surroundings(mask)?, (&near(mask, *reach), *reach), owners)
    };
    seams
        .iter()
        .filter_map(of_one)
        .fold(None, |most: Option<f32>, seam| Some(most.map_or(seam, |most| most.max(seam))))
        .unwrap_or(1.0)
}

/// Sums of differences of neighbours, and their number.
#[derive(Clone, Copy, Default)]
struct Mean {
    sum: u64,
    pairs: u64,
}

impl Mean {
    fn add(&mut self, picture: &[u8], one: usize, other: usize) {
        let far = |c: usize| u64::from(picture[3 * one + c].abs_diff(picture[3 * other + c]));
        self.sum += far(0) + far(1) + far(2);
        self.pairs += 1;
    }

    fn levels(self) -> f64 {
        self.sum as f64 / (3 * self.pairs).max(1) as f64
    }
}

/// The same along the border of a mask and at each pixel inwards from it, as far as `depth`; 1 where it has no border. The first picture
/// is the one that no editor made.
pub(crate) fn seam_inwards(pair: [&RgbImage; 2], mask: &Mask, depth: u8, owners: &[u8]) -> f32 {
    let rest = Mask { bits: mask.bits.iter().map(|bit| u8::from(*bit == 0)).collect(), ..*mask };
    let seam =
        surroundings(mask).and_then(|bounds| seam_of(pair, bounds, (&near(&rest, depth), depth), owners));
    seam.unwrap_or(1.0)
}

/// `made` against `other`: the picture that an editor made and the one that it did not; `far` from the mask (or from what is not of it),
/// up to `reach`.
fn seam_of(
    [other, made]: [&RgbImage; 2],
    [left, top, right, bottom]: [usize; 4],
    (far, reach): (&[u8], u8),
    owners: &[u8],
) -> Option<f32> {
    let width = made.width() as usize;
    let mut edges = vec![[Mean::default(); 2]; usize::from(reach) + 1];
    let mut around = Mean::default();
    let (other, made) = (other.as_raw(), made.as_raw());
    for y in top..bottom {
        for x in left..right {
            let at = y * width + x;
            // Of what lies outside every second pixel does.
            let is_around = owners[at] == OUTSIDE && (x + y) % 2 == 0;
            let across = (x + 1 < right).then_some(at + 1);
            let down = (y + 1 < bottom).then_some(at + width);
            for next in [across, down].into_iter().flatten() {
                if far[at] != far[next] {
                    let edge = &mut edges[usize::from(far[at].min(far[next]))];
                    edge[0].add(other, at, next);
                    edge[1].add(made, at, next);
                } else if is_around && owners[next] == OUTSIDE {
                    around.add(made, at, next);
                }
            }
        }
    }
    let known = edges.iter().filter(|edge| edge[0].pairs >= LEAST_PAIRS);
    let harsher =
        |edge: &[Mean; 2]| (edge[1].levels() + EDGE) / (edge[0].levels().max(around.levels()) + EDGE);
    known
        .map(harsher)
        .fold(None, |most: Option<f64>, seam| Some(most.map_or(seam, |most| most.max(seam))))
        .map(|seam| seam as f32)
}

/// The mask's bounds and as much around them as counts as its surroundings: left, top, right, bottom.
fn surroundings(mask: &Mask) -> Option<[usize; 4]> {
    let [left, top, right, bottom] = mask.bounds()?;
    let more = |length: u32| (length as f32 * AROUND) as u32 + 4;
    let (across, down) = (more(right - left), more(bottom - top));
    let (right, bottom) = ((right + across).min(mask.width), (bottom + down).min(mask.height));
    Some([left.saturating_sub(across), top.saturating_sub(down), right, bottom].map(|edge| edge as usize))
}

//! Seams: how harsh neighbouring pixels differ across the edge of a mask.

use image::RgbImage;

use super::near::near;
use super::{Made, Nearness, OUTSIDE};
use crate::pixels::mask::Mask;
use crate::pixels::widest::{Inks, widest};

/// Added to mean differences before they are compared, in levels of 255: on a flat ground an edge of so many levels, which an eye just
/// takes for one, doubles the number.
const EDGE: f64 = 8.0;
/// How far around a mask its surroundings reach, in parts of its own width and height.
const AROUND: f32 = 0.5;
/// An edge of fewer pairs of pixels tells nothing.
const LEAST_PAIRS: u64 = 8;

/// The harshest seam of all masks, see [`Compared::seam`](super::Compared::seam).
pub(super) fn seam(
    pair: [&RgbImage; 2],
    seams: &[(&Mask, u8, Made)],
    near: &Nearness<'_>,
    owners: &[u8],
) -> f32 {
    let of_one = |(mask, reach, made): &(&Mask, u8, Made)| {
        let pair = if *made == Made::After { pair } else { [pair[1], pair[0]] };
        seam_of(pair, surroundings(mask)?, (near.of_mask(mask, *reach)?, *reach), owners)
    };
    seams
        .iter()
        .filter_map(of_one)
        .fold(None, |most: Option<f32>, seam| Some(most.map_or(seam, |most| most.max(seam))))
        .unwrap_or(1.0)
}

/// Sums of differences of neighbours, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    pair: [&RgbImage; 2],
    bounds: [usize; 4],
    (far, reach): (&[u8], u8),
    owners: &[u8],
) -> Option<f32> {
    let (edges, around) = means(pair, bounds, (far, reach), owners);
    let known = edges.iter().filter(|edge| edge[0].pairs >= LEAST_PAIRS);
    let harsher =
        |edge: &[Mean; 2]| (edge[1].levels() + EDGE) / (edge[0].levels().max(around.levels()) + EDGE);
    known
        .map(harsher)
        .fold(None, |most: Option<f64>, seam| Some(most.map_or(seam, |most| most.max(seam))))
        .map(|seam| seam as f32)
}

/// Of neighbours across each edge, in both pictures, and of neighbours outside, in the one that was made.
fn means(
    [other, made]: [&RgbImage; 2],
    [left, top, right, bottom]: [usize; 4],
    (far, reach): (&[u8], u8),
    owners: &[u8],
) -> (Vec<[Mean; 2]>, Mean) {
    let (width, columns) = (made.width() as usize, right - left);
    let mut edges = vec![[Mean::default(); 2]; usize::from(reach) + 1];
    let mut around = Mean::default();
    let (other, made) = (other.as_raw(), made.as_raw());
    let mut add = |at: usize, next: usize| {
        let edge = &mut edges[usize::from(far[at].min(far[next]))];
        edge[0].add(other, at, next);
        edge[1].add(made, at, next);
    };
    // Of what lies outside every second pixel counts.
    let even: Vec<u8> = (0..=columns).map(|x| u8::from(x % 2 == 0)).collect();
    let mut inks = [Inks::of_width(columns), Inks::of_width(columns)];
    let mut found = Vec::new();
    widest(
        #[inline(always)]
        || {
            for y in top..bottom {
                let range = |y: usize| y * width + left..y * width + right;
                inks.swap(0, 1);
                if y == top {
                    inks[0].take(&made[3 * range(y).start..3 * range(y).end]);
                }
                let counts = &even[(left + y) % 2..];
                let [here, below] = &mut inks;
                let row = Row { inks: here, far: &far[range(y)], owners: &owners[range(y)] };
                row.around(&row, 1, counts, &mut around);
                row.edges(&row, 1, &mut found);
                found.drain(..).for_each(|x| add(range(y).start + x, range(y).start + x + 1));
                if y + 1 < bottom {
                    let next = range(y + 1);
                    below.take(&made[3 * next.start..3 * next.end]);
                    let below = Row { inks: below, far: &far[next.clone()], owners: &owners[next.clone()] };
                    row.around(&below, 0, counts, &mut around);
                    row.edges(&below, 0, &mut found);
                    found.drain(..).for_each(|x| add(range(y).start + x, next.start + x));
                }
            }
        },
    );
    (edges, around)
}

/// A row of the surroundings.
struct Row<'a> {
    inks: &'a Inks,
    far: &'a [u8],
    owners: &'a [u8],
}

impl Row<'_> {
    /// Adds pairs of neighbours that both lie outside and on no edge: each pixel that `counts`, and the one of the other row that is so
    /// many pixels further.
    #[inline(always)]
    fn around(&self, other: &Row<'_>, further: usize, counts: &[u8], around: &mut Mean) {
        let number = self.far.len() - further;
        let [r0, g0, b0, far0, owners0] = self.part(0, number);
        let [r1, g1, b1, far1, owners1] = other.part(further, number);
        let (mut sum, mut pairs) = (0u32, 0u32);
        for (at, counts) in counts[..number].iter().enumerate() {
            let outside = (owners0[at] == OUTSIDE) & (owners1[at] == OUTSIDE) & (far0[at] == far1[at]);
            let counted = *counts & u8::from(outside);
            // All bits or none.
            let mask = counted.wrapping_neg();
            let far = |one: u8, other: u8| u16::from(one.abs_diff(other) & mask);
            sum += u32::from(far(r0[at], r1[at]) + far(g0[at], g1[at]) + far(b0[at], b1[at]));
            pairs += u32::from(counted);
        }
        around.sum += u64::from(sum);
        around.pairs += u64::from(pairs);
    }

    #[inline(always)]
    fn part(&self, from: usize, number: usize) -> [&[u8]; 5] {
        let Inks { red, green, blue } = self.inks;
        [red, green, blue, self.far, self.owners].map(|row| &row[from..from + number])
    }

    /// Where an edge lies between a pixel and the one of the other row that is so many pixels further.
    #[inline(always)]
    fn edges(&self, other: &Row<'_>, further: usize, found: &mut Vec<usize>) {
        let number = self.far.len() - further;
        let parts = self.far[..number].chunks(TOGETHER).zip(other.far[further..].chunks(TOGETHER));
        for (part, (one, other)) in parts.enumerate() {
            let differs = |one: &[u8], other: &[u8]| {
                one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other)) != 0
            };
            if differs(one, other) {
                let places = one.iter().zip(other).enumerate().filter(|(_, (one, other))| one != other);
                found.extend(places.map(|(at, _)| part * TOGETHER + at));
            }
        }
    }
}

/// So many pixels are looked at for an edge together.
const TOGETHER: usize = 64;

/// The mask's bounds and as much around them as counts as its surroundings: left, top, right, bottom.
fn surroundings(mask: &Mask) -> Option<[usize; 4]> {
    let [left, top, right, bottom] = mask.bounds()?;
    let more = |length: u32| (length as f32 * AROUND) as u32 + 4;
    let (across, down) = (more(right - left), more(bottom - top));
    let (right, bottom) = ((right + across).min(mask.width), (bottom + down).min(mask.height));
    Some([left.saturating_sub(across), top.saturating_sub(down), right, bottom].map(|edge| edge as usize))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// Pair by pair, as the words say.
    fn plain(
        [other, made]: [&RgbImage; 2],
        [left, top, right, bottom]: [usize; 4],
        (far, reach): (&[u8], u8),
        owners: &[u8],
    ) -> (Vec<[Mean; 2]>, Mean) {
        let width = made.width() as usize;
        let (mut edges, mut around) = (vec![[Mean::default(); 2]; usize::from(reach) + 1], Mean::default());
        for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))) {
            for (u, v) in [(x + 1, y), (x, y + 1)].into_iter().filter(|(u, v)| *u < right && *v < bottom) {
                let (at, next) = (y * width + x, v * width + u);
                if far[at] != far[next] {
                    let edge = &mut edges[usize::from(far[at].min(far[next]))];
                    edge[0].add(other.as_raw(), at, next);
                    edge[1].add(made.as_raw(), at, next);
                } else if owners[at] == OUTSIDE && owners[next] == OUTSIDE && (x + y) % 2 == 0 {
                    around.add(made.as_raw(), at, next);
                }
            }
        }
        (edges, around)
    }

    #[test]
    fn means_are_those_of_every_pair_alone() {
        let mut random = fastrand::Rng::with_seed(31);
        for _ in 0..100 {
            let (width, height) = (random.u32(1..160), random.u32(1..40));
            let [other, made] = [(); 2]
                .map(|()| RgbImage::from_fn(width, height, |_, _| Rgb([0; 3].map(|_: u8| random.u8(..)))));
            let mut mask = Mask::empty(width, height);
            let pixels = mask.bits.len();
            (0..random.usize(1..30)).for_each(|_| mask.bits[random.usize(..pixels)] = 1);
            let reach = random.u8(..9);
            let owners: Vec<u8> = (0..pixels).map(|_| u8::from(random.u8(..6) == 0)).collect();
            let bounds = surroundings(&mask).unwrap();
            let far = near(&mask, reach);
            let wanted = plain([&other, &made], bounds, (&far, reach), &owners);
            assert_eq!(means([&other, &made], bounds, (&far, reach), &owners), wanted, "{bounds:?}");
        }
    }
}

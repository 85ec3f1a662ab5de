//! Differences of two pictures, summed on either side, and their map.

use image::RgbImage;

use super::{CHANGED, INSIDE, LEAST_CAST, MOST_PSNR, OUTSIDE};
use crate::pixels::widest::{Inks, widest};

/// Differences of one side: whole numbers, so that they are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) pixels: u64,
    pub(super) changed: u64,
    pub(super) differences: u64,
    pub(super) squares: u64,
}

impl Side {
    /// Of a channel, in levels.
    pub(super) fn mean(&self) -> f64 {
        self.differences as f64 / (self.pixels * 3).max(1) as f64
    }

    pub(super) fn changed(&self) -> f32 {
        self.changed as f32 / self.pixels.max(1) as f32
    }

    pub(super) fn psnr(&self) -> f32 {
        let mean = self.squares as f64 / (self.pixels * 3).max(1) as f64;
        ((10.0 * (255.0 * 255.0 / mean).log10()) as f32).clamp(0.0, MOST_PSNR)
    }
}

/// Of the differences `after - before - cast`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) inside: Side,
    pub(super) outside: Side,
    /// Without a cast: how many pixels outside differ by -2 levels or less, and by 2 or more, for each channel. The median does if half
    /// of them do.
    pub(super) darker: [u64; 3],
    pub(super) lighter: [u64; 3],
}

/// So many pixels are summed in 32 bits.
const TOGETHER: usize = 1024;

impl Sums {
    pub(super) fn of([before, after]: [&RgbImage; 2], owners: &[u8], cast: [i16; 3]) -> Self {
        let mut sums = Sums::default();
        let width = before.width() as usize;
        let rows = before.as_raw().chunks_exact(3 * width).zip(after.as_raw().chunks_exact(3 * width));
        let mut inks = [Inks::of_width(width), Inks::of_width(width)];
        widest(
            #[inline(always)]
            || {
                for ((before, after), owners) in rows.zip(owners.chunks_exact(width)) {
                    let outside = held(owners, OUTSIDE);
                    let inside = if outside == width as u64 { 0 } else { held(owners, INSIDE) };
                    sums.outside.pixels += outside;
                    sums.inside.pixels += inside;
                    if cast == [0; 3] && before == after {
                        continue;
                    }
                    inks[0].take(before);
                    inks[1].take(after);
                    let mut start = 0;
                    while start < width {
                        let end = (start + TOGETHER).min(width);
                        let part = Part { inks: &inks, owners: &owners[start..end], start };
                        if outside > 0 {
                            part.add(OUTSIDE, cast, &mut sums.outside);
                            if cast == [0; 3] {
                                part.lean(&mut sums.darker, &mut sums.lighter);
                            }
                        }
                        if inside > 0 {
                            part.add(INSIDE, cast, &mut sums.inside);
                        }
                        start = end;
                    }
                }
            },
        );
        sums
    }

    /// Whether all of [`cast`] is 0.
    pub(super) fn have_no_cast(&self) -> bool {
        let pixels = self.outside.pixels;
        // The median is the lower of two in the middle.
        pixels == 0
            || self.darker.iter().all(|darker| darker * 2 < pixels)
                && self.lighter.iter().all(|lighter| lighter * 2 <= pixels)
    }
}

#[inline(always)]
fn held(owners: &[u8], owner: u8) -> u64 {
    u64::from(owners.iter().map(|other| u32::from(*other == owner)).sum::<u32>())
}

/// A part of a row.
struct Part<'a> {
    inks: &'a [Inks; 2],
    owners: &'a [u8],
    start: usize,
}

impl Part<'_> {
    #[inline(always)]
    fn inks(&self) -> [[&[u8]; 3]; 2] {
        let range = self.start..self.start + self.owners.len();
        self.inks.each_ref().map(|Inks { red, green, blue }| {
            [&red[range.clone()], &green[range.clone()], &blue[range.clone()]]
        })
    }

    #[inline(always)]
    fn add(&self, owner: u8, cast: [i16; 3], side: &mut Side) {
        let [[r0, g0, b0], [r1, g1, b1]] = self.inks();
        let (mut changed, mut differences, mut squares) = (0u32, 0u32, 0u32);
        for (at, other) in self.owners.iter().enumerate() {
            // No bit where the pixel is not on this side.
            let mask = if *other == owner { u16::MAX } else { 0 };
            let far = |a: u8, b: u8, cast: i16| (i16::from(b) - i16::from(a) - cast).unsigned_abs() & mask;
            let r = far(r0[at], r1[at], cast[0]);
            let g = far(g0[at], g1[at], cast[1]);
            let b = far(b0[at], b1[at], cast[2]);
            changed += u32::from(r.max(g).max(b) > u16::from(CHANGED));
            differences += u32::from(r + g + b);
            let square = |far: u16| u32::from(far) * u32::from(far);
            squares += square(r) + square(g) + square(b);
        }
        side.changed += u64::from(changed);
        side.differences += u64::from(differences);
        side.squares += u64::from(squares);
    }

    #[inline(always)]
    fn lean(&self, darker: &mut [u64; 3], lighter: &mut [u64; 3]) {
        let [before, after] = self.inks();
        for c in 0..3 {
            let (mut less, mut more) = (0u32, 0u32);
            for ((a, b), owner) in before[c].iter().zip(after[c]).zip(self.owners) {
                let counts = *owner == OUTSIDE;
                less += u32::from(counts & (a.saturating_sub(*b) >= LEAST_CAST as u8));
                more += u32::from(counts & (b.saturating_sub(*a) >= LEAST_CAST as u8));
            }
            darker[c] += u64::from(less);
            lighter[c] += u64::from(more);
        }
    }
}

/// The median change of each channel outside, in levels; 0 where nothing is outside.
pub(super) fn cast([before, after]: [&RgbImage; 2], owners: &[u8]) -> [i16; 3] {
    let mut counts = vec![[0u32; 3]; 511];
    let pairs = before.as_raw().chunks_exact(3).zip(after.as_raw().chunks_exact(3));
    let mut pixels = 0u32;
    for ((a, b), _) in pairs.zip(owners).filter(|(_, owner)| **owner == OUTSIDE) {
        pixels += 1;
        (0..3).for_each(|c| counts[255 + usize::from(b[c]) - usize::from(a[c])][c] += 1);
    }
    if pixels == 0 {
        return [0; 3];
    }
    std::array::from_fn(|c| {
        let mut sum = 0;
        let middle = counts.iter().position(|count| {
            sum += count[c];
            u64::from(sum) * 2 >= u64::from(pixels)
        });
        let cast = middle.map_or(0, |at| at as i16 - 255);
        if cast.unsigned_abs() < LEAST_CAST { 0 } else { cast }
    })
}

/// 1 for each pixel outside that changed.
pub(super) fn changed_outside([before, after]: [&RgbImage; 2], owners: &[u8], cast: [i16; 3]) -> Vec<u8> {
    let width = before.width() as usize;
    let mut changed = vec![0; owners.len()];
    let rows = before.as_raw().chunks_exact(3 * width).zip(after.as_raw().chunks_exact(3 * width));
    let mut inks = [Inks::of_width(width), Inks::of_width(width)];
    widest(
        #[inline(always)]
        || {
            let rows = rows.zip(owners.chunks_exact(width)).zip(changed.chunks_exact_mut(width));
            for (((before, after), owners), changed) in rows {
                if cast == [0; 3] && before == after {
                    continue;
                }
                inks[0].take(before);
                inks[1].take(after);
                let row = Part { inks: &inks, owners, start: 0 };
                let [[r0, g0, b0], [r1, g1, b1]] = row.inks();
                for (at, (changed, owner)) in changed.iter_mut().zip(owners).enumerate() {
                    let far = |a: u8, b: u8, cast: i16| (i16::from(b) - i16::from(a) - cast).unsigned_abs();
                    let r = far(r0[at], r1[at], cast[0]);
                    let g = far(g0[at], g1[at], cast[1]);
                    let b = far(b0[at], b1[at], cast[2]);
                    *changed = u8::from((*owner == OUTSIDE) & (r.max(g).max(b) > u16::from(CHANGED)));
                }
            }
        },
    );
    changed
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::pixels::pair::LOST;

    /// Pixel by pixel, as the words say.
    fn plain([before, after]: [&RgbImage; 2], owners: &[u8], cast: [i16; 3]) -> (Sums, Vec<u8>) {
        let (mut sums, mut map) = (Sums::default(), Vec::new());
        for ((a, b), owner) in before.pixels().zip(after.pixels()).zip(owners) {
            let far: [i64; 3] =
                std::array::from_fn(|c| i64::from(b.0[c]) - i64::from(a.0[c]) - i64::from(cast[c]));
            let changed = far.iter().any(|far| far.abs() > 10);
            map.push(u8::from(*owner == OUTSIDE && changed));
            let side = match *owner {
                OUTSIDE => &mut sums.outside,
                INSIDE => &mut sums.inside,
                _ => continue,
            };
            side.pixels += 1;
            side.changed += u64::from(changed);
            side.differences += far.iter().map(|far| far.unsigned_abs()).sum::<u64>();
            side.squares += far.iter().map(|far| (far * far) as u64).sum::<u64>();
            if *owner == OUTSIDE && cast == [0; 3] {
                for (c, far) in far.iter().enumerate() {
                    sums.darker[c] += u64::from(*far <= -2);
                    sums.lighter[c] += u64::from(*far >= 2);
                }
            }
        }
        (sums, map)
    }

    #[test]
    fn sums_are_those_of_every_pixel_alone() {
        let mut random = fastrand::Rng::with_seed(11);
        for number in 0..120 {
            let (width, height) = match number % 10 {
                0 => (random.u32(1000..2300), random.u32(1..4)),
                _ => (random.u32(1..90), random.u32(1..30)),
            };
            let pixels = (width * height) as usize;
            let before = RgbImage::from_fn(width, height, |_, _| Rgb([0; 3].map(|_: u8| random.u8(..))));
            let by = [0, 1, 3, 12, 255][random.usize(..5)];
            let mut after = before.clone();
            let same_rows = random.u32(..=height);
            for (_, y, pixel) in after.enumerate_pixels_mut() {
                if y >= same_rows {
                    pixel.0 = pixel.0.map(|ink| (i32::from(ink) + random.i32(-by..=by)).clamp(0, 255) as u8);
                }
            }
            let owners: Vec<u8> = match number % 3 {
                0 => vec![[OUTSIDE, INSIDE, LOST][random.usize(..3)]; pixels],
                1 => (0..pixels).map(|_| random.u8(..3)).collect(),
                _ => (0..pixels).map(|at| u8::from(at % width as usize > 20)).collect(),
            };
            for cast in [[0; 3], [0; 3].map(|_: i16| random.i16(-255..=255))] {
                let (sums, map) = plain([&before, &after], &owners, cast);
                assert_eq!(Sums::of([&before, &after], &owners, cast), sums, "{width} wide, {cast:?}");
                assert_eq!(changed_outside([&before, &after], &owners, cast), map, "{width} wide, {cast:?}");
            }
        }
        // The most that there is: all 255, less a cast of -255.
        let (black, white) = (RgbImage::new(3000, 2), RgbImage::from_pixel(3000, 2, Rgb([255; 3])));
        let sums = Sums::of([&black, &white], &[OUTSIDE; 6000], [-255; 3]).outside;
        assert_eq!((sums.differences, sums.squares), (6000 * 3 * 510, 6000 * 3 * 510 * 510));
    }

    #[test]
    fn what_has_no_cast_has_a_median_of_none() {
        let mut random = fastrand::Rng::with_seed(12);
        let (mut with, mut without) = (0, 0);
        for _ in 0..400 {
            let (width, height) = (random.u32(1..12), random.u32(1..6));
            let before = RgbImage::from_fn(width, height, |_, _| Rgb([0; 3].map(|_: u8| random.u8(60..190))));
            let mut after = before.clone();
            let (least, most) = (random.i32(-4..1), random.i32(1..5));
            after.pixels_mut().for_each(|pixel| {
                pixel.0 = pixel.0.map(|ink| (i32::from(ink) + random.i32(least..most)) as u8);
            });
            let owners: Vec<u8> = (0..width * height).map(|_| random.u8(..2)).collect();
            let sums = Sums::of([&before, &after], &owners, [0; 3]);
            let cast = cast([&before, &after], &owners);
            assert_eq!(sums.have_no_cast(), cast == [0; 3], "{cast:?} {sums:?}");
            if sums.have_no_cast() { without += 1 } else { with += 1 }
        }
        assert!(with > 50 && without > 50, "{with} with a cast, {without} without");
    }
}

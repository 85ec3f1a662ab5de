//! A picture with a hole at one of its sizes.

use image::RgbImage;

use crate::editors::paint::zone::widened;
use crate::pixels::mask::Mask;

/// Squares are `2 * HALF + 1` pixels wide.
pub const HALF: usize = 3;
/// A level isn't made smaller than this.
const LEAST_SIDE: usize = 4 * (2 * HALF + 1);

/// How far around a hole is looked, in pixels.
const RING: usize = 6;
/// How much neighbours on a smooth ground differ, in levels of 255.
const CALM: u8 = 5;

/// A picture, row by row, three bytes a pixel, and which of its pixels are to be filled.
pub struct Level {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
    pub hole: Vec<bool>,
    /// Pixels of a colour that doesn't touch the hole: other things.
    strange: Vec<bool>,
    /// For the square around each pixel: how many strange pixels are in it.
    strangers: Vec<u8>,
    /// For the square around each pixel: how many pixels of the hole are in it, or `BEYOND` where it sticks out of the picture.
    holes: Vec<u8>,
}

const BEYOND: u8 = u8::MAX;
/// So many of a square's 49 pixels may be of other things: the soft edge of a line, not a thing itself.
const MOST_STRANGE: u8 = 7;
/// With fewer squares that show nothing else, all will do.
const LEAST_FAMILIAR: usize = 400;
/// Colours touch the hole within so many pixels.
const RIM: u32 = 7;

impl Level {
    pub fn new(picture: &RgbImage, hole: &Mask) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let bits = hole.bits.iter().map(|&bit| bit != 0).collect();
        Self::of(width, height, picture.as_raw().clone(), bits, strange(picture, hole))
    }

    fn of(width: usize, height: usize, pixels: Vec<u8>, hole: Vec<bool>, strange: Vec<bool>) -> Self {
        let holes = count_in_squares(width, height, &hole);
        let strangers = count_in_squares(width, height, &strange);
        let mut level = Level { width, height, pixels, hole, strange, strangers, holes };
        if level.sources() < LEAST_FAMILIAR {
            level.strangers.fill(0);
        }
        level
    }

    /// Half as wide and high; `None` where that would be too small. A pixel is in the hole where half of its four are.
    pub fn halved(&self) -> Option<Self> {
        let (width, height) = (self.width / 2, self.height / 2);
        if width < LEAST_SIDE || height < LEAST_SIDE {
            return None;
        }
        let mut pixels = vec![0; width * height * 3];
        let mut hole = vec![false; width * height];
        let mut strange = vec![false; width * height];
        for (n, (pixel, hole)) in pixels.chunks_exact_mut(3).zip(&mut hole).enumerate() {
            let at = (n / width * 2) * self.width + n % width * 2;
            let four = [at, at + 1, at + self.width, at + self.width + 1];
            let known = four.iter().filter(|&&at| !self.hole[at]).count();
            *hole = known <= 2;
            strange[n] = four.iter().filter(|&&at| self.strange[at]).count() >= 2;
            for (channel, ink) in pixel.iter_mut().enumerate() {
                let of = |at: &usize| u32::from(self.pixels[at * 3 + channel]);
                let sum: u32 = four.iter().filter(|&&at| !self.hole[at]).map(of).sum();
                *ink = ((sum + known as u32 / 2) / (known as u32).max(1)) as u8;
            }
        }
        // A hole that covers all of it would leave nothing to start from.
        hole.contains(&false).then(|| Self::of(width, height, pixels, hole, strange))
    }

    /// How deep the hole is: the greatest number of steps (straight or diagonal) to a pixel outside of it.
    pub fn depth(&self) -> u32 {
        let (width, height) = (self.width, self.height);
        let mut steps: Vec<u32> = self.hole.iter().map(|&hole| if hole { u32::MAX - 1 } else { 0 }).collect();
        let mut pass = |forward: bool| {
            for n in 0..width * height {
                let n = if forward { n } else { width * height - 1 - n };
                if steps[n] == 0 {
                    continue;
                }
                let (x, y) = (n % width, n / width);
                let mut least = steps[n];
                for near_y in y.saturating_sub(1)..(y + 2).min(height) {
                    for near_x in x.saturating_sub(1)..(x + 2).min(width) {
                        least = least.min(steps[near_y * width + near_x] + 1);
                    }
                }
                steps[n] = least;
            }
        };
        pass(true);
        pass(false);
        steps.into_iter().max().unwrap_or(0)
    }

    /// Whether the square around this pixel is in the picture and touches the hole.
    pub fn is_target(&self, at: usize) -> bool {
        !matches!(self.holes[at], 0 | BEYOND)
    }

    /// Whether the square around this pixel is in the picture, wholly outside of the hole, and shows little of other things.
    pub fn is_source(&self, at: usize) -> bool {
        self.holes[at] == 0 && self.strangers[at] <= MOST_STRANGE
    }

    pub fn targets(&self) -> usize {
        (0..self.holes.len()).filter(|&at| self.is_target(at)).count()
    }

    pub fn sources(&self) -> usize {
        (0..self.holes.len()).filter(|&at| self.is_source(at)).count()
    }

    /// Whether there is nothing but smooth change in the pixels right around the hole.
    pub fn is_calm_around(&self) -> bool {
        let (mut all, mut steep) = (0, 0);
        for y in RING..self.height.saturating_sub(RING) {
            for x in RING..self.width.saturating_sub(RING) {
                let at = y * self.width + x;
                let near = [at - RING, at + RING, at - RING * self.width, at + RING * self.width];
                if self.hole[at] || !near.iter().any(|&near| self.hole[near]) {
                    continue;
                }
                let jump = |near: usize| {
                    let pixel = |at: usize| &self.pixels[at * 3..at * 3 + 3];
                    let known = !self.hole[near];
                    known && pixel(at).iter().zip(pixel(near)).any(|(a, b)| a.abs_diff(*b) > CALM)
                };
                all += 1;
                steep += usize::from(
                    jump(at - 1) || jump(at + 1) || jump(at - self.width) || jump(at + self.width),
                );
            }
        }
        all > 0 && steep * 100 <= all
    }

    /// Writes what is in the hole into the picture, which has this level's size.
    pub fn write(&self, picture: &mut RgbImage) {
        let pixels = picture.pixels_mut().zip(self.pixels.chunks_exact(3)).zip(&self.hole);
        for ((to, from), _) in pixels.filter(|(_, hole)| **hole) {
            to.0.copy_from_slice(from);
        }
    }

    /// Fills the hole from the next smaller level, then smooths what is in the hole a little.
    fn take_from(&mut self, coarse: &Level) {
        for at in (0..self.hole.len()).filter(|&at| self.hole[at]) {
            // The middle of a pixel of this level in pixels of the other: a quarter on either side of a middle there.
            let (columns, across) = between(at % self.width, coarse.width);
            let (rows, down) = between(at / self.width, coarse.height);
            for c in 0..3 {
                let of = |row: usize, column: usize| {
                    f32::from(coarse.pixels[(row * coarse.width + column) * 3 + c])
                };
                let along = |row: usize| of(row, columns[0]) * (1.0 - across) + of(row, columns[1]) * across;
                let value = along(rows[0]) * (1.0 - down) + along(rows[1]) * down;
                self.pixels[at * 3 + c] = (value + 0.5) as u8;
            }
        }
        self.smooth(10);
    }

    /// Every pixel of the hole becomes the mean of its four neighbours, `rounds` times there and back.
    fn smooth(&mut self, rounds: usize) {
        let (width, height) = (self.width, self.height);
        let inside: Vec<usize> = (0..self.hole.len()).filter(|&at| self.hole[at]).collect();
        let mut values: Vec<[f32; 3]> =
            self.pixels.chunks_exact(3).map(|p| [p[0].into(), p[1].into(), p[2].into()]).collect();
        let mut one = |at: usize| {
            let (x, y) = (at % width, at / width);
            let mut sum = [0.0; 3];
            let mut count = 0.0;
            let mut add = |near: usize| {
                count += 1.0;
                (0..3).for_each(|c| sum[c] += values[near][c]);
            };
            if x > 0 {
                add(at - 1);
            }
            if x + 1 < width {
                add(at + 1);
            }
            if y > 0 {
                add(at - width);
            }
            if y + 1 < height {
                add(at + width);
            }
            values[at] = sum.map(|sum| sum / count);
        };
        for _ in 0..rounds {
            inside.iter().for_each(|&at| one(at));
            inside.iter().rev().for_each(|&at| one(at));
        }
        for &at in &inside {
            (0..3).for_each(|c| self.pixels[at * 3 + c] = (values[at][c] + 0.5) as u8);
        }
    }
}

/// A smooth fill of all levels, from the last and smallest: a membrane spanned over the hole.
pub fn fill_smoothly(levels: &mut [Level]) {
    let Some((last, finer)) = levels.split_last_mut() else { return };
    let known: Vec<usize> = (0..last.hole.len()).filter(|&at| !last.hole[at]).collect();
    let mean: [u8; 3] = std::array::from_fn(|c| {
        let sum: u64 = known.iter().map(|at| u64::from(last.pixels[at * 3 + c])).sum();
        (sum / known.len().max(1) as u64) as u8
    });
    for at in 0..last.hole.len() {
        if last.hole[at] {
            last.pixels[at * 3..at * 3 + 3].copy_from_slice(&mean);
        }
    }
    last.smooth(60);
    let mut coarse: &Level = last;
    for level in finer.iter_mut().rev() {
        level.take_from(coarse);
        coarse = level;
    }
}

/// The two places of a row half as long that a place lies between, and how near it is to the second: 0 to 1.
fn between(at: usize, length: usize) -> ([usize; 2], f32) {
    let low = at.div_ceil(2);
    let share = if at.is_multiple_of(2) { 0.75 } else { 0.25 };
    ([low.saturating_sub(1).min(length - 1), low.min(length - 1)], share)
}

/// Which pixels have a colour that doesn't stand right around the hole, to a sixteenth of each channel's range, give or take one.
fn strange(picture: &RgbImage, hole: &Mask) -> Vec<bool> {
    let rim = widened(hole, RIM);
    let mut seen = vec![false; 16 * 16 * 16];
    let place = |[r, g, b]: [usize; 3]| (r * 16 + g) * 16 + b;
    for ((pixel, bit), near) in picture.pixels().zip(&hole.bits).zip(&rim.bits) {
        if *bit == 0 && *near != 0 {
            let steps = pixel.0.map(|ink| usize::from(ink / 16));
            for n in 0..27 {
                let moved: [usize; 3] = std::array::from_fn(|c| steps[c] + n / 3usize.pow(c as u32) % 3);
                if moved.iter().all(|step| (1..=16).contains(step)) {
                    seen[place(moved.map(|step| step - 1))] = true;
                }
            }
        }
    }
    picture.pixels().map(|pixel| !seen[place(pixel.0.map(|ink| usize::from(ink / 16)))]).collect()
}

/// How many pixels of a kind are in the square around each pixel, or `BEYOND`.
fn count_in_squares(width: usize, height: usize, kind: &[bool]) -> Vec<u8> {
    let side = 2 * HALF + 1;
    let mut counts = vec![BEYOND; width * height];
    if width < side || height < side {
        return counts;
    }
    let mut along = vec![0u8; width * height];
    for y in 0..height {
        for x in HALF..width - HALF {
            let row = y * width + x;
            along[row] = kind[row - HALF..=row + HALF].iter().map(|&is| u8::from(is)).sum();
        }
    }
    for y in HALF..height - HALF {
        for x in HALF..width - HALF {
            counts[y * width + x] = (y - HALF..=y + HALF).map(|y| along[y * width + x]).sum();
        }
    }
    counts
}

//! A first fill, square by square from the outside inwards. Squares where lines run into the hole come first (Criminisi, Pérez and Toyama,
//! "Region filling and object removal by exemplar-based inpainting", 2004).
//!
//! Every square is compared with all others, so it is for small pictures: the coarsest level.

use super::level::{HALF, Level};

/// No more squares than this are looked at for one: in a bigger picture only every second, third ... is.
const MOST_SOURCES: usize = 24_000;

/// How much a difference counts in pixels that are filled, and in those that only the smooth fill knows of.
const KNOWN: u32 = 2;
const GUESSED: u32 = 1;

/// Fills the hole of a level that has sources; it must be filled smoothly already.
pub(crate) fn fill_inwards(level: &mut Level) {
    let all: Vec<usize> = (0..level.hole.len()).filter(|&at| level.is_source(at)).collect();
    let step = all.len().div_ceil(MOST_SOURCES).max(1);
    let sources: Vec<usize> = all.into_iter().step_by(step).collect();
    let sure = level.hole.iter().map(|&hole| if hole { 0.0 } else { 1.0 }).collect();
    let mut peel = Peel { width: level.width, height: level.height, open: level.hole.clone(), sure };
    while let Some((square, sureness)) = peel.next_square(level) {
        let Some(source) = peel.most_alike(level, square, &sources) else { return };
        for (to, from) in peel.square(square).zip(peel.square(source)) {
            if peel.open[to] {
                level.pixels.copy_within(from * 3..from * 3 + 3, to * 3);
                peel.sure[to] = sureness;
            }
        }
        let done: Vec<usize> = peel.square(square).collect();
        done.into_iter().for_each(|at| peel.open[at] = false);
    }
}

struct Peel {
    width: usize,
    height: usize,
    /// Pixels that are still to be filled.
    open: Vec<bool>,
    /// How sure each pixel's colour is: 1 outside of the hole, less and less inwards.
    sure: Vec<f32>,
}

impl Peel {
    /// The pixels of the square around one, row by row. The square must be in the picture.
    fn square(&self, middle: usize) -> impl Iterator<Item = usize> + use<> {
        let (width, corner) = (self.width, middle - HALF * self.width - HALF);
        (0..=2 * HALF).flat_map(move |row| (0..=2 * HALF).map(move |column| corner + row * width + column))
    }

    /// The middle of the square that is filled next, and how sure it is: on the rim of what is open, where most is sure and the
    /// strongest line runs in. `None` where nothing is open.
    fn next_square(&self, level: &Level) -> Option<(usize, f32)> {
        let mut best: Option<(f32, usize, f32)> = None;
        for at in (0..self.open.len()).filter(|&at| self.open[at]) {
            let (x, y) = (at % self.width, at / self.width);
            let normal = [
                self.is_open(x + 1, y) - self.is_open(x.wrapping_sub(1), y),
                self.is_open(x, y + 1) - self.is_open(x, y.wrapping_sub(1)),
            ];
            let near = [(x + 1, y), (x.wrapping_sub(1), y), (x, y + 1), (x, y.wrapping_sub(1))];
            if !near.iter().any(|&(x, y)| x < self.width && y < self.height && !self.open[y * self.width + x])
            {
                continue;
            }
            let middle =
                y.clamp(HALF, self.height - 1 - HALF) * self.width + x.clamp(HALF, self.width - 1 - HALF);
            let side = (2 * HALF + 1) as f32;
            let sureness = self.square(middle).map(|at| self.sure[at]).sum::<f32>() / (side * side);
            let line = self.strongest_line(level, middle, normal);
            let urgency = sureness * (line + 0.03);
            if best.is_none_or(|(most, ..)| urgency > most) {
                best = Some((urgency, middle, sureness));
            }
        }
        best.map(|(_, middle, sureness)| (middle, sureness))
    }

    fn is_open(&self, x: usize, y: usize) -> f32 {
        f32::from(u8::from(x < self.width && y < self.height && self.open[y * self.width + x]))
    }

    /// How strong the strongest edge in the square is that runs along `normal`, into the hole: 0 to 1.
    fn strongest_line(&self, level: &Level, middle: usize, normal: [f32; 2]) -> f32 {
        let length = (normal[0] * normal[0] + normal[1] * normal[1]).sqrt().max(1.0);
        let mut strongest: (f32, f32) = (0.0, 0.0);
        for at in self.square(middle) {
            let (x, y) = (at % self.width, at / self.width);
            if x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height {
                continue;
            }
            let near = [at - 1, at + 1, at - self.width, at + self.width];
            if self.open[at] || near.iter().any(|&near| self.open[near]) {
                continue;
            }
            for channel in 0..3 {
                let of = |at: usize| f32::from(level.pixels[at * 3 + channel]);
                let (across, down) = (of(near[1]) - of(near[0]), of(near[3]) - of(near[2]));
                let steep = across * across + down * down;
                if steep > strongest.0 {
                    // An edge runs across the change.
                    strongest = (steep, (down * normal[0] - across * normal[1]).abs() / length / 510.0);
                }
            }
        }
        strongest.1
    }

    /// The source that differs least from what is filled of the square, and from the smooth fill where nothing is yet: or else
    /// other things would be copied into the hole, since their rims look like its own.
    fn most_alike(&self, level: &Level, square: usize, sources: &[usize]) -> Option<usize> {
        let corner = HALF * self.width + HALF;
        let weighed = |at: usize| (at + corner - square, if self.open[at] { GUESSED } else { KNOWN });
        let pixels: Vec<(usize, u32)> = self.square(square).map(weighed).collect();
        let difference = |source: usize, enough: u32| {
            let mut sum = 0;
            for &(offset, weight) in &pixels {
                let (one, other) = ((square + offset - corner) * 3, (source + offset - corner) * 3);
                for channel in 0..3 {
                    let far =
                        i32::from(level.pixels[one + channel]) - i32::from(level.pixels[other + channel]);
                    sum += (far * far) as u32 * weight;
                }
                if sum >= enough {
                    break;
                }
            }
            sum
        };
        let mut best: Option<(u32, usize)> = None;
        for &source in sources {
            let cost = difference(source, best.map_or(u32::MAX, |(least, _)| least));
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, source));
            }
        }
        best.map(|(_, source)| source)
    }
}

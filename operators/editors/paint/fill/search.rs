//! Finds, for each square at the hole, the most similar square outside of the hole.

use super::super::dice::Dice;
use super::level::{HALF, Level};

/// For each square that touches the hole, by the pixel in its middle: the middle of the square that it is to look like.
pub(crate) struct Matches {
    width: usize,
    height: usize,
    /// Targets in reading order.
    targets: Vec<u32>,
    /// By pixel; meaningful for targets only.
    sources: Vec<u32>,
    /// By pixel: the sum of squared differences.
    costs: Vec<u32>,
}

impl Matches {
    pub(crate) fn at_random(level: &Level, dice: &mut Dice) -> Self {
        let mut matches = Self::none(level);
        for n in 0..matches.targets.len() {
            let at = matches.targets[n] as usize;
            matches.sources[at] = any_source(level, dice) as u32;
        }
        matches.weigh(level);
        matches
    }

    fn none(level: &Level) -> Self {
        let pixels = level.width * level.height;
        let targets = (0..pixels).filter(|&at| level.is_target(at)).map(|at| at as u32).collect();
        let (width, height) = (level.width, level.height);
        Matches { width, height, targets, sources: vec![0; pixels], costs: vec![u32::MAX; pixels] }
    }

    /// These matches for a level twice as wide and high.
    pub(crate) fn doubled(&self, fine: &Level, dice: &mut Dice) -> Self {
        let mut matches = Self::none(fine);
        for n in 0..matches.targets.len() {
            let at = matches.targets[n] as usize;
            let (x, y) = (at % fine.width, at / fine.width);
            let coarse = self.near_target(x / 2, y / 2);
            let offset = |at: usize, width: usize| (at % width, at / width);
            let source = coarse.and_then(|coarse| {
                let (from_x, from_y) = offset(self.sources[coarse] as usize, self.width);
                let (coarse_x, coarse_y) = offset(coarse, self.width);
                let x = x as isize + 2 * (from_x as isize - coarse_x as isize);
                let y = y as isize + 2 * (from_y as isize - coarse_y as isize);
                source_near(fine, x, y)
            });
            matches.sources[at] = source.unwrap_or_else(|| any_source(fine, dice)) as u32;
        }
        matches.weigh(fine);
        matches
    }

    fn near_target(&self, x: usize, y: usize) -> Option<usize> {
        let is_target = |&at: &usize| self.costs[at] != u32::MAX;
        let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
        Some(y * self.width + x).filter(is_target).or_else(|| {
            let rows = y.saturating_sub(2)..(y + 3).min(self.height);
            let places = rows.flat_map(|near_y| {
                (x.saturating_sub(2)..(x + 3).min(self.width)).map(move |near_x| (near_x, near_y))
            });
            let near = places.filter(|(x, y)| is_target(&(y * self.width + x)));
            let near = near.min_by_key(|(near_x, near_y)| near_x.abs_diff(x) + near_y.abs_diff(y));
            near.map(|(x, y)| y * self.width + x)
        })
    }

    fn weigh(&mut self, level: &Level) {
        for &at in &self.targets {
            let at = at as usize;
            self.costs[at] = difference(level, at, self.sources[at] as usize, u32::MAX - 1);
        }
    }

    /// Twice through all targets, there and back: what a neighbour found, moved along; then chance, nearer and nearer.
    pub(crate) fn improve(&mut self, level: &Level, dice: &mut Dice) {
        self.weigh(level);
        for back in [false, true] {
            for n in 0..self.targets.len() {
                let n = if back { self.targets.len() - 1 - n } else { n };
                let at = self.targets[n] as usize;
                self.ask_neighbours(level, at, back);
                self.try_luck(level, at, dice);
            }
        }
    }

    /// Once through all targets, there and back, without chance: mends what doubling tore.
    pub(crate) fn settle(&mut self, level: &Level) {
        self.weigh(level);
        for back in [false, true] {
            for n in 0..self.targets.len() {
                let n = if back { self.targets.len() - 1 - n } else { n };
                self.ask_neighbours(level, self.targets[n] as usize, back);
            }
        }
    }

    fn ask_neighbours(&mut self, level: &Level, at: usize, back: bool) {
        for step in [1, self.width] {
            let (near, moved) = if back {
                let near = at + step;
                if near >= self.costs.len() {
                    continue;
                }
                (near, (self.sources[near] as usize).checked_sub(step))
            } else {
                let Some(near) = at.checked_sub(step) else { continue };
                (near, Some(self.sources[near] as usize + step))
            };
            if self.costs[near] != u32::MAX
                && let Some(source) = moved
                && source != self.sources[at] as usize
            {
                self.propose(level, at, source);
            }
        }
    }

    fn try_luck(&mut self, level: &Level, at: usize, dice: &mut Dice) {
        let mut span = self.width.max(self.height) as i32;
        while span >= 1 && self.costs[at] > 0 {
            let best = self.sources[at] as usize;
            let x = (best % self.width) as i32 + dice.within(-span, span);
            let y = (best / self.width) as i32 + dice.within(-span, span);
            if x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height {
                self.propose(level, at, y as usize * self.width + x as usize);
            }
            span /= 2;
        }
    }

    fn propose(&mut self, level: &Level, at: usize, source: usize) {
        if source >= self.costs.len() || !level.is_source(source) {
            return;
        }
        let cost = difference(level, at, source, self.costs[at]);
        if cost < self.costs[at] {
            (self.sources[at], self.costs[at]) = (source as u32, cost);
        }
    }

    /// Every pixel of the hole becomes the mean of what the squares over it say, those that fit well before all.
    pub(crate) fn vote(&self, level: &mut Level) {
        let mut sums = vec![[0.0f32; 4]; level.hole.len()];
        for &at in &self.targets {
            let at = at as usize;
            let fit = 1.0 + self.costs[at] as f32 / 1500.0;
            let weight = 1.0 / (fit * fit);
            let source = self.sources[at] as usize;
            for row in 0..=2 * HALF {
                let to = at + row * self.width - HALF * self.width - HALF;
                let from = source + row * self.width - HALF * self.width - HALF;
                for column in 0..=2 * HALF {
                    if level.hole[to + column] {
                        let pixel = &level.pixels[(from + column) * 3..][..3];
                        let sum = &mut sums[to + column];
                        (0..3).for_each(|c| sum[c] += weight * f32::from(pixel[c]));
                        sum[3] += weight;
                    }
                }
            }
        }
        for ((pixel, sum), _) in
            level.pixels.chunks_exact_mut(3).zip(&sums).zip(&level.hole).filter(|(_, h)| **h)
        {
            if sum[3] > 0.0 {
                (0..3).for_each(|c| pixel[c] = (sum[c] / sum[3] + 0.5) as u8);
            }
        }
    }
}

/// The sum of squared differences of two squares; once it is `enough`, no more is added.
fn difference(level: &Level, one: usize, other: usize, enough: u32) -> u32 {
    const SIDE: usize = (2 * HALF + 1) * 3;
    let corner = HALF * level.width + HALF;
    let mut sum = 0;
    for row in 0..=2 * HALF {
        let one = &level.pixels[(one + row * level.width - corner) * 3..][..SIDE];
        let other = &level.pixels[(other + row * level.width - corner) * 3..][..SIDE];
        let row: i32 = one.iter().zip(other).map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2)).sum();
        sum += row as u32;
        if sum >= enough {
            break;
        }
    }
    sum
}

/// The source at this place, or one within a few pixels of it.
fn source_near(level: &Level, x: isize, y: isize) -> Option<usize> {
    let x = x.clamp(HALF as isize, level.width as isize - 1 - HALF as isize) as usize;
    let y = y.clamp(HALF as isize, level.height as isize - 1 - HALF as isize) as usize;
    let at = y * level.width + x;
    if level.is_source(at) {
        return Some(at);
    }
    (1..=4).find_map(|step| {
        let near = [
            at.checked_sub(step),
            Some(at + step),
            at.checked_sub(step * level.width),
            Some(at + step * level.width),
        ];
        near.into_iter().flatten().find(|&near| near < level.hole.len() && level.is_source(near))
    })
}

/// Any source. The caller has made sure that there are some.
fn any_source(level: &Level, dice: &mut Dice) -> usize {
    let pixels = level.hole.len();
    let start = dice.within(0, pixels as i32 - 1) as usize;
    (start..pixels).chain(0..start).find(|&at| level.is_source(at)).unwrap_or(start)
}

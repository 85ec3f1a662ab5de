//! One size of two pictures: what is left between them where one is placed over the other, and how that gets less.

use std::borrow::Cow;

use super::{Alignment, LEAST_PIXELS, SEEN, SMALLEST};
use crate::pixels::pair::places::{Places, between};
use crate::pixels::widest::widest;

/// Two pictures of one size, `2^power` times smaller than those that were compared.
pub(super) struct Level<'a, T: Copy> {
    pub(super) power: u32,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) before: Cow<'a, [T]>,
    pub(super) after: Cow<'a, [T]>,
    /// 1 for each pixel that counts.
    counts: Vec<u8>,
    /// How many pixels of a row count.
    in_row: Vec<u32>,
    /// All that count lie within: left, top, right, bottom.
    bounds: [usize; 4],
}

/// What makes both pictures of mean 0 and spread 1 where pixels count, so that a brighter picture is none that moved.
pub(super) struct Even {
    before: OneEven,
    after: OneEven,
}

struct OneEven {
    mean: f32,
    by: f32,
}

impl OneEven {
    #[inline(always)]
    fn of(&self, light: f32) -> f32 {
        (light - self.mean) * self.by
    }
}

/// So many numbers are summed side by side: none waits for the others. Loops of fewer are unrolled before vectors are made of them.
const LANES: usize = 16;

/// What is used of a row of [`Level`]s, from a column on: each slice is as long as the row that is placed over it.
#[inline(always)]
fn from_column<T>(row: &[T], column: usize, number: usize) -> (&[[T; LANES]], &[T]) {
    let (chunks, rest) = row[column..column + number].as_chunks::<LANES>();
    (chunks, rest)
}

impl<'a, T: Copy + Into<f32>> Level<'a, T> {
    pub(super) fn of(
        power: u32,
        (width, height): (usize, usize),
        [before, after]: [Cow<'a, [T]>; 2],
        counts: Vec<u8>,
    ) -> Self {
        let in_row: Vec<u32> = widest(
            #[inline(always)]
            || {
                counts
                    .chunks_exact(width)
                    .map(|row| row.iter().map(|counts| u32::from(*counts)).sum())
                    .collect()
            },
        );
        let rows = || (0..height).filter(|y| in_row[*y] > 0);
        let mut bounds =
            [width, rows().next().unwrap_or(0), 0, rows().next_back().map_or(0, |last| last + 1)];
        for y in rows() {
            let row = &counts[y * width..][..width];
            // Only what lies further out than what is known is looked at.
            let first = row[..bounds[0]].iter().position(|counts| *counts != 0);
            bounds[0] = first.unwrap_or(bounds[0]);
            let last = row[bounds[2]..].iter().rposition(|counts| *counts != 0);
            bounds[2] += last.map_or(0, |last| last + 1);
        }
        Level { power, width, height, before, after, counts, in_row, bounds }
    }

    pub(super) fn halved(&self) -> Option<Level<'static, f32>> {
        let (width, height) = (self.width / 2, self.height / 2);
        if self.width.max(self.height) <= SMALLEST || width < 8 || height < 8 {
            return None;
        }
        let mut planes = [vec![0.0; width * height], vec![0.0; width * height]];
        let mut counts = vec![0; width * height];
        widest(
            #[inline(always)]
            || {
                for (half, plane) in planes.iter_mut().zip([&self.before, &self.after]) {
                    let mean =
                        |[[a, b], [c, d]]: [[T; 2]; 2]| (a.into() + b.into() + c.into() + d.into()) / 4.0;
                    halve(plane, self.width, half, width, mean);
                }
                halve(&self.counts, self.width, &mut counts, width, |[[a, b], [c, d]]| a & b & c & d);
            },
        );
        Some(Level::<f32>::of(self.power + 1, (width, height), planes.map(Cow::Owned), counts))
    }

    fn row(of: &[T], y: usize, width: usize) -> &[T] {
        &of[y * width..][..width]
    }

    /// `None` where too little counts, or a picture is flat: in some of the rows, where there are many.
    pub(super) fn evened(&self) -> Option<Even> {
        let every = self.area().div_ceil(SEEN).max(1);
        let rows = || (self.bounds[1]..self.bounds[3]).step_by(every);
        let pixels: u64 = rows().map(|y| u64::from(self.in_row[y])).sum();
        if pixels < LEAST_PIXELS as u64 {
            return None;
        }
        let even = |plane: &[T]| {
            let (mut sum, mut squares) = (0.0, 0.0);
            widest(
                #[inline(always)]
                || {
                    for y in rows() {
                        let row = y * self.width..(y + 1) * self.width;
                        let (more, more_squares) = summed(&plane[row.clone()], &self.counts[row]);
                        (sum, squares) = (sum + more, squares + more_squares);
                    }
                },
            );
            let mean = sum / pixels as f64;
            let spread = (squares / pixels as f64 - mean * mean).max(0.0).sqrt();
            (spread >= 1.0).then(|| OneEven { mean: mean as f32 + GREY, by: (1.0 / spread) as f32 })
        };
        Some(Even { before: even(&self.before)?, after: even(&self.after)? })
    }

    /// How many pixels lie within the bounds.
    pub(super) fn area(&self) -> usize {
        let [left, top, right, bottom] = self.bounds;
        right.saturating_sub(left) * (bottom - top)
    }

    /// The mean squared difference that an alignment leaves, of every so manieth row; `None` where too few pixels lie in both pictures,
    /// or more than `most` is left.
    pub(super) fn left_by(
        &self,
        placed: &mut Placed,
        alignment: &Alignment,
        even: &Even,
        every: usize,
        most: f64,
    ) -> Option<f64> {
        let size @ (width, _) = (self.width, self.height);
        let Placed { places, lights } = placed;
        places.take(alignment, self.bounds, size);
        lights.resize(width, 0.0);
        let [_, top, _, bottom] = self.bounds;
        let all: u64 = (top..bottom).step_by(every).map(|y| u64::from(self.in_row[y])).sum();
        let most = most * all as f64;
        let (mut sum, mut seen) = (0.0f64, 0u64);
        let columns = &places.columns;
        widest(
            #[inline(always)]
            || {
                for y in (top..bottom).step_by(every).filter(|y| places.rows.pixels.contains(y)) {
                    let at = y - places.rows.pixels.start;
                    let (first, down) = (places.rows.firsts[at], places.rows.parts[at]);
                    let rows = [first, first + 1].map(|y| Self::row(&self.after, y, width));
                    between(rows, 1, columns, down, lights);
                    let (start, number) = (columns.pixels.start, columns.len());
                    let (before, before_rest) = from_column(Self::row(&self.before, y, width), start, number);
                    let counts = &self.counts[y * width..][..width];
                    let (counts, counts_rest) = from_column(counts, start, number);
                    let (lights, lights_rest) = from_column(lights, 0, number);
                    let (mut sums, mut counted) = ([0.0f32; LANES], [0u32; LANES]);
                    let mut add = |lane: usize, light: f32, before: T, counts: u8| {
                        let far = even.after.of(light) - even.before.of(before.into());
                        sums[lane] += far * far * f32::from(counts);
                        counted[lane] += u32::from(counts);
                    };
                    for ((lights, before), counts) in lights.iter().zip(before).zip(counts) {
                        (0..LANES).for_each(|lane| add(lane, lights[lane], before[lane], counts[lane]));
                    }
                    for ((light, before), counts) in lights_rest.iter().zip(before_rest).zip(counts_rest) {
                        add(0, *light, *before, *counts);
                    }
                    sum += f64::from(sums.iter().sum::<f32>());
                    seen += u64::from(counted.iter().sum::<u32>());
                    if sum > most {
                        return;
                    }
                }
            },
        );
        (sum <= most && seen * 2 > all && seen > 0).then(|| sum / seen as f64)
    }

    /// How far what is left is explained by a further shift and zoom.
    pub(super) fn step(&self, placed: &mut Placed, from: &Alignment, even: &Even) -> Option<[f64; 3]> {
        let width = self.width;
        let middle = ((width as f32 - 1.0) / 2.0, (self.height as f32 - 1.0) / 2.0);
        let Placed { places, lights } = placed;
        let [left, top, right, bottom] = self.bounds;
        // A slope needs a pixel on either side.
        let (top, bottom) = (top.max(1), bottom.min(self.height - 1));
        places.take(from, [left.max(1), top, right.min(width - 1), bottom.max(top)], (width, self.height));
        lights.resize(width, 0.0);
        let columns = &places.columns;
        let (start, number) = (columns.pixels.start, columns.len());
        let outwards: Vec<f32> = columns.pixels.clone().map(|x| x as f32 - middle.0).collect();
        let mut sums = [0.0f64; 9];
        widest(
            #[inline(always)]
            || {
                for (at, y) in places.rows.pixels.clone().enumerate() {
                    let (first, down) = (places.rows.firsts[at], places.rows.parts[at]);
                    let rows = [first, first + 1].map(|y| Self::row(&self.after, y, width));
                    between(rows, 1, columns, down, lights);
                    let row =
                        |y: usize, column: usize| &Self::row(&self.before, y, width)[column..column + number];
                    let slopes = Slopes {
                        lights: &lights[..number],
                        before: row(y, start),
                        across: [row(y, start - 1), row(y, start + 1)],
                        down: [row(y - 1, start), row(y + 1, start)],
                        counts: &self.counts[y * width + start..][..number],
                        outwards: &outwards,
                        y: y as f32 - middle.1,
                    };
                    slopes.add(even, &mut sums);
                }
            },
        );
        let [xx, xy, xz, yy, yz, zz, x, y, z] = sums;
        solved([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], [x, y, z])
    }
}

/// Where a picture is placed, and a row of it there.
#[derive(Default)]
pub(super) struct Placed {
    places: Places,
    lights: Vec<f32>,
}

/// Sums are taken of what light differs from this: that is exact in fewer bits.
const GREY: f32 = 128.0;
/// Of so many pixels, in lanes of 32 bits.
const SUMMED: usize = 1024;

/// The sums of what counts, and of its squares.
#[inline(always)]
fn summed<T: Copy + Into<f32>>(plane: &[T], counts: &[u8]) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, 0.0);
    for (plane, counts) in plane.chunks(SUMMED).zip(counts.chunks(SUMMED)) {
        let (mut sums, mut of_squares) = ([0.0f32; LANES], [0.0f32; LANES]);
        let (lights, lights_rest) = plane.as_chunks::<LANES>();
        let (counts, counts_rest) = counts.as_chunks::<LANES>();
        let mut add = |lane: usize, light: T, counts: u8| {
            let light = (light.into() - GREY) * f32::from(counts);
            sums[lane] += light;
            of_squares[lane] += light * light;
        };
        for (lights, counts) in lights.iter().zip(counts) {
            (0..LANES).for_each(|lane| add(lane, lights[lane], counts[lane]));
        }
        lights_rest.iter().zip(counts_rest).for_each(|(light, counts)| add(0, *light, *counts));
        sum += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
        squares += of_squares.iter().map(|sum| f64::from(*sum)).sum::<f64>();
    }
    (sum, squares)
}

/// Of each four of a plane, one.
#[inline(always)]
fn halve<T: Copy, U>(
    plane: &[T],
    width: usize,
    half: &mut [U],
    half_width: usize,
    one: impl Fn([[T; 2]; 2]) -> U,
) {
    for (rows, half) in plane.chunks_exact(2 * width).zip(half.chunks_exact_mut(half_width)) {
        let (above, below) = rows.split_at(width);
        let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
        half.iter_mut().zip(pairs).for_each(|(half, (above, below))| *half = one([*above, *below]));
    }
}

/// A row, as the picture after shows it, over that of the picture before, and the pixels around that.
struct Slopes<'a, T> {
    lights: &'a [f32],
    before: &'a [T],
    across: [&'a [T]; 2],
    down: [&'a [T]; 2],
    counts: &'a [u8],
    outwards: &'a [f32],
    y: f32,
}

impl<T: Copy + Into<f32>> Slopes<'_, T> {
    /// Adds the normal equations: the upper half of the matrix, row by row, and the right side.
    #[inline(always)]
    fn add(&self, even: &Even, sums: &mut [f64; 9]) {
        let mut lanes = [[0.0f32; LANES]; 9];
        let (lights, lights_rest) = self.lights.as_chunks::<LANES>();
        let rest = LANES * lights.len();
        let before = self.before.as_chunks::<LANES>().0;
        let across = self.across.map(|row| row.as_chunks::<LANES>().0);
        let down = self.down.map(|row| row.as_chunks::<LANES>().0);
        let (counts, outwards) = (self.counts.as_chunks::<LANES>().0, self.outwards.as_chunks::<LANES>().0);
        for (at, light) in lights.iter().enumerate() {
            let (before, counts, outwards) = (&before[at], &counts[at], &outwards[at]);
            let (across, down) = (across.map(|row| &row[at]), down.map(|row| &row[at]));
            for (lane, light) in light.iter().enumerate() {
                let slopes = [across, down].map(|[one, other]| other[lane].into() - one[lane].into());
                let place = [outwards[lane], self.y];
                let products = products(even, [*light, before[lane].into()], slopes, place, counts[lane]);
                (0..9).for_each(|number| lanes[number][lane] += products[number]);
            }
        }
        for (at, light) in (rest..).zip(lights_rest) {
            let slopes = [self.across, self.down].map(|[one, other]| other[at].into() - one[at].into());
            let place = [self.outwards[at], self.y];
            let products = products(even, [*light, self.before[at].into()], slopes, place, self.counts[at]);
            (0..9).for_each(|number| lanes[number][0] += products[number]);
        }
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            *sum += lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
        }
    }
}

/// What a pixel adds: how bright it is after and before, how much brighter its neighbours are on one side than on the other, where it lies
/// from the middle.
#[inline(always)]
fn products(
    even: &Even,
    [after, before]: [f32; 2],
    slopes: [f32; 2],
    [x, y]: [f32; 2],
    counts: u8,
) -> [f32; 9] {
    let [across, down] = slopes.map(|slope| slope * (even.before.by / 2.0));
    let outwards = across * x + down * y;
    let far = even.after.of(after) - even.before.of(before);
    // What differs by far is another thing, and not the same thing elsewhere (Geman and McClure).
    let near = 1.0 / (1.0 + far * far * 4.0);
    let weight = near * near * f32::from(counts);
    let [x, y, z] = [across * weight, down * weight, outwards * weight];
    [x * across, x * down, x * outwards, y * down, y * outwards, z * outwards, x * far, y * far, z * far]
}

/// Cramer's rule.
fn solved(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let of = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = of(matrix);
    let scale = matrix[0][0] * matrix[1][1] * matrix[2][2];
    if !(whole > scale * 1e-9 && whole > 0.0) {
        return None;
    }
    Some(std::array::from_fn(|column| {
        let mut other = matrix;
        (0..3).for_each(|row| other[row][column] = right[row]);
        of(other) / whole
    }))
}

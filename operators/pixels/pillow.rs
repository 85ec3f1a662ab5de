//! Pillow's resampling of 8-bit pictures, to the bit.
//!
//! The resize crate has the same filters with weights of 16 bits, and is off by a level here and there. Most models do not notice. One whose
//! own code writes the resized picture as a JPEG does: where a level decides how a coefficient is rounded, a whole block looks otherwise.
//! Pillow's weights have 22 bits, and its sums are exact. Source of the arithmetic: Pillow's src/libImaging/Resample.c.

use std::ops::Range;

use crate::pixels::clip_crop::Resample;

/// Width and height in pixels.
type Size = (usize, usize);

/// Parts of the weight 1, as a power of 2.
const PRECISION: u32 = 32 - 8 - 2;

/// These columns and lines of `source` after it was resized to `to`; 3 bytes a pixel, row by row. Only what they show is computed: first
/// along one axis, rounded to bytes, and then along the other.
pub(super) fn part_resampled(
    source: &[u8],
    from: Size,
    to: Size,
    part: (Range<usize>, Range<usize>),
    filter: Resample,
) -> Vec<u8> {
    let columns = taps(from.0, to.0, part.0, filter);
    let lines = taps(from.1, to.1, part.1, filter);
    let (seen_across, seen_down) = (reach(&columns), reach(&lines));
    let whole = Pixels { bytes: source, width: from.0 };
    if lines_come_first(from, to) {
        let low = whole.down(seen_across.clone(), &lines, 0);
        Pixels { bytes: &low, width: seen_across.len() }.across(0..lines.len(), &columns, seen_across.start)
    } else {
        let narrow = whole.across(seen_down.clone(), &columns, 0);
        Pixels { bytes: &narrow, width: columns.len() }.down(0..columns.len(), &lines, seen_down.start)
    }
}

/// Whether the height is resized before the width. Since 13.0 Pillow decides this by the sizes; the rule was found by comparing bytes, over
/// 1,500 pairs of sizes. Before, the width was always first; a byte is then off by 1 here and there.
fn lines_come_first(from: Size, to: Size) -> bool {
    let grows = |from: usize, to: usize| to as i64 - from as i64;
    let (wider, higher) = (grows(from.0, to.0), grows(from.1, to.1));
    higher < 0 && 2 * wider > higher
}

/// From the first to the last pixel of the source that these see.
fn reach(taps: &[Tap]) -> Range<usize> {
    let first = taps.iter().map(|tap| tap.first).min().unwrap_or(0);
    first..taps.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(first)
}

/// Rows of so many pixels.
struct Pixels<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl Pixels<'_> {
    fn rows(&self, rows: Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact((3 * self.width).max(1)).take(rows.end).skip(rows.start)
    }

    /// These rows at another width. `start`: which column of the source the first of these pixels is.
    fn across(&self, rows: Range<usize>, columns: &[Tap], start: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 * columns.len() * rows.len());
        for row in self.rows(rows) {
            for tap in columns {
                let pixels = row[3 * (tap.first - start)..].chunks_exact(3).zip(&tap.weights);
                let sums = pixels.fold([HALF; 3], |[a, b, c], (pixel, weight)| {
                    let [x, y, z] = [0, 1, 2].map(|channel| i32::from(pixel[channel]) * weight);
                    [a + x, b + y, c + z]
                });
                out.extend(sums.map(byte));
            }
        }
        out
    }

    /// These columns at another height. `start`: which row of the source the first of these rows is.
    fn down(&self, columns: Range<usize>, lines: &[Tap], start: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 * columns.len() * lines.len());
        let mut sums = vec![HALF; 3 * columns.len()];
        for tap in lines {
            sums.fill(HALF);
            let first = tap.first - start;
            for (row, weight) in self.rows(first..first + tap.weights.len()).zip(&tap.weights) {
                let row = &row[3 * columns.start..3 * columns.end];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += i32::from(*value) * weight);
            }
            out.extend(sums.iter().map(|sum| byte(*sum)));
        }
        out
    }
}

/// What sums start from, to be rounded.
const HALF: i32 = 1 << (PRECISION - 1);

fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The pixels of the source that make one of the target, and how much of it each is.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

fn taps(from: usize, to: usize, part: Range<usize>, filter: Resample) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    // Enlarged, a pixel is made of its neighbours; shrunk, of all that it covers.
    let stretch = scale.max(1.0);
    let support = radius(filter) * stretch;
    let tap = |target: usize| {
        let centre = (target as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let last = ((centre + support + 0.5) as usize).min(from);
        let weight = |at: usize| weight(filter, (at as f64 - centre + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let whole = |weight: f64| {
            let parts = weight / sum * f64::from(1u32 << PRECISION);
            // Cut off towards 0, as C does.
            (parts + if weight < 0.0 { -0.5 } else { 0.5 }) as i32
        };
        Tap { first, weights: weights.into_iter().map(whole).collect() }
    };
    part.map(tap).collect()
}

/// How far the filter reaches, in pixels of the smaller of the two grids.
fn radius(filter: Resample) -> f64 {
    match filter {
        Resample::Lanczos => 3.0,
        Resample::Bilinear => 1.0,
        Resample::Bicubic => 2.0,
    }
}

fn weight(filter: Resample, at: f64) -> f64 {
    /// Keys' parameter.
    const A: f64 = -0.5;
    let x = at.abs();
    match filter {
        Resample::Bilinear => (1.0 - x).max(0.0),
        Resample::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        Resample::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        Resample::Lanczos if (-3.0..3.0).contains(&at) => sinc(at) * sinc(at / 3.0),
        Resample::Bicubic | Resample::Lanczos => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

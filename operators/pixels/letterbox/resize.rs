//! OpenCV's resampling of 8-bit pictures, to the bit: linear (not antialiased) and area average.
//!
//! A detector's scores depend on its pixels, and no crate has these two. Others antialias where OpenCV's linear does not, and have box
//! filters that take or leave whole pixels where its area average weighs parts of them. Source of the arithmetic: docs.opencv.org,
//! cv::resize (INTER_LINEAR, INTER_AREA). The precision of its steps was found by comparing bytes.

use std::ops::Range;

/// Width and height in pixels.
type Size = (usize, usize);

/// Parts of the weight 1 in linear resampling: weights have 11 bits.
const ONE: f32 = 2048.0;

/// Linear between the two nearest pixels along each axis, in fixed point. `source` holds 3 bytes a pixel.
pub(super) fn linearly(source: &[u8], from: Size, to: Size) -> Vec<u8> {
    part_linearly(source, from, to, (0..to.0, 0..to.1))
}

/// [`linearly`], of which only these columns and lines are computed.
pub(in crate::pixels) fn part_linearly(
    source: &[u8],
    from: Size,
    to: Size,
    part: (Range<usize>, Range<usize>),
) -> Vec<u8> {
    let (columns, lines) = (taps(from.0, to.0, part.0), taps(from.1, to.1, part.1));
    // The row of the last line but one of the target is often that of the next: two rows are kept.
    let mut kept: [(Option<usize>, Vec<i32>); 2] =
        std::array::from_fn(|_| (None, Vec::with_capacity(3 * columns.len())));
    let mut out = Vec::with_capacity(3 * columns.len() * lines.len());
    for line in &lines {
        for at in line.at {
            if kept.iter().all(|(row, _)| *row != Some(at)) {
                let free = usize::from(kept[0].0.is_some_and(|row| line.at.contains(&row)));
                let (row, values) = &mut kept[free];
                *row = Some(at);
                stretch(&source[3 * from.0 * at..][..3 * from.0], &columns, values);
            }
        }
        let of = |at: usize| &kept[usize::from(kept[0].0 != Some(at))].1;
        let weighed = |value: i32, weight: i32| ((value >> 4) * weight) >> 16;
        let pairs = of(line.at[0]).iter().zip(of(line.at[1]));
        out.extend(pairs.map(|(a, b)| {
            let sum = weighed(*a, line.weight[0]) + weighed(*b, line.weight[1]);
            ((sum + 2) >> 2).clamp(0, 255) as u8
        }));
    }
    out
}

/// Which two pixels of the source make one of the target, and by how much of 2048.
struct Tap {
    at: [usize; 2],
    weight: [i32; 2],
}

fn taps(from: usize, to: usize, part: Range<usize>) -> Vec<Tap> {
    let scale = scale(from, to);
    let tap = |target: usize| {
        let centre = ((target as f64 + 0.5) * scale - 0.5) as f32;
        let (below, part) = (centre.floor(), centre - centre.floor());
        let last = from as i64 - 1;
        let at = [below as i64, below as i64 + 1].map(|at| at.clamp(0, last) as usize);
        let weight = [1.0 - part, part].map(|part| (part * ONE).round_ties_even() as i32);
        Tap { at, weight }
    };
    part.map(tap).collect()
}

/// One row of the source at the target's width, in 2048ths.
fn stretch(row: &[u8], columns: &[Tap], values: &mut Vec<i32>) {
    values.clear();
    for Tap { at, weight } in columns {
        let (a, b) = (&row[3 * at[0]..][..3], &row[3 * at[1]..][..3]);
        values.extend(a.iter().zip(b).map(|(a, b)| i32::from(*a) * weight[0] + i32::from(*b) * weight[1]));
    }
}

/// Pixels of the source a pixel of the target. By way of the inverse: it rounds differently from the plain quotient.
fn scale(from: usize, to: usize) -> f64 {
    1.0 / (to as f64 / from as f64)
}

/// Each pixel of the target is the mean of what it covers on the source, edges in parts. Only for shrinking on both axes.
pub(super) fn by_area(source: &[u8], from: Size, to: Size) -> Vec<u8> {
    match (whole(scale(from.0, to.0)), whole(scale(from.1, to.1))) {
        (Some(across), Some(down)) => by_blocks(source, from.0, to, (across, down)),
        _ => by_parts(source, from, to),
    }
}

/// The scale, where it is a whole number.
fn whole(scale: f64) -> Option<usize> {
    ((scale - scale.round()).abs() < f64::EPSILON).then(|| scale.round() as usize)
}

/// The mean of blocks of whole pixels.
fn by_blocks(source: &[u8], width: usize, to: Size, (across, down): Size) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 * to.0 * to.1);
    let share = 1.0 / (across * down) as f32;
    let mut sums = vec![0u32; 3 * to.0];
    for line in 0..to.1 {
        sums.fill(0);
        for row in source.chunks_exact(3 * width).skip(line * down).take(down) {
            for (block, sum) in row.chunks_exact(3 * across).zip(sums.chunks_exact_mut(3)) {
                for pixel in block.chunks_exact(3) {
                    sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                }
            }
        }
        out.extend(sums.iter().map(|&sum| match (across, down) {
            // Halves up here, to even everywhere else.
            (2, 2) => ((sum + 2) / 4) as u8,
            _ => (sum as f32 * share).round_ties_even() as u8,
        }));
    }
    out
}

/// The mean of what is covered, weighed by how much of each pixel is: rows first, then columns, in float32.
fn by_parts(source: &[u8], from: Size, to: Size) -> Vec<u8> {
    let (columns, lines) = (covers(from.0, to.0), covers(from.1, to.1));
    let mut out = Vec::with_capacity(3 * to.0 * to.1);
    let (mut row_at, mut row) = (None, vec![0f32; 3 * to.0]);
    let mut sums = vec![0f32; 3 * to.0];
    for line in &lines {
        sums.fill(0.0);
        for &(at, weight) in line {
            // The last row of one line is often the first of the next.
            if row_at != Some(at) {
                squeeze(&source[3 * from.0 * at..][..3 * from.0], &columns, &mut row);
                row_at = Some(at);
            }
            sums.iter_mut().zip(&row).for_each(|(sum, value)| *sum += value * weight);
        }
        out.extend(sums.iter().map(|sum| sum.round_ties_even().clamp(0.0, 255.0) as u8));
    }
    out
}

/// For each pixel of the target, the pixels of the source that it covers and their weights, which add up to 1.
fn covers(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    /// Parts of a pixel below this are left out.
    const LEAST: f64 = 1e-3;
    let scale = scale(from, to);
    let cover = |target: usize| {
        let start = target as f64 * scale;
        let end = start + scale;
        let length = scale.min(from as f64 - start);
        let last = (end.floor() as usize).min(from - 1);
        let first = (start.ceil() as usize).min(last);
        let mut parts = Vec::new();
        if first as f64 - start > LEAST {
            parts.push((first - 1, ((first as f64 - start) / length) as f32));
        }
        parts.extend((first..last).map(|at| (at, (1.0 / length) as f32)));
        if end - last as f64 > LEAST {
            parts.push((last, ((end - last as f64).min(1.0).min(length) / length) as f32));
        }
        parts
    };
    (0..to).map(cover).collect()
}

/// One row of the source at the target's width.
fn squeeze(row: &[u8], columns: &[Vec<(usize, f32)>], out: &mut [f32]) {
    for (parts, out) in columns.iter().zip(out.chunks_exact_mut(3)) {
        let mut sum = [0f32; 3];
        for &(at, weight) in parts {
            let pixel = &row[3 * at..][..3];
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f32::from(*value) * weight);
        }
        out.copy_from_slice(&sum);
    }
}

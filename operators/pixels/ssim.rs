//! Structural similarity, window by window (Wang et al., 2004, eq. 13).
//!
//! This is our own code, since the crates that have it give no map at full size to lay a mask over: `image-compare` looks at blocks of 8 x
//! 8 pixels and brings threads of its own, and `dssim-core` is under the AGPL.

use image::RgbImage;

use crate::pixels::light::lights;

/// Windows are so many pixels wide and high.
pub(crate) const WINDOW: u32 = 7;

/// Hands `each` the left and top of every window of 7 x 7 pixels within the pictures, and the SSIM (-1 to 1) of what is in
/// them, by brightness. The pictures are of one size; smaller ones than a window have none.
pub fn windows(before: &RgbImage, after: &RgbImage, each: impl FnMut(u32, u32, f64)) {
    if before.dimensions() == after.dimensions() {
        windows_of([&lights(before), &lights(after)], before.width() as usize, each);
    }
}

/// [`windows`] of two planes of brightness, row by row, of one size.
pub(crate) fn windows_of([before, after]: [&[u8]; 2], width: usize, mut each: impl FnMut(u32, u32, f64)) {
    let side = WINDOW as usize;
    let height = before.len() / width.max(1);
    if before.len() != after.len() || width < side || height < side {
        return;
    }
    let mut columns = vec![[0i32; 5]; width];
    let take = |columns: &mut [[i32; 5]], row: usize, sign: i32| {
        let range = row * width..(row + 1) * width;
        for ((sums, a), b) in columns.iter_mut().zip(&before[range.clone()]).zip(&after[range]) {
            let (a, b) = (i32::from(*a), i32::from(*b));
            for (sum, value) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += sign * value;
            }
        }
    };
    for y in 0..height {
        take(&mut columns, y, 1);
        if y >= side {
            take(&mut columns, y - side, -1);
        }
        if y + 1 < side {
            continue;
        }
        let mut sums = [0i32; 5];
        let mut slide = |column: &[i32; 5], sign: i32| {
            sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += sign * value);
            sums
        };
        columns[..side - 1].iter().for_each(|column| {
            slide(column, 1);
        });
        for x in 0..=width - side {
            let sums = slide(&columns[x + side - 1], 1);
            each(x as u32, (y + 1 - side) as u32, ssim(sums));
            slide(&columns[x], -1);
        }
    }
}

/// Of a window by the sums of a, b, a², b², ab.
fn ssim(sums: [i32; 5]) -> f64 {
    const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
    const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
    if sums[2] + sums[3] == 2 * sums[4] {
        // Nothing differs.
        return 1.0;
    }
    let count = f64::from(WINDOW * WINDOW);
    let [a, b, aa, bb, ab] = sums.map(|sum| f64::from(sum) / count);
    // Of a sample: one less than the pixels.
    let sample = count / (count - 1.0);
    let (spread_a, spread_b, joint) = ((aa - a * a) * sample, (bb - b * b) * sample, (ab - a * b) * sample);
    ((2.0 * a * b + C1) * (2.0 * joint + C2)) / ((a * a + b * b + C1) * (spread_a + spread_b + C2))
}

//! Structural similarity, window by window (Wang et al., 2004, eq. 13).
//!
//! This is our own code, since the crates that have it give no map at full size to lay a mask over: `image-compare` looks at blocks of 8 x
//! 8 pixels and brings threads of its own, and `dssim-core` is under the AGPL.

use std::ops::Range;

use image::RgbImage;

use crate::pixels::light::light;

/// Windows are so many pixels wide and high.
pub(crate) const WINDOW: u32 = 7;

/// Hands `each` the left and top of every window of 7 x 7 pixels within the pictures, and the SSIM (-1 to 1) of what is in
/// them, by brightness. The pictures are of one size; smaller ones than a window have none.
pub fn windows(before: &RgbImage, after: &RgbImage, mut each: impl FnMut(u32, u32, f64)) {
    let (width, height) = (before.width() as usize, before.height() as usize);
    let side = WINDOW as usize;
    if (width, height) != (after.width() as usize, after.height() as usize) || width < side || height < side {
        return;
    }
    let mut columns = Columns { before, after, width, sums: vec![[0; 5]; width] };
    for y in 0..height {
        columns.take(y, 1);
        if y >= side {
            columns.take(y - side, -1);
        }
        if y + 1 >= side {
            for x in 0..=width - side {
                each(x as u32, (y + 1 - side) as u32, columns.ssim(x..x + side));
            }
        }
    }
}

/// For each column, over the rows of the current windows: the sums of a, b, a², b², ab.
struct Columns<'a> {
    before: &'a RgbImage,
    after: &'a RgbImage,
    width: usize,
    sums: Vec<[i64; 5]>,
}

impl Columns<'_> {
    fn take(&mut self, row: usize, sign: i64) {
        let range = row * self.width * 3..(row + 1) * self.width * 3;
        let before = self.before.as_raw()[range.clone()].chunks_exact(3);
        let after = self.after.as_raw()[range].chunks_exact(3);
        for ((sums, a), b) in self.sums.iter_mut().zip(before).zip(after) {
            let (a, b) = (i64::from(light([a[0], a[1], a[2]])), i64::from(light([b[0], b[1], b[2]])));
            for (sum, value) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += sign * value;
            }
        }
    }

    fn ssim(&self, columns: Range<usize>) -> f64 {
        const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
        const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
        let count = f64::from(WINDOW * WINDOW);
        let mut sums = [0i64; 5];
        for column in &self.sums[columns] {
            sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += value);
        }
        let [a, b, aa, bb, ab] = sums.map(|sum| sum as f64 / count);
        // Of a sample: one less than the pixels.
        let sample = count / (count - 1.0);
        let (spread_a, spread_b, joint) =
            ((aa - a * a) * sample, (bb - b * b) * sample, (ab - a * b) * sample);
        ((2.0 * a * b + C1) * (2.0 * joint + C2)) / ((a * a + b * b + C1) * (spread_a + spread_b + C2))
    }
}

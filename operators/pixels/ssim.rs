//! Structural similarity, window by window (Wang et al., 2004, eq. 13).
//!
//! This is our own code, since the crates that have it give no map at full size to lay a mask over: `image-compare` looks at blocks of 8 x
//! 8 pixels and brings threads of its own, and `dssim-core` is under the AGPL.

use image::RgbImage;

use crate::pixels::light::lights;
use crate::pixels::widest::widest;

/// Windows are so many pixels wide and high.
pub(crate) const WINDOW: u32 = 7;
const SIDE: usize = WINDOW as usize;

/// Hands `each` the left and top of every window of 7 x 7 pixels within the pictures, and the SSIM (-1 to 1) of what is in
/// them, by brightness. The pictures are of one size; smaller ones than a window have none.
pub fn windows(before: &RgbImage, after: &RgbImage, mut each: impl FnMut(u32, u32, f64)) {
    let (width, height) = (before.width() as usize, before.height() as usize);
    if before.dimensions() != after.dimensions() || width < SIDE || height < SIDE {
        return;
    }
    let light = [lights(before), lights(after)];
    let mut columns = Columns::of_width(width);
    let mut sums: [Vec<i32>; 5] = std::array::from_fn(|_| vec![0; width + 1 - SIDE]);
    for y in 0..height {
        widest(
            #[inline(always)]
            || columns.take(light.each_ref().map(|light| light.as_slice()), y),
        );
        let Some(top) = (y + 1).checked_sub(SIDE) else { continue };
        widest(
            #[inline(always)]
            || sums.iter_mut().zip(&columns.0).for_each(|(sums, columns)| windows_of(columns, sums)),
        );
        (0..=width - SIDE)
            .for_each(|x| each(x as u32, top as u32, ssim(sums.each_ref().map(|sums| sums[x]))));
    }
}

/// The mean over the windows that lie wholly where `owners` says `owner`, of two planes of brightness of one size; 1 where there is none.
pub(crate) fn mean_of(light: [&[u8]; 2], width: usize, owners: &[u8], owner: u8) -> f64 {
    let height = owners.len() / width.max(1);
    if width < SIDE || height < SIDE {
        return 1.0;
    }
    let mut mean = Mean { sums: [0.0; TOGETHER], windows: 0, alike: 0 };
    let mut columns = Columns::of_width(width);
    let (mut free, mut same) = (vec![0; width], vec![0; width]);
    widest(
        #[inline(always)]
        || {
            for y in 0..height {
                let range = y * width..(y + 1) * width;
                columns.take(light, y);
                count(&mut free, owners[range.clone()].iter().map(|other| *other == owner));
                let [before, after] = light.map(|light| &light[range.clone()]);
                count(&mut same, before.iter().zip(after).map(|(a, b)| a == b));
                if y + 1 < SIDE {
                    continue;
                }
                for left in (0..=width - SIDE).step_by(TOGETHER) {
                    let number = (width + 1 - SIDE - left).min(TOGETHER);
                    let range = left..left + number + SIDE - 1;
                    mean.add(&free[range.clone()], &same[range], (&columns, left));
                }
            }
        },
    );
    let sum = mean.sums.iter().sum::<f64>() + mean.alike as f64;
    if mean.windows == 0 { 1.0 } else { sum / mean.windows as f64 }
}

/// For each column, how many rows up from here a thing holds: 7 at most.
#[inline(always)]
fn count(rows: &mut [u8], holds: impl Iterator<Item = bool>) {
    rows.iter_mut().zip(holds).for_each(|(rows, holds)| *rows = if holds { (*rows + 1).min(7) } else { 0 });
}

/// So many windows of a row are looked at together.
const TOGETHER: usize = 64;

struct Mean {
    /// Several sums side by side: what is added to one does not wait for the others.
    sums: [f64; TOGETHER],
    windows: u64,
    /// Of those, the ones in which nothing differs, and SSIM is 1.
    alike: u64,
}

impl Mean {
    /// Adds windows beside each other. `free` and `same` are of their columns: where they lie, and whether nothing differs.
    #[inline(always)]
    fn add(&mut self, free: &[u8], same: &[u8], (columns, left): (&Columns, usize)) {
        let (mut counts, mut differs) = ([0u8; TOGETHER], [0u8; TOGETHER]);
        let windows = free.windows(SIDE).zip(same.windows(SIDE));
        let (mut windows_here, mut differing) = (0u32, 0u32);
        for ((counts, differs), (free, same)) in counts.iter_mut().zip(&mut differs).zip(windows) {
            let least = |column: &[u8]| column.iter().fold(WINDOW as u8, |least, rows| least.min(*rows));
            *counts = u8::from(least(free) == WINDOW as u8);
            *differs = *counts & u8::from(least(same) != WINDOW as u8);
            windows_here += u32::from(*counts);
            differing += u32::from(*differs);
        }
        self.windows += u64::from(windows_here);
        self.alike += u64::from(windows_here - differing);
        if differing == 0 {
            return;
        }
        let number = free.len() + 1 - SIDE;
        let mut sums = [[0; TOGETHER]; 5];
        for (sums, columns) in sums.iter_mut().zip(&columns.0) {
            windows_of(&columns[left..left + number + SIDE - 1], &mut sums[..number]);
        }
        let [a, b, aa, bb, ab] = &sums;
        for (at, sum) in self.sums.iter_mut().enumerate() {
            let ssim = ssim_of_whole([a[at], b[at], aa[at], bb[at], ab[at]]);
            *sum += if differs[at] != 0 { ssim } else { 0.0 };
        }
    }
}

/// The sum of each seven columns beside each other.
#[inline(always)]
fn windows_of(columns: &[i32], sums: &mut [i32]) {
    for (sum, columns) in sums.iter_mut().zip(columns.windows(SIDE)) {
        *sum = columns.iter().sum();
    }
}

/// Of the last seven rows, the sums of a, b, a², b² and ab in each column.
struct Columns([Vec<i32>; 5]);

impl Columns {
    fn of_width(width: usize) -> Self {
        Columns(std::array::from_fn(|_| vec![0; width]))
    }

    /// Takes a row in, and the one that is seven rows above out.
    #[inline(always)]
    fn take(&mut self, light: [&[u8]; 2], y: usize) {
        let width = self.0[0].len();
        let row = |y: usize| light.map(|light| &light[y * width..][..width]);
        match y.checked_sub(SIDE) {
            Some(old) => self.slide(row(y), row(old)),
            None => self.add(row(y)),
        }
    }

    #[inline(always)]
    fn add(&mut self, [before, after]: [&[u8]; 2]) {
        let [a, b, aa, bb, ab] = self.0.each_mut();
        let sums = a.iter_mut().zip(b).zip(aa).zip(bb).zip(ab);
        for (((((sum_a, sum_b), sum_aa), sum_bb), sum_ab), (a, b)) in sums.zip(before.iter().zip(after)) {
            let (a, b) = (i32::from(*a), i32::from(*b));
            *sum_a += a;
            *sum_b += b;
            *sum_aa += a * a;
            *sum_bb += b * b;
            *sum_ab += a * b;
        }
    }

    #[inline(always)]
    fn slide(&mut self, [before, after]: [&[u8]; 2], [old_before, old_after]: [&[u8]; 2]) {
        let [a, b, aa, bb, ab] = self.0.each_mut();
        let sums = a.iter_mut().zip(b).zip(aa).zip(bb).zip(ab);
        let pairs = before.iter().zip(after).zip(old_before.iter().zip(old_after));
        for (((((sum_a, sum_b), sum_aa), sum_bb), sum_ab), ((a, b), (c, d))) in sums.zip(pairs) {
            let [a, b, c, d] = [*a, *b, *c, *d].map(i32::from);
            *sum_a += a - c;
            *sum_b += b - d;
            *sum_aa += a * a - c * c;
            *sum_bb += b * b - d * d;
            *sum_ab += a * b - c * d;
        }
    }
}

const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Of a window by the sums of a, b, a², b², ab.
fn ssim(sums: [i32; 5]) -> f64 {
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

/// [`ssim`] with one division: both sides of the fraction are taken times 49⁴, so that most of it is whole numbers, and exact.
#[inline(always)]
fn ssim_of_whole([a, b, aa, bb, ab]: [i32; 5]) -> f64 {
    const COUNT: i32 = (WINDOW * WINDOW) as i32;
    const TWICE: f64 = (COUNT * COUNT) as f64;
    const SAMPLE: f64 = COUNT as f64 / (COUNT - 1) as f64;
    // Below 2³¹: 49² x 255² is 156 million.
    let (joint, spread) = (2 * (COUNT * ab - a * b), COUNT * aa - a * a + (COUNT * bb - b * b));
    let [means, squares, joint, spread] = [2 * a * b, a * a + b * b, joint, spread].map(f64::from);
    (means + C1 * TWICE) * (joint * SAMPLE + C2 * TWICE)
        / ((squares + C1 * TWICE) * (spread * SAMPLE + C2 * TWICE))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::pixels::light::light;

    /// Of one window, summed afresh.
    fn plain([before, after]: [&RgbImage; 2], x: u32, y: u32) -> f64 {
        let mut sums = [0; 5];
        for (u, v) in (y..y + 7).flat_map(|v| (x..x + 7).map(move |u| (u, v))) {
            let [a, b] = [before, after].map(|picture| i32::from(light(picture.get_pixel(u, v).0)));
            sums.iter_mut().zip([a, b, a * a, b * b, a * b]).for_each(|(sum, value)| *sum += value);
        }
        ssim(sums)
    }

    #[test]
    fn windows_and_their_mean_are_those_of_each_window_alone() {
        let mut random = fastrand::Rng::with_seed(21);
        for number in 0..60 {
            let (width, height) = (random.u32(1..150), random.u32(1..24));
            let before = RgbImage::from_fn(width, height, |_, _| Rgb([0; 3].map(|_: u8| random.u8(..))));
            let by = [0, 2, 20, 255][random.usize(..4)];
            let mut after = before.clone();
            let (left, top) = (random.u32(..width), random.u32(..height));
            for (x, y, pixel) in after.enumerate_pixels_mut() {
                if x >= left || y >= top {
                    pixel.0 = pixel.0.map(|ink| (i32::from(ink) + random.i32(-by..=by)).clamp(0, 255) as u8);
                }
            }
            let dots = [0, 1, 4, 60][number % 4];
            let mut owners = vec![0u8; (width * height) as usize];
            (0..dots).for_each(|_| {
                let at = random.usize(..owners.len());
                owners[at] = random.u8(1..3);
            });
            let (mut found, mut sum, mut free) = (Vec::new(), 0.0, 0u32);
            windows(&before, &after, |x, y, ssim| found.push((x, y, ssim)));
            let mut found = found.into_iter();
            for y in 0..(height + 1).saturating_sub(7) {
                for x in 0..(width + 1).saturating_sub(7) {
                    let ssim = plain([&before, &after], x, y);
                    assert_eq!(found.next(), Some((x, y, ssim)), "{width} x {height}");
                    let mut inside = (y..y + 7).flat_map(|v| (x..x + 7).map(move |u| v * width + u));
                    if inside.all(|at| owners[at as usize] == 0) {
                        sum += ssim;
                        free += 1;
                    }
                }
            }
            assert_eq!(found.next(), None);
            let mean = mean_of([&lights(&before), &lights(&after)], width as usize, &owners, 0);
            let wanted = if free == 0 { 1.0 } else { sum / f64::from(free) };
            assert!((mean - wanted).abs() < 1e-12, "{width} x {height}: {mean}, not {wanted}");
            assert!(by > 0 || mean == 1.0, "nothing differs");
        }
    }

    #[test]
    fn the_formula_in_whole_numbers_holds_the_largest() {
        for (a, b) in [(255, 255), (255, 0), (0, 255), (0, 0), (254, 255)] {
            let sums = [49 * a, 49 * b, 49 * a * a, 49 * b * b, 49 * a * b];
            assert!((ssim_of_whole(sums) - ssim(sums)).abs() < 1e-12, "{a} and {b}");
        }
        // Half of the window black, half of it white.
        let sums = [24 * 255, 25 * 255, 24 * 255 * 255, 25 * 255 * 255, 0];
        assert!((ssim_of_whole(sums) - ssim(sums)).abs() < 1e-12);
    }
}

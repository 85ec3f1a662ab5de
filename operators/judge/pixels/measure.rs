//! The numbers that the embedded judge uses.

use image::RgbImage;
use threshflow::row::Refusal;

use super::border::cut_through;
use super::texture::{Textures, smooth};
use crate::editors::paint;
use crate::pixels::light::light;
use crate::pixels::mask::Mask;
use crate::pixels::pair::{self, Made};
use crate::pixels::ssim::{WINDOW, windows};

/// A pixel has changed where one of its channels did by more than this, in levels of 255.
const CHANGED: u8 = 10;
/// What PSNR is where nothing differs, in dB.
const ALIKE: f32 = 99.0;
/// How far around a mask its surroundings reach, in parts of its own width and height.
const AROUND: f32 = 0.5;

/// What pixels say of a pair. "The region" is the step's mask, or the whole picture where there is none; "outside" is outside of
/// all masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Mean absolute difference in the region, 0 to 1.
    pub change: f32,
    /// Which part of the region's pixels changed by more than 10 levels in a channel, 0 to 1.
    pub changed: f32,
    /// Mean SSIM in the region, -1 to 1; 1 where no window has its middle in it.
    pub ssim: f32,
    /// PSNR in the region, dB, at most 99.
    pub psnr: f32,
    /// The correlation of brightness in the region before and after, -1 to 1; 1 where both are flat.
    pub kept: f32,
    /// Which part of the region's pixels have, after, a colour that stands in its surroundings too, 0 to 1 (to a sixteenth of
    /// each channel's range, give or take one).
    pub familiar: f32,
    /// How alike the region and its surroundings are in how much neighbouring pixels differ, after: the lesser mean over the
    /// greater, 0 to 1; 1 for the whole picture.
    pub even: f32,
    /// Whether no edge along the region's border, or within it as far as an editor widens a mask, is harsher than it was, or than what
    /// stands around, 0 to 1: one over [`Compared::seam`](crate::pixels::pair::Compared::seam). 1 where the region has no border.
    pub seam: f32,
    /// Which part of the region's border parts what was one surface, 0 to 1: two pixels on its both sides that differ by 48 levels or more
    /// in what was made, and by 16 at most in the other picture; times how far the surroundings have the grain of a photograph (a drawn
    /// scene is made of surfaces that part). A painted ground that ends in the middle of a sky does so.
    pub cut: f32,
    /// Whether what changed is as rough as what surrounds it, and no smoother, 0 to 1: the share of rough pixels (off the mean of
    /// their neighbours by more than 2 levels) over that of the surroundings, 0.05 added to both. A painted ground in a photograph is not.
    pub grain: f32,
    /// Whether what changed is no sharper than what surrounds it, 0 to 1: by what the strongest 5 of 100 pixels are off the
    /// mean of their neighbours there, over that in the region, 16 levels added to both.
    pub sharp: f32,
    /// Whether the region is of one piece with a smooth outline, 0 to 1: six times a disc's outline of its area over its own,
    /// both squared, at most 1.
    pub smooth: f32,
    /// Of all that changed outside of the other masks, which part lies in the region, 0 to 1; 1 where nothing changed.
    pub focus: f32,
    /// PSNR outside, dB, at most 99; 99 where nothing is outside.
    pub psnr_outside: f32,
    /// Mean SSIM outside, of windows that touch no mask, -1 to 1; 1 where there are none.
    pub ssim_outside: f32,
    /// Which part of the outside has one colour after, 0 to 1 (within 10 levels of the middle one); 1 where nothing is outside.
    pub clean: f32,
}

impl Measured {
    /// Compares pictures of one size; `others` are the masks of the edit's other steps. Seam and texture are those of the picture that
    /// an editor `made`.
    pub fn of(
        [before, after]: [&RgbImage; 2],
        mask: Option<&Mask>,
        others: &[&Mask],
        made: Made,
    ) -> Result<Self, Refusal> {
        let (width, height) = before.dimensions();
        pair::of_one_size(before, after, mask.into_iter().chain(others.iter().copied()))?;
        let places = Places::of(width, height, mask, others);
        let (region, outside) = (
            Sums::of(before, after, |at| places.region(at)),
            Sums::of(before, after, |at| places.outside(at)),
        );
        let (ssim, ssim_outside) = places.ssim(before, after);
        let all = region.differences + outside.differences;
        let pair = if made == Made::After { [before, after] } else { [after, before] };
        let bounds = surroundings(before, mask);
        let textures = bounds.map_or(Textures::ALIKE, |bounds| Textures::of(pair, &places.owners, bounds));
        Ok(Measured {
            change: ratio(region.differences as f64, region.pixels * 3.0 * 255.0, 0.0),
            changed: ratio(region.changed as f64, region.pixels, 0.0),
            ssim,
            psnr: region.psnr(),
            kept: region.correlation(),
            familiar: places.familiar(after, mask),
            even: places.even(after, mask),
            seam: mask.map_or(1.0, |mask| 1.0 / seam_within(pair, mask, &places.owners).max(1.0)),
            cut: mask.map_or(0.0, |mask| match textures.photographic() {
                0.0 => 0.0,
                photographic => {
                    // Beyond what an editor may have widened the mask by.
                    let depth = 2 * paint::reach(mask.area());
                    cut_through(pair, mask, &places.owners, depth) * photographic
                }
            }),
            grain: textures.grain(),
            sharp: textures.sharp(),
            smooth: mask.map_or(1.0, smooth),
            focus: ratio(region.differences as f64, all as f64, 1.0),
            psnr_outside: outside.psnr(),
            ssim_outside,
            clean: places.clean(after),
        })
    }
}

fn ratio(part: f64, whole: f64, of_nothing: f32) -> f32 {
    if whole > 0.0 { (part / whole) as f32 } else { of_nothing }
}

/// See [`Compared::seam`](crate::pixels::pair::Compared::seam), along the border of a widened mask and inwards.
fn seam_within(pair: [&RgbImage; 2], mask: &Mask, owners: &[u8]) -> f32 {
    pair::seam_inwards(pair, mask, paint::reach(mask.area()).min(254) as u8, owners)
}

/// The mask's bounds and as much around them as counts as its surroundings.
fn surroundings(picture: &RgbImage, mask: Option<&Mask>) -> Option<[u32; 4]> {
    let [left, top, right, bottom] = mask.and_then(Mask::bounds)?;
    let more = |length: u32| (length as f32 * AROUND) as u32 + 4;
    let (across, down) = (more(right - left), more(bottom - top));
    let (right, bottom) = ((right + across).min(picture.width()), (bottom + down).min(picture.height()));
    Some([left.saturating_sub(across), top.saturating_sub(down), right, bottom])
}

/// Which pixels are of the region, and which of no mask.
struct Places {
    width: usize,
    /// 0 outside of all masks, 1 in the region, 2 in another step's mask only.
    owners: Vec<u8>,
}

impl Places {
    fn of(width: u32, height: u32, mask: Option<&Mask>, others: &[&Mask]) -> Self {
        let pixels = width as usize * height as usize;
        let mut owners = vec![u8::from(mask.is_none()); pixels];
        for other in others {
            owners
                .iter_mut()
                .zip(&other.bits)
                .filter(|(_, bit)| **bit != 0)
                .for_each(|(owner, _)| *owner = 2);
        }
        if let Some(mask) = mask {
            owners.iter_mut().zip(&mask.bits).filter(|(_, bit)| **bit != 0).for_each(|(owner, _)| *owner = 1);
        }
        Places { width: width as usize, owners }
    }

    fn region(&self, at: usize) -> bool {
        self.owners[at] == 1
    }

    fn outside(&self, at: usize) -> bool {
        self.owners[at] == 0
    }

    /// Means over the windows whose middle is in the region, and over those that touch no mask.
    fn ssim(&self, before: &RgbImage, after: &RgbImage) -> (f32, f32) {
        let side = WINDOW as usize;
        let (mut inside, mut outside) = ((0.0, 0.0), (0.0, 0.0));
        // For each column, how many rows up from here are outside.
        let mut free = vec![0usize; self.width];
        let mut counted = 0;
        windows(before, after, |x, y, ssim| {
            let (x, y) = (x as usize, y as usize);
            while counted < y + side {
                let row = &self.owners[counted * self.width..][..self.width];
                free.iter_mut()
                    .zip(row)
                    .for_each(|(free, owner)| *free = if *owner == 0 { *free + 1 } else { 0 });
                counted += 1;
            }
            let middle = (y + side / 2) * self.width + x + side / 2;
            if self.region(middle) {
                inside = (inside.0 + ssim, inside.1 + 1.0);
            } else if free[x..x + side].iter().all(|&free| free >= side) {
                outside = (outside.0 + ssim, outside.1 + 1.0);
            }
        });
        (ratio(inside.0, inside.1, 1.0), ratio(outside.0, outside.1, 1.0))
    }

    fn even(&self, after: &RgbImage, mask: Option<&Mask>) -> f32 {
        let Some([left, top, right, bottom]) = surroundings(after, mask) else { return 1.0 };
        // Sums and counts, outside and in the region. A level is added to the means: on flat grounds nothing is uneven.
        let mut sums = [(0.0, 0.0); 2];
        for y in top..bottom.saturating_sub(1) {
            for x in left..right.saturating_sub(1) {
                let at = y as usize * self.width + x as usize;
                let owner = usize::from(self.owners[at]);
                if owner < 2
                    && self.owners[at + 1] == self.owners[at]
                    && self.owners[at + self.width] == self.owners[at]
                {
                    let light = |x: u32, y: u32| light(after.get_pixel(x, y).0);
                    let here = light(x, y);
                    let steps =
                        u32::from(here.abs_diff(light(x + 1, y))) + u32::from(here.abs_diff(light(x, y + 1)));
                    sums[owner] = (sums[owner].0 + f64::from(steps), sums[owner].1 + 1.0);
                }
            }
        }
        let [outside, region] = sums.map(|(sum, count)| ratio(sum, count, 0.0) + 1.0);
        outside.min(region) / outside.max(region)
    }

    fn familiar(&self, after: &RgbImage, mask: Option<&Mask>) -> f32 {
        let Some([left, top, right, bottom]) = surroundings(after, mask) else { return 1.0 };
        let at = |x: u32, y: u32| y as usize * self.width + x as usize;
        let places = || (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
        let mut seen = vec![false; 16 * 16 * 16];
        for (x, y) in places().filter(|&(x, y)| self.outside(at(x, y))) {
            let near = after.get_pixel(x, y).0.map(|ink| {
                let middle = i32::from(ink / 16);
                (middle - 1).max(0) as usize..(middle + 2).min(16) as usize
            });
            for r in near[0].clone() {
                for g in near[1].clone() {
                    near[2].clone().for_each(|b| seen[(r * 16 + g) * 16 + b] = true);
                }
            }
        }
        let (mut all, mut known) = (0.0, 0.0);
        for (x, y) in places().filter(|&(x, y)| self.region(at(x, y))) {
            let [r, g, b] = after.get_pixel(x, y).0.map(|ink| usize::from(ink / 16));
            all += 1.0;
            known += f64::from(u8::from(seen[(r * 16 + g) * 16 + b]));
        }
        ratio(known, all, 1.0)
    }

    fn clean(&self, after: &RgbImage) -> f32 {
        let outside =
            || after.pixels().enumerate().filter(|(at, _)| self.outside(*at)).map(|(_, pixel)| pixel.0);
        let mut counts = [[0u64; 256]; 3];
        outside().for_each(|pixel| (0..3).for_each(|c| counts[c][usize::from(pixel[c])] += 1));
        let all: u64 = counts[0].iter().sum();
        let middle = counts.map(|counts| {
            let mut sum = 0;
            let found = counts.iter().position(|count| {
                sum += count;
                sum * 2 >= all
            });
            found.unwrap_or(0) as u8
        });
        let is_clean = |pixel: &[u8; 3]| pixel.iter().zip(middle).all(|(a, b)| a.abs_diff(b) <= CHANGED);
        ratio(outside().filter(is_clean).count() as f64, all as f64, 1.0)
    }
}

/// Sums over some pixels. Whole numbers: exact.
#[derive(Default)]
struct Sums {
    pixels: f64,
    changed: u64,
    differences: u64,
    squares: u64,
    /// Of brightness: a, b, a², b², ab.
    light: [u64; 5],
}

impl Sums {
    fn of(before: &RgbImage, after: &RgbImage, counts: impl Fn(usize) -> bool) -> Self {
        let mut sums = Sums::default();
        let pairs = before.pixels().zip(after.pixels()).enumerate();
        for (_, (before, after)) in pairs.filter(|(at, _)| counts(*at)) {
            let differences: [u8; 3] = std::array::from_fn(|c| before.0[c].abs_diff(after.0[c]));
            sums.pixels += 1.0;
            sums.changed += u64::from(differences.iter().any(|&far| far > CHANGED));
            sums.differences += differences.iter().map(|&far| u64::from(far)).sum::<u64>();
            sums.squares += differences.iter().map(|&far| u64::from(far) * u64::from(far)).sum::<u64>();
            let (a, b) = (u64::from(light(before.0)), u64::from(light(after.0)));
            for (sum, value) in sums.light.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += value;
            }
        }
        sums
    }

    fn psnr(&self) -> f32 {
        if self.squares == 0 {
            return ALIKE;
        }
        let mean = self.squares as f64 / (self.pixels * 3.0);
        ((10.0 * (255.0 * 255.0 / mean).log10()) as f32).min(ALIKE)
    }

    fn correlation(&self) -> f32 {
        let [a, b, aa, bb, ab] = self.light.map(|sum| sum as f64 / self.pixels.max(1.0));
        let (spread_a, spread_b, joint) = (aa - a * a, bb - b * b, ab - a * b);
        // Less than a level of noise: flat.
        match (spread_a < 1.0, spread_b < 1.0) {
            (true, true) => 1.0,
            (true, false) | (false, true) => 0.0,
            (false, false) => (joint / (spread_a * spread_b).sqrt()) as f32,
        }
    }
}

//! Compares two pictures of one size: how far what should have stayed did stay, and where the change lies.
//!
//! A pair is measured after three things that an editor may do to all of a picture were found and undone: a shift, a zoom, a cast of
//! colour. They are published beside the rest. No model is asked. All formulas are in [`Compared`].

mod align;
mod edges;
mod largest;
mod near;

use image::RgbImage;
use threshflow::row::Refusal;

use crate::pixels::light::lights;
use crate::pixels::mask::Mask;
use crate::pixels::ssim::{WINDOW, windows_of};
use align::{Alignment, shown_by};
pub use align::{MOST_SHIFT, MOST_ZOOM};
pub(crate) use edges::seam_inwards;
use largest::largest;
pub(crate) use near::near;

/// A pixel has changed where one of its channels did by more than this, in levels of 255.
pub(crate) const CHANGED: u8 = 10;
/// What PSNR is where nothing differs, in dB.
pub const MOST_PSNR: f32 = 99.0;
/// The share of the pixels inside that must change, or nothing was done.
pub const NO_OP: f32 = 0.001;
/// A cast of fewer levels is rounding.
const LEAST_CAST: u16 = 2;
/// Shift and zoom are looked for from such a mean difference outside on, in levels of 255: below it the eye sees nothing.
const LOOKED_FOR: f64 = 0.5;

/// What of a picture may change.
#[derive(Clone, Copy, Debug)]
pub enum Inside<'a> {
    /// All of it.
    Everything,
    /// These masks, each widened by so many pixels to all sides (chessboard distance).
    Masks(&'a [(&'a Mask, u8)]),
    /// All but this mask.
    AllBut(&'a Mask),
}

/// Which of the two pictures an editor made: there seams are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    After,
    Before,
}

/// What is asked of a pair.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub inside: Inside<'a>,
    /// The masks along which a seam is looked for, as [`Inside::Masks`] widens them.
    pub seams: &'a [(&'a Mask, u8, Made)],
    /// Whether shift, zoom and cast are undone before the rest is measured; not where they are the edit itself.
    pub undo: bool,
}

/// What was measured. "Inside" is [what may change](Inside), "outside" is the rest. Pixels that a shift or a zoom moved out of the
/// picture are on neither side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Which part of the pixels inside changed by more than 10 levels of 255 in a channel, 0 to 1; 0 where nothing is inside.
    pub changed_inside: f32,
    /// The same outside; 0 where nothing is outside.
    pub changed_outside: f32,
    /// Mean absolute difference of the channels inside, 0 to 1; 0 where nothing is inside.
    pub difference_inside: f32,
    /// The same outside; 0 where nothing is outside.
    pub difference_outside: f32,
    /// Peak signal-to-noise ratio outside, over all channels, dB: `10 log10(255² / mean squared difference)`, 0 to 99; 99 where nothing
    /// differs or is outside.
    pub psnr_outside: f32,
    /// Mean SSIM outside, by brightness, of the windows of 7 x 7 pixels that lie wholly outside, -1 to 1 (Wang et al., 2004, eq. 13); 1
    /// where there is none.
    pub ssim_outside: f32,
    /// The largest connected patch of changed pixels outside (they touch by side or corner), as a share of the picture, 0 to 1.
    pub largest_change: f32,
    /// How many times harsher neighbouring pixels differ across the edge of a mask in the picture that was made than they did there, or
    /// do outside around it: 8 levels are added to each mean, so that 1 is "no harsher", and 33 is the most. The harshest of the edges
    /// at 0, 1, ... pixels around the mask, as far as it is widened. 1 where no mask has an edge.
    pub seam: f32,
    /// How far all of the picture moved, px of the picture before, 0 to [`MOST_SHIFT`] of its longer side.
    pub shift: f32,
    /// How many times larger or smaller everything is drawn, about the middle: 1 to [`MOST_ZOOM`].
    pub zoom: f32,
    /// The median change of the channel that changed most, outside, levels of 255; 0 where nothing is outside, and where it is 1.
    pub colour_cast: f32,
    /// Whether nothing was done: fewer than 1 in 1000 pixels inside changed.
    pub no_op: bool,
}

/// Compares two pictures of one size.
///
/// Refusals: `foreign_picture` where sizes differ, `foreign_mask` where a mask is not of the pictures' size.
///
/// ```
/// use image::{Rgb, RgbImage};
/// use operators::pixels::pair::{Inside, Wanted, compare};
/// let before = RgbImage::from_fn(64, 48, |x, y| Rgb([(x * 3) as u8, (y * 4) as u8, 90]));
/// let wanted = Wanted { inside: Inside::Everything, seams: &[], undo: true };
/// let same = compare(&before, &before, &wanted).unwrap();
/// assert!(same.no_op && same.psnr_outside == 99.0 && same.shift == 0.0);
/// ```
pub fn compare(before: &RgbImage, after: &RgbImage, wanted: &Wanted<'_>) -> Result<Compared, Refusal> {
    check(before, after, wanted)?;
    let (width, height) = (before.width() as usize, before.height() as usize);
    let mut owners = owners(wanted.inside, width, height);
    let seam = edges::seam([before, after], wanted.seams, &owners);
    let none = Sums::of([before, after], &owners, [0; 3]);
    let mut compared = Compared {
        changed_inside: 0.0,
        changed_outside: 0.0,
        difference_inside: 0.0,
        difference_outside: 0.0,
        psnr_outside: MOST_PSNR,
        ssim_outside: 1.0,
        largest_change: 0.0,
        seam,
        shift: 0.0,
        zoom: 1.0,
        colour_cast: 0.0,
        no_op: false,
    };
    let mut light = [lights(before), lights(after)];
    let mut moved = None;
    let side = if none.outside.pixels > 0 { &none.outside } else { &none.inside };
    if side.mean() > LOOKED_FOR {
        let found = align::find([&light[0], &light[1]], width, &owners);
        compared.shift = found.shift();
        compared.zoom = found.zoom.max(1.0 / found.zoom);
        if wanted.undo && found != Alignment::default() {
            let undone = shown_by(&found, after, &mut owners);
            light[1] = lights(&undone);
            moved = Some(undone);
        }
    }
    let after = moved.as_ref().unwrap_or(after);
    let cast = if none.outside.squares == 0 { [0; 3] } else { cast([before, after], &owners) };
    compared.colour_cast = cast.iter().map(|level| f32::from(level.unsigned_abs())).fold(0.0, f32::max);
    let undone = if wanted.undo { cast } else { [0; 3] };
    let sums = match (&moved, undone) {
        (None, [0, 0, 0]) => none,
        _ => Sums::of([before, after], &owners, undone),
    };
    compared.changed_inside = sums.inside.changed();
    compared.changed_outside = sums.outside.changed();
    compared.difference_inside = (sums.inside.mean() / 255.0) as f32;
    compared.difference_outside = (sums.outside.mean() / 255.0) as f32;
    compared.no_op = compared.changed_inside < NO_OP;
    if sums.outside.squares > 0 {
        compared.psnr_outside = sums.outside.psnr();
        if undone != [0; 3] {
            light[1] = lights(&without(after, undone));
        }
        compared.ssim_outside = ssim_outside([&light[0], &light[1]], width, &owners);
    }
    if sums.outside.changed > 0 {
        let changed = changed_outside([before, after], &owners, undone);
        compared.largest_change = largest(&changed, width) as f32 / (width * height) as f32;
    }
    Ok(compared)
}

fn check(before: &RgbImage, after: &RgbImage, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    let inside: Vec<&Mask> = match wanted.inside {
        Inside::Everything => Vec::new(),
        Inside::Masks(masks) => masks.iter().map(|(mask, _)| *mask).collect(),
        Inside::AllBut(mask) => vec![mask],
    };
    of_one_size(before, after, inside.into_iter().chain(wanted.seams.iter().map(|(mask, ..)| *mask)))
}

/// That two pictures and their masks are of one size.
///
/// # Errors
/// `foreign_picture`, `foreign_mask`.
pub(crate) fn of_one_size<'a>(
    before: &RgbImage,
    after: &RgbImage,
    masks: impl IntoIterator<Item = &'a Mask>,
) -> Result<(), Refusal> {
    let (width, height) = before.dimensions();
    if before.dimensions() != after.dimensions() || width == 0 || height == 0 {
        let message = format!(
            "a picture of {width} x {height} became one of {} x {}: only pictures of one size can be compared",
            after.width(),
            after.height()
        );
        return Err(Refusal::permanent("foreign_picture", message));
    }
    for mask in masks {
        if (mask.width, mask.height) != (width, height) || mask.bits.len() != width as usize * height as usize
        {
            let message = format!(
                "a mask of {} x {} pixels for pictures of {width} x {height}: they must be of one size",
                mask.width, mask.height
            );
            return Err(Refusal::permanent("foreign_mask", message));
        }
    }
    Ok(())
}

/// Where a pixel lies.
pub(crate) const OUTSIDE: u8 = 0;
const INSIDE: u8 = 1;
/// What it shows in one picture is not in the other.
const LOST: u8 = 2;

fn owners(inside: Inside<'_>, width: usize, height: usize) -> Vec<u8> {
    match inside {
        Inside::Everything => vec![INSIDE; width * height],
        Inside::AllBut(mask) => mask.bits.iter().map(|bit| u8::from(*bit == 0)).collect(),
        Inside::Masks(masks) => {
            let mut owners = vec![OUTSIDE; width * height];
            for (mask, reach) in masks {
                let far = near(mask, *reach);
                owners.iter_mut().zip(&far).for_each(|(owner, far)| *owner |= u8::from(far <= reach));
            }
            owners
        }
    }
}

/// Differences of one side: whole numbers, so that they are exact.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    pixels: u64,
    changed: u64,
    differences: u64,
    squares: u64,
}

impl Side {
    /// Of a channel, in levels.
    fn mean(&self) -> f64 {
        self.differences as f64 / (self.pixels * 3).max(1) as f64
    }

    fn changed(&self) -> f32 {
        self.changed as f32 / self.pixels.max(1) as f32
    }

    fn psnr(&self) -> f32 {
        let mean = self.squares as f64 / (self.pixels * 3).max(1) as f64;
        ((10.0 * (255.0 * 255.0 / mean).log10()) as f32).clamp(0.0, MOST_PSNR)
    }
}

struct Sums {
    inside: Side,
    outside: Side,
}

impl Sums {
    /// Of the differences `after - before - cast`.
    fn of([before, after]: [&RgbImage; 2], owners: &[u8], cast: [i16; 3]) -> Self {
        let mut sides = [Side::default(); 3];
        let width = before.width() as usize;
        let rows = before.as_raw().chunks_exact(3 * width).zip(after.as_raw().chunks_exact(3 * width));
        for ((before, after), owners) in rows.zip(owners.chunks_exact(width)) {
            // In a row, sums fit 32 bits: vectors of them are added at once.
            if cast == [0; 3] && before == after {
                owners.iter().for_each(|owner| sides[usize::from(*owner)].pixels += 1);
                continue;
            }
            for ((a, b), owner) in before.chunks_exact(3).zip(after.chunks_exact(3)).zip(owners) {
                let far = |c: usize| (i32::from(b[c]) - i32::from(a[c]) - i32::from(cast[c])).unsigned_abs();
                let [r, g, b] = [far(0), far(1), far(2)];
                let side = &mut sides[usize::from(*owner)];
                side.pixels += 1;
                side.changed += u64::from(r.max(g).max(b) > u32::from(CHANGED));
                side.differences += u64::from(r + g + b);
                side.squares += u64::from(r * r + g * g + b * b);
            }
        }
        Sums { outside: sides[usize::from(OUTSIDE)], inside: sides[usize::from(INSIDE)] }
    }
}

/// The median change of each channel outside, in levels; 0 where nothing is outside.
fn cast([before, after]: [&RgbImage; 2], owners: &[u8]) -> [i16; 3] {
    let mut counts = vec![[0u32; 3]; 511];
    let pairs = before.as_raw().chunks_exact(3).zip(after.as_raw().chunks_exact(3));
    let mut pixels = 0u32;
    for ((a, b), _) in pairs.zip(owners).filter(|(_, owner)| **owner == OUTSIDE) {
        pixels += 1;
        (0..3).for_each(|c| counts[255 + usize::from(b[c]) - usize::from(a[c])][c] += 1);
    }
    if pixels == 0 {
        return [0; 3];
    }
    std::array::from_fn(|c| {
        let mut sum = 0;
        let middle = counts.iter().position(|count| {
            sum += count[c];
            u64::from(sum) * 2 >= u64::from(pixels)
        });
        let cast = middle.map_or(0, |at| at as i16 - 255);
        if cast.unsigned_abs() < LEAST_CAST { 0 } else { cast }
    })
}

/// The picture without a cast.
fn without(picture: &RgbImage, cast: [i16; 3]) -> RgbImage {
    let mut picture = picture.clone();
    for pixel in picture.pixels_mut() {
        for (ink, cast) in pixel.0.iter_mut().zip(cast) {
            *ink = (i16::from(*ink) - cast).clamp(0, 255) as u8;
        }
    }
    picture
}

fn ssim_outside(light: [&[u8]; 2], width: usize, owners: &[u8]) -> f32 {
    let side = WINDOW as usize;
    // For each column, how many rows up from here are outside; and of those, how many columns in a row hold a window.
    let mut free = vec![0u32; width];
    let (mut counted, mut held, mut row) = (0, 0, u32::MAX);
    let (mut sum, mut windows) = (0.0, 0u64);
    windows_of(light, width, |x, y, ssim| {
        let x = x as usize;
        if row != y {
            row = y;
            while counted < y as usize + side {
                let owners = &owners[counted * width..][..width];
                let count =
                    |(free, owner): (&mut u32, &u8)| *free = if *owner == OUTSIDE { *free + 1 } else { 0 };
                free.iter_mut().zip(owners).for_each(count);
                counted += 1;
            }
            held = free[..side - 1].iter().rev().take_while(|free| **free >= WINDOW).count();
        }
        held = if free[x + side - 1] >= WINDOW { held + 1 } else { 0 };
        if held >= side {
            sum += ssim;
            windows += 1;
        }
    });
    if windows == 0 { 1.0 } else { (sum / windows as f64) as f32 }
}

fn changed_outside([before, after]: [&RgbImage; 2], owners: &[u8], cast: [i16; 3]) -> Vec<u8> {
    let pairs = before.as_raw().chunks_exact(3).zip(after.as_raw().chunks_exact(3)).zip(owners);
    let changed = |((a, b), owner): ((&[u8], &[u8]), &u8)| {
        let far = |c: usize| (i16::from(b[c]) - i16::from(a[c]) - cast[c]).unsigned_abs();
        u8::from(*owner == OUTSIDE && far(0).max(far(1)).max(far(2)) > u16::from(CHANGED))
    };
    pairs.map(changed).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::textured;

//! Compares two pictures of one size: how far what should have stayed did stay, and where the change lies.
//!
//! A pair is measured after three things that an editor may do to all of a picture were found and undone: a shift, a zoom, a cast of
//! colour. They are published beside the rest. No model is asked. All formulas are in [`Compared`].

mod align;
mod edges;
mod largest;
mod near;
mod places;
mod shown;
mod sums;

use image::RgbImage;
use threshflow::row::Refusal;

use crate::pixels::light::{lights, lights_without};
use crate::pixels::mask::Mask;
use crate::pixels::ssim::mean_of;
use align::Alignment;
pub use align::{MOST_SHIFT, MOST_ZOOM};
pub(crate) use edges::seam_inwards;
use largest::largest;
pub(crate) use near::near;
use shown::shown_by;
use sums::{Sums, cast, changed_outside};

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
    let near = Nearness::of(wanted);
    let mut owners = near.owners(wanted.inside, width, height);
    let seam = edges::seam([before, after], wanted.seams, &near, &owners);
    let mut sums = Sums::of([before, after], &owners, [0; 3]);
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
    // Brightness, where it was asked for.
    let (mut light, mut moved) = ([None, None], None);
    let side = if sums.outside.pixels > 0 { &sums.outside } else { &sums.inside };
    if side.mean() > LOOKED_FOR {
        let [one, other] = [lights(before), lights(after)];
        let found = align::find([&one, &other], width, &owners);
        light = [Some(one), Some(other)];
        compared.shift = found.shift();
        compared.zoom = found.zoom.max(1.0 / found.zoom);
        if wanted.undo && found != Alignment::default() {
            let undone = shown_by(&found, after, &mut owners);
            sums = Sums::of([before, &undone], &owners, [0; 3]);
            light[1] = None;
            moved = Some(undone);
        }
    }
    let after = moved.as_ref().unwrap_or(after);
    let cast = if sums.have_no_cast() { [0; 3] } else { cast([before, after], &owners) };
    compared.colour_cast = cast.iter().map(|level| f32::from(level.unsigned_abs())).fold(0.0, f32::max);
    let undone = if wanted.undo { cast } else { [0; 3] };
    if undone != [0; 3] {
        sums = Sums::of([before, after], &owners, undone);
        light[1] = None;
    }
    compared.changed_inside = sums.inside.changed();
    compared.changed_outside = sums.outside.changed();
    compared.difference_inside = (sums.inside.mean() / 255.0) as f32;
    compared.difference_outside = (sums.outside.mean() / 255.0) as f32;
    compared.no_op = compared.changed_inside < NO_OP;
    if sums.outside.squares > 0 {
        compared.psnr_outside = sums.outside.psnr();
        let [one, other] = light;
        let one = one.unwrap_or_else(|| lights(before));
        let other = other.unwrap_or_else(|| lights_without(after, undone));
        compared.ssim_outside = mean_of([&one, &other], width, &owners, OUTSIDE) as f32;
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

/// How near pixels lie to masks: once for each mask and reach, however often it is asked about.
struct Nearness<'a>(Vec<(&'a Mask, u8, Vec<u8>)>);

impl<'a> Nearness<'a> {
    fn of(wanted: &Wanted<'a>) -> Self {
        let inside = match wanted.inside {
            Inside::Masks(masks) => masks,
            Inside::Everything | Inside::AllBut(_) => &[],
        };
        let mut all = Nearness(Vec::new());
        for (mask, reach) in
            inside.iter().copied().chain(wanted.seams.iter().map(|(mask, reach, _)| (*mask, *reach)))
        {
            if all.of_mask(mask, reach).is_none() {
                all.0.push((mask, reach, near(mask, reach)));
            }
        }
        all
    }

    /// As [`near`] gives it.
    fn of_mask(&self, mask: &Mask, reach: u8) -> Option<&[u8]> {
        let found = self.0.iter().find(|(other, most, _)| std::ptr::eq(*other, mask) && *most == reach);
        found.map(|(.., far)| far.as_slice())
    }

    fn owners(&self, inside: Inside<'_>, width: usize, height: usize) -> Vec<u8> {
        match inside {
            Inside::Everything => vec![INSIDE; width * height],
            Inside::AllBut(mask) => mask.bits.iter().map(|bit| u8::from(*bit == 0)).collect(),
            Inside::Masks(masks) => {
                let mut owners = vec![OUTSIDE; width * height];
                for (mask, reach) in masks {
                    let far = self.of_mask(mask, *reach).unwrap_or_default();
                    owners.iter_mut().zip(far).for_each(|(owner, far)| *owner |= u8::from(far <= reach));
                }
                owners
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::textured;

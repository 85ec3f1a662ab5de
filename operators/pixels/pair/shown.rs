//! A picture without the shift and the zoom that were found.

use image::RgbImage;

use super::LOST;
use super::align::Alignment;
use super::places::{Places, between};
use crate::pixels::widest::widest;

/// `(ink + 0.5) as u8` of what is 0 to 255, in steps that the compiler makes vectors of: with this much added a number has no fraction.
#[inline(always)]
fn rounded(ink: f32) -> u8 {
    const MUCH: f32 = (1 << 23) as f32;
    let ink = ink + 0.5;
    let whole = ink + MUCH;
    // The sum was rounded to the nearest, maybe up.
    (whole.to_bits() - u32::from(whole - MUCH > ink)) as u8
}

/// The picture after as it would be without the alignment. What lies beyond its edges belongs to neither side.
pub(super) fn shown_by(alignment: &Alignment, after: &RgbImage, owners: &mut [u8]) -> RgbImage {
    let (width, height) = (after.width() as usize, after.height() as usize);
    let mut places = Places::default();
    places.take(alignment, [0, 0, width, height], (width, height));
    let (columns, inks) = (&places.columns.pixels, places.columns.of_inks());
    let is_whole = alignment.zoom == 1.0 && alignment.dx.fract() == 0.0 && alignment.dy.fract() == 0.0;
    let mut shown = RgbImage::new(after.width(), after.height());
    let mut between_inks = vec![0.0; inks.len()];
    let row = |y: usize| &after.as_raw()[3 * width * y..][..3 * width];
    widest(
        #[inline(always)]
        || {
            let rows = shown.chunks_exact_mut(3 * width).zip(owners.chunks_exact_mut(width));
            for (y, (shown, owners)) in rows.enumerate() {
                if !places.rows.pixels.contains(&y) || columns.is_empty() {
                    owners.fill(LOST);
                    continue;
                }
                owners[..columns.start].fill(LOST);
                owners[columns.end..].fill(LOST);
                let shown = &mut shown[inks.pixels.clone()];
                if is_whole {
                    let (x, y) = (columns.start as f32 + alignment.dx, y as f32 + alignment.dy);
                    let from = 3 * x as usize;
                    shown.copy_from_slice(&row(y as usize)[from..from + shown.len()]);
                    continue;
                }
                let at = y - places.rows.pixels.start;
                let (first, down) = (places.rows.firsts[at], places.rows.parts[at]);
                between([row(first), row(first + 1)], 3, &inks, down, &mut between_inks);
                shown.iter_mut().zip(&between_inks).for_each(|(to, ink)| *to = rounded(*ink));
            }
        },
    );
    shown
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn inks_are_rounded_to_the_nearest() {
        for number in 0..255 * 512 {
            let ink = number as f32 / 512.0;
            for ink in [ink, ink.next_up(), ink.next_down().max(0.0)] {
                assert_eq!(rounded(ink), (ink + 0.5) as u8, "{ink}");
            }
        }
        assert_eq!(rounded(255.0), 255);
    }

    /// Ink by ink, as the words say.
    fn plain(alignment: &Alignment, after: &RgbImage, owners: &mut [u8]) -> RgbImage {
        let (width, height) = (after.width() as usize, after.height() as usize);
        let place = |at: usize, of: usize, by: f32| {
            let middle = (of as f32 - 1.0) / 2.0;
            middle + alignment.zoom * (at as f32 - middle) + by
        };
        let mut shown = RgbImage::new(after.width(), after.height());
        for ((x, y, to), owner) in shown.enumerate_pixels_mut().zip(owners) {
            let (u, v) = (place(x as usize, width, alignment.dx), place(y as usize, height, alignment.dy));
            if !(u >= 0.0 && v >= 0.0 && u <= (width - 1) as f32 && v <= (height - 1) as f32) {
                *owner = LOST;
                continue;
            }
            let (across, down) = (u - u.floor(), v - v.floor());
            to.0 = std::array::from_fn(|c| {
                let at = |x: f32, y: f32| f32::from(after.get_pixel(x as u32, y as u32).0[c]);
                let row = |y: f32| at(u.floor(), y) * (1.0 - across) + at(u.ceil(), y) * across;
                (row(v.floor()) * (1.0 - down) + row(v.ceil()) * down + 0.5) as u8
            });
        }
        shown
    }

    #[test]
    fn a_picture_is_shown_as_every_place_alone() {
        let mut random = fastrand::Rng::with_seed(51);
        for number in 0..200 {
            let (width, height) = (random.u32(2..60), random.u32(2..40));
            let after = RgbImage::from_fn(width, height, |_, _| Rgb([0; 3].map(|_: u8| random.u8(..))));
            let is_whole = number % 3 == 0;
            let by = |most: u32, random: &mut fastrand::Rng| {
                let by = (random.f32() - 0.5) * 2.4 * most as f32;
                if is_whole { by.round() } else { by }
            };
            let (dx, dy) = (by(width, &mut random), by(height, &mut random));
            let zoom = if is_whole { 1.0 } else { 0.8 + random.f32() * 0.45 };
            let alignment = Alignment { dx, dy, zoom };
            let mut owners: Vec<u8> = (0..width * height).map(|_| random.u8(..2)).collect();
            let mut wanted_owners = owners.clone();
            let wanted = plain(&alignment, &after, &mut wanted_owners);
            assert!(shown_by(&alignment, &after, &mut owners) == wanted, "{alignment:?}, {width} x {height}");
            assert_eq!(owners, wanted_owners, "{alignment:?}, {width} x {height}");
        }
    }
}

//! The crop of a picture by a mask, as ImgEdit cuts a region out for its clip_score and aes_score.
//!
//! The crop is the box of the mask, from its first to its last row and column. Pixels in the box that are not in the mask are white.
//! ImgEdit's tool takes the crop, which is RGB, for BGR, and swaps red and blue before the models look at it. [`Channels::Swapped`] does
//! this too, for comparison with scores that were published with it.

use std::fmt;
use std::str::FromStr;

use image::RgbImage;
use threshflow::row::Refusal;

use super::UnknownName;
use crate::pixels::decode::Rgb;
use crate::pixels::mask::Mask;

/// In which order a crop's channels stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channels {
    /// As in the picture: red, green, blue.
    #[default]
    Rgb,
    /// Red and blue exchanged, as ImgEdit's tool gives crops to its models.
    Swapped,
}

impl FromStr for Channels {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "rgb" => Ok(Channels::Rgb),
            "swapped" => Ok(Channels::Swapped),
            _ => Err(UnknownName {
                what: "--region-channels",
                found: text.to_string(),
                allowed: "rgb or swapped",
            }),
        }
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stamp())
    }
}

impl Channels {
    /// For the stamp of an answer that rests on a crop.
    pub fn stamp(self) -> &'static str {
        match self {
            Channels::Rgb => "rgb",
            Channels::Swapped => "swapped",
        }
    }
}

/// What lies outside the mask.
const OUTSIDE: u8 = 255;

/// Cuts the region of `mask` out of `picture`.
///
/// `mask` holds one byte a pixel, row by row from the top, 0 outside and 1 (or anything else) inside. Refusal classes:
/// `empty_mask` (nothing is inside) and `bad_mask` (the mask isn't of the picture's size, or the picture was decoded smaller than
/// it is: a mask is of the full one).
///
/// ```
/// use operators::{pixels::decode::Rgb, pixels::region_crop::{Channels, crop_by_mask}};
/// let picture = Rgb::full(3, 2, (0..18).collect()).unwrap();
/// let crop = crop_by_mask(&picture, &[0, 1, 0, 0, 1, 1], Channels::Rgb).unwrap();
/// assert_eq!((crop.width, crop.height), (2, 2));
/// assert_eq!(crop.pixels, [3, 4, 5, 255, 255, 255, 12, 13, 14, 15, 16, 17]);
/// ```
pub fn crop_by_mask(picture: &Rgb, mask: &[u8], channels: Channels) -> Result<Rgb, Refusal> {
    if (picture.width, picture.height) != (picture.full_width, picture.full_height) {
        return Err(bad_mask(
            mask,
            (picture.full_width, picture.full_height),
            (picture.width, picture.height),
        ));
    }
    cut((&picture.pixels, picture.width, picture.height), mask, channels)
}

/// [`crop_by_mask`] of a picture that is pixels already.
pub(crate) fn crop_image_by_mask(
    picture: &RgbImage,
    mask: &Mask,
    channels: Channels,
) -> Result<Rgb, Refusal> {
    let (width, height) = picture.dimensions();
    if (mask.width, mask.height) != (width, height) {
        return Err(bad_mask(&mask.bits, (mask.width, mask.height), (width, height)));
    }
    cut((picture.as_raw(), width, height), &mask.bits, channels)
}

fn bad_mask(mask: &[u8], full: (u32, u32), held: (u32, u32)) -> Refusal {
    let message = format!(
        "a mask of {} pixels for a picture of {} x {}, decoded to {} x {}: all must agree",
        mask.len(),
        full.0,
        full.1,
        held.0,
        held.1
    );
    Refusal::permanent("bad_mask", message)
}

fn cut((picture, width, height): (&[u8], u32, u32), mask: &[u8], channels: Channels) -> Result<Rgb, Refusal> {
    if mask.len() as u64 != u64::from(width) * u64::from(height) {
        return Err(bad_mask(mask, (width, height), (width, height)));
    }
    let width = width as usize;
    let Some(bounds) = bounds(mask, width) else {
        let message =
            format!("no pixel of {width} x {height} is inside the mask; there is nothing to cut out");
        return Err(Refusal::permanent("empty_mask", message));
    };
    let (across, down) = (bounds.right - bounds.left + 1, bounds.bottom - bounds.top + 1);
    let mut pixels = vec![OUTSIDE; 3 * across * down];
    for (row, out) in (bounds.top..=bounds.bottom).zip(pixels.chunks_exact_mut(3 * across)) {
        let line = row * width + bounds.left..row * width + bounds.right + 1;
        let colours = &picture[3 * line.start..3 * line.end];
        // Runs are long, and copied as a whole.
        let mut start = 0;
        for run in mask[line].chunk_by(|one, next| (*one != 0) == (*next != 0)) {
            let place = 3 * start..3 * (start + run.len());
            if run[0] != 0 {
                out[place.clone()].copy_from_slice(&colours[place]);
            }
            start += run.len();
        }
    }
    if channels == Channels::Swapped {
        // White stays white.
        pixels.chunks_exact_mut(3).for_each(|colour| colour.swap(0, 2));
    }
    // No longer than the picture's own edges, which are 32-bit.
    Rgb::full(across as u32, down as u32, pixels)
}

/// First and last row and column of what is inside, all four inside themselves.
struct Bounds {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

fn bounds(mask: &[u8], width: usize) -> Option<Bounds> {
    let is_inside = |inside: &u8| *inside != 0;
    let mut found: Option<Bounds> = None;
    for (row, line) in mask.chunks_exact(width).enumerate() {
        // Most lines are empty, and seen to be so many bytes at a time.
        if line.iter().fold(0, |any, inside| any | inside) == 0 {
            continue;
        }
        let bounds = found.get_or_insert(Bounds { left: width, top: row, right: 0, bottom: row });
        // Only what lies beyond the bounds so far can move them.
        if let Some(left) = line[..bounds.left].iter().position(is_inside) {
            bounds.left = left;
        }
        if let Some(beyond) = line[bounds.right..].iter().rposition(is_inside) {
            bounds.right += beyond;
        }
        bounds.bottom = row;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::clip_model::tests::fixtures;
    use crate::pixels::decode::{Purpose, decode};
    use threshflow::shard::Format;

    /// The picture and the ring of make_clip.py.
    fn ring() -> (Rgb, Vec<u8>) {
        let (width, height) = (23, 17);
        let pixels = (0..3 * width * height).map(|at| (at * 37 % 251) as u8).collect();
        let far = |at: i32| (at / width - 8).pow(2) + (at % width - 13).pow(2);
        let mask = (0..width * height).map(|at| u8::from((6..=30).contains(&far(at)))).collect();
        (Rgb::full(23, 17, pixels).unwrap(), mask)
    }

    #[test]
    fn a_ring_is_cut_out_with_white_around_and_within() {
        let (picture, mask) = ring();
        let recorded = std::fs::read(fixtures().join("ring_crop.png")).unwrap();
        let recorded = decode(&recorded, Format::Png, 1, Purpose::Full).unwrap();
        assert_eq!(crop_by_mask(&picture, &mask, Channels::default()).unwrap(), recorded);
        let swapped = crop_by_mask(&picture, &mask, Channels::Swapped).unwrap();
        let back: Vec<u8> = swapped.pixels.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        assert!(back == recorded.pixels && swapped.pixels != recorded.pixels);
    }

    #[test]
    fn a_picture_of_pixels_is_cut_the_same_way() {
        let (picture, bits) = ring();
        let pixels = RgbImage::from_raw(23, 17, picture.pixels.clone()).unwrap();
        let mask = Mask { width: 23, height: 17, bits };
        for channels in [Channels::Rgb, Channels::Swapped] {
            let wanted = crop_by_mask(&picture, &mask.bits, channels).unwrap();
            assert_eq!(crop_image_by_mask(&pixels, &mask, channels).unwrap(), wanted);
        }
        let turned = Mask { width: 17, height: 23, ..mask };
        let refused = crop_image_by_mask(&pixels, &turned, Channels::Rgb).unwrap_err();
        assert_eq!(refused.class, "bad_mask");
    }

    #[test]
    fn one_pixel_and_the_whole_picture_are_crops() {
        let (picture, mask) = ring();
        let mut one = vec![0; mask.len()];
        *one.last_mut().unwrap() = 1;
        let crop = crop_by_mask(&picture, &one, Channels::Rgb).unwrap();
        assert_eq!((crop.width, crop.height), (1, 1));
        assert_eq!(crop.pixels, picture.pixels[picture.pixels.len() - 3..]);
        assert_eq!(crop_by_mask(&picture, &vec![1; mask.len()], Channels::Rgb).unwrap(), picture);
    }

    /// Noise, so that runs of every length start and end everywhere, against a walk from pixel to pixel.
    #[test]
    fn any_mask_cuts_out_what_is_inside() {
        let (picture, _) = ring();
        let (width, height) = (picture.width as usize, picture.height as usize);
        let mut state = 1u32;
        for round in 1..200u32 {
            let mut draw = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            };
            let mask: Vec<u8> = (0..width * height).map(|_| (draw() % 600 < round * 3) as u8 * 7).collect();
            let inside: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] != 0).collect();
            let Some((top, bottom)) = inside.first().zip(inside.last()).map(|(a, b)| (a / width, b / width))
            else {
                continue;
            };
            let left = inside.iter().map(|at| at % width).min().unwrap();
            let right = inside.iter().map(|at| at % width).max().unwrap();
            let mut wanted: Vec<u8> = Vec::new();
            for at in (top..=bottom).flat_map(|row| row * width + left..=row * width + right) {
                let colour = &picture.pixels[3 * at..3 * at + 3];
                wanted.extend_from_slice(if mask[at] == 0 { &[255; 3] } else { colour });
            }
            let crop = crop_by_mask(&picture, &mask, Channels::Rgb).unwrap();
            assert_eq!((crop.width as usize, crop.height as usize), (right + 1 - left, bottom + 1 - top));
            assert_eq!(crop.pixels, wanted, "round {round}");
        }
    }

    #[test]
    fn an_empty_mask_and_one_of_another_size_are_refused() {
        let (picture, mask) = ring();
        let class =
            |mask: &[u8], picture: &Rgb| crop_by_mask(picture, mask, Channels::Rgb).unwrap_err().class;
        assert_eq!(class(&vec![0; mask.len()], &picture), "empty_mask");
        assert_eq!(class(&mask[1..], &picture), "bad_mask");
        assert_eq!(class(&[], &picture), "bad_mask");
        let scaled = Rgb { full_width: 46, full_height: 34, ..picture };
        assert_eq!(class(&mask, &scaled), "bad_mask");
    }
}

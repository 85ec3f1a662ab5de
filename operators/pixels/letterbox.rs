//! Letterboxing: puts a picture into a detector's square with its aspect kept and the rest filled with grey; and brings boxes back to the
//! picture.
//!
//! Two families of detectors round differently, and may be a pixel apart. Sizes, resampling and padding are theirs; the arithmetic of the
//! resampling is OpenCV's to the bit (see `resize`). There are two steps, because a picture waits for its batch: [`Letterbox::fit`] gives
//! the 3 S S bytes that wait, and `Boxed::write_tensor` the floats, which are four times larger.

pub(super) mod resize;

use std::str::FromStr;

use threshflow::row::Refusal;

use super::UnknownName;
use crate::pixels::decode::Rgb;

/// Whose rounding and resampling the letterbox follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterboxFamily {
    /// mmyolo, and so the YOLO-World that ImgEdit ran: sizes rounded down, shrunk by area average, enlarged linearly, the
    /// odd pixel of padding to the right and below.
    #[default]
    Mmyolo,
    /// ultralytics: sizes rounded half to even, linear both ways, without antialiasing.
    Ultralytics,
}

impl FromStr for LetterboxFamily {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "mmyolo" => Ok(LetterboxFamily::Mmyolo),
            "ultralytics" => Ok(LetterboxFamily::Ultralytics),
            _ => Err(UnknownName {
                what: "--letterbox",
                found: text.to_string(),
                allowed: "mmyolo or ultralytics",
            }),
        }
    }
}

/// A detector's input: a square of `size` x `size` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    pub family: LetterboxFamily,
    /// The edge of the square in pixels, above 0: 640 for the detectors that are about.
    pub size: u32,
}

/// A picture in its square.
#[derive(Clone, Debug, PartialEq)]
pub struct Boxed {
    /// Row by row from the top, R G B: `3 * size * size` bytes.
    pub pixels: Vec<u8>,
    /// The way back.
    pub to_source: Placement,
}

/// Where a picture lies in its square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Pixels of padding to the left of the picture, and above it.
    pub left: u32,
    pub top: u32,
    /// Pixels of the square a pixel of the source, along each axis.
    pub scale_x: f64,
    pub scale_y: f64,
    /// Of the source, in pixels.
    pub width: u32,
    pub height: u32,
}

/// The grey around the picture, in every channel.
const PADDING: u8 = 114;

impl Default for Letterbox {
    /// mmyolo's, at 640 pixels.
    fn default() -> Self {
        Letterbox { family: LetterboxFamily::default(), size: 640 }
    }
}

impl Letterbox {
    /// Bytes of one picture as [`Letterbox::fit`] gives it: 3 a pixel.
    pub(crate) fn boxed_bytes(&self) -> usize {
        3 * self.size as usize * self.size as usize
    }

    /// What shapes the values, for the stamp.
    pub fn stamp(&self) -> String {
        format!("letterbox/1 {self:?}")
    }

    /// Resizes `picture` into the square, its aspect kept, and pads.
    ///
    /// The bytes are those of OpenCV 5.0 for the same picture, without tolerance. Refusal classes: `too_narrow` (the shorter
    /// edge would round to nothing), `scaled_picture` (not decoded for [`Purpose::Full`](crate::pixels::decode::Purpose::Full)).
    ///
    /// ```
    /// use operators::{pixels::decode::Rgb, pixels::letterbox::Letterbox};
    /// let white = Rgb::full(1280, 640, vec![255; 1280 * 640 * 3]).unwrap();
    /// let boxed = Letterbox::default().fit(&white).unwrap();
    /// assert_eq!((boxed.pixels[0], boxed.pixels[3 * 640 * 320]), (114, 255));
    /// assert_eq!(boxed.to_source.box_in_source([0.0, 160.0, 640.0, 480.0]), [0.0, 0.0, 1280.0, 640.0]);
    /// ```
    pub fn fit(&self, picture: &Rgb) -> Result<Boxed, Refusal> {
        if (picture.width, picture.height) != (picture.full_width, picture.full_height) {
            let message = format!(
                "{} x {} pixels of a picture of {} x {}: a letterbox takes every pixel; decode for Purpose::Full",
                picture.width, picture.height, picture.full_width, picture.full_height
            );
            return Err(Refusal::permanent("scaled_picture", message));
        }
        let (inner, to_source) = self.place(picture.width, picture.height)?;
        let source = (picture.width as usize, picture.height as usize);
        let target = (inner.0 as usize, inner.1 as usize);
        let shrinks = inner.0 < picture.width || inner.1 < picture.height;
        let resized = match self.family {
            _ if source == target => picture.pixels.clone(),
            LetterboxFamily::Mmyolo if shrinks => resize::by_area(&picture.pixels, source, target),
            _ => resize::linearly(&picture.pixels, source, target),
        };
        let edge = self.size as usize;
        let mut pixels = vec![PADDING; self.boxed_bytes()];
        let rows = pixels.chunks_exact_mut(3 * edge).skip(to_source.top as usize);
        for (row, inside) in rows.zip(resized.chunks_exact(3 * target.0)) {
            row[3 * to_source.left as usize..][..inside.len()].copy_from_slice(inside);
        }
        Ok(Boxed { pixels, to_source })
    }

    /// Width and height of the picture in the square, and the way back.
    fn place(&self, width: u32, height: u32) -> Result<((u32, u32), Placement), Refusal> {
        let edge = f64::from(self.size);
        let ratio = edge / f64::from(width.max(height));
        let (across, down) = (f64::from(width) * ratio, f64::from(height) * ratio);
        let round = |length: f64| match self.family {
            // Products that end a rounding error below a whole number lose a pixel here, as they do there.
            LetterboxFamily::Mmyolo => length.floor() as u32,
            LetterboxFamily::Ultralytics => length.round_ties_even() as u32,
        };
        let inner = (round(across).min(self.size), round(down).min(self.size));
        if inner.0 == 0 || inner.1 == 0 {
            let message = format!(
                "{width} x {height} pixels: in a square of {} the shorter edge is less than one pixel; crop the picture first",
                self.size
            );
            return Err(Refusal::permanent("too_narrow", message));
        }
        let pad = |inner: u32| match self.family {
            LetterboxFamily::Mmyolo => (self.size - inner) / 2,
            // Half the padding, halves rounded down.
            LetterboxFamily::Ultralytics => {
                (f64::from(self.size - inner) / 2.0 - 0.1).round_ties_even().max(0.0) as u32
            }
        };
        let (scale_x, scale_y) = match self.family {
            LetterboxFamily::Mmyolo => {
                (f64::from(inner.0) / f64::from(width), f64::from(inner.1) / f64::from(height))
            }
            LetterboxFamily::Ultralytics => (ratio, ratio),
        };
        let (left, top) = (pad(inner.0), pad(inner.1));
        Ok((inner, Placement { left, top, scale_x, scale_y, width, height }))
    }
}

impl Boxed {
    /// Writes the picture as float32 from 0 to 1, channel by channel (all of R, then G, then B): as many values as there are
    /// bytes, one slot of a batch.
    ///
    /// Panics if `slot` has another length: both are made by the same caller.
    pub(crate) fn write_tensor(&self, slot: &mut [f32]) {
        assert_eq!(slot.len(), self.pixels.len(), "a picture and its slot of the batch");
        let table: [f32; 256] = std::array::from_fn(|byte| byte as f32 / 255.0);
        let plane = slot.len() / 3;
        let (red, rest) = slot.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (((pixel, red), green), blue) in self.pixels.chunks_exact(3).zip(red).zip(green).zip(blue) {
            *red = table[usize::from(pixel[0])];
            *green = table[usize::from(pixel[1])];
            *blue = table[usize::from(pixel[2])];
        }
    }
}

impl Placement {
    /// A box (x1, y1, x2, y2) from pixels of the square to pixels of the source, cut off at the source's edges.
    ///
    /// In float32, the padding subtracted and then divided by the scale, as the detectors' own code does it. A box that
    /// lies in the padding comes back with no area.
    pub fn box_in_source(&self, bbox: [f32; 4]) -> [f32; 4] {
        let x = |x: f32| ((x - self.left as f32) / self.scale_x as f32).clamp(0.0, self.width as f32);
        let y = |y: f32| ((y - self.top as f32) / self.scale_y as f32).clamp(0.0, self.height as f32);
        [x(bbox[0]), y(bbox[1]), x(bbox[2]), y(bbox[3])]
    }
}

#[cfg(test)]
mod tests;

//! Fitting: from a decoded picture to the pixels that a model of any kind takes, in the ways that models are trained with.
//!
//! Two families of resizing are known, since a model's score depends on whose pixels it sees: Pillow's filters, which antialias (also
//! torchvision's with `antialias=True`), and OpenCV's linear one, which does not (`cv2.resize` as it is called by default).

use libjpeg_turbo_rs::{Encoder, PixelFormat};
use threshflow::row::Refusal;
use threshflow::shard::Format;

use crate::pixels::clip_crop::Resample;
use crate::pixels::decode::{Purpose, Rgb, decode};
use crate::pixels::letterbox::resize::part_linearly;
use crate::pixels::pillow::part_resampled;

/// Width and height in pixels.
pub type Size = (u32, u32);

/// How a picture of any size becomes one that the model takes. Sizes are above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Both edges are resized; the aspect is not kept.
    Squash { size: Size },
    /// Squashed to `resize`, then the centre is cut out: it starts at half the difference, rounded down.
    SquashThenCrop { resize: Size, size: Size },
    /// The shorter edge becomes `shortest_side`, the longer is in proportion, rounded down; then the centre is cut out, likewise.
    ShortestSideThenCrop { shortest_side: u32, size: Size },
    /// As large as it fits with its aspect kept, rounded to the nearest pixel; the rest has the value `pad` in every channel.
    Letterbox { size: Size, pad: u8, place: Place },
    /// The aspect is kept and nothing is cut or padded: pictures differ in size. Edges are multiples of `multiple_of`, the nearest ones.
    KeepAspect(Bounds),
}

/// Where a picture lies in its letterbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the middle; an odd pixel of padding is to the right and below.
    Centre,
    /// At the top left.
    TopLeft,
}

/// Of pictures whose aspect is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A shorter side below this is enlarged to it. 0: none is.
    pub shortest_side: u32,
    /// A longer side above this is shrunk to it. It has the last word.
    pub longest_side: u32,
    /// 1 or more.
    pub multiple_of: u32,
}

/// Whose resizing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Pillow(Resample),
    OpenCvLinear,
}

/// All that turns a picture into a model's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitting {
    pub fit: Fit,
    pub filter: Filter,
    /// From 1 to 100: then the fitted picture is written as a JPEG of this quality and read again, as Pillow does both. Some models'
    /// own code does so, and their scores depend on it.
    pub jpeg_quality: Option<u8>,
}

/// A picture as a model takes it: RGB, 3 bytes a pixel, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
}

/// Raise this when the code changes what a fitted picture is.
const VERSION: &str = "fit/1";

impl Fitting {
    /// What shapes the pixels, for the stamp.
    pub fn stamp(&self) -> String {
        format!("{VERSION} {self:?}")
    }

    /// The size of every fitted picture, where it is one.
    pub fn size(&self) -> Option<Size> {
        match self.fit {
            Fit::Squash { size }
            | Fit::SquashThenCrop { size, .. }
            | Fit::ShortestSideThenCrop { size, .. }
            | Fit::Letterbox { size, .. } => Some(size),
            Fit::KeepAspect(_) => None,
        }
    }

    /// The size that a picture of this size is given.
    pub fn size_of(&self, (width, height): Size) -> Size {
        match self.fit {
            Fit::KeepAspect(bounds) => bounds.size_of((width, height)),
            _ => self.size().unwrap_or((width, height)),
        }
    }

    /// Fits `picture`, which must be decoded for [`Purpose::Full`]. Refusal classes: `scaled_picture` (it was not), `too_narrow` (the
    /// shorter edge would round to nothing in the letterbox), `bad_picture`.
    ///
    /// The bytes are those of Pillow 13.0 and of OpenCV 5.0 for the same picture, without tolerance.
    ///
    /// ```
    /// use operators::pixels::decode::Rgb;
    /// use operators::pixels::fit::{Filter, Fit, Fitting, Place};
    /// let white = Rgb::full(640, 320, vec![255; 640 * 320 * 3]).unwrap();
    /// let fit = Fit::Letterbox { size: (64, 64), pad: 114, place: Place::Centre };
    /// let fitted = Fitting { fit, filter: Filter::OpenCvLinear, jpeg_quality: None }.apply(&white).unwrap();
    /// assert_eq!((fitted.pixels[0], fitted.pixels[3 * 64 * 32]), (114, 255));
    /// ```
    pub fn apply(&self, picture: &Rgb) -> Result<Fitted, Refusal> {
        if (picture.width, picture.height) != (picture.full_width, picture.full_height) {
            let message = format!(
                "{} x {} pixels of a picture of {} x {}: every pixel is needed; decode for Purpose::Full",
                picture.width, picture.height, picture.full_width, picture.full_height
            );
            return Err(Refusal::permanent("scaled_picture", message));
        }
        let fitted = self.resize(picture)?;
        match self.jpeg_quality {
            Some(quality) => through_jpeg(&fitted, quality),
            None => Ok(fitted),
        }
    }

    fn resize(&self, picture: &Rgb) -> Result<Fitted, Refusal> {
        let whole = |size: Size| self.cut(picture, size, size);
        Ok(match self.fit {
            Fit::Squash { size } => whole(size),
            Fit::SquashThenCrop { resize, size } => self.cut(picture, resize, size),
            Fit::ShortestSideThenCrop { shortest_side, size } => {
                let short = u64::from(picture.width.min(picture.height));
                let scaled = |edge: u32| {
                    let edge = u64::from(shortest_side) * u64::from(edge) / short;
                    u32::try_from(edge).unwrap_or(u32::MAX).max(shortest_side)
                };
                self.cut(picture, (scaled(picture.width), scaled(picture.height)), size)
            }
            Fit::Letterbox { size, pad, place } => {
                whole(within((picture.width, picture.height), size)?).padded(size, pad, place)
            }
            Fit::KeepAspect(bounds) => whole(bounds.size_of((picture.width, picture.height))),
        })
    }

    /// The centre of the picture, `size` large, after a resize to `resized`.
    fn cut(&self, picture: &Rgb, resized: Size, size: Size) -> Fitted {
        let offset = ((resized.0 - size.0.min(resized.0)) / 2, (resized.1 - size.1.min(resized.1)) / 2);
        let part = |offset: u32, length: u32| offset as usize..offset as usize + length as usize;
        let part = (part(offset.0, size.0), part(offset.1, size.1));
        let wide = |(a, b): Size| (a as usize, b as usize);
        let (from, to) = (wide((picture.width, picture.height)), wide(resized));
        let pixels = match self.filter {
            Filter::Pillow(filter) => part_resampled(&picture.pixels, from, to, part, filter),
            Filter::OpenCvLinear => part_linearly(&picture.pixels, from, to, part),
        };
        Fitted { width: size.0, height: size.1, pixels }
    }
}

impl Bounds {
    /// The size that a picture of this size is given: the shorter side first, then the longer, then multiples.
    fn size_of(self, (width, height): Size) -> Size {
        let (short, long) = (f64::from(width.min(height)), f64::from(width.max(height)));
        let mut ratio =
            if short < f64::from(self.shortest_side) { f64::from(self.shortest_side) / short } else { 1.0 };
        if long * ratio > f64::from(self.longest_side) {
            ratio = f64::from(self.longest_side) / long;
        }
        let multiple = f64::from(self.multiple_of);
        let most = (self.longest_side / self.multiple_of).max(1);
        let edge = |edge: u32| {
            let times = ((f64::from(edge) * ratio).floor() / multiple).round_ties_even() as u32;
            times.clamp(1, most) * self.multiple_of
        };
        (edge(width), edge(height))
    }
}

/// The largest size of a picture's aspect within `size`.
fn within((width, height): Size, size: Size) -> Result<Size, Refusal> {
    let ratio = (f64::from(size.0) / f64::from(width)).min(f64::from(size.1) / f64::from(height));
    let inner = |edge: u32, most: u32| ((f64::from(edge) * ratio).round_ties_even() as u32).min(most);
    let inner = (inner(width, size.0), inner(height, size.1));
    if inner.0 > 0 && inner.1 > 0 {
        return Ok(inner);
    }
    let message = format!(
        "{width} x {height} pixels: in a letterbox of {} x {} the shorter edge is less than one pixel; crop the picture first",
        size.0, size.1
    );
    Err(Refusal::permanent("too_narrow", message))
}

impl Fitted {
    /// The picture within `size`, and `pad` around it.
    fn padded(&self, size: Size, pad: u8, place: Place) -> Fitted {
        let (left, top) = match place {
            Place::Centre => ((size.0 - self.width) / 2, (size.1 - self.height) / 2),
            Place::TopLeft => (0, 0),
        };
        let row = 3 * size.0 as usize;
        let mut pixels = vec![pad; row * size.1 as usize];
        let inside = self.pixels.chunks_exact(3 * self.width as usize);
        for (row, inside) in pixels.chunks_exact_mut(row).skip(top as usize).zip(inside) {
            row[3 * left as usize..][..inside.len()].copy_from_slice(inside);
        }
        Fitted { width: size.0, height: size.1, pixels }
    }
}

/// Written as a JPEG with Pillow's defaults (chroma halved both ways), and read again.
fn through_jpeg(fitted: &Fitted, quality: u8) -> Result<Fitted, Refusal> {
    let (width, height) = (fitted.width as usize, fitted.height as usize);
    let written = Encoder::new(&fitted.pixels, width, height, PixelFormat::Rgb)
        .quality(quality)
        .force_baseline(true)
        .encode()
        .map_err(|why| {
            Refusal::permanent("bad_picture", format!("writing {width} x {height} pixels as a JPEG: {why}"))
        })?;
    let pixels = decode(&written, Format::Jpeg, 1, Purpose::Full)?.pixels;
    Ok(Fitted { pixels, ..*fitted })
}

#[cfg(test)]
mod tests;

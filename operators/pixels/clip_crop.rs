//! CLIP's preprocessing: from a decoded picture to the pixel_values that CLIP-like models take.
//!
//! The shorter edge is resized to S with an antialiasing filter (the longer to `int(S * long / short)`). The centre S x S is cut out.
//! Values are rescaled to 0..1 and normalised by channel. Some models want the whole picture squashed to S x S instead
//! ([`Family::Squash`]). The arithmetic is Pillow's and, from the crop on, float32. Sources: openai/CLIP `clip.py`, transformers
//! `image_processing_clip.py`. There are two steps, because a crop waits for its batch: [`Preprocess::crop_u8`] gives the 3 S S bytes that
//! wait, and `Preprocess::write_tensor` the floats, which are four times larger.

pub(crate) mod config;

use threshflow::row::Refusal;

use crate::pixels::decode::{Rgb, Window};
use crate::pixels::resize::{FilterType, RgbBytes, resize};

pub use config::PreprocessError;

/// The filter of the resize, each antialiased (its support grows with the ratio), as Pillow numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// Pillow's 1: Lanczos of radius 3.
    Lanczos,
    /// Pillow's 2: triangle.
    Bilinear,
    /// Pillow's 3: Keys' cubic with a = -0.5, that is Catmull-Rom.
    Bicubic,
}

impl Resample {
    fn filter(self) -> FilterType {
        match self {
            Resample::Lanczos => FilterType::Lanczos3,
            Resample::Bilinear => FilterType::Bilinear,
            Resample::Bicubic => FilterType::CatmullRom,
        }
    }

    /// How far the filter reaches, in pixels of the smaller of the two grids.
    fn radius(self) -> f64 {
        match self {
            Resample::Lanczos => 3.0,
            Resample::Bilinear => 1.0,
            Resample::Bicubic => 2.0,
        }
    }
}

/// How a picture becomes a square: whose rounding the centre crop follows, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// openai/CLIP and open_clip: the crop starts at (n - S) / 2, halves rounded to even.
    OpenAi,
    /// Hugging Face transformers: the crop starts at (n - S) / 2, rounded down.
    HuggingFace,
    /// Nothing is cut: both edges are resized to S, the aspect is not kept. open_clip's resize mode `squash` (DFN5B, SigLIP).
    Squash,
}

/// All that is decided about preprocessing, parsed once.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// The shorter edge after the resize, in pixels.
    pub size: u32,
    /// The edge of the square that is cut out, in pixels: at most `size`, and the same where nothing is cut.
    pub crop: u32,
    pub resample: Resample,
    /// What a byte is multiplied by: 1/255.
    pub rescale: f32,
    /// Subtracted by channel (R, G, B) after rescaling.
    pub mean: [f32; 3],
    /// Divided by, by channel, after the mean.
    pub std: [f32; 3],
    pub family: Family,
}

impl Default for Preprocess {
    /// OpenAI's CLIP at 224 pixels.
    fn default() -> Self {
        Preprocess {
            size: 224,
            crop: 224,
            resample: Resample::Bicubic,
            rescale: 1.0 / 255.0,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
            family: Family::OpenAi,
        }
    }
}

impl Preprocess {
    /// Bytes of one crop as [`Preprocess::crop_u8`] gives it: 3 a pixel.
    pub(crate) fn crop_bytes(&self) -> usize {
        3 * self.crop as usize * self.crop as usize
    }

    /// What shapes the values, for the stamp.
    pub fn stamp(&self) -> String {
        format!("clip_crop/1 {self:?}")
    }

    /// Resizes and cuts, or squashes, `picture`: crop x crop pixels, 3 bytes each, row by row.
    ///
    /// As Pillow does, rows first and then columns, rounded to bytes in between (on the way `3 * crop * height` bytes are held);
    /// only what the crop shows is computed. Against
    /// Pillow's bytes for the same picture, values are off by 1 here and there and never by more than 2: the resize works with
    /// 16-bit weights, where Pillow's have 22 bits.
    ///
    /// ```
    /// use operators::{pixels::clip_crop::Preprocess, pixels::decode::Rgb};
    /// let grey = Rgb::full(640, 480, vec![90; 640 * 480 * 3]).unwrap();
    /// assert_eq!(Preprocess::default().crop_u8(&grey).unwrap(), vec![90; 224 * 224 * 3]);
    /// ```
    pub fn crop_u8(&self, picture: &Rgb) -> Result<Vec<u8>, Refusal> {
        let (across, down) = self.nominal_size(picture.full_width, picture.full_height);
        let window = &picture.window;
        let (left, width) = self.span(across, window.left, window.width, picture.width);
        let (top, height) = self.span(down, window.top, window.height, picture.height);
        // The rows that the crop's columns reach for, a few of them beyond the crop.
        let reach = self.resample.radius() * (height / f64::from(self.crop)).max(1.0) + 1.0;
        let first = (top - reach).floor().max(0.0) as u32;
        let last = ((top + height + reach).ceil() as u32).min(picture.height);
        let row = 3 * picture.width as usize;
        let rows = &picture.pixels[first as usize * row..last as usize * row];
        let lines = f64::from(last - first);
        let narrow =
            self.resize((picture.width, last - first, rows), (left, 0.0, width, lines), last - first)?;
        let columns = (0.0, top - f64::from(first), f64::from(self.crop), height);
        self.resize((self.crop, last - first, &narrow), columns, self.crop)
    }

    /// Resizes the window (left, top, width, height) of (width, height, pixels) to `crop` x `out_height`.
    fn resize(
        &self,
        (width, height, pixels): (u32, u32, &[u8]),
        window: (f64, f64, f64, f64),
        out_height: u32,
    ) -> Result<Vec<u8>, Refusal> {
        let failed =
            |why: String| Refusal::permanent("bad_picture", format!("resizing {width} x {height}: {why}"));
        let window = Window { left: window.0, top: window.1, width: window.2, height: window.3 };
        let source = RgbBytes { width, height, pixels };
        resize(source, window, (self.crop, out_height), self.resample.filter()).map_err(failed)
    }

    /// Writes one crop as float32, channel by channel (all of R, then G, then B): `3 * crop * crop` values, one slot of a batch.
    ///
    /// Panics if `crop` or `slot` has another length: both are made by the same caller.
    pub(crate) fn write_tensor(&self, crop: &[u8], slot: &mut [f32]) {
        let plane = self.crop as usize * self.crop as usize;
        assert_eq!((crop.len(), slot.len()), (3 * plane, 3 * plane), "a crop and its slot of the batch");
        let table = self.table();
        let (red, rest) = slot.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (((pixel, red), green), blue) in crop.chunks_exact(3).zip(red).zip(green).zip(blue) {
            *red = table[0][usize::from(pixel[0])];
            *green = table[1][usize::from(pixel[1])];
            *blue = table[2][usize::from(pixel[2])];
        }
    }

    /// What every byte becomes, by channel.
    fn table(&self) -> [[f32; 256]; 3] {
        let value = |channel: usize, byte: usize| {
            (byte as f32 * self.rescale - self.mean[channel]) / self.std[channel]
        };
        std::array::from_fn(|channel| std::array::from_fn(|byte| value(channel, byte)))
    }

    /// Size of the whole picture after the resize: the shorter edge `size`, the longer rounded down; squashed, both `crop`.
    fn nominal_size(&self, width: u32, height: u32) -> (u64, u64) {
        if self.family == Family::Squash {
            return (self.crop.into(), self.crop.into());
        }
        let (size, short) = (u64::from(self.size), u64::from(width.min(height)));
        let scaled = |edge: u32| (size * u64::from(edge) / short).max(size);
        (scaled(width), scaled(height))
    }

    /// Along one axis: where the crop lies on the source grid, of which `[start, start + length)` becomes `resized` pixels.
    fn span(&self, resized: u64, start: f64, length: f64, grid: u32) -> (f64, f64) {
        let over = resized - u64::from(self.crop);
        let offset = match self.family {
            Family::HuggingFace | Family::Squash => over / 2,
            Family::OpenAi => over / 2 + u64::from(over % 4 == 3),
        };
        let ratio = length / resized as f64;
        let from = start + offset as f64 * ratio;
        // The product may end a rounding error behind the grid's end.
        (from, (f64::from(self.crop) * ratio).min(f64::from(grid) - from))
    }
}

#[cfg(test)]
mod tests;

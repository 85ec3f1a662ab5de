//! The pictures of a form: scaled down if they are too large, as PNGs; the mask as transparency.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use threshflow::row::Refusal;

use super::{Masks, Part, reference};
use crate::editors::Pass;
use crate::pixels::mask::Mask;
use crate::pixels::resize::{FilterType, RgbBytes, resize};
use crate::plan::edit_plan::Changes;

/// The files that go with a form: PNGs.
pub(super) struct Sent {
    picture: Vec<u8>,
    reference: Option<Vec<u8>>,
    mask: Option<Vec<u8>>,
}

impl Sent {
    /// The pictures of a pass, each of at most `most_pixels`, and the mask at the size of the first.
    pub(super) fn of(pass: &Pass<'_>, masks: Masks, most_pixels: u64) -> Result<Self, Refusal> {
        let size = pass.picture.dimensions();
        let shown = fitted(size, most_pixels);
        let mask = match (masks, pass.operation.changes(), pass.mask) {
            (Masks::NotSent, ..) | (_, Changes::Surroundings, _) | (.., None) => None,
            (Masks::Sent, _, Some(mask)) => Some(transparency(mask, size, shown)?),
        };
        let reference = reference(pass)?
            .map(|reference| png_of(reference, fitted(reference.dimensions(), most_pixels)))
            .transpose()?;
        Ok(Sent { picture: png_of(pass.picture, shown)?, reference, mask })
    }

    /// A single picture is `image`, and of two each is `image[]`: so do OpenAI's own clients.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let file = |name, file_name, bytes| Part::File { name, file_name, mime: "image/png", bytes };
        let mut parts = match &self.reference {
            None => vec![file("image", "picture.png", &self.picture)],
            Some(reference) => vec![
                file("image[]", "picture.png", &self.picture),
                file("image[]", "reference.png", reference),
            ],
        };
        parts.extend(self.mask.iter().map(|mask| file("mask", "mask.png", mask)));
        parts
    }
}

/// The largest size of about the same shape that has no more than so many pixels; never a larger one than it is.
fn fitted((width, height): (u32, u32), most_pixels: u64) -> (u32, u32) {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= most_pixels {
        return (width, height);
    }
    let scale = (most_pixels as f64 / pixels as f64).sqrt();
    let short = ((f64::from(width.min(height)) * scale).floor() as u64).max(1);
    let long = ((f64::from(width.max(height)) * scale).round() as u64).clamp(1, (most_pixels / short).max(1));
    match width <= height {
        true => (short as u32, long as u32),
        false => (long as u32, short as u32),
    }
}

/// A PNG of the picture at this size.
fn png_of(picture: &RgbImage, (width, height): (u32, u32)) -> Result<Vec<u8>, Refusal> {
    let bad = |why: String| {
        let (from, to) = picture.dimensions();
        Refusal::permanent(
            "bad_picture",
            format!("{from} x {to} pixels can't be sent as {width} x {height}: {why}"),
        )
    };
    if (width, height) == picture.dimensions() {
        return png(picture.as_raw(), (width, height), ExtendedColorType::Rgb8).map_err(bad);
    }
    let source = RgbBytes { width: picture.width(), height: picture.height(), pixels: picture.as_raw() };
    let made = resize(source, source.whole(), (width, height), FilterType::CatmullRom).map_err(bad)?;
    png(&made, (width, height), ExtendedColorType::Rgb8).map_err(bad)
}

/// An RGBA PNG of size `shown`, transparent wherever a pixel of the mask falls, black and opaque elsewhere.
fn transparency(mask: &Mask, size: (u32, u32), shown: (u32, u32)) -> Result<Vec<u8>, Refusal> {
    if (mask.width, mask.height) != size || mask.bits.len() as u64 != u64::from(size.0) * u64::from(size.1) {
        let message = format!(
            "a mask of {} x {} pixels for a picture of {} x {}; give one of the same size",
            mask.width, mask.height, size.0, size.1
        );
        return Err(Refusal::permanent("bad_mask", message));
    }
    let mut pixels = [0, 0, 0, 255].repeat(shown.0 as usize * shown.1 as usize);
    let scaled = |at: usize, shown: u32, whole: u32| at as u64 * u64::from(shown) / u64::from(whole);
    for (y, row) in mask.bits.chunks_exact(size.0.max(1) as usize).enumerate() {
        let y = scaled(y, shown.1, size.1);
        for (x, _) in row.iter().enumerate().filter(|(_, bit)| **bit != 0) {
            let at = y * u64::from(shown.0) + scaled(x, shown.0, size.0);
            pixels[at as usize * 4 + 3] = 0;
        }
    }
    png(&pixels, shown, ExtendedColorType::Rgba8)
        .map_err(|why| Refusal::permanent("bad_mask", format!("the mask can't be sent: {why}")))
}

fn png(pixels: &[u8], (width, height): (u32, u32), colours: ExtendedColorType) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let written = PngEncoder::new(&mut bytes).write_image(pixels, width, height, colours);
    written.map(|()| bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fit_and_keep_their_shape() {
        assert_eq!(fitted((4000, 3000), 1_500_000), (1414, 1060));
        assert_eq!(fitted((3000, 4000), 1_500_000), (1060, 1414));
        assert_eq!(fitted((1000, 1500), 1_500_000), (1000, 1500));
        assert_eq!(fitted((1_000_000, 1), 4096), (4096, 1));
        for size in [(16_384, 7), (4097, 4096), (1, 99_999), (5000, 4999)] {
            let (width, height) = fitted(size, 4096);
            assert!(width >= 1 && height >= 1 && u64::from(width) * u64::from(height) <= 4096, "{size:?}");
        }
    }

    #[test]
    fn a_scaled_mask_loses_no_pixel() {
        let mut mask = Mask::empty(100, 80);
        mask.bits[79 * 100 + 99] = 1;
        mask.bits[41 * 100 + 10] = 1;
        let png = transparency(&mask, (100, 80), (25, 20)).unwrap();
        let read = image::load_from_memory(&png).unwrap().to_rgba8();
        assert_eq!(read.dimensions(), (25, 20));
        let clear: Vec<_> =
            read.enumerate_pixels().filter(|(.., pixel)| pixel.0[3] == 0).map(|(x, y, _)| (x, y)).collect();
        assert_eq!(clear, [(2, 10), (24, 19)]);
        assert!(read.pixels().all(|pixel| [0, 255].contains(&pixel.0[3])));
    }
}

//! Pictures and masks, decoded and compared.

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader};
use operators::decode::{Purpose, Rgb, decode};
use threshflow::row::{ContentHash, Refusal};
use threshflow::shard::Format;

/// A picture that decodes.
pub struct Shown {
    /// Of its bytes.
    pub hash: ContentHash,
    pub rgb: Rgb,
}

impl Shown {
    pub fn size(&self) -> [u32; 2] {
        [self.rgb.width, self.rgb.height]
    }
}

/// Decodes a picture of any format that a sample may have, upright.
pub fn open(bytes: &[u8]) -> Result<Shown, Refusal> {
    let format = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => Format::Jpeg,
        Ok(ImageFormat::Png) => Format::Png,
        Ok(ImageFormat::WebP) => Format::WebP,
        Ok(ImageFormat::Gif) => Format::Gif,
        Ok(ImageFormat::Bmp) => Format::Bmp,
        Ok(ImageFormat::Tiff) => Format::Tiff,
        _ => return Err(Refusal::new("bad_picture", "its first bytes are those of no picture format")),
    };
    let decoder = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok();
    let orientation = decoder.and_then(|reader| reader.into_decoder().ok()?.orientation().ok());
    let orientation = orientation.map_or(1, image::metadata::Orientation::to_exif);
    let rgb = decode(bytes, format, orientation, Purpose::Full)?;
    Ok(Shown { hash: ContentHash::of(bytes), rgb })
}

/// Whether two pictures show the same, to the pixel.
pub fn are_same(a: &Shown, b: &Shown) -> bool {
    a.hash == b.hash || (a.size() == b.size() && a.rgb.pixels == b.rgb.pixels)
}

/// How many pixels of a mask are set: white, or more white than black.
pub fn area(mask: &Shown) -> usize {
    mask.rgb.pixels.chunks_exact(3).filter(|pixel| pixel[0] > 127).count()
}

/// The mean difference of two pictures inside a mask of their size, in levels of 255; `None` where the sizes differ, or the mask
/// is empty.
pub fn difference_inside(a: &Shown, b: &Shown, mask: &Shown) -> Option<f64> {
    if a.size() != b.size() || a.size() != mask.size() {
        return None;
    }
    let (mut sum, mut count) = (0_u64, 0_u64);
    let pixels = |shown: &'_ Shown| shown.rgb.pixels.len();
    debug_assert_eq!(pixels(a), pixels(b));
    let both = a.rgb.pixels.chunks_exact(3).zip(b.rgb.pixels.chunks_exact(3));
    for ((a, b), mask) in both.zip(mask.rgb.pixels.chunks_exact(3)) {
        if mask[0] > 127 {
            sum += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            count += 3;
        }
    }
    (count > 0).then(|| sum as f64 / count as f64)
}

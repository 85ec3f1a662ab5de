//! Pictures as they are sent: resized to a range of pixels that the model is at home with, and encoded anew. The same pixels
//! give the same bytes, on which a question's hash rests.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use threshflow::row::Refusal;

use super::Part;

/// Raise this when the code changes a picture's bytes.
pub(super) const VERSION: &str = "catmull-rom, jpeg 92/1";

const QUALITY: u8 = 92;
/// Pixels of a side that a JPEG can have.
const LONGEST_SIDE: u32 = 65_535;

/// How many pixels a picture may have when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelRange {
    pub least: u32,
    pub most: u32,
}

impl PixelRange {
    /// What ImgEdit-Judge wants: 1,016,064 to 1,354,752 pixels (1,296 to 1,728 patches of 28 x 28).
    pub const OF_A_JUDGE: PixelRange = PixelRange { least: 1_016_064, most: 1_354_752 };
    /// No more than a judge gets; small pictures stay small.
    pub const OF_A_WRITER: PixelRange = PixelRange { least: 1, most: 1_354_752 };

    /// The size that a picture is sent at: its own where that is in range, else the nearest in range of the same shape. Only
    /// where the shorter side comes to a few pixels is the shape off by more than a rounding.
    ///
    /// ```
    /// use operators::chat::PixelRange;
    /// assert_eq!(PixelRange::OF_A_JUDGE.fit(4000, 3000), (1344, 1008));
    /// assert_eq!(PixelRange::OF_A_JUDGE.fit(1200, 1000), (1200, 1000));
    /// assert_eq!(PixelRange::OF_A_WRITER.fit(64, 48), (64, 48));
    /// ```
    pub fn fit(self, width: u32, height: u32) -> (u32, u32) {
        let (most, least) = (u64::from(self.most.max(1)), u64::from(self.least.min(self.most)));
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let pixels = width * height;
        let aim = pixels.clamp(least, most);
        if aim == pixels {
            return (width as u32, height as u32);
        }
        let scale = (aim as f64 / pixels as f64).sqrt();
        let short = width.min(height) as f64 * scale;
        // Towards the inside of the range.
        let short = if scale < 1.0 { short.floor() } else { short.ceil() }.max(1.0) as u64;
        let long = (width.max(height) as f64 * scale).round() as u64;
        let long = long.clamp(least.div_ceil(short), (most / short).max(1));
        let (short, long) = (short as u32, u32::try_from(long).unwrap_or(u32::MAX));
        if width <= height { (short, long) } else { (long, short) }
    }
}

/// The picture as a part of a question: a JPEG of quality 92 within the range. Refusal classes: `too_long_picture` (a side
/// beyond 65,535 pixels), `bad_picture`.
pub fn encode(picture: &RgbImage, range: PixelRange) -> Result<Part, Refusal> {
    let bad = |why: String| Refusal::new("bad_picture", format!("the picture can't be sent: {why}"));
    let (width, height) = range.fit(picture.width(), picture.height());
    if width.max(height) > LONGEST_SIDE {
        let (from, to) = (picture.width(), picture.height());
        let message = format!(
            "a picture of {from} x {to} would be sent at {width} x {height}, and {LONGEST_SIDE} is the most"
        );
        return Err(Refusal::new("too_long_picture", message));
    }
    let resized;
    let mut pixels = picture.as_raw().as_slice();
    if (width, height) != picture.dimensions() {
        let source = ImageRef::new(picture.width(), picture.height(), pixels, PixelType::U8x3)
            .map_err(|error| bad(error.to_string()))?;
        let mut target = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        Resizer::new().resize(&source, &mut target, &options).map_err(|error| bad(error.to_string()))?;
        resized = target.into_vec();
        pixels = &resized;
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .write_image(pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| bad(error.to_string()))?;
    Ok(Part::Picture { bytes, mime: "image/jpeg" })
}

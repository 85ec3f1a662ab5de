//! Pictures as they are sent: resized to a range of pixels that the model is at home with, and encoded anew. The same pixels
//! give the same bytes, on which a question's hash rests.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use threshflow::row::Refusal;

use super::Part;
use crate::pixels::resize::{FilterType, RgbBytes, resize};

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
    /// use operators::words::chat::PixelRange;
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
    let bad = |why: String| Refusal::permanent("bad_picture", format!("the picture can't be sent: {why}"));
    if picture.width() == 0 || picture.height() == 0 {
        return Err(bad("it has no pixels".to_owned()));
    }
    let (width, height) = range.fit(picture.width(), picture.height());
    if width.max(height) > LONGEST_SIDE {
        let (from, to) = (picture.width(), picture.height());
        let message = format!(
            "a picture of {from} x {to} would be sent at {width} x {height}, and {LONGEST_SIDE} is the most"
        );
        return Err(Refusal::permanent("too_long_picture", message));
    }
    let resized;
    let mut pixels = picture.as_raw().as_slice();
    if (width, height) != picture.dimensions() {
        let source = RgbBytes { width: picture.width(), height: picture.height(), pixels };
        resized = resize(source, source.whole(), (width, height), FilterType::CatmullRom).map_err(bad)?;
        pixels = &resized;
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .write_image(pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| bad(error.to_string()))?;
    Ok(Part::Picture { bytes, mime: "image/jpeg" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 251) as u8, (y % 241) as u8, 77]))
    }

    #[test]
    fn every_size_comes_into_the_range_and_keeps_its_shape() {
        let sides = [1, 2, 3, 7, 27, 100, 333, 999, 1007, 1008, 1164, 1344, 2000, 4001, 9999, 30_000];
        for range in [PixelRange::OF_A_JUDGE, PixelRange::OF_A_WRITER] {
            for width in sides {
                for height in sides {
                    let (to_width, to_height) = range.fit(width, height);
                    let pixels = u64::from(to_width) * u64::from(to_height);
                    let inside = u64::from(range.least)..=u64::from(range.most);
                    assert!(inside.contains(&pixels), "{width} x {height}: {to_width} x {to_height}");
                    let shape = f64::from(width) / f64::from(height);
                    let change = shape / (f64::from(to_width) / f64::from(to_height));
                    let slender = to_width.min(to_height) < 100;
                    assert!(
                        slender || (change - 1.0).abs() < 0.01,
                        "{width} x {height}: {to_width} x {to_height}"
                    );
                    assert_eq!(range.fit(to_width, to_height), (to_width, to_height));
                }
            }
        }
    }

    #[test]
    fn a_picture_is_sent_as_a_jpeg_of_its_size() {
        for (range, expected) in [(PixelRange::OF_A_JUDGE, (1426, 713)), (PixelRange::OF_A_WRITER, (60, 30))]
        {
            let sent = encode(&drawn(60, 30), range);
            let Ok(Part::Picture { bytes, mime }) = &sent else { panic!("{sent:?}") };
            assert_eq!(*mime, "image/jpeg");
            let decoded = image::load_from_memory(bytes).expect("decodes").to_rgb8();
            assert_eq!(decoded.dimensions(), expected);
            assert_eq!(sent, encode(&drawn(60, 30), range));
        }
    }

    #[test]
    fn the_pixels_are_those_of_the_picture() {
        // Left dark, right light: the halves must still be there.
        let halves = RgbImage::from_fn(40, 40, |x, _| image::Rgb([if x < 20 { 10 } else { 240 }; 3]));
        let Ok(Part::Picture { bytes, .. }) = encode(&halves, PixelRange::OF_A_JUDGE) else {
            panic!("encodes")
        };
        let sent = image::load_from_memory(&bytes).expect("decodes").to_rgb8();
        for (x, level) in [(sent.width() / 4, 10), (3 * sent.width() / 4, 240)] {
            let [red, ..] = sent.get_pixel(x, sent.height() / 2).0;
            assert!(red.abs_diff(level) <= 3, "{red} at {x}");
        }
    }

    #[test]
    fn a_thread_of_a_picture_is_refused() {
        let refusal = encode(&RgbImage::new(100_000, 1), PixelRange::OF_A_WRITER).expect_err("too long");
        assert_eq!(refusal.class, "too_long_picture");
        assert!(encode(&RgbImage::new(0, 0), PixelRange::OF_A_WRITER).is_err());
    }
}

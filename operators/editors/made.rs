//! Checks what editors make before it is kept: it must be complete, and have a plausible shape.
//!
//! Editors return other sizes than they were shown. gpt-image-1 knows 1024 x 1024, 1536 x 1024 and 1024 x 1536, and takes one of them for
//! every picture. Qwen and FLUX keep the shape, at one megapixel, in steps of 8 or 16. Later steps stretch the result to the original's
//! size. So the shape may differ by `MOST_ASPECT`, and a side may be as short or long as [`sides`] says.

mod metadata;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use image::{ImageFormat, RgbImage};
use threshflow::row::Refusal;
use threshflow::shard::{Format, ReadOptions, probe};

use crate::pixels::decode::{MAX_PIXELS, decode_file};
use crate::pixels::full::as_image;

pub use metadata::without_metadata;

/// The class of what has a shape that no editor can mean. It is remembered: the same question is answered so again, until the
/// workflow or the settings change, and with them the stamp. `--retry` asks again.
pub(crate) const WRONG_SHAPE: &str = "wrong_shape";

/// The most that width / height may be another than the original's, as a factor: 2. A square for 16:9 (1.8) passes.
pub(crate) const MOST_ASPECT: f64 = 2.0;

/// How many times longer or shorter a side may be: 8; and the sizes at which every editor works, in pixels.
pub(crate) const MOST_TIMES: u32 = 8;
pub(crate) const USUAL_SIDES: RangeInclusive<u32> = 512..=2048;

/// The pixels that the side of what was made may have, where the original has so many: from an eighth of them to eight times as
/// many; but 512 are never too few, and 2048 never too many.
pub fn sides(original: u32) -> RangeInclusive<u32> {
    let least = (original / MOST_TIMES).clamp(1, *USUAL_SIDES.start());
    let most = original.saturating_mul(MOST_TIMES).max(*USUAL_SIDES.end());
    least..=most
}

/// Refused as `WRONG_SHAPE` where no editor can have meant this for a picture of `original` pixels. Reads the header only.
pub fn check_shape(made: &[u8], original: (u32, u32)) -> Result<(), Refusal> {
    let header = probe(made, &ReadOptions { max_pixels: MAX_PIXELS, ..ReadOptions::default() })?;
    let (width, height) = (u32::from(header.width), u32::from(header.height));
    let aspect = |width: u32, height: u32| f64::from(width) / f64::from(height);
    let off = aspect(width, height) / aspect(original.0, original.1);
    let fits = sides(original.0).contains(&width) && sides(original.1).contains(&height);
    if fits && (1.0 / MOST_ASPECT..=MOST_ASPECT).contains(&off) {
        return Ok(());
    }
    let (given_width, given_height) = original;
    let message = format!(
        "the editor made {width} x {height} pixels of {given_width} x {given_height}: width / height may be another by a factor of \
         {MOST_ASPECT}, and a side {MOST_TIMES} times as long or as short; set the output size in the workflow, or in the model's settings"
    );
    Err(Refusal::permanent(WRONG_SHAPE, message))
}

/// What an editor's picture may have: they answer with 1 to 16 million pixels.
const MOST_PIXELS: u64 = 64_000_000;

/// What came as it is kept: [without metadata](without_metadata), which may hold prompts and paths; once it was found to be whole.
pub(crate) fn taken(made: Vec<u8>) -> Result<Vec<u8>, String> {
    check_whole(&made)?;
    let clean = without_metadata(&made)?;
    if let Cow::Owned(clean) = clean {
        check_whole(&clean)?;
        return Ok(clean);
    }
    Ok(made)
}

/// Checks that the bytes are a whole PNG, JPEG or WebP of at most [`MOST_PIXELS`], by decoding them. The message says what they are instead,
/// and repeats nothing of them: a server may echo what it was sent.
fn check_whole(made: &[u8]) -> Result<(), String> {
    const TAKEN: &str = "PNG, JPEG and WebP are taken";
    let bytes = made.len();
    if !matches!(image::guess_format(made), Ok(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        let found =
            image::guess_format(made).map_or("no picture".to_owned(), |format| format!("a {format:?}"));
        return Err(format!("{bytes} bytes that are {found}; {TAKEN}"));
    }
    let broken = |refusal: Refusal| format!("a picture that doesn't decode ({refusal})");
    let header =
        probe(made, &ReadOptions { max_pixels: u64::MAX, ..ReadOptions::default() }).map_err(broken)?;
    let (width, height) = (header.width, header.height);
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("a picture of {width} x {height} pixels; at most {MOST_PIXELS} are taken"));
    }
    debug_assert!(matches!(header.format, Format::Png | Format::Jpeg | Format::WebP));
    decode_file(made).map(drop).map_err(broken)
}

/// A file that an editor made, or a second frame, as pixels.
pub(crate) fn pixels_of_file(bytes: &[u8]) -> Result<RgbImage, Refusal> {
    as_image(decode_file(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::new(width, height).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn what_editors_really_give_passes_and_what_none_can_mean_does_not() {
        let passes = |made: (u32, u32), original| match check_shape(&png(made.0, made.1), original) {
            Ok(()) => true,
            Err(refusal) => {
                assert_eq!(refusal.class, WRONG_SHAPE);
                assert!(refusal.message.contains(&format!("{} x {}", original.0, original.1)), "{refusal}");
                false
            }
        };
        let meant = [
            ((1024, 1024), (1344, 1344)),
            ((1536, 1024), (3840, 1600)),
            ((1024, 1536), (900, 2100)),
            ((1024, 1024), (1920, 1080)),
            ((1392, 752), (1920, 1037)),
            ((1024, 1024), (96, 96)),
            ((512, 512), (9000, 9000)),
            ((16, 16), (128, 128)),
        ];
        for (made, original) in meant {
            assert!(passes(made, original), "{made:?} for {original:?}");
        }
        let not_meant = [
            ((1, 1), (1344, 1344)),
            ((60_000, 1), (1344, 1344)),
            ((1, 60_000), (1344, 1344)),
            ((1024, 1024), (2100, 1000)),
            ((500, 500), (9000, 9000)),
            ((15, 15), (128, 128)),
            ((2049, 2049), (100, 100)),
        ];
        for (made, original) in not_meant {
            assert!(!passes(made, original), "{made:?} for {original:?}");
        }
        assert_eq!(check_shape(b"<html>", (8, 8)).unwrap_err().class, "not_a_picture");
    }
}

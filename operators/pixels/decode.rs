//! Decoding: from the bytes of a picture to upright 8-bit RGB, or a refusal; never a panic, and never half a picture.
//!
//! A picture is right or refused. Where a decoder would have to invent something (a scan that breaks off, a component that never came), the
//! picture is refused, and so is a kind that is not known to come out as Pillow has it. `tests/pictures.py` makes thousands of files of all
//! kinds to check this.
//!
//! The result follows Pillow's `Image.open(..).convert("RGB")`: CMYK is converted with Adobe's inverted inks; 16-bit channels are shifted
//! right by 8; alpha is dropped and not composited; palettes and 1-bit pictures are expanded; of an animation the first frame counts. The
//! EXIF orientation is applied afterwards. A JPEG that ends early is refused.
//!
//! A picture that is wanted small need not be decoded large: see [`Purpose`]. The way of decoding shapes the pixels, so [`decoder_stamp`]
//! belongs to the stamp of every answer that depends on them.

mod bmp;
mod exact;
mod gif;
mod jpeg;
mod libjpeg;
mod orient;
mod raster;
mod room;
mod scans;
mod tiff;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use threshflow::lane::Budget;
use threshflow::row::Refusal;
use threshflow::shard::{EndFrame, Format, Picture, Probed, ReadOptions, guarded, probe};

use super::UnknownName;

/// What the pixels are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Every pixel, as Pillow has it: a JPEG to the bit, whatever its sampling, scans and colours.
    Full,
    /// The picture will be shrunk until its shorter side has this many pixels, or more: it may come smaller than it is,
    /// but never with a shorter side below this. Only JPEGs do: at a half or a quarter of their size, to the bits of Pillow's
    /// `Image.draft`.
    ///
    /// Tolerance, as measured for 224-pixel CLIP crops against those made from the full picture, in levels of 255: on photo-like
    /// pictures 0.6 on average, 2 at the 99th percentile; on drawn hard edges 0.7, 4, and 28 at the worst value.
    ShortSideAtLeast(u32),
}

/// How pictures are decoded that a model sees small: `--decode full | scaled`. It shapes answers, and is part of their stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoding {
    /// Every pixel, and then shrunk.
    #[default]
    Full,
    /// A JPEG at a half or a quarter of its size, where it stays large enough.
    Scaled,
}

impl Decoding {
    /// What a picture is decoded for that will be shrunk to a shorter side of so many pixels, or more.
    pub fn for_short_side(self, pixels: u32) -> Purpose {
        match self {
            Decoding::Full => Purpose::Full,
            Decoding::Scaled => Purpose::ShortSideAtLeast(pixels),
        }
    }
}

impl FromStr for Decoding {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "full" => Ok(Decoding::Full),
            "scaled" => Ok(Decoding::Scaled),
            _ => {
                let allowed = "full or scaled";
                Err(UnknownName { what: "--decode", found: text.to_owned(), allowed })
            }
        }
    }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decoding::Full => "full",
            Decoding::Scaled => "scaled",
        })
    }
}

/// A decoded picture: 8-bit RGB, upright.
#[derive(Clone, Debug, PartialEq)]
pub struct Rgb {
    /// Of the grid of pixels held here.
    pub width: u32,
    pub height: u32,
    /// Row by row from the top, 3 bytes a pixel: `3 * width * height` bytes.
    pub pixels: Vec<u8>,
    /// Size of the whole picture in its own pixels, which a scaled decoding makes larger than the grid.
    pub full_width: u32,
    pub full_height: u32,
    /// Where on the grid the picture lies.
    pub window: Window,
}

/// A rectangle on a grid of pixels, in pixels, with fractions: scaled decoding of 1333 columns to a quarter gives a grid of
/// 334 columns of which the picture covers 333.25.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Rgb {
    /// A copy of a picture that is pixels already.
    pub(crate) fn of_image(image: &image::RgbImage) -> Result<Self, Refusal> {
        Rgb::full(image.width(), image.height(), image.as_raw().clone())
    }

    /// A picture that was decoded in full. `pixels` must hold `3 * width * height` bytes.
    pub fn full(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, Refusal> {
        if width == 0 || height == 0 || pixels.len() as u64 != 3 * u64::from(width) * u64::from(height) {
            let message =
                format!("{} bytes of pixels for {width} x {height} RGB: the decoder lost some", pixels.len());
            return Err(Refusal::permanent("bad_picture", message));
        }
        let window = Window { left: 0.0, top: 0.0, width: width.into(), height: height.into() };
        Ok(Rgb { width, height, pixels, full_width: width, full_height: height, window })
    }
}

/// Decodes one picture and turns it upright.
///
/// `orientation` is EXIF's, 1 to 8 (1 = as it lies; anything else counts as 1). Refusal classes: `cut_picture` (the bytes
/// end before the picture does), `bad_picture` (not a picture of this format, or damaged), `unsupported_picture` (a legal
/// variant that isn't read), `too_many_pixels` (beyond `MAX_PIXELS`), `out_of_memory` (the system has no room for it now; says
/// nothing of the picture).
///
/// ```
/// use operators::pixels::decode::{Purpose, decode};
/// use threshflow::shard::Format;
/// let refusal = decode(b"not a picture", Format::Jpeg, 1, Purpose::Full).unwrap_err();
/// assert_eq!(refusal.class, "bad_picture");
/// ```
pub fn decode(bytes: &[u8], format: Format, orientation: u8, purpose: Purpose) -> Result<Rgb, Refusal> {
    // The decoders are written not to panic; an untrusted picture that finds a place where one does costs one row.
    guarded(|| {
        let as_stored = match format {
            Format::Jpeg => jpeg::decode(bytes, purpose),
            _ => raster::decode(bytes, format),
        }?;
        orient::upright(as_stored, orientation)
    })
    .unwrap_or_else(|why| {
        Err(Refusal::permanent("bad_picture", format!("the {format:?} decoder gave up: {why}")))
    })
}

/// Decodes a file of any format that a sample may have, in full, and turns it upright by what it says of itself. Waits for
/// [room beside the lanes](decode_beside).
pub fn decode_file(bytes: &[u8]) -> Result<Rgb, Refusal> {
    decode_file_within(room::beside(), bytes)
}

fn decode_file_within(room: &Arc<Budget>, bytes: &[u8]) -> Result<Rgb, Refusal> {
    let header = probe(bytes, &ReadOptions { max_pixels: MAX_PIXELS, ..ReadOptions::default() })?;
    let (width, height) = (header.width.into(), header.height.into());
    let _permit = room.take(decoded_bytes_of(bytes, width, height, header.format, Purpose::Full));
    decode(bytes, header.format, header.orientation, Purpose::Full)
}

/// [`decode`] for whoever holds no permit of a stage for it: editors' answers, reports, releases, checks. Waits until the bytes
/// that decoding takes are free in a budget that they share (see `bound_beside`).
pub fn decode_beside(bytes: &[u8], picture: &Picture, purpose: Purpose) -> Result<Rgb, Refusal> {
    let (width, height) = (picture.width.into(), picture.height.into());
    let _permit = room::beside().take(decoded_bytes_of(bytes, width, height, picture.format, purpose));
    decode(bytes, picture.format, picture.orientation, purpose)
}

/// [`decode_beside`] for the second frame of a sample, shown as its picture is.
pub fn decode_frame_beside(frame: &EndFrame<'_>, purpose: Purpose) -> Result<Rgb, Refusal> {
    let Probed { format, width, height, orientation } = frame.looked.clone()?;
    let bytes = decoded_bytes_of(frame.bytes, width.into(), height.into(), format, purpose);
    let _permit = room::beside().take(bytes);
    decode(frame.bytes, format, orientation, purpose)
}

/// Bounds what is decoded beside the lanes at once, in bytes, for the whole process; the first call counts. Without one it is 1 GiB.
pub(crate) fn bound_beside(bytes: u64) {
    room::bound_beside(bytes);
}

/// The most pixels that are ever decoded, whatever the caller allows: a last line behind the source's own limit.
pub(crate) const MAX_PIXELS: u64 = 1 << 29;

/// An upper bound of the bytes held while a picture of this size is decoded and turned upright: pixels in both
/// orientations, and the coefficients that a progressive JPEG keeps (16 bits each, of up to 4 channels).
///
/// `purpose` is taken for the day when it matters: today a scaled decoding that the port does not finish is tried again in full.
pub fn decoded_bytes(width: u32, height: u32, format: Format, _purpose: Purpose) -> u64 {
    match format {
        Format::Jpeg => bytes_of_a_jpeg(width, height, false),
        // At most 8 bytes a pixel from the decoder (RGBA of 16 bits), and 3 of ours.
        _ => u64::from(width) * u64::from(height) * 12 + SLACK,
    }
}

/// [`decoded_bytes`] for a JPEG whose bytes are at hand: a third of it for the usual baseline kind.
pub fn decoded_bytes_of(bytes: &[u8], width: u32, height: u32, format: Format, purpose: Purpose) -> u64 {
    let is_plain = format == Format::Jpeg && scans::walk(bytes).is_ok_and(|frame| frame.is_plain_baseline());
    if is_plain {
        bytes_of_a_jpeg(width, height, true)
    } else {
        decoded_bytes(width, height, format, purpose)
    }
}

/// The bound for a JPEG; `is_plain` where it is decoded row by row.
fn bytes_of_a_jpeg(width: u32, height: u32, is_plain: bool) -> u64 {
    // Plain: our pixels, once more as planes before or turned after, and rows of blocks.
    let bytes_a_pixel = if is_plain { 6 } else { 16 };
    // Its blocks reach over the edge, by up to 32 pixels each way.
    (u64::from(width) + 32) * (u64::from(height) + 32) * bytes_a_pixel + SLACK
}

/// What decoders hold whatever the picture's size: tables, buffers of rows.
const SLACK: u64 = 1 << 20;

/// Which decoders, and which scaling, stand behind [`decode`] for this purpose: a part of every stamp.
pub fn decoder_stamp(purpose: Purpose) -> String {
    let scales = match purpose {
        Purpose::Full => "full",
        Purpose::ShortSideAtLeast(_) => exact::SCALES_STAMP,
    };
    format!("decode/3 jpeg=libjpeg-turbo-rs-0.9 {scales}")
}

fn too_many_pixels(width: u64, height: u64) -> Refusal {
    let message = format!("{width} x {height} pixels: at most {MAX_PIXELS} are decoded");
    Refusal::permanent("too_many_pixels", message)
}

#[cfg(test)]
mod against_pillow;
#[cfg(test)]
mod tests;

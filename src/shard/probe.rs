//! What a picture's header says: format, size, orientation. Nothing is decoded, and nothing is allocated by the size that the header
//! states.
//!
//! The first bytes determine the format, never the extension. JPEG headers are walked here. `image` reads the others: this is the crate
//! that decodes later, so that it takes every header that passes here. Of an animation the first frame counts.

mod directory;
mod exif;
mod jpeg;
mod png;
mod webp;

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ImageDecoder, ImageResult};

use super::guarded::guarded;
use super::{Format, ReadOptions};
use crate::row::Refusal;

pub use directory::{TiffDirectory, TiffField};

/// Most bytes that a decoder may allocate for what stands before the pixels (colour profiles, texts).
const MOST_HEADER_BYTES: u64 = 64 << 20;

/// What a header said; width and height as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    pub format: Format,
    pub width: u16,
    pub height: u16,
    /// EXIF's, 1 to 8.
    pub orientation: u8,
}

/// Width, height and EXIF orientation as the header has them.
type Header = (u32, u32, Option<u8>);

/// Why a header gives no size.
enum Unread {
    Broken(String),
    /// A legal kind that isn't read.
    Unsupported(String),
}

/// Reads the header of a picture. Refused as `not_a_picture`, `broken_picture`, `unsupported_picture`, `no_size` or
/// `too_many_pixels`.
pub fn probe(bytes: &[u8], options: &ReadOptions) -> Result<Probed, Refusal> {
    let format = format_of(bytes)?;
    let unread = |class: &'static str, why: &str| {
        let (name, length) = (name_of(format), bytes.len());
        Refusal::permanent(
            class,
            format!("the {name} header can't be read: {why} (the file has {length} bytes)"),
        )
    };
    // The decoders are other people's code on hostile bytes: a panic in one is this picture's refusal.
    let header = guarded(|| match format {
        Format::Jpeg => jpeg::header(bytes),
        Format::Png => png(bytes, options),
        Format::WebP => webp(bytes),
        Format::Gif => plain(GifDecoder::new(Cursor::new(bytes))),
        Format::Bmp => plain(BmpDecoder::new(Cursor::new(bytes))),
        Format::Tiff => tiff(bytes),
    });
    let (width, height, orientation) = match header {
        Ok(Ok(header)) => header,
        Ok(Err(Unread::Broken(why))) => return Err(unread("broken_picture", &why)),
        Ok(Err(Unread::Unsupported(why))) => return Err(unread("unsupported_picture", &why)),
        Err(_) => return Err(unread("broken_picture", "the decoder gave up on it")),
    };
    let (width, height) = allowed_size(width, height, options)?;
    let orientation = orientation.filter(|_| options.exif_orientation).unwrap_or(1);
    // From 5 on, EXIF's orientations lay the picture on its side.
    let (width, height) = if orientation >= 5 { (height, width) } else { (width, height) };
    Ok(Probed { format, width, height, orientation })
}

/// Checks the sides and the number of pixels against what is allowed.
fn allowed_size(width: u32, height: u32, options: &ReadOptions) -> Result<(u16, u16), Refusal> {
    let (Ok(short_width @ 1..), Ok(short_height @ 1..)) = (u16::try_from(width), u16::try_from(height))
    else {
        return Err(Refusal::permanent(
            "no_size",
            format!("the header says {width} x {height} pixels; each side must have 1 to 65,535"),
        ));
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels > options.max_pixels {
        return Err(Refusal::permanent(
            "too_many_pixels",
            format!(
                "the header says {width} x {height} = {pixels} pixels, at most {} are allowed; raise --max-pixels to \
                 take it",
                options.max_pixels
            ),
        ));
    }
    Ok((short_width, short_height))
}

/// What a file is, by its first bytes; refused as `not_a_picture` where it is none of the six formats, and as
/// `unsupported_picture` where it is a BigTIFF.
pub fn format_of(bytes: &[u8]) -> Result<Format, Refusal> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Ok(Format::Jpeg),
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Ok(Format::Png),
        _ if is_webp => Ok(Format::WebP),
        _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Ok(Format::Gif),
        _ if bytes.starts_with(b"BM") => Ok(Format::Bmp),
        _ if bytes.starts_with(b"II\x2a\0") || bytes.starts_with(b"MM\0\x2a") => Ok(Format::Tiff),
        _ if bytes.starts_with(b"II\x2b\0") || bytes.starts_with(b"MM\0\x2b") => {
            Err(Refusal::permanent("unsupported_picture", "BigTIFF is not read; TIFF is"))
        }
        [] => Err(Refusal::permanent("not_a_picture", "the file is empty")),
        _ => Err(Refusal::permanent(
            "not_a_picture",
            format!(
                "the file begins with {:?}, which is no JPEG, PNG, WebP, GIF, BMP or TIFF",
                String::from_utf8_lossy(&bytes[..bytes.len().min(12)])
            ),
        )),
    }
}

fn name_of(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "JPEG",
        Format::Png => "PNG",
        Format::WebP => "WebP",
        Format::Gif => "GIF",
        Format::Bmp => "BMP",
        Format::Tiff => "TIFF",
    }
}

/// The orientation that a file says of itself, 1 to 8; 1 where it says none.
///
/// Read as Pillow's `ImageOps.exif_transpose` reads it: EXIF's tag 274 whatever type of number it has, the first of two; else
/// `tiff:Orientation` in XMP. In PNG, EXIF may also be a text ("Raw profile type exif"), and may follow the pixels.
pub fn orientation_of(bytes: &[u8], format: Format) -> u8 {
    let said = match format {
        Format::Jpeg => jpeg::read(bytes).ok().and_then(|(_, metadata)| metadata.orientation()),
        Format::Png => png::metadata(bytes).orientation(),
        Format::WebP => webp::metadata(bytes).orientation(),
        Format::Tiff => exif::of_tiff(bytes),
        Format::Gif | Format::Bmp => None,
    };
    said.unwrap_or(1)
}

/// The code of the next JPEG marker at or behind `at`, which is moved behind it; `None` at the end.
///
/// Any bytes may stand before a marker (those of a scan among them), and any number of 0xFF in front of the code.
pub fn next_jpeg_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += memchr::memchr(0xFF, bytes.get(*at..)?)?;
        *at += bytes[*at..].iter().position(|&byte| byte != 0xFF)?;
        let marker = bytes[*at];
        *at += 1;
        if marker != 0 {
            return Some(marker);
        }
    }
}

/// A WebP, without a promise of EXIF or XMP that isn't there: `image` refuses a picture for that, and no other decoder does.
pub fn mended_webp(file: &[u8]) -> Cow<'_, [u8]> {
    webp::without_broken_promises(file)
}

fn png(bytes: &[u8], options: &ReadOptions) -> Result<Header, Unread> {
    // The size stands at a fixed place: an absurd one is refused before the decoder makes room for a row of it.
    let field = |at: usize| {
        let bytes: Option<[u8; 4]> = bytes.get(at..at + 4).and_then(|field| field.try_into().ok());
        bytes.map(u32::from_be_bytes)
    };
    if let (Some(b"IHDR"), Some(width), Some(height), Some(_crc)) =
        (bytes.get(12..16), field(16), field(20), field(29))
        && allowed_size(width, height, options).is_err()
    {
        return Ok((width, height, None));
    }
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MOST_HEADER_BYTES);
    let (width, height, _) = plain(PngDecoder::with_limits(Cursor::new(bytes), limits))?;
    Ok((width, height, png::metadata(bytes).orientation()))
}

fn webp(bytes: &[u8]) -> Result<Header, Unread> {
    let (width, height, _) = plain(WebPDecoder::new(Cursor::new(&*mended_webp(bytes))))?;
    Ok((width, height, webp::metadata(bytes).orientation()))
}

fn tiff(bytes: &[u8]) -> Result<Header, Unread> {
    let (width, height, _) = plain(TiffDecoder::new(Cursor::new(bytes)))?;
    Ok((width, height, exif::of_tiff(bytes)))
}

fn plain(decoder: ImageResult<impl ImageDecoder>) -> Result<Header, Unread> {
    let (width, height) = decoder?.dimensions();
    Ok((width, height, None))
}

impl From<image::ImageError> for Unread {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::IoError(_) => Unread::Broken("it is cut off".to_owned()),
            image::ImageError::Unsupported(_) => Unread::Unsupported(error.to_string()),
            other => Unread::Broken(other.to_string()),
        }
    }
}

//! What a picture's header says: format, size, orientation. Nothing is decoded, nothing is allocated by its size.
//!
//! The format is told by the first bytes, never by the extension. JPEG headers are read by `zune-jpeg` over the
//! borrowed bytes (`image`'s own decoder copies the whole file first), the others by `image`: the crates that
//! decode later, so that a header which passes here is one that they take. Of animations the first frame counts.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageResult};
use zune_core::bytestream::ZCursor;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{Format, ReadOptions};
use crate::row::Refusal;

/// Most bytes that a decoder may allocate for what stands before the pixels (colour profiles, texts).
const MOST_HEADER_BYTES: u64 = 64 << 20;

/// What a header said; width and height as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    pub(super) format: Format,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) orientation: u8,
}

/// Width, height and EXIF orientation as the header has them.
type Header = (u32, u32, Option<u8>);

/// Why a header gives no size.
enum Unread {
    /// It says that a side is zero.
    NoSize,
    Broken(String),
}

/// Reads the header of a picture.
pub(super) fn probe(bytes: &[u8], options: &ReadOptions) -> Result<Probed, Refusal> {
    let format = format_of(bytes)?;
    let broken = |why: &str| {
        let message = format!(
            "the {} header can't be read: {why} (the file has {} bytes)",
            name_of(format),
            bytes.len()
        );
        Refusal::new("broken_picture", message)
    };
    // The decoders are other people's code on hostile bytes: a panic in one is this picture's refusal.
    let header = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg(bytes),
        Format::Png => png(bytes, options),
        Format::WebP => webp(bytes),
        Format::Gif => {
            GifDecoder::new(Cursor::new(bytes)).map_err(Unread::from).map(|decoder| plain(&decoder))
        }
        Format::Bmp => {
            BmpDecoder::new(Cursor::new(bytes)).map_err(Unread::from).map(|decoder| plain(&decoder))
        }
        Format::Tiff => turned(TiffDecoder::new(Cursor::new(bytes))),
    }));
    let (width, height, orientation) = match header {
        Ok(Ok(header)) => header,
        Ok(Err(Unread::NoSize)) => (0, 0, None),
        Ok(Err(Unread::Broken(why))) => return Err(broken(&why)),
        Err(_) => return Err(broken("the decoder gave up on it")),
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
        return Err(Refusal::new(
            "no_size",
            format!("the header says {width} x {height} pixels; each side must have 1 to 65,535"),
        ));
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels > options.max_pixels {
        return Err(Refusal::new(
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

fn format_of(bytes: &[u8]) -> Result<Format, Refusal> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Ok(Format::Jpeg),
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Ok(Format::Png),
        _ if is_webp => Ok(Format::WebP),
        _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Ok(Format::Gif),
        _ if bytes.starts_with(b"BM") => Ok(Format::Bmp),
        _ if bytes.starts_with(b"II\x2a\0") || bytes.starts_with(b"MM\0\x2a") => Ok(Format::Tiff),
        [] => Err(Refusal::new("not_a_picture", "the file is empty")),
        _ => Err(Refusal::new(
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

fn jpeg(bytes: &[u8]) -> Result<Header, Unread> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| match e {
        DecodeErrors::ZeroError => Unread::NoSize,
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => Unread::Broken("it is cut off".to_owned()),
        other => Unread::Broken(other.to_string()),
    })?;
    let (width, height) =
        decoder.dimensions().ok_or_else(|| Unread::Broken("it has no frame header".to_owned()))?;
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let orientation = decoder.exif().and_then(|exif| exif_orientation(exif));
    Ok((side(width), side(height), orientation))
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
    turned(PngDecoder::with_limits(Cursor::new(bytes), limits))
}

fn webp(bytes: &[u8]) -> Result<Header, Unread> {
    let decoder = WebPDecoder::new(Cursor::new(bytes))?;
    let (width, height, _) = plain(&decoder);
    Ok((width, height, webp_exif(bytes).and_then(exif_orientation)))
}

/// The EXIF chunk of a WebP, borrowed: `image` would allocate as many bytes as the chunk claims.
fn webp_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (header, after) = rest.split_at_checked(8)?;
        let len = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?) as usize;
        if header.starts_with(b"EXIF") {
            return after.get(..len);
        }
        rest = after.get(len.checked_add(len & 1)?..)?;
    }
}

fn turned(decoder: ImageResult<impl ImageDecoder>) -> Result<Header, Unread> {
    let mut decoder = decoder?;
    let (width, height, _) = plain(&decoder);
    // An orientation that can't be read is none: the picture is not lost by it.
    let orientation = decoder.orientation().ok().map(Orientation::to_exif);
    Ok((width, height, orientation))
}

fn plain(decoder: &impl ImageDecoder) -> Header {
    let (width, height) = decoder.dimensions();
    (width, height, None)
}

fn exif_orientation(exif: &[u8]) -> Option<u8> {
    // Some writers put the JPEG marker's own prefix into PNG and WebP chunks.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).map(Orientation::to_exif)
}

impl From<image::ImageError> for Unread {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::IoError(_) => Unread::Broken("it is cut off".to_owned()),
            other => Unread::Broken(other.to_string()),
        }
    }
}

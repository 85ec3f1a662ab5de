//! Every format except JPEG and GIF, by the `image` crate's decoders (never its resize), brought to RGB as Pillow does it.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageResult, Limits};
use threshflow::row::Refusal;
use threshflow::shard::{Format, mended_webp};

use super::{MAX_PIXELS, Purpose, Rgb, decoded_bytes, room, too_many_pixels};

pub(super) fn decode(bytes: &[u8], format: Format) -> Result<Rgb, Refusal> {
    let input = || Cursor::new(bytes);
    let refused = |error| refusal(format, error);
    match format {
        Format::Png => rgb(PngDecoder::new(input()).map_err(refused)?, format),
        Format::WebP => rgb(WebPDecoder::new(Cursor::new(&*mended_webp(bytes))).map_err(refused)?, format),
        Format::Gif => super::gif::decode(bytes),
        Format::Bmp => {
            let decoder = BmpDecoder::new(input()).map_err(refused)?;
            super::bmp::check(bytes)?;
            rgb(decoder, format)
        }
        Format::Tiff => {
            let decoder = TiffDecoder::new(input()).map_err(refused)?;
            super::tiff::check(bytes)?;
            rgb(decoder, format)
        }
        Format::Jpeg => super::jpeg::decode(bytes, Purpose::Full),
    }
}

fn rgb<D: ImageDecoder>(mut decoder: D, format: Format) -> Result<Rgb, Refusal> {
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(too_many_pixels(width.into(), height.into()));
    }
    room::ask_for(decoded_bytes(width, height, format, Purpose::Full))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(decoded_bytes(width, height, format, Purpose::Full));
    let decoded: ImageResult<DynamicImage> =
        decoder.set_limits(limits).and_then(|()| DynamicImage::from_decoder(decoder));
    let pixels = to_rgb8(decoded.map_err(|error| refusal(format, error))?, format)?;
    Rgb::full(width, height, pixels)
}

/// 16-bit channels keep their upper byte (`image` itself would round), grey is repeated, alpha is dropped.
fn to_rgb8(image: DynamicImage, format: Format) -> Result<Vec<u8>, Refusal> {
    let upper = |value: u16| (value >> 8) as u8;
    Ok(match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => image.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        DynamicImage::ImageLuma8(image) => image.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageLumaA8(image) => image.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageRgb16(image) => image.as_raw().iter().map(|&v| upper(v)).collect(),
        DynamicImage::ImageRgba16(image) => {
            image.pixels().flat_map(|p| [p[0], p[1], p[2]].map(upper)).collect()
        }
        DynamicImage::ImageLuma16(image) => image.pixels().flat_map(|p| [upper(p[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(image) => image.pixels().flat_map(|p| [upper(p[0]); 3]).collect(),
        other => {
            let message =
                format!("{format:?} with {:?} pixels: 8 or 16 bits a channel are read", other.color());
            return Err(Refusal::permanent("unsupported_picture", message));
        }
    })
}

fn refusal(format: Format, error: ImageError) -> Refusal {
    let text = error.to_string();
    let class = match &error {
        ImageError::Unsupported(_) => "unsupported_picture",
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => "too_many_pixels",
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => "cut_picture",
        _ if ["unexpected end", "nexpected EOF", "end of file"].iter().any(|s| text.contains(s)) => {
            "cut_picture"
        }
        _ => "bad_picture",
    };
    Refusal::permanent(class, format!("{format:?}: {text}"))
}

//! JPEG: libjpeg-turbo's pixels, by its port to Rust in full, or by itself at the scale that is wanted (feature `scaled-jpeg`).
//!
//! Where they find anything to complain about, and for rare kinds, zune-jpeg decodes the picture in full and has the last word. So a
//! build with the feature takes every JPEG that one without it takes (and rare kinds more, arithmetic coding for one).

use threshflow::row::Refusal;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{MAX_PIXELS, Purpose, Rgb, too_many_pixels};

pub(super) fn decode(bytes: &[u8], purpose: Purpose) -> Result<Rgb, Refusal> {
    let Some(frame) = frame(bytes) else {
        let class = if bytes.starts_with(&[0xFF, 0xD8]) { "cut_picture" } else { "bad_picture" };
        let message =
            format!("no JPEG frame in {} bytes: the header is cut off, or it is no JPEG", bytes.len());
        return Err(Refusal::new(class, message));
    };
    if u64::from(frame.width) * u64::from(frame.height) > MAX_PIXELS {
        return Err(too_many_pixels(frame.width.into(), frame.height.into()));
    }
    if !frame.has_end {
        let message = format!("{} bytes hold no end-of-image marker: the JPEG was cut off", bytes.len());
        return Err(Refusal::new("cut_picture", message));
    }
    #[cfg(feature = "scaled-jpeg")]
    if let Some(decoded) = super::turbo::decode(bytes, &frame, purpose) {
        return Ok(decoded);
    }
    #[cfg(not(feature = "scaled-jpeg"))]
    let _ = purpose;
    match super::exact::decode(bytes, &frame) {
        Some(decoded) => Ok(decoded),
        None => decode_full(bytes, &frame),
    }
}

/// What a JPEG's headers tell without decoding.
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: u8,
    is_sequential: bool,
    is_one_scan: bool,
    has_end: bool,
}

impl Frame {
    /// Whether it is decoded row by row, without keeping its coefficients.
    pub(super) fn is_plain_baseline(&self) -> bool {
        self.is_sequential && self.is_one_scan && self.components <= 3
    }
}

/// Walks the marker segments to the first scan; `None` where there is no complete frame header and scan header.
pub(super) fn frame(bytes: &[u8]) -> Option<Frame> {
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return None;
    }
    let (mut at, mut found) = (2, None);
    loop {
        // Any bytes may stand before a marker, and any number of 0xFF in front of its code.
        while *bytes.get(at)? != 0xFF {
            at += 1;
        }
        while *bytes.get(at)? == 0xFF {
            at += 1;
        }
        let marker = bytes[at];
        at += 1;
        if matches!(marker, 0x00 | 0x01 | 0xD0..=0xD8) {
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let segment = bytes.get(at + 2..at + length.max(2))?;
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let &[_, h1, h0, w1, w0, components, ..] = segment else { return None };
                let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
                found = Some((width, height, components, matches!(marker, 0xC0 | 0xC1)));
            }
            0xDA => {
                let (width, height, components, is_sequential) = found?;
                let is_one_scan = segment.first() == Some(&components);
                let has_end = bytes[at..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
                return Some(Frame { width, height, components, is_sequential, is_one_scan, has_end });
            }
            _ => {}
        }
        at += length.max(2);
    }
}

fn decode_full(bytes: &[u8], frame: &Frame) -> Result<Rgb, Refusal> {
    let strictly = zune(bytes, frame, Strictness::Strict);
    // Junk between the headers is common in the wild and harmless; every other complaint is about the picture itself.
    let decoded = match strictly {
        Err(why) if why.contains("Extra bytes between headers") => {
            zune(bytes, frame, Strictness::JunkBetweenHeaders)
        }
        other => other,
    };
    let (width, height, space, pixels) = decoded.map_err(|why| refusal(&why))?;
    let pixels = match space {
        ColorSpace::CMYK => inks_to_rgb(&pixels),
        ColorSpace::YCCK => inks_to_rgb(&ycck_to_inks(pixels)),
        _ => pixels,
    };
    Rgb::full(width, height, pixels)
}

fn refusal(why: &str) -> Refusal {
    let is_cut = ["end of buffer", "xhausted", "No more bytes", "Premature", "not enough"]
        .iter()
        .any(|s| why.contains(s));
    let class = if is_cut {
        "cut_picture"
    } else if why.contains("nsupported") {
        "unsupported_picture"
    } else {
        "bad_picture"
    };
    Refusal::new(class, format!("JPEG: {why}"))
}

enum Strictness {
    Strict,
    JunkBetweenHeaders,
}

type Decoded = (u32, u32, ColorSpace, Vec<u8>);

fn zune(bytes: &[u8], frame: &Frame, strictness: Strictness) -> Result<Decoded, String> {
    let options = DecoderOptions::new_fast()
        .set_strict_mode(matches!(strictness, Strictness::Strict))
        .set_max_width(frame.width.into())
        .set_max_height(frame.height.into())
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let space = match decoder.input_colorspace() {
        // Left as they are: how inks become light is Pillow's arithmetic, not the decoder's.
        Some(inks @ (ColorSpace::CMYK | ColorSpace::YCCK)) => {
            decoder.set_options(options.jpeg_set_out_colorspace(inks));
            inks
        }
        _ => ColorSpace::RGB,
    };
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("no size after decoding")?;
    Ok((width as u32, height as u32, space, pixels))
}

/// a * b / 255, rounded, in integers: exact for bytes.
fn of_255(a: u32, b: u32) -> u32 {
    let product = a * b + 128;
    ((product >> 8) + product) >> 8
}

/// Inverted CMYK, as Adobe stores it and Pillow assumes for every JPEG (255 = no ink), to RGB: light = no ink x no black.
fn inks_to_rgb(inks: &[u8]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(inks.len() / 4 * 3);
    for ink in inks.chunks_exact(4) {
        let light = u32::from(ink[3]);
        for &channel in &ink[..3] {
            let covered = of_255(255 - u32::from(channel), light);
            pixels.push(light.saturating_sub(covered) as u8);
        }
    }
    pixels
}

/// YCCK to CMYK as it is stored: the colours are YCbCr of RGB = 255 - CMY (JFIF 1.02, ITU-R BT.601), black stays.
fn ycck_to_inks(mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.chunks_exact_mut(4) {
        let (y, cb, cr) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
        let light = [y + 1.402 * cr, y - 0.344_136_3 * cb - 0.714_136_3 * cr, y + 1.772 * cb];
        for (ink, light) in pixel.iter_mut().zip(light) {
            *ink = 255 - light.round().clamp(0.0, 255.0) as u8;
        }
    }
    pixels
}

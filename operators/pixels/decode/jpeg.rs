//! JPEG: the pixels of libjpeg-turbo, which is Pillow's decoder. Its port to Rust, which is fast, decodes the usual kinds, scaled where that
//! is wanted. Its C code decodes in full what the port does not take or complains about, and has the last word.
//!
//! Whether the scans bring the whole picture is counted before (`scans`). Whether a scan is complete, the decoder says.

use threshflow::row::Refusal;

use super::scans::{Frame, walk};
use super::{MAX_PIXELS, Purpose, Rgb, libjpeg, room, too_many_pixels};

pub(super) fn decode(bytes: &[u8], purpose: Purpose) -> Result<Rgb, Refusal> {
    let frame = walk(bytes)?;
    if u64::from(frame.width) * u64::from(frame.height) > MAX_PIXELS {
        return Err(too_many_pixels(frame.width.into(), frame.height.into()));
    }
    room::ask_for(super::bytes_of_a_jpeg(
        frame.width.into(),
        frame.height.into(),
        frame.is_plain_baseline(),
    ))?;
    match super::exact::decode(bytes, &frame, purpose) {
        Some(decoded) => Ok(decoded),
        None => in_c(bytes, &frame),
    }
}

/// By libjpeg-turbo itself, in full.
fn in_c(bytes: &[u8], frame: &Frame) -> Result<Rgb, Refusal> {
    let decoded = libjpeg::decode(bytes)?;
    let (width, height) = (decoded.width, decoded.height);
    if (width, height) != (frame.width.into(), frame.height.into()) {
        let (told_width, told_height) = (frame.width, frame.height);
        let message = format!(
            "JPEG of {width} x {height} pixels, where the frame header says {told_width} x {told_height}"
        );
        return Err(Refusal::permanent("bad_picture", message));
    }
    let pixels = match decoded.channels {
        1 => spread(&decoded.samples)?,
        4 => inks_to_rgb(&decoded.samples)?,
        _ => decoded.samples,
    };
    Rgb::full(width, height, pixels)
}

/// Grey to RGB.
fn spread(grey: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut pixels = room::reserved(grey.len() as u64 * 3)?;
    pixels.extend(grey.iter().flat_map(|&level| [level; 3]));
    Ok(pixels)
}

/// a * b / 255, rounded, in integers: exact for bytes.
fn of_255(a: u32, b: u32) -> u32 {
    let product = a * b + 128;
    ((product >> 8) + product) >> 8
}

/// Inverted CMYK, as Adobe stores it and Pillow assumes for every JPEG (255 = no ink), to RGB: light = no ink x no black.
fn inks_to_rgb(inks: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut pixels = room::reserved(inks.len() as u64 / 4 * 3)?;
    for ink in inks.chunks_exact(4) {
        let light = u32::from(ink[3]);
        for &channel in &ink[..3] {
            let covered = of_255(255 - u32::from(channel), light);
            pixels.push(light.saturating_sub(covered) as u8);
        }
    }
    Ok(pixels)
}

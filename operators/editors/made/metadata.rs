//! Removes from pictures what they say beside their pixels. ComfyUI writes the whole workflow with its prompts into every PNG. Other
//! editors write EXIF, XMP and comments. All of these contain names and paths of the machine.
//!
//! Kept is what shapes the look of the pixels: the colour profile and space, transparency, density, frames, and the EXIF orientation
//! (alone, in an EXIF of our own). Everything else is removed, also what no standard names, and what follows the picture's end. Nothing is
//! encoded again: the pixels are the same bytes. Sources of the forms: PNG (W3C, third edition), JPEG (ITU-T T.81, T.871), WebP's container
//! (RFC 9649).

use std::borrow::Cow;

use image::ImageFormat;
use threshflow::shard::{Format, next_jpeg_marker, orientation_of};

/// The chunks of a PNG that shape how it looks.
const OF_A_PNG: [&[u8; 4]; 19] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];

/// Those of a WebP.
const OF_A_WEBP: [&[u8; 4]; 7] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];

/// The bits of `VP8X` that promise EXIF and XMP.
const HAS_EXIF: u8 = 1 << 3;
const HAS_XMP: u8 = 1 << 2;

/// The same picture, a PNG, JPEG or WebP, without metadata; other files come back as they are. What has none already comes back
/// unchanged.
///
/// # Errors
/// Its parts can't be told apart.
pub fn without_metadata(file: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let (clean, format) = match image::guess_format(file) {
        Ok(ImageFormat::Png) => (png(file), Format::Png),
        Ok(ImageFormat::Jpeg) => (jpeg(file), Format::Jpeg),
        Ok(ImageFormat::WebP) => (webp(file), Format::WebP),
        _ => return Ok(Cow::Borrowed(file)),
    };
    let clean = clean
        .ok_or_else(|| format!("a {format:?} of {} bytes whose parts can't be told apart", file.len()))?;
    Ok(if clean == file { Cow::Borrowed(file) } else { Cow::Owned(clean) })
}

/// An EXIF that says the orientation and nothing else; `None` where it goes without saying.
fn exif(file: &[u8], format: Format) -> Option<Vec<u8>> {
    let orientation = orientation_of(file, format);
    if !(2..=8).contains(&orientation) {
        return None;
    }
    // One directory with one entry: tag 274, one short.
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0]);
    tiff.extend([0; 4]);
    Some(tiff)
}

fn png(file: &[u8]) -> Option<Vec<u8>> {
    let (signature, mut rest) = file.split_at_checked(8)?;
    let mut clean = signature.to_vec();
    let mut exif = exif(file, Format::Png);
    loop {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let (chunk, after) = rest.split_at_checked(length.checked_add(12)?)?;
        rest = after;
        let kind: &[u8; 4] = chunk.get(4..8)?.first_chunk()?;
        if kind == b"IDAT"
            && let Some(exif) = exif.take()
        {
            let data = [b"eXIf", exif.as_slice()].concat();
            clean.extend((exif.len() as u32).to_be_bytes());
            clean.extend(&data);
            clean.extend(crc32fast::hash(&data).to_be_bytes());
        }
        if OF_A_PNG.contains(&kind) {
            clean.extend(chunk);
        }
        if kind == b"IEND" {
            return Some(clean);
        }
    }
}

fn jpeg(file: &[u8]) -> Option<Vec<u8>> {
    let mut clean = file.get(..2)?.to_vec();
    let (mut at, mut in_scan) = (2, false);
    let mut exif = exif(file, Format::Jpeg);
    loop {
        let before = at;
        let Some(marker) = next_jpeg_marker(file, &mut at) else {
            // Whether a picture may do without its end is the decoder's to say.
            clean.extend(file.get(before..).filter(|_| in_scan)?);
            return Some(clean);
        };
        if in_scan {
            clean.extend(file.get(before..at - 2)?);
        }
        if matches!(marker, 0x01 | 0xD0..=0xD9) {
            clean.extend([0xFF, marker]);
            if marker == 0xD9 {
                return Some(clean);
            }
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*file.get(at..)?.first_chunk()?));
        let segment = file.get(at..at.checked_add(length)?)?;
        at += length;
        in_scan = marker == 0xDA;
        let data = segment.get(2..)?;
        let stays = match marker {
            0xE0 => data.starts_with(b"JFIF\0"),
            0xE2 => data.starts_with(b"ICC_PROFILE\0"),
            0xEE => data.starts_with(b"Adobe"),
            0xE1 | 0xE3..=0xED | 0xEF | 0xFE => false,
            _ => true,
        };
        // JFIF's segment is the first.
        if marker != 0xE0
            && let Some(exif) = exif.take()
        {
            clean.extend([0xFF, 0xE1]);
            clean.extend((exif.len() as u16 + 8).to_be_bytes());
            clean.extend(b"Exif\0\0");
            clean.extend(exif);
        }
        if stays {
            clean.extend([0xFF, marker]);
            clean.extend(segment);
        }
    }
}

fn webp(file: &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(*file.get(4..)?.first_chunk()?) as usize;
    // Some writers promise more than there is; what is behind the promised end is none of the picture.
    let mut rest = file.get(12..file.len().min(length.checked_add(8)?))?;
    let mut clean = file.get(..12)?.to_vec();
    let mut flags_at = None;
    while !rest.is_empty() {
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
        let whole = length.checked_add(8)?.checked_add(length & 1)?;
        // The last byte of padding is left out by some.
        let (chunk, after) =
            rest.split_at_checked(whole.min(rest.len())).filter(|(chunk, _)| chunk.len() >= 8 + length)?;
        rest = after;
        let kind: &[u8; 4] = chunk.first_chunk()?;
        if kind == b"VP8X" {
            flags_at = Some(clean.len() + 8);
        }
        if OF_A_WEBP.contains(&kind) {
            clean.extend(chunk);
        }
    }
    if let Some(at) = flags_at {
        *clean.get_mut(at)? &= !(HAS_EXIF | HAS_XMP);
        if let Some(exif) = exif(file, Format::WebP) {
            clean[at] |= HAS_EXIF;
            clean.extend(b"EXIF");
            clean.extend((exif.len() as u32).to_le_bytes());
            clean.extend(exif);
        }
    }
    let length = u32::try_from(clean.len() - 8).ok()?.to_le_bytes();
    clean.get_mut(4..8)?.copy_from_slice(&length);
    Some(clean)
}

#[cfg(test)]
mod tests;

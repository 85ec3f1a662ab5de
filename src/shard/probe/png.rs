//! What a PNG says of its orientation, in any chunk: `eXIf`, a "raw profile" in a text, or XMP; before the pixels or after them.

use std::borrow::Cow;

use super::exif::Metadata;

/// Pillow's bound of an unpacked text.
const MOST_TEXT: usize = 1 << 20;

/// Before EXIF's TIFF in a JPEG; Pillow puts it before that of a PNG, and then takes away two at most.
const PREFIX: &[u8] = b"Exif\0\0";

/// Of several chunks of a kind the last counts. What is broken or goes beyond the file is passed over.
pub(super) fn metadata(file: &[u8]) -> Metadata<'_> {
    let (mut metadata, mut profile, mut packet) = (Metadata::default(), None, None);
    let mut rest = file.get(8..).unwrap_or_default();
    // Of an animation the first frame counts, and with it what stands before the second.
    let (mut is_animated, mut has_pixels) = (false, false);
    while let Some((kind, data, after)) = chunk(rest) {
        rest = after;
        match kind {
            b"IEND" => break,
            b"acTL" => {
                is_animated |=
                    !has_pixels && data.get(..4).is_some_and(|frames| frames > [0, 0, 0, 1].as_slice())
            }
            b"fcTL" if is_animated && has_pixels => break,
            b"IDAT" => has_pixels = true,
            // Its own prefix is the one that Pillow thinks of.
            b"eXIf" => metadata.exif = Some([PREFIX, data].concat().into()),
            b"tEXt" | b"zTXt" | b"iTXt" => match text(kind, data) {
                Some((b"exif", text)) if kind == b"tEXt" => metadata.exif = Some(text),
                Some((b"Raw profile type exif", text)) => profile = Some(text),
                Some((b"XML:com.adobe.xmp", text)) => packet = Some(text),
                _ => {}
            },
            _ => {}
        }
    }
    if metadata.exif.is_none() {
        metadata.exif = profile.and_then(|text| raw_profile(&text)).map(Cow::Owned);
    }
    metadata.xmp = packet;
    metadata
}

/// Kind, data, and what follows the checksum.
fn chunk(rest: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (header, rest) = rest.split_first_chunk::<8>()?;
    let (length, kind) = header.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((kind.first_chunk()?, data, rest.get(4..).unwrap_or_default()))
}

/// Key and value of a text chunk; `None` where it can't be read.
fn text<'a>(kind: &[u8; 4], data: &'a [u8]) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
    let (key, value) = at_zero(data)?;
    let value = match kind {
        b"tEXt" => Cow::Borrowed(value),
        b"zTXt" => unpacked(value)?,
        _ => {
            let (&is_packed, value) = value.split_first()?;
            // The method, which is always the same; the language; the key once more, translated.
            let (_, value) = value.split_first()?;
            let (_, value) = at_zero(value)?;
            let (_, value) = at_zero(value)?;
            match is_packed {
                0 => Cow::Borrowed(value),
                _ => Cow::Owned(inflated(value)?),
            }
        }
    };
    Some((key, value))
}

/// A method, which is always the same, and what it packed.
fn unpacked(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    inflated(value.split_first().filter(|(method, _)| **method == 0)?.1).map(Cow::Owned)
}

fn inflated(packed: &[u8]) -> Option<Vec<u8>> {
    fdeflate::decompress_to_vec_bounded(packed, MOST_TEXT).ok()
}

fn at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// ImageMagick's: an empty line, a name, a length, and hexadecimal digits in lines.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(3);
    let digits: Vec<u8> = lines.flatten().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

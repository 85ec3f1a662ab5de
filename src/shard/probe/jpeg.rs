//! JPEG headers, to the first scan.

use std::borrow::Cow;

use super::exif::Metadata;
use super::{Header, Unread, next_jpeg_marker};

/// Size and metadata.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Unread> {
    let (size, metadata) = read(bytes)?;
    let (width, height) = size.ok_or_else(|| Unread::Broken("it has no frame header".to_owned()))?;
    Ok((width.into(), height.into(), metadata.orientation()))
}

/// Several EXIF segments are one that was too long for a segment; of several with XMP the last counts.
pub(super) fn read(bytes: &[u8]) -> Result<(Option<(u16, u16)>, Metadata<'_>), Unread> {
    let cut = || Unread::Broken("it is cut off".to_owned());
    let (mut at, mut size) = (2, None);
    let mut metadata = Metadata::default();
    loop {
        let marker = next_jpeg_marker(bytes, &mut at).ok_or_else(cut)?;
        match marker {
            // Without a length.
            0x01 | 0xD0..=0xD8 => continue,
            0xD9 => return Err(Unread::Broken("it ends before its first scan".to_owned())),
            _ => {}
        }
        let length = bytes.get(at..at + 2).ok_or_else(cut)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
        let segment = bytes.get(at + 2..at + length).ok_or_else(cut)?;
        at += length;
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let &[_, h1, h0, w1, w0, _, ..] = segment else { return Err(cut()) };
                size = Some((u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0])));
            }
            0xE1 => note(segment, &mut metadata),
            0xDA => return Ok((size, metadata)),
            _ => {}
        }
    }
}

fn note<'a>(segment: &'a [u8], metadata: &mut Metadata<'a>) {
    if let Some(more) = segment.strip_prefix(b"Exif\0\0") {
        match &mut metadata.exif {
            Some(exif) => exif.to_mut().extend_from_slice(more),
            None => metadata.exif = Some(Cow::Borrowed(segment)),
        }
    } else if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
        metadata.xmp = Some(Cow::Borrowed(xmp));
    }
}

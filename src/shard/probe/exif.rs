//! The orientation that a picture states, as Pillow's `ImageOps.exif_transpose` reads it: EXIF's tag 274 first, whatever kind of number it
//! is; if there is none, `tiff:Orientation` in XMP.

use std::borrow::Cow;

use super::directory::TiffDirectory;

/// EXIF's tag 274, 0x0112.
const ORIENTATION: u16 = 274;

/// What a picture carries besides pixels.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    /// A TIFF with EXIF's tags, perhaps behind "Exif\0\0", once or twice.
    pub(super) exif: Option<Cow<'a, [u8]>>,
    pub(super) xmp: Option<Cow<'a, [u8]>>,
}

impl Metadata<'_> {
    /// 1 to 8; `None` where nothing is said, or nothing that can be meant.
    pub(super) fn orientation(&self) -> Option<u8> {
        let exif = self.exif.as_deref().map(|exif| without_prefix(without_prefix(exif))).unwrap_or_default();
        let said = match TiffDirectory::first(exif) {
            Some(directory) => orientation(&directory),
            None if exif.is_empty() => None,
            // EXIF that isn't any: Pillow gives up on it, and asks no other.
            None => return None,
        };
        said_or_xmp(said, self.xmp.as_deref())
    }
}

/// The orientation of a TIFF file: its first directory's tag, else its XMP.
pub(super) fn of_tiff(file: &[u8]) -> Option<u8> {
    const XMP: u16 = 700;
    let directory = TiffDirectory::first(file)?;
    let xmp = directory.field(XMP).filter(|field| matches!(field.kind, 1 | 7)).map(|field| field.data);
    said_or_xmp(orientation(&directory), xmp)
}

fn said_or_xmp(said: Option<Said>, xmp: Option<&[u8]>) -> Option<u8> {
    let number = match said {
        Some(Said::Number(number)) => number,
        Some(Said::NoNumber) => return None,
        None => of_xmp(xmp?)?,
    };
    (1..=8).contains(&number).then_some(number)
}

/// An orientation that is there.
enum Said {
    Number(u8),
    /// Bytes, letters, a number with a fraction: it turns nothing, and XMP isn't asked any more.
    NoNumber,
}

/// What other writers put before EXIF's TIFF: the prefix of JPEG's marker.
pub(super) fn without_prefix(exif: &[u8]) -> &[u8] {
    exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)
}

/// The digit behind the first `tiff:Orientation="` or `tiff:Orientation>`.
fn of_xmp(xmp: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = xmp;
    loop {
        let at = rest.windows(NAME.len()).position(|window| window == NAME)?;
        rest = &rest[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or(rest.strip_prefix(b">"));
        if let Some(digit @ b'0'..=b'9') = value.and_then(<[u8]>::first) {
            return Some(digit - b'0');
        }
    }
}

fn orientation(directory: &TiffDirectory<'_>) -> Option<Said> {
    let field = directory.field(ORIENTATION)?;
    let first = |bytes: usize| field.data.get(..bytes).map(|bytes| directory.number(bytes));
    let number = match field.kind {
        6 => first(1),
        3 | 8 => first(2),
        4 | 9 | 13 => first(4),
        16 => first(8),
        11 => first(4).map(|bits| whole(f32::from_bits(bits as u32).into())),
        12 => first(8).map(|bits| whole(f64::from_bits(bits))),
        5 | 10 => first(4).and_then(|above| {
            let below = directory.number(field.data.get(4..8)?);
            above.checked_div(below).filter(|_| above % below == 0)
        }),
        _ => None,
    };
    Some(number.and_then(|number| u8::try_from(number).ok()).map_or(Said::NoNumber, Said::Number))
}

/// A number without a fraction, from 0 to 255; 0 for any other.
fn whole(number: f64) -> u64 {
    if number.fract() == 0.0 && (0.0..256.0).contains(&number) { number as u64 } else { 0 }
}

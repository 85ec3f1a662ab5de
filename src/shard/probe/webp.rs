//! What a WebP says beside its pixels, and the check of headers that promise chunks which are not there.

use std::borrow::Cow;

use super::exif::Metadata;

/// Bits of the extended header's first byte.
const HAS_EXIF: u8 = 1 << 3;
const HAS_XMP: u8 = 1 << 2;

/// Where that byte stands: behind the file's header and the chunk's.
const FLAGS_AT: usize = 20;

/// Chunks that the header doesn't announce don't count, as in libwebp; of several the first does.
pub(super) fn metadata(file: &[u8]) -> Metadata<'_> {
    let flags = flags(file).unwrap_or(0);
    Metadata {
        exif: chunk(file, b"EXIF").filter(|_| flags & HAS_EXIF != 0).map(Cow::Borrowed),
        xmp: chunk(file, b"XMP ").filter(|_| flags & HAS_XMP != 0).map(Cow::Borrowed),
    }
}

/// The file, without a promise of metadata that isn't there: `image` refuses a picture for that, and no other decoder does.
pub(super) fn without_broken_promises(file: &[u8]) -> Cow<'_, [u8]> {
    let Some(flags) = flags(file) else { return Cow::Borrowed(file) };
    let unless_there = |flag: u8, name: &[u8; 4]| if chunk(file, name).is_some() { 0 } else { flags & flag };
    let broken = unless_there(HAS_EXIF, b"EXIF") | unless_there(HAS_XMP, b"XMP ");
    if broken == 0 {
        return Cow::Borrowed(file);
    }
    let mut mended = file.to_vec();
    mended[FLAGS_AT] &= !broken;
    Cow::Owned(mended)
}

fn flags(file: &[u8]) -> Option<u8> {
    file.get(FLAGS_AT).copied().filter(|_| file.get(12..16) == Some(b"VP8X"))
}

/// The data of a chunk, borrowed: `image` would allocate as many bytes as the chunk claims.
fn chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = file.get(12..)?;
    loop {
        let (header, after) = rest.split_at_checked(8)?;
        let length = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?) as usize;
        if header.starts_with(name) {
            return after.get(..length);
        }
        rest = after.get(length.checked_add(length & 1)?..)?;
    }
}

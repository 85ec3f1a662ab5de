//! Which TIFFs are decoded: those that `image` is known to decode as Pillow does. TIFF has more kinds than any reader reads, and a decoder
//! silently ignores what it does not know: reversed bits, premultiplied alpha, inverted grey.

use threshflow::row::Refusal;
use threshflow::shard::TiffDirectory;

/// Refused as `unsupported_picture` where the kind isn't known to come out right, as `bad_picture` where pixels are said to lie outside
/// of the file, or on what isn't pixels.
pub(super) fn check(file: &[u8]) -> Result<(), Refusal> {
    let unread = || Refusal::permanent("bad_picture", "TIFF: the first directory can't be read");
    let directory = TiffDirectory::first(file).ok_or_else(unread)?;
    let numbers = |tag: u16, default: &[u64]| directory.numbers(tag).unwrap_or_else(|| default.to_vec());
    let first = |tag: u16, default: u64| numbers(tag, &[]).first().copied().unwrap_or(default);
    let unsupported = |what: &str, found: String, read: &str| {
        let message = format!("TIFF with {what} {found}: {read} are read");
        Err(Refusal::permanent("unsupported_picture", message))
    };
    let compression = first(259, 1);
    if ![1, 5, 8, 32946, 32773].contains(&compression) {
        return unsupported("compression", compression.to_string(), "none, LZW, deflate and PackBits");
    }
    let (photometric, samples) = (first(262, 0), first(277, 1));
    let (bits, extra) = (numbers(258, &[1]), numbers(338, &[]));
    let is_one_width = bits.iter().all(|one| *one == bits[0]);
    let is_known = match (photometric, samples, bits[0], &extra[..]) {
        // Black and white, grey; the latter with an alpha that is dropped.
        (0 | 1, 1, 1 | 8, []) | (1, 1, 16, []) | (1, 2, 8, [2]) => true,
        // RGB, the same way.
        (2, 3, 8 | 16, []) | (2, 4, 8 | 16, [] | [2]) => true,
        // CMYK.
        (5, 4, 8, []) => true,
        _ => false,
    };
    if !is_known || !is_one_width {
        let found = format!("{photometric}, bits {bits:?}, extra samples {extra:?}");
        return unsupported(
            "photometric",
            found,
            "black and white, grey, RGB and CMYK of 8 bits, grey and RGB of 16,",
        );
    }
    if numbers(339, &[1]).iter().any(|format| *format != 1) {
        return unsupported("sample format", format!("{:?}", numbers(339, &[1])), "unsigned integers");
    }
    if first(266, 1) != 1 {
        return unsupported("fill order", first(266, 1).to_string(), "bytes whose first bit is the highest");
    }
    if first(284, 1) != 1 && (bits[0] > 8 || !extra.is_empty()) {
        let found = format!("of {} bits, and {} extra", bits[0], extra.len());
        return unsupported("planes", found, "planes of 8 bits, without extra ones,");
    }
    check_places(file, &directory)
}

/// Strips, or tiles, lie in the file, and not on its header or directory.
fn check_places(file: &[u8], directory: &TiffDirectory<'_>) -> Result<(), Refusal> {
    const HEADER: u64 = 8;
    for (offsets, lengths) in [(273, 279), (324, 325)] {
        let Some(offsets) = directory.numbers(offsets) else { continue };
        let lengths = directory.numbers(lengths).unwrap_or_default();
        for (start, length) in offsets.into_iter().zip(lengths) {
            let end = start.saturating_add(length);
            let on_directory = start < directory.place().end && directory.place().start < end;
            if start < HEADER || end > file.len() as u64 || on_directory {
                let bytes = file.len();
                let message =
                    format!("TIFF with pixels at {start} to {end} of {bytes} bytes, where they can't be");
                let class = if end > bytes as u64 { "cut_picture" } else { "bad_picture" };
                return Err(Refusal::permanent(class, message));
            }
        }
    }
    Ok(())
}

//! Pictures and masks, decoded and compared.

use operators::pixels::decode::{Rgb, decode_file};
use threshflow::row::{ContentHash, Refusal};

/// A picture that decodes.
pub(crate) struct Shown {
    /// Of its bytes.
    pub hash: ContentHash,
    pub rgb: Rgb,
}

impl Shown {
    pub(crate) fn size(&self) -> [u32; 2] {
        [self.rgb.width, self.rgb.height]
    }
}

/// Decodes a picture of any format that a sample may have, upright.
pub(crate) fn open(bytes: &[u8]) -> Result<Shown, Refusal> {
    let rgb = decode_file(bytes)?;
    Ok(Shown { hash: ContentHash::of(bytes), rgb })
}

/// Whether two pictures show the same, to the pixel.
pub(crate) fn are_same(a: &Shown, b: &Shown) -> bool {
    a.hash == b.hash || (a.size() == b.size() && a.rgb.pixels == b.rgb.pixels)
}

/// How many pixels of a mask are set: white, or more white than black.
pub(crate) fn area(mask: &Shown) -> usize {
    mask.rgb.pixels.chunks_exact(3).filter(|pixel| pixel[0] > 127).count()
}

/// The mean difference of two pictures inside a mask of their size, in levels of 255; `None` where the sizes differ, or the mask
/// is empty.
pub(crate) fn difference_inside(a: &Shown, b: &Shown, mask: &Shown) -> Option<f64> {
    if a.size() != b.size() || a.size() != mask.size() {
        return None;
    }
    let (mut sum, mut count) = (0_u64, 0_u64);
    let pixels = |shown: &'_ Shown| shown.rgb.pixels.len();
    debug_assert_eq!(pixels(a), pixels(b));
    let both = a.rgb.pixels.chunks_exact(3).zip(b.rgb.pixels.chunks_exact(3));
    for ((a, b), mask) in both.zip(mask.rgb.pixels.chunks_exact(3)) {
        if mask[0] > 127 {
            sum += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            count += 3;
        }
    }
    (count > 0).then(|| sum as f64 / count as f64)
}

//! How bright a pixel is.

/// Brightness, 0 to 255 (BT.601).
pub fn light([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

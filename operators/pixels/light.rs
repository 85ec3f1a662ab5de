//! How bright a pixel is.

/// Brightness, 0 to 255 (BT.601).
pub fn light([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

/// Of every pixel, row by row.
pub(crate) fn lights(picture: &image::RgbImage) -> Vec<u8> {
    picture.as_raw().chunks_exact(3).map(|ink| light([ink[0], ink[1], ink[2]])).collect()
}

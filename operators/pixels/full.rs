//! Pictures at full size, decoded as shown, for operators that work on all of their pixels.

use image::RgbImage;
use threshflow::row::Refusal;
use threshflow::shard::Picture;

use super::decode::{Purpose, Rgb, decode, decoded_bytes_of};

/// What a picture takes while it is decoded in full, with its copies.
pub fn bytes_to_decode(picture: &Picture, bytes: &[u8]) -> u64 {
    let (width, height) = (picture.width.into(), picture.height.into());
    decoded_bytes_of(bytes, width, height, picture.format, Purpose::Full)
}

pub fn as_image(rgb: Rgb) -> Result<RgbImage, Refusal> {
    let (width, height) = (rgb.width, rgb.height);
    RgbImage::from_raw(width, height, rgb.pixels).ok_or_else(|| {
        Refusal::permanent("bad_picture", format!("a picture of {width} x {height} has other pixels"))
    })
}

/// A picture file as pixels, as shown.
pub fn pixels_of(picture: &Picture, bytes: &[u8]) -> Result<RgbImage, Refusal> {
    as_image(decode(bytes, picture.format, picture.orientation, Purpose::Full)?)
}

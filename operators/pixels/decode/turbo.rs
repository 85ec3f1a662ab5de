//! Scaled JPEG decoding by libjpeg-turbo: the inverse DCT gives 1, 2 or 4 of every 8 pixels, and no more are computed.
//!
//! libjpeg-turbo has sixteen scales, but only these have SIMD code: 3/8, 5/8, 6/8 and 7/8 are slower than the next larger one here, and
//! less exact.

use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

use super::scans::Frame;
use super::{Purpose, Rgb, Window, room};

/// The scales below, for the stamp.
pub(super) const SCALES_STAMP: &str = "scales=2,4,8 of 8";

/// Eighths of the full size, smallest first.
const EIGHTHS: [u32; 3] = [2, 4, 8];

/// Decodes in full, or at the smallest scale whose shorter side is long enough. `None` where libjpeg-turbo has anything to
/// complain about, or the picture isn't grey or YCbCr: the caller then decodes it in full.
pub(super) fn decode(bytes: &[u8], frame: &Frame, purpose: Purpose) -> Option<Rgb> {
    if !matches!(frame.components.len(), 1 | 3) {
        return None;
    }
    let (full_width, full_height) = (u32::from(frame.width), u32::from(frame.height));
    let shorter = full_width.min(full_height);
    let wanted = match purpose {
        Purpose::Full => shorter,
        Purpose::ShortSideAtLeast(short_side) => short_side,
    };
    let eighths = EIGHTHS.into_iter().find(|eighths| shorter * eighths / 8 >= wanted).unwrap_or(8);
    let scale = ScalingFactor::new(eighths as usize, 8);
    let mut decompressor = Decompressor::new().ok()?;
    let header = decompressor.read_header(bytes).ok()?;
    if (header.width, header.height) != (full_width as usize, full_height as usize) {
        return None;
    }
    decompressor.set_scaling_factor(scale).ok()?;
    let header = header.scaled(scale);
    let mut pixels = room::zeros(3 * (header.width * header.height) as u64).ok()?;
    let image = Image {
        pixels: &mut pixels[..],
        width: header.width,
        pitch: 3 * header.width,
        height: header.height,
        format: PixelFormat::RGB,
    };
    decompressor.decompress(bytes, image).ok()?;
    let share = f64::from(eighths) / 8.0;
    let window = Window {
        left: 0.0,
        top: 0.0,
        width: f64::from(full_width) * share,
        height: f64::from(full_height) * share,
    };
    let (width, height) = (header.width as u32, header.height as u32);
    Some(Rgb { width, height, pixels, full_width, full_height, window })
}

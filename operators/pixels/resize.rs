//! Resizing of 8-bit RGB with antialiasing. This is the only place where the resize crate is compiled for bytes.
//!
//! Its kernels are generic over pixels and over both images, and its untyped entry compiles them for thirteen kinds of pixels at every pair
//! of images that it is called with. For one kind and one pair, as here, they take a tenth of the time to build.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{ResizeAlg, ResizeOptions, Resizer};

pub use fast_image_resize::FilterType;

use crate::pixels::decode::Window;

/// Pixels of 3 bytes each, row by row; sides in pixels.
#[derive(Clone, Copy)]
pub struct RgbBytes<'a> {
    pub width: u32,
    pub height: u32,
    pub pixels: &'a [u8],
}

impl RgbBytes<'_> {
    /// All of these pixels.
    pub fn whole(&self) -> Window {
        Window { left: 0.0, top: 0.0, width: self.width.into(), height: self.height.into() }
    }
}

/// What `window` shows of the pixels, as width x height pixels: `3 * width * height` bytes. The filter's support grows with the
/// ratio. Weights have 16 bits. An error says which of the sizes do not fit each other.
///
/// ```
/// use operators::pixels::resize::{FilterType, RgbBytes, resize};
/// let grey = RgbBytes { width: 64, height: 48, pixels: &[90; 64 * 48 * 3] };
/// assert_eq!(resize(grey, grey.whole(), (8, 6), FilterType::CatmullRom).unwrap(), [90; 8 * 6 * 3]);
/// ```
pub fn resize(
    source: RgbBytes<'_>,
    window: Window,
    (width, height): (u32, u32),
    filter: FilterType,
) -> Result<Vec<u8>, String> {
    let pixels = TypedImageRef::<U8x3>::from_buffer(source.width, source.height, source.pixels)
        .map_err(|error| error.to_string())?;
    let mut made = vec![0; 3 * width as usize * height as usize];
    let mut target =
        TypedImage::<U8x3>::from_buffer(width, height, &mut made).map_err(|error| error.to_string())?;
    let Window { left, top, width, height } = window;
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(left, top, width, height);
    Resizer::new().resize_typed(&pixels, &mut target, &options).map_err(|error| error.to_string())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let cut = RgbBytes { width: 4, height: 4, pixels: &[0; 47] };
        assert!(resize(cut, cut.whole(), (2, 2), FilterType::Bilinear).is_err(), "a byte is missing");
        let small = RgbBytes { pixels: &[0; 48], ..cut };
        let beyond = Window { left: 1.0, ..small.whole() };
        assert!(resize(small, beyond, (2, 2), FilterType::Bilinear).is_err(), "a window beyond the edge");
    }

    #[test]
    fn a_window_shows_its_part() {
        let rows: Vec<u8> = (0..6u8).flat_map(|row| [10 * row; 3 * 4]).collect();
        let source = RgbBytes { width: 4, height: 6, pixels: &rows };
        let lower = Window { top: 2.0, height: 4.0, ..source.whole() };
        let as_it_is = resize(source, lower, (4, 4), FilterType::Bilinear).unwrap();
        assert_eq!(as_it_is, rows[24..], "not resized at all");
        // Rows 20 and 30 lie in the upper half, 40 and 50 in the lower; what lies beyond weighs less.
        let halved = resize(source, lower, (1, 2), FilterType::Bilinear).unwrap();
        assert!(halved[0] > 20 && halved[0] < 30 && halved[3] > 40 && halved[3] < 50, "{halved:?}");
    }
}

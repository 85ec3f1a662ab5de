//! JPEG to exactly the bits that Pillow gives, in full or scaled, by a port to Rust of libjpeg-turbo, Pillow's decoder.
//!
//! The bits depend on roundings that ITU-T T.81 leaves open: in the inverse DCT, in the colours, and above all where chroma is upsampled in
//! both directions, once here and twice in most decoders. zune-jpeg's chroma, which is rounded twice, is a quarter of a level too high on
//! average. A crop still shows this: up to 3 levels of 255 from Pillow's.
//!
//! Scaled, the inverse DCT gives 2 or 4 pixels of every 8, across and down, and no more are computed (libjpeg-turbo's `jidctred.c`;
//! Pillow's `Image.draft`). libjpeg has sixteen scales. Pillow takes only those that are powers of two, and so only these can be compared.
//!
//! The port writes its blocks through raw pointers, to places that depend on the frame's size and sampling alone. So only the samplings of
//! [`is_usual`] go in, and all of these are in the tests. The C code decodes the others, and everything that the port complains about. The
//! port is there for speed: with vector instructions it takes half the time that the C code takes without.

use libjpeg_turbo_rs::{DecodeLimits, Decoder, PixelFormat, ScalingFactor};

use super::scans::Frame;
use super::{MAX_PIXELS, Purpose, Rgb, Window};

/// The scales below, for the stamp.
pub(super) const SCALES_STAMP: &str = "scales=1/4,1/2,1";

/// What full sizes are divided by, smallest pictures first.
const DIVISORS: [u32; 3] = [4, 2, 1];

/// Decodes in full, or at the smallest scale whose shorter side is long enough. `None` where the picture isn't of a usual kind, or where
/// there is anything to complain about.
pub(super) fn decode(bytes: &[u8], frame: &Frame, purpose: Purpose) -> Option<Rgb> {
    let limits = DecodeLimits { max_pixels: MAX_PIXELS, ..DecodeLimits::default() };
    let mut decoder = Decoder::new_with_limits(bytes, limits).ok()?;
    let header = decoder.header();
    if (header.width, header.height) != (frame.width, frame.height) || !is_usual(&decoder) {
        return None;
    }
    decoder.set_output_format(PixelFormat::Rgb);
    decoder.set_stop_on_warning(true);
    // libjpeg's default: what a progressive picture leaves out is guessed from its neighbours.
    decoder.set_block_smoothing(true);
    let (full_width, full_height) = (u32::from(frame.width), u32::from(frame.height));
    let divisor = divisor(full_width.min(full_height), purpose);
    decoder.set_scale(ScalingFactor::try_new(1, divisor).ok()?);
    let image = decoder.decode_image().ok()?;
    let (width, height) = (full_width.div_ceil(divisor), full_height.div_ceil(divisor));
    if (image.width, image.height) != (width as usize, height as usize) {
        return None;
    }
    let part = |side: u32| f64::from(side) / f64::from(divisor);
    let window = Window { left: 0.0, top: 0.0, width: part(full_width), height: part(full_height) };
    Some(Rgb { full_width, full_height, window, ..Rgb::full(width, height, image.data).ok()? })
}

/// By how much a picture with this shorter side may be divided.
fn divisor(shorter: u32, purpose: Purpose) -> u32 {
    match purpose {
        Purpose::Full => 1,
        Purpose::ShortSideAtLeast(wanted) => {
            DIVISORS.into_iter().find(|divisor| shorter / divisor >= wanted).unwrap_or(1)
        }
    }
}

/// 8 bits, Huffman coding, grey or three components of which only the first may have twice the samples, across, down or both.
fn is_usual(decoder: &Decoder) -> bool {
    let header = decoder.header();
    let mut sampling = header.components.iter().map(|one| (one.horizontal_sampling, one.vertical_sampling));
    let is_usual_sampling = match header.components.len() {
        1 => sampling.next() == Some((1, 1)),
        3 => matches!(sampling.next(), Some((1 | 2, 1 | 2))) && sampling.all(|rest| rest == (1, 1)),
        _ => false,
    };
    is_usual_sampling && header.precision == 8 && !header.is_lossless && !decoder.is_arithmetic()
}

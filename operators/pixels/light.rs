//! How bright a pixel is.

use super::widest::{Inks, widest};

/// Brightness, 0 to 255 (BT.601).
pub fn light([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

/// [`light`] in numbers of 16 bits, of which vectors hold twice as many. Dividing by 1000 is dividing by 8, and then by 125: what is
/// left of each product after the first is summed apart.
#[inline(always)]
fn light_of([r, g, b]: [u16; 3]) -> u8 {
    let eighths = 3 * r + 3 * g + 2 * b + 4;
    ((37 * r + 73 * g + 14 * b + 62 + eighths / 8) / 125) as u8
}

/// Of every pixel, row by row.
pub(crate) fn lights(picture: &image::RgbImage) -> Vec<u8> {
    lights_without(picture, [0; 3])
}

/// Of every pixel of a picture that has so many levels less in each channel, 0 to 255 at the ends.
pub(crate) fn lights_without(picture: &image::RgbImage, cast: [i16; 3]) -> Vec<u8> {
    let width = picture.width() as usize;
    let mut lights = vec![0; width * picture.height() as usize];
    if lights.is_empty() {
        return lights;
    }
    widest(
        #[inline(always)]
        || {
            let mut inks = Inks::of_width(width);
            let rows = picture.as_raw().chunks_exact(3 * width);
            for (lights, row) in lights.chunks_exact_mut(width).zip(rows) {
                inks.take(row);
                let inks = inks.red.iter().zip(&inks.green).zip(&inks.blue);
                let less = |ink: u8, cast: i16| (i16::from(ink) - cast).clamp(0, 255) as u16;
                for (light, ((r, g), b)) in lights.iter_mut().zip(inks) {
                    *light = light_of([less(*r, cast[0]), less(*g, cast[1]), less(*b, cast[2])]);
                }
            }
        },
    );
    lights
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn brightness_is_the_same_in_fewer_bits() {
        // All colours, a row for each red and green.
        for red in 0..=255u8 {
            let picture = RgbImage::from_fn(256, 256, |x, y| image::Rgb([red, y as u8, x as u8]));
            let plain: Vec<u8> = picture.pixels().map(|pixel| light(pixel.0)).collect();
            assert!(lights(&picture) == plain, "with {red} of red");
        }
    }

    #[test]
    fn a_cast_is_taken_off_before() {
        let mut random = fastrand::Rng::with_seed(1);
        for width in [1, 5, 33, 70] {
            let picture = RgbImage::from_fn(width, 9, |_, _| image::Rgb([0; 3].map(|_: u8| random.u8(..))));
            let cast = [0; 3].map(|_: u8| random.i16(-255..=255));
            let less = |pixel: &image::Rgb<u8>| {
                light(std::array::from_fn(|c| (i16::from(pixel.0[c]) - cast[c]).clamp(0, 255) as u8))
            };
            let plain: Vec<u8> = picture.pixels().map(less).collect();
            assert_eq!(lights_without(&picture, cast), plain, "{cast:?}");
        }
    }
}

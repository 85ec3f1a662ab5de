//! The Kuwahara filter: flat strokes between sharp edges (Kuwahara et al., 1976).

use image::{Rgb, RgbImage};

use crate::pixels::light::light;

/// Each pixel becomes the mean of that of its four squares (upper left to lower right, `radius + 1` pixels wide, all with the
/// pixel in a corner) whose brightness differs least.
pub fn flattened(picture: &RgbImage, radius: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let sums = Sums::of(picture);
    RgbImage::from_fn(width, height, |x, y| {
        let (left, top) = (x.saturating_sub(radius), y.saturating_sub(radius));
        let (right, bottom) = ((x + radius + 1).min(width), (y + radius + 1).min(height));
        let corners = [
            [left, top, x + 1, y + 1],
            [x, top, right, y + 1],
            [left, y, x + 1, bottom],
            [x, y, right, bottom],
        ];
        let squares = corners.map(|bounds| sums.within(bounds));
        let calmest = squares.iter().min_by(|one, other| one.0.total_cmp(&other.0));
        calmest.map_or(*picture.get_pixel(x, y), |(_, mean)| *mean)
    })
}

/// Sums over all pixels above and to the left: red, green, blue, brightness, and its square.
struct Sums {
    stride: usize,
    sums: Vec<[u64; 5]>,
}

impl Sums {
    fn of(picture: &RgbImage) -> Self {
        let stride = picture.width() as usize + 1;
        let mut sums = vec![[0u64; 5]; stride * (picture.height() as usize + 1)];
        for (y, row) in picture.rows().enumerate() {
            let mut along = [0u64; 5];
            for (x, pixel) in row.enumerate() {
                let light = u64::from(light(pixel.0));
                let [r, g, b] = pixel.0.map(u64::from);
                for (sum, value) in along.iter_mut().zip([r, g, b, light, light * light]) {
                    *sum += value;
                }
                let above = sums[y * stride + x + 1];
                sums[(y + 1) * stride + x + 1] = std::array::from_fn(|n| above[n] + along[n]);
            }
        }
        Sums { stride, sums }
    }

    /// The variance of brightness and the mean colour within left, top, right, bottom.
    fn within(&self, [left, top, right, bottom]: [u32; 4]) -> (f64, Rgb<u8>) {
        let at = |x: u32, y: u32| &self.sums[y as usize * self.stride + x as usize];
        let corners = (at(right, bottom), at(left, top), at(left, bottom), at(right, top));
        let sum = |n: usize| corners.0[n] + corners.1[n] - corners.2[n] - corners.3[n];
        let count = u64::from(right - left) * u64::from(bottom - top);
        let mean = sum(3) as f64 / count as f64;
        let ink = |n: usize| ((sum(n) + count / 2) / count) as u8;
        (sum(4) as f64 / count as f64 - mean * mean, Rgb([ink(0), ink(1), ink(2)]))
    }
}

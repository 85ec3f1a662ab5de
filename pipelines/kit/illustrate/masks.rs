//! Masks over a small picture: a tint inside, and a line along the edge.

use image::RgbImage;
use operators::pixels::mask::Mask;
use operators::pixels::rle;

/// Shares of the colour in what is inside, and on the edge.
const TINT: f32 = 0.36;
const EDGE: f32 = 0.85;
/// Points a pixel of the small picture is looked at, each way.
const POINTS: u32 = 3;

/// Tints what the mask of a picture of `full` pixels covers. A mask that cannot be read is left out: the picture with
/// its box is still worth seeing.
pub(super) fn lay_over(small: &mut RgbImage, counts: &str, full: [u32; 2], colour: [u8; 3]) {
    let Ok(mask) = rle::decode(counts, full[0], full[1]) else { return };
    let (width, height) = small.dimensions();
    let covered = cover(&mask, width, height);
    let inside = |x: i64, y: i64| {
        let on_picture = (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y);
        // Beyond the picture a mask goes on: no line is drawn along the picture's own edge.
        !on_picture || covered[(y * i64::from(width) + x) as usize] >= 0.5
    };
    for (x, y, pixel) in small.enumerate_pixels_mut() {
        let (here_x, here_y) = (i64::from(x), i64::from(y));
        let share = covered[y as usize * width as usize + x as usize];
        if share == 0.0 {
            continue;
        }
        let around = [(-1, 0), (1, 0), (0, -1), (0, 1)];
        let is_edge = inside(here_x, here_y)
            && around.iter().any(|(right, down)| !inside(here_x + right, here_y + down));
        let weight = if is_edge { EDGE } else { TINT * share };
        for (level, tint) in pixel.0.iter_mut().zip(colour) {
            *level = (f32::from(*level) * (1.0 - weight) + f32::from(tint) * weight).round() as u8;
        }
    }
}

/// How much of each pixel of a grid of `width` x `height` the mask covers, 0 to 1, row by row.
fn cover(mask: &Mask, width: u32, height: u32) -> Vec<f32> {
    // The middle of the `step`th part of a line of `parts`, on a line of `whole` pixels.
    let at = |step: u32, parts: u32, whole: u32| {
        ((u64::from(step) * 2 + 1) * u64::from(whole) / (u64::from(parts) * 2)) as u32
    };
    let mut covered = Vec::with_capacity(width as usize * height as usize);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let mut points = 0;
        for (down, right) in (0..POINTS).flat_map(|down| (0..POINTS).map(move |right| (down, right))) {
            let x = at(x * POINTS + right, width * POINTS, mask.width);
            let y = at(y * POINTS + down, height * POINTS, mask.height);
            points += u32::from(mask.holds(x, y));
        }
        covered.push(points as f32 / (POINTS * POINTS) as f32);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn only_what_is_inside_is_tinted() {
        let mut mask = Mask::empty(40, 20);
        for (y, x) in (0..20usize).flat_map(|y| (0..20usize).map(move |x| (y, x))) {
            mask.bits[y * 40 + x] = 1;
        }
        let mut small = RgbImage::from_pixel(20, 10, Rgb([200; 3]));
        lay_over(&mut small, &rle::encode(&mask), [40, 20], [0, 0, 255]);
        assert_eq!(small.get_pixel(15, 5), &Rgb([200; 3]), "outside");
        assert_eq!(small.get_pixel(4, 5), &Rgb([128, 128, 220]), "inside");
        assert_eq!(small.get_pixel(9, 5), &Rgb([30, 30, 247]), "the edge");
        assert_eq!(small.get_pixel(0, 5), small.get_pixel(4, 5), "no line along the picture's edge");
        // A mask of another picture, or of none, is left out.
        let before = small.clone();
        lay_over(&mut small, "abc", [40, 20], [255; 3]);
        lay_over(&mut small, &rle::encode(&mask), [41, 20], [255; 3]);
        assert_eq!(small, before);
    }
}

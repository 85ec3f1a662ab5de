//! The perceptual hash, against one worked out by hand.

use super::*;
use crate::pixels::decode::Window;

/// A picture of 9 by 7 equal tiles of grey, so that shrinking it is the mean of a tile.
fn tiles(grey: impl Fn(u32, u32) -> u8) -> Rgb {
    let picture = RgbImage::from_fn(9 * 20, 7 * 20, |x, y| image::Rgb([grey(x / 20, y / 20); 3]));
    Rgb::full(picture.width(), picture.height(), picture.into_raw()).expect("a whole picture")
}

#[test]
fn every_bit_says_that_a_tile_is_brighter_than_its_left_neighbour() {
    assert_eq!(perceptual_hash(tiles(|x, _| 20 * x as u8)), Ok(PerceptualHash([0xff; 7])));
    assert_eq!(perceptual_hash(tiles(|x, _| 200 - 20 * x as u8)), Ok(PerceptualHash([0; 7])));
    // The first pair of a row is its lowest bit: three up, five down.
    let row = |x: u32| [10, 40, 90, 200, 150, 120, 90, 60, 20][x as usize];
    assert_eq!(perceptual_hash(tiles(|x, _| row(x))), Ok(PerceptualHash([7; 7])));
    // The first row is the first byte: four rows up, three down.
    let halves = |x: u32, y: u32| if y < 4 { 20 * x as u8 } else { 200 - 20 * x as u8 };
    assert_eq!(perceptual_hash(tiles(halves)), Ok(PerceptualHash([255, 255, 255, 255, 0, 0, 0])));
}

#[test]
fn one_colour_is_hash_zero_and_what_is_no_picture_is_refused() {
    assert_eq!(perceptual_hash(tiles(|_, _| 255)), Ok(PerceptualHash([0; 7])));
    let tiny = Rgb::full(1, 1, vec![1, 2, 3]).expect("a whole picture");
    assert_eq!(perceptual_hash(tiny), Ok(PerceptualHash([0; 7])));
    let mut broken = Rgb::full(2, 1, vec![0; 6]).expect("a whole picture");
    broken.pixels.pop();
    assert_eq!(perceptual_hash(broken).expect_err("is refused").class, "bad_picture");
}

/// Of a scaled picture, a column at the left and a row at the bottom that are not all its own.
#[test]
fn edges_that_are_cut_do_not_count() {
    // Neighbours are so alike that one bright column would turn a bit.
    let whole = tiles(|x, _| 100 + x as u8);
    let (width, height) = (whole.width + 1, whole.height + 1);
    let own = RgbImage::from_raw(whole.width, whole.height, whole.pixels.clone()).expect("a whole picture");
    let mut framed = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    imageops::replace(&mut framed, &own, 1, 0);
    let framed = Rgb::full(width, height, framed.into_raw()).expect("a whole picture");
    assert_ne!(perceptual_hash(framed.clone()), perceptual_hash(whole.clone()));
    let window =
        Window { left: 0.5, top: 0.0, width: f64::from(width) - 0.5, height: f64::from(height) - 0.75 };
    assert_eq!(perceptual_hash(Rgb { window, ..framed }), perceptual_hash(whole));
}

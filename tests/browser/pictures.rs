//! The pictures of these tests: their sizes, their words and which of them are good are plain functions of their numbers.

use std::io::Cursor;
use std::ops::Range;

use image::{ImageFormat, Rgb, RgbImage};
use tests::shards::Sample;

/// Pictures of each shard.
pub const EACH: u64 = 60;
/// Of both.
pub const ALL: u64 = 2 * EACH;

/// The shorter side of picture `n`, in pixels: from 10 to 41, as many of each as of any other.
pub fn side(n: u64) -> u32 {
    10 + (n * 11 % 32) as u32
}

/// What somebody who labels the pictures calls them: neither always right by the side, nor always wrong.
pub fn is_good(n: u64) -> bool {
    if side(n) > 25 { !n.is_multiple_of(4) } else { n.is_multiple_of(3) }
}

/// The number of the picture with this key: `000012`, or `a/000012`.
pub fn number_of(key: &str) -> u64 {
    let number = key.rsplit('/').next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("{key:?} is no key of these pictures"))
}

pub fn samples(range: Range<u64>) -> Vec<Sample> {
    let sample = |n: u64| Sample {
        key: format!("{n:06}"),
        picture: png(n),
        json: Some(serde_json::json!({ "tags": words(n), "caption": format!("picture {n}") }).to_string()),
    };
    range.map(sample).collect()
}

fn words(n: u64) -> Vec<String> {
    (0..1 + n % 3)
        .map(|place| format!("{}{}", if (n + place).is_multiple_of(4) { 'b' } else { 'o' }, (n + place) % 7))
        .collect()
}

/// A disc on a ground, both in colours of their own.
pub fn png(n: u64) -> Vec<u8> {
    let (width, height) = (side(n) + n as u32 % 5, side(n));
    let colour = |at: u64| Rgb([(at * 67 % 256) as u8, (at * 131 % 256) as u8, (at * 29 % 256) as u8]);
    let paint = |x: u32, y: u32| {
        let (x, y) = (2 * x as i32 - width as i32, 2 * y as i32 - height as i32);
        if 2 * (x * x + y * y) < (height * height) as i32 { colour(n + 1) } else { colour(3 * n + 2) }
    };
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_fn(width, height, paint).write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

#[test]
fn pictures_are_all_different_and_both_good_and_bad_on_both_sides() {
    let all: std::collections::BTreeSet<Vec<u8>> = (0..ALL).map(png).collect();
    assert_eq!(all.len() as u64, ALL);
    for passes in [true, false] {
        let good = (0..ALL).filter(|n| (side(*n) > 25) == passes && is_good(*n)).count();
        let there = (0..ALL).filter(|n| (side(*n) > 25) == passes).count();
        assert!(good > 10 && good + 10 < there, "{good} of {there}");
    }
}

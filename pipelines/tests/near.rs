//! Near duplicates of the demo's scenes: what an editor or a web server does to a picture leaves it close to itself, and
//! different scenes are far apart. Lengths are in bits of the perceptual hash, of 56.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, RgbImage};
use operators::dedup::perceptual_hash;
use operators::pixels::decode::{Purpose, decode};
use pipelines::demo::Scene;
use threshflow::flow::NearestBetter;
use threshflow::row::PerceptualHash;
use threshflow::shard::Format;

const SCENES: u64 = 24;

fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    let (width, height) = picture.dimensions();
    encoder.encode(picture, width, height, ExtendedColorType::Rgb8).expect("encodes");
    bytes
}

fn hash(picture: &RgbImage, quality: u8) -> PerceptualHash {
    let decoded = decode(&jpeg(picture, quality), Format::Jpeg, 1, Purpose::ShortSideAtLeast(128));
    perceptual_hash(decoded.expect("decodes")).expect("hashes")
}

/// Distances of pictures that were changed so from what they were, the least first.
fn moved(scenes: &[RgbImage], change: impl Fn(&RgbImage) -> PerceptualHash) -> Vec<u32> {
    let mut moved: Vec<u32> = scenes.iter().map(|scene| hash(scene, 95).distance(change(scene))).collect();
    moved.sort_unstable();
    moved
}

#[test]
fn copies_are_near_and_other_scenes_are_far() {
    let scenes: Vec<RgbImage> = (0..SCENES).map(|n| Scene::number(7, n).draw(400, 300)).collect();
    let again = moved(&scenes, |scene| hash(scene, 75));
    let smaller = moved(&scenes, |scene| {
        let (width, height) = scene.dimensions();
        hash(&imageops::resize(scene, width * 9 / 10, height * 9 / 10, FilterType::CatmullRom), 90)
    });
    let cropped = moved(&scenes, |scene| {
        let (width, height) = scene.dimensions();
        let (x, y) = (width / 100, height / 100);
        hash(&imageops::crop_imm(scene, x, y, width - 2 * x, height - 2 * y).to_image(), 90)
    });
    let hashes: Vec<PerceptualHash> = scenes.iter().map(|scene| hash(scene, 95)).collect();
    let pairs = hashes.iter().enumerate().flat_map(|(at, one)| {
        let others = hashes[..at].iter();
        others.map(|other| one.distance(*other))
    });
    let mut apart: Vec<u32> = pairs.collect();
    apart.sort_unstable();
    println!("again {again:?}\nsmaller {smaller:?}\ncropped {cropped:?}\napart {:?}", &apart[..20]);

    let (half, most) = (SCENES as usize / 2, SCENES as usize - 1);
    assert!(again[half] <= 2 && again[most] <= NearestBetter::REACH, "{again:?}");
    assert!(smaller[half] <= 2 && smaller[most] <= NearestBetter::REACH, "{smaller:?}");
    assert!(cropped[half] <= 4 && cropped[most] <= NearestBetter::REACH, "{cropped:?}");
    assert!(apart[0] > NearestBetter::REACH && apart[apart.len() / 2] > 20, "{apart:?}");
}

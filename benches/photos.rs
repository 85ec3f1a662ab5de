//! Pictures like photos: noise of several sizes, soft shapes and grain, so that a JPEG of quality 90 takes about
//! 0.3 bytes a pixel, as photos do. And shards of them.

use std::path::Path;

use image::{Rgb, RgbImage};
use threshflow::publish::PlainTar;

pub const WIDTH: u32 = 2000;
pub const HEIGHT: u32 = 1333;

/// A number from 0 to 1 for a place of a grid.
fn grain(x: u32, y: u32, seed: u32) -> f32 {
    let mut z = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    z = (z ^ (z >> 15)).wrapping_mul(0x2c1b_3c6d);
    z = (z ^ (z >> 12)).wrapping_mul(0x297a_2d39);
    ((z ^ (z >> 15)) >> 8) as f32 / (1 << 24) as f32
}

/// Grains on a grid of this step, joined by straight lines.
fn smooth(x: u32, y: u32, step: u32, seed: u32) -> f32 {
    let (left, top) = (x / step, y / step);
    let (across, down) = ((x % step) as f32 / step as f32, (y % step) as f32 / step as f32);
    let row = |y| grain(left, y, seed) * (1.0 - across) + grain(left + 1, y, seed) * across;
    row(top) * (1.0 - down) + row(top + 1) * down
}

/// A picture of [`WIDTH`] x [`HEIGHT`], another one for every seed.
pub fn photo(seed: u32) -> RgbImage {
    let discs: Vec<[f32; 4]> = (0..5)
        .map(|n| {
            let draw = |which| grain(n, which, seed ^ 0x5ca1_ab1e);
            [draw(0) * WIDTH as f32, draw(1) * HEIGHT as f32, 60.0 + 260.0 * draw(2), 120.0 * draw(3) - 60.0]
        })
        .collect();
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let octaves = [(256, 110.0), (64, 46.0), (16, 20.0), (4, 9.0)];
        let noise: f32 = octaves.iter().map(|(step, by)| (smooth(x, y, *step, seed) - 0.5) * by).sum();
        let inside =
            |disc: &&[f32; 4]| (x as f32 - disc[0]).powi(2) + (y as f32 - disc[1]).powi(2) < disc[2].powi(2);
        let shapes: f32 = discs.iter().filter(inside).map(|disc| disc[3]).sum();
        let light = 120.0 + noise + shapes + (grain(x, y, seed) - 0.5) * GRAIN;
        let tint = |channel: u32| (smooth(x, y, 128, seed ^ channel) - 0.5) * 50.0;
        Rgb([1, 2, 3].map(|channel| (light + tint(channel)).clamp(0.0, 255.0) as u8))
    })
}

/// How much a pixel differs from its neighbours: this is what makes the files as large as photos'.
const GRAIN: f32 = 22.0;

/// [`photo`] as a JPEG of quality 90.
pub fn jpeg(seed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
    photo(seed).write_with_encoder(encoder).expect("a picture in memory is encoded");
    bytes
}

/// Writes a WebDataset shard of at least so many bytes; gives the number of its pictures. A few pictures are drawn and come again,
/// each time with another comment in it, so that no two contents are the same.
pub fn write_shard(path: &Path, least_bytes: u64) -> u64 {
    write_shard_from(path, least_bytes, 0)
}

/// The same of pictures that count from `first` on: shards of other numbers have other contents.
pub fn write_shard_from(path: &Path, least_bytes: u64, first: u64) -> u64 {
    let drawn: Vec<Vec<u8>> = (0..6).map(jpeg).collect();
    let mut tar = PlainTar::new(std::fs::File::create(path).expect("a file in the temporary folder"));
    let mut add = |name: String, bytes: &[u8]| {
        tar.append(&name, bytes).expect("the temporary folder has room");
        512 + bytes.len() as u64
    };
    let (mut pictures, mut written) = (0_u64, 0);
    while written < least_bytes {
        let jpeg = &drawn[pictures as usize % drawn.len()];
        // Start of image, a comment segment of eight bytes, and the rest as it was.
        let mut bytes = jpeg[..2].to_vec();
        bytes.extend([0xff, 0xfe, 0, 10]);
        bytes.extend((first + pictures).to_be_bytes());
        bytes.extend(&jpeg[2..]);
        written += add(format!("{pictures:09}.jpg"), &bytes);
        let sidecar = format!("{{\"aes\": {}, \"caption\": \"picture {pictures}\"}}", pictures % 10);
        written += add(format!("{pictures:09}.json"), sidecar.as_bytes());
        pictures += 1;
    }
    tar.finish().expect("the temporary folder has room");
    pictures
}

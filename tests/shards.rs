//! Shards made of tiny pictures.

use std::io::{Cursor, Write};
use std::path::Path;

use image::{ImageFormat, RgbImage};
use threshflow::publish::PlainTar;

/// One sample to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub key: String,
    /// Bytes of the picture; not a picture at all where the test wants that.
    pub picture: Vec<u8>,
    pub json: Option<String>,
}

/// A picture of this size whose bytes depend on `seed`.
pub fn png(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let paint = |x: u32, y: u32| {
        let n = seed.wrapping_mul(31).wrapping_add(u64::from(x * 7 + y * 13));
        image::Rgb([n as u8, (n >> 8) as u8, (n >> 16) as u8 ^ x as u8])
    };
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_fn(width, height, paint).write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

/// Samples `from..to` of the corpus of `seed`: sizes from 8 to 23 pixels, one in 17 not a picture at all.
pub fn corpus(seed: u64, range: std::ops::Range<u64>) -> Vec<Sample> {
    let sample = |n: u64| {
        let mut rng = crate::Rng(seed ^ (n << 20));
        let (width, height) = (8 + rng.below(16) as u32, 8 + rng.below(16) as u32);
        let picture =
            if rng.below(17) == 0 { b"not a picture".to_vec() } else { png(width, height, rng.next()) };
        let json = (rng.below(3) == 0).then(|| format!("{{\"caption\":\"number {n}\",\"aes\":{}}}", n % 10));
        Sample { key: format!("{n:06}"), picture, json }
    };
    range.map(sample).collect()
}

/// Writes a WebDataset shard.
pub fn write(path: &Path, samples: &[Sample]) {
    let mut tar = PlainTar::new(std::io::BufWriter::new(std::fs::File::create(path).expect("creates")));
    let mut add = |name: String, bytes: &[u8]| {
        tar.append(&name, bytes).expect("appends");
    };
    for sample in samples {
        add(format!("{}.png", sample.key), &sample.picture);
        if let Some(json) = &sample.json {
            add(format!("{}.json", sample.key), json.as_bytes());
        }
    }
    tar.finish().and_then(|mut tar| tar.flush()).expect("finishes");
}

/// Turns every bit of a shard's files over, in place; a second time, turns them back. Whoever has it open finds it changed.
pub fn spoil(path: &Path) {
    // Longer than a clock that stamps files ticks.
    std::thread::sleep(std::time::Duration::from_millis(30));
    let bytes: Vec<u8> = std::fs::read(path).expect("reads").iter().map(|byte| !byte).collect();
    let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("opens");
    std::io::Write::write_all(&mut file, &bytes).expect("writes");
}

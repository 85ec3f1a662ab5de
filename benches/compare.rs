//! Pairs a second that one core compares, at one and at two megapixels, beside decoding both pictures of them: the original as a JPEG, what an
//! editor made of it as a PNG. The comparison is to cost less, and does: an eighth to three fifths, with AVX-512. Three pairs: nothing differs
//! outside of the mask; all of it does, as an editing model leaves it; and all of it moved by three pixels, which is found and undone.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::{self, FilterType as Resampling};
use operators::pixels::decode::{Purpose, decode};
use operators::pixels::mask::Mask;
use operators::pixels::pair::{Inside, Made, Wanted, compare};
use threshflow::shard::Format;

struct Sample {
    name: &'static str,
    after: RgbImage,
}

/// The bench's photo at a size, as a picture and as a JPEG of the quality that cameras write.
fn photo(width: u32, height: u32) -> (RgbImage, Vec<u8>) {
    let picture = imageops::resize(&benches::photos::photo(0), width, height, Resampling::CatmullRom);
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 92)
        .encode_image(&picture)
        .expect("encodes");
    (picture, jpeg)
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    picture.write_with_encoder(encoder).expect("encodes");
    bytes
}

fn disc(width: u32, height: u32) -> Mask {
    let mut mask = Mask::empty(width, height);
    for (at, bit) in (0..).zip(mask.bits.iter_mut()) {
        let (x, y): (u32, u32) = (at % width, at / width);
        *bit = u8::from(x.abs_diff(width / 2).pow(2) + y.abs_diff(height / 2).pow(2) < (height / 5).pow(2));
    }
    mask
}

fn samples(before: &RgbImage, mask: &Mask) -> [Sample; 3] {
    let mut edited = before.clone();
    edited
        .pixels_mut()
        .zip(&mask.bits)
        .filter(|(_, bit)| **bit != 0)
        .for_each(|(pixel, _)| pixel.0.rotate_left(1));
    let mut noisy = edited.clone();
    let mut dice = 1u32;
    for ink in noisy.pixels_mut().flat_map(|pixel| pixel.0.iter_mut()) {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *ink = ink.saturating_add_signed((dice >> 24) as i8 / 20);
    }
    let moved =
        RgbImage::from_fn(before.width(), before.height(), |x, y| *noisy.get_pixel(x.saturating_sub(3), y));
    [
        Sample { name: "as_before_outside", after: edited },
        Sample { name: "noise_outside", after: noisy },
        Sample { name: "moved_by_3", after: moved },
    ]
}

fn comparing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compare");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for (name, width, height) in [("1_megapixel", 1216, 832), ("2_megapixels", 1728, 1152)] {
        let (before, jpeg) = photo(width, height);
        let mask = disc(width, height);
        for Sample { name: sample, after } in samples(&before, &mask) {
            let file = png(&after);
            group.bench_function(BenchmarkId::new(format!("decode_both_{sample}"), name), |bench| {
                bench.iter(|| {
                    let before = decode(&jpeg, Format::Jpeg, 1, Purpose::Full).expect("a sound picture");
                    (before, decode(&file, Format::Png, 1, Purpose::Full).expect("a sound picture"))
                });
            });
            let (inside, seams) = ([(&mask, 14)], [(&mask, 14, Made::After)]);
            let wanted = Wanted { inside: Inside::Masks(&inside), seams: &seams, undo: true };
            group.bench_function(BenchmarkId::new(format!("compare_{sample}"), name), |bench| {
                bench.iter(|| compare(black_box(&before), black_box(&after), &wanted).expect("of one size"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, comparing);
criterion_main!(benches);

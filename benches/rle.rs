//! Megabytes of mask a second that run lengths take, a byte a pixel: as it is done, and walking down the columns.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use operators::pixels::mask::Mask;
use operators::pixels::rle::{RunWriter, decode, encode};

/// A region like a photo's: a disc with a ragged edge, in a picture of 2000 x 1333 pixels.
fn ragged_disc() -> Mask {
    let (width, height) = (2000, 1333);
    let mut mask = Mask::empty(width, height);
    for (at, bit) in mask.bits.iter_mut().enumerate() {
        let (x, y) = ((at % width as usize) as f64 - 900.0, (at / width as usize) as f64 - 700.0);
        let radius = 450.0 + 30.0 * (x / 9.0).sin() * (y / 7.0).cos();
        *bit = u8::from(x * x + y * y < radius * radius);
    }
    mask
}

fn walk_down_the_columns(mask: &Mask) -> String {
    let mut writer = RunWriter::default();
    let width = mask.width as usize;
    for x in 0..width {
        for pixel in mask.bits[x..].iter().step_by(width) {
            writer.push(*pixel, 1);
        }
    }
    writer.finish()
}

fn rle(criterion: &mut Criterion) {
    let mask = ragged_disc();
    let counts = encode(&mask);
    assert_eq!(counts, walk_down_the_columns(&mask));
    println!("{} x {} pixels, {} characters", mask.width, mask.height, counts.len());
    let mut group = criterion.benchmark_group("rle");
    group.throughput(Throughput::Bytes(mask.bits.len() as u64));
    group.bench_function("encode", |bench| bench.iter(|| encode(&mask)));
    group.bench_function("encode_down_the_columns", |bench| bench.iter(|| walk_down_the_columns(&mask)));
    group.bench_function("decode", |bench| {
        bench.iter(|| decode(&counts, mask.width, mask.height).expect("a string of our own"));
    });
    group.finish();
}

criterion_group!(benches, rle);
criterion_main!(benches);

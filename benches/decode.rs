//! Pictures a second that one core decodes and crops for a CLIP model: every pixel of them, and scaled.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use operators::pixels::clip_crop::Preprocess;
use operators::pixels::decode::{Decoding, decode, decoder_stamp};
use threshflow::shard::Format;

fn decode_and_crop(criterion: &mut Criterion) {
    let preprocess = Preprocess::default();
    let jpeg = benches::photos::jpeg(0);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1)).sample_size(30).measurement_time(Duration::from_secs(10));
    for decoding in [Decoding::Full, Decoding::Scaled] {
        let purpose = decoding.for_short_side(preprocess.size);
        println!("{} bytes of JPEG, {}", jpeg.len(), decoder_stamp(purpose));
        group.bench_function(format!("{decoding}"), |bench| {
            bench.iter(|| decode(&jpeg, Format::Jpeg, 1, purpose).expect("a sound picture"));
        });
        group.bench_function(format!("{decoding}_and_crop"), |bench| {
            bench.iter(|| {
                let rgb = decode(&jpeg, Format::Jpeg, 1, purpose).expect("a sound picture");
                preprocess.crop_u8(&rgb).expect("large enough")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode_and_crop);
criterion_main!(benches);

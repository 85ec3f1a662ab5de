//! Bytes a second of a shard's first reading: its headers alone, and with hashing and probing every member, and what a
//! second run needs, which finds the index.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use threshflow::shard::{Catalogue, ReadOptions, count_members, find};

const BYTES: u64 = 256 << 20;

fn shard_walk(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("00000.tar");
    let pictures = benches::photos::write_shard(&path, BYTES);
    let bytes = std::fs::metadata(&path).expect("was just written").len();
    let source = find(&[path.to_string_lossy().into_owned()]).expect("was just written").remove(0);
    println!("{pictures} pictures, {bytes} bytes");
    let open = || {
        let store = tempfile::tempdir_in(folder.path()).expect("a temporary folder");
        let catalogue =
            Catalogue::open(store.path(), ReadOptions::default(), false).expect("a new catalogue");
        (store, catalogue)
    };

    let mut group = criterion.benchmark_group("shard_walk");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.bench_function("headers", |bench| {
        bench.iter(|| assert_eq!(count_members(&source).expect("can be read"), 2 * pictures));
    });
    group.bench_function("walk_hash_and_probe", |bench| {
        bench.iter_batched(
            open,
            |(store, catalogue)| {
                let shard = catalogue.load(&source).expect("can be read");
                assert_eq!(shard.index.samples.len() as u64, pictures);
                (store, catalogue)
            },
            BatchSize::PerIteration,
        );
    });
    let (_store, catalogue) = open();
    catalogue.load(&source).expect("can be read");
    group.bench_function("again_by_the_index", |bench| {
        bench.iter(|| catalogue.load(&source).expect("can be read"));
    });
    group.finish();
}

criterion_group!(benches, shard_walk);
criterion_main!(benches);

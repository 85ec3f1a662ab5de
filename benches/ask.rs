//! Rows a second that one worker asks about, where the question costs nothing: memo, desk, lane and mailbox remain.

use std::time::{Duration, Instant};

use benches::questions::{asking, lanes};
use benches::rows::insert;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: u32 = 500_000;

fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask");
    group.throughput(Throughput::Elements(ROWS.into())).sample_size(10);
    group.bench_function("empty_question", |bench| {
        bench.iter_custom(|times| (0..times).map(|_| ask_all()).sum());
    });
    group.finish();
}

/// Every row for the first time: into an empty memo.
fn ask_all() -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_lanes, stage) = lanes(folder.path());
    let mut engine = asking(&stage);
    let begin = Instant::now();
    insert(&mut engine, ROWS);
    let took = begin.elapsed();
    assert_eq!(stage.memo().len(), ROWS as usize);
    took
}

criterion_group!(benches, ask);
criterion_main!(benches);

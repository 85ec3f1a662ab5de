//! Rows a second of a run that asks nothing: a memo of ten million scores opened and looked up in the order of the rows,
//! and a million rows through the whole dataflow.

use std::path::Path;
use std::time::{Duration, Instant};

use benches::questions::{Empty, charm, lanes, preparing};
use benches::rows::{content, insert};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use threshflow::lane::{Answer, Operator};
use threshflow::memo::{Access, Memo, Remembered, Written};

const REMEMBERED: u32 = 10_000_000;
const ROWS: u32 = 1_000_000;
const AT_ONCE: u32 = 8192;
/// As many rows as an epoch brings at most: looked up under one lock.
const AN_EPOCH: u32 = 16_384;

fn replay(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10);
    let memos = folder.path().join("large");
    remember(&memos, REMEMBERED);
    group.throughput(Throughput::Elements(REMEMBERED.into()));
    group.bench_function("open_and_look_up_10M", |bench| {
        bench.iter_custom(|times| (0..times).map(|_| open_and_look_up(&memos)).sum());
    });
    let store = folder.path().join("store");
    remember(&store.join("memo"), ROWS);
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("dataflow_1M", |bench| {
        bench.iter_custom(|times| (0..times).map(|_| through_the_dataflow(&store)).sum());
    });
    group.finish();
}

/// The rows in the order in which their answers came: batches of sixteen, out of order among their neighbours, as several
/// sessions leave them.
fn answered(n: u32) -> u32 {
    n ^ 0b1011_0000
}

/// Writes a memo as a run would.
fn remember(memos: &Path, answers: u32) {
    let memo = Memo::open(memos, Empty.stamp(), 0, Access::ReadWrite).expect("a new memo");
    for first in (0..answers).step_by(AT_ONCE as usize) {
        let contents = (first..first + AT_ONCE).map(answered).filter(|n| *n < answers).map(content);
        let batch: Vec<_> = contents
            .map(|content| (content, Ok(Written { inline: charm(content).to_inline(), blob: None })))
            .collect();
        memo.put(&batch).expect("the temporary folder has room");
    }
    memo.sync().expect("the temporary folder has room");
}

fn open_and_look_up(memos: &Path) -> Duration {
    let begin = Instant::now();
    let memo = Memo::open(memos, Empty.stamp(), 0, Access::ReadWrite).expect("was just written");
    let opened = begin.elapsed();
    let mut found = 0;
    for first in (0..REMEMBERED).step_by(AN_EPOCH as usize) {
        let reader = memo.reader();
        let epoch = first..REMEMBERED.min(first + AN_EPOCH);
        found += epoch.filter(|n| matches!(reader.get(&content(*n)), Some(Remembered::Answer(_)))).count();
    }
    let took = begin.elapsed();
    assert_eq!(found, REMEMBERED as usize);
    println!("opened in {opened:?}, looked up in {:?}", took - opened);
    took
}

/// From a memo on disk to the verdict of every row: gate, memo, gate.
fn through_the_dataflow(store: &Path) -> Duration {
    let begin = Instant::now();
    let (lanes, stage) = lanes(store);
    let mut engine = preparing(&stage, [-1.0, 5.0]);
    insert(&mut engine, ROWS);
    let took = begin.elapsed();
    assert_eq!(lanes.status()[0].asked.remembered, u64::from(ROWS));
    took
}

criterion_group!(benches, replay);
criterion_main!(benches);

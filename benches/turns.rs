//! How a turn of a dial is timed.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use threshflow::flow::{Engine, Setting, touched_records};

use crate::go_on;

/// Benches turns of the first dial, from the first of `ends`, where it stands, to the other and back; and says how many
/// records one of them touches. The engine is filled when the bench is really to run.
pub fn bench_turns(
    group: &mut BenchmarkGroup<'_, WallTime>,
    rows: u32,
    ends: [f32; 2],
    filled: impl FnMut() -> Engine,
) {
    bench_settings(group, "turn", rows, ends, filled);
}

/// As [`bench_turns`], under a name of its own, between values or shares.
pub fn bench_settings(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    rows: u32,
    ends: [impl Into<Setting> + Copy; 2],
    mut filled: impl FnMut() -> Engine,
) {
    let mut engine = None;
    let mut turns = (0..).map(|turn| ends[(turn + 1) % 2]);
    group.bench_function(BenchmarkId::new(name, format!("{}M", rows / 1_000_000)), |bench| {
        let engine = engine.get_or_insert_with(&mut filled);
        let mut turn = || {
            let begin = Instant::now();
            engine.turn(0, turns.next().expect("endless"), &mut go_on).expect("turns");
            engine.settle(&mut go_on).expect("settles");
            begin.elapsed()
        };
        bench.iter_custom(|times| (0..times).map(|_| turn()).sum());
    });
    if let (Some(mut engine), Some(at)) = (engine, turns.next()) {
        let before = touched_records();
        engine.turn(0, at, &mut go_on).expect("turns");
        engine.settle(&mut go_on).expect("settles");
        println!("{name}: {} records touched by a turn over {rows} rows", touched_records() - before);
    }
}

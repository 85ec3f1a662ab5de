//! Near duplicates: how fast a million hashes find their nearest better one, the memory that takes, and a turned dial.

use std::time::Instant;

use benches::rows::{Taste, content, insert, taste};
use benches::turns::bench_turns;
use criterion::{Criterion, criterion_group, criterion_main};
use threshflow::flow::{Comparison, DialSpec, Engine, EngineOptions, NearestBetter};
use threshflow::lane::Answer;
use threshflow::row::{Image, PerceptualHash, RowId, Unit};
use threshflow::shard::ShardNames;

const ROWS: u32 = 1_000_000;
const ENDS: [f32; 2] = [3.0, 2.0];
const DIALS: [DialSpec; 1] = [DialSpec {
    name: "duplicate_distance",
    group: None,
    unit: NearestBetter::UNIT,
    comparison: Comparison::Above,
    default: 3.0,
    low: NearestBetter::LOW,
    high: NearestBetter::HIGH,
    about: "",
}];

/// Random hashes; every tenth differs from the one before in 0 to 7 bits.
fn hash(id: RowId) -> PerceptualHash {
    let bits = |n: u32| {
        let [a, b, c, d, e, f, g, ..] = content(n).0;
        PerceptualHash([a, b, c, d, e, f, g]).bits()
    };
    let n = id.member;
    if n % 10 != 9 {
        return PerceptualHash::of_bits(bits(n));
    }
    let flips = (0..n / 10 % 8).fold(0_u64, |flips, bit| flips | 1 << (bit * 7 + n / 80 % 7));
    PerceptualHash::of_bits(bits(n - 1) ^ flips)
}

fn hashed() -> Engine {
    Engine::start(EngineOptions::default(), &DIALS, &ENDS[..1], |images, maker| {
        let dial = maker.dial::<NearestBetter>(&DIALS[0]);
        let rows = images.each(|image: Image| hash(image.id).attach(taste(image)));
        rows.nearest_better(&ShardNames::default(), Taste).gate(&dial).finish()
    })
    .expect("the engine starts")
}

fn near(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("near");
    group.sample_size(10);
    bench_turns(&mut group, ROWS, ENDS, || {
        let mut engine = hashed();
        let (before, begin) = (resident_bytes(), Instant::now());
        insert(&mut engine, ROWS);
        let took = begin.elapsed().as_secs_f64();
        let a_row = resident_bytes().saturating_sub(before) / u64::from(ROWS);
        println!("{:.0} rows/s on one worker, {a_row} bytes a row", f64::from(ROWS) / took);
        engine
    });
    group.finish();
}

/// What this process holds in memory now.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this bench needs Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux writes it");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of kB");
    kilobytes * 1024
}

criterion_group!(benches, near);
criterion_main!(benches);

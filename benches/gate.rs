//! What a turn of a dial costs that one row in a hundred passes, beside the plain join that meets every row.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use benches::rows::{DIALS, Taste, image, insert, taste};
use benches::turns::{bench_settings, bench_turns};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use differential_dataflow::input::InputSession;
use threshflow::dial::by_group;
use threshflow::flow::{Engine, EngineOptions, Setting};
use threshflow::row::{Group, Image, In, Score, Scored, With};

/// Between these stands one row in a hundred.
const ENDS: [f32; 2] = [5.0, 5.1];
const MILLIONS: [u32; 2] = [1, 10];

fn gate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gate");
    group.sample_size(10);
    for rows in MILLIONS.map(|millions| millions * 1_000_000) {
        bench_turns(&mut group, rows, ENDS, || gated(rows));
    }
    // Beside the plain dial: one group of eight, and a share that moves by one row in a hundred.
    let rows = MILLIONS[0] * 1_000_000;
    bench_settings(&mut group, "turn_of_a_group", rows, ENDS, || gated_by_group(rows));
    let shares = ["top:50%", "top:49%"].map(|share| share.parse::<Setting>().expect("a share"));
    bench_settings(&mut group, "turn_of_a_share", rows, shares, || gated_at(rows, shares[0]));
    for millions in MILLIONS {
        let name = BenchmarkId::new("plain_join_turn", format!("{millions}M"));
        group.bench_function(name, |bench| {
            bench.iter_custom(|times| plain_turns(millions * 1_000_000, times));
        });
    }
    group.finish();
}

/// The engine with one gate, its rows in.
fn gated(rows: u32) -> Engine {
    gated_at(rows, ENDS[0].into())
}

/// One of eight groups: which, by the row's number.
struct Eighth;
impl Group for Eighth {
    const NAME: &'static str = "eighth";
    const NAMES: &'static [&'static str] = &["a", "b", "c", "d", "e", "f", "g", "h"];
}

/// The engine with one gate whose dial is by group, its rows in. The first dial is that of the first group.
fn gated_by_group(rows: u32) -> Engine {
    let specs = by_group(Eighth::NAMES, DIALS[0]).leak();
    let mut engine = Engine::start(EngineOptions::default(), specs, &[ENDS[0]; 8], |images, maker| {
        let dial = maker.dial_by::<Taste, Eighth>(specs);
        let eighth = |row: Scored<Image, Taste>| {
            let number = row.row.id.member as usize % Eighth::NAMES.len();
            With::new(row, In::<Eighth>::number(number))
        };
        images.each(taste).each(eighth).gate_by(&dial).finish()
    })
    .expect("the engine starts");
    insert(&mut engine, rows);
    engine
}

/// The engine with one gate, whose dial stands so.
fn gated_at(rows: u32, at: Setting) -> Engine {
    let mut engine = Engine::start(EngineOptions::default(), &DIALS[..1], &[at], |images, maker| {
        let dial = maker.dial::<Taste>(&DIALS[0]);
        images.each(taste).gate(&dial).finish()
    })
    .expect("the engine starts");
    insert(&mut engine, rows);
    engine
}

/// So many turns of the plain twin: rows and dial are joined on `()`, which is three lines and meets every row.
fn plain_turns(rows: u32, times: u64) -> Duration {
    timely::execute_directly(move |worker| {
        let (mut input, mut dial) = (InputSession::new(), InputSession::new());
        let kept = Rc::new(RefCell::new(0_isize));
        let (probe, count) = worker.dataflow::<u64, _, _>(|scope| {
            let rows = input.to_collection(scope).map(|row| ((), taste(row)));
            let at = dial.to_collection(scope).map(|at: Score<Taste>| ((), at));
            let count = kept.clone();
            let passed = rows
                .join_map(at, |(), row, at| (row.clone(), row.column > *at))
                .filter(|(_, passes)| *passes)
                .consolidate()
                .inspect_batch(move |_, batch| {
                    *count.borrow_mut() += batch.iter().map(|(.., diff)| diff).sum::<isize>();
                });
            (passed.probe().0, kept)
        });
        (0..rows).for_each(|n| input.insert(image(n)));
        dial.insert(Score::of(ENDS[0]));
        let mut settle = |epoch: u64, dial: &mut InputSession<u64, Score<Taste>, isize>| {
            input.advance_to(epoch);
            input.flush();
            dial.advance_to(epoch);
            dial.flush();
            worker.step_while(|| probe.less_than(&epoch));
        };
        settle(1, &mut dial);
        let mut took = Duration::ZERO;
        for turn in 1..=times {
            let begin = Instant::now();
            dial.remove(Score::of(ENDS[(turn as usize + 1) % 2]));
            dial.insert(Score::of(ENDS[turn as usize % 2]));
            settle(turn + 1, &mut dial);
            took += begin.elapsed();
        }
        assert!(*count.borrow() > 0);
        took
    })
}

criterion_group!(benches, gate);
criterion_main!(benches);

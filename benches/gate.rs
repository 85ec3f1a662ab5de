//! What a turn of a dial costs that one row in a hundred passes, beside the plain join that meets every row.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use benches::rows::{DIALS, Taste, image, insert, taste};
use benches::turns::bench_turns;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use differential_dataflow::input::InputSession;
use threshflow::flow::{Engine, EngineOptions};
use threshflow::row::Score;

/// Between these stands one row in a hundred.
const ENDS: [f32; 2] = [5.0, 5.1];
const MILLIONS: [u32; 2] = [1, 10];

fn gate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gate");
    group.sample_size(10);
    for rows in MILLIONS.map(|millions| millions * 1_000_000) {
        bench_turns(&mut group, rows, ENDS, || gated(rows));
    }
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
    let mut engine = Engine::start(EngineOptions::default(), &DIALS[..1], &ENDS[..1], |images, maker| {
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

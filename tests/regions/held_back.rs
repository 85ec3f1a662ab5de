//! A session that holds its questions back: random histories in which what is held back is asked in part, and held back again in the
//! middle, while dials turn and shards come and go. What it would ask is held against a plan that looks at the same store.

use tests::ground::{Args, Ground};
use tests::history::{History, play_all};
use tests::live::{Live, Options};
use threshflow::lane::{AskLog, Mode};

use crate::oracle::{samples, turn, wanted};
use crate::{Asks, DEFAULTS, learn, settle_and_compare, take};

const SEQUENCES: u64 = 80;
const STEPS: usize = 14;

fn start(history: &mut History, log: &AskLog) -> Live<Ground> {
    let options = Options {
        workers: [1, 2, 4][history.rng.below(3)],
        rows_an_epoch: 1 + history.rng.below(12),
        window: 1 + history.rng.below(6),
        pool_queue: [1, 3, 32][history.rng.below(3)],
        mode: Mode::Live,
        ..Options::default()
    };
    let log = Some(log.clone());
    let mut live = Live::open(&history.store(), &options, &Args::default(), &history.values, log);
    history.insert_into(&mut live);
    live.settle();
    live
}

fn play(seed: u64) {
    let mut history = History::new(seed, &DEFAULTS, samples);
    let log = AskLog::default();
    let mut live = start(&mut history, &log);
    let mut known = Asks::new();
    let (out, args) = (history.out(), Args::default());
    for number in 0..STEPS {
        let context = format!("seed {seed}, step {number}");
        match history.rng.below(8) {
            0..=2 => (0..1 + history.rng.below(4)).for_each(|_| turn(&mut history, &mut live)),
            3 => history.toggle(&mut live),
            // In part, and held back before all is answered.
            4 | 5 => {
                live.ask(history.rng.below(30), false);
                if history.rng.below(2) == 0 {
                    live.settle();
                }
                live.hold_back();
            }
            // Dials turn while answers come.
            6 => {
                live.ask(usize::MAX, false);
                turn(&mut history, &mut live);
                live.settle();
                live.hold_back();
            }
            _ => {
                live.lanes.stop();
                drop(live);
                live = start(&mut history, &log);
            }
        }
        live.settle();
        let asked = take(&log);
        for (stage, contents) in &asked {
            let twice =
                contents.iter().find(|content| known.get(stage).is_some_and(|it| it.contains(*content)));
            assert_eq!(twice, None, "{context}: {stage} was asked about it before");
        }
        learn(&mut known, &asked);
        assert_eq!(live.unasked(), history.planned::<Ground>(&args), "{context}");
        live.rest();
        assert_eq!(take(&log), Asks::new(), "{context}: something is asked though all is held back");
    }
    live.ask(usize::MAX, true);
    settle_and_compare(&mut live, &wanted(&history), &format!("seed {seed}, asked"));
    assert_eq!(live.engine.verdicts().counts().undecided, 0, "seed {seed}");
    live.commit(&out);
    drop(live);
    history.assert_as_fresh::<Ground>(&args);
}

#[test]
fn what_is_held_back_is_what_a_plan_would_ask_and_asking_it_leads_to_the_same_set() {
    play_all(SEQUENCES, play);
}

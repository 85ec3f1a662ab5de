//! Incremental equals from scratch: random histories of dial turns, shards that come, go and change, restarts and
//! worker counts, each held against a plain function of the samples and, byte for byte, against a fresh run.

use std::collections::{BTreeMap, BTreeSet};

use tests::curate::{Args, Curate, plainly, verdict};
use tests::history::{History, play_all};
use tests::live::{Live, Options};
use tests::shards::{Sample, corpus};
use threshflow::row::Verdict;

const SEQUENCES: u64 = 300;
const STEPS: usize = 10;

/// Neighbours overlap, so that the same content stands in several shards.
fn samples(seed: u64, shard: usize, version: u64) -> Vec<Sample> {
    let start = shard as u64 * 9 + version * 2;
    corpus(seed % 5, start..start + 8 + (shard as u64 + version) % 7)
}

fn args() -> Args {
    Args { bytes: 1000, ..Args::default() }
}

fn wanted(history: &History) -> BTreeMap<String, Verdict> {
    let verdict = |sample: &Sample| verdict(sample, history.values[0], history.values[1]);
    let rows = history.shards().flat_map(|(shard, samples)| {
        let row =
            |(place, sample): (usize, &Sample)| (format!("{shard}/{}#{place}", sample.key), verdict(sample));
        samples.iter().enumerate().map(row).collect::<Vec<_>>()
    });
    rows.collect()
}

fn start(history: &mut History) -> Live {
    let workers = [1, 2, 4][history.rng.below(3)];
    let rows_an_epoch = 1 + history.rng.below(12);
    let options = Options { workers, rows_an_epoch, window: 1 + history.rng.below(6), ..Options::default() };
    let mut live = Live::start(&history.store(), &options, &args(), &history.values, None);
    history.insert_into(&mut live);
    live
}

fn step(history: &mut History, live: &mut Live) {
    match history.rng.below(8) {
        0..=2 => {
            let value = history.rng.below(21) as f32 / 2.0;
            history.values[1] = value;
            live.turn(1, value);
        }
        3 => {
            let value = history.rng.below(24) as f32;
            history.values[0] = value;
            live.turn(0, value);
        }
        4 | 5 => history.toggle(live),
        6 => live.settle(),
        // A restart: what was not settled is worked out again.
        _ => *live = start(history),
    }
}

fn play(seed: u64) {
    let mut history = History::new(seed, &[12.0, 4.5], samples);
    let mut live = start(&mut history);
    let out = history.out();
    for number in 0..STEPS {
        step(&mut history, &mut live);
        if history.rng.below(3) == 0 || number == STEPS - 1 {
            live.settle();
            let standing: BTreeMap<_, _> =
                live.verdicts().iter().map(|(name, v)| (name.clone(), plainly(v))).collect();
            assert_eq!(standing, wanted(&history), "seed {seed}, step {number}");
            live.commit(&out);
        }
    }
    drop(live);
    history.assert_as_fresh::<Curate>(&args());
}

#[test]
fn any_history_publishes_what_a_fresh_run_publishes() {
    play_all(SEQUENCES, play);
}

#[test]
fn the_oracle_itself_tells_rows_apart() {
    let samples = corpus(0, 0..200);
    let kinds: BTreeSet<String> = samples
        .iter()
        .map(|sample| match verdict(sample, 12.0, 4.5) {
            Verdict::Kept(_) => "kept".to_owned(),
            Verdict::Gated { dial, .. } => dial.to_owned(),
            Verdict::Refused(refused) => refused.stage.to_string(),
        })
        .collect();
    let all = ["judge", "kept", "probe", "short_side", "taste"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

//! Incremental equals from scratch, with regions: random histories of dial turns, shards that come and go, restarts and
//! worker counts, each held against plain functions and, byte for byte, against a fresh run.

use std::collections::{BTreeMap, BTreeSet};

use tests::ground::{Args, At, Ground, Plain, pictures, plain, published_rejected};
use tests::history::{History, play_all};
use tests::live::{Live, Options};
use tests::shards::Sample;

use crate::{DEFAULTS, published_records, settle_and_compare, some_value};

const SEQUENCES: u64 = 160;
const STEPS: usize = 10;

/// Neighbours hold the same pictures, some with other words.
pub fn samples(seed: u64, shard: usize, version: u64) -> Vec<Sample> {
    let start = shard as u64 * 6 + version * 2;
    pictures(seed % 5, start..start + 9 + version % 5, (shard as u64 + version) % 2)
}

pub fn wanted(history: &History) -> Plain {
    let shards: Vec<(String, Vec<Sample>)> = history.shards().collect();
    let shards = shards.iter().map(|(name, samples)| (name.as_str(), samples.as_slice()));
    plain(shards, At(&history.values), None)
}

fn start(history: &mut History) -> Live<Ground> {
    let options = Options {
        workers: [1, 2, 4][history.rng.below(3)],
        rows_an_epoch: 1 + history.rng.below(12),
        window: 1 + history.rng.below(6),
        pool_queue: [1, 3, 32][history.rng.below(3)],
        ..Options::default()
    };
    let mut live = Live::open(&history.store(), &options, &Args::default(), &history.values, None);
    history.insert_into(&mut live);
    live
}

pub fn turn(history: &mut History, live: &mut Live<Ground>) {
    let dial = history.rng.below(DEFAULTS.len());
    let value = if history.rng.below(4) == 0 { DEFAULTS[dial] } else { some_value(dial, &mut history.rng) };
    history.values[dial] = value;
    live.turn(dial, value);
}

fn step(history: &mut History, mut live: Live<Ground>) -> Live<Ground> {
    match history.rng.below(8) {
        // Several turns while answers are under way.
        0..=3 => (0..1 + history.rng.below(4)).for_each(|_| turn(history, &mut live)),
        4 | 5 => history.toggle(&mut live),
        6 => live.settle(),
        _ => {
            // A restart: what was not settled is worked out again. One at a time: memos have one writer.
            live.lanes.stop();
            drop(live);
            live = start(history);
        }
    }
    live
}

fn play(seed: u64) {
    let mut history = History::new(seed, &DEFAULTS, samples);
    let mut live = start(&mut history);
    let out = history.out();
    for number in 0..STEPS {
        live = step(&mut history, live);
        if history.rng.below(3) == 0 || number == STEPS - 1 {
            settle_and_compare(&mut live, &wanted(&history), &format!("seed {seed}, step {number}"));
        }
        if history.rng.below(6) == 0 || number == STEPS - 1 {
            live.settle();
            live.commit(&out);
            let wanted = wanted(&history);
            assert_eq!(published_records(&out), wanted.records, "seed {seed}, step {number}");
            let found = published_rejected(&out);
            let names: BTreeSet<&String> = found.keys().chain(wanted.rejected.keys()).collect();
            for name in names {
                let pieces = [&found, &wanted.rejected].map(|all| all.get(name));
                assert_eq!(pieces[0], pieces[1], "seed {seed}, step {number}: {name}");
            }
        }
    }
    drop(live);
    history.assert_as_fresh::<Ground>(&Args::default());
}

#[test]
fn any_history_publishes_what_a_fresh_run_publishes() {
    play_all(SEQUENCES, play);
}

#[test]
fn the_oracle_itself_tells_regions_apart() {
    let samples = pictures(0, 0..300, 0);
    let plain = plain([("a", samples.as_slice())], At(&DEFAULTS), None);
    let kinds = |verdicts: &BTreeMap<String, String>| -> BTreeSet<String> {
        let kind = |verdict: &String| {
            let end = verdict.find(" at ").or(verdict.find(" [")).unwrap_or(verdict.len());
            verdict[..end].to_owned()
        };
        verdicts.values().map(kind).collect()
    };
    let gates = [
        "background_area",
        "background_clip",
        "object_area",
        "object_area_most",
        "object_clip",
        "quality",
        "sure",
    ];
    let mut of_regions: BTreeSet<String> = gates.iter().map(|dial| format!("held back by {dial}")).collect();
    of_regions.extend(["kept", "refused by judge: blank", "refused by mask: no_mask"].map(str::to_owned));
    assert_eq!(kinds(&plain.regions), of_regions);
    let of_pictures = [
        "held back by regions",
        "held back by short_side",
        "kept",
        "refused by find: lost",
        "refused by probe: not_a_picture",
        "refused by words: bad_tags",
    ];
    assert_eq!(kinds(&plain.pictures), of_pictures.map(str::to_owned).into());
    assert!(plain.regions.values().any(|verdict| verdict.contains("NaN")));
    // Pictures that have too few regions, and some.
    let mut at = DEFAULTS;
    at[10] = 3.0;
    let plain = tests::ground::plain([("a", samples.as_slice())], At(&at), None);
    let whose: BTreeSet<&str> = plain.rejected.values().map(|rejected| rejected.whose.as_str()).collect();
    assert_eq!(whose, ["edit", "picture", "region"].into());
    assert!(plain.rejected.values().any(|rejected| rejected.mask.is_some()));
}

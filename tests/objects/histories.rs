//! Random histories over a bucket, of the pipeline with regions and sidecars: dials move, shards change and come, the cache is emptied or is
//! too small, runs are killed, and requests fail. After each step what is published is what a fresh run over the folder publishes.

use serde_json::{Value, json};
use tests::Rng;
use tests::ground::{HISTORY_FLAGS, pictures};
use tests::program::asks;

use crate::bucket::Bucket;
use crate::tar;

/// A few of the requests fail, and the next try does not.
fn any_harm(rng: &mut Rng) -> Value {
    let place = rng.below(1000) as f64 / 1000.0;
    match rng.below(4) {
        0 => json!([{ "on": "any", "skip": rng.below(4), "times": 2, "do": { "status": 503 } }]),
        1 => json!([{ "skip": rng.below(3), "times": 3, "do": { "cut": place } }]),
        2 => json!([{ "on": "list", "do": { "page": 1 + rng.below(3) } }]),
        _ => json!([]),
    }
}

/// What happens before a run.
fn any_event(bucket: &Bucket, rng: &mut Rng, step: u64, flags: &str) {
    match rng.below(6) {
        0 => bucket.evict(),
        1 => {
            let shard = format!("s{}", rng.below(3));
            let start = rng.below(60) as u64;
            bucket.put(&shard, &tar(&pictures(7, start..start + 24, step), rng.below(2) * 50_000));
        }
        2 => bucket.put(&format!("t{step}"), &tar(&pictures(8, step * 10..step * 10 + 12, 0), 0)),
        3 => {
            let log = bucket.desk.path("asks.log");
            let enough = asks(&log).len() + rng.below(60);
            let mut run = bucket.start(&format!("{flags} --slow 5 --log-asks asks.log"));
            while run.try_wait().expect("can be waited for").is_none() && asks(&log).len() <= enough {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            run.kill().expect("is killed");
            run.wait().expect("is reaped");
        }
        _ => {}
    }
}

#[test]
fn whatever_became_of_bucket_and_cache_what_is_published_is_what_a_folder_publishes() {
    let histories = if tests::is_long() { 100 } else { 2 };
    for seed in 0..histories {
        let mut rng = Rng(seed);
        let desk = tests::ground::desk(env!("CARGO_BIN_EXE_ground"), 3, rng.below(2) == 0);
        let Some(bucket) = Bucket::of(desk) else { return };
        for step in 0..3 + rng.below(3) as u64 {
            let dials = HISTORY_FLAGS[rng.below(HISTORY_FLAGS.len())];
            any_event(&bucket, &mut rng, step, dials);
            let largest = bucket.sizes().into_values().max().expect("shards") + (16 << 10);
            let more = match rng.below(4) {
                0 => "--processes 2".to_owned(),
                1 => format!("--cache-bytes {}", largest * (1 + rng.below(3) as u64)),
                _ => String::new(),
            };
            bucket.rules(&any_harm(&mut rng));
            let context = format!("seed {seed}, step {step}: {dials} {more}");
            let said = bucket.run(&format!("{dials} {more} --max-removed 100%"));
            assert_eq!(said.code, Some(0), "{context}: {said:#?}");
            tests::resident::assert_published(&bucket.desk, dials, &context);
            // Nothing has moved since: nothing is fetched.
            if rng.below(3) == 0 {
                let (_, counts) = bucket.counted(dials);
                assert_eq!((counts.gets, counts.bytes), (0, 0), "{context}, again: {counts:?}");
            }
        }
    }
}

//! Kill -9 while objects are fetched: nothing that is half there is taken for whole, and it is cleared away.

use serde_json::json;
use tests::program::start;
use tests::resident::assert_published;

use crate::bucket::Bucket;
use crate::cache::bytes_below;
use crate::desk;

const SHARDS: u64 = 4;

fn killed(place: f64, skip: u64, flags: &str) {
    let Some(bucket) = Bucket::of(desk(SHARDS, 24, 400 << 10)) else { return };
    let context = format!("killed at {place} of answer {skip} {flags}");
    bucket.rules(&json!([{ "skip": skip, "do": { "stall": place } }]));
    let mut run = start(&mut bucket.command("run", flags));
    bucket.wait_for("an answer that is held up", |counts| counts.waiting > 0);
    // What was sent has arrived, and may have been written.
    std::thread::sleep(std::time::Duration::from_millis(50));
    for (_, process) in tests::program::processes_of(run.id()) {
        tests::program::kill(process, libc::SIGKILL);
    }
    run.kill().expect("is killed");
    run.wait().expect("is reaped");
    assert!(!bucket.desk.path("out/manifest.json").exists(), "{context}");

    let (_, counts) = bucket.counted("");
    let total: u64 = bucket.sizes().values().sum();
    // The one that was held up was not whole; what was whole before may have stayed.
    assert!(counts.bytes <= total, "{context}: {counts:?}");
    assert!(counts.bytes > 0, "{context}: {counts:?}");
    assert_published(&bucket.desk, "", &context);
    let left = bytes_below(&bucket.desk.path("store/cache"));
    assert!(left <= total + total / 8, "{context}: {left} bytes are left in the cache, of {total}");
}

#[test]
fn a_kill_while_objects_are_fetched_leaves_nothing_that_is_taken_for_whole() {
    for (place, skip, flags) in
        [(0.0, 0, ""), (0.5, 0, ""), (0.5, 2, ""), (0.9999, 3, ""), (0.5, 1, "--processes 2")]
    {
        killed(place, skip, flags);
    }
}

/// The whole of every object arrives, and the kill comes at any moment of the walk and the asking.
#[test]
fn kills_at_any_moment_and_a_run_to_the_end() {
    let Some(bucket) = Bucket::of(desk(SHARDS, 24, 100 << 10)) else { return };
    let mut rng = tests::Rng(5);
    let mut killed = 0;
    for round in 0..7 {
        if round % 3 == 0 {
            bucket.afresh();
        }
        bucket.rules(&json!([{ "do": { "dribble": 10_000, "pause": 0.002 } }]));
        let mut run = bucket.start("--slow 30 --set short_side=9");
        std::thread::sleep(std::time::Duration::from_millis(rng.below(120) as u64));
        killed += usize::from(run.try_wait().expect("can be waited for").is_none());
        run.kill().expect("is killed");
        run.wait().expect("is reaped");
        bucket.rules(&json!([]));
        if round % 2 == 0 {
            bucket.done("--set short_side=9");
            assert_published(&bucket.desk, "--set short_side=9", &format!("round {round}"));
        }
    }
    assert!(killed > 3, "{killed} kills came in time");
}

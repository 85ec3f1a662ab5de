//! What a store keeps of object stores is listed, and may go: what is needed of it is fetched again.

use std::process::Command;

use serde_json::{Value, json};
use tests::program::{Ended, ended_within, start};
use tests::trees;

use crate::PATIENCE;
use crate::bucket::Counts;
use crate::sets::Set;

fn done(command: &mut Command) -> Ended {
    ended_within(start(command), PATIENCE).expect(0, &[])
}

/// From a bucket to a bucket.
fn run(set: &Set, dials: &str) -> (Value, Counts) {
    let more = format!("--json {dials} --out {}", set.url());
    set.bucket.rules(&json!([]));
    (done(&mut set.bucket.over(&set.bucket.url(), "run", &more)).json(), set.bucket.counts())
}

#[test]
fn shards_and_mirrors_are_listed_and_shards_are_dropped() {
    let Some(set) = Set::of(2, 24) else { return };
    let clean = |more: &str| done(&mut set.bucket.desk.bare(&format!("clean --store store {more}")));
    let store = set.bucket.desk.path("store");
    let files = |folder: &str| trees::read(&store.join(folder));
    run(&set, "");
    let said = clean("").stdout;
    let words = [
        "shards of object stores in cache/: 2, ",
        "--drop cache",
        "mirror of what is published",
        "sets-first-",
    ];
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }

    // One that somebody holds stays, and is told of.
    let shards: Vec<(String, u64)> =
        files("cache").into_iter().map(|(name, bytes)| (name, bytes.len() as u64)).collect();
    assert!(shards.len() == 2 && shards.iter().all(|(name, _)| name.ends_with(".object")), "{shards:?}");
    assert!(shards.iter().map(|(_, len)| len).sum::<u64>() >= set.bucket.sizes().values().sum());
    let held = std::fs::File::open(store.join("cache").join(&shards[0].0)).expect("opens");
    held.lock_shared().expect("nobody else holds it");
    let told = clean("--json --drop cache").expect(0, &["1 files of the cache are in use"]).json();
    assert_eq!((told["bytes"].as_u64(), told["held"].as_u64()), (Some(shards[1].1), Some(1)), "{told}");
    assert_eq!(files("cache").keys().collect::<Vec<_>>(), [&shards[0].0]);
    drop(held);
    let said = clean("--drop cache").stdout;
    assert!(said.contains("dropped 1 shards"), "{said}");

    // What was asked needs none of it; what is new is fetched, by its pictures.
    let (_, counts) = run(&set, "");
    assert!(counts.objects.keys().all(|key| !key.starts_with("laion/")), "nothing is asked: {counts:?}");
    let said = clean("").stdout;
    assert!(said.contains("mirror of") && !said.contains("shards of object stores"), "{said}");
    run(&set, "--set short_side=9");
    set.assert_is("--set short_side=9", "without a cache");
}

/// The page says that a mirror may be deleted while nothing runs.
#[test]
fn a_mirror_that_was_deleted_is_fetched_and_not_sent() {
    let Some(set) = Set::of(2, 24) else { return };
    run(&set, "");
    std::fs::remove_dir_all(set.bucket.desk.path("store/buckets")).expect("is there");
    let (summary, counts) = run(&set, "");
    assert!(counts.gets > 1 && summary["sent"]["files"] == 0, "{summary}");
    set.assert_is("", "without a mirror");
    std::fs::remove_dir_all(set.bucket.desk.path("store/buckets")).expect("is there");
    // What is removed is counted by what the bucket holds.
    set.bucket.control("delete", &json!({ "key": "laion/s1.tar" }));
    let more = format!("--out {}", set.url());
    let mut fewer = set.bucket.over(&set.bucket.url(), "run", &more);
    ended_within(start(&mut fewer), PATIENCE).expect(1, &["--max-removed"]);
    set.assert_is("", "fewer shards");
}

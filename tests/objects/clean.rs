//! What a store keeps of object stores is listed, and may go: what is needed of it is fetched again.

use std::collections::BTreeMap;
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
fn shards_and_mirrors_are_listed_and_dropped() {
    let Some(set) = Set::of(2, 24) else { return };
    let clean = |more: &str| done(&mut set.bucket.desk.bare(&format!("clean --store store {more}")));
    let dropped = |what: &str| clean(&format!("--json --drop {what}")).json()["bytes"].clone();
    let store = set.bucket.desk.path("store");
    let files = |folder: &str| trees::read(&store.join(folder));
    let bytes = |files: &BTreeMap<String, Vec<u8>>| files.values().map(|it| it.len() as u64).sum::<u64>();
    run(&set, "");
    let said = clean("").stdout;
    let mirror = ["mirror of what is published", "sets-first-", "--drop mirrors"];
    for words in [&mirror[..], &["shards of object stores: 2, ", "--drop cache"]].concat() {
        assert!(said.contains(words), "{words}: {said}");
    }

    // One that a command uses stays.
    let before = files("buckets");
    let lock = before.keys().find(|name| name.ends_with("/lock")).expect("a lock");
    let lock = std::fs::File::open(store.join("buckets").join(lock)).expect("opens");
    lock.lock().expect("is free");
    let said = clean("--drop mirrors").expect(0, &["another command uses it"]);
    assert!(said.stdout.contains("dropped 0.0 MB") && files("buckets") == before, "{said:#?}");
    drop(lock);

    let mut set_of_it = before.clone();
    set_of_it.retain(|name, _| name.contains("/set/"));
    // Beside what this reads there are a few small files with a dot.
    let (freed, most) = (dropped("mirrors").as_u64(), bytes(&set_of_it) + 4096);
    assert!(freed >= Some(bytes(&set_of_it)) && freed <= Some(most), "{freed:?} of {most}");
    assert!(files("buckets").keys().all(|name| !name.contains("/set/")), "{:?}", files("buckets").keys());
    let (summary, counts) = run(&set, "");
    assert!(counts.gets > 1 && summary["sent"]["files"] == 0, "it is fetched, and not sent: {summary}");
    set.assert_is("", "without a mirror");

    let mut shards = files("cache");
    shards.retain(|name, _| name.ends_with(".object"));
    assert!(shards.len() == 2 && bytes(&shards) >= set.bucket.sizes().values().sum());
    assert_eq!(dropped("cache"), bytes(&shards));
    let (_, counts) = run(&set, "");
    assert!(counts.objects.keys().all(|key| !key.starts_with("laion/")), "nothing is asked: {counts:?}");
    let said = clean("").stdout;
    assert!(said.contains("mirror of") && !said.contains("shards of object stores"), "{said}");
    run(&set, "--set short_side=9");
    set.assert_is("--set short_side=9", "without a cache");
}

//! A history over a bucket: after each step the published files are those of a fresh run over a folder, and the server counted no byte
//! that was not needed.

use std::collections::BTreeMap;

use tests::buckets::Store;
use tests::curate;
use tests::program::{asked, asks, killed_when};
use tests::resident::assert_published;
use tests::shards::{Sample, corpus};
use threshflow::row::ContentHash;

use crate::bucket::Bucket;
use crate::{desk, samples, tar};

const SHARDS: u64 = 8;
const EACH: u64 = 125;
/// So that a shard is much more than the pictures that a moved dial asks about.
const FILLER: usize = 1 << 20;
/// What may be fetched around a picture, so that a reader may align what it fetches.
const AROUND: u64 = 64 << 10;

/// The bytes of the pictures that are asked about first when the dial moves from `before` to `after`, and how many there are.
fn first_asked(samples: &[Sample], before: f32, after: f32) -> (u64, u64) {
    let known = curate::asked(samples, before);
    let lengths: BTreeMap<ContentHash, u64> = samples
        .iter()
        .map(|sample| (ContentHash::of(&sample.picture), sample.picture.len() as u64))
        .filter(|(content, _)| !known.contains_key(content))
        .collect();
    let new = curate::asked(samples, after).into_keys().filter_map(|content| lengths.get(&content));
    new.fold((0, 0), |(bytes, count), length| (bytes + length, count + 1))
}

#[test]
fn the_buckets_run_is_the_folders_run() {
    a_buckets_run_is_a_folders_run(Store::Amazon);
}

pub fn a_buckets_run_is_a_folders_run(store: Store) {
    let Some(bucket) = Bucket::of_store(store, desk(SHARDS, EACH, FILLER)) else { return };
    let mut all: Vec<Sample> = (0..SHARDS).flat_map(|shard| samples(shard, EACH)).collect();
    let sizes = bucket.sizes();
    let total: u64 = sizes.values().sum();

    let (first, counts) = bucket.step("", "");
    assert_eq!(first["rows"], SHARDS * EACH);
    assert_eq!(asked(&first), curate::asked(&all, 12.0).len() as u64);
    let sent: BTreeMap<String, u64> =
        counts.objects.iter().map(|(key, of)| (key.clone(), of.bytes)).collect();
    assert_eq!((sent, counts.bytes), (sizes.clone(), total), "each byte once: {counts:?}");
    assert!(counts.lists > 0, "{counts:?}");

    // Nothing moved, and dials that are tightened: the bucket is listed, and that is all.
    for dials in ["", "--set taste=7", "--set short_side=15 --set taste=5.5"] {
        let (summary, counts) = bucket.step(dials, "");
        assert_eq!(asked(&summary), 0, "{dials}");
        assert_eq!((counts.gets, counts.bytes, counts.heads), (0, 0, 0), "{dials}: {counts:?}");
        assert!((1..=2).contains(&counts.lists), "{dials}: {counts:?}");
    }

    // Loosened while the cache holds the shards: from there.
    let (loosened, counts) = bucket.step("--set short_side=11", "");
    assert!(asked(&loosened) > 20, "{loosened}");
    assert_eq!((counts.gets, counts.bytes), (0, 0), "{counts:?}");

    // Loosened when it holds none: the pictures alone.
    bucket.evict();
    let (bytes, count) = first_asked(&all, 11.0, 10.0);
    let (loosened, counts) = bucket.step("--set short_side=10", "");
    assert_eq!(asked(&loosened), count);
    assert!(count > 20, "{count}");
    assert!(counts.bytes >= bytes && counts.bytes <= bytes + count * AROUND, "{bytes} needed: {counts:?}");
    let smallest = sizes.values().min().expect("shards");
    assert!(counts.bytes < *smallest, "a shard has {smallest} bytes: {counts:?}");

    // Nothing at all is asked with an empty cache: nothing is fetched.
    let (_, counts) = bucket.step("--set short_side=12", "");
    assert_eq!((counts.gets, counts.bytes), (0, 0), "{counts:?}");

    // Killed in the middle, and run again.
    let dials = "--set short_side=9";
    let (bytes, count) = first_asked(&all, 10.0, 9.0);
    bucket.rules(&serde_json::json!([]));
    let log = bucket.desk.path("asks.log");
    let child = bucket.start(&format!("{dials} --slow 60 --slow-prepare 2 --log-asks asks.log"));
    killed_when(child, || asks(&log).len() > 30);
    let again = bucket.done(dials);
    assert!(asked(&again) > 0 && asked(&again) <= count, "{} of {count}", asked(&again));
    assert_published(&bucket.desk, dials, "after a kill");
    let counts = bucket.counts();
    assert!(counts.bytes >= bytes && counts.bytes < *smallest, "{bytes} needed: {counts:?}");

    // One object changes: it alone is fetched.
    let other = corpus(7, 9000..9000 + EACH);
    bucket.put("s3", &tar(&other, FILLER / 2));
    let (_, counts) = bucket.step(dials, "--max-removed 100%");
    assert_eq!(counts.bytes, bucket.size("s3"), "{counts:?}");
    assert_eq!(counts.objects.keys().collect::<Vec<_>>(), ["laion/s3.tar"]);
    all.splice((3 * EACH) as usize..(4 * EACH) as usize, other);

    // One comes, and one goes.
    bucket.put("s8", &tar(&samples(20, EACH), FILLER));
    let (_, counts) = bucket.step(dials, "");
    assert_eq!(counts.bytes, bucket.size("s8"), "{counts:?}");
    bucket.control("delete", &serde_json::json!({ "key": "laion/s0.tar" }));
    std::fs::remove_file(bucket.desk.path("shards/s0.tar")).expect("is removed");
    let (_, counts) = bucket.step(dials, "--max-removed 100%");
    assert_eq!(counts.bytes, 0, "{counts:?}");
}

/// As `--cache-bytes` says: a cache that holds one shard is enough for all.
#[test]
fn a_cache_that_holds_one_shard_is_enough() {
    let Some(bucket) = Bucket::of(desk(6, 40, 200 << 10)) else { return };
    let sizes = bucket.sizes();
    let (largest, total) = (sizes.values().max().expect("shards"), sizes.values().sum::<u64>());
    let flags = format!("--cache-bytes {}", largest + (16 << 10));
    let (summary, counts) = bucket.step("", &flags);
    assert!(counts.bytes >= total, "{counts:?}");
    assert!(summary["objects"]["evicted"].as_u64() >= Some(4), "{summary}");
    // What was evicted before it was asked about is fetched by its pictures, and no shard a second time for all of them.
    assert!(counts.bytes < 2 * total, "{counts:?}");
    let (_, counts) = bucket.step("--set taste=6", &flags);
    assert_eq!((counts.gets, counts.bytes), (0, 0), "{counts:?}");
    bucket.step("--set short_side=9", &flags);
}

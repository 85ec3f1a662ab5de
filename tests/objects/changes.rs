//! Objects that are written over while they are read: never a mix of two, a message that says so, and nothing that was published is lost.

use serde_json::{Value, json};
use tests::program::Ended;
use tests::shards::corpus;
use tests::trees;

use crate::bucket::Bucket;
use crate::words::CHANGED;
use crate::{desk, samples, tar};

/// The shard that changes.
const SHARD: &str = "s1";
const KEY: &str = "laion/s1.tar";

/// Two versions of a shard: the same keys and lengths of files, other pictures.
fn versions(filler: usize) -> [Vec<u8>; 2] {
    let old = samples(1, 40);
    let mut new = corpus(99, 40..80);
    for (new, old) in new.iter_mut().zip(&old) {
        // A mix of both would be a tar that can be read.
        new.picture.resize(old.picture.len(), 0);
        new.json.clone_from(&old.json);
    }
    let [old, new] = [tar(&old, filler), tar(&new, filler)];
    assert!(old.len() == new.len() && old != new);
    [old, new]
}

/// The next run is of what is there now.
fn assert_right_after(bucket: &Bucket, new: &[u8], dials: &str) {
    crate::put(&bucket.desk, SHARD, new);
    bucket.step(dials, "--max-removed 100%");
}

/// Writes the new version over the old one at this request, and takes away what would tell the server of the reader's condition.
fn swapping(bucket: &Bucket, new: &[u8], rules: &[Value], blind: bool) {
    let file = bucket.aside("new.tar", new);
    let swap = json!({ "key": KEY, "times": 1, "do": { "swap": file, "drop": if blind { vec!["if-match"] } else { vec![] } } });
    let after = json!({ "key": KEY, "do": { "drop": ["if-match"] } });
    let mut all = rules.to_vec();
    all.push(swap);
    all.extend(blind.then_some(after));
    bucket.rules(&Value::from(all));
}

/// The run failed, said why, and left what was published.
fn assert_told(bucket: &Bucket, said: Ended, before: &std::collections::BTreeMap<String, Vec<u8>>) {
    let said = said.expect(1, &[]);
    assert!(format!("{}{}", said.stdout, said.stderr).contains(CHANGED), "{said:#?}");
    assert!(&trees::read(&bucket.desk.path("out")) == before, "something was published: {said:#?}");
}

/// Two shards are published, and a third one, of which nobody knows, is written over while it is walked. `rules` come before the swap.
fn changed_in_the_walk(filler: usize, rules: &[Value], blind: bool) {
    let Some(bucket) = Bucket::of(desk(1, 40, 0)) else { return };
    bucket.step("", "");
    let before = trees::read(&bucket.desk.path("out"));
    let [old, new] = versions(filler);
    bucket.put(SHARD, &old);
    swapping(&bucket, &new, rules, blind);
    let said = bucket.run("");
    let counts = bucket.counts();
    assert!(counts.harmed > rules.len() as u64, "the swap was not met: {counts:?} {said:#?}");
    assert_told(&bucket, said, &before);
    assert_right_after(&bucket, &new, "");
}

#[test]
fn an_object_that_changes_before_its_first_byte_is_told_of() {
    changed_in_the_walk(0, &[], false);
    changed_in_the_walk(0, &[], true);
}

/// The first answer breaks off; the rest would come from the new version.
#[test]
fn an_object_that_changes_before_a_retry_is_told_of() {
    for blind in [false, true] {
        changed_in_the_walk(0, &[json!({ "key": KEY, "times": 1, "do": { "cut": 0.5 } })], blind);
    }
}

/// Large enough to be fetched in several ranges.
#[test]
fn an_object_that_changes_between_two_ranges_is_told_of() {
    let filler = 20 << 20;
    for blind in [false, true] {
        let pass = json!({ "key": KEY, "times": 1, "do": { "drop": [] } });
        changed_in_the_walk(filler, &[pass], blind);
    }
}

#[test]
fn a_large_object_is_fetched_in_ranges_each_byte_once() {
    let Some(bucket) = Bucket::of(desk(1, 40, 20 << 20)) else { return };
    let (_, counts) = bucket.step("", "");
    assert_eq!(counts.bytes, bucket.size("s0"));
    assert!(counts.objects["laion/s0.tar"].gets > 1, "{counts:?}");
}

/// Its pictures are asked about when it is not in the cache, and it is written over between two of them.
#[test]
fn an_object_that_changes_while_its_pictures_are_asked_about_is_told_of() {
    for (skip, blind) in [(0, false), (2, false), (2, true), (7, false)] {
        let Some(bucket) = Bucket::of(desk(1, 40, 0)) else { return };
        // Far from each other, so that each picture is a request.
        let [old, new] = versions(40 * (160 << 10));
        bucket.put(SHARD, &old);
        bucket.step("", "");
        let before = trees::read(&bucket.desk.path("out"));
        bucket.evict();
        let pass = json!({ "key": KEY, "times": skip, "do": { "drop": [] } });
        swapping(&bucket, &new, if skip > 0 { std::slice::from_ref(&pass) } else { &[] }, blind);
        // Another judge: everything that is published is asked about, and what cannot be had is lost.
        let said = bucket.run("--judge 1 --cores 1");
        let counts = bucket.counts();
        assert!(counts.harmed > skip, "the swap was not met: {counts:?} {said:#?}");
        assert_told(&bucket, said, &before);
        assert_right_after(&bucket, &new, "--judge 1");
    }
}

/// The same bytes, written again: another tag, or the same one, and what is published is the same.
#[test]
fn an_object_that_is_written_again_as_it_was_changes_nothing() {
    let Some(bucket) = Bucket::of(desk(2, 40, 0)) else { return };
    bucket.step("", "");
    bucket.put("s0", &tar(&samples(0, 40), 0));
    let (summary, counts) = bucket.step("", "");
    assert_eq!(tests::program::asked(&summary), 0, "{summary}");
    assert!(counts.bytes <= bucket.size("s0"), "{counts:?}");
}

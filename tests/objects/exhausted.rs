//! What is not over when it was tried again: the run ends, says what to do next, and takes nothing away.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use tests::program::Ended;
use tests::resident::assert_published;
use tests::trees;

use crate::bucket::Bucket;
use crate::words::{MAX_LOST, RETRIES, STALLED, says_any};
use crate::{desk, samples, tar};

/// What is published; a run that failed leaves every byte of it.
fn published(bucket: &Bucket) -> BTreeMap<String, Vec<u8>> {
    let out = trees::read(&bucket.desk.path("out"));
    assert!(out.contains_key("manifest.json"));
    out
}

/// What was published before, and a bucket with a shard more, which nobody has seen.
fn one_more() -> Option<Bucket> {
    let bucket = Bucket::of(desk(2, 40, 0))?;
    bucket.step("", "");
    bucket.put("s2", &tar(&samples(2, 40), 0));
    Some(bucket)
}

fn assert_failed(bucket: &Bucket, said: Ended, words: &[&str], before: &BTreeMap<String, Vec<u8>>) {
    let said = said.expect(1, words);
    assert!(&published(bucket) == before, "something was published: {said:#?}");
    // When it is over the next run is right, and fetches the shard that is new.
    let (_, counts) = bucket.step("", "");
    assert_eq!(counts.bytes, bucket.size("s2"), "{counts:?}");
}

/// Neither passes by being tried again, and neither is a wrong name.
#[test]
fn a_wrong_region_and_a_token_that_is_over_are_said_at_once() {
    let Some(bucket) = one_more() else { return };
    let before = published(&bucket);
    for (status, code, words) in [
        (301, 1, ["PermanentRedirect", "eu-north-7", "AWS_REGION"]),
        (400, 1, ["ExpiredToken", "400", "credentials"]),
    ] {
        bucket.rules(&json!([{ "on": "list", "do": { "status": status } }]));
        bucket.run("").expect(code, &words);
        assert_eq!(bucket.counts().lists, 1, "{status}");
        assert!(published(&bucket) == before);
    }
}

#[test]
fn retries_that_are_over_end_the_run() {
    for (status, retries) in [(503, 2), (500, 0), (503, 1)] {
        let Some(bucket) = one_more() else { return };
        let before = published(&bucket);
        bucket.rules(&json!([{ "key": "*/s2.tar", "do": { "status": status } }]));
        let said = bucket.run(&format!("--object-retries {retries}"));
        let counts = bucket.counts();
        assert_eq!(counts.harmed, retries + 1, "{said:#?}");
        let url = bucket.url_of("laion/s2.tar");
        assert_failed(&bucket, said, &[&url, &status.to_string(), RETRIES], &before);
    }
}

#[test]
fn a_list_that_cannot_be_had_ends_the_run() {
    let Some(bucket) = one_more() else { return };
    let before = published(&bucket);
    bucket.rules(&json!([{ "on": "list", "do": { "status": 503 } }]));
    let said = bucket.run("--object-retries 1");
    assert_failed(&bucket, said, &[&format!("s3://{}", bucket.name), "503", RETRIES], &before);
}

#[test]
fn a_server_that_never_answers_ends_the_run() {
    let Some(bucket) = one_more() else { return };
    let before = published(&bucket);
    bucket.rules(&json!([{ "key": "*/s2.tar", "do": { "stall": 100 } }]));
    let said = bucket.run("--object-retries 1 --object-timeout 0.5");
    assert!(says_any(&said.stderr, STALLED), "{said:#?}");
    assert_failed(&bucket, said, &[&bucket.url_of("laion/s2.tar"), RETRIES], &before);
}

#[test]
fn what_may_not_be_read_and_what_is_gone_end_the_run_at_once() {
    for status in [403, 404] {
        let Some(bucket) = one_more() else { return };
        let before = published(&bucket);
        bucket.rules(&json!([{ "on": "any", "key": "*/s2.tar", "do": { "status": status } }]));
        let begin = Instant::now();
        let said = bucket.run("");
        assert!(begin.elapsed().as_secs() < 20, "{said:#?}");
        // Parts of one object may be asked for side by side; none of them a second time.
        assert!(bucket.counts().harmed <= 2, "it was tried again: {:?}", bucket.counts());
        assert_failed(&bucket, said, &[&bucket.url_of("laion/s2.tar"), &status.to_string()], &before);
    }
}

#[test]
fn a_bucket_that_may_not_be_listed_ends_the_run_at_once() {
    let Some(bucket) = one_more() else { return };
    let before = published(&bucket);
    bucket.rules(&json!([{ "on": "list", "do": { "status": 403 } }]));
    let said = bucket.run("");
    assert!(bucket.counts().lists <= 1, "it was tried again");
    assert_failed(&bucket, said, &[&bucket.name, "403"], &before);
}

/// Rows that were published are asked about anew, by another judge, and their pictures cannot be had: they stay published.
#[test]
fn pictures_that_cannot_be_had_are_not_taken_away() {
    for status in [503, 403] {
        let Some(bucket) = Bucket::of(desk(2, 40, 0)) else { return };
        bucket.step("", "");
        let before = published(&bucket);
        bucket.evict();
        bucket.rules(&json!([{ "skip": 3, "do": { "status": status } }]));
        let said = bucket.run("--judge 1 --object-retries 1");
        assert!(bucket.counts().harmed > 0, "no harm was met: {said:#?}");
        let said = said.expect(1, &[MAX_LOST]);
        assert!(published(&bucket) == before, "something was published: {said:#?}");
        bucket.step("--judge 1", "");
    }
}

/// A run that is stopped while it waits for the next try ends at once.
#[test]
fn a_run_that_waits_for_a_retry_ends_at_a_signal() {
    let Some(bucket) = one_more() else { return };
    let before = published(&bucket);
    bucket.rules(&json!([{ "key": "*/s2.tar", "do": { "status": 503 } }]));
    let run = bucket.start("--object-retries 30");
    bucket.wait_for("a retry", |counts| counts.harmed >= 3);
    tests::program::signal(&run, libc::SIGTERM);
    let begin = Instant::now();
    let said = tests::program::ended_within(run, 30);
    assert!(begin.elapsed().as_secs() < 15 && said.code != Some(0), "{said:#?}");
    assert!(published(&bucket) == before);
    bucket.rules(&json!([]));
    bucket.done("");
    assert_published(&bucket.desk, "", "after a signal");
}

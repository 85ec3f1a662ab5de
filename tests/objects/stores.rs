//! Stores of others than Amazon: what holds of its buckets holds of theirs. Azure's is Microsoft's own emulator; Google's is imitated, as its
//! reference has it (`stores.py`).

use serde_json::json;
use tests::buckets::Store::{Azure, Google};
use tests::program::ended;
use tests::resident::assert_published;

use crate::bucket::Bucket;
use crate::{desk, same, sets, unsent, writers};

/// What an error about rights names.
const OF_GOOGLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const OF_AZURE: &str = "AZURE_STORAGE_ACCOUNT_KEY";

#[test]
fn shards_of_google_are_fetched_as_they_are_needed() {
    same::a_buckets_run_is_a_folders_run(Google);
}

#[test]
fn shards_of_azure_are_fetched_as_they_are_needed() {
    same::a_buckets_run_is_a_folders_run(Azure);
}

#[test]
fn of_a_set_in_google_what_changed_is_sent() {
    sets::only_what_changed_is_sent(Google);
}

#[test]
fn of_a_set_in_azure_what_changed_is_sent() {
    sets::only_what_changed_is_sent(Azure);
}

#[test]
fn large_files_go_to_google_in_parts() {
    sets::large_files(Google, OF_GOOGLE);
}

#[test]
fn large_files_go_to_azure_in_parts() {
    sets::large_files(Azure, OF_AZURE);
}

#[test]
fn killed_writers_of_google_leave_a_complete_set() {
    writers::a_kill_at_any_write(Google);
}

#[test]
fn killed_writers_of_azure_leave_a_complete_set() {
    writers::a_kill_at_any_write(Azure);
}

#[test]
fn two_writers_of_google_are_told_apart() {
    writers::of_two_writers_the_slower_is_told(Google);
    writers::a_writer_stands_still(Google);
}

#[test]
fn two_writers_of_azure_are_told_apart() {
    writers::of_two_writers_the_slower_is_told(Azure);
    writers::a_writer_stands_still(Azure);
}

#[test]
fn answers_of_google_that_are_lost_are_no_failure() {
    unsent::answers_are_lost(Google);
    unsent::it_fails_behind_the_manifest(Google, OF_GOOGLE);
}

#[test]
fn answers_of_azure_that_are_lost_are_no_failure() {
    unsent::answers_are_lost(Azure);
    unsent::it_fails_behind_the_manifest(Azure, OF_AZURE);
}

/// A store that passes conditions over, as a proxy between may, is known for one. Azure signs them.
#[test]
fn conditions_that_do_not_hold_are_missed() {
    let Some(set) = sets::Set::of_store(Google, 2, 12) else { return };
    set.bucket.rules(&json!([{ "on": "put", "do": { "drop": ["x-goog-if-generation-match"] } }]));
    set.run("store", "").expect(1, &["could not be told apart", &set.url()]);
}

/// Whoever has a wrong key is told which variables to look at, and in one line; the key is not shown.
#[test]
fn a_wrong_key_is_told_and_not_shown() {
    let wrong = "Y2FuYXJ5LXdyb25nLWtleS1vZi1zb21lYm9keSEhISE=";
    for (store, variable, advice) in
        [(Google, "GOOGLE_BEARER_TOKEN", OF_GOOGLE), (Azure, "AZURE_STORAGE_ACCOUNT_KEY", OF_AZURE)]
    {
        let Some(bucket) = Bucket::of_store(store, desk(1, 12, 0)) else { return };
        let mut command = bucket.command("run", "");
        let said = ended(command.env(variable, wrong)).expect(1, &["403", advice, &bucket.name]);
        let said = format!("{said:?}");
        assert!(!said.contains(wrong) && !said.contains("RequestId"), "{said}");
    }
}

/// A public bucket: no credentials, and none asked for.
#[test]
fn a_public_bucket_is_read_without_credentials() {
    let Some(bucket) = Bucket::of_store(Google, desk(1, 12, 0)) else { return };
    let public = |is: bool| bucket.control("anonymous", &json!({ "is": is }));
    let run = || {
        let mut command = bucket.command("run", "");
        ended(command.env_remove("GOOGLE_BEARER_TOKEN").env("GOOGLE_SKIP_SIGNATURE", "true"))
    };
    run().expect(1, &["403", "GOOGLE_SKIP_SIGNATURE"]);
    public(true);
    run().expect(0, &[]);
    assert_published(&bucket.desk, "", "a public bucket");
}

//! Two writers of one set in a bucket, of two stores or of one; kills and signals at any moment.

use std::process::Child;

use serde_json::{Value, json};
use tests::buckets::Store;
use tests::program::{asked, ended_within};

use crate::PATIENCE;
use crate::sets::{OVERTAKEN, RIVAL, Set};
use crate::words::says_any;

#[test]
fn a_kill_at_any_write_leaves_a_complete_set_and_the_next_run_goes_on_at_once() {
    a_kill_at_any_write(Store::Amazon);
}

pub fn a_kill_at_any_write(store: Store) {
    let Some(set) = Set::of_store(store, 3, 12) else { return };
    set.run("store", "").expect(0, &[]);
    let mut reached = 0;
    for skip in 0.. {
        let (from, to) = if skip % 2 == 0 { ("", "--set short_side=9") } else { ("--set short_side=9", "") };
        let context = format!("killed at write {skip}");
        set.bucket.rules(&json!([
            { "on": "put", "skip": skip, "do": { "hold": 60 } },
            // Also between writes.
            { "on": "delete", "key": if skip % 3 == 0 { "*" } else { "-" }, "do": { "hold": 60 } },
        ]));
        let ended = set.killed_when_held(set.start("store", to));
        assert!(set.assert_complete(&context), "{context}: there is no manifest");
        if ended {
            break;
        }
        reached += 1;
        let said = set.run("store", to).expect(0, &[]);
        // Not by waiting for the lease of its own dead run.
        assert!(!said.stderr.contains("whether it lives"), "{context}: {said:#?}");
        set.assert_is(to, &format!("{context}, from {from:?}"));
    }
    assert!(reached > 8, "{reached}");
}

/// Two stores, as of two machines: what one published is never replaced by what the other began before.
#[test]
fn of_two_writers_the_slower_is_told_and_goes_on_from_what_the_other_published() {
    of_two_writers_the_slower_is_told(Store::Amazon);
}

pub fn of_two_writers_the_slower_is_told(store: Store) {
    let Some(set) = Set::of_store(store, 2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    let slow = set.start("slow", "--slow 400 --set short_side=7");
    set.bucket.wait_for("the slow one has looked", |counts| counts.puts > 0);
    set.run("store", "--set short_side=9").expect(0, &[]);
    let before = set.tree();
    let said = ended_within(slow, PATIENCE).expect(1, &[OVERTAKEN, &set.url(), "run again"]);
    assert!(set.tree() == before, "{said:#?}");
    set.assert_is("--set short_side=9", "the faster one");
    let (summary, _) = set.sent("slow", "--set short_side=7");
    assert_eq!(asked(&summary), 0, "what was answered is kept: {summary}");
    set.assert_is("--set short_side=7", "the slower one, again");
}

#[test]
fn a_writer_who_lives_is_not_disturbed() {
    let Some(set) = Set::of(2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    let first = set.held("*/manifest.json", "store", "--set short_side=9 --object-timeout 3");
    set.run("other", "--set short_side=7").expect(1, &[RIVAL, &set.url()]);
    set.bucket.rules(&json!([]));
    ended_within(first, PATIENCE).expect(0, &[]);
    set.assert_is("--set short_side=9", "the first");
}

/// A writer that stands still for longer than its lease is taken for dead. When it wakes, what the other published stands.
#[test]
fn a_writer_that_stood_still_finds_the_place_taken() {
    a_writer_stands_still(Store::Amazon);
}

pub fn a_writer_stands_still(store: Store) {
    let Some(set) = Set::of_store(store, 2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    for held in ["*/manifest.json", "*/data/*"] {
        let first = set.held(held, "store", "--set short_side=9");
        tests::program::kill(first.id(), libc::SIGSTOP);
        let said =
            set.run("other", "--set short_side=7").expect(0, &["to see whether it lives", "was taken over"]);
        set.assert_is("--set short_side=7", held);
        // What it had sent before it was stopped comes through now.
        set.bucket.rules(&json!([]));
        tests::program::kill(first.id(), libc::SIGCONT);
        let first = ended_within(first, PATIENCE);
        assert_eq!(first.code, Some(1), "{held}: {first:#?} {said:#?}");
        assert!(says_any(&first.stderr, &[OVERTAKEN, "could not be kept locked"]), "{held}: {first:#?}");
        let tree = set.tree();
        assert!(set.assert_complete(held));
        let manifest: Value = serde_json::from_slice(&tree["manifest.json"]).expect("JSON");
        assert!(manifest["dials"].to_string().contains("7.0"), "{held}: {manifest}");
        // A part that came late is deleted by the next one.
        set.run("other", "--set short_side=7").expect(0, &[]);
        set.assert_is("--set short_side=7", held);
        set.run("store", "").expect(0, &[]);
    }
}

/// The other's parts have the names of those that the first was about to delete.
#[test]
fn a_writer_that_stood_still_before_it_deletes_deletes_nothing() {
    let Some(set) = Set::of(2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    // Twice to see that it may be written, once to send; then before the deletion, or while it is sent.
    set.bucket
        .rules(&json!([{ "on": "put", "key": "*/.lock", "skip": 3, "times": 1, "do": { "hold": 60 } }]));
    let first = set.start("store", "--set short_side=9");
    set.bucket.wait_for("the lock is written anew", |counts| counts.waiting > 0);
    tests::program::kill(first.id(), libc::SIGSTOP);
    set.run("other", "").expect(0, &["was taken over"]);
    set.assert_is("", "the other");
    set.bucket.rules(&json!([]));
    tests::program::kill(first.id(), libc::SIGCONT);
    let first = ended_within(first, PATIENCE);
    assert_eq!(first.code, Some(1), "{first:#?}");
    set.assert_is("", "the first woke");
}

#[test]
fn a_signal_while_it_is_sent_takes_back_what_was_and_lets_the_lock_go() {
    let Some(set) = Set::of(3, 12) else { return };
    set.run("store", "").expect(0, &[]);
    let before = set.tree();
    set.bucket.rules(&json!([{ "on": "put", "key": "*/data/*", "skip": 1, "do": { "hold": 60 } }]));
    let run = set.start("store", "--set short_side=9");
    set.bucket.wait_for("parts are on their way", |counts| counts.waiting > 0);
    tests::program::kill(run.id(), libc::SIGINT);
    std::thread::sleep(std::time::Duration::from_millis(100));
    set.bucket.rules(&json!([]));
    let said = ended_within(run, PATIENCE).expect(1, &["stopping"]);
    assert!(set.tree() == before, "{said:#?}");
    let lock = std::fs::read_to_string(set.bucket.desk.path("out/.lock")).expect("is there");
    assert!(lock.contains("\"held\": false"), "{lock}");
    set.run("store", "--set short_side=9").expect(0, &[]);
    set.assert_is("--set short_side=9", "after a signal");
}

/// A part of an array only looks whether it may write: it takes nothing from who is sending, and makes nothing its own.
#[test]
fn a_part_leaves_a_sender_and_what_is_foreign_alone() {
    let Some(set) = Set::of(2, 12) else { return };
    let theirs = set.bucket.aside("theirs", b"mine");
    set.bucket.control("put", &json!({ "key": "sets/first/README.md", "file": theirs }));
    for arguments in ["--part 1/2", ""] {
        set.run("store", arguments).expect(1, &["README.md", "choose an empty folder"]);
    }
    set.bucket.control("delete", &json!({ "key": "sets/first/README.md" }));
    set.run("store", "").expect(0, &[]);
    let sender = set.held("*/manifest.json", "store", "--set short_side=9");
    set.run("store", "--part 1/2").expect(0, &[]);
    set.bucket.rules(&json!([]));
    ended_within(sender, PATIENCE).expect(0, &[]);
    set.assert_is("--set short_side=9", "beside a part");
}

/// Each looks whether it may write there, all at the same time.
#[test]
fn many_parts_at_once_do_not_stand_in_each_others_way() {
    let Some(set) = Set::of(4, 6) else { return };
    let parts: Vec<Child> = (1..=6).map(|part| set.start("store", &format!("--part {part}/6"))).collect();
    for part in parts {
        ended_within(part, PATIENCE).expect(0, &[]);
    }
    set.run("store", "").expect(0, &[]);
    set.assert_is("", "six parts");
}

#[test]
fn a_kill_while_a_set_is_fetched_leaves_none_that_is_taken_for_whole() {
    let Some(set) = Set::of(3, 12) else { return };
    set.run("store", "").expect(0, &[]);
    set.run("other", "").expect(0, &[]);
    for skip in [0, 1, 3] {
        // The other store has another set, which goes for this.
        set.run("other", "--set short_side=9").expect(0, &[]);
        set.bucket.rules(&json!([{ "on": "get", "key": "*/data/*", "skip": skip, "do": { "stall": 0.5 } }]));
        set.killed_when_held(set.start("store", "--set short_side=8"));
        set.run("store", "--set short_side=8").expect(0, &[]);
        set.assert_is("--set short_side=8", &format!("killed at read {skip}"));
    }
}

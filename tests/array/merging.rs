//! `store compact`, and what else reads all segments: verify, clean, plan, explain.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tests::resident::assert_published;
use threshflow::memo::Segment;

use tests::ground::pictures;
use tests::program::Desk;

use crate::{array, asked, desk, publish};

fn memo_files(desk: &Desk) -> Vec<(u16, usize)> {
    let of = |segment: Segment| {
        let files = fs::read_dir(segment.memos()).map_or(0, |entries| entries.count());
        (segment.number, files)
    };
    Segment::all(&desk.path("store")).expect("is read").into_iter().map(of).collect()
}

/// Of the first part's segment.
fn largest_memo(desk: &Desk) -> PathBuf {
    let memos = fs::read_dir(Segment::of(&desk.path("store"), 1).memos()).expect("memos");
    let memos = memos.map(|entry| entry.expect("a file").path());
    memos.max_by_key(|path| fs::metadata(path).map_or(0, |meta| meta.len())).expect("a memo")
}

/// Zeroes some bytes in the middle of a memo, and gives what it holds then. They are more than two marks are long, which hold no answer.
fn damaged(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).expect("is read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 120].fill(0);
    fs::write(path, &bytes).expect("is written");
    bytes
}

#[test]
fn merged_segments_hold_the_same_answers() {
    let desk = desk(6, true);
    array(&desk, 5, "");
    assert!(memo_files(&desk).iter().filter(|(_, files)| *files > 0).count() > 3, "{:?}", memo_files(&desk));
    let verified = desk.ask("verify --json --store store").expect(0, &[]).json();
    let merged = desk.ask("store compact --json --store store").expect(0, &[]).json();
    assert!(merged["segments"].as_u64() > Some(2), "{merged}");
    assert!(
        memo_files(&desk).iter().all(|(segment, files)| (*files > 0) == (*segment == 0)),
        "{:?}",
        memo_files(&desk)
    );
    let after = desk.ask("verify --json --store store").expect(0, &[]).json();
    // Pictures that lie in two parts were answered twice.
    assert!(after["store"]["records"].as_u64() <= verified["store"]["records"].as_u64(), "{after}");
    assert_eq!(after["store"]["foreign"], json!([]));
    assert_eq!(
        desk.ask("store compact --json --store store").expect(0, &[]).json()["segments"],
        0,
        "there is nothing more to merge"
    );
    assert_eq!(asked(&publish(&desk, "")), 0);
    assert_published(&desk, "", "merged");
    // The parts go on beside what was merged.
    assert_eq!(array(&desk, 5, "").iter().map(asked).sum::<u64>(), 0);
    assert!(array(&desk, 5, "--set short_side=3").iter().map(asked).sum::<u64>() > 0);
    assert_eq!(asked(&publish(&desk, "--set short_side=3")), 0);
    assert_published(&desk, "--set short_side=3", "merged, and gone on");
}

#[test]
fn a_store_is_listed_and_cleaned_with_all_its_segments() {
    let desk = desk(4, false);
    array(&desk, 3, "");
    let listed = desk.ask("clean --json --store store").expect(0, &[]).json();
    let stamps = listed.as_array().expect("a list");
    assert!(stamps.len() > 3 && stamps.iter().all(|stamp| stamp["bytes"].as_u64() > Some(0)), "{listed}");
    assert!(stamps.iter().all(|stamp| stamp["dead"] == false), "{listed}");
    let planned = desk
        .ask("plan --json --shards shards --store store --out out --max-error-rate 1")
        .expect(0, &[])
        .json();
    assert_eq!(
        (&planned["total"]["undecided"], &planned["total"]["asks"]),
        (&json!(0), &json!({})),
        "{planned}"
    );
    let stamp = stamps[0]["stamp"].as_str().expect("a text");
    desk.ask(&format!("clean --drop {stamp} --store store")).expect(0, &[]);
    let left = desk.ask("clean --json --store store").expect(0, &[]).json();
    assert_eq!(left.as_array().map(Vec::len), Some(stamps.len() - 1));
    desk.ask("verify --store store").expect(0, &[]);
    assert!(asked(&publish(&desk, "")) > 0, "what was dropped is asked again");
    assert_published(&desk, "", "after a drop");
}

#[test]
fn damage_in_a_segment_is_told_of_and_asked_again_by_who_needs_it() {
    let desk = desk(3, false);
    array(&desk, 1, "");
    let memo = largest_memo(&desk);
    let bytes = damaged(&memo);
    desk.ask("verify --store store").expect(1, &["1 file is damaged"]);
    let run = desk.run("--json --log-asks asks.log").expect(0, &["segments/0001/memo", "asked again"]).json();
    assert!((1..20).contains(&asked(&run)), "{}", asked(&run));
    assert_eq!(fs::read(&memo).expect("is read"), bytes, "nobody but the part writes there");
    assert_published(&desk, "", "with damage in a segment");
    // The part mends its own.
    array(&desk, 1, "");
    desk.ask("verify --store store").expect(0, &[]);
}

/// The same pictures with other sidecars: what was said of the old ones is nobody's answer, whatever became of the segments.
#[test]
fn no_number_of_a_shard_is_given_twice_though_segments_are_deleted() {
    for merged in [false, true] {
        let desk = desk(4, false);
        array(&desk, 1, "");
        publish(&desk, "");
        if merged {
            desk.ask("store compact --store store").expect(0, &[]);
        }
        fs::remove_dir_all(desk.path("store/segments")).expect("is removed");
        for n in 0..4 {
            desk.shard(&format!("s{n}"), &pictures(7, n * 24..n * 24 + 24, 9));
        }
        array(&desk, 1, "--max-lost 1 --max-removed 1");
        publish(&desk, "--max-lost 1 --max-removed 1");
        assert_published(&desk, "", &format!("other sidecars, merged: {merged}"));
    }
}

#[test]
fn nothing_is_merged_while_somebody_reads_it() {
    let desk = desk(3, false);
    array(&desk, 2, "");
    let reading = std::fs::File::open(desk.path("store/.readers")).expect("is there");
    reading.try_lock_shared().expect("as a plan holds it");
    desk.ask("store compact --store store").expect(1, &["a plan, a release or a part reads it"]);
    desk.ask("clean --drop dead --store store").expect(1, &["reads it"]);
    drop(reading);
    desk.ask("store compact --store store").expect(0, &[]);
    let merging = std::fs::File::open(desk.path("store/.readers")).expect("is there");
    merging.try_lock().expect("as a merging holds it");
    desk.ask("plan --shards shards --store store --out out").expect(1, &["merged or cleaned"]);
    desk.run("--part 1/2").expect(1, &["merged or cleaned"]);
}

#[test]
fn damage_is_told_of_when_segments_are_merged() {
    let desk = desk(3, false);
    array(&desk, 1, "");
    let memo = largest_memo(&desk);
    damaged(&memo);
    let said =
        desk.ask("store compact --json --store store").expect(0, &["segments/0001/memo", "no sound answer"]);
    assert_eq!(said.json()["damaged"].as_array().map(Vec::len), Some(1));
    let run = publish(&desk, "");
    assert!((1..20).contains(&asked(&run)), "{}", asked(&run));
    assert_published(&desk, "", "merged with damage");
}

#[test]
fn a_segment_that_became_shorter_is_told_of() {
    let desk = desk(3, false);
    array(&desk, 1, "");
    let memo = largest_memo(&desk);
    fs::File::options().write(true).open(&memo).and_then(|file| file.set_len(700)).expect("is cut");
    let run = desk.run("--json").expect(0, &["is 700 bytes long", "asked again"]).json();
    assert!(asked(&run) > 0);
    assert_published(&desk, "", "a segment that was cut");
}

//! `--watch`: shards come, change and vanish while the session runs; what is published in the end is what a fresh run publishes.

use std::time::Duration;

use serde_json::json;
use tests::Rng;
use tests::ground::pictures;
use tests::resident::Resident;
use tests::shards::write;

use crate::{assert_published, desk};

#[test]
fn a_shard_that_is_being_written_is_left_alone_until_its_end_is_there() {
    let desk = desk();
    let session = Resident::start(&desk, "--watch");
    let whole = desk.path("d.tar");
    write(&whole, &pictures(9, 0..30, 0));
    let bytes = std::fs::read(&whole).unwrap();
    let there = desk.path("shards/d.tar");
    std::fs::write(&there, &bytes[..bytes.len() / 2]).unwrap();
    session.wait_for("the shard that waits", |state| state["waiting_shards"] == json!(["d"]));
    // It rests, and has no end.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(session.get("/api/state")["rows"], 180);
    std::fs::write(&there, &bytes).unwrap();
    let state = session.wait_for("the whole shard", |state| state["rows"] == 210);
    assert_eq!(state["waiting_shards"], json!([]));
    std::fs::remove_file(&there).unwrap();
    session.wait_for("its end", |state| state["rows"] == 180);
}

/// A shard is written over in place in the moment before a set is published. A session that does not look at changes cannot see it come, so that the
/// moment is as long as the test needs.
#[test]
fn a_set_of_a_shard_that_was_just_written_over_is_not_published_and_nothing_is_lost() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    session.apply();
    let before = session.post("/api/publish", &json!({}))["published"]["rows"].clone();
    let shard = desk.path("shards/b.tar");
    let was = std::fs::read(&shard).unwrap();
    let beside = desk.path("beside.tar");
    write(&beside, &pictures(9, 0..30, 0));
    std::fs::copy(&beside, &shard).unwrap();
    session.turn("short_side", "14");
    session.apply();
    let (status, refused) = session.try_post("/api/publish", &json!({}));
    let why = refused["error"].as_str().unwrap();
    assert!(status == 409 && why.contains("changed while it was read"), "{status} {refused}");
    assert!(why.contains("nothing was published") && why.contains("--watch"), "{refused}");
    assert_eq!(session.get("/api/state")["published"]["rows"], before);
    std::fs::write(&shard, was).unwrap();
    session.end();
    assert_published(&desk, "", "what was published before");
}

#[test]
fn shards_come_and_go_between_turns_and_what_is_published_is_a_fresh_run() {
    let desk = desk();
    let session = Resident::start(&desk, "--watch --max-removed 100% --max-lost 100%");
    let mut rng = Rng(11);
    let mut in_shards = [60_usize, 60, 60, 0];
    let names = ["a", "b", "c", "d"];
    for step in 0..12 {
        let shard = rng.below(4);
        let path = desk.path("shards").join(format!("{}.tar", names[shard]));
        if in_shards[shard] > 0 && rng.below(3) == 0 && in_shards.iter().filter(|rows| **rows > 0).count() > 1
        {
            std::fs::remove_file(&path).unwrap();
            in_shards[shard] = 0;
        } else {
            let rows = 20 + rng.below(40);
            // Written beside it and renamed, as careful writers do.
            let beside = desk.path("beside.tar");
            write(&beside, &pictures(7 + step as u64, 0..rows as u64, 0));
            std::fs::rename(&beside, &path).unwrap();
            in_shards[shard] = rows;
        }
        let rows: usize = in_shards.iter().sum();
        session.wait_for(&format!("step {step}: {rows} rows"), |state| state["rows"] == rows);
        session.turn("short_side", ["8", "10", "13", "top:70%"][rng.below(4)]);
        if rng.below(3) == 0 || step == 11 {
            let flags = session.apply()["flags"].as_str().unwrap().replace('\'', "");
            session.post("/api/publish", &json!({}));
            assert_published(&desk, &flags, &format!("step {step}"));
        }
    }
}

#[test]
fn a_session_publishes_by_the_clock_what_came() {
    let desk = desk();
    let session = Resident::start(&desk, "--watch --publish-every 1s");
    session.wait_for("the first publishing", |state| state["published"]["rows"].as_u64() > Some(0));
    assert_published(&desk, "", "by the clock");
    desk.shard("d", &pictures(9, 0..30, 0));
    let kept = session.wait_for("the new shard", |state| state["rows"] == 210)["published"].clone();
    session.wait_for("the next publishing", |state| {
        state["published"] != kept && state["enter"] == 0 && state["undecided"] == 0
    });
    assert_published(&desk, "", "by the clock, with one shard more");
}

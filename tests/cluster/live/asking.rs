//! A session of several processes that asks: dials turn meanwhile, it is stopped, killed or ended, and nothing is asked twice.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::program::{Desk, asks, kill, processes_of, wait_for_asks};
use tests::resident::{Resident, assert_published};
use tests::shards::corpus;

use super::{list, rows_of, text};
use crate::{IN_HAND, counted, desk};

/// With questions that take long enough for something to happen meanwhile.
const SLOW: &str = "--cores 1 --slow 100 --log-asks asks.log";
const FAST: &str = "--cores 1 --log-asks asks.log";
/// What a session may take from a death on.
const SOON: u64 = 15;

#[test]
fn when_one_process_is_killed_all_end_and_nothing_is_asked_twice() {
    let desk = desk(6, false);
    let session = Resident::start(&desk, &format!("--processes 3 {SLOW}"));
    session.post("/api/apply", &json!({}));
    wait_for_asks(&desk.path("asks.log"), 250);
    let all = processes_of(session.process());
    assert_eq!(all.len(), 3, "{all:?}");
    kill(all[&1], libc::SIGKILL);
    session.ended(SOON).expect(75, &["process 1 was ended by signal 9", "process 1 on "]);
    assert!(all.values().all(|pid| !is_there(*pid)), "they stay behind: {all:?}");

    let session = Resident::start(&desk, &format!("--processes 3 {FAST}"));
    let state = session.get("/api/state");
    assert!(state["undecided"].as_u64() > Some(0), "the kill came too late: {state}");
    let state = session.apply();
    assert_eq!((&state["undecided"], &state["decided"]), (&json!(0), &json!(true)), "{state}");
    session.post("/api/publish", &json!({}));
    let again: usize = counted(&desk).values().map(|count| count - 1).sum();
    // The others end soon after, and lose what they have in hand, too.
    assert!(again <= 3 * IN_HAND, "{again} were asked twice");
    assert_published(&desk, "", "after a kill");
}

/// Whether there is a process of that number.
fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Ends a session of three processes as Ctrl-C does.
fn end_in_order(session: Resident) {
    let all = processes_of(session.process());
    assert_eq!(all.len(), 3, "{all:?}");
    session.end().expect(0, &[]);
    assert!(all.values().all(|pid| !is_there(*pid)), "they stay behind: {all:?}");
}

#[test]
fn ctrl_c_ends_all_in_order() {
    let desk = desk(6, false);
    let log = desk.path("asks.log");
    // In the middle of asking, ...
    let session = Resident::start(&desk, &format!("--processes 3 {SLOW}"));
    session.post("/api/apply", &json!({}));
    wait_for_asks(&log, 150);
    end_in_order(session);
    // ... and at rest.
    let session = Resident::start(&desk, &format!("--processes 3 {FAST}"));
    let state = session.get("/api/state");
    assert!(state["undecided"].as_u64() > Some(0), "it ended too late: {state}");
    session.apply();
    end_in_order(session);
    let asked = asks(&log);
    let again: usize = counted(&desk).values().map(|count| count - 1).sum();
    assert!(again <= 3 * IN_HAND, "{again} were asked twice");

    let session = Resident::start(&desk, &format!("--processes 2 {FAST}"));
    let state = session.get("/api/state");
    assert_eq!((&state["undecided"], &state["asks"]), (&json!(0), &json!([])), "{state}");
    session.apply();
    assert_eq!(asks(&log), asked, "something was asked that was answered");
    session.post("/api/publish", &json!({}));
    assert_published(&desk, "", "by two, of what three asked");
}

#[test]
fn a_turn_in_the_middle_of_asking_shows_at_once_on_all() {
    let (elsewhere, desk) = (desk(8, false), desk(8, false));
    let alone = Resident::start(&elsewhere, "--cores 1");
    let session = Resident::start(&desk, "--processes 2 --cores 1 --slow 80 --log-asks asks.log");
    let log = desk.path("asks.log");
    session.post("/api/apply", &json!({}));
    assert_eq!(session.try_post("/api/apply", &json!({})).0, 409, "it is asking");
    assert_eq!(session.try_post("/api/publish", &json!({})).0, 409, "it is asking");
    wait_for_asks(&log, 30);
    let short_side = |counts: &Value| counts["dials"][0].clone();
    let mut slowest = Duration::ZERO;
    for value in ["11", "12", "13", "14", "10"] {
        let begin = Instant::now();
        let counts = session.turn("short_side", value);
        slowest = slowest.max(begin.elapsed());
        assert!(!counts["applying"].is_null(), "a turn does not end the asking: {counts}");
        assert_eq!(short_side(&counts), short_side(&alone.turn("short_side", value)));
    }
    // What is under way takes 80 ms a batch and is not waited for; a whole round takes some seconds.
    assert!(slowest < Duration::from_secs(1), "a turn waited for answers: {slowest:?}");
    wait_for_asks(&log, asks(&log).len() + 10);
    let stopped = session.post("/api/stop", &json!({}));
    assert!(stopped["applying"]["stopping"] == true && stopped["undecided"].as_u64() > Some(0), "{stopped}");
    // What was under way is answered; then nothing more is asked.
    session.rest();
    let at_rest = asks(&log);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(asks(&log), at_rest, "it asks though it was stopped");
    let (state, plan) = (session.get("/api/state"), session.get("/api/plan"));
    assert!(!list(&state["asks"]).is_empty(), "{state}");
    for stage in list(&state["asks"]) {
        assert_eq!(&stage["questions"], &plan["asks"][text(&stage["stage"])], "{stage} {plan}");
    }
    session.apply();
    session.post("/api/publish", &json!({}));
    let counted = counted(&desk);
    assert!(counted.values().all(|count| *count == 1), "something was asked twice: {counted:?}");
    assert_published(&desk, "", "turned and stopped in the middle");
}

#[test]
fn what_stops_the_asking_stops_it_in_all_and_the_session_stays() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    (0..6).for_each(|n| drop(desk.shard(&format!("s{n}"), &corpus(5, n * 40..n * 40 + 40))));
    for trouble in ["--trouble no-session:", "--trouble panic-opening:"] {
        let session = Resident::start(&desk, &format!("--processes 2 --cores 1 {trouble}"));
        let before = session.get("/api/state");
        let state = session.apply();
        assert_eq!(state["undecided"], before["undecided"], "{trouble}: {state}");
        let told = session.said().matches("asking stopped after").count();
        assert_eq!(told, 1, "{trouble}: {}", session.said());
        // It can be tried again, and does not ask for ever.
        session.apply();
        assert!(session.turn("short_side", "12")["rows"] == before["rows"]);
        assert_eq!(session.try_post("/api/publish", &json!({})).0, 409, "{trouble}");
        session.end().expect(0, &[]);
    }
    let session = Resident::start(&desk, "--processes 2 --cores 1 --log-asks asks.log");
    session.apply();
    session.post("/api/publish", &json!({}));
    assert!(counted(&desk).values().all(|count| *count == 1));
    assert_published(&desk, "", "when the stage was well again");
}

#[test]
fn rows_of_all_processes_can_be_looked_at_while_they_are_asked_about() {
    let desk = desk(6, false);
    let session = Resident::start(&desk, "--processes 2 --cores 1 --slow 250 --log-asks asks.log");
    let ids: Vec<String> = rows_of(&session).into_values().collect();
    // What is said of one is looked up for all.
    session.post("/api/labels", &json!({ "dial": "short_side", "row": ids[0], "good": true }));
    session.post("/api/apply", &json!({}));
    let looks = session.look_while_it_asks(ids.iter().map(String::as_str).cycle());
    assert!(looks >= 20, "it asked for too short a time: {looks} looks");
    let counted = counted(&desk);
    assert!(counted.values().all(|count| *count == 1), "something was asked twice: {counted:?}");
}

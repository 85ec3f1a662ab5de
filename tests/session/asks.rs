//! Asking: what was foretold is asked, once; it can be stopped, and dials turn while answers come.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::program::{self, asks, wait_for_asks};
use tests::resident::Resident;

use crate::{assert_published, desk};

const LOGGED: &str = "--cores 2 --slow 3 --log-asks asks.log";

fn questions(counts: &Value) -> u64 {
    counts["asks"].as_array().unwrap().iter().map(|stage| stage["questions"].as_u64().unwrap()).sum()
}

#[test]
fn nothing_is_asked_before_it_is_applied_and_what_is_asked_is_what_a_run_asks() {
    let desk = desk();
    let session = Resident::start(&desk, LOGGED);
    session.turn("short_side", "14");
    session.turn("short_side", "10");
    assert_eq!(asks(&desk.path("asks.log")), Vec::<String>::new());
    assert!(questions(&session.get("/api/state")) > 0);
    session.apply();
    let asked = asks(&desk.path("asks.log"));
    let once: BTreeSet<&String> = asked.iter().collect();
    assert_eq!(once.len(), asked.len(), "something was asked twice");
    // Of a run with the same dials.
    let other = crate::desk();
    other.done(LOGGED);
    let of_run: BTreeSet<String> = asks(&other.path("asks.log")).into_iter().collect();
    // Samples are numbered as their shards come: what is asked of sidecars has other names in another store.
    let plain = |line: &&String| !line.starts_with("words ");
    let of_both = [once.clone(), of_run.iter().collect()]
        .map(|lines| lines.into_iter().filter(plain).collect::<BTreeSet<_>>());
    assert_eq!(of_both[0], of_both[1]);
    assert_eq!(once.len(), of_run.len());
    let after = session.get("/api/state");
    assert_eq!((questions(&after), after["undecided"].as_u64()), (0, Some(0)));
    session.post("/api/publish", &json!({}));
    assert_published(&desk, "", "asked in a session");
}

#[test]
fn asking_stops_and_goes_on_and_dials_turn_at_once_meanwhile() {
    let desk = desk();
    let session = Resident::start(&desk, "--cores 2 --slow 40 --log-asks asks.log");
    let log = desk.path("asks.log");
    session.post("/api/apply", &json!({}));
    assert_eq!(session.try_post("/api/apply", &json!({})).0, 409, "it is asking");
    assert_eq!(session.try_post("/api/publish", &json!({})).0, 409, "it is asking");
    wait_for_asks(&log, 30);
    let mut slowest = Duration::ZERO;
    for value in ["11", "12", "13", "14", "10"] {
        let begin = Instant::now();
        let counts = session.turn("short_side", value);
        slowest = slowest.max(begin.elapsed());
        assert!(!counts["applying"].is_null(), "a turn does not end the asking: {counts}");
    }
    // What is under way takes 40 ms a batch and is not waited for; a whole round takes many seconds.
    assert!(slowest < Duration::from_secs(1), "a turn waited for answers: {slowest:?}");
    let before = asks(&log).len();
    wait_for_asks(&log, before + 10);
    let stopped = session.post("/api/stop", &json!({}));
    assert!(
        stopped["applying"]["stopping"] == true && stopped["undecided"].as_u64().unwrap() > 0,
        "{stopped}"
    );
    // What was under way is answered; then nothing more is asked.
    session.rest();
    let at_rest = asks(&log).len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(asks(&log).len(), at_rest, "it asks though it was stopped");
    let (state, plan) = (session.get("/api/state"), session.get("/api/plan"));
    // The plan knows besides what these questions ask in turn.
    for stage in state["asks"].as_array().unwrap() {
        let planned = &plan["asks"][stage["stage"].as_str().unwrap()];
        assert_eq!(&stage["questions"], planned, "what came in the end is counted: {stage} {plan}");
    }
    assert!(questions(&state) > 0, "{state}");
    session.apply();
    session.post("/api/publish", &json!({}));
    let asked = asks(&log);
    let twice = asked.len() - asked.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(twice, 0, "of {} questions", asked.len());
    assert_published(&desk, "", "stopped in the middle");
}

#[test]
fn a_store_has_one_session_and_a_port_one_server() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    let other = program::ended(&mut desk.command("live", "--port 0"));
    other.expect(1, &["in use by another run"]);
    let run = program::ended(&mut desk.command("run", ""));
    run.expect(1, &["in use by another run"]);
    let port = session.base.rsplit(':').next().unwrap().to_owned();
    let elsewhere = crate::desk();
    let taken = program::ended(&mut elsewhere.command("live", &format!("--port {port}")));
    taken.expect(1, &[port.as_str(), "--port"]);
    let open = program::ended(&mut elsewhere.command("live", "--listen 0.0.0.0"));
    open.expect(2, &["--token-file"]);
}

#[test]
fn rows_can_be_looked_at_while_they_are_asked_about() {
    let desk = desk();
    // An answer takes longer than a look, on a busy machine, too: it asks until most rows were looked at.
    let session = Resident::start(&desk, "--cores 2 --slow 60 --log-asks asks.log");
    session.post("/api/apply", &json!({}));
    let ids: Vec<String> = (0..180).map(|n| format!("{}-{}", n % 3, n / 3)).collect();
    let looks = session.look_while_it_asks(ids.iter().map(String::as_str).cycle());
    assert!(looks >= 30, "it asked for too short a time: {looks} looks");
    let asked = asks(&desk.path("asks.log"));
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "something was asked twice");
}

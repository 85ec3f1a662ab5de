//! A day in a minute: shards come, change and go while dials are turned, questions asked and data sets published, each by a hand of its own. In the end,
//! what is published is what a fresh run publishes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::Rng;
use tests::ground::pictures;
use tests::program::Desk;
use tests::resident::Resident;
use tests::shards::write;

use crate::{assert_published, desk};

const CHANGES: usize = 200;
const TURNS: usize = 500;
const APPLIES: usize = 50;
const PUBLISHES: usize = 20;
/// One more shard than the desk begins with may come for each of these names.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const DIALS: [(&str, &[&str]); 6] = [
    ("short_side", &["8", "10", "13", "17"]),
    ("short_side", &["top:70%", "top:60"]),
    ("sure", &["0.25", "0.5"]),
    ("object_area", &["0.0625", "0.125"]),
    ("quality", &["0.375", "0.5"]),
    ("regions", &["0", "1", "2"]),
];

/// Adds, replaces and removes shards; how many rows there are in the end.
fn change_shards(desk: &Desk) -> usize {
    let mut rng = Rng(5);
    let mut rows = [60, 60, 60, 0, 0, 0];
    for change in 0..CHANGES {
        let shard = rng.below(NAMES.len());
        let path = desk.path("shards").join(format!("{}.tar", NAMES[shard]));
        let others = rows.iter().filter(|rows| **rows > 0).count() > 1;
        if rows[shard] > 0 && others && rng.below(3) == 0 {
            std::fs::remove_file(&path).expect("is there");
            rows[shard] = 0;
        } else {
            rows[shard] = 8 + rng.below(16);
            let beside = desk.path("beside.tar");
            write(&beside, &pictures(100 + change as u64, 0..rows[shard] as u64, 0));
            if rng.below(4) == 0 {
                // In two halves, where the session can see both.
                let bytes = std::fs::read(&beside).expect("was written");
                std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("writes");
                std::thread::sleep(Duration::from_millis(rng.below(60) as u64));
                std::fs::write(&path, &bytes).expect("writes");
            } else {
                std::fs::rename(&beside, &path).expect("is renamed");
            }
        }
        std::thread::sleep(Duration::from_millis(rng.below(200) as u64));
    }
    rows.iter().sum()
}

fn turn_dials(session: &Resident) {
    let mut rng = Rng(6);
    for turn in 0..TURNS {
        let counts = match rng.below(12) {
            0 => session.try_post("/api/undo", &json!({})),
            1 => session.try_post("/api/redo", &json!({})),
            _ => {
                let (dial, values) = DIALS[rng.below(DIALS.len())];
                session.try_post("/api/turn", &json!({ "dials": { dial: values[rng.below(values.len())] } }))
            }
        };
        match counts {
            (200, counts) => assert_adds_up(&counts),
            (status, refused) => assert_eq!(status, 409, "turn {turn}: {refused}"),
        }
        std::thread::sleep(Duration::from_millis(rng.below(60) as u64));
    }
}

/// Every row stands somewhere.
fn assert_adds_up(counts: &Value) {
    let rows = ["kept", "gated", "refused", "undecided"].map(|name| counts[name].as_u64().expect("a number"));
    assert_eq!(Some(rows.iter().sum()), counts["rows"].as_u64(), "{counts}");
}

/// Asks, and publishes once in a while, until both were done as often as they are to be.
fn apply_and_publish(session: &Resident) {
    let (mut applies, mut publishes) = (0, 0);
    while applies < APPLIES || publishes < PUBLISHES {
        let (status, applied) = session.try_post("/api/apply", &json!({}));
        assert!(status == 202 || status == 409, "{status} {applied}");
        applies += usize::from(status == 202);
        if applies % 5 == 4 {
            session.try_post("/api/stop", &json!({}));
        }
        session.rest();
        if applies * PUBLISHES >= publishes * APPLIES {
            // Refused where a shard came or a dial was turned since, which leaves something to be asked.
            let (status, answer) = session.try_post("/api/publish", &json!({}));
            assert!(status == 200 || status == 409, "{status} {answer}");
            publishes += usize::from(status == 200);
        }
    }
}

/// Ends the looking, also where another hand failed.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn after_a_day_what_is_published_is_a_fresh_run() {
    let desk = desk();
    let session = Resident::start(&desk, "--watch --max-removed 100% --max-lost 100%");
    let watching = AtomicBool::new(true);
    let rows = std::thread::scope(|scope| {
        let shards = scope.spawn(|| change_shards(&desk));
        let turns = scope.spawn(|| turn_dials(&session));
        let applies = scope.spawn(|| apply_and_publish(&session));
        let ends = Ends(&watching);
        let looks = scope.spawn(|| {
            while watching.load(Ordering::Relaxed) {
                for path in ["/api/cut?dial=short_side", "/api/changes?side=enter", "/api/plan", "/api/lanes"]
                {
                    session.get(path);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let rows = shards.join().expect("changes shards");
        turns.join().expect("turns");
        applies.join().expect("applies");
        drop(ends);
        looks.join().expect("looks");
        rows
    });
    session.wait_for("the last shard", |state| state["rows"] == rows && state["waiting_shards"] == json!([]));
    let flags = session.apply()["flags"].as_str().expect("a text").replace('\'', "");
    session.post("/api/publish", &json!({}));
    assert_published(&desk, &flags, "after a day");
}

//! Turns: their counts are the plan's and the plain functions', and what is published with them is what a run publishes.

use serde_json::{Value, json};
use tests::ground::TURNED;
use tests::resident::Resident;
use tests::{Rng, program};

use crate::{assert_published, desk};

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// What the command `plan` says beside the session, with the dials where the session says they stand.
fn plan(desk: &program::Desk, flags: &str) -> Value {
    let flags = flags.replace('\'', "");
    let ended = program::ended(&mut desk.command("plan", &format!("--json {flags}")));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.json()
}

fn asks(plan: &Value) -> Value {
    plan["total"]["asks"].clone()
}

#[test]
fn a_turn_says_what_a_plan_says_and_publishing_is_a_run() {
    let desk = desk();
    // Tight at first: every loosening has something to ask.
    let session = Resident::start(&desk, "--set short_side=19 --set sure=0.75");
    let first = session.get("/api/state");
    assert_eq!(number(&first, "rows"), 180);
    assert_eq!((number(&first, "kept"), first["published"].is_null()), (0, true), "{first}");
    assert!(number(&first, "undecided") > 0);
    let (status, refused) = session.try_post("/api/publish", &json!({}));
    assert_eq!(status, 409, "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("apply first"), "{refused}");
    assert!(!desk.path("out/manifest.json").exists());

    let mut rng = Rng(3);
    let (mut published, mut undecided) = (0, 0);
    for step in 0..24 {
        let (dial, values) = TURNED[rng.below(TURNED.len())];
        let counts = session.turn(dial, values[rng.below(values.len())]);
        let context = format!("step {step}: {}", counts["flags"]);
        let rows = ["kept", "gated", "refused", "undecided"].map(|name| number(&counts, name));
        assert_eq!(rows.iter().sum::<u64>(), 180, "{context}: {rows:?}");
        let flags = counts["flags"].as_str().unwrap().to_owned();
        let planned = plan(&desk, &flags);
        let total = session.get("/api/plan");
        assert_eq!(total, planned["total"], "{context}");
        undecided += u64::from(number(&total, "undecided") > 0);
        if number(&total, "undecided") == 0 {
            let moves = ["enter", "leave"].map(|name| (number(&counts, name), number(&total, name)));
            assert!(moves.iter().all(|(counted, planned)| counted == planned), "{context}: {moves:?}");
        }
        if rng.below(4) == 0 {
            let asked = asks(&planned);
            let before = session.get("/api/lanes");
            let applied = session.apply();
            assert_eq!(number(&applied, "undecided"), 0, "{context}: {applied}");
            // What a plan foretells of the first stage that is asked is asked exactly.
            for (stage, foretold) in asked.as_object().unwrap() {
                let count = |lanes: &Value| {
                    let stages = lanes["stages"].as_array().unwrap().iter();
                    stages.filter(|it| it["name"] == *stage).map(|it| number(it, "asked")).sum::<u64>()
                };
                let really = count(&session.get("/api/lanes")) - count(&before);
                assert!(really <= foretold.as_u64().unwrap(), "{context}: {really} of {foretold} {stage}");
            }
            let done = session.post("/api/publish", &json!({}));
            assert_eq!(number(&done["published"], "rows"), number(&applied, "kept"), "{context}: {done}");
            let after = session.get("/api/state");
            assert_eq!((number(&after, "enter"), number(&after, "leave")), (0, 0), "{context}");
            assert_published(&desk, &flags.replace('\'', ""), &context);
            published += 1;
        }
    }
    assert!(published > 3 && undecided > 4, "{published} published, {undecided} undecided");
    let ended = session.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    // What was asked is kept: the next session asks nothing of it.
    let again = Resident::start(&desk, "");
    assert!(number(&again.get("/api/state"), "kept") > 0);
}

#[test]
fn steps_are_taken_back_and_again_and_turns_of_one_gesture_are_one_step() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    session.apply();
    let first = session.get("/api/state");
    for value in ["8", "9", "12", "14"] {
        session.post("/api/turn", &json!({ "dials": { "short_side": value }, "gesture": "drag" }));
    }
    let turned = session.get("/api/state");
    assert_eq!((number(&turned, "undo"), number(&turned, "redo")), (1, 0));
    let back = session.post("/api/undo", &json!({}));
    let kept = |counts: &Value| (counts["kept"].clone(), counts["gated"].clone(), counts["flags"].clone());
    assert_eq!(kept(&back), kept(&first));
    assert_eq!(kept(&session.post("/api/redo", &json!({}))), kept(&turned));
    assert_eq!(session.try_post("/api/redo", &json!({})).0, 409);
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason_and_changes_nothing() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    let before = session.get("/api/state");
    let turns = [
        (json!({ "dials": { "sure": "2" } }), "out of range"),
        (json!({ "dials": { "shure": "0.5" } }), "Did you mean sure?"),
        (json!({ "dials": { "sure": "top:0" } }), "top:0"),
        (json!({ "dials": { "sure": [1] } }), "it takes a number"),
        (json!({ "dial": "sure" }), "an example"),
        (json!([]), "an example"),
    ];
    for (body, words) in turns {
        let (status, answer) = session.try_post("/api/turn", &body);
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(words), "{body}: {answer}");
    }
    for (path, status) in [
        ("/api/histogram/nothing", 404),
        ("/api/cut?dial=nothing", 404),
        ("/api/cut", 400),
        ("/api/cut?dial=sure&most=many", 400),
        ("/api/changes?side=up", 400),
        ("/api/row/0-99999", 404),
        ("/api/row/99-0", 404),
        ("/api/row/x", 400),
        ("/api/drawing/0-0.e999", 404),
        ("/api/image/0-0/99", 404),
        ("/page/../index.html", 400),
        ("/page/nothing.js", 404),
        ("/api/nothing", 404),
    ] {
        let (is, answer) = session.try_get(path);
        assert_eq!(is, status, "{path}: {answer}");
    }
    assert_eq!(session.try_post("/api/stop", &json!({})).0, 409);
    assert_eq!(session.get("/api/state"), before);
}

#[test]
fn the_rows_at_the_cut_are_the_nearest_of_all() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    session.apply();
    let cut = session.get("/api/cut?dial=short_side&most=5");
    let (above, below) = (cut["above"].as_array().unwrap(), cut["below"].as_array().unwrap());
    assert_eq!((above.len(), below.len()), (5, 5), "{cut}");
    let sides: Vec<f64> = (0..3)
        .flat_map(|shard| (0..60).map(move |member| format!("{shard}-{member}")))
        .filter_map(|id| {
            let row = session.get(&format!("/api/row/{id}"));
            let (size, refused) = (row["size"].clone(), row["verdict"]["stage"] == "probe");
            (!refused).then(|| size[0].as_f64().unwrap().min(size[1].as_f64().unwrap()))
        })
        .collect();
    let nearest = |passes: bool| {
        let mut rows: Vec<f64> = sides.iter().copied().filter(|side| (*side > 10.0) == passes).collect();
        rows.sort_by(|a, b| (a - 10.0).abs().total_cmp(&(b - 10.0).abs()));
        rows.truncate(5);
        rows
    };
    let scores = |rows: &[Value]| rows.iter().map(|row| row["score"].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!((scores(above), scores(below)), (nearest(true), nearest(false)));
    let histogram = session.get("/api/histogram/short_side");
    let rows: u64 = histogram["buckets"].as_array().unwrap().iter().map(|rows| rows.as_u64().unwrap()).sum();
    assert_eq!(rows, sides.len() as u64);
}

#[test]
fn turns_that_come_at_once_are_each_answered_by_what_became_of_them() {
    let desk = desk();
    let session = Resident::start(&desk, "");
    std::thread::scope(|threads| {
        for n in 0..24 {
            let session = &session;
            threads.spawn(move || {
                // Several at once, of which every third cannot be meant.
                let (dial, value) = [("short_side", "12"), ("sure", "9"), ("object_area", "0.125")][n % 3];
                let (status, answer) = session.try_post("/api/turn", &json!({ "dials": { dial: value } }));
                assert_eq!(status, if n % 3 == 1 { 400 } else { 200 }, "{dial}={value}: {answer}");
                if status == 200 {
                    let dials = answer["dials"].as_array().unwrap();
                    let stands = dials.iter().find(|it| it["name"] == dial).unwrap();
                    assert_eq!(stands["setting"], value, "{answer}");
                }
            });
        }
    });
    assert!(session.get("/api/state")["undo"].as_u64() >= Some(1));
}

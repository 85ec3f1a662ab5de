//! What of a set cannot be sent, be it for a moment: what is said of it, and what stands.

use serde_json::{Value, json};
use tests::buckets::Store;
use tests::resident::Resident;

use crate::sets::{OVERTAKEN, Set};

/// Panics unless the session says this and publishes nothing.
fn assert_refused(session: &Resident, words: &str) {
    let (status, told) = session.try_post("/api/publish", &json!({}));
    assert!(status != 200 && told.to_string().contains(words), "{status} {told}");
}

#[test]
fn an_answer_that_is_lost_is_no_failure() {
    answers_are_lost(Store::Amazon);
}

pub fn answers_are_lost(store: Store) {
    let Some(set) = Set::of_store(store, 2, 12) else { return };
    let kinds = ["*/.lock", "*/manifest.json", "*/data/*", "*"];
    for (round, key) in kinds.into_iter().enumerate() {
        let dials = format!("--set short_side={}", 7 + round % 3);
        for (on, does) in [("put", json!({ "lose": true })), ("any", json!({ "status": 503 }))] {
            set.bucket.rules(
                &json!([{ "on": on, "key": key, "share": 0.5, "seed": round, "times": 2, "do": does }]),
            );
            set.run("store", &dials).expect(0, &[]);
            set.bucket.rules(&json!([]));
            set.assert_is(&dials, &format!("{key}, {does}"));
        }
        set.run("store", "").expect(0, &[]);
    }
}

/// What cannot be written is known before anything is asked.
#[test]
fn a_place_that_cannot_be_written_is_told_before_the_first_question() {
    let Some(set) = Set::of(2, 12) else { return };
    let untouched = |context: &str| {
        let asked = set.bucket.desk.path("asks.log");
        assert!(tests::program::asks(&asked).is_empty(), "{context}: something was asked");
    };
    let log = "--log-asks asks.log";
    set.bucket.rules(&json!([{ "on": "put", "do": { "status": 403 } }]));
    set.run("store", log).expect(1, &["AWS_ACCESS_KEY_ID", &set.url()]);
    untouched("no right to write");
    for header in ["if-none-match", "if-match"] {
        set.bucket.rules(&json!([{ "on": "put", "do": { "drop": [header] } }]));
        set.run("store", log).expect(1, &["could not be told apart", &set.url()]);
        untouched(header);
    }
    set.bucket.rules(&json!([]));
    assert!(set.tree().is_empty());
    // What somebody else keeps there is not written between.
    let theirs = set.bucket.aside("theirs", b"mine");
    set.bucket.control("put", &json!({ "key": "sets/first/a/picture.png", "file": theirs }));
    set.run("store", log).expect(1, &["a/picture.png", "choose an empty folder"]);
    untouched("a foreign file");
    set.bucket.control("delete", &json!({ "key": "sets/first/a/picture.png" }));
    set.run("store", log).expect(0, &[]);
    // Beside a set it stays where it is.
    set.bucket.control("put", &json!({ "key": "sets/first/a/picture.png", "file": theirs }));
    set.run("other", "--set short_side=9").expect(0, &[]);
    let mut tree = set.tree();
    assert_eq!(tree.remove("a/picture.png").as_deref(), Some(&b"mine"[..]));
}

/// The last attempt may be the one that came through: nothing that a manifest may name is taken back.
#[test]
fn where_nobody_knows_whether_it_was_published_nothing_is_taken_back() {
    let Some(set) = Set::of(2, 12) else { return };
    let once = "--object-timeout 1 --object-retries 0";
    set.run("store", "").expect(0, &[]);
    let manifest = |on: &str, skip: u64, does: Value| json!({ "on": on, "key": "*/manifest.json", "skip": skip, "do": does });
    // Its answer is lost, and it is found; it did not come; its answer is lost, and it cannot be looked for.
    let found = json!([manifest("put", 0, json!({ "lose": true }))]);
    let did_not_come = json!([manifest("put", 0, json!({ "refuse": true }))]);
    let unseen =
        json!([manifest("put", 0, json!({ "lose": true })), manifest("head", 3, json!({ "status": 503 }))]);
    for (rules, code, dials) in [(found, 0, 9), (did_not_come, 1, 8), (unseen, 1, 7)]
        .map(|(rules, code, side)| (rules, code, format!("--set short_side={side}")))
    {
        set.bucket.rules(&rules);
        let said = set.run("store", &format!("{once} {dials}"));
        set.bucket.rules(&json!([]));
        assert!(set.assert_complete(&dials));
        let words: &[&str] = if code == 1 { &["nobody knows whether", "Run again"] } else { &[] };
        said.expect(code, words);
        set.run("store", &dials).expect(0, &[]);
        set.assert_is(&dials, &dials);
    }
}

#[test]
fn what_fails_behind_the_manifest_is_said_and_is_published_all_the_same() {
    it_fails_behind_the_manifest(Store::Amazon, "AWS_ACCESS_KEY_ID");
}

/// `key` is the variable that an error about rights names.
pub fn it_fails_behind_the_manifest(store: Store, key: &str) {
    let Some(set) = Set::of_store(store, 2, 12) else { return };
    // Who may not delete is told so before anything is asked.
    set.bucket.rules(&json!([{ "on": "delete", "do": { "status": 403 } }]));
    set.run("store", "--log-asks asks.log").expect(1, &[key]);
    assert!(tests::program::asks(&set.bucket.desk.path("asks.log")).is_empty());
    set.bucket.rules(&json!([]));
    set.run("store", "").expect(0, &[]);
    for (rule, dials) in [
        (json!({ "on": "delete", "do": { "status": 403 } }), "--set short_side=9"),
        (json!({ "on": "put", "key": "*/README.md", "do": { "status": 403 } }), "--set short_side=8"),
    ] {
        set.bucket.rules(&json!([rule]));
        set.run("store", dials).expect(1, &["published in", &set.url(), "but not all", "Run again"]);
        set.bucket.rules(&json!([]));
        assert!(set.assert_complete(dials));
        set.run("store", dials).expect(0, &[]);
        set.assert_is(dials, dials);
    }
    set.bucket.rules(&json!([{ "on": "delete", "times": 1, "do": { "status": 503 } }]));
    set.run("store", "").expect(0, &["trying again"]);
    set.assert_is("", "a deletion that is tried again");
}

/// A session that does not know whether it has published finds that out when it publishes again.
#[test]
fn a_session_that_does_not_know_whether_it_published_goes_on() {
    let Some(set) = Set::of(2, 12) else { return };
    let session = set.session("--object-timeout 1 --object-retries 0");
    session.turn("short_side", "14");
    session.rest();
    let manifest = |on: &str, skip: u64, does: Value| json!({ "on": on, "key": "*/manifest.json", "skip": skip, "do": does });
    set.bucket.rules(&json!([
        manifest("put", 0, json!({ "lose": true })),
        manifest("head", 3, json!({ "status": 503 }))
    ]));
    assert_refused(&session, "nobody knows whether");
    set.bucket.rules(&json!([]));
    session.post("/api/publish", &json!({}));
    set.assert_is("--set short_side=14", "published again");
    session.end();
}

/// Of several processes, too, one that cannot publish is told so, and stays.
#[test]
fn a_session_of_two_processes_publishes_there() {
    let Some(set) = Set::of(2, 24) else { return };
    let session = set.session("--processes 2");
    set.bucket.rules(&json!([{ "on": "put", "key": "*/data/*", "do": { "status": 403 } }]));
    session.turn("short_side", "14");
    session.rest();
    assert_refused(&session, "AWS_ACCESS_KEY_ID");
    set.bucket.rules(&json!([]));
    session.post("/api/publish", &json!({}));
    set.assert_is("--set short_side=14", "two processes, again");
    set.run("other", "--set short_side=9").expect(0, &[]);
    for _ in 0..2 {
        assert_refused(&session, OVERTAKEN);
    }
    assert_eq!(session.get("/api/state")["processes"], 2);
    set.assert_is("--set short_side=9", "another writer");
    session.end();
}

#[test]
fn a_session_publishes_there() {
    let Some(set) = Set::of(2, 24) else { return };
    let session = set.session("");
    // What could not be sent is not published, and is judged by nobody.
    session.turn("short_side", "14");
    session.rest();
    set.bucket.rules(&json!([{ "on": "put", "key": "*/data/*", "do": { "status": 403 } }]));
    assert_refused(&session, "AWS_ACCESS_KEY_ID");
    set.bucket.rules(&json!([]));
    set.assert_is("", "a session that could not send");
    session.post("/api/publish", &json!({}));
    set.assert_is("--set short_side=14", "the session, again");
    // Another writer publishes; the session is told, and stays.
    set.run("other", "--set short_side=9").expect(0, &[]);
    assert_refused(&session, OVERTAKEN);
    set.assert_is("--set short_side=9", "another writer");
    session.end();
}

//! What goes wrong on the way and is over when it is tried again: the run is right, and says how often it tried.

use serde_json::{Value, json};
use tests::program::{Desk, Ended, ended};
use tests::trees;

use crate::bucket::Bucket;
use crate::desk;
use crate::words::{AGAIN, CUT, STALLED, says_any};

/// Harm, and what is said of it.
struct Harm {
    what: &'static str,
    rules: Value,
    /// One of these words is said; none where nothing is to be tried again.
    said: &'static [&'static str],
}

fn harm(what: &'static str, rules: Value, said: &'static [&'static str]) -> Harm {
    Harm { what, rules, said }
}

/// At so many bytes, or at this share, of the bodies of some requests.
fn cut(place: f64, skip: u64, reset: bool) -> Value {
    json!({ "skip": skip, "times": 2, "do": { "cut": place, "reset": reset } })
}

fn all() -> Vec<Harm> {
    let mut all = vec![
        harm("cut before the first byte", json!([cut(0.0, 0, false)]), CUT),
        harm("cut after a byte", json!([cut(1.0, 0, false)]), CUT),
        harm("cut in a header of the tar", json!([cut(700.0, 1, false)]), CUT),
        harm("cut in the middle", json!([cut(0.5, 0, false)]), CUT),
        harm("cut before the last byte", json!([cut(0.99999, 1, false)]), CUT),
        harm("reset in the middle", json!([cut(0.5, 1, true)]), CUT),
        harm(
            "cut in the middle, again and again",
            json!([{ "times": 4, "key": "*/s1.tar", "do": { "cut": 0.5 } }]),
            CUT,
        ),
        harm("no answer", json!([{ "times": 2, "do": { "refuse": true } }]), CUT),
        harm("two times 503", json!([{ "times": 2, "do": { "status": 503 } }]), &["503"]),
        harm(
            "three times 500, of one object",
            json!([{ "times": 3, "key": "*/s1.tar", "do": { "status": 500 } }]),
            &["500"],
        ),
        harm("503 to the list", json!([{ "on": "list", "times": 2, "do": { "status": 503 } }]), &["503"]),
        harm("a list that is cut", json!([{ "on": "list", "times": 1, "do": { "cut": 0.5 } }]), CUT),
        harm("no byte for long", json!([{ "times": 2, "do": { "stall": 0 } }]), STALLED),
        harm("a stall in the middle", json!([{ "skip": 1, "times": 1, "do": { "stall": 0.5 } }]), STALLED),
        harm("a stall of the list", json!([{ "on": "list", "times": 1, "do": { "stall": 10 } }]), STALLED),
        // Slow is not wrong: bytes come, with pauses that are shorter than what is waited for.
        harm("slow answers", json!([{ "do": { "dribble": 8000, "pause": 0.05 } }]), &[]),
    ];
    for seed in 0..2 {
        let rules = json!([
            { "share": 0.5, "times": 4, "seed": seed, "do": { "status": 503 } },
            { "share": 0.5, "times": 4, "seed": seed + 50, "do": { "cut": 0.3 } },
        ]);
        all.push(harm("some of everything", rules, &["503", "connection"]));
    }
    all
}

/// Dials, and the output of a run over the folder with these dials.
const RUNS: [(&str, &str); 2] = [("", "first"), ("--set short_side=9", "second")];

fn small() -> Desk {
    desk(3, 40, 100_000)
}

/// One harm to a first run, and to a run that asks about pictures of shards that are not cached.
fn meet(harm: &Harm, local: &Desk) {
    let Some(bucket) = Bucket::of(small()) else { return };
    for (dials, out) in RUNS {
        bucket.rules(&harm.rules);
        let said = bucket.run(&format!("--json --object-timeout 2 --object-retries 8 {dials}"));
        let context = format!("{} {dials}: {:?} {said:#?}", harm.what, bucket.counts());
        assert_eq!(said.code, Some(0), "{context}");
        trees::assert_same(&bucket.desk.path("out"), &local.path(out), &context);
        assert_counted(&bucket, harm, &said, &context);
        bucket.evict();
    }
}

fn assert_counted(bucket: &Bucket, harm: &Harm, said: &Ended, context: &str) {
    let counts = bucket.counts();
    let retries = said.json()["objects"]["retries"].as_u64().unwrap_or(0);
    if harm.said.is_empty() {
        return assert!(retries == 0 && !says_any(&said.stderr, &[AGAIN]), "{context}");
    }
    assert!(counts.harmed > 0, "no harm was met: {context}");
    assert_eq!(retries, counts.harmed, "{context}");
    assert!(says_any(&said.stderr, harm.said) && says_any(&said.stderr, &[AGAIN]), "{context}");
    let whole: u64 = bucket.sizes().values().sum();
    assert!(counts.bytes < 3 * whole, "{context}");
}

#[test]
fn whatever_goes_wrong_on_the_way_the_run_is_right_and_says_what_it_tried_again() {
    let (all, local) = (all(), small());
    for (dials, out) in RUNS {
        let command = format!("run --shards shards --store local --out {out} --max-error-rate 1 {dials}");
        ended(&mut local.bare(&command)).expect(0, &[]);
    }
    let threads = 4;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (all, local) = (&all, &local);
            scope.spawn(move || all.iter().skip(thread).step_by(threads).for_each(|harm| meet(harm, local)));
        }
    });
}

/// An answer that takes no notice of the range is refused or read right, and never taken for the part that was asked for.
#[test]
fn a_server_that_ignores_ranges_gives_no_other_bytes() {
    let Some(bucket) = Bucket::of(desk(2, 40, 0)) else { return };
    bucket.counted("");
    bucket.evict();
    bucket.rules(&json!([{ "do": { "whole": true } }]));
    // Pictures that could not be had are undecided, or the run fails: what was answered counts.
    bucket.run("--set short_side=9 --object-retries 1");
    bucket.step("--set short_side=9", "");
}

//! A run that does without a stage: its column is NaN, its gates are open, and all that is told of the run says so.

use std::collections::BTreeMap;
use std::fs::File;

use serde_json::Value;
use tests::curate::ShortSide;
use tests::program::Desk;
use tests::shards::Sample;
use tests::trees;
use threshflow::publish::{Ended, find_verdict, published_keys};
use threshflow::row::{ContentHash, Unit};

use crate::{desk, distinct};

/// What of the scores is published, by key: the short side and the taste.
fn scores(desk: &Desk) -> BTreeMap<String, [f32; 2]> {
    let out = desk.path("out");
    let score_of = |key: String| match find_verdict(&out, &key).expect("reads").expect("is there").ended {
        Ended::Kept(kept) => {
            let score = |name: &str| kept.scores.iter().find(|it| it.0 == name).expect("a column").1;
            (key, [score(ShortSide::NAME), score("taste")])
        }
        other => panic!("{key}: {other:?}"),
    };
    published_keys(&out).expect("reads").into_iter().map(|row| score_of(row.to_string())).collect()
}

/// The same worked out from the samples: every picture whose shorter side passes, and NaN.
fn unjudged(samples: &[Sample]) -> BTreeMap<String, f32> {
    let shard = |place: usize| if place < 200 { "a" } else { "b" };
    let side = |(place, sample): (usize, &Sample)| {
        let picture = image::load_from_memory(&sample.picture).ok()?;
        let side = picture.width().min(picture.height()) as f32;
        (side > 12.0).then(|| (format!("{}/{}", shard(place), sample.key), side))
    };
    samples.iter().enumerate().filter_map(side).collect()
}

#[test]
fn without_its_stage_a_column_is_nan_and_its_gate_lets_all_rows_pass() {
    let (desk, samples) = desk();
    let run = desk.done("--no-judge --report report.html");
    let wanted = unjudged(&samples);
    assert!(wanted.len() > 100, "{}", wanted.len());
    let published = scores(&desk);
    assert_eq!(
        published.iter().map(|(key, [side, _])| (key.clone(), *side)).collect::<BTreeMap<_, _>>(),
        wanted
    );
    assert!(published.values().all(|[_, taste]| taste.is_nan()));
    assert_eq!(run["kept"], wanted.len());
    assert_eq!(run["asks"], serde_json::json!({}), "nobody is asked");
    assert_eq!(run["models"], serde_json::json!({}));
    assert_eq!(run["gated"]["taste"], 0);

    // All that tells of the run says so.
    let manifest: Value =
        serde_json::from_reader(File::open(desk.path("out/manifest.json")).expect("opens")).expect("is JSON");
    let stages = manifest["stages"].to_string();
    assert!(stages.contains(r#"{"kind":"absent","columns":["taste"]}"#), "{stages}");
    for step in ["nobody is asked for taste", "gate taste (open: a score is absent)"] {
        let card = std::fs::read_to_string(desk.path("out/README.md")).expect("a card");
        assert!(card.contains(step), "{card}");
        let page = std::fs::read_to_string(desk.path("report.html")).expect("a page");
        assert!(page.contains(step), "{step} is not on the page");
    }
    let key = wanted.keys().next().expect("one");
    let story = desk.ask(&format!("explain --out out {key}")).expect(0, &[]).stdout;
    assert!(story.contains("nobody was asked for taste"), "{story}");
    assert!(story.contains("taste: passed, since a score is absent and the gate is open"), "{story}");
    let json = desk.ask(&format!("explain --out out {key} --json")).expect(0, &[]).json();
    assert_eq!(json["ended"]["scores"].get("taste"), Some(&Value::Null), "{json}");
    let summary = desk.run("--no-judge").expect(0, &[]).stdout;
    assert!(summary.contains("nobody is asked for taste; gates at these are open"), "{summary}");
    assert_eq!(
        (&run["absent"], &run["open"]),
        (&serde_json::json!(["taste"]), &serde_json::json!(["taste"]))
    );
    let judged = desk.done("");
    assert!(judged.get("absent").is_none() && judged.get("open").is_none(), "{judged}");
}

#[test]
fn a_dial_whose_gate_is_open_cannot_be_set() {
    let (desk, _) = desk();
    for subcommand in ["run", "plan"] {
        let refused = tests::program::ended(&mut desk.command(subcommand, "--no-judge --set taste=5"));
        refused.expect(2, &["--set taste=5", "the gate is open", "leave the setting out"]);
        assert!(!desk.path("out/manifest.json").exists());
    }
    desk.done("--no-judge --set short_side=13");
    desk.done("--set taste=5");
    // Where the dial stands in what is published is no setting of this run.
    tests::program::ended(&mut desk.command("plan", "--no-judge")).expect(0, &[]);
}

#[test]
fn a_stage_that_comes_and_goes_publishes_what_a_run_from_scratch_does() {
    let (desk, samples) = desk();
    let distinct = distinct(&samples).len();
    let fresh = |more: &str| {
        let (fresh, _) = crate::desk();
        fresh.done(more);
        trees::read(&fresh.path("out"))
    };
    let (with, without) = (fresh(""), fresh("--no-judge"));
    assert_ne!(with, without);

    desk.done("--no-judge");
    assert_eq!(trees::read(&desk.path("out")), without);
    let planned = tests::program::ended(&mut desk.command("plan", "--json")).expect(0, &[]).json();
    assert_eq!(planned["total"]["asks"]["judge"], distinct, "{planned}");
    let come = desk.done("");
    assert_eq!(come["asks"]["judge"]["asked"], distinct);
    assert_eq!(trees::read(&desk.path("out")), with);
    let gone = desk.done("--no-judge");
    assert_eq!(gone["asks"], serde_json::json!({}));
    assert_eq!(trees::read(&desk.path("out")), without);
    let again = desk.done("");
    assert_eq!(again["asks"]["judge"]["asked"], 0, "what was answered is remembered");
    assert_eq!(trees::read(&desk.path("out")), with);
    assert!(samples.iter().any(|sample| tests::curate::taste(ContentHash::of(&sample.picture)).is_err()));
}

/// A list of conditions that every row meets opens the whole gate, so that no dial of it can be set.
#[test]
fn of_several_conditions_each_says_whether_it_may_hold_back() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    let samples = tests::ground::pictures(3, 0..60, 0);
    desk.shard("a", &samples);
    let ran = desk.done("--no-judge");
    for dial in ["object_clip", "object_large", "quality", "background_clip", "background_pleasing"] {
        desk.run(&format!("--no-judge --set {dial}=1")).expect(2, &[dial, "the gate is open"]);
        assert_eq!(ran["regions"]["gated"][dial], 0, "{ran}");
    }
    assert!(ran["regions"]["gated"]["object_area"].as_u64() > Some(0), "{ran}");
    // What comes to the absent stage is kept: in a run with it, that which ends there or later.
    let specs = threshflow::pipeline::dial_specs::<tests::ground::Ground>();
    let defaults: Vec<f32> = specs.iter().map(|dial| dial.default).collect();
    let plain = tests::ground::plain([("a", samples.as_slice())], tests::ground::At(&defaults), None);
    let earlier =
        ["by sure ", "by object_area ", "by object_area_most ", "by background_area ", "by mask: no_mask"];
    let comes = |verdict: &&String| !earlier.iter().any(|end| verdict.contains(end));
    assert_eq!(ran["regions"]["kept"], plain.regions.values().filter(comes).count(), "{ran}");
    assert_eq!(ran["absent"], serde_json::json!(["clip", "pleasing"]));
    assert!(desk.done("")["regions"]["gated"]["object_clip"].as_u64() > Some(0));
}

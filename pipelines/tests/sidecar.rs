//! A score that a sidecar gives is taken as it is; only what it lacks is asked.

use std::collections::BTreeSet;
use std::path::Path;

use pipelines::demo::{DemoOptions, write_demo_shards};
use pipelines::prepare::Prepare;
use tests::shards::{Sample, png, write};
use threshflow::cli::invoke;
use threshflow::lane::AskLog;
use threshflow::publish::{Ended, find_verdict};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo/aesthetic");

fn command(folder: &Path, more: &[&str]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let fixed =
        ["run", "--backend=embedded", "--set=short_side=0", "--set=aesthetic=0", "--max-error-rate=1"];
    let mut command: Vec<String> = fixed.iter().chain(more).map(|word| (*word).to_owned()).collect();
    command.extend([
        "--store".into(),
        path("store"),
        "--out".into(),
        path("out"),
        "--shards".into(),
        path("shards"),
    ]);
    command
}

#[test]
fn asked_only_where_the_sidecar_is_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions { scenes: 48, shrink: 8, ..DemoOptions::default() };
    let made = write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    assert!(!made.with_aes.is_empty());

    let log = AskLog::default();
    let model = ["--aesthetic", MODEL, "--aesthetic-from-sidecar=aes"];
    let report = invoke::run_logged::<Prepare>(&command(folder.path(), &model), log.clone()).expect("runs");
    let asks = &report.summary.asks["aesthetic"];
    let refused_before_asking = report.summary.refused["probe"].values().sum::<u64>();
    assert_eq!(asks.given, made.with_aes.len() as u64);
    assert_eq!(asks.asked, report.summary.rows - refused_before_asking - asks.given);
    let asked: BTreeSet<_> =
        log.lock().expect("nobody panicked").iter().map(|(_, content)| content.to_string()).collect();
    for key in &made.with_aes {
        let Some(Ended::Kept(kept)) =
            find_verdict(&folder.path().join("out"), key).expect("reads").map(|e| e.ended)
        else {
            panic!("{key} has a score above 0 and is kept");
        };
        assert!(!asked.contains(&kept.content), "{key} was asked about");
        let score = kept.scores.iter().find(|(name, _)| name == "aesthetic").expect("a score").1;
        // The demo writes scores of two decimals into sidecars; a model's score has more.
        assert_eq!((score * 100.0).round() / 100.0, score, "{key}: the sidecar's own number");
    }
}

#[test]
fn without_a_model_what_the_sidecar_lacks_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions { scenes: 48, shrink: 8, ..DemoOptions::default() };
    let made = write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    let report =
        invoke::run::<Prepare>(&command(folder.path(), &["--aesthetic-from-sidecar=aes"])).expect("runs");
    assert_eq!(report.summary.kept, made.with_aes.len() as u64);
    assert!(report.summary.refused["aesthetic"]["no_score"] > 0);
}

#[test]
fn a_score_in_a_string_is_a_number_and_what_is_no_number_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let shards = folder.path().join("shards");
    std::fs::create_dir(&shards).expect("a folder");
    let sidecars = [r#"{"aes": "6.5"}"#, r#"{"aes": "high"}"#, r#"{"aes": NaN}"#, r#"{"aes": null}"#, "{}"];
    let samples = sidecars.iter().enumerate().map(|(number, json)| Sample {
        key: number.to_string(),
        picture: png(8, 8, number as u64),
        json: Some((*json).to_owned()),
    });
    write(&shards.join("a.tar"), &samples.collect::<Vec<_>>());
    let report =
        invoke::run::<Prepare>(&command(folder.path(), &["--aesthetic-from-sidecar=aes"])).expect("runs");
    let summary = &report.summary;
    assert_eq!((summary.kept, summary.asks["aesthetic"].given), (1, 1));
    assert_eq!((summary.scores_not_numbers, summary.sidecar_errors), (1, 1));
    let told = summary.to_string();
    assert!(
        told.contains("a/1: \"aes\" is \"high\"") && told.contains("a/2: bad_fields: \"aes\" is NaN"),
        "{told}"
    );
}

#[test]
fn a_score_of_a_sidecar_is_its_samples_and_is_not_remembered_of_the_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let shards = folder.path().join("shards");
    std::fs::create_dir(&shards).expect("a folder");
    // One picture three times: by two numbers, and by none.
    let samples = [("a", Some(3.25)), ("b", Some(7.5)), ("c", None)].map(|(key, aes)| Sample {
        key: key.to_owned(),
        picture: png(32, 32, 7),
        json: aes.map(|aes: f32| format!("{{\"aes\": {aes}}}")),
    });
    write(&shards.join("x.tar"), &samples);
    let score = |key: &str| {
        let verdict = find_verdict(&folder.path().join("out"), key).expect("reads");
        let Some(Ended::Kept(kept)) = verdict.map(|verdict| verdict.ended) else { panic!("{key} is kept") };
        kept.scores.iter().find(|(name, _)| name == "aesthetic").expect("a score").1
    };
    let run = |more: &[&str]| {
        let report = invoke::run::<Prepare>(&command(folder.path(), more)).expect("runs");
        let asks = &report.summary.asks["aesthetic"];
        ((asks.asked, asks.given, asks.remembered), ["a", "b", "c"].map(score))
    };
    let model = format!("--aesthetic={MODEL}");
    let (asks, [a, b, of_the_model]) = run(&[&model, "--aesthetic-from-sidecar=aes"]);
    assert_eq!((asks, a, b), ((1, 2, 0), 3.25, 7.5));
    // Without the flag, all three have what the model said of their picture.
    assert_eq!(run(&[&model]), ((0, 0, 3), [of_the_model; 3]));
    let (asks, scores) = run(&[&model, "--aesthetic-from-sidecar=aes"]);
    assert_eq!((asks, scores), ((0, 2, 1), [3.25, 7.5, of_the_model]));
}

//! What one pipeline asked, another over the same store does not ask again; and one embedding serves whoever rests on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipelines::demo::{DemoOptions, write_demo_shards};
use pipelines::distinct::Distinct;
use pipelines::prepare::Prepare;
use pipelines::recap_mask::RecapMask;
use threshflow::cli::invoke;
use threshflow::publish::{Ended, find_verdict, published_keys};

fn shards() -> tempfile::TempDir {
    shards_of(24, 6)
}

fn shards_of(scenes: usize, shrink: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions { scenes, shrink, ..DemoOptions::default() };
    write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    folder
}

fn command(folder: &Path, out: &str, models: &[(&str, PathBuf)]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let mut command: Vec<String> =
        ["run", "--backend=embedded", "--max-error-rate=1", "--set=short_side=0"].map(str::to_owned).into();
    for (flag, part) in [("--shards", "shards"), ("--store", "store"), ("--out", out)] {
        command.extend([flag.to_owned(), path(part)]);
    }
    for (flag, model) in models {
        command.extend([(*flag).to_owned(), model.to_string_lossy().into_owned()]);
    }
    command
}

fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo").join(name)
}

#[test]
fn the_second_pipeline_pays_only_for_what_is_new() {
    let folder = shards();
    let scorer = ("--aesthetic", demo("aesthetic"));
    let first = invoke::run::<Prepare>(&command(folder.path(), "prepared", std::slice::from_ref(&scorer)))
        .expect("runs");
    assert!(first.summary.asks["aesthetic"].asked > 0);
    let models = [
        scorer,
        ("--detector", demo("detect")),
        ("--detector-text", demo("clip")),
        ("--segmenter", demo("segment")),
        ("--clip", demo("clip")),
    ];
    let second = invoke::run::<RecapMask>(&command(folder.path(), "recapped", &models)).expect("runs");
    assert_eq!(second.summary.asks["aesthetic"].asked, 0);
    assert_eq!(second.summary.asks["aesthetic"].remembered, first.summary.asks["aesthetic"].asked);
    assert!(second.summary.asks["detect"].asked > 0);
}

#[test]
fn what_was_decoded_scaled_is_remembered_apart() {
    let folder = shards_of(8, 2);
    let run = |decode: &str| {
        let mut command = command(folder.path(), "distinct", &[("--aesthetic", demo("aesthetic"))]);
        command.extend([format!("--decode={decode}"), "--set=aesthetic=0".to_owned()]);
        command.push("--set=duplicate_distance=-1".to_owned());
        invoke::run::<Distinct>(&command).map(|report| {
            let asked = ["aesthetic", "dedup"].map(|stage| report.summary.asks[stage].asked);
            (asked, scores(&folder.path().join("distinct")))
        })
    };
    let (asked, full) = run("full").expect("runs");
    assert!(full.len() > 5 && asked.iter().all(|asked| *asked >= full.len() as u64), "{asked:?}");
    let (asked_scaled, scaled) = run("scaled").expect("runs");
    assert_eq!(asked_scaled, asked, "all is asked anew");
    assert_eq!(full.keys().collect::<Vec<_>>(), scaled.keys().collect::<Vec<_>>());
    let apart: Vec<f32> = full.iter().map(|(key, score)| (score - scaled[key]).abs()).collect();
    assert!(apart.iter().any(|apart| *apart > 0.0), "no picture came smaller");
    assert!(apart.iter().all(|apart| *apart < 0.2), "{apart:?}");
    for (decode, before) in [("full", full), ("scaled", scaled)] {
        let (asked, again) = run(decode).expect("runs");
        assert_eq!((asked, again), ([0, 0], before), "{decode}");
    }
    let error = run("half").unwrap_err().to_string();
    assert!(error.contains("--decode") && error.contains("full or scaled"), "{error}");
}

fn scores(out: &Path) -> BTreeMap<String, f32> {
    let score = |key: String| match find_verdict(out, &key).expect("reads").expect("is there").ended {
        Ended::Kept(kept) => {
            (key, kept.scores.iter().find(|(name, _)| name == "aesthetic").expect("a score").1)
        }
        other => panic!("{key}: {other:?}"),
    };
    published_keys(out).expect("reads").into_iter().map(|row| score(row.to_string())).collect()
}

#[test]
fn a_head_on_the_embedding_scores_as_the_whole_scorer_does() {
    let folder = shards();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/clip");
    let (whole, clip) = (folder.path().join("whole"), fixtures.join("split"));
    std::fs::create_dir(&whole).expect("a folder");
    for (from, file) in [(&clip, "vision_model.onnx"), (&clip, "preprocessor_config.json")] {
        std::fs::copy(from.join(file), whole.join(file)).expect("copies");
    }
    let head = fixtures.join("head");
    std::fs::copy(head.join("aesthetic_head.onnx"), whole.join("aesthetic_head.onnx")).expect("copies");
    let run = |out: &str, models: &[(&str, PathBuf)]| {
        let mut command = command(folder.path(), out, models);
        // Weights were drawn by lot: scores may lie anywhere.
        command.push("--set=aesthetic=0".to_owned());
        let report = invoke::run::<Prepare>(&command).expect("runs");
        (report, scores(&folder.path().join(out)))
    };
    let (_, at_once) = run("at_once", &[("--aesthetic", whole.clone())]);
    let models = [("--aesthetic", head), ("--clip", clip)];
    let (first, on_clip) = run("on_clip", &models);
    assert!(first.summary.asks["clip"].asked > 0);
    assert!(at_once.len() > 5, "{} scores", at_once.len());
    assert_eq!(at_once.keys().collect::<Vec<_>>(), on_clip.keys().collect::<Vec<_>>());
    for (key, score) in &at_once {
        // Embeddings are kept in 16 bits.
        assert!((score - on_clip[key]).abs() < 0.01, "{key}: {score} and {}", on_clip[key]);
    }
    let (again, _) = run("on_clip", &models);
    assert_eq!((again.summary.asks["clip"].asked, again.summary.asks["aesthetic"].asked), (0, 0));
}

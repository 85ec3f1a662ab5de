//! A detector with a vocabulary of its own, as ultralytics exports them, from its file alone to published regions with their scores.

use std::collections::BTreeSet;
use std::path::Path;

use operators::models::clip_model::ClipModel;
use operators::models::embedding::normalise;
use operators::onnx::{Backend, BackendChoice, Device, SessionDevice};
use operators::record::tars::JsonsTars;
use operators::record::{Record, Region};
use pipelines::demo::{DemoOptions, HELD_OUT_SEED, write_demo_shards};
use pipelines::imgedit::ImgEdit;
use pipelines::recap_mask::RecapMask;
use tests::python::python_with;
use threshflow::cli::invoke;
use threshflow::shard::ReadOptions;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/demo");

/// Not in the order in which the demo lists them; one that is never there, and one with an apostrophe.
const LABELS: [&str; 7] = ["tree", "guitar", "house", "a man's hat", "sun", "boat", "ball"];

/// Writes the detector into `folder`; `false` where there is no Python for it.
fn export(folder: &Path) -> bool {
    let Some(mut python) = python_with(&["numpy", "onnx"]) else { return false };
    let backend = Backend::find(BackendChoice::Embedded, Device::Cpu).expect("the embedded back-end");
    let clip = ClipModel::open(&Path::new(MODELS).join("clip"), &backend).expect("opens");
    let tokeniser = clip.tokeniser().expect("a tokeniser");
    let mut tower = clip.open_text(SessionDevice::Cpu, 1).expect("opens");
    let rows: Vec<serde_json::Value> = LABELS
        .iter()
        .map(|label| {
            let tokens = tokeniser.encode(label).expect("tokens");
            let mut row = tower.embed(&[tokens]).expect("runs").remove(0);
            normalise(&mut row).expect("a direction");
            serde_json::json!([label, row])
        })
        .collect();
    std::fs::create_dir_all(folder).expect("a folder");
    let embeddings = folder.join("embeddings.json");
    std::fs::write(&embeddings, serde_json::to_vec(&rows).expect("JSON")).expect("writes");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/make_baked_detector.py");
    let detector = format!("{MODELS}/detect/model.onnx");
    let made = python.arg(script).arg(detector).arg(&embeddings).arg(folder.join("model.onnx")).output();
    let made = made.expect("python3");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::remove_file(embeddings).expect("removes");
    true
}

fn command(folder: &Path, out: &str, more: &[&str]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let mut command: Vec<String> =
        ["run", "--max-error-rate=1", "--set=short_side=0", "--set=aesthetic=0", "--set=detection=0.4"]
            .map(str::to_owned)
            .into();
    for (flag, model) in [("--aesthetic", "aesthetic"), ("--segmenter", "segment"), ("--clip", "clip")] {
        command.extend([flag.to_owned(), format!("{MODELS}/{model}")]);
    }
    for (flag, part) in
        [("--shards", "shards"), ("--store", "store"), ("--out", out), ("--detector", "detector")]
    {
        command.extend([flag.to_owned(), path(part)]);
    }
    command.extend(more.iter().map(|word| (*word).to_owned()));
    command
}

/// Published objects and backgrounds, with their record's keys.
fn regions(folder: &Path, out: &str) -> (Vec<(String, Region)>, Vec<Region>) {
    let pattern = folder.join(out).join("jsons/*.tar").to_string_lossy().into_owned();
    let tars = JsonsTars::open(&[pattern], &ReadOptions::default()).expect("the tars of records open");
    let records: Vec<(String, Record)> = tars
        .records()
        .map(|(name, record)| (name.to_owned(), record.expect("is read").expect("parses")))
        .collect();
    let (mut objects, mut backgrounds) = (Vec::new(), Vec::new());
    for (name, record) in records {
        let segmentation = record.segmentation.expect("regions");
        for region in segmentation.object.into_iter().flatten() {
            objects.push((name.clone(), region));
        }
        backgrounds.extend(segmentation.background.into_iter().flatten());
    }
    (objects, backgrounds)
}

#[test]
fn an_export_of_ultralytics_runs_from_its_file_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    if !export(&folder.path().join("detector")) {
        return;
    }
    let options = DemoOptions { scenes: 24, shrink: 3, seed: HELD_OUT_SEED, ..DemoOptions::default() };
    write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    // Without a noun of the samples' own: today's labels are the detector's.
    invoke::run::<RecapMask>(&command(folder.path(), "bare", &["--nouns-from=none"])).expect("runs");
    let (objects, backgrounds) = regions(folder.path(), "bare");
    let names: BTreeSet<&str> = objects.iter().map(|(_, region)| region.class_name.as_str()).collect();
    println!("{} regions of {names:?}", objects.len());
    assert!(objects.len() >= 20 && names.len() >= 3, "{} {names:?}", objects.len());
    assert!(names.iter().all(|name| LABELS.contains(name)) && !names.contains("guitar"), "{names:?}");
    assert!(backgrounds.is_empty(), "{backgrounds:?}");
    for (name, region) in &objects {
        let score = region.clip_score.as_ref().expect("a clip score").value.as_f32();
        // Held against another label's text, a drawn thing scores near 0.
        assert!(score >= 0.8 || region.mask_score.is_some(), "{name}: {region:?}");
        assert!(region.aes_score.is_some() && region.mask.is_some(), "{name}: {region:?}");
    }
    let shown = objects
        .iter()
        .filter(|(_, region)| region.clip_score.as_ref().is_some_and(|score| score.value.as_f32() >= 0.8));
    assert!(shown.count() * 10 >= objects.len() * 8, "most regions show their label");
    // Nouns that the samples bring along are no labels of the detector's: the same regions, by the same names and scores.
    invoke::run::<RecapMask>(&command(folder.path(), "tagged", &[])).expect("runs");
    let told = |(name, region): &(String, Region)| {
        let score = region.clip_score.as_ref().map(|score| score.value.as_f32().to_bits());
        (name.clone(), region.class_name.as_str().to_owned(), region.bbox_f32().map(f32::to_bits), score)
    };
    let (tagged, backgrounds) = regions(folder.path(), "tagged");
    assert!(backgrounds.is_empty(), "{backgrounds:?}");
    assert_eq!(tagged.iter().map(told).collect::<Vec<_>>(), objects.iter().map(told).collect::<Vec<_>>());
    // And through all of `imgedit`: what is edited is what was found.
    let report =
        invoke::run::<ImgEdit>(&command(folder.path(), "edited", &["--edits=remove", "--nouns-from=none"]));
    report.expect("runs");
    let (edited, _) = regions(folder.path(), "edited");
    assert!(!edited.is_empty() && edited.iter().all(|(_, it)| LABELS.contains(&it.class_name.as_str())));
}

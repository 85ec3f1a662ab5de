//! The two back-ends side by side on the demo's scenes, and devices that are not there.

mod native;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use native::native;
use operators::models::aesthetic_model::AestheticModel;
use operators::onnx::{Backend, BackendChoice, Device, SessionDevice};
use operators::pixels::decode::Rgb;
use pipelines::demo::{DemoOptions, HELD_OUT_SEED, Scene, write_demo_shards};
use tests::program::{Desk, ended};
use threshflow::publish::{Ended, find_verdict, published_keys};

/// The largest difference between the scores of the two back-ends.
const TOLERANCE: f32 = 1e-3;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo/aesthetic")
}

fn desk() -> Desk {
    let desk = Desk::of_pipeline(env!("CARGO_BIN_EXE_threshflow"), "prepare");
    let options = DemoOptions { scenes: 24, shrink: 6, threads: 2, ..DemoOptions::default() };
    write_demo_shards(&desk.path("shards"), &options).unwrap();
    desk
}

fn command(desk: &Desk, flags: &str) -> Command {
    let mut command = desk.command("run", &format!("--json --set short_side=0 --set aesthetic=0 {flags}"));
    command.arg("--aesthetic").arg(model());
    command
}

fn scores(out: &Path) -> BTreeMap<String, f32> {
    let score = |key: String| match find_verdict(out, &key).unwrap().unwrap().ended {
        Ended::Kept(kept) => (key, kept.scores.iter().find(|(name, _)| name == "aesthetic").unwrap().1),
        other => panic!("{key}: {other:?}"),
    };
    published_keys(out).unwrap().into_iter().map(|row| score(row.to_string())).collect()
}

#[test]
fn both_backends_give_the_same_scores_and_neither_takes_the_others() {
    let desk = desk();
    let asked = |flags: &str| {
        let ended = ended(&mut command(&desk, flags)).expect(0, &[]);
        (
            ended.json()["asks"]["aesthetic"]["asked"].as_u64().unwrap(),
            ended.stderr,
            scores(&desk.path("out")),
        )
    };
    let allowed = "--max-error-rate 0.5";
    let (first, said, embedded) = asked(&format!("--backend embedded {allowed}"));
    assert!(first > 10 && embedded.len() > 10 && said.contains("embedded (rten"), "{first} asked: {said}");
    if native().is_none() {
        return;
    }
    let (second, said, native) = asked(&format!("--backend onnxruntime {allowed}"));
    assert_eq!(second, first, "another back-end has another stamp");
    assert!(said.contains("ONNX Runtime 1."), "{said}");
    assert_eq!(asked(&format!("--backend embedded {allowed}")).0, 0, "both are remembered");
    assert_eq!(asked(&format!("--backend auto {allowed}")).0, 0, "auto takes the library that was found");
    assert_eq!(native.len(), embedded.len());
    for (key, score) in &embedded {
        let other = native[key];
        assert!((score - other).abs() < TOLERANCE, "{key}: {score} and {other}");
    }
    let spread =
        embedded.values().copied().fold((f32::MAX, f32::MIN), |(low, high), s| (low.min(s), high.max(s)));
    assert!(spread.1 - spread.0 > 1.0, "scores that are all alike tell nothing: {spread:?}");
}

#[test]
fn a_device_that_is_not_there_is_never_replaced() {
    let desk = desk();
    let failed = |flags: &str, words: &[&str]| {
        let ended = ended(&mut command(&desk, flags)).expect(1, words);
        assert_eq!(ended.stdout, "", "{flags}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        assert!(!desk.path("out").exists(), "{flags}: something was published");
    };
    failed("--backend embedded --device cuda:0", &["cuda:0", "the embedded back-end runs on the CPU only"]);
    if native().is_some() {
        // No machine has this one.
        failed("--device cuda:250", &["cuda:250"]);
        failed("--backend onnxruntime --device cuda:250", &["cuda:250"]);
        failed("--device tensorrt:250", &["tensorrt:250"]);
    }
    ended(&mut command(&desk, "--device gpu")).expect(2, &["gpu", "cuda:0,1"]);
    ended(&mut command(&desk, "--backend tract")).expect(2, &["tract", "embedded"]);
}

#[test]
fn a_library_that_is_none_is_a_clean_error() {
    let desk = desk();
    let text = desk.path("libonnxruntime.so");
    std::fs::write(&text, "no library").unwrap();
    let folder = desk.path("shards");
    for nonsense in [Path::new("/nowhere/libonnxruntime.so"), &text, &folder] {
        for backend in ["onnxruntime", "auto"] {
            let mut command = command(&desk, &format!("--backend {backend}"));
            let ended = ended(command.env("ORT_DYLIB_PATH", nonsense))
                .expect(1, &["can't be used", "--backend embedded"]);
            assert!(!ended.stderr.contains("panicked") && ended.stdout.is_empty(), "{ended:?}");
        }
        let mut embedded = command(&desk, "--backend embedded --max-error-rate 0.5");
        ended(embedded.env("ORT_DYLIB_PATH", nonsense)).expect(0, &[]);
    }
}

/// Ranks from 0; equal values share the middle of theirs.
fn ranks(values: &[f32]) -> Vec<f64> {
    let below = |value: &f32| values.iter().filter(|other| *other < value).count();
    let equal = |value: &f32| values.iter().filter(|other| *other == value).count();
    values.iter().map(|value| below(value) as f64 + (equal(value) - 1) as f64 / 2.0).collect()
}

/// The rank correlation (Spearman's) of two series.
fn rank_correlation(a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() - 1) as f64 / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

#[test]
fn ranks_are_correlated_as_spearman_says() {
    assert!((rank_correlation(&[1.0, 2.0, 3.0], &[10.0, 20.0, 25.0]) - 1.0).abs() < 1e-12);
    assert!((rank_correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
    assert!((rank_correlation(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 4.0, 3.0]) - 0.6).abs() < 1e-12);
}

#[test]
fn the_demos_scorer_sees_the_harmony_that_scenes_were_drawn_in() {
    let backend = Backend::find(BackendChoice::Embedded, Device::Cpu).unwrap();
    let scorer = AestheticModel::open(&model(), &backend).unwrap();
    let scorer = &scorer;
    let see = |scenes: std::ops::Range<u64>| {
        let mut session = scorer.open_session(SessionDevice::Cpu, 1).unwrap();
        let one = |n: u64| {
            let scene = Scene::number(HELD_OUT_SEED, n);
            let picture = scene.draw(320, 240);
            let rgb = Rgb::full(picture.width(), picture.height(), picture.into_raw()).unwrap();
            let crop = scorer.crop(&rgb).unwrap();
            (session.score(&[&crop]).unwrap()[0], scene.harmony())
        };
        scenes.map(one).collect::<Vec<(f32, f32)>>()
    };
    let seen: Vec<(f32, f32)> = std::thread::scope(|threads| {
        let quarters: Vec<_> = (0..4).map(|n| threads.spawn(move || see(n * 50..n * 50 + 50))).collect();
        quarters.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (scores, harmonies): (Vec<f32>, Vec<f32>) = seen.into_iter().unzip();
    let correlation = rank_correlation(&scores, &harmonies);
    println!("rank correlation {correlation:.3}");
    assert!(scores.len() == 200 && correlation >= 0.85, "{correlation}");
}

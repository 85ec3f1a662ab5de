//! Scores of tiny models against those that ONNX Runtime gave when the fixtures were made.

use std::path::{Path, PathBuf};

use super::*;
use crate::onnx::tests::backends;

/// Largest difference between the back-ends' scores, and of either to the recorded ones.
const TOLERANCE: f32 = 1e-4;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models")
}

fn expected(name: &str) -> Vec<f32> {
    let text = std::fs::read(models().join("expected.json")).unwrap();
    let all: serde_json::Value = serde_json::from_slice(&text).unwrap();
    all[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// The crops of make_models.py.
fn crops() -> Vec<Vec<u8>> {
    let byte = |k: usize, i: usize| ((7 * i + 31 * k + i / 96) % 256) as u8;
    (0..5).map(|k| (0..32 * 32 * 3).map(|i| byte(k, i)).collect()).collect()
}

fn score_all(model: &AestheticModel) -> Vec<f32> {
    let crops = crops();
    let crops: Vec<&[u8]> = crops.iter().map(Vec::as_slice).collect();
    model.open_session(SessionDevice::Cpu, 1).unwrap().score(&crops).unwrap()
}

fn assert_near(scores: &[f32], expected: &[f32]) {
    assert_eq!(scores.len(), expected.len());
    let near = scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < TOLERANCE);
    assert!(near, "{scores:?} instead of {expected:?}");
}

#[test]
fn every_kind_of_scorer_gives_the_recorded_scores_on_both_backends() {
    for backend in backends() {
        for (folder, name) in [
            ("fused", "fused"),
            ("fused/model.onnx", "fused"),
            ("fixed_batch", "fused"),
            ("external", "fused"),
            ("clip_head", "clip_head"),
        ] {
            let model = AestheticModel::open(&models().join(folder), &backend).unwrap();
            assert_eq!(model.preprocess().unwrap().crop, 32);
            assert_near(&score_all(&model), &expected(name));
        }
    }
}

#[test]
fn a_scorer_of_half_precision_scores_as_near_as_halves_are() {
    for backend in backends() {
        let model = AestheticModel::open(&models().join("half"), &backend).unwrap();
        let tolerance = if model.precision_class() == "onnxruntime/f16" { TOLERANCE } else { 2e-3 };
        let (scores, expected) = (score_all(&model), expected("half"));
        let near = scores.iter().zip(&expected).all(|(a, b)| (a - b).abs() < tolerance);
        assert!(scores.len() == expected.len() && near, "{scores:?} instead of {expected:?}");
        model.open_session(SessionDevice::Cpu, 1).unwrap().warm_up(3).unwrap();
    }
}

#[test]
fn a_score_does_not_depend_on_its_batch() {
    for backend in backends() {
        for folder in ["fused", "fixed_batch", "clip_head"] {
            let model = AestheticModel::open(&models().join(folder), &backend).unwrap();
            let mut scorer = model.open_session(SessionDevice::Cpu, 2).unwrap();
            let together = score_all(&model);
            for (crop, expected) in crops().iter().zip(&together) {
                assert_near(&scorer.score(&[crop]).unwrap(), &[*expected]);
            }
            assert!(scorer.score(&[]).unwrap().is_empty());
        }
    }
    let fixed = AestheticModel::open(&models().join("fixed_batch"), &backends()[0]).unwrap();
    assert_eq!(fixed.fixed_batch(), Some(4));
}

#[test]
fn a_score_that_is_no_number_is_given_as_it_is() {
    for backend in backends() {
        let model = AestheticModel::open(&models().join("not_a_number"), &backend).unwrap();
        assert!(score_all(&model).iter().all(|score| score.is_nan()));
    }
}

#[test]
fn a_model_that_does_not_fit_is_told_with_what_was_wanted_and_found() {
    let backend = &backends()[0];
    let error = AestheticModel::open(&models().join("wrong_contract"), backend).unwrap_err().to_string();
    assert!(error.contains("wanted any name f32 [N,3,H,W] -> any name f32 [N] or [N,1]"), "{error}");
    assert!(error.contains("found tokens f32 [?,4] -> logits f32 [?,2]"), "{error}");
    let error = AestheticModel::open(&models(), backend).unwrap_err().to_string();
    assert!(error.contains("wanted model.onnx, or vision_model.onnx with head.onnx"), "{error}");
}

#[test]
fn a_config_that_contradicts_the_graph_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(models().join("fused/model.onnx"), folder.path().join("model.onnx")).unwrap();
    let config = folder.path().join("preprocessor_config.json");
    std::fs::write(&config, br#"{"size": 40, "crop_size": 32, "resample": 2}"#).unwrap();
    let backend = &backends()[0];
    let model = AestheticModel::open(folder.path(), backend).unwrap();
    assert_eq!((model.preprocess().unwrap().size, model.purpose()), (40, Purpose::Full));
    assert_eq!(model.clone().decoding(Decoding::Scaled).purpose(), Purpose::ShortSideAtLeast(40));
    let plain = AestheticModel::open(&models().join("fused"), backend).unwrap();
    assert_eq!(model.content_hash(), plain.content_hash());
    assert_ne!(model.stamp_parts(), plain.stamp_parts());
    std::fs::write(&config, br#"{"size": 224}"#).unwrap();
    let error = AestheticModel::open(folder.path(), backend).unwrap_err().to_string();
    assert!(error.contains("wanted pixels [N,3,224,224]"), "{error}");
}

#[test]
fn two_backends_have_two_stamps() {
    let open = |backend: &Backend| AestheticModel::open(&models().join("fused"), backend).unwrap();
    let stamps: Vec<_> = backends().iter().map(|backend| open(backend).stamp_parts()).collect();
    assert!(stamps.iter().skip(1).all(|stamp| *stamp != stamps[0]));
}

#[test]
fn a_scorer_with_a_score_json_has_a_range_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(models().join("fused/model.onnx"), folder.path().join("model.onnx")).unwrap();
    let write = |from: &str, to: &str| {
        let file = r#"{"input": {"layout": "nchw", "channels": "rgb", "fit": "squash", "scale": [{"divide": 255}]},
            "unit": "marks", "range": [-100, 100], "direction": "higher_is_better"}"#;
        assert!(file.contains(from));
        std::fs::write(folder.path().join("score.json"), file.replace(from, to)).unwrap();
    };
    write("", "");
    let plain = AestheticModel::open(&models().join("fused"), &backends()[0]).unwrap();
    assert_eq!((plain.range(), plain.spec()), ([0.0, 10.0], None));
    let picture = Rgb::full(32, 32, crops().swap_remove(0)).unwrap();
    for backend in backends() {
        let model = AestheticModel::open(folder.path(), &backend).unwrap();
        assert_eq!(
            (model.range(), model.preprocess(), model.purpose()),
            ([-100.0, 100.0], None, Purpose::Full)
        );
        assert_ne!(model.stamp_parts(), plain.stamp_parts());
        assert_eq!(model.crop(&picture).unwrap(), picture.pixels);
        assert_eq!(model.crop_bytes(), picture.pixels.len());
        let mut scorer = model.open_session(SessionDevice::Cpu, 1).unwrap();
        scorer.warm_up(2).unwrap();
        let numbers = scorer.score(&[&picture.pixels, &picture.pixels]).unwrap();
        // The same numbers go in without CLIP's mean and deviation.
        let bare = Preprocess { mean: [0.0; 3], std: [1.0; 3], ..plain.preprocess().unwrap().clone() };
        let Kind::Known { mut pixels, head } = plain.kind.clone() else { panic!("it has no score.json") };
        pixels.preprocess = bare;
        let bare = AestheticModel { kind: Kind::Known { pixels, head }, backend, ..plain.clone() };
        let wanted = bare.open_session(SessionDevice::Cpu, 1).unwrap().score(&[&picture.pixels]).unwrap();
        assert_near(&numbers, &[wanted[0], wanted[0]]);
        assert_eq!(model.score(99.0).map_err(|refusal| refusal.class), Ok(99.0));
        assert_eq!(model.score(101.0).unwrap_err().class, "out_of_range");
        assert_eq!(plain.score(101.0), Ok(101.0), "LAION's scale bounds its dial alone");
    }
    for (from, to, words) in [
        ("higher", "lower", "name it by --score"),
        ("\"unit\"", "\"looks_at\": \"results\", \"unit\"", "`looks_at` is \"results\""),
        ("\"nchw\"", "\"nhwc\"", "`input.layout` is \"nhwc\""),
    ] {
        write(from, to);
        let error = AestheticModel::open(folder.path(), &backends()[0]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

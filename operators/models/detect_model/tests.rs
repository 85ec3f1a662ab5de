//! What tiny detectors find, against OpenCV, ONNX Runtime and torchvision; batches against single pictures; what is refused.

use std::path::{Path, PathBuf};

use serde_json::Value;
use threshflow::shard::Format;

use super::*;
use crate::onnx::tests::backends;
use crate::pixels::decode::{Rgb, decode};
use crate::pixels::letterbox::Boxed;

/// Largest difference of a coordinate, in pixels of the source, and of a score: the back-ends round differently, and a
/// letterbox pixel may be three of the source.
const TOLERANCE: (f32, f32) = (1e-3, 1e-5);
/// Of the same back-end in another batch.
const SAME: (f32, f32) = (1e-4, 1e-6);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/detect")
}

fn open(folder: &str, backend: &Backend, settings: DetectSettings) -> DetectModel {
    DetectModel::open(&fixtures().join("models").join(folder), backend, settings).unwrap()
}

/// One picture of found.json, with its nouns and what is found.
struct Case {
    recorded: Value,
    nouns: Vec<Vec<f32>>,
}

fn cases(kind: &str) -> Vec<Case> {
    let all: Value = serde_json::from_slice(&std::fs::read(fixtures().join("found.json")).unwrap()).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let row = |value: &Value| list(value).iter().map(|v| v.as_f64().unwrap() as f32).collect();
    list(&all[kind])
        .into_iter()
        .map(|recorded| Case { nouns: list(&recorded["nouns"]).iter().map(row).collect(), recorded })
        .collect()
}

impl Case {
    fn boxed(&self, letterbox: &Letterbox) -> Boxed {
        let name = self.recorded["name"].as_str().unwrap();
        let bytes = std::fs::read(fixtures().join(format!("pictures/{name}.png"))).unwrap();
        letterbox.fit(&decode(&bytes, Format::Png, 1, Purpose::Full).unwrap()).unwrap()
    }

    fn expected(&self, how: &str) -> Vec<Detection> {
        let number = |value: &Value| value.as_f64().unwrap() as f32;
        let found = |value: &Value| Detection {
            class: value["class"].as_u64().unwrap() as u32,
            bbox: std::array::from_fn(|at| number(&value["bbox"][at])),
            score: number(&value["score"]),
        };
        self.recorded[how].as_array().unwrap().iter().map(found).collect()
    }
}

fn assert_near(found: &[Detection], expected: &[Detection], (pixels, score): (f32, f32)) {
    let near = |(a, b): (&Detection, &Detection)| {
        a.class == b.class
            && (a.score - b.score).abs() <= score
            && a.bbox.iter().zip(b.bbox).all(|(a, b)| (a - b).abs() <= pixels)
    };
    let wrong = found.iter().zip(expected).position(|pair| !near(pair));
    let pair = wrong.map(|at| (at, found[at], expected[at]));
    assert!(found.len() == expected.len() && wrong.is_none(), "{} {} {pair:?}", found.len(), expected.len());
}

/// What is found in every case: in batches of `at_once`.
fn detect(model: &DetectModel, cases: &[Case], at_once: usize) -> Vec<Vec<Detection>> {
    let mut detector = model.open_session(SessionDevice::Cpu, 1).unwrap();
    let boxed: Vec<Boxed> = cases.iter().map(|case| case.boxed(model.letterbox())).collect();
    let nouns: Vec<Vec<&[f32]>> =
        cases.iter().map(|case| case.nouns.iter().map(Vec::as_slice).collect()).collect();
    let questions: Vec<Question<'_>> =
        boxed.iter().zip(&nouns).map(|(picture, nouns)| Question { picture, nouns }).collect();
    let run = |batch: &[Question<'_>]| detector.detect(batch).unwrap();
    questions.chunks(at_once).flat_map(run).map(Result::unwrap).collect()
}

#[test]
fn detections_are_the_recorded_ones_on_both_backends_and_in_any_batch() {
    let cases = cases("asked");
    assert_eq!(cases.len(), 7);
    for backend in backends() {
        for folder in ["asked", "asked_masked"] {
            for (how, family) in [("mmyolo", None), ("ultralytics", Some(LetterboxFamily::Ultralytics))] {
                let settings = DetectSettings { letterbox: family, ..DetectSettings::default() };
                let model = open(folder, &backend, settings);
                assert_eq!(*model.kind(), Vocabulary::Asked { dimension: 8 });
                let alone = detect(&model, &cases, 1);
                for at_once in [1, 3, 7] {
                    let found = detect(&model, &cases, at_once);
                    for ((case, found), alone) in cases.iter().zip(&found).zip(&alone) {
                        assert_near(found, &case.expected(how), TOLERANCE);
                        assert_near(found, alone, SAME);
                    }
                }
            }
        }
    }
}

#[test]
fn every_limit_is_kept() {
    let tight = DetectSettings {
        candidate_score: 0.1,
        most_candidates: 90,
        class_iou: 0.6,
        most_after_classes: 40,
        iou: 0.4,
        score: 0.2,
        most: 6,
        ..DetectSettings::default()
    };
    let cases = cases("asked");
    for backend in backends() {
        let model = open("asked", &backend, tight.clone());
        for (case, found) in cases.iter().zip(detect(&model, &cases, 7)) {
            assert_near(&found, &case.expected("tight"), TOLERANCE);
        }
    }
}

#[test]
fn a_baked_vocabulary_needs_no_nouns() {
    let cases = cases("baked");
    assert!(cases.len() > 8);
    for backend in backends() {
        // The second has its letterbox from preprocessor_config.json, and takes one picture at a time.
        for (folder, how, batch) in [("baked", "mmyolo", None), ("baked_output0", "ultralytics", Some(1))] {
            let model = open(folder, &backend, DetectSettings::default());
            let labels = ["cat", "dog", "red car", "tree", "lamp"].map(String::from).to_vec();
            assert_eq!(*model.kind(), Vocabulary::Baked { labels });
            assert_eq!(model.fixed_batch(), batch);
            for at_once in [1, 4, 40] {
                for (case, found) in cases.iter().zip(detect(&model, &cases, at_once)) {
                    assert_near(&found, &case.expected(how), TOLERANCE);
                }
            }
        }
    }
}

/// The fixed graph mixes the nouns of one run only: its answers are those of the free graph for the same runs, merged.
#[test]
fn a_graph_of_three_nouns_is_filled_up_and_asked_as_often_as_needed() {
    let cases = cases("asked");
    for backend in backends() {
        let free = open("asked", &backend, DetectSettings::default());
        let fixed = open("asked_fixed", &backend, DetectSettings::default());
        assert_eq!(fixed.fixed_batch(), Some(2));
        let found = detect(&fixed, &cases, 7);
        let mut several = 0;
        for (case, found) in cases.iter().zip(&found) {
            let mut merged = candidates::Gathered::new(case.nouns.len());
            let boxed = case.boxed(free.letterbox());
            for (at, nouns) in case.nouns.chunks(3).enumerate() {
                let (boxes, scores) = raw(&free, &boxed, nouns);
                let seen = candidates::Seen {
                    boxes: &boxes,
                    box_steps: (4, 1),
                    form: candidates::BoxForm::Corners,
                    scores: &scores,
                    score_steps: (nouns.len(), 1),
                    anchors: 64,
                };
                merged.add(&seen, (3 * at, nouns.len()), &free.settings).unwrap();
                several += at;
            }
            assert_near(found, &merged.found(&boxed.to_source, &free.settings), SAME);
            if case.nouns.len() <= 3 {
                assert_near(found, &case.expected("mmyolo"), TOLERANCE);
            }
        }
        assert!(several > 0);
        assert_eq!(detect(&fixed, &cases, 1), found);
    }
}

/// Boxes and scores of one picture, as the graph gives them.
fn raw(model: &DetectModel, boxed: &Boxed, nouns: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    use crate::onnx::{Session, TensorIn};
    let mut slot = vec![0.0; boxed.pixels.len()];
    boxed.write_tensor(&mut slot);
    let text = nouns.concat();
    let mut session = Session::open(&model.model, &model.backend, SessionDevice::Cpu, 1).unwrap();
    let images = TensorIn::F32 { shape: &[1, 3, 64, 64], data: &slot };
    let embeds = TensorIn::F32 { shape: &[1, nouns.len(), 8], data: &text };
    let outputs = session.run(&[("images", images), ("text_embeds", embeds)]).unwrap();
    let floats =
        |name: &str| outputs.iter().find(|output| output.name == name).unwrap().as_f32().unwrap().to_vec();
    (floats("boxes"), floats("scores"))
}

#[test]
fn three_hundred_nouns_and_none() {
    let cases = cases("asked");
    let nouns: Vec<Vec<f32>> = (0..300).map(|at| cases[4].nouns[at % 40].clone()).collect();
    let nouns: Vec<&[f32]> = nouns.iter().map(Vec::as_slice).collect();
    for backend in backends() {
        let model = open("asked", &backend, DetectSettings::default());
        let mut detector = model.open_session(SessionDevice::Cpu, 1).unwrap();
        let boxed = cases[4].boxed(model.letterbox());
        let many = Question { picture: &boxed, nouns: &nouns };
        let none = Question { picture: &boxed, nouns: &[] };
        let answers = detector.detect(&[none, many, none]).unwrap();
        assert_eq!((&answers[0], &answers[2]), (&Ok(vec![]), &Ok(vec![])));
        let found = answers[1].as_ref().unwrap();
        // Every noun comes several times over, and the second of them never wins.
        assert!(!found.is_empty() && found.iter().all(|found| found.class < 40));
        assert!(detector.detect(&[]).unwrap().is_empty());
    }
}

#[test]
fn what_is_no_number_costs_one_picture() {
    let cases = cases("asked");
    for backend in backends() {
        let model = open("asked", &backend, DetectSettings::default());
        let mut detector = model.open_session(SessionDevice::Cpu, 1).unwrap();
        let boxed = cases[1].boxed(model.letterbox());
        let nouns: Vec<&[f32]> = cases[1].nouns.iter().map(Vec::as_slice).collect();
        let good = Question { picture: &boxed, nouns: &nouns };
        let broken = [f32::NAN; 8];
        let bad = Question { picture: &boxed, nouns: &[nouns[0], &broken] };
        let answers = detector.detect(&[good, bad, good]).unwrap();
        assert_eq!(answers[1].as_ref().unwrap_err().class, "not_a_number");
        for at in [0, 2] {
            assert_near(answers[at].as_ref().unwrap(), &cases[1].expected("mmyolo"), TOLERANCE);
        }
    }
}

/// The detectors of make_odd_detectors.py.
#[test]
fn odd_answers_are_nothing_found_or_a_refusal() {
    let odd = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/odd_detectors").join(name);
        DetectModel::open(&folder, &backends()[0], DetectSettings::default()).unwrap()
    };
    let picture = Rgb::full(320, 240, vec![90; 320 * 240 * 3]).unwrap();
    let ask = |name: &str| {
        let model = odd(name);
        let boxed = model.letterbox().fit(&picture).unwrap();
        let question = Question { picture: &boxed, nouns: &[] };
        model.open_session(SessionDevice::Cpu, 1).unwrap().detect(&[question]).unwrap().remove(0)
    };
    assert_eq!(ask("nothing"), Ok(vec![]));
    for name in ["no_number_score", "no_number_box"] {
        assert_eq!(ask(name).unwrap_err().class, "not_a_number", "{name}");
    }
    // Five of six have no area, or none in the picture; the last reaches over its lower edge. The picture's 320 x 240 pixels lie
    // in 64 x 48 of the letterbox, with 8 above and below.
    assert_eq!(
        ask("no_area"),
        Ok(vec![Detection { class: 1, bbox: [100.0, 60.0, 220.0, 240.0], score: 0.5 }])
    );
}

#[test]
fn a_wrong_question_is_told() {
    let backend = &backends()[0];
    let cases = cases("asked");
    let small = cases[0].boxed(&Letterbox { size: 32, ..Letterbox::default() });
    let model = open("asked", backend, DetectSettings::default());
    let boxed = cases[0].boxed(model.letterbox());
    let mut detector = model.open_session(SessionDevice::Cpu, 1).unwrap();
    let refused = |detector: &mut Detector, picture: &Boxed, nouns: &[&[f32]]| {
        detector.detect(&[Question { picture, nouns }]).unwrap().remove(0).unwrap_err()
    };
    let refusal = refused(&mut detector, &boxed, &[&[0.5; 7]]);
    assert_eq!(refusal.class, "wrong_question");
    assert!(refusal.message.contains("an embedding of 7 numbers, and the detector takes 8"), "{refusal}");
    assert!(refused(&mut detector, &small, &[&[0.5; 8]]).message.contains("3072 bytes, and 12288"));
    let mut baked =
        open("baked", backend, DetectSettings::default()).open_session(SessionDevice::Cpu, 1).unwrap();
    assert!(refused(&mut baked, &boxed, &[&[0.5; 8]]).message.contains("baked in"));
}

/// A copy of a model's folder, with other files beside it.
fn folder_with(model: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join("models").join(model).join("model.onnx"), copy.path().join("model.onnx"))
        .unwrap();
    for (name, text) in files {
        std::fs::write(copy.path().join(name), text).unwrap();
    }
    copy
}

#[test]
fn labels_must_be_there_and_as_many_as_classes() {
    let backend = &backends()[0];
    let open = |files: &[(&str, &str)]| {
        DetectModel::open(folder_with("baked", files).path(), backend, DetectSettings::default())
    };
    let labels = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
    for files in [
        [("labels.txt", "a\n b\r\nc\nd\ne\n\n")],
        [("labels.json", r#"["a", "b", "c", "d", "e"]"#)],
        [("labels.json", r#"{"1": "b", "0": "a", "2": "c", "4": "e", "3": "d"}"#)],
    ] {
        assert_eq!(*open(&files).unwrap().kind(), Vocabulary::Baked { labels: labels.clone() });
    }
    for (files, why) in [
        (vec![], "neither labels.txt nor labels.json"),
        (vec![("labels.txt", "a\nb\nc\n")], "3 labels for a graph of 5 classes"),
        (vec![("labels.txt", "a\n\nc\nd\ne\n")], "line 2 of labels.txt is empty"),
        (vec![("labels.txt", "a"), ("labels.json", "[]")], "take one of them away"),
        (vec![("labels.json", r#"{"1": "b", "2": "a"}"#)], "from \"0\" on without gaps"),
        (vec![("labels.json", "[1]")], "a list of names"),
        (vec![("labels.json", "{")], "labels.json is no JSON"),
    ] {
        let error = open(&files).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_graph_or_a_config_that_does_not_fit_is_told() {
    let backend = &backends()[0];
    let models = fixtures().join("models");
    let open = |path: &Path| DetectModel::open(path, backend, DetectSettings::default());
    let error = open(&models.join("asked_any_width")).unwrap_err().to_string();
    assert!(error.contains("with D fixed"), "{error}");
    let scorer = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/fused");
    let error = open(&scorer).unwrap_err().to_string();
    assert!(error.contains("[N,4+K,A]") && error.contains("aesthetic_score f32 [?,1]"), "{error}");
    assert!(open(&models).unwrap_err().to_string().contains("wanted model.onnx, or a single graph"));
    for (config, why) in [
        (r#"{"size": 640}"#, "wanted pictures [N,3,640,640]"),
        (r#"{"size": {"height": 64, "width": 32}}"#, "`size` is"),
        (r#"{"family": "openai"}"#, "\"mmyolo\" or \"ultralytics\""),
        ("{", "it is no JSON"),
    ] {
        let folder = folder_with("asked", &[("preprocessor_config.json", config)]);
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn settings_are_checked_and_shape_the_stamp() {
    let backend = &backends()[0];
    let path = fixtures().join("models/asked");
    let usual = DetectSettings::default();
    for wrong in [
        DetectSettings { score: f32::NAN, ..usual.clone() },
        DetectSettings { class_iou: 1.5, ..usual.clone() },
        DetectSettings { most: 0, ..usual.clone() },
    ] {
        assert!(DetectModel::open(&path, backend, wrong).unwrap_err().to_string().contains("is allowed"));
    }
    let stamp = |settings: &DetectSettings| open("asked", backend, settings.clone()).stamp_parts();
    let others = [
        DetectSettings { letterbox: Some(LetterboxFamily::Ultralytics), ..usual.clone() },
        DetectSettings { candidate_score: 0.002, ..usual.clone() },
        DetectSettings { most_candidates: 29_999, ..usual.clone() },
        DetectSettings { class_iou: 0.71, ..usual.clone() },
        DetectSettings { most_after_classes: 299, ..usual.clone() },
        DetectSettings { iou: 0.51, ..usual.clone() },
        DetectSettings { score: 0.006, ..usual.clone() },
        DetectSettings { most: 99, ..usual.clone() },
    ];
    assert!(others.iter().all(|other| stamp(other) != stamp(&usual)));
    // What is asked for and what is taken anyway are the same.
    let named = DetectSettings { letterbox: Some(LetterboxFamily::Mmyolo), ..usual.clone() };
    assert_eq!(stamp(&named), stamp(&usual));
    let baked = |labels: &str| {
        let folder = folder_with("baked", &[("labels.txt", labels)]);
        DetectModel::open(folder.path(), backend, usual.clone()).unwrap().stamp_parts()
    };
    assert_ne!(baked("a\nb\nc\nd\ne"), baked("a\nb\nc\nd\nf"));
    let classes: Vec<_> = backends().iter().map(|b| open("asked", b, usual.clone()).stamp_parts()).collect();
    assert!(classes.iter().skip(1).all(|other| *other != classes[0]));
}

//! Embeddings of tiny CLIPs against those that transformers gave when the fixtures were made, on both back-ends.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::models::aesthetic_model::AestheticHead;
use crate::models::embedding::{from_f16_bytes, share_of_first, to_f16_bytes};
use crate::onnx::tests::backends;

/// Largest difference of a value of an embedding of length 1, or of a share.
const TOLERANCE: f32 = 1e-4;

/// Where make_clip.py puts its models.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/clip")
}

pub(crate) fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}

fn numbers(list: &Value) -> Vec<f32> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn rows(name: &str) -> Vec<Vec<f32>> {
    expected()[name].as_array().unwrap().iter().map(numbers).collect()
}

/// The crops of make_clip.py.
fn crops() -> Vec<Vec<u8>> {
    let byte = |k: usize, at: usize| ((11 * at + 53 * k + at / (40 + 9 * k)) % 256) as u8;
    (0..5).map(|k| (0..32 * 32 * 3).map(|at| byte(k, at)).collect()).collect()
}

fn open(folder: &str, backend: &Backend) -> ClipModel {
    ClipModel::open(&fixtures().join(folder), backend).unwrap()
}

fn see(clip: &ClipModel) -> Vec<Vec<f32>> {
    let crops = crops();
    let crops: Vec<&[u8]> = crops.iter().map(Vec::as_slice).collect();
    clip.open_vision(SessionDevice::Cpu, 1).unwrap().embed(&crops).unwrap()
}

fn tokens(clip: &ClipModel) -> Vec<Vec<i64>> {
    let tokeniser = clip.tokeniser().unwrap();
    strings(&expected()["texts"]).iter().map(|text| tokeniser.encode(text).unwrap()).collect()
}

fn read(clip: &ClipModel) -> Vec<Vec<f32>> {
    clip.open_text(SessionDevice::Cpu, 1).unwrap().embed(&tokens(clip)).unwrap()
}

/// The largest difference, printed for whoever looks.
#[track_caller]
fn assert_near(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut worst = 0.0_f32;
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}");
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < TOLERANCE, "{what}: row {at} is off by {apart}");
        worst = worst.max(apart);
    }
    println!("{what}: largest difference {worst:e}");
}

const EXPORTS: [&str; 3] = ["split", "fixed", "one_file"];

#[test]
fn every_export_gives_transformers_embeddings_on_both_backends() {
    let (images, texts) = (rows("image_embeds"), rows("text_embeds"));
    for backend in backends() {
        for folder in EXPORTS {
            let clip = open(folder, &backend);
            assert_eq!((clip.preprocess().crop, clip.dimension().unwrap_or(16)), (32, 16));
            let what = |tower: &str| format!("{folder} {tower} on {}", backend.stamp_class());
            assert_near(&what("vision"), &see(&clip), &images);
            assert_near(&what("text"), &read(&clip), &texts);
        }
    }
}

#[test]
fn an_embedding_does_not_depend_on_its_batch_or_its_padding() {
    for backend in backends() {
        for folder in EXPORTS {
            let clip = open(folder, &backend);
            let (mut vision, mut text) = (
                clip.open_vision(SessionDevice::Cpu, 2).unwrap(),
                clip.open_text(SessionDevice::Cpu, 2).unwrap(),
            );
            for (crop, together) in crops().iter().zip(see(&clip)) {
                assert_near(folder, &vision.embed(&[crop]).unwrap(), &[together]);
            }
            // The longest has 77 tokens, the shortest 2: together all are padded to 77, alone none is.
            let all = tokens(&clip);
            assert_eq!((all.iter().map(Vec::len).min(), all.iter().map(Vec::len).max()), (Some(2), Some(77)));
            for (tokens, together) in all.into_iter().zip(read(&clip)) {
                assert_near(folder, &text.embed(&[tokens]).unwrap(), &[together]);
            }
            assert!(vision.embed(&[]).unwrap().is_empty() && text.embed(&[]).unwrap().is_empty());
        }
    }
}

#[test]
fn a_share_is_the_softmax_of_both_texts_even_of_halves() {
    let (images, texts) = (rows("image_embeds"), rows("text_embeds"));
    let kept = |row: &[f32]| from_f16_bytes(&to_f16_bytes(row));
    let shares = rows("shares");
    assert!(shares.len() >= 10);
    for recorded in shares {
        let [image, first, second] = [0, 1, 2].map(|at| recorded[at] as usize);
        let (image, first, second, share) = (&images[image], &texts[first], &texts[second], recorded[3]);
        let found = share_of_first(image, first, second);
        assert!((found - share).abs() < TOLERANCE, "{found} instead of {share}");
        let halves = share_of_first(&kept(image), &kept(first), &kept(second));
        assert!((halves - share).abs() < 2e-2, "{halves} instead of {share}");
    }
}

#[test]
fn a_head_scores_the_embeddings_that_clip_gave() {
    for backend in backends() {
        let head = AestheticHead::open(&fixtures().join("head"), &backend).unwrap();
        assert_eq!(head.dimension(), Some(16));
        let embeddings = see(&open("split", &backend));
        let embeddings: Vec<&[f32]> = embeddings.iter().map(Vec::as_slice).collect();
        let mut scorer = head.open_session(SessionDevice::Cpu, 1).unwrap();
        let found = scorer.score(&embeddings).unwrap();
        assert_near("head", &[found], &[numbers(&expected()["aesthetic"])]);
        assert!(scorer.score(&[]).unwrap().is_empty());
        let error = scorer.score(&[&[0.5; 8]]).unwrap_err().to_string();
        assert!(error.contains("8 values; wanted 16"), "{error}");
    }
    let error = AestheticHead::open(&fixtures().join("split"), &backends()[0]).unwrap_err().to_string();
    assert!(error.contains("wanted head.onnx or aesthetic_head.onnx"), "{error}");
}

#[test]
fn an_embedding_of_zeros_is_an_error_that_tells_its_row() {
    for backend in backends() {
        let clip = open("zeros", &backend);
        assert!(clip.open_text(SessionDevice::Cpu, 1).is_err());
        let mut tower = clip.open_vision(SessionDevice::Cpu, 1).unwrap();
        let (dark, light) = (vec![0; 32 * 32 * 3], vec![255; 32 * 32 * 3]);
        let error = tower.embed(&[&light, &dark]).unwrap_err().to_string();
        assert!(error.contains("row 1 (of 2)") && error.contains("L2 norm is 0"), "{error}");
        assert_eq!(tower.embed(&[&light]).unwrap().len(), 1);
        let error = tower.embed(&[&light[1..]]).unwrap_err().to_string();
        assert!(error.contains("3071 bytes; 32 x 32 RGB has 3072"), "{error}");
    }
}

#[test]
fn a_text_that_the_graph_does_not_take_is_an_error() {
    for backend in backends() {
        for (folder, tokens, words) in [
            ("split", vec![], "texts of 0 to 0 tokens"),
            ("fixed", vec![1; 78], "at least 1 and at most 77"),
            ("split", vec![1 << 40, 1], "text_model.onnx"),
        ] {
            let mut tower = open(folder, &backend).open_text(SessionDevice::Cpu, 1).unwrap();
            let error = tower.embed(&[tokens]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

#[test]
fn what_a_folder_lacks_is_told() {
    let backend = &backends()[0];
    let clip = open("zeros", backend);
    let errors = [
        clip.open_text(SessionDevice::Cpu, 1).err().unwrap().to_string(),
        clip.tokeniser().unwrap_err().to_string(),
        ClipModel::open(&fixtures(), backend).unwrap_err().to_string(),
        ClipModel::open(&fixtures().join("head/aesthetic_head.onnx"), backend).unwrap_err().to_string(),
    ];
    let words = [
        "no text_model.onnx in it",
        "no tokenizer.json",
        "wanted vision_model.onnx, text_model.onnx or both",
        "wanted any name f32 [N,3,H,W]",
    ];
    for (error, words) in errors.iter().zip(words) {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn towers_of_different_lengths_do_not_make_a_clip() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(fixtures().join(from), folder.path().join(to)).unwrap();
    copy("zeros/vision_model.onnx", "vision_model.onnx");
    copy("split/text_model.onnx", "text_model.onnx");
    let error = ClipModel::open(folder.path(), &backends()[0]).unwrap_err().to_string();
    assert!(error.contains("text_embeds [N,3]"), "{error}");
}

/// As `models/export/export_yolo_world.py --text-model` writes it.
#[test]
fn a_text_tower_in_a_detectors_folder_is_not_held_to_how_the_detector_sees() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["text_model.onnx", "tokenizer.json"] {
        std::fs::copy(fixtures().join("split").join(file), folder.path().join(file)).unwrap();
    }
    std::fs::copy(fixtures().join("split/vision_model.onnx"), folder.path().join("model.onnx")).unwrap();
    let config = br#"{"size": {"height": 640, "width": 640}, "do_pad": true}"#;
    std::fs::write(folder.path().join("preprocessor_config.json"), config).unwrap();
    let backend = &backends()[0];
    let texts = ClipModel::open(folder.path(), backend).unwrap();
    assert!(texts.vision_stamp_parts().is_empty());
    assert_eq!(texts.text_stamp_parts(), open("split", backend).text_stamp_parts());
    // A tower that sees pictures is.
    std::fs::rename(folder.path().join("model.onnx"), folder.path().join("vision_model.onnx")).unwrap();
    assert!(ClipModel::open(folder.path(), backend).unwrap_err().to_string().contains("preprocessor_config"));
}

#[test]
fn each_tower_has_a_stamp_of_what_shapes_its_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["vision_model.onnx", "text_model.onnx", "tokenizer.json", "preprocessor_config.json"] {
        std::fs::copy(fixtures().join("split").join(file), folder.path().join(file)).unwrap();
    }
    let backend = &backends()[0];
    let whole = ClipModel::open(folder.path(), backend).unwrap();
    let fixed = open("fixed", backend);
    assert_ne!(whole.vision_stamp_parts(), fixed.vision_stamp_parts());
    assert_ne!(whole.text_stamp_parts(), fixed.text_stamp_parts());
    assert_ne!(whole.content_hash(), fixed.content_hash());
    let tokens = folder.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&tokens).unwrap();
    std::fs::write(&tokens, text + " ").unwrap();
    let touched = ClipModel::open(folder.path(), backend).unwrap();
    assert_ne!(touched.text_stamp_parts(), whole.text_stamp_parts());
    assert_eq!(touched.vision_stamp_parts(), whole.vision_stamp_parts());
    std::fs::remove_file(folder.path().join("text_model.onnx")).unwrap();
    let blind = ClipModel::open(folder.path(), backend).unwrap();
    assert_eq!(blind.vision_stamp_parts(), whole.vision_stamp_parts());
    assert!(blind.text_stamp_parts().is_empty() && blind.bytes() < whole.bytes());
    let one = open("one_file", backend);
    let file = std::fs::metadata(fixtures().join("one_file/model.onnx")).unwrap();
    assert_eq!((one.bytes(), one.fixed_batch(), fixed.fixed_batch()), (file.len(), None, Some(3)));
}

//! Embeddings of towers that give tokens against those that ONNX Runtime gave, on both back-ends.

use std::path::PathBuf;

use super::*;
use crate::models::clip_model::tests::fixtures as clips;
use crate::onnx::tests::backends;
use crate::pixels::clip_crop::{Family, Resample};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vision")
}

fn crop(k: usize, edge: usize) -> Vec<u8> {
    (0..3 * edge * edge).map(|i| ((7 * i + 31 * k + i / 96) % 256) as u8).collect()
}

fn embedded(model: &VisionModel) -> Vec<Vec<f32>> {
    let crops: Vec<Vec<u8>> = (0..3).map(|k| crop(k, model.preprocess().crop as usize)).collect();
    let crops: Vec<&[u8]> = crops.iter().map(Vec::as_slice).collect();
    model.open_session(SessionDevice::Cpu, 1).unwrap().embed(&crops).unwrap()
}

#[test]
fn the_first_token_is_the_embedding() {
    let expected = std::fs::read(fixtures().join("expected.json")).unwrap();
    let expected: Vec<Vec<f32>> = serde_json::from_slice(&expected).unwrap();
    for backend in backends() {
        for folder in ["tokens", "pooled"] {
            let model = VisionModel::open(&fixtures().join(folder), &backend).unwrap();
            let preprocess = model.preprocess();
            assert_eq!((preprocess.size, preprocess.crop), (36, 32), "as its config says");
            assert_eq!((preprocess.resample, preprocess.family), (Resample::Bicubic, Family::HuggingFace));
            for (found, expected) in embedded(&model).iter().zip(&expected) {
                assert_eq!(found.len(), 6, "of 17 tokens one");
                let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 1e-4, "{folder}: {found:?} and not {expected:?}");
            }
        }
    }
}

#[test]
fn a_clip_is_the_tower_that_it_is_everywhere() {
    for backend in backends() {
        for folder in ["split", "one_file", "colours"] {
            let path = clips().join(folder);
            let clip = ClipModel::open(&path, &backend).unwrap();
            let model = VisionModel::open(&path, &backend).unwrap();
            let crops: Vec<Vec<u8>> = (0..3).map(|k| crop(k, model.preprocess().crop as usize)).collect();
            let crops: Vec<&[u8]> = crops.iter().map(Vec::as_slice).collect();
            let wanted = clip.open_vision(SessionDevice::Cpu, 1).unwrap().embed(&crops).unwrap();
            assert_eq!(embedded(&model), wanted, "{folder}");
        }
    }
}

#[test]
fn what_is_no_vision_tower_is_told_with_what_is_wanted() {
    let backend = backends().remove(0);
    let said = |path: PathBuf| VisionModel::open(&path, &backend).err().unwrap().to_string();
    let empty = tempfile::tempdir().unwrap();
    let none = said(empty.path().to_path_buf());
    assert!(none.contains("vision_model.onnx, or model.onnx"), "{none}");
    let only_text = tempfile::tempdir().unwrap();
    std::fs::copy(clips().join("colours/text_model.onnx"), only_text.path().join("model.onnx")).unwrap();
    let text = said(only_text.path().to_path_buf());
    assert!(text.contains("vision_model.onnx") || text.contains("pixel"), "{text}");
}

//! Masks and qualities of tiny segmenters against those that ONNX Runtime and torch gave when the fixtures were made.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::onnx::tests::backends;
use crate::pixels::decode::decode;
use crate::pixels::rle;
use threshflow::shard::Format;

/// Of qualities and logits.
const TOLERANCE: f32 = 1e-4;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/segment")
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn boxes(expected: &Value) -> Vec<[f32; 4]> {
    expected["asked"].as_array().unwrap().iter().map(|edges| floats(edges).try_into().unwrap()).collect()
}

fn picture() -> Rgb {
    let bytes = std::fs::read(fixtures().join("picture.png")).unwrap();
    decode(&bytes, Format::Png, 1, Purpose::Full).unwrap()
}

/// A folder of links to the encoder and to one of the decoders. `resizing.onnx` is `boxes.onnx` with an encoder that
/// resizes its position embedding itself.
fn folder(decoder: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let link = |from: &str, to: &str| {
        std::os::unix::fs::symlink(fixtures().join(from), folder.path().join(to)).unwrap();
    };
    let (encoder, decoder) = match decoder {
        "coordinates.onnx" => ("encoder_of_coordinates.onnx", decoder),
        "resizing.onnx" => ("encoder_resizing.onnx", "boxes.onnx"),
        _ => ("encoder.onnx", decoder),
    };
    link(encoder, "encoder.onnx");
    link(decoder, "decoder.onnx");
    folder
}

/// The folder has to outlive the model's sessions.
fn open(decoder: &str, backend: &Backend) -> (SegmentModel, tempfile::TempDir) {
    let folder = folder(decoder);
    (SegmentModel::open(folder.path(), backend).unwrap(), folder)
}

/// All answers of one picture, in the order of the boxes: quality, low-resolution logits, mask, run lengths.
type Answer = Result<(f32, Vec<f32>, Mask, (String, u64)), Refusal>;

fn ask(segmenter: &mut Segmenter, prepared: &[f32], size: (u32, u32), boxes: &[[f32; 4]]) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = boxes.iter().map(|_| None).collect();
    let mut each = |at: usize, answer: Result<Segmented<'_>, Refusal>| {
        let whole = |it: Segmented<'_>| (it.quality, it.logits.values.to_vec(), it.mask(), it.rle());
        assert!(answers[at].replace(answer.map(whole)).is_none(), "box {at} was answered twice");
    };
    segmenter.segment(prepared, size, boxes, &mut each).unwrap();
    answers.into_iter().map(Option::unwrap).collect()
}

fn largest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// What the recorded answers were given to: the picture squashed to bytes, normalised by ImageNet's channels.
fn squashed() -> Vec<f32> {
    let bytes = std::fs::read(fixtures().join("squashed.rgb")).unwrap();
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let channel = |channel: usize| {
        bytes
            .iter()
            .skip(channel)
            .step_by(3)
            .map(move |b| (f32::from(*b) / 255.0 - mean[channel]) / std[channel])
    };
    channel(0).chain(channel(1)).chain(channel(2)).collect()
}

#[test]
fn every_kind_of_decoder_gives_the_recorded_masks_on_both_backends() {
    let expected = expected();
    let prepared = squashed();
    for backend in backends() {
        for name in ["boxes", "points", "both", "coordinates", "pairs", "resizing"] {
            let (model, _folder) = open(&format!("{name}.onnx"), &backend);
            let mut segmenter = model.open_session(SessionDevice::Cpu, 1).unwrap();
            let answers = ask(&mut segmenter, &prepared, (150, 100), &boxes(&expected));
            let known = expected[if name == "resizing" { "boxes" } else { name }].as_array().unwrap();
            assert_eq!(answers.len(), known.len());
            let (mut worst, mut pixels) = ((0f32, 0f32), 0);
            for (answer, known) in answers.into_iter().zip(known) {
                let (quality, logits, mask, (counts, area)) = answer.unwrap();
                let quality_off =
                    largest_difference(&[quality], &[known["quality"].as_f64().unwrap() as f32]);
                let logits_off = largest_difference(&logits, &floats(&known["logits"]));
                worst = (worst.0.max(quality_off), worst.1.max(logits_off));
                assert_eq!((rle::encode(&mask), mask.area()), (counts, area));
                let recorded = rle::decode(known["counts"].as_str().unwrap(), 150, 100).unwrap();
                assert!(recorded.area() > 100 && recorded.area() < 14_900, "a mask to tell something by");
                let off = mask.bits.iter().zip(&recorded.bits).filter(|(a, b)| a != b).count();
                pixels = pixels.max(off);
                // Pixels whose logit is next to 0 may fall on either side.
                assert!(off as u64 <= known["uncertain_pixels"].as_u64().unwrap(), "{name}: {off} pixels");
            }
            println!(
                "{} {name}: quality {:e}, logits {:e}, {pixels} pixels",
                backend.stamp_class(),
                worst.0,
                worst.1
            );
            assert!(worst.0 < TOLERANCE && worst.1 < TOLERANCE, "{name}: {worst:?}");
        }
    }
}

#[test]
fn a_picture_is_squashed_as_pillow_does() {
    let recorded = std::fs::read(fixtures().join("squashed.f32")).unwrap();
    let recorded: Vec<f32> =
        recorded.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let (model, _folder) = open("boxes.onnx", &backends()[0]);
    let prepared = model.prepare(&picture()).unwrap();
    assert_eq!((prepared.len(), model.prepared_bytes()), (recorded.len(), 4 * recorded.len()));
    let most = largest_difference(&prepared, &recorded);
    assert!(most < 1e-5, "{most}");
    // And the bytes that it would round to are Pillow's to a level.
    assert!(largest_difference(&prepared, &squashed()) < 1.0 / 255.0 / 0.224);
    assert_eq!(model.purpose(), Purpose::Full);
    assert_eq!(model.clone().decoding(Decoding::Scaled).purpose(), Purpose::ShortSideAtLeast(64));
}

#[test]
fn boxes_that_hold_nothing_are_refused_and_cost_their_neighbours_nothing() {
    let nan = f32::NAN;
    let good = [10.0, 10.0, 60.0, 70.0];
    let bad = [
        [10.0, 10.0, 10.0, 20.0],
        [10.0, 20.0, 20.0, 10.0],
        [150.0, 10.0, 160.0, 20.0],
        [-9.0, -9.0, 0.0, 20.0],
        [nan, 0.0, 1.0, 1.0],
        [0.0, 0.0, f32::INFINITY, 1.0],
    ];
    let (model, _folder) = open("boxes.onnx", &backends()[0]);
    let mut segmenter = model.open_session(SessionDevice::Cpu, 1).unwrap();
    let prepared = model.prepare(&picture()).unwrap();
    let alone = ask(&mut segmenter, &prepared, (150, 100), &[good]);
    let mut all = bad.to_vec();
    all.insert(3, good);
    // One that reaches over the edge is asked as it is.
    all.push([-5.0, -5.0, 170.0, 50.0]);
    let answers = ask(&mut segmenter, &prepared, (150, 100), &all);
    assert!(answers[7].is_ok());
    let (quality, logits, ..) = answers[3].as_ref().unwrap();
    assert!(largest_difference(logits, &alone[0].as_ref().unwrap().1) < TOLERANCE && quality.is_finite());
    for at in [0, 1, 2, 4, 5, 6] {
        let refusal = answers[at].as_ref().unwrap_err();
        assert_eq!(refusal.class, "bad_box");
        assert!(refusal.message.contains("of a picture of 150 x 100"), "{refusal}");
    }
    // With nothing to ask nothing is run, not even on a picture that isn't one.
    assert!(ask(&mut segmenter, &[], (150, 100), &bad).iter().all(Result::is_err));
    assert!(ask(&mut segmenter, &[], (150, 100), &[]).is_empty());
    let huge = ask(&mut segmenter, &[], (u32::MAX, u32::MAX), &[good]);
    assert_eq!(huge[0].as_ref().unwrap_err().class, "too_many_pixels");
    let error = segmenter.segment(&[0.0; 5], (150, 100), &[good], &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("5 numbers were given, and 64 x 64 x 3"), "{error}");
}

#[test]
fn an_answer_that_is_no_number_is_refused() {
    for backend in backends() {
        for name in ["nan_quality.onnx", "nan_logits.onnx"] {
            let (model, _folder) = open(name, &backend);
            let mut segmenter = model.open_session(SessionDevice::Cpu, 1).unwrap();
            let answers = ask(
                &mut segmenter,
                &[0.5; 3 * 64 * 64],
                (150, 100),
                &[[1.0, 1.0, 9.0, 9.0], [50.0, 50.0, 90.0, 90.0]],
            );
            assert_eq!(answers[0].as_ref().unwrap_err().class, "not_a_number", "{name}");
            assert!(answers[1].is_ok(), "{name}");
        }
    }
}

#[test]
fn graphs_that_do_not_fit_are_told_with_what_was_wanted_and_found() {
    let backend = &backends()[0];
    let error = |folder: &Path| SegmentModel::open(folder, backend).unwrap_err().to_string();
    let of = |encoder: &str, decoder: &str| {
        let folder = tempfile::tempdir().unwrap();
        for (from, to) in [(encoder, "an_encoder.onnx"), (decoder, "a_mask_decoder.onnx")] {
            std::fs::copy(fixtures().join(from), folder.path().join(to)).unwrap();
        }
        folder
    };
    assert!(SegmentModel::open(of("encoder.onnx", "boxes.onnx").path(), backend).is_ok());
    let swapped = error(of("boxes.onnx", "encoder.onnx").path());
    assert!(swapped.contains("wanted any name f32 [1,3,S,S]"), "{swapped}");
    let twice = error(of("encoder.onnx", "encoder.onnx").path());
    assert!(twice.contains("a decoder that is told boxes by `input_boxes`, or"), "{twice}");
    let strange = error(of("encoder_of_coordinates.onnx", "boxes.onnx").path());
    assert!(strange.contains("to be one of the outputs of an_encoder.onnx, which are high_res"), "{strange}");
    let several = of("encoder.onnx", "boxes.onnx");
    std::fs::copy(fixtures().join("points.onnx"), several.path().join("other_decoder.onnx")).unwrap();
    let several = error(several.path());
    assert!(several.contains("one *encoder*.onnx and one *decoder*.onnx"), "{several}");
    let file = SegmentModel::open(&fixtures().join("encoder.onnx"), backend).unwrap_err().to_string();
    assert!(file.contains("no segmenter was found"), "{file}");
}

#[test]
fn a_config_is_taken_or_told() {
    let backend = &backends()[0];
    let with = |config: &str| {
        let folder = folder("boxes.onnx");
        std::fs::write(folder.path().join("preprocessor_config.json"), config).unwrap();
        SegmentModel::open(folder.path(), backend).map_err(|error| error.to_string())
    };
    let (plain, _folder) = open("boxes.onnx", backend);
    let usual = with(
        r#"{"size": {"height": 64, "width": 64}, "mask_size": {"height": 16, "width": 16}, "resample": 2, "do_pad": null,
            "do_center_crop": null, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
            "rescale_factor": 0.00392156862745098, "image_processor_type": "Sam2ImageProcessorFast"}"#,
    );
    assert_eq!(usual.unwrap().stamp_parts(), plain.stamp_parts());
    let other = with(r#"{"image_mean": [0.5, 0.5, 0.5]}"#).unwrap();
    assert_ne!(other.stamp_parts(), plain.stamp_parts());
    assert_eq!(other.content_hash(), plain.content_hash());
    for (config, told) in [
        (r#"{"size": 1024}"#, "says 1024 x 1024 pixels, and the encoder takes 64 x 64"),
        (r#"{"size": {"longest_edge": 64}}"#, "`size`"),
        (r#"{"do_pad": true}"#, "`do_pad`"),
        (r#"{"resample": 3}"#, "only 2 (bilinear)"),
        ("[]", "not a JSON object"),
    ] {
        let error = with(config).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_graph_that_resizes_cubically_is_refused_by_the_embedded_backend_and_not_run_otherwise() {
    let folder = crate::onnx::ModelFolder::open(&fixtures()).unwrap();
    let model = folder.model("cubic.onnx").unwrap();
    for backend in backends() {
        let opened = Session::open(&model, &backend, SessionDevice::Cpu, 1);
        match opened.err().map(|error| error.to_string()) {
            Some(error) => {
                assert!(error.contains("resizes cubically") && backend.stamp_class() == "rten/f32", "{error}")
            }
            None => assert_eq!(backend.stamp_class(), "onnxruntime/f32"),
        }
    }
}

/// Every coordinate mode, both ways to tell the size, and constants however they are kept.
#[test]
fn cubic_resizes_of_constants_are_computed_beforehand_as_onnx_runtime_does() {
    let expected = &expected()["cubics"];
    let folder = crate::onnx::ModelFolder::open(&fixtures()).unwrap();
    let nothing = TensorIn::F32 { shape: &[1, 3, 2, 2], data: &[0.0; 12] };
    let backends = backends();
    let inside = backends.iter().map(|backend| (backend, "cubics.onnx"));
    for (backend, name) in inside.chain([(&backends[0], "cubics_outside.onnx")]) {
        let mut session =
            Session::open(&folder.model(name).unwrap(), backend, SessionDevice::Cpu, 1).unwrap();
        let outputs = session.run(&[("pixel_values", nothing)]).unwrap();
        let mut seen = 0;
        for output in outputs.iter().filter(|output| output.name != "flat") {
            let off = largest_difference(output.as_f32().unwrap(), &floats(&expected[&output.name]));
            // What is resized in halves is rounded to them by ONNX Runtime, and not by rten, which knows none.
            let allowed = if output.name == "widened" { 2e-3 } else { 1e-5 };
            assert!(off < allowed, "{} {}: {off:e}", backend.stamp_class(), output.name);
            seen += 1;
        }
        assert_eq!(seen, expected.as_object().unwrap().len());
    }
}

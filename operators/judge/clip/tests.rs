//! What is seen of edits by a CLIP of three colours, made by hand: tests/fixtures/make_colour_clip.py.

use std::path::Path;

use image::Rgb;
use threshflow::lane::{LaneOptions, Lanes, Mode};
use threshflow::row::RegionKind;
use threshflow::shard::{Catalogue, ReadOptions};

use super::*;
use crate::edit_source::PlannedRegion;
use crate::judge::pixels::{self, Step};
use crate::models::clip_model::tests::fixtures;
use crate::onnx::Backend;
use crate::onnx::tests::backends;
use crate::plan::edit_plan::{EditPlan, EditType, PlannedObject, PlannedStep};
use crate::plan::judgement::Judgement;

/// Lanes over a store in `folder`.
pub(crate) fn lanes(folder: &Path) -> Arc<Lanes> {
    let catalogue = Catalogue::open(folder, ReadOptions::default(), false).unwrap();
    let options = LaneOptions {
        mode: Mode::Ask,
        pool_threads: 1,
        pool_queue: 1,
        decoded_bytes: 1 << 20,
        deadline: std::time::Duration::from_secs(60),
        memos: threshflow::memo::Places::alone(&folder.join("memo"), 0),
        log: None,
    };
    Lanes::open(options, Arc::new(catalogue))
}

/// The CLIP, on each back-end that is there.
fn clips(folder: &Path) -> Vec<JudgeClip> {
    let (lanes, colours) = (lanes(folder), fixtures().join("colours"));
    let open = |backend: Backend| {
        let texts = Texts::open("clip_text", &colours, &backend, 1, &lanes).unwrap();
        JudgeClip::new(ClipTower::open(&colours, &backend, 1).unwrap(), texts, Channels::Rgb)
    };
    backends().into_iter().map(open).collect()
}

const REDDISH: [u8; 3] = [255, 110, 110];
const PINK: [u8; 3] = [255, 110, 160];
const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [20, 250, 30];
const BLUE: [u8; 3] = [10, 20, 240];

/// A disc on a blue ground.
fn disc(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(80, 60, |x, y| Rgb(if in_disc(x, y) { colour } else { BLUE }))
}

fn in_disc(x: u32, y: u32) -> bool {
    x.abs_diff(40).pow(2) + y.abs_diff(30).pow(2) < 300
}

fn mask() -> Mask {
    let bits = (0..80 * 60).map(|at| u8::from(in_disc(at % 80, at / 80))).collect();
    Mask { width: 80, height: 60, bits }
}

/// A step about the disc, which is a "red"; a style is about no region, and "red" is what the detector is sure of.
fn planned(operation: Operation) -> Planned {
    let bbox = [23.0, 13.0, 58.0, 48.0];
    let object = PlannedObject { noun: "red".into(), kind: RegionKind::Object, bbox };
    let region =
        PlannedRegion { number: 0, content: ContentHash::default(), object: object.clone(), sure: true };
    let about = operation != Operation::Style;
    Planned {
        plan: EditPlan {
            edit_type: EditType::from_name(operation.name()).unwrap(),
            width: 80,
            height: 60,
            caption: String::new(),
            steps: vec![PlannedStep { operation, object: about.then_some(object) }],
            pick: 0,
        },
        regions: about.then_some(region).into_iter().collect(),
        objects: vec!["red".into()],
        sure: vec![("red".into(), bbox)],
    }
}

/// What the judge says with the CLIP, and by pixels alone.
fn said(clip: &JudgeClip, operation: Operation, result: &str, colours: [[u8; 3]; 2]) -> [Judgement; 2] {
    let (planned, mask) = (planned(operation), mask());
    let [before, after] = &colours.map(disc);
    let step = Step { operation, mask: (operation != Operation::Style).then_some(&mask) };
    let measured = pixels::measure(before, after, &[step]).unwrap()[0];
    let masks = if step.mask.is_some() { vec![mask.clone()] } else { Vec::new() };
    let seen = clip.prepare(&planned, (0, operation), &masks, Some(result), [before, after]).unwrap();
    let agreement = clip.see(&[&seen.unwrap()]).remove(0).unwrap();
    let judged = pixels::of_step(operation, &measured, Some(&agreement));
    let words = judged.reason.split_whitespace().count();
    assert!(words <= 20 && judged.reason.contains("CLIP: "), "{words} words: {}", judged.reason);
    [judged, pixels::of_step(operation, &measured, None)]
}

#[test]
fn an_object_that_is_gone_scores_higher_than_one_that_only_changed() {
    let folder = tempfile::tempdir().unwrap();
    for clip in clips(folder.path()) {
        let [gone, by_pixels] = said(&clip, Operation::Remove, "", [REDDISH, BLUE]);
        assert!(gone.natural == by_pixels.natural && by_pixels.follows == 3.0, "pixels alone: {by_pixels:?}");
        assert!(gone.follows > 4.9 && gone.matches, "{gone:?}");
        let [there, by_pixels] = said(&clip, Operation::Remove, "", [REDDISH, RED]);
        assert!(by_pixels.follows == 3.0 && by_pixels.matches, "pixels did change: {by_pixels:?}");
        assert!(there.follows <= 2.0 && !there.matches, "it is still there: {there:?}");
        let [untouched, _] = said(&clip, Operation::Remove, "", [RED, RED]);
        assert!(untouched.follows == 1.0 && !untouched.matches, "{untouched:?}");
    }
}

#[test]
fn what_is_put_in_must_be_seen_or_what_was_there_be_gone() {
    let folder = tempfile::tempdir().unwrap();
    for clip in clips(folder.path()) {
        let follows =
            |operation, result, colours| said(&clip, operation, result, colours).map(|said| said.follows);
        let confirmed = |[with, alone]: [f32; 2]| with > 4.5 && alone == 3.0;
        let contradicted = |[with, alone]: [f32; 2]| with <= 2.0 && alone == 3.0;
        assert!(confirmed(follows(Operation::Add, "", [BLUE, RED])));
        assert!(contradicted(follows(Operation::Add, "", [RED, BLUE])));
        for operation in [Operation::Replace, Operation::Visual] {
            assert!(confirmed(follows(operation, "a green", [RED, GREEN])));
            assert!(contradicted(follows(operation, "a blue", [PINK, RED])), "it is redder");
        }
    }
}

#[test]
fn an_object_that_is_adjusted_or_restyled_stays_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for clip in clips(folder.path()) {
        for operation in [Operation::Adjust, Operation::Style] {
            let [kept, by_pixels] = said(&clip, operation, "red", [REDDISH, RED]);
            assert_eq!(kept.natural, by_pixels.natural, "{operation:?} {kept:?}");
            let [lost, by_pixels] = said(&clip, operation, "red", [REDDISH, GREEN]);
            let shift = (by_pixels.natural - 1.0) * 0.25;
            assert!((by_pixels.natural - lost.natural - shift).abs() < 0.01 && !lost.matches, "{lost:?}");
        }
        let [named, by_pixels] = said(&clip, Operation::Adjust, "a green", [REDDISH, GREEN]);
        assert_eq!(named.natural, by_pixels.natural, "it became what was asked for");
    }
}

#[test]
fn where_no_region_is_known_nothing_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clips(folder.path()).remove(0);
    let (picture, masks) = (disc(RED), [mask()]);
    let prepare = |planned: &Planned, operation| {
        let masks = if planned.regions.is_empty() { &[][..] } else { &masks };
        clip.prepare(planned, (0, operation), masks, None, [&picture, &picture]).unwrap()
    };
    assert!(prepare(&planned(Operation::Style), Operation::Style).is_some());
    assert!(prepare(&Planned { sure: Vec::new(), ..planned(Operation::Style) }, Operation::Style).is_none());
    assert!(prepare(&planned(Operation::Action), Operation::Action).is_none());
}

#[test]
fn a_stamp_names_model_precision_texts_and_template() {
    let folder = tempfile::tempdir().unwrap();
    let parts = clips(folder.path()).remove(0).stamp_parts();
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    let wanted = ["model", "preprocess", "backend", "texts", "template", "channels"];
    assert!(wanted.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(parts.contains(&("template", b"X, not X".to_vec())));
}

#[test]
fn texts_are_asked_once_and_foretold() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clips(folder.path()).remove(0);
    let planned = planned(Operation::Replace);
    let results = ["a green".to_owned()];
    let unknown: Vec<ContentHash> =
        clip.unknown(&planned, &results).into_iter().map(|(_, text)| text).collect();
    assert_eq!(unknown, ["red", "not red", "green"].map(Texts::content));
    said(&clip, Operation::Replace, "a green", [RED, GREEN]);
    assert_eq!(clip.unknown(&planned, &results), []);
}

#[test]
fn a_box_is_all_the_pixels_that_it_touches() {
    let mask = mask_of_box([1.5, -2.0, 3.2, 2.0], (6, 4));
    assert_eq!((mask.bounds(), mask.area()), (Some([1, 0, 4, 2]), 6));
    assert_eq!(mask_of_box([9.0, 9.0, 9.0, 9.0], (6, 4)).bounds(), Some([5, 3, 6, 4]));
    assert_eq!(mask_of_box([f32::NAN; 4], (6, 4)).area(), 1);
}

#[test]
fn targets_are_written_as_nouns_are() {
    let target = |operation, result| target_of(operation, result);
    assert_eq!(target(Operation::Replace, Some("a blue star")).as_deref(), Some("blue star"));
    assert_eq!(target(Operation::Adjust, Some("the green car ")).as_deref(), Some("green car"));
    assert_eq!(target(Operation::Style, Some("comic")), None);
    assert_eq!(target(Operation::Remove, Some("")), None);
    assert_eq!(target(Operation::Replace, None), None);
}

//! The arithmetic by hand, the words of each operation, and what a CLIP that knows three colours says.

use std::path::Path;

use image::{Rgb as Ink, RgbImage};

use super::*;
use crate::edit::tests::desk::{Desk, Stub};
use crate::judge::clip::tests::lanes;
use crate::models::clip_model::tests::fixtures;
use crate::models::clip_tower::ClipTower;
use crate::models::texts::Texts;
use crate::onnx::Backend;
use crate::onnx::tests::backends;
use crate::pixels::region_crop::Channels;

use Operation::*;

#[test]
fn a_direction_is_the_cosine_of_two_changes() {
    let (x, y, z) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    let of = |pictures: [&[f32]; 2], words: [&[f32]; 2]| direction(pictures, words);
    assert!((of([&x, &y], [&x, &y]) - 1.0).abs() < 1e-6);
    assert!((of([&y, &x], [&x, &y]) + 1.0).abs() < 1e-6);
    // (y - x) . (z - x) = 1, both of length sqrt 2.
    assert!((of([&x, &y], [&x, &z]) - 0.5).abs() < 1e-6);
    assert_eq!(of([&x, &x], [&x, &y]), 0.0, "the picture stayed");
    assert_eq!(of([&x, &y], [&x, &x]), 1.0, "the words say of no change");
    assert!(of([&[f32::NAN, 0.0, 0.0], &y], [&x, &y]).is_nan());
}

#[test]
fn the_words_are_those_of_the_table() {
    let of = |operation, result| {
        words_of(operation, Some("cat"), result).map(|[before, after]| format!("{before}|{after}"))
    };
    let wanted = [
        (Add, Some("cat"), Some("|cat")),
        (Remove, None, Some("cat|")),
        (Replace, Some("a dog"), Some("cat|dog")),
        (Replace, Some(" "), Some("cat|")),
        (Visual, None, Some("cat|")),
        (Background, Some("the sea"), Some("cat|sea")),
        (Adjust, Some("black cat"), Some("cat|black cat")),
        (Adjust, Some("the cat"), None),
        (Adjust, None, None),
        (Style, Some("watercolour"), Some("|watercolour")),
        (Style, None, None),
        (Extract, Some("cat"), None),
        (Action, None, None),
    ];
    for (operation, result, words) in wanted {
        assert_eq!(of(operation, result).as_deref(), words, "{operation:?} {result:?}");
    }
    assert_eq!(words_of(Replace, None, Some("a dog")), None, "no region is known");
}

/// A red object on black, of which an editor makes something bluish.
fn red() -> Vec<u8> {
    let red = RgbImage::from_fn(64, 48, |x, y| {
        let object = (2..20).contains(&x) && (4..30).contains(&y);
        Ink(if object { [250, 10, 0] } else { [20, 20, 20] })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    red.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn clip(store: &Path, backend: &Backend) -> JudgeClip {
    let colours = fixtures().join("colours");
    let texts = Texts::open("clip_text", &colours, backend, 1, &lanes(store)).unwrap();
    JudgeClip::new(ClipTower::open(&colours, backend, 1).unwrap(), texts, Channels::Rgb)
}

#[test]
fn a_picture_that_changed_as_the_words_did_scores_higher() {
    let folder = tempfile::tempdir().unwrap();
    for (number, backend) in backends().into_iter().enumerate() {
        let store = folder.path().join(number.to_string());
        std::fs::create_dir_all(&store).unwrap();
        let mut desk = Desk::of_picture(&store, &red());
        let mut said = |result: &str, operation: Operation| {
            desk.nouns = ["red", "cat", "sky"];
            desk.words.lock().unwrap().instruction.results = vec![result.to_owned()];
            let edit_type = EditType::from_name(operation.name()).unwrap();
            let (pictures, question) = desk.remembered(edit_type, &[operation], &[0]);
            let texts = tempfile::tempdir().unwrap();
            let by_clip = DirectionByClip::new(clip(texts.path(), &backend), pictures);
            let unknown = by_clip.asks_in_turn(std::slice::from_ref(&question)).len();
            let prepared = desk.prepare(&by_clip, &question, None)?;
            assert!(by_clip.asks_in_turn(&[question]).is_empty(), "all that was foretold was asked");
            let answer = by_clip.answer(&mut (), &[prepared]).remove(0);
            answer.map(|reply| (reply.answer.0[0], unknown))
        };
        let (blue, asked) = said("a blue", Replace).unwrap();
        assert_eq!(asked, 2, "red and blue");
        let (green, _) = said("a green", Replace).unwrap();
        assert!(blue > 0.8 && blue > green + 0.2, "it became bluish: {blue}, {green}");
        assert_eq!(said("the red", Adjust).unwrap(), (1.0, 0), "no change in words");
        assert_eq!(said("", Extract).unwrap(), (1.0, 0));
        // This tower has no embedding of no words, as real ones have: that is told.
        let refusal = said("", Remove).unwrap_err();
        assert!(refusal.message.contains("L2 norm is 0"), "{refusal}");
    }
}

#[test]
fn a_style_that_nobody_named_has_no_direction() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::with(Stub::default());
    desk.words.lock().unwrap().instruction.results = vec![String::new()];
    let (pictures, question) = desk.remembered(EditType::Style, &[Style], &[]);
    let by_clip = DirectionByClip::new(clip(folder.path(), &backends().remove(0)), pictures);
    let prepared = desk.prepare(&by_clip, &question, None).unwrap();
    assert!(prepared.is_empty() && by_clip.asks_in_turn(&[question]).is_empty());
    let answers = by_clip.answer(&mut (), &[prepared]);
    assert_eq!(answers[0].as_ref().unwrap().answer, Direction([1.0]));
}

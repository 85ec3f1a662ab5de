//! What an illustrator makes of a picture and its record.

use image::{ImageFormat, Rgb};
use operators::pixels::mask::Mask;
use operators::pixels::rle;
use threshflow::report::DrawnEdit;
use threshflow::row::ContentHash;
use threshflow::shard::{Format, Picture};

use super::*;

const WIDTH: u32 = 800;
const HEIGHT: u32 = 600;

fn grey() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(WIDTH, HEIGHT, Rgb([200; 3]))
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("encodes");
    bytes.into_inner()
}

/// A background above, and an object in its left half with a Chinese noun.
fn record() -> String {
    let mut mask = Mask::empty(WIDTH, HEIGHT);
    for (y, x) in (100..300).flat_map(|y| (80..400).map(move |x| (y, x))) {
        mask.bits[(y * WIDTH + x) as usize] = 1;
    }
    let object = serde_json::json!({
        "class_name": "蘑菇", "bbox": [80.0, 100.0, 400.0, 300.0], "mask": rle::encode(&mask),
        "score": 0.9, "clip_score": 0.8,
    });
    let background =
        serde_json::json!({ "class_name": "sky", "bbox": [800.0, 300.0, 0.0, 0.0], "mask": "broken" });
    let segmentation = serde_json::json!({ "object": [object], "background": [background] });
    serde_json::json!({ "segmentation": segmentation }).to_string()
}

fn illustrate(bytes: &[u8], record: Option<&str>) -> Result<Illustration, Refusal> {
    let picture = Picture {
        member: 0,
        content: ContentHash::of(bytes),
        format: Format::Png,
        width: WIDTH as u16,
        height: HEIGHT as u16,
        orientation: 1,
    };
    Illustrate.illustrate(&Shown { picture: &picture, bytes, record })
}

#[test]
fn regions_are_marked_where_they_are() {
    let shown = illustrate(&grey(), Some(&record())).expect("draws");
    assert_eq!((shown.width, shown.height), (384, 288));
    let [sky, mushroom] = shown.marks.as_slice() else { panic!("{:?}", shown.marks) };
    assert_eq!((sky.noun.as_str(), sky.kind), ("sky", RegionKind::Background));
    assert_eq!(sky.bbox, [0.0, 0.0, 1.0, 0.5], "corners are put in order");
    assert_eq!((mushroom.noun.as_str(), mushroom.kind), ("蘑菇", RegionKind::Object));
    assert_eq!(mushroom.bbox, [0.1, 1.0 / 6.0, 0.5, 0.5]);
    assert_eq!(mushroom.scores, [("score".to_owned(), 0.9), ("clip".to_owned(), 0.8)]);
    let pixels = image::load_from_memory(&shown.bytes).expect("a picture").into_rgb8();
    let is_grey = |x, y| pixels.get_pixel(x, y).0.iter().all(|level| level.abs_diff(200) < 8);
    assert!(is_grey(300, 100) && is_grey(100, 250), "outside of the mask");
    assert!(!is_grey(100, 100) && !is_grey(60, 60), "inside");
}

#[test]
fn without_a_record_there_is_the_picture_alone() {
    for record in [None, Some("{}"), Some("no record")] {
        assert_eq!(illustrate(&grey(), record).expect("draws").marks, []);
    }
    assert_eq!(illustrate(b"no picture", None).expect_err("nothing to see").class, "bad_picture");
}

#[test]
fn a_sheet_has_a_place_for_each() {
    let shown = illustrate(&grey(), Some(&record())).expect("draws");
    let pictures: Vec<OnSheet<'_>> =
        (0..5).map(|n| OnSheet { caption: format!("a/{n}"), illustration: &shown }).collect();
    let sheet = Illustrate.sheet(&pictures).expect("a sheet").expect("is drawn");
    let sheet = image::load_from_memory(&sheet).expect("a PNG").into_rgb8();
    assert_eq!(sheet.dimensions(), (4 * (384 + 14) + 14, 2 * (288 + 24 + 14) + 14));
    // Boxes and labels are drawn in the colours of their regions; an empty place is white.
    let has = |colour: [u8; 3]| sheet.pixels().any(|pixel| pixel.0 == colour);
    assert!(has(colours::of(0)) && has(colours::of(1)));
    assert_eq!(sheet.get_pixel(1000, 500), &Rgb([255; 3]));
    // A picture without regions is left out where others have some.
    let bare = illustrate(&grey(), None).expect("draws");
    let mixed = [
        OnSheet { caption: "bare".into(), illustration: &bare },
        OnSheet { caption: "marked".into(), illustration: &shown },
    ];
    let sheet = Illustrate.sheet(&mixed).expect("a sheet").expect("is drawn");
    assert_eq!(image::load_from_memory(&sheet).expect("a PNG").width(), 384 + 2 * 14);
}

#[test]
fn tiny_and_odd_boxes_are_drawn() {
    let mut shown = illustrate(&grey(), None).expect("draws");
    for bbox in [[0.0; 4], [0.99, 0.99, 1.0, 1.0], [0.5, 0.5, 0.501, 1.0], [0.9, 0.9, 0.1, 0.1]] {
        shown.marks.push(Mark {
            noun: "a noun that is longer than the picture is wide, by far".to_owned(),
            kind: RegionKind::Object,
            scores: Vec::new(),
            bbox,
            colour: [255, 0, 0],
        });
    }
    assert!(
        Illustrate
            .sheet(&[OnSheet { caption: "odd".into(), illustration: &shown }])
            .is_some_and(|it| it.is_ok())
    );
}

/// An edit of one picture of a colour.
fn drawn(level: u8, scores: &[(&str, f32)]) -> DrawnEdit {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(40, 30, Rgb([level, 10, 10]));
    picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    let illustration = Illustration {
        bytes: bytes.into_inner(),
        media_type: "image/png",
        width: 40,
        height: 30,
        marks: Vec::new(),
    };
    DrawnEdit {
        sort: "remove".into(),
        panels: vec![threshflow::report::Panel { caption: "after".into(), illustration }],
        words: Vec::new(),
        scores: scores.iter().map(|(name, score)| ((*name).to_owned(), *score)).collect(),
        notes: Vec::new(),
    }
}

#[test]
fn the_best_edit_of_a_sort_is_best_by_what_ranks_it() {
    // Twenty other scores, of which some are large, say nothing of that; and they are not written over the sort.
    let measures = ["psnr_outside", "shift", "colour_cast", "seam"].map(|name| (name, 90.0));
    let poor = drawn(250, &[&measures[..], &[("follows", 1.0), ("natural", 4.9)]].concat());
    let good = drawn(100, &[("psnr_outside", 20.0), ("follows", 4.0), ("natural", 3.0)]);
    let sheet = |edits: &[&DrawnEdit]| {
        edit_sheet::edit_sheet(edits, &["add", "remove"], &["follows", "natural"]).expect("is drawn")
    };
    let (both, alone) = (sheet(&[&poor, &good]), sheet(&[&good]));
    assert!(both == alone, "the poor one is not shown");
    let with_more = drawn(100, &[&measures[..], &[("follows", 4.0), ("natural", 3.0)]].concat());
    assert!(sheet(&[&with_more]) == alone, "the other scores are not written");
}

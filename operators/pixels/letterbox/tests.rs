//! Letterboxes against OpenCV's bytes, geometry against Python's rounding, and boxes there and back.

use std::path::{Path, PathBuf};

use serde_json::Value;
use threshflow::shard::Format;

use super::*;
use crate::pixels::decode::{Purpose, decode};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/detect")
}

fn read(name: &str) -> Rgb {
    let bytes = std::fs::read(fixtures().join(name)).unwrap();
    decode(&bytes, Format::Png, 1, Purpose::Full).unwrap()
}

fn recorded() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("letterbox.json")).unwrap()).unwrap()
}

fn family(name: &Value) -> LetterboxFamily {
    match name.as_str().unwrap() {
        "mmyolo" => LetterboxFamily::Mmyolo,
        "ultralytics" => LetterboxFamily::Ultralytics,
        other => panic!("{other}"),
    }
}

fn whole(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

#[test]
fn pixels_are_opencvs_to_the_last_bit() {
    let recorded = recorded();
    let cases = recorded["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 22);
    for case in cases {
        let letterbox = Letterbox { family: family(&case["family"]), size: whole(&recorded["size"]) };
        let (name, of) = (case["name"].as_str().unwrap(), case["family"].as_str().unwrap());
        let boxed = letterbox.fit(&read(&format!("pictures/{name}.png"))).unwrap();
        let expected = read(&format!("letterbox/{name}.{of}.png"));
        assert!(boxed.pixels == expected.pixels, "{name} {of}");
        let placement = boxed.to_source;
        assert_eq!(
            (placement.left, placement.top),
            (whole(&case["left"]), whole(&case["top"])),
            "{name} {of}"
        );
        assert_scale(&placement, &case["scale"]);
    }
}

/// To the last bit but one: serde_json reads that one approximately.
fn assert_scale(placement: &Placement, recorded: &Value) {
    for (scale, recorded) in
        [placement.scale_x, placement.scale_y].into_iter().zip([&recorded[0], &recorded[1]])
    {
        let recorded = recorded.as_f64().unwrap();
        assert!((scale - recorded).abs() <= 1e-15 * recorded, "{scale} {recorded}");
    }
}

#[test]
fn sizes_and_padding_round_as_the_families_do() {
    let recorded = recorded();
    let (mut differ, cases) = (0, recorded["at_640"].as_array().unwrap());
    assert!(cases.len() > 300);
    for case in cases {
        let letterbox = Letterbox { family: family(&case[0]), size: 640 };
        let (inner, placement) = letterbox.place(whole(&case[1]), whole(&case[2])).unwrap();
        assert_eq!([inner.0, inner.1], [whole(&case[3][0]), whole(&case[3][1])], "{case}");
        assert_eq!((placement.left, placement.top), (whole(&case[4]), whole(&case[5])), "{case}");
        assert_scale(&placement, &case[6]);
        let other = Letterbox { family: LetterboxFamily::Mmyolo, size: 640 };
        let other = other.place(whole(&case[1]), whole(&case[2]));
        differ += usize::from(other.is_ok_and(|(other, _)| other != inner));
    }
    assert!(differ > 20, "{differ}");
}

#[test]
fn a_box_comes_back_to_where_it_was_and_is_cut_off() {
    for family in [LetterboxFamily::Mmyolo, LetterboxFamily::Ultralytics] {
        let (inner, placement) = Letterbox { family, size: 640 }.place(1023, 767).unwrap();
        let (left, top) = (placement.left as f32, placement.top as f32);
        let all = placement.box_in_source([left, top, left + inner.0 as f32, top + inner.1 as f32]);
        for (found, expected) in all.iter().zip([0.0, 0.0, 1023.0, 767.0]) {
            assert!((found - expected).abs() < 1.0, "{all:?}");
        }
        assert_eq!(placement.box_in_source([-9.0, -9.0, 900.0, 900.0]), [0.0, 0.0, 1023.0, 767.0]);
        let above = placement.box_in_source([100.0, 0.0, 200.0, top - 1.0]);
        assert_eq!((above[1], above[3]), (0.0, 0.0));
    }
}

#[test]
fn a_tensor_is_channel_by_channel_from_0_to_1() {
    let boxed = Boxed {
        pixels: (0..12).map(|i| i * 20).collect(),
        to_source: Letterbox::default().place(2, 2).unwrap().1,
    };
    let mut slot = [9.0; 12];
    boxed.write_tensor(&mut slot);
    for (at, value) in slot.iter().enumerate() {
        assert_eq!(*value, f32::from(boxed.pixels[3 * (at % 4) + at / 4]) / 255.0);
    }
}

#[test]
fn a_thread_and_a_scaled_picture_are_refused() {
    let thread = Rgb::full(2000, 1, vec![7; 6000]).unwrap();
    let refusal = Letterbox::default().fit(&thread).unwrap_err();
    assert_eq!(refusal.class, "too_narrow");
    assert!(refusal.message.contains("2000 x 1"), "{refusal}");
    let mut scaled = Rgb::full(20, 10, vec![7; 600]).unwrap();
    scaled.full_width = 40;
    assert_eq!(Letterbox::default().fit(&scaled).unwrap_err().class, "scaled_picture");
}

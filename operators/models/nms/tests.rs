//! What stays, against torchvision; and how long it takes.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::*;

fn places(list: &Value) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|value| value.as_u64().unwrap() as usize).collect()
}

fn candidates(case: &Value) -> Vec<Candidate> {
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let boxes = case["boxes"].as_array().unwrap().iter();
    let rest = case["scores"].as_array().unwrap().iter().zip(case["classes"].as_array().unwrap());
    boxes
        .zip(rest)
        .map(|(bbox, (score, class))| Candidate {
            bbox: std::array::from_fn(|at| number(&bbox[at])),
            score: number(score),
            class: class.as_u64().unwrap() as u32,
        })
        .collect()
}

#[test]
fn what_stays_is_what_torchvision_keeps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/detect/nms.json");
    let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 20);
    let mut as_usual = 0;
    for case in cases {
        let (name, candidates) = (&case["name"], candidates(case));
        let threshold = case["threshold"].as_str().unwrap().parse().unwrap();
        let all = suppress(&candidates, Among::All, threshold, usize::MAX);
        assert_eq!(all, places(&case["all"]), "{name}");
        let by_class = suppress(&candidates, Among::EachClass, threshold, usize::MAX);
        assert_eq!(by_class, places(&case["by_class"]), "{name}");
        for most in [0, 1, 7, all.len()] {
            let first = &all[..most.min(all.len())];
            assert_eq!(suppress(&candidates, Among::All, threshold, most), first, "{name}");
        }
        as_usual += usize::from(by_class == places(&case["batched_nms"]));
    }
    println!("torchvision's shift of coordinates gives the same in {as_usual} of {}", cases.len());
}

#[test]
fn what_is_no_number_neither_stays_nor_suppresses() {
    let seen = |x: f32, score: f32| Candidate { bbox: [x, 0.0, x + 10.0, 10.0], score, class: 0 };
    let all = [seen(0.0, f32::NAN), seen(f32::NAN, 0.9), seen(0.0, 0.5), seen(1.0, 0.4), seen(50.0, 0.1)];
    assert_eq!(suppress(&all, Among::All, 0.5, usize::MAX), [2, 4]);
    let far = [
        Candidate { bbox: [f32::NEG_INFINITY, 0.0, f32::INFINITY, 1.0], score: 0.9, class: 0 },
        seen(0.0, 0.1),
    ];
    assert_eq!(suppress(&far, Among::All, 0.5, usize::MAX), [0, 1]);
}

#[test]
fn thirty_thousand_boxes_of_three_hundred_classes_are_quick() {
    let mut state = 1u32;
    let mut draw = |most: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 * most
    };
    let all: Vec<Candidate> = (0..30_000)
        .map(|at| {
            let (x, y) = (draw(600.0), draw(600.0));
            Candidate { bbox: [x, y, x + draw(80.0), y + draw(80.0)], score: draw(1.0), class: at % 300 }
        })
        .collect();
    let started = Instant::now();
    let every = suppress(&all, Among::EachClass, 0.7, usize::MAX);
    let first = suppress(&all, Among::EachClass, 0.7, 300);
    println!("all of {} in {:?}", every.len(), started.elapsed());
    assert_eq!(first, every[..300]);
    // Unoptimised tests on a busy machine: 100 times what it takes there.
    assert!(started.elapsed().as_secs() < 20);
}

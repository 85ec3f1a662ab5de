//! What choices promise: stable, fair, and each reachable.

use std::collections::HashMap;

use super::*;

fn picture(number: u32) -> ContentHash {
    ContentHash::of(&number.to_le_bytes())
}

/// Boxes of 50 by 50 in a row, 200 pixels from left side to left side; every noun stands twice.
fn row_of(count: u16) -> Vec<Candidate> {
    (0..count)
        .map(|number| {
            let left = f32::from(number) * 200.0;
            Candidate {
                content: ContentHash::of(&[b"region", &number.to_le_bytes()[..]].concat()),
                number,
                noun: number / 2,
                bbox: [left, 0.0, left + 50.0, 50.0],
                kind: RegionKind::Object,
            }
        })
        .collect()
}

/// Four and a half standard deviations of a binomial count: one of 100,000 such tests would fail by chance.
fn assert_share(count: usize, of: usize, share: f64, what: &str) {
    let (expected, deviation) = (of as f64 * share, (of as f64 * share * (1.0 - share)).sqrt());
    let off = (count as f64 - expected).abs();
    assert!(off <= 4.5 * deviation, "{what}: {count} of {of}, expected {expected:.0}, off by {off:.0}");
}

#[test]
fn a_candidate_that_was_not_chosen_may_leave() {
    let candidates = row_of(12);
    for number in 0..200 {
        let picture = picture(number);
        let one = choose_one(1, &picture, EditType::Replace, &candidates).unwrap();
        let pair = choose_pair(1, &picture, EditType::Hybrid, &candidates, PIXELS_APART).unwrap();
        for gone in &candidates {
            let left: Vec<&Candidate> = candidates.iter().filter(|left| *left != gone).rev().collect();
            let other = choose_one(1, &picture, EditType::Replace, left.iter().copied()).unwrap();
            assert_eq!(other == one, gone != one, "one of picture {number} without {}", gone.number);
            let others =
                choose_pair(1, &picture, EditType::Hybrid, left.iter().copied(), PIXELS_APART).unwrap();
            let (touched, same) = (gone == pair.0 || gone == pair.1, others == pair);
            assert_eq!(same, !touched, "pair of picture {number} without {}", gone.number);
        }
    }
}

#[test]
fn a_pair_has_two_nouns_and_is_apart() {
    let mut candidates = row_of(4);
    // 0 and 1 share a noun, and so do 2 and 3.
    for number in 0..100 {
        let (first, second) =
            choose_pair(1, &picture(number), EditType::Hybrid, &candidates, PIXELS_APART).unwrap();
        assert_ne!(first.noun, second.noun);
    }
    // The gap between neighbours is 150.
    let count = |candidates: &[Candidate], apart: f32| {
        (0..100)
            .filter_map(|number| choose_pair(1, &picture(number), EditType::ContentMemory, candidates, apart))
            .map(|(a, b)| a.number.abs_diff(b.number))
            .min()
    };
    assert_eq!(count(&candidates, 149.9), Some(1));
    assert_eq!(count(&candidates, 150.0), Some(2));
    assert_eq!(count(&candidates, 550.0), None);
    candidates[1].bbox[0] = f32::NAN;
    candidates[0].kind = RegionKind::Background;
    assert_eq!(count(&candidates, 100.0), None);
    assert_eq!(choose_pair(1, &picture(1), EditType::Hybrid, [], 0.0), None);
    assert_eq!(choose_one(1, &picture(1), EditType::Background, &candidates), Some(&candidates[0]));
}

#[test]
fn choices_are_fair() {
    const PICTURES: u32 = 10_000;
    let candidates = row_of(5);
    let (mut ones, mut pairs) = (HashMap::new(), HashMap::new());
    for number in 0..PICTURES {
        let one = choose_one(3, &picture(number), EditType::Add, &candidates).unwrap();
        *ones.entry(one.number).or_insert(0) += 1;
        let (a, b) = choose_pair(3, &picture(number), EditType::Hybrid, &candidates, PIXELS_APART).unwrap();
        *pairs.entry((a.number, b.number)).or_insert(0) += 1;
    }
    assert_eq!(ones.len(), 5);
    for (one, count) in ones {
        assert_share(count, PICTURES as usize, 0.2, &format!("candidate {one}"));
    }
    // Of ten pairs two share a noun; each of the rest in both orders.
    assert_eq!(pairs.len(), 16);
    for (pair, count) in pairs {
        assert_share(count, PICTURES as usize, 1.0 / 16.0, &format!("pair {pair:?}"));
    }
}

#[test]
fn shares_are_met_and_a_greater_one_only_adds() {
    for edit_type in EditType::ALL {
        for share in [0.01, 0.25, 0.5, 0.9] {
            let count =
                (0..10_000).filter(|&number| takes_part(5, &picture(number), edit_type, share)).count();
            assert_share(count, 10_000, f64::from(share), edit_type.name());
        }
    }
    for number in 0..1000 {
        let takes_part = |share| takes_part(5, &picture(number), EditType::Add, share);
        assert!(!takes_part(0.3) || takes_part(0.4));
        assert!(takes_part(1.0) && takes_part(f32::INFINITY));
        assert!(!takes_part(0.0) && !takes_part(-1.0) && !takes_part(f32::NAN));
    }
    // Types are drawn apart from one another.
    let both = (0..10_000).map(picture).filter(|picture| {
        takes_part(5, picture, EditType::Add, 0.5) && takes_part(5, picture, EditType::Remove, 0.5)
    });
    assert_share(both.count(), 10_000, 0.25, "both of two types");
}

#[test]
fn all_operations_are_reached_equally() {
    let expected = [
        (EditType::Hybrid, 12),
        (EditType::ContentMemory, 4),
        (EditType::ContentUnderstanding, 2),
        (EditType::VersionBacktracking, 1),
        (EditType::Style, 1),
    ];
    for (edit_type, kinds) in expected {
        let mut counts: HashMap<Vec<Operation>, usize> = HashMap::new();
        for number in 0..10_000 {
            let pick = pick(9, &picture(number), edit_type.name());
            *counts.entry(operations(edit_type, pick)).or_default() += 1;
        }
        assert_eq!(counts.len(), kinds, "{edit_type}: {counts:?}");
        for (operations, count) in counts {
            assert_share(count, 10_000, 1.0 / kinds as f64, &format!("{edit_type} {operations:?}"));
        }
    }
    for edit_type in EditType::ALL {
        let count = operations(edit_type, 0).len();
        assert_eq!(count, if edit_type == EditType::Hybrid { 2 } else { edit_type.turns() });
    }
}

/// As the first version chose, and as a few lines over Python's `blake3` find too: what changes these changes every
/// published set.
#[test]
fn choices_stay_as_they_are() {
    let picture = ContentHash([7; 16]);
    let numbers = [
        pick(1, &picture, "style"),
        slot(1, "style"),
        rank(1, &picture, EditType::Add, &ContentHash([9; 16])),
    ];
    assert_eq!(numbers, [0x3e27f16dbdad36e0, 0x9e1d24770d58c2a3, 0x4bae75b44fc2ab19]);
    assert_eq!(choose_one(1, &picture, EditType::Add, &row_of(9)).map(|one| one.number), Some(1));
    let nine = row_of(9);
    let pair = choose_pair(1, &picture, EditType::Hybrid, &nine, PIXELS_APART).unwrap();
    assert_eq!((pair.0.number, pair.1.number), (2, 5));
}

//! Estimates against plain arithmetic, and what they say where labels say little.

use super::super::{At, By, Drawn, Estimate, Estimates, Labelled, Passing, clopper_pearson};
use super::{label, labels, near, population};

fn precision(
    labels: Vec<Labelled>,
    passing: Passing,
    rows: &[(std::ops::Range<u16>, u64)],
    at: f32,
) -> Estimate {
    Estimates::new(population(passing, rows), labels).at(at).precision.expect("labels pass")
}

#[test]
fn a_precision_weighs_cells_by_their_rows_of_now() {
    // 3 of 4 of 9,000 rows, and 1 of 2 of 1,000.
    let mut all = labels(2000..3000, 3, 4);
    all.extend(labels(3000..4000, 1, 2));
    let rows = [(2000..3000, 9), (3000..4000, 1), (0..2000, 5)];
    near(precision(all.clone(), Passing::Above, &rows, 1999.5).value, 0.9 * 0.75 + 0.1 * 0.5, 1e-12);
    // Rows came.
    let rows = [(2000..3000, 9), (3000..4000, 91), (0..2000, 5)];
    near(precision(all, Passing::Above, &rows, 1999.5).value, 0.09 * 0.75 + 0.91 * 0.5, 1e-12);
}

#[test]
fn a_recall_is_the_good_rows_that_pass_over_all_good_rows() {
    // All labels of a cell agree, so that the ratio is the plain one: 1,000 of 1,000 + 3,000.
    let mut all = labels(0..1000, 0, 4);
    all.extend(labels(1000..2000, 5, 5));
    all.extend(labels(2000..3000, 6, 6));
    let estimates =
        Estimates::new(population(Passing::Above, &[(0..1000, 100), (1000..2000, 3), (2000..3000, 1)]), all);
    near(estimates.at(1999.9).recall.unwrap().value, 0.25, 1e-3);
    near(estimates.at(-3.0).recall.unwrap().value, 1.0, 0.0);
    let none = estimates.at(9000.0);
    assert_eq!(none.precision, None);
    assert_eq!(none.recall.map(|it| (it.value, it.low, it.high)), Some((0.0, 0.0, 0.0)));
}

#[test]
fn two_draws_are_labels_of_the_cells_that_both_make() {
    // Cells 0..1000, 1000..2000 and 2000..4096; the middle one has labels of both draws: 2 of 3 and 1 of 1.
    let mut all = vec![label(500.0, false, 0..2000), label(700.0, false, 0..2000)];
    all.extend(
        [(1200.0, true), (1500.0, true), (1700.0, false)].map(|(score, good)| label(score, good, 0..2000)),
    );
    all.push(label(1600.0, true, 1000..4096));
    all.extend([(3000.0, true), (3500.0, true)].map(|(score, good)| label(score, good, 1000..4096)));
    let rows = [(0..1000, 30), (1000..2000, 10), (2000..4096, 10)];
    let found = precision(all.clone(), Passing::AtLeast, &rows, 0.0);
    near(found.value, (10_000.0 * 0.75 + 20_960.0) / 60_960.0, 1e-12);
    assert_eq!((found.labels, found.unlabelled), (8, 0.0));
    // A cell that no label fell in is spoken for by its neighbour in the stratum: the labels at 3,000 and 3,500 for the middle.
    let without_middle: Vec<Labelled> =
        all.iter().filter(|it| it.score < 1000.0 || it.score > 2000.0).cloned().collect();
    let found = precision(without_middle, Passing::AtLeast, &rows, 0.0);
    assert_eq!(found.unlabelled, 0.0);
    // As near below as above: below is taken.
    near(found.value, 20_960.0 / 60_960.0, 1e-12);
}

#[test]
fn joined_cells_weigh_each_label_by_the_rows_of_its_own() {
    // The middle has no label, and goes to the cell below; the label there stands for both.
    let all =
        vec![label(500.0, true, 0..2000), label(3000.0, false, 1500..4096), label(3500.0, true, 1500..4096)];
    let rows = [(0..1500, 10), (1500..2000, 10), (2000..4096, 10)];
    near(precision(all, Passing::AtLeast, &rows, 0.0).value, (20_000.0 + 20_960.0 / 2.0) / 40_960.0, 1e-12);
}

#[test]
fn a_label_whose_score_moved_keeps_the_weight_of_its_draw() {
    let drawn = |chance| Drawn { stratum: 0..1000, chance };
    let here = Drawn { stratum: 1000..4096, chance: 0.1 };
    // It stands for a hundred rows, the others for ten each.
    let moved = Labelled { score: 2000.0, rows: 1, good: false, drawn: drawn(0.01) };
    let stayed = |score| Labelled { score, rows: 1, good: true, drawn: here.clone() };
    let rows = [(0..4096, 1)];
    near(
        precision(vec![moved, stayed(2100.0), stayed(2200.0)], Passing::Above, &rows, 1000.0).value,
        20.0 / 120.0,
        1e-12,
    );
}

#[test]
fn a_content_that_stands_often_counts_its_rows_and_is_one_label() {
    let mut all = labels(0..4096, 8, 10);
    let plain = precision(all.clone(), Passing::AtLeast, &[(0..4096, 1000)], 0.0);
    near(plain.value, 0.8, 1e-12);
    let bad = all.iter().position(|it| !it.good).unwrap();
    all[bad].rows = 11;
    let found = precision(all.clone(), Passing::AtLeast, &[(0..4096, 1000)], 0.0);
    near(found.value, 8.0 / 20.0, 1e-12);
    near(found.effective, 400.0 / (9.0 + 121.0), 0.001);
    // Rows that left.
    all[bad].rows = 0;
    near(precision(all, Passing::AtLeast, &[(0..4096, 1000)], 0.0).value, 8.0 / 9.0, 1e-12);
}

#[test]
fn labels_without_a_score_count_nowhere() {
    let mut all = labels(0..4096, 8, 10);
    all[0].score = f32::NAN;
    assert_eq!(Estimates::new(population(Passing::Above, &[(0..4096, 9)]), all).labels(), 9);
}

#[test]
fn rows_that_no_label_speaks_for_widen_the_interval() {
    // A quarter of what passes.
    let rows = [(0..1000, 10), (1000..2000, 30)];
    let all = labels(1000..2000, 9, 10);
    let found = precision(all, Passing::AtLeast, &rows, 0.0);
    let (low, high) = clopper_pearson(0.9, found.effective);
    near(found.unlabelled, 0.25, 1e-12);
    near(found.value, 0.9, 1e-12);
    near(found.low, low * 0.75, 1e-12);
    near(found.high, high * 0.75 + 0.25, 1e-12);
    assert!(found.to_string().ends_with("by 10 labels (25 % of the rows without a label)"), "{found}");
}

#[test]
fn a_side_without_labels_leaves_the_recall_open() {
    let rows = [(0..1000, 10), (1000..2000, 10)];
    let above = Estimates::new(population(Passing::AtLeast, &rows), labels(1000..2000, 10, 10))
        .at(1000.0)
        .recall
        .unwrap();
    assert!(above.high == 1.0 && above.low > 0.3 && above.low < 0.5, "{above:?}");
    let below = Estimates::new(population(Passing::AtLeast, &rows), labels(0..1000, 10, 10))
        .at(1000.0)
        .recall
        .unwrap();
    assert!(below.low == 0.0 && below.high < 0.7 && below.high > 0.5, "{below:?}");
    let bad = Estimates::new(population(Passing::AtLeast, &rows), labels(0..2000, 0, 10)).at(1000.0);
    assert!(bad.recall.is_none() && bad.precision.is_some());
    let nothing = Estimates::new(population(Passing::AtLeast, &rows), Vec::new());
    assert_eq!(nothing.at(1000.0), At { at: 1000.0, precision: None, recall: None });
    assert_eq!(nothing.loosest(0.5, By::Estimate).unwrap(), None);
}

#[test]
fn where_every_row_is_labelled_nothing_is_in_doubt() {
    let mut all = labels(0..1000, 10, 100);
    all.extend(labels(1000..1100, 90, 100));
    let rows = [(1000..1100, 1), (0..100, 1)];
    let found = Estimates::new(population(Passing::AtLeast, &rows), all).at(1000.0);
    let (precision, recall) = (found.precision.unwrap(), found.recall.unwrap());
    assert_eq!((precision.value, precision.low, precision.high), (0.9, 0.9, 0.9));
    assert_eq!((recall.value, recall.low, recall.high), (0.9, 0.9, 0.9));
}

#[test]
fn labels_that_agree_are_not_certain() {
    // Four strata, and most rows in the one with few labels: less is known than by a simple random sample.
    let mut all = labels(0..1000, 5, 5);
    all.extend(labels(1000..2000, 10, 10));
    all.extend(labels(2000..3000, 10, 10));
    all.extend(labels(3000..4000, 5, 5));
    let rows = [(0..1000, 700), (1000..2000, 100), (2000..3000, 100), (3000..4000, 100)];
    let found = precision(all, Passing::AtLeast, &rows, 0.0);
    let simple = clopper_pearson(1.0, 30.0);
    assert!(found.value == 1.0 && found.high == 1.0 && found.low < simple.0 && found.low > 0.5, "{found:?}");
}

#[test]
fn a_dial_that_lets_low_scores_pass_is_the_mirror_of_one_that_lets_high_ones() {
    let rows = [(0..1000, 7), (1000..2500, 3), (2500..4096, 11)];
    let mirrored: Vec<_> =
        rows.iter().map(|(range, rows)| (4096 - range.end..4096 - range.start, *rows)).collect();
    let mut all = labels(0..1000, 2, 7);
    all.extend(labels(1000..2500, 9, 11));
    all.extend(labels(2500..4096, 5, 8));
    let turned = |it: &Labelled| {
        let stratum = 4096 - it.drawn.stratum.end..4096 - it.drawn.stratum.start;
        Labelled { score: 4096.0 - it.score, drawn: Drawn { stratum, chance: 0.01 }, ..it.clone() }
    };
    for (high, low) in [(Passing::Above, Passing::Below), (Passing::AtLeast, Passing::AtMost)] {
        let one = Estimates::new(population(high, &rows), all.clone());
        let other = Estimates::new(population(low, &mirrored), all.iter().map(turned).collect());
        for at in [0.3, 512.4, 1000.0, 1731.25, 2500.0, 3333.3] {
            let (one, other) = (one.at(at), other.at(4096.0 - at));
            for (one, other) in [(one.precision, other.precision), (one.recall, other.recall)] {
                let (one, other) = (one.unwrap(), other.unwrap());
                near(one.value, other.value, 1e-3);
                near(one.low, other.low, 2e-3);
                near(one.high, other.high, 2e-3);
            }
        }
        let loosest = one.loosest(0.8, By::Estimate).unwrap().unwrap();
        assert!(loosest.precision.unwrap().value >= 0.8, "{loosest:?}");
    }
}

#[test]
fn the_loosest_threshold_is_the_first_that_reaches_the_target_by_itself() {
    // Good from 1,000 to 2,000, bad from 2,000 to 3,000, good above: precision falls and rises.
    let mut all = labels(0..1000, 0, 10);
    all.extend(labels(1000..2000, 10, 10));
    all.extend(labels(2000..3000, 0, 10));
    all.extend(labels(3000..4096, 10, 10));
    let rows = [(0..1000, 1), (1000..2000, 8), (2000..3000, 1), (3000..4096, 1)];
    let estimates = Estimates::new(population(Passing::AtLeast, &rows), all);
    let at = |target, by| estimates.loosest(target, by).unwrap().map(|it| it.at);
    // All rows: 9,096 of 11,096 good.
    assert_eq!(at(0.8, By::Estimate), Some(0.0));
    // 9,096 of 10,096, although a tighter cut has less.
    let loosest = at(0.9, By::Estimate).unwrap();
    assert!((900.0..=1000.0).contains(&loosest), "{loosest}");
    assert!(estimates.at(2000.0).precision.unwrap().value < 0.9);
    assert!(at(0.95, By::Estimate).unwrap() > 2900.0);
    assert_eq!(at(0.99, By::LowEnd), None);
    // Every threshold before it is looser, and has less.
    let curve = estimates.curve();
    assert!(curve.is_sorted_by(|a, b| a.at < b.at));
    let before = curve.iter().take_while(|it| it.at < loosest);
    assert!(before.into_iter().all(|it| it.precision.unwrap().value < 0.9));
    // By its low end a threshold reaches less, and so the first that does is tighter, or there is none.
    let targets = (50..100).map(|percent| f64::from(percent) / 100.0);
    let tighter = targets.filter(|target| {
        let careful = curve.iter().find(|it| it.precision.is_some_and(|it| it.low >= *target));
        assert_eq!(at(*target, By::LowEnd), careful.map(|it| it.at));
        careful.is_some_and(|careful| careful.at > at(*target, By::Estimate).unwrap())
    });
    assert!(tighter.count() > 0);
    for wrong in [f64::NAN, 1.5, -0.1, 95.0] {
        let said = estimates.loosest(wrong, By::Estimate).unwrap_err().to_string();
        assert!(said.contains(&wrong.to_string()) && said.contains("0.95"), "{said}");
    }
}

#[test]
fn where_scores_take_few_values_the_labels_say_which_side_a_bucket_is_on() {
    // All rows stand at 1,000 or at 3,000.
    let rows = [(1000..1001, 600), (3000..3001, 400)];
    let mut all: Vec<Labelled> = (0..5).map(|_| label(1000.0, false, 0..2000)).collect();
    all.extend((0..5).map(|_| label(3000.0, true, 2000..4096)));
    for (passing, at, wanted) in [
        (Passing::Above, 1000.0, 1.0),
        (Passing::AtLeast, 1000.0, 0.4),
        (Passing::Below, 3000.0, 0.0),
        (Passing::AtMost, 3000.0, 0.4),
    ] {
        near(precision(all.clone(), passing, &rows, at).value, wanted, 1e-12);
    }
}

//! Intervals against what theory says, and that they are the same on every day.

use super::*;

#[test]
fn an_interval_is_what_theory_gives_for_many_values() {
    // 400 values of mean 3: the standard error is the deviation by the root of n.
    let values: Vec<f64> = (0..400).map(|at| f64::from(at % 5) + 1.0).collect();
    let it = of_mean(&values).expect("values");
    let deviation = (values.iter().map(|it| (it - 3.0).powi(2)).sum::<f64>() / 400.0).sqrt();
    let half = 1.96 * deviation / 20.0;
    assert!((it.value - 3.0).abs() < 1e-12);
    let [low, high] = it.interval.expect("an interval");
    assert!((low - (3.0 - half)).abs() < 0.01 && (high - (3.0 + half)).abs() < 0.01, "{it:?} {half}");
}

#[test]
fn the_same_values_give_the_same_bytes() {
    // Written down on another day.
    let it = of_mean(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("values");
    assert_eq!((it.value, it.interval), (3.0, Some([1.8, 4.2])));
    assert_eq!(Draw::new().next(), FIRST);
    assert_eq!(of_mean(&[4.5]), Some(Estimate { value: 4.5, interval: Some([4.5, 4.5]) }));
    assert_eq!(of_mean(&[]), None);
    assert_eq!(of_means(&[vec![], vec![]]), None);
}

/// As Python's whole numbers give it by the same formula.
const FIRST: u64 = 12920389572198741020;

#[test]
fn groups_are_drawn_within_themselves() {
    // Within a group nothing varies, so the mean of the groups' means doesn't.
    let groups = [vec![1.0; 10], vec![5.0; 3], vec![]];
    assert_eq!(of_means(&groups), Some(Estimate { value: 3.0, interval: Some([3.0, 3.0]) }));
    let over_items = of_mean(&groups.concat()).expect("values");
    let [low, high] = over_items.interval.expect("an interval");
    assert!(high - low > 0.5, "{over_items:?}");
}

#[test]
fn a_difference_is_significant_where_it_is_large() {
    let small: Vec<f64> = (0..50).map(|at| if at % 2 == 0 { 0.9 } else { -0.8 }).collect();
    let large: Vec<f64> = (0..50).map(|at| if at % 2 == 0 { 0.9 } else { 0.1 }).collect();
    assert!(two_sided(&small).expect("values") > 0.3);
    assert!(two_sided(&large).expect("values") < 0.001);
    assert_eq!(two_sided(&[0.0; 10]), Some(1.0));
    // All of three are alike: resamples can't know that the fourth may not be.
    assert_eq!((two_sided(&[1.0; 9]), two_sided(&[])), (None, None));
    // On either side the same.
    let turned: Vec<f64> = large.iter().map(|it| -it).collect();
    assert_eq!(two_sided(&large), two_sided(&turned));
}

#[test]
fn quantiles_are_numpys() {
    let sorted = [1.0, 2.0, 4.0, 8.0];
    let near = |share: f64, value: f64| assert!((quantile(&sorted, share) - value).abs() < 1e-12);
    near(0.0, 1.0);
    near(1.0, 8.0);
    near(0.5, 3.0);
    near(0.25, 1.75);
}

//! Against SciPy, scikit-learn and statsmodels, as `fixtures/statistics.py` wrote it down.

use serde_json::Value;

use super::*;

fn reference() -> Value {
    serde_json::from_str(include_str!("../fixtures/statistics.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|it| it.as_f64().expect("a number")).collect()
}

fn near(ours: Option<f64>, theirs: &Value, what: &str) {
    let (ours, theirs) = (ours.expect(what), theirs.as_f64().expect("a number"));
    assert!((ours - theirs).abs() < 1e-12, "{what}: {ours}, and {theirs} by the reference");
}

#[test]
fn correlations_are_scipys() {
    let cases = reference()["correlations"].as_array().expect("cases").clone();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        near(pearson(&a, &b), &case["pearson"], "pearson");
        near(spearman(&a, &b), &case["spearman"], "spearman");
        near(kendall(&a, &b), &case["kendall"], "kendall");
        near(pairwise(&a, &b, 0), &case["pairwise"], "pairwise");
    }
}

#[test]
fn kappas_are_those_of_scikit_learn_and_statsmodels() {
    for case in reference()["cohen"].as_array().expect("cases") {
        let verdicts = |name: &str| {
            case[name]
                .as_array()
                .expect("a list")
                .iter()
                .map(|it| it.as_bool().expect("a verdict"))
                .collect::<Vec<_>>()
        };
        let pairs: Vec<(bool, bool)> = verdicts("a").into_iter().zip(verdicts("b")).collect();
        near(cohen(&pairs), &case["kappa"], "cohen");
    }
    for case in reference()["fleiss"].as_array().expect("cases") {
        let counts: Vec<(usize, usize)> = serde_json::from_value(case["counts"].clone()).expect("counts");
        near(fleiss(&counts), &case["kappa"], "fleiss");
    }
}

#[test]
fn what_is_not_defined_is_none() {
    assert_eq!(pearson(&[1.0], &[1.0]), None);
    assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    assert_eq!(kendall(&[1.0, 2.0], &[3.0, 3.0]), None);
    assert_eq!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), None);
    assert_eq!(pairwise(&[1.0], &[1.0], 0), None);
    assert_eq!(pairwise(&[2.0, 2.0], &[1.0, 3.0], 0), Some(0.0), "a tie of one alone is a disagreement");
    assert_eq!(pairwise(&[2.0, 2.0], &[3.0, 3.0], 0), Some(1.0));
    assert_eq!(pairwise(&[2.0, 2.0], &[3.0, 3.0], 1), None, "an item with itself is no pair");
    assert_eq!((cohen(&[]), cohen(&[(true, true), (true, true)])), (None, None));
    assert_eq!((fleiss(&[]), fleiss(&[(1, 0), (0, 1)])), (None, None));
    assert_eq!(fleiss(&[(2, 0), (0, 3), (1, 0)]), Some(1.0));
}

//! Comparisons: what is paired, what is only counted.

use super::*;
use crate::{Answer, Lacks, Said, by_name};

fn judged(key: &str, prompt: &str, score: Option<u32>) -> Judged {
    let item = Item {
        key: key.into(),
        prompts: vec![prompt.into()],
        groups: BTreeMap::from([("type".to_owned(), "uge".to_owned())]),
        ..Item::default()
    };
    let said = score.map(|score| Said::Text(format!("Score: {score}")));
    let answers = said.map(|said| Answer { ask: "score".into(), pass: 1, said }).into_iter().collect();
    let lacks = score.is_none().then(|| Lacks { class: "missing_result".into(), message: String::new() });
    Judged { item, lacks, answers }
}

#[test]
fn pairs_are_the_same_items_with_a_score_in_both() {
    let benchmark = by_name("imgedit-uge").expect("uge");
    let a = [
        judged("1", "p", Some(2)),
        judged("2", "p", Some(4)),
        judged("3", "p", Some(3)),
        judged("4", "old", Some(1)),
        judged("5", "p", Some(1)),
        judged("6", "p", None),
        judged("7", "p", Some(5)),
        judged("8", "p", None),
    ];
    let b = [
        judged("1", "p", Some(5)),
        judged("2", "p", Some(3)),
        judged("3", "p", Some(3)),
        judged("4", "new", Some(5)),
        judged("6", "p", Some(5)),
        judged("7", "p", None),
        judged("8", "p", None),
        judged("9", "p", Some(5)),
    ];
    let it = Comparison::of(benchmark, &a, &b, Counting::default());
    let keys: Vec<&str> = it.pairs.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(keys, ["2", "3", "1"], "the worst for the second first");
    assert_eq!((it.all.n, it.all.better, it.all.worse, it.all.same), (3, 1, 1, 1));
    assert!((it.all.difference.expect("pairs").value - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(
        (it.scored_only_a.as_slice(), it.scored_only_b.as_slice()),
        (&["7".to_owned()][..], &["6".to_owned()][..])
    );
    assert_eq!(it.scored_in_neither, 1);
    assert_eq!((it.differ.only_a.len(), it.differ.only_b.len(), it.differ.changed.len()), (1, 1, 1));
    let warning = it.differ.warning().expect("they differ");
    assert!(warning.contains("differ in 3") && warning.contains("1 have another prompt"), "{warning}");
    assert_eq!(it.groups["uge"].n, 3);

    let turned = Comparison::of(benchmark, &b, &a, Counting::default());
    assert_eq!((turned.all.better, turned.all.worse, turned.all.p), (1, 1, it.all.p));
}

#[test]
fn the_same_items_have_no_warning_and_a_clear_difference_is_significant() {
    let benchmark = by_name("imgedit-uge").expect("uge");
    let all = |score: fn(u32) -> u32| -> Vec<Judged> {
        (0..40).map(|at| judged(&at.to_string(), "p", Some(score(at)))).collect()
    };
    let it =
        Comparison::of(benchmark, &all(|at| at % 3 + 1), &all(|at| at % 3 + 1 + at % 2), Counting::default());
    assert_eq!(it.differ.warning(), None);
    assert_eq!(it.all.difference.expect("pairs").value, 0.5);
    assert!(it.all.p.expect("pairs") < 0.001, "{:?}", it.all);
    let none = Comparison::of(benchmark, &all(|at| at % 5 + 1), &all(|at| at % 5 + 1), Counting::default());
    assert_eq!((none.all.p, none.all.same), (Some(1.0), 40));
}

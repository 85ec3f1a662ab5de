//! Tables: counts that add up, both overalls, and the leaderboard's rows.

use super::*;
use crate::{Answer, Item, Lacks, Parser, Said, by_name, python_round};

pub(crate) fn item(key: &str, group: &str) -> Item {
    Item {
        key: key.into(),
        prompts: vec!["p".into()],
        rubric: group.into(),
        groups: BTreeMap::from([("type".to_owned(), group.to_owned())]),
        ..Item::default()
    }
}

fn text(pass: u32, text: &str) -> Answer {
    Answer { ask: "score".into(), pass, said: Said::Text(text.into()) }
}

fn refused(pass: u32, class: &str) -> Answer {
    Answer { ask: "score".into(), pass, said: Said::Refused { class: class.into(), message: "no".into() } }
}

fn lines(scores: [u32; 3]) -> String {
    let [first, second, third] = scores;
    format!("Prompt Compliance: {first}\nVisual Naturalness: {second}\nPhysical & Detail Integrity: {third}")
}

fn judged(key: &str, group: &str, answers: Vec<Answer>) -> Judged {
    Judged { item: item(key, group), lacks: None, answers }
}

fn basic(judged: &[Judged], counting: Counting) -> Table {
    Table::of(by_name("imgedit-basic").expect("basic"), judged, counting)
}

#[test]
fn every_item_is_counted_once_and_a_refusal_is_no_score() {
    let mut lacking = judged("e", "style", vec![]);
    lacking.lacks = Some(Lacks { class: "missing_result".into(), message: String::new() });
    let all = [
        judged(
            "a",
            "add",
            vec![text(1, &lines([5, 4, 3])), text(2, &lines([4, 4, 4])), refused(3, "content_filter")],
        ),
        judged("b", "add", vec![refused(1, "content_filter"), refused(2, "model_declined")]),
        judged("c", "add", vec![text(1, "no numbers"), refused(2, "content_filter")]),
        judged("d", "style", vec![text(1, &lines([1, 5, 5]))]),
        lacking,
        judged("f", "style", vec![]),
    ];
    let table = basic(&all, Counting::default());
    let row = &table.all.row;
    assert_eq!((row.n, row.scored, row.refused, row.unread, row.unasked), (6, 2, 1, 1, 1));
    assert_eq!(row.lacking, BTreeMap::from([("missing_result".to_owned(), 1)]));
    assert_eq!(
        row.n,
        row.scored + row.refused + row.unread + row.unasked + row.lacking.values().sum::<usize>()
    );
    let refusals = [("content_filter".to_owned(), 3), ("model_declined".to_owned(), 1)];
    assert_eq!(row.refusals, BTreeMap::from(refusals));
    assert_eq!((row.answers, row.unread_answers, row.rule_breaking), (8, 1, 1));
    // a: 4 in both passes; d: 11 / 3.
    let mean = row.mean.expect("a mean").value;
    assert!((mean - (4.0 + 11.0 / 3.0) / 2.0).abs() < 1e-12, "{mean}");
    assert_eq!(table.groups["type"]["add"].n, 3);
    assert_eq!(table.groups["type"]["style"].lacking["missing_result"], 1);
    assert_eq!(table.items[0].passes, BTreeMap::from([(1, Some(4.0)), (2, Some(4.0)), (3, None)]));

    // What is no refusal is not called one.
    let cut = [judged("a", "add", vec![refused(1, "answer_cut"), refused(2, "bad_input")])];
    let row = basic(&cut, Counting::default()).all.row;
    assert_eq!((row.n, row.refused, row.unread, row.refusals.len()), (1, 0, 1, 0));
    let missing = ["answer_cut", "bad_input"].map(|class| (class.to_owned(), 1));
    assert_eq!((row.unread_answers, row.missing_answers), (2, BTreeMap::from(missing)));

    let mut turned = all.to_vec();
    turned.reverse();
    assert_eq!(basic(&turned, Counting::default()), table, "the order of the items is of no matter");
}

#[test]
fn clamping_is_only_where_it_is_asked_for() {
    let all = [judged("d", "style", vec![text(1, &lines([1, 5, 5]))])];
    let mean = |counting| basic(&all, counting).all.by_items.expect("a mean").value;
    assert_eq!(mean(Counting::default()), 11.0 / 3.0);
    let clamped = Counting { clamp: true, ..Counting::default() };
    assert_eq!(mean(clamped), 1.0);
    assert_eq!(basic(&all, clamped).all.row.rule_breaking, 1, "and is counted all the same");
    let upstream = Counting { parser: Parser::Upstream, clamp: false };
    assert_eq!(mean(upstream), 3.67, "upstream rounds each answer's mean");
}

#[test]
fn another_parser_counts_the_same_answers_otherwise() {
    let answer =
        "**Prompt Compliance:** 4\nVisual Naturalness: 3\nPhysical & Detail Integrity: 3.5\nSeats: 2";
    let all = [judged("a", "add", vec![text(1, answer)])];
    let by = |parser| basic(&all, Counting { parser, clamp: false });
    assert_eq!(by(Parser::Default).all.by_items.expect("a mean").value, 3.5);
    let upstream = by(Parser::Upstream);
    assert_eq!(upstream.all.by_items.expect("a mean").value, 2.5, "3 and 2 are all that it takes");
    assert_eq!(upstream.all.row.dropped_lines, 4, "{:?}", upstream.items[0].dropped);
}

/// Of the leaderboard: the types in its order, their sizes, and rows with the printed overall.
const TYPES: [(&str, usize); 9] = [
    ("add", 95),
    ("adjust", 94),
    ("extract", 117),
    ("replace", 92),
    ("remove", 86),
    ("background", 94),
    ("style", 100),
    ("compose", 23),
    ("action", 36),
];
const ROWS: [(&str, [f64; 9], f64); 3] = [
    ("GPT-4o-Image", [4.61, 4.33, 2.90, 4.35, 3.66, 4.57, 4.93, 3.96, 4.89], 4.20),
    ("UniWorld-V1", [3.82, 3.64, 2.27, 3.47, 3.24, 2.99, 4.21, 2.96, 2.74], 3.26),
    ("MagicBrush", [2.84, 1.58, 1.51, 1.97, 1.58, 1.75, 2.38, 1.62, 1.22], 1.83),
];

/// Answers of a benchmark with one score of any value from 1 to 5, whose groups have these means and the real sizes.
fn leaderboard(means: [f64; 9]) -> Vec<Judged> {
    let mut all = Vec::new();
    for ((name, size), mean) in TYPES.into_iter().zip(means) {
        for at in 0..size {
            // Pairs about the mean; the odd one out is the mean itself.
            let apart = if at + 1 == size && size % 2 == 1 { 0.0 } else { [-0.05, 0.05][at % 2] };
            let answer = lines_of(mean + apart);
            all.push(judged(&format!("{name}{at}"), name, vec![text(1, &answer)]));
        }
    }
    all
}

fn lines_of(score: f64) -> String {
    format!(
        "Prompt Compliance: {score:.4}\nVisual Naturalness: {score:.4}\nPhysical & Detail Integrity: {score:.4}"
    )
}

#[test]
fn the_leaderboards_rows_come_out_of_one_overall_or_the_other() {
    let mut printed = Vec::new();
    for (model, means, overall) in ROWS {
        let table = basic(&leaderboard(means), Counting::default());
        assert_eq!((table.all.row.n, table.all.row.scored), (737, 737));
        for ((name, size), mean) in TYPES.into_iter().zip(means) {
            let row = &table.groups["type"][name];
            assert_eq!(
                (row.n, python_round(row.mean.expect("a mean").value, 2)),
                (size, mean),
                "{model} {name}"
            );
        }
        let of = |it: Option<Estimate>| python_round(it.expect("a mean").value, 2);
        printed.push((model, of(table.all.by_items), of(table.all.by_groups), overall));
    }
    // Two rows print the mean over types. The first prints neither: 4.20 is the mean over items if its types' means, which are
    // printed rounded, lie at the upper end of what rounds so; it is far from the mean over types in any case.
    assert_eq!(
        printed,
        [
            ("GPT-4o-Image", 4.19, 4.24, 4.20),
            ("UniWorld-V1", 3.31, 3.26, 3.26),
            ("MagicBrush", 1.89, 1.83, 1.83)
        ]
    );
    let means = ROWS[0].1;
    let table = basic(&leaderboard(means.map(|mean| mean + 0.0045)), Counting::default());
    for ((name, _), mean) in TYPES.into_iter().zip(means) {
        assert_eq!(python_round(table.groups["type"][name].mean.expect("a mean").value, 2), mean, "{name}");
    }
    let of = |it: Option<Estimate>| python_round(it.expect("a mean").value, 2);
    assert_eq!((of(table.all.by_items), of(table.all.by_groups)), (4.20, 4.25));
}

fn answer(ask: &str, said: &str) -> Answer {
    Answer { ask: ask.into(), pass: 1, said: Said::Text(said.into()) }
}

#[test]
fn gedits_score_is_the_root_of_the_lowest_and_its_total_the_mean_of_groups() {
    let benchmark = by_name("gedit").expect("gedit");
    let one = |key: &str, group: &str, there: &str, sc: [u32; 2], pq: [u32; 2]| {
        let groups = [("type", group), ("language", "en"), ("intersection", there)];
        let groups = groups.map(|(dimension, group)| (dimension.to_owned(), group.to_owned())).into();
        let list = |scores: [u32; 2]| format!("{{\"score\": {scores:?}}}");
        let answers = vec![answer("sc", &list(sc)), answer("pq", &list(pq))];
        Judged { item: Item { groups, ..item(key, group) }, lacks: None, answers }
    };
    let all = [
        one("a", "x", "yes", [9, 10], [4, 8]),
        one("b", "x", "no", [0, 10], [9, 9]),
        one("c", "y", "yes", [4, 4], [4, 4]),
    ];
    let table = Table::of(benchmark, &all, Counting::default());
    let scores: Vec<f64> = table.items.iter().filter_map(|it| it.score).collect();
    assert_eq!(scores, [6.0, 0.0, 4.0]);
    let value = |it: Option<Estimate>| it.expect("a mean").value;
    assert_eq!((value(table.all.by_items), value(table.all.by_groups)), (10.0 / 3.0, 3.5));
    let subsets: Vec<(&str, usize, f64)> =
        table.subsets.iter().map(|it| (it.name.as_str(), it.row.n, value(it.by_groups))).collect();
    assert_eq!(subsets, [("en", 3, 3.5), ("en, intersection", 2, 5.0)]);
    assert_eq!(table.scores["success"].0, 3);

    let mut half = all[0].clone();
    half.answers.pop();
    let half = Table::of(benchmark, &[half], Counting::default());
    assert_eq!((half.all.row.scored, half.all.row.unasked), (0, 1), "half an answer is no score");
}

#[test]
fn rises_weights_and_accuracy() {
    let benchmark = by_name("rise").expect("rise");
    let one = |asks: &[(&str, u32)]| {
        let asked = asks.iter().map(|(ask, _)| (*ask).to_owned()).collect();
        let answers = asks.iter().map(|(ask, score)| answer(ask, &format!("Final Score: {score}"))).collect();
        let judged = Judged { item: Item { asks: asked, ..item("a", "x") }, lacks: None, answers };
        let it = score(benchmark, &judged, Counting::default());
        (it.score.expect("a score"), it.accuracy.expect("an accuracy"))
    };
    let near = |(score, accuracy): (f64, f64), wanted: (f64, f64)| {
        assert!(
            (score - wanted.0).abs() < 1e-12 && accuracy == wanted.1,
            "{score} {accuracy}, not {wanted:?}"
        );
    };
    near(one(&[("consistency", 4), ("reasoning", 3), ("plausibility", 5)]), (3.7, 0.0));
    near(one(&[("consistency", 5), ("reasoning", 5), ("plausibility", 5)]), (5.0, 1.0));
    near(one(&[("reasoning", 5), ("plausibility", 5)]), (5.0, 1.0));
    near(one(&[("reasoning", 4), ("plausibility", 2)]), (3.6, 0.0));
    near(one(&[("consistency", 5), ("reasoning", 1), ("plausibility", 5)]), (1.5, 0.0));
    near(one(&[("consistency", 1), ("reasoning", 1), ("plausibility", 2)]), (1.0, 0.0));
    near(one(&[("logic_consistency", 1), ("logic_reasoning", 1)]), (5.0, 1.0));
    near(one(&[("logic_consistency", 1), ("logic_reasoning", 0)]), (1.1, 0.0));
    near(one(&[("logic_consistency_reference", 0), ("logic_reasoning_reference", 1)]), (3.8, 0.0));
}

#[test]
fn a_score_that_is_missing_does_not_make_another_formula() {
    let benchmark = by_name("rise").expect("rise");
    let asks = ["consistency", "reasoning", "plausibility"].map(str::to_owned).to_vec();
    let answers = vec![
        answer("consistency", "none"),
        answer("reasoning", "Final Score: 5"),
        answer("plausibility", "Final Score: 5"),
    ];
    let judged = Judged { item: Item { asks, ..item("a", "x") }, lacks: None, answers };
    let it = score(benchmark, &judged, Counting::default());
    assert_eq!((it.score, it.accuracy, it.without), (None, None, Some(Without::Unread)));
}

#[test]
fn kris_means_are_over_the_dimensions_that_an_item_has() {
    let benchmark = by_name("kris").expect("kris");
    let one = |key: &str, asks: &[&str], answers: &[(&str, &str)]| Judged {
        item: Item { asks: asks.iter().map(|it| (*it).to_owned()).collect(), ..item(key, "x") },
        lacks: None,
        answers: answers.iter().map(|(ask, said)| answer(ask, said)).collect(),
    };
    let all = [
        one(
            "a",
            &["consistency", "instruction", "quality"],
            &[
                ("consistency", "{\"consistency_score\": 5}"),
                ("instruction", "{\"instruction_score\": 2}"),
                ("quality", "{\"quality_score\": 5}"),
            ],
        ),
        one(
            "b",
            &["consistency", "knowledge", "quality"],
            &[
                ("consistency", "{\"consistency_score\": 4}"),
                ("knowledge", "{\"instruction_score\": 2, \"knowledge_score\": 1}"),
                ("quality", "{\"quality_score\": 5}"),
            ],
        ),
        one(
            "c",
            &["consistency", "instruction", "quality"],
            &[
                ("consistency", "{\"consistency_score\": null}"),
                ("instruction", "{\"instruction_score\": 2}"),
                ("quality", "{\"quality_score\": 5}"),
            ],
        ),
    ];
    let table = Table::of(benchmark, &all, Counting::default());
    let scores: Vec<Option<f64>> = table.items.iter().map(|it| it.score).collect();
    assert_eq!(scores, [Some(4.0), Some(3.0), None]);
    let of: Vec<(&str, usize)> = table.scores.iter().map(|(name, (n, _))| (name.as_str(), *n)).collect();
    assert_eq!(of, [("consistency", 2), ("instruction", 3), ("knowledge", 1), ("quality", 3)]);
    assert_eq!(table.all.row.unread, 1);
}

#[test]
fn complex_edits_score_is_the_mean_of_three_and_passes_are_samples() {
    let benchmark = by_name("complex-edit").expect("complex-edit");
    let mut all = Vec::new();
    for (pass, following) in [(1, 8), (2, 10)] {
        let alignment = format!("Instruction following: {following}\nIdentity preservation: 6");
        all.push(Answer { pass, ..answer("alignment", &alignment) });
        all.push(Answer { pass, ..answer("quality", "Perceptual quality: 10") });
    }
    let table = Table::of(
        benchmark,
        &[Judged { item: item("a", "x"), lacks: None, answers: all }],
        Counting::default(),
    );
    assert_eq!(table.passes.means, BTreeMap::from([(1, 8.0), (2, 26.0 / 3.0)]));
    assert!((table.passes.spread.expect("two passes") - 2.0 / 3.0).abs() < 1e-12);
    let half = (26.0 / 3.0 - 8.0) / 2.0;
    assert!((table.passes.deviation.expect("two passes") - half * 2f64.sqrt()).abs() < 1e-12);
}

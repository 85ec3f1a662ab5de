//! Tables as people and programs see them.

use super::*;
use crate::table::tests::item;
use crate::{Answer, Benchmark, Counting, Judged, Parser, Said, by_name};

fn basic() -> &'static Benchmark {
    by_name("imgedit-basic").expect("basic")
}

fn judged(key: &str, group: &str, scores: [u32; 3]) -> Judged {
    let [first, second, third] = scores;
    let text = format!(
        "Prompt Compliance: {first}\nVisual Naturalness: {second}\nPhysical & Detail Integrity: {third}"
    );
    Judged {
        item: item(key, group),
        lacks: None,
        answers: vec![Answer { ask: "score".into(), pass: 1, said: Said::Text(text) }],
    }
}

fn entry(model: &str, judged: &[Judged], counting: Counting) -> Entry {
    let made = Made {
        judge: "J|1".into(),
        rubric: "prompts.json".into(),
        rubric_hash: "ab".repeat(32),
        date: "2026-01-02".into(),
    };
    Entry { model: model.into(), made, table: Table::of(basic(), judged, counting) }
}

fn two_models() -> Tables {
    let a = [judged("1", "add", [5, 4, 4]), judged("2", "style", [1, 4, 4])];
    let mut b = [judged("1", "add", [3, 3, 3]), judged("2", "style", [2, 2, 2])];
    b[1].answers[0].said = Said::Refused { class: "content_filter".into(), message: "no".into() };
    Tables { entries: vec![entry("A", &a, Counting::default()), entry("B", &b, Counting::default())] }
}

#[test]
fn markdown_has_both_overalls_counts_and_hashes() {
    let tables = two_models();
    let text = tables.markdown();
    assert_eq!(text, tables.clone().markdown());
    let hash = &tables.entries[0].table.items_hash[..12];
    let lines = [
        "# imgedit-basic",
        "| mean | A | B |",
        "|---|---:|---:|",
        "| overall (mean over items) | 3.67 [3.00, 4.33] | 3.00 [3.00, 3.00] |",
        "| overall (mean over groups) | 3.67 [3.67, 3.67] | 3.00 [3.00, 3.00] |",
        "| type add | 4.33 [4.33, 4.33] (1/1) | 3.00 [3.00, 3.00] (1/1) |",
        "| type style | 3.00 [3.00, 3.00] (1/1) | - (0/1) |",
        "| items (n) | 2 | 2 |",
        "| scored | 2 | 1 |",
        "| without a score: the judge refused | 0 | 1 |",
        "| answers that break the rubric's rule | 1 | 0 |",
        "| answers refused: content\\_filter | 0 | 1 |",
        "| judge | J\\|1 | J\\|1 |",
        "| rubric's hash | abababababab | abababababab |",
        &format!("| items' hash | {hash} | {hash} |"),
        "| date | 2026-01-02 | 2026-01-02 |",
    ];
    for line in lines {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert!(!text.contains("Warning"), "{text}");
}

#[test]
fn what_does_not_compare_is_warned_of_with_counts() {
    let mut tables = two_models();
    let mut other = judged("1", "add", [3, 3, 3]);
    other.item.prompts = vec!["another".into()];
    let upstream = Counting { parser: Parser::Upstream, clamp: false };
    let mut forked = entry("C", &[other, judged("3", "style", [2, 2, 2])], upstream);
    forked.made.rubric_hash = "cd".repeat(32);
    tables.entries.push(forked);
    let warnings = tables.warnings().join("\n");
    for told in [
        "A and C: the items differ in 3: 1 are only in the first, 1 only in the second, and 1 have another prompt",
        "differ in the rubric: prompts.json (abababababab) and prompts.json (cdcdcdcdcdcd)",
        "differ in the parser: default and upstream",
    ] {
        assert!(warnings.contains(told), "{told}\n{warnings}");
    }
    assert!(!warnings.contains("A and B"), "{warnings}");
    assert_eq!(tables.markdown().matches("> **Warning:**").count(), 3);
}

#[test]
fn csv_and_json_have_the_same_numbers() {
    let tables = two_models();
    let csv = tables.csv();
    let lines: Vec<&str> = csv.lines().collect();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let head = cells(lines[0]);
    // Two overalls, two types, three named scores; for each model.
    assert_eq!(lines.len(), 1 + 2 * (2 + 2 + 3));
    assert!(lines.iter().all(|line| cells(line).len() == head.len()), "{csv}");
    let place = |name: &str| head.iter().position(|it| it == name).expect("a column");
    let first = cells(lines[1]);
    let of = |name: &str| first[place(name)].clone();
    assert_eq!(
        [of("model"), of("group"), of("mean"), of("low"), of("n"), of("rule_breaking")],
        ["A", BY_ITEMS_, "3.67", "3.00", "2", "1"]
    );
    assert_eq!([of("judge"), of("parser"), of("date")], ["J|1", "default", "2026-01-02"]);

    let json: serde_json::Value = serde_json::from_str(&tables.json()).expect("JSON");
    assert_eq!(json["format"], "threshflow benchmark tables/1");
    let table = &json["tables"][0]["table"];
    assert_eq!(table["all"]["by_items"]["value"], 11.0 / 3.0);
    assert_eq!(table["counting"]["parser"], "default");
    assert_eq!(json["tables"][1]["table"]["all"]["row"]["refusals"]["content_filter"], 1);
    assert_eq!(tables.json(), tables.clone().json());
}

const BY_ITEMS_: &str = crate::BY_ITEMS;

#[test]
fn comparisons_list_what_got_worse_and_better() {
    let a = [judged("1", "add", [5, 5, 5]), judged("2", "add", [2, 2, 2]), judged("3|x", "style", [3, 3, 3])];
    let b = [
        judged("1", "add", [4, 4, 4]),
        judged("2", "add", [5, 5, 5]),
        judged("3|x", "style", [3, 3, 3]),
        judged("4", "add", [1, 1, 1]),
    ];
    let it = crate::Comparison::of(basic(), &a, &b, Counting::default());
    let text = it.markdown("A", "B", 10);
    for line in [
        "> **Warning:** the items differ in 1: 0 are only in the first, 1 only in the second, and 0 have another prompt, type or fact under the same key. Their totals don't compare; judge both on one file of items.",
        "| items | pairs | B better | B worse | same | mean difference | p |",
        "| style | 1 | 0 | 0 | 1 | 0.00 [0.00, 0.00] | - |",
        "| 1 | 5.00 | 4.00 | -1.00 |",
        "| 2 | 2.00 | 5.00 | 3.00 |",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert!(text.find("| worse |") < text.find("| better |"), "{text}");
    assert_eq!(it.markdown("A", "B", 0).matches("better").count(), 1);
    assert_eq!(
        it.csv("A", "B"),
        "key,A,B,difference\n1,5.00,4.00,-1.00\n3|x,3.00,3.00,0.00\n2,2.00,5.00,3.00\n"
    );
    let json: serde_json::Value = serde_json::from_str(&it.json("A", "B")).expect("JSON");
    assert_eq!(json["comparison"]["all"]["n"], 3);
    assert_eq!(json["comparison"]["pairs"][0]["key"], "1");
}

#[test]
fn agreement_and_turns_are_shown() {
    let people = crate::People::read("key,score\n1,5\n2,3\n3,1\n").expect("read");
    let judged =
        [judged("1", "add", [5, 5, 5]), judged("2", "add", [3, 3, 3]), judged("3", "style", [1, 1, 1])];
    let of = crate::graded("m", basic(), &judged, Counting::default());
    let it = crate::Agreement::of(&of, &people).expect("in common");
    let text = it.markdown("J");
    assert!(text.lines().any(|line| line.starts_with("| all | 3 | 1.00 [1.00, 1.00] |")), "{text}");
    assert!(text.lines().any(|line| line == "| style | 1 | - | - | - | - |"), "{text}");
    assert!(it.json("J").contains("\"format\": \"threshflow benchmark agreement/1\""));

    let turns: Vec<crate::Turn> = [1, 2]
        .map(|turn| crate::Turn { key: "k".into(), turn, category: "c".into(), prompt: "p".into() })
        .into();
    let votes = crate::votes("key,turn,rater,verdict\nk,1,A,yes\nk,1,B,no\n", &turns).expect("read");
    let text = crate::TurnTotals::of(&turns, &votes, crate::Chain::Each).markdown("people");
    assert!(
        text.lines().any(|line| line == "| c | 50 % (1 turns, 2 votes) | 50 % (1 turns, 2 votes) | - |"),
        "{text}"
    );
    assert!(text.contains("1 turns have no verdict"), "{text}");
    assert!(
        crate::RatersAgree::of(&votes).markdown().contains("Cohen's kappa of A and B: 0.00 over 1 turns")
    );
}

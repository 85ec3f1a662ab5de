//! Sheets of turns: out, filled, and back.

use super::*;
use crate::{Answer, by_name};

fn items() -> Vec<Item> {
    let one = |key: &str, category: &str, prompts: &[&str]| Item {
        key: key.into(),
        prompts: prompts.iter().map(|it| (*it).to_owned()).collect(),
        groups: BTreeMap::from([("category".to_owned(), category.to_owned())]),
        asks: (1..=prompts.len()).map(|turn| format!("turn{turn}")).collect(),
        ..Item::default()
    };
    vec![one("m_1", "memory", &["a, \"b\"", "=c"]), one("v_1", "version", &["a", "b", "c"])]
}

#[test]
fn a_sheet_goes_out_and_comes_back() {
    let turns = turns(&items());
    let sheet = empty_sheet(&turns);
    assert_eq!(
        sheet,
        "key,turn,category,prompt,rater,verdict\nm_1,1,memory,\"a, \"\"b\"\"\",,\nm_1,2,memory,'=c,,\nv_1,1,version,a,,\nv_1,2,version,b,,\nv_1,3,version,c,,\n"
    );
    assert_eq!(votes(&sheet, &turns), Ok(vec![]), "nobody has said anything");
    let filled = sheet.replace("b\"\"\",,", "b\"\"\",Ann,YES").replace("'=c,,", "'=c,Ann,n");
    let said = votes(&filled, &turns).expect("read");
    let vote = |turn, yes| Vote { key: "m_1".into(), turn, rater: "Ann".into(), yes };
    assert_eq!(said, [vote(1, true), vote(2, false)]);
    let wrong = [
        ("key,turn,rater,verdict\nm_1,1,Ann,perhaps\n", "line 2: \"perhaps\""),
        ("key,turn,rater,verdict\nm_1,3,Ann,yes\n", "no turn 3 of \"m_1\""),
        ("key,turn,rater,verdict\nx,1,Ann,yes\n", "no turn 1 of \"x\""),
        ("key,turn,rater,verdict\nm_1,1,,yes\n", "no rater"),
        ("key,turn,rater,verdict\nm_1,1,Ann,yes\nm_1,1,Ann,no\n", "line 3: \"Ann\" says both"),
        ("key,turn,rater,verdict\nm_1,one,Ann,yes\n", "not \"one\""),
        ("key,turn,rater,verdict\nm_1,1,judge:x,yes\n", "is no person"),
        ("key,rater\n", "no column \"turn\""),
    ];
    for (text, why) in wrong {
        let told = votes(text, &turns).expect_err(text).to_string();
        assert!(told.contains(why), "{text:?}: {told}");
    }
}

fn said(text: &str) -> Vec<Vote> {
    let rows: String = text.split_whitespace().map(|row| row.to_owned() + "\n").collect();
    votes(&format!("key,turn,rater,verdict\n{rows}"), &turns(&items())).expect("read")
}

#[test]
fn turns_are_counted_each_by_itself_or_in_an_unbroken_chain() {
    let votes = said("v_1,1,A,no v_1,2,A,yes v_1,3,A,yes v_1,1,B,yes v_1,2,B,yes m_1,2,A,yes");
    let each = TurnTotals::of(&turns(&items()), &votes, Chain::Each);
    assert_eq!((each.all.turns, each.all.votes, each.without), (4, 6, 1));
    assert_eq!(each.by_turn[&1].yes, Some(0.5));
    assert_eq!((each.by_turn[&2].yes, each.by_turn[&3].yes), (Some(1.0), Some(1.0)));
    assert_eq!(each.by_category["memory"], Share { turns: 1, votes: 1, yes: Some(1.0) });
    let chain = TurnTotals::of(&turns(&items()), &votes, Chain::Unbroken);
    assert_eq!(chain.by_category_and_turn["version"][&2].yes, Some(0.5), "A's first no breaks A's second");
    assert_eq!(chain.by_category_and_turn["version"][&3], Share { turns: 1, votes: 1, yes: Some(0.0) });
    assert_eq!(chain.by_category["memory"].turns, 0, "the turn before has no verdict");
}

#[test]
fn raters_and_judges_agree_or_not() {
    let people = said("v_1,1,A,no v_1,2,A,yes v_1,3,A,yes v_1,1,B,no v_1,2,B,yes v_1,3,B,no m_1,1,A,yes");
    let it = RatersAgree::of(&people);
    assert_eq!((it.cohen[0].0.as_str(), it.cohen[0].1.as_str(), it.cohen[0].2, it.turns), ("A", "B", 3, 3));
    // Seen alike 2 of 3; by chance 1/3 * 2/3 + 2/3 * 1/3.
    let kappa = (2.0 / 3.0 - 4.0 / 9.0) / (5.0 / 9.0);
    assert!((it.cohen[0].3.expect("defined") - kappa).abs() < 1e-12);
    assert!((it.fleiss.expect("defined") - 1.0 / 3.0).abs() < 1e-12);

    let benchmark = by_name("imgedit-multiturn").expect("multiturn");
    let answer =
        |ask: &str, pass, text: &str| Answer { ask: ask.into(), pass, said: Said::Text(text.into()) };
    let answers = vec![
        answer("turn1", 1, "Fulfilled: no"),
        answer("turn2", 1, "Fulfilled: yes"),
        answer("turn2", 2, "Fulfilled: yes"),
        answer("turn2", 3, "Fulfilled: no"),
        answer("turn3", 1, "Fulfilled: yes"),
        answer("turn3", 2, "Fulfilled: no"),
    ];
    let judged = Judged { item: items().remove(1), lacks: None, answers };
    let opinion = opinions("J", benchmark, &[judged], Counting::default());
    let told: Vec<(usize, bool, &str)> =
        opinion.iter().map(|it| (it.turn, it.yes, it.rater.as_str())).collect();
    assert_eq!(told, [(1, false, "judge:J"), (2, true, "judge:J")], "a split is no opinion");
    assert_eq!(judge_agrees(&people, &opinion), (2, Some(1.0)));
}

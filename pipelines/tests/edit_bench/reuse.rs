//! What is asked when something changes: only what was never asked.

use std::fs;

use serde_json::Value;

use crate::desk::{Asks, Desk, Judge, asked};

fn asks(expected: &[(&str, usize)]) -> Asks {
    expected.iter().map(|(stage, count)| ((*stage).to_owned(), *count as u64)).collect()
}

const EVERY: usize = 20;

#[test]
fn a_pass_a_model_a_parser_a_rubric_each_asks_what_was_never_asked() {
    let (desk, judge) = (Desk::of(EVERY), Judge::fair());
    let items = Desk::items(EVERY);
    let n = items.len();
    desk.write_results("first", EVERY, |number| 1000 + number as u32);
    // Of every fourth item, the second model made the very same picture.
    desk.write_results("second", EVERY, |number| if number % 4 == 0 { 1000 } else { 2000 } + number as u32);

    assert_eq!(asked(&desk.run(&judge, "--results @first")), asks(&[("judge_pass_1", n)]));
    assert_eq!(asked(&desk.run(&judge, "--results @first")), asks(&[]), "all is remembered");

    let passes = "--results @first --passes 3";
    assert_eq!(asked(&desk.run(&judge, passes)), asks(&[("judge_pass_2", n), ("judge_pass_3", n)]));
    assert_eq!(asked(&desk.run(&judge, &format!("{passes} --parser upstream"))), asks(&[]));
    assert_eq!(asked(&desk.run(&judge, &format!("{passes} --clamp"))), asks(&[]));

    let new = n - n.div_ceil(4);
    assert_eq!(asked(&desk.run(&judge, "--results @second")), asks(&[("judge_pass_1", new)]));

    // A rubric is reworded: its type is judged again, in every pass.
    desk.write_rubrics("prompts.json", |edit_type| match edit_type {
        "remove" => "Judge what was taken out.".to_owned(),
        other => format!("Judge this {other}."),
    });
    let removed = items.iter().filter(|item| item.edit_type == "remove").count();
    let again = asked(&desk.run(&judge, passes));
    let expected = ["judge_pass_1", "judge_pass_2", "judge_pass_3"].map(|pass| (pass, removed));
    assert_eq!(again, asks(&expected));

    // An item is reworded.
    let path = desk.path("items/basic_edit.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file["style0"]["prompt"] = "Paint it in oil.".into();
    fs::write(&path, file.to_string()).unwrap();
    assert_eq!(asked(&desk.run(&judge, "--results @first")), asks(&[("judge_pass_1", 1)]));
    // Nobody but the judge was asked, and of it nothing twice.
    let all = judge.server().asked();
    let mut keys: Vec<u64> = all.iter().map(tests::fakes::models::key).collect();
    keys.sort_unstable();
    keys.dedup();
    let sent = n * 3 + new + removed * 3 + 1;
    assert_eq!((keys.len(), all.len()), (sent, sent));
}

#[test]
fn a_plan_counts_what_the_run_then_asks() {
    let (desk, judge) = (Desk::of(EVERY), Judge::fair());
    let n = Desk::items(EVERY).len() as u64;
    desk.write_results("first", EVERY, |number| 1000 + number as u32);
    let judged = |more: &str| {
        let plan = desk.plan(&judge, more);
        plan.total
            .asks
            .iter()
            .filter(|(name, _)| name.starts_with("judge_pass"))
            .map(|(_, asks)| *asks)
            .sum::<u64>()
    };
    assert_eq!(judged("--results @first --passes 2"), 2 * n);
    desk.run(&judge, "--results @first");
    assert_eq!(judged("--results @first --passes 2"), n, "the first pass is paid for");
    assert_eq!(judged("--results @first --parser upstream"), 0);
    assert_eq!(judge.server().asked().len() as u64, n, "a plan asks nobody");
}

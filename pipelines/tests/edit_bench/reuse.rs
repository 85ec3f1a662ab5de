//! What is asked when something changes: only what was never asked.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use benchmarks::{Counting, Table};
use pipelines::edit_bench::EditBench;
use pipelines::edit_bench_stages::bench::load;
use serde_json::Value;
use threshflow::cli::invoke;

use crate::desk::{Asks, Desk, Judge, asked, filtered, lines, said, scores};

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

#[test]
fn refusals_are_asked_again_where_that_is_wanted_and_nothing_else_is() {
    let desk = Desk::of(EVERY);
    let n = Desk::items(EVERY).len();
    desk.write_results("first", EVERY, |number| 1000 + number as u32);
    // A filter refuses every removal, until somebody sets it up better.
    let strict = Arc::new(AtomicBool::new(true));
    let is_strict = strict.clone();
    let judge =
        Judge::of(move |text, hash| match is_strict.load(Relaxed) && text.contains("Please remove") {
            true => filtered(),
            false => said(&lines(scores(hash))),
        });
    let removals = Desk::items(EVERY).iter().filter(|item| item.edit_type == "remove").count();
    let refused = || {
        let run = load(&desk.path("bench/imgedit-basic/first")).unwrap();
        let table = Table::of(run.benchmark().unwrap(), &run.judged, Counting::default());
        (table.all.row.refused, table.all.row.scored)
    };
    assert_eq!(asked(&desk.run(&judge, "--results @first")), asks(&[("judge_pass_1", n)]));
    assert_eq!(refused(), (removals, n - removals));
    strict.store(false, Relaxed);
    assert_eq!(asked(&desk.run(&judge, "--results @first")), asks(&[]), "a refusal is remembered");
    assert_eq!(refused(), (removals, n - removals));
    assert_eq!(asked(&desk.run(&judge, "--results @first --retry")), asks(&[("judge_pass_1", removals)]));
    assert_eq!(refused(), (0, n));
}

#[test]
fn a_run_by_one_judge_does_not_take_the_place_of_a_run_by_another() {
    let (desk, judge) = (Desk::of(EVERY), Judge::fair());
    let n = Desk::items(EVERY).len();
    desk.write_results("first", EVERY, |number| 1000 + number as u32);
    desk.run(&judge, "--results @first");
    let other = desk.command("run", &judge.url(), "--results @first --judge-model other");
    let refused =
        invoke::run::<EditBench>(&other).err().map(|failure| failure.to_string()).unwrap_or_default();
    assert!(refused.contains("was judged by \"critic\"") && refused.contains("--name"), "{refused}");
    let named = "--results @first --judge-model other --name first,other";
    assert_eq!(asked(&desk.run(&judge, named)), asks(&[("judge_pass_1", n)]));
    assert!(
        asked(&desk.run(&judge, "--results @first")).is_empty(),
        "the first judge's answers are all there"
    );
}

//! What only all rows together decide: a share of them. The parts leave it open; a plan lists what is to be asked, and the next array asks that.

use std::path::Path;

use serde_json::json;
use tests::resident::assert_published;
use threshflow::publish::Table;

use crate::{array, asked, desk, publish};

const SHARE: &str = "--set short_side=top:40%";

#[test]
fn a_share_waits_for_all_parts_and_a_list_says_what_is_to_be_asked() {
    let desk = desk(6, false);
    let said = array(&desk, 4, SHARE);
    assert_eq!(said.iter().map(asked).sum::<u64>(), 0, "no part knows which rows are the best 40 % of all");
    let waiting: u64 = said.iter().map(|task| task["waiting"]["short_side"].as_u64().unwrap_or(0)).sum();
    assert!(waiting > 80, "{waiting} rows wait: {said:#?}");
    let plan = |more: &str| {
        desk.ask(&format!(
            "plan --json --shards shards --store store --out out --max-error-rate 1 {SHARE} {more}"
        ))
    };
    // As often as a later stage asks about what an earlier one let pass.
    let mut rounds = 0;
    loop {
        let planned = plan("--list asks.parquet").expect(0, &[]).json();
        let listed = planned["listed"]["pictures"].as_u64().expect("a number");
        if listed == 0 {
            break;
        }
        assert_eq!(planned["listed"]["list"], "asks.parquet");
        let table = Table::open(&desk.path("asks.parquet")).expect("opens");
        assert_eq!(table.rows(), listed);
        rounds += 1;
        let by_list: u64 = array(&desk, 3, &format!("{SHARE} --only asks.parquet")).iter().map(asked).sum();
        assert!(by_list >= listed, "round {rounds}: {by_list} questions about {listed} pictures");
        assert!(rounds < 4);
    }
    assert!(rounds > 0);
    assert_eq!(asked(&publish(&desk, SHARE)), 0);
    assert_published(&desk, SHARE, "a share, by lists");
    // What the list did not name was not asked about.
    let fresh = crate::desk(6, false);
    assert_eq!(crate::counted(&desk).len(), {
        publish(&fresh, SHARE);
        crate::counted(&fresh).len()
    });
}

#[test]
fn a_list_is_of_one_plan() {
    let desk = desk(2, false);
    let plan = "plan --json --shards shards --store store --out out --max-error-rate 1";
    desk.ask(&format!("{plan} --set sure=0.5 --list asks.parquet")).expect(0, &[]);
    let part = |more: &str| desk.run(&format!("--part 1/2 {more}"));
    part("--only asks.parquet --set sure=0.75").expect(2, &["was made with --set sure=0.5"]);
    part("--only nothing.parquet").expect(2, &["--only nothing.parquet", "plan --list"]);
    std::fs::write(desk.path("no.parquet"), "no table").expect("writes");
    part("--only no.parquet").expect(2, &["--only no.parquet", "plan --list"]);
    desk.run("--only asks.parquet").expect(2, &["--part"]);
    // Its own dials, where none are given.
    let said = part("--only asks.parquet --json").expect(0, &[]).json();
    assert_eq!(said["dials"]["sure"], json!(0.5));
    desk.ask(&format!("{plan} --list nowhere/asks.parquet"))
        .expect(1, &["nowhere/asks.parquet", "cannot be written"]);
    assert!(!Path::new(&desk.path("nowhere")).exists());
}

#[test]
fn a_list_whose_share_takes_in_all_rows_is_one_that_parts_take() {
    let desk = desk(3, false);
    array(&desk, 1, "");
    // The least score of all is the end of the scale: what lets it pass lies beyond that.
    let plan = "plan --json --shards shards --store store --out out --max-error-rate 1 --set sure=top:100000 --set object_area=top:100000";
    desk.ask(&format!("{plan} --set short_side=1 --list asks.parquet")).expect(0, &[]);
    desk.run("--part 1/1 --only asks.parquet").expect(0, &[]);
}

#[test]
fn what_a_list_names_and_nobody_has_is_told_of() {
    let desk = desk(3, false);
    let plan = "plan --json --shards shards --store store --out out --max-error-rate 1 --list asks.parquet";
    desk.ask(plan).expect(0, &[]);
    std::fs::remove_file(desk.path("shards/s1.tar")).expect("is removed");
    desk.run("--part 1/1 --only asks.parquet")
        .expect(0, &["of the list are not there any more, of s1", "plan --list"]);
}

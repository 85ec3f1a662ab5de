//! The memory that a row takes in a run is a bound, and a number: gate, question and gate over more and more rows, each
//! number in a process of its own, so that the most that it ever held can be read off.

use std::process::Command;

use tests::questions::{lanes, preparing};
use tests::rows::insert;
use threshflow::cli::peak_rss_bytes;

/// Set for the processes that do the work.
const TOLD: &str = "THRESHFLOW_TEST_MEMORY_ROWS";
const ROWS: [u32; 2] = [100_000, 1_000_000];
/// Bytes for every row more, with room for what the allocator leaves unused.
const MOST: u64 = 130;

/// Every row passes both gates and is asked.
#[test]
fn a_row_more_takes_so_many_bytes_at_most() {
    if let Ok(rows) = std::env::var(TOLD) {
        return run(rows.parse().unwrap());
    }
    let [less, more] = ROWS.map(peak_of_a_run);
    let a_row = more.saturating_sub(less) / u64::from(ROWS[1] - ROWS[0]);
    assert!((40..=MOST).contains(&a_row), "{a_row} bytes for every row more: {less}, then {more} at most");
}

fn peak_of_a_run(rows: u32) -> u64 {
    let mut program = Command::new(std::env::current_exe().unwrap());
    let ran = program.arg("--nocapture").env(TOLD, rows.to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    let peak = text.lines().find_map(|line| line.split_once("at most: ")).expect("it says").1;
    peak.trim().parse().expect("a number of bytes")
}

fn run(rows: u32) {
    let folder = tests::scratch();
    let (_lanes, stage) = lanes(folder.path());
    let mut engine = preparing(&stage, [-1.0, -1.0]);
    insert(&mut engine, rows);
    assert_eq!((stage.memo().len(), engine.verdicts().counts().kept), (rows as usize, rows as usize));
    println!("at most: {}", peak_rss_bytes());
}

//! Bytes of memory that a row takes in a run: gate, question and gate over more and more rows, each number in a process of
//! its own, so that the most that it ever held can be read off.

use std::process::Command;

use benches::questions::{lanes, preparing};
use benches::rows::insert;
use threshflow::cli::peak_rss_bytes;

const ROWS: [u32; 3] = [10_000, 100_000, 1_000_000];
/// Set for the processes that do the work.
const TOLD: &str = "THRESHFLOW_BENCH_MEMORY_ROWS";

fn main() {
    if let Ok(rows) = std::env::var(TOLD) {
        return one_run(rows.parse().expect("a number of rows"));
    }
    // `cargo bench -- NAME` shows its filter to every bench.
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "memory".contains(filter.as_str())) {
        return;
    }
    let mut before: Option<(u32, u64)> = None;
    for rows in ROWS {
        let peak = peak_of_a_run(rows);
        print!("memory/{rows} rows: {:.1} MB at most", peak as f64 / 1e6);
        if let Some((fewer, less)) = before {
            let a_row = peak.saturating_sub(less) as f64 / f64::from(rows - fewer);
            print!(", {a_row:.0} bytes for each row more");
        }
        println!();
        before = Some((rows, peak));
    }
}

fn peak_of_a_run(rows: u32) -> u64 {
    let program = std::env::current_exe().expect("this program has a path");
    let ran = Command::new(program).env(TOLD, rows.to_string()).output().expect("this program starts again");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8_lossy(&ran.stdout);
    text.trim().parse().expect("a number of bytes")
}

fn one_run(rows: u32) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_lanes, stage) = lanes(folder.path());
    let mut engine = preparing(&stage, [-1.0, 5.0]);
    insert(&mut engine, rows);
    assert_eq!(stage.memo().len(), rows as usize);
    println!("{}", peak_rss_bytes());
}

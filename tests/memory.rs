//! The memory that a row takes in a run is a bound, and a number: gate, question and gate over more and more rows, each
//! number in a process of its own, so that the most that it ever held can be read off; and the same of a whole run over real shards.

use std::process::Command;

use tests::program::{Desk, ended_within};
use tests::questions::{lanes, preparing};
use tests::rows::insert;
use tests::shards::{Sample, png};
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
    let this = ["--exact", "a_row_more_takes_so_many_bytes_at_most", "--nocapture"];
    let ran = program.args(this).env(TOLD, rows.to_string()).output().unwrap();
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

/// Rows of a shard of a real run, and how many such shards: next to none, a few more rows than stay open, and six times as many.
/// What is held for a moment varies by 10 MB from run to run (batches that wait to be merged, arenas of the allocator): over so many
/// rows that is 60 bytes a row.
const ROWS_A_SHARD: u64 = 1000;
const SHARDS: [u64; 3] = [1, 34, 200];
/// Bytes for every row more of a whole run, indexes of open shards included ...
const MOST_OF_ALL: u64 = 330;
/// ... and beyond the rows whose shards stay open.
const MOST_BEYOND: u64 = 250;

/// A whole process over real shards, every row asked about: what a person sees it take.
#[test]
fn a_row_more_of_a_whole_run_takes_so_many_bytes_at_most() {
    let [none, some, many] = SHARDS.map(anonymous_peak);
    let rows = |from: u64, to: u64| (to - from) * ROWS_A_SHARD;
    let of_all = many.saturating_sub(none) / rows(SHARDS[0], SHARDS[2]);
    let beyond = many.saturating_sub(some) / rows(SHARDS[1], SHARDS[2]);
    println!("{of_all} bytes a row, {beyond} beyond those that stay open: {none}, {some}, {many}");
    assert!((60..=MOST_OF_ALL).contains(&of_all), "{of_all} bytes a row: {none}, then {many} at most");
    assert!(beyond <= MOST_BEYOND, "{beyond} bytes for every row more: {some}, then {many} at most");
}

/// The most anonymous bytes that a run over so many shards has: files that are mapped are not among them.
fn anonymous_peak(shards: u64) -> u64 {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    let picture = png(8, 8, 0);
    for shard in 0..shards {
        // Bytes behind the end of a picture make it another.
        let sample = |n: u64| Sample {
            key: format!("{n:06}"),
            picture: [&picture, &n.to_le_bytes()[..]].concat(),
            json: None,
        };
        let rows = shard * ROWS_A_SHARD..(shard + 1) * ROWS_A_SHARD;
        desk.shard(&format!("{shard:03}"), &rows.map(sample).collect::<Vec<_>>());
    }
    let mut child = desk.start("--cores 2 --set short_side=0 --set taste=0");
    let mut peak = 0;
    while child.try_wait().expect("can be waited for").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = peak.max(kilobytes.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() << 10);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let ended = ended_within(child, 1);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    peak
}

/// Segments of a store, and answers in each of them.
const SEGMENTS: [u64; 3] = [1, 4, 16];
const ANSWERS: u64 = 100_000;
/// What a process that reads all segments takes for every answer: the index, and its table.
const AN_ANSWER: std::ops::RangeInclusive<u64> = 20..=80;
/// What a part takes for every answer about another part's shards: nothing but what the allocator leaves unused.
const ANOTHERS_ANSWER: u64 = 1;

/// Bytes an answer of a process at 1, 4 and 16 segments: one that publishes holds them all, a part only those of its own shards.
#[test]
fn a_part_takes_no_memory_for_what_other_parts_answered() {
    if let Ok(told) = std::env::var(TOLD) {
        return open_segments(&told);
    }
    let folder = tests::scratch();
    for segment in 0..SEGMENTS[2] {
        fill(&folder.path().join(segment.to_string()), segment);
    }
    let of = |segments: u64, who: &str| {
        let mut program = Command::new(std::env::current_exe().unwrap());
        let this = ["--exact", "a_part_takes_no_memory_for_what_other_parts_answered", "--nocapture"];
        let told = format!("{who} {segments} {}", folder.path().display());
        let ran = program.args(this).env(TOLD, told).output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
        let bytes = text.lines().find_map(|line| line.split_once("opened with: ")).expect("it says").1;
        bytes.trim().parse::<u64>().expect("a number of bytes")
    };
    for who in ["part", "all"] {
        let [one, four, sixteen] = SEGMENTS.map(|segments| of(segments, who));
        let more = (sixteen.saturating_sub(one)) / ((SEGMENTS[2] - 1) * ANSWERS);
        println!(
            "{who}: {one}, {four}, {sixteen} bytes at 1, 4 and 16 segments; {more} for every answer more"
        );
        match who {
            "part" => assert!(more <= ANOTHERS_ANSWER, "{more}: {one}, {four}, {sixteen}"),
            _ => assert!(AN_ANSWER.contains(&more), "{more}: {one}, {four}, {sixteen}"),
        }
    }
}

fn stamp() -> threshflow::row::Stamp {
    threshflow::row::Stamp::of(&[("operator", b"memory")])
}

fn fill(folder: &std::path::Path, segment: u64) {
    use threshflow::memo::{Access, FromShard, Inline, Memo, Written};
    let memo = Memo::open(folder, stamp(), 0, Access::ReadWrite).unwrap();
    let from = FromShard::named(&segment.to_string());
    let answers: Vec<_> = (0..ANSWERS)
        .map(|n| {
            let content = threshflow::row::ContentHash::of(&(segment * ANSWERS + n).to_le_bytes());
            (content, Ok(Written { inline: Inline::of([1, 2, 3, 4]), blob: None }))
        })
        .collect();
    memo.put_from(&answers, |_| from).unwrap();
}

/// `part 4 FOLDER`: as a part that asks about the shards of the first of 4 segments, or as one process that reads all.
fn open_segments(told: &str) {
    use threshflow::memo::{Access, FromShard, Memo, Place, Places};
    let [who, segments, folder] = told.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let place = |n: u64| Place { folder: std::path::Path::new(folder).join(n.to_string()), generation: 0 };
    let only = std::sync::Arc::new(std::collections::HashSet::from([FromShard::named("0")]));
    let segments: u64 = segments.parse().unwrap();
    let places = Places {
        own: place(0),
        others: (1..segments).map(place).collect(),
        only_from: (who == "part").then_some(only),
    };
    let before = anonymous_now();
    let memo = Memo::open_among(&places, stamp(), Access::ReadOnly).unwrap();
    let answers = if who == "part" { ANSWERS } else { segments * ANSWERS };
    assert_eq!(memo.len() as u64, answers);
    println!("opened with: {}", anonymous_now().saturating_sub(before));
}

/// The anonymous bytes of this process: what it has mapped of files is not among them.
fn anonymous_now() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

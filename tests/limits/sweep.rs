//! One limit after the other, from far too low to more than enough.

use std::os::unix::process::CommandExt;
use std::process::Command;

use tests::limited::{Limit, ended, give, limited, nobody_else};
use tests::program::Desk;
use tests::shards::corpus;
use tests::trees;

/// A run that is not disturbed takes a tenth of a second; under a limit it may wait for what comes free.
const LONGEST_SECONDS: u64 = 30;

const FLAGS: &str = "--cores 3 --workers 3 --window 4";

/// Shards that are many enough to run out of files, each of a few rows.
const SHARDS: u64 = 40;

fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    for n in 0..SHARDS {
        desk.shard(&format!("{n:02}"), &corpus(11, n * 12..n * 12 + 12));
    }
    desk
}

/// What a sweep came to.
#[derive(Debug, Default)]
struct Seen {
    done: usize,
    refused: usize,
}

/// Runs under each limit, from nothing; `change` may change who runs it.
fn sweep(
    resource: libc::__rlimit_resource_t,
    values: impl IntoIterator<Item = u64>,
    named: &[&str],
    change: impl Fn(&mut Command, &Desk),
) -> Seen {
    let whole = desk();
    whole.done(FLAGS);
    let desk = desk();
    let mut seen = Seen::default();
    for value in values {
        for folder in ["store", "out"] {
            let _ = std::fs::remove_dir_all(desk.path(folder));
        }
        let mut command = desk.command("run", FLAGS);
        change(&mut command, &desk);
        let ended = ended(limited(&mut command, Limit { resource, value }), LONGEST_SECONDS).expect("starts");
        let context = format!("at {value}: {ended:#?}");
        if ended.code == Some(0) {
            seen.done += 1;
            trees::assert_same(&desk.path("out"), &whole.path("out"), &context);
            continue;
        }
        seen.refused += 1;
        assert!(matches!(ended.code, Some(1 | 134)), "{context}");
        assert!(named.iter().any(|limit| ended.stderr.contains(limit)), "the limit is not named {context}");
        assert!(!ended.stderr.contains("panicked at"), "{context}");
        // Nothing half of it is left, and what was answered is not asked again: the run that has what it wants comes to the same.
        assert!(!desk.path("out/manifest.json").exists(), "{context}");
        desk.done(FLAGS);
        trees::assert_same(&desk.path("out"), &whole.path("out"), &context);
    }
    println!("{named:?}: {seen:?}");
    seen
}

fn all() -> bool {
    std::env::var("THRESHFLOW_TEST_LIMITS").is_ok_and(|which| which == "all")
}

/// Every value where all are wanted, else about so many of them.
fn some(values: std::ops::Range<u64>, many: u64) -> Vec<u64> {
    let step = if all() { 1 } else { (values.end - values.start).div_ceil(many).max(1) };
    values.step_by(step as usize).collect()
}

/// Each thread that a run starts is the first that can't be, in turn.
#[test]
fn few_threads() {
    let Some(user) = nobody_else() else {
        return println!("skipped: only root can run a child as a user who has no other threads");
    };
    let desk = desk();
    give(desk.folder.path(), user);
    let mut may = desk.bare("dials");
    if !ended(may.uid(user).gid(user), LONGEST_SECONDS).is_ok_and(|ended| ended.code == Some(0)) {
        return println!("skipped: the program can't be run by another user here");
    }
    let as_user = |command: &mut Command, desk: &Desk| {
        give(desk.folder.path(), user);
        command.uid(user).gid(user);
    };
    let most = 24;
    let seen = sweep(libc::RLIMIT_NPROC, some(1..most, 23), &["`ulimit -u`"], as_user);
    assert!(seen.done >= 3 && seen.refused >= 8, "{seen:?}");
}

#[test]
fn few_open_files() {
    let seen = sweep(libc::RLIMIT_NOFILE, some(5..48, 11), &["`ulimit -n`"], |_, _| {});
    assert!(seen.done >= 3 && seen.refused >= 2, "{seen:?}");
}

#[test]
fn short_files() {
    let values = [0, 1, 20, 100, 700, 1 << 12, 3 << 12, 1 << 14, 1 << 16, 1 << 20];
    let seen = sweep(libc::RLIMIT_FSIZE, values, &["`ulimit -f`"], |_, _| {});
    assert!(seen.done >= 1 && seen.refused >= 5, "{seen:?}");
}

/// The least of that resource, in steps of 1 MiB, with which the program starts at all: below it the loader has the word.
fn least(resource: libc::__rlimit_resource_t) -> u64 {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    let starts = |mib: &u64| {
        let value = *mib << 20;
        ended(limited(&mut desk.bare("dials"), Limit { resource, value }), LONGEST_SECONDS)
            .is_ok_and(|ended| ended.code == Some(0))
    };
    (1..4096).find(starts).expect("it starts with 4 GiB")
}

#[test]
fn little_address_space() {
    let least = least(libc::RLIMIT_AS);
    let values = some(least..least + 200, 9).into_iter().map(|mib| mib << 20);
    let seen = sweep(libc::RLIMIT_AS, values, &["`ulimit -v`"], |_, _| {});
    assert!(seen.done >= 1 && seen.refused >= 1, "{seen:?}");
}

#[test]
fn little_data() {
    let least = least(libc::RLIMIT_DATA);
    let values = some(least..least + 60, 6).into_iter().map(|mib| mib << 20);
    let seen = sweep(libc::RLIMIT_DATA, values, &["`ulimit -d`"], |_, _| {});
    assert!(seen.done >= 1 && seen.refused >= 1, "{seen:?}");
}

//! One limit after the other, from far too low to more than enough.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use tests::limited::{Limit, ended, give, limited, nobody_else};
use tests::program::Desk;
use tests::shards::{corpus, png};
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

/// As large as it says, in a file that takes no room: a picture, and a member of zeros.
fn large_shard(desk: &Desk, name: &str, seed: u64, bytes: u64) {
    let file = File::create(desk.path("shards").join(format!("{name}.tar"))).expect("creates");
    let header = |name: &str, size: u64| {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).expect("a path");
        header.set_size(size);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        (&file).write_all(header.as_bytes()).expect("writes");
    };
    let picture = png(16, 16, seed);
    header("a.png", picture.len() as u64);
    (&file).write_all(&picture).expect("writes");
    let at = (512 + picture.len() as u64).next_multiple_of(512);
    (&file).seek(SeekFrom::Start(at)).expect("seeks");
    header("a.bin", bytes);
    file.set_len(at + 512 + bytes + 1024).expect("grows");
}

/// Maps of large shards leave room for everything else.
#[test]
fn large_shards_in_little_address_space() {
    let desk = Desk::on_disk(env!("CARGO_BIN_EXE_curate"));
    (0..72).for_each(|n| large_shard(&desk, &format!("{n:02}"), n, 2 << 20));
    let flags = "--cores 2 --set short_side=0 --set taste=0";
    let whole = desk.done(flags);
    for folder in ["store", "out"] {
        std::fs::remove_dir_all(desk.path(folder)).expect("was made");
    }
    // Room for the run, and for maps of half of the shards.
    let value = (least(libc::RLIMIT_AS) + 90) << 20;
    let mut command = desk.command("run", &format!("--json {flags}"));
    let ended = ended(limited(&mut command, Limit { resource: libc::RLIMIT_AS, value }), LONGEST_SECONDS);
    let done = ended.expect("starts").expect(0, &[]).json();
    assert_eq!((&done["rows"], &done["kept"]), (&whole["rows"], &whole["kept"]));
}

/// A thousand shards with room for sixty files: they are closed in time, and opened again.
#[test]
fn many_shards_and_few_open_files() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    (0..1000).for_each(|n| drop(desk.shard(&format!("{n:04}"), &corpus(5, n..n + 1))));
    let limit = Limit { resource: libc::RLIMIT_NOFILE, value: 64 };
    let mut command = desk.command("run", "--json --cores 2");
    let ended = ended(limited(&mut command, limit), LONGEST_SECONDS).expect("starts");
    assert_eq!(ended.expect(0, &[]).json()["rows"], 1000);
}

/// What looks, copies and tidies up runs into the same limits, and does it all or says which.
#[test]
fn the_other_verbs() {
    let desk = desk();
    desk.done(FLAGS);
    let subcommands = [
        format!("plan --shards shards --store store --out out --json --set taste=6 {FLAGS}"),
        "export --to tars --json".to_owned(),
        "explain 03/000040 --json".to_owned(),
        "clean --json".to_owned(),
        "dials --json".to_owned(),
    ];
    let user = nobody_else();
    let threads = some(1..16, 5).into_iter().map(|value| (libc::RLIMIT_NPROC, value, "`ulimit -u`"));
    let files = some(4..20, 4).into_iter().map(|value| (libc::RLIMIT_NOFILE, value, "`ulimit -n`"));
    let sizes = [0, 600].map(|value| (libc::RLIMIT_FSIZE, value, "`ulimit -f`"));
    let limits: Vec<_> = threads.chain(files).chain(sizes).collect();
    let mut named = 0;
    for subcommand in &subcommands {
        let wanted = desk.ask(subcommand);
        assert_eq!(wanted.code, Some(0), "{wanted:#?}");
        for (resource, value, words) in &limits {
            let _ = std::fs::remove_dir_all(desk.path("tars"));
            let mut command = desk.bare(subcommand);
            if *resource == libc::RLIMIT_NPROC {
                let Some(user) = user else { continue };
                give(desk.folder.path(), user);
                command.uid(user).gid(user);
            }
            let limit = Limit { resource: *resource, value: *value };
            let Ok(ended) = ended(limited(&mut command, limit), LONGEST_SECONDS) else { continue };
            let context = format!("{subcommand} at {words} of {value}: {ended:#?}, and not {wanted:#?}");
            if ended.code == Some(0) {
                // What it said of the first look at a folder of tars is all that may differ.
                assert_eq!(ended.stdout.len(), wanted.stdout.len(), "{context}");
                continue;
            }
            named += 1;
            assert_eq!(ended.code, Some(1), "{context}");
            assert!(ended.stderr.contains(words) && !ended.stderr.contains("panicked"), "{context}");
        }
    }
    assert!(named >= 4, "{named} limits were met");
}

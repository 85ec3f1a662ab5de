//! `imgedit` with its embedded models under low limits: sessions, their threads, their memory and their files. It ends soon, well or with an
//! error that names the limit, remembers nothing that the limit did, and the next run that has what it wants publishes what an undisturbed
//! one does.
//!
//! A few limits are met each time; `THRESHFLOW_TEST_LIMITS=all` meets more.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use pipelines::demo::{DemoOptions, write_demo_shards};
use tests::limited::{Limit, ended, give, limited, nobody_else};
use tests::trees;

const LONGEST_SECONDS: u64 = 120;

fn desk() -> tempfile::TempDir {
    let folder = tests::scratch();
    let options = DemoOptions { scenes: 6, shrink: 8, threads: 2, ..DemoOptions::default() };
    write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    folder
}

fn run(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
    let flags = "run --backend=embedded --cores=2 --max-error-rate=0.34 --shards=shards/00000.tar --edits=remove,adjust";
    command.arg("imgedit").args(flags.split(' ')).args([
        "--set=short_side=0",
        "--set=aesthetic=0",
        "--set=detection=0.4",
    ]);
    for (flag, model) in tests::demo_models() {
        command.arg(flag).arg(model);
    }
    command.current_dir(folder);
    command
}

#[test]
fn a_run_with_models_names_the_limit_that_it_runs_into() {
    let whole = desk();
    let done = ended(&mut run(whole.path()), LONGEST_SECONDS).expect("starts");
    assert_eq!(done.code, Some(0), "{done:#?}");
    let all = std::env::var("THRESHFLOW_TEST_LIMITS").is_ok_and(|which| which == "all");
    let step = |many: usize| if all { 1 } else { many };
    let threads = (4..60).step_by(step(15)).map(|value| (libc::RLIMIT_NPROC, value, "`ulimit -u`"));
    let files = (12..40).step_by(step(28)).map(|value| (libc::RLIMIT_NOFILE, value, "`ulimit -n`"));
    let space = (160..640).step_by(if all { 20 } else { 240 });
    let space = space.map(|mib| (libc::RLIMIT_AS, mib << 20, "`ulimit -v`"));
    let user = nobody_else();
    let (mut well, mut named) = (0, 0);
    for (resource, value, words) in threads.chain(files).chain(space) {
        let desk = desk();
        let mut command = run(desk.path());
        if resource == libc::RLIMIT_NPROC {
            let Some(user) = user else { continue };
            give(desk.path(), user);
            command.uid(user).gid(user);
        }
        let Ok(first) = ended(limited(&mut command, Limit { resource, value }), LONGEST_SECONDS) else {
            println!("skipped: another user can't run the program here");
            continue;
        };
        let context = format!("{words} of {value}: {first:#?}");
        println!("{words} of {value}: {:?}", first.code);
        if first.code == Some(0) {
            well += 1;
            trees::assert_same(&desk.path().join("out"), &whole.path().join("out"), &context);
        } else {
            named += 1;
            assert!(matches!(first.code, Some(1 | 134)), "{context}");
            assert!(first.stderr.contains(words), "the limit is not named: {context}");
            assert!(!first.stderr.contains("panicked at"), "{context}");
            assert!(!desk.path().join("out/manifest.json").exists(), "{context}");
        }
        if !desk.path().join("store/memo").is_dir() {
            // It came to nothing that could be remembered.
            continue;
        }
        let then = ended(&mut run(desk.path()), LONGEST_SECONDS).expect("starts");
        assert_eq!(then.code, Some(0), "{context}, then {then:#?}");
        trees::assert_same(&desk.path().join("out"), &whole.path().join("out"), &context);
    }
    println!("{well} well, {named} with the limit's name");
    assert!(named >= 3, "no limit was met");
}

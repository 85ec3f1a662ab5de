//! Words that can't be written: a full disk and a reader that left, on stdout and stderr, for every subcommand.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use tests::program::{Desk, Ended, ended_within};
use tests::shards::corpus;
use tests::trees;

/// Every subcommand, and `--help`; `{}` is the desk's folder.
const VERBS: [&str; 11] = [
    "dials",
    "dials --json",
    "run --shards shards --max-error-rate 1",
    "run --shards shards --max-error-rate 1 --json --report page.html --export tars",
    "plan --shards shards --set taste=6",
    "explain shards/00/000003",
    "explain 00/000003 --json",
    "export --to tars",
    "clean",
    "say hello",
    "--help",
];

fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    desk.shard("00", &corpus(3, 0..30));
    desk
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("there is a full device").into()
}

/// A pipe that nobody reads.
fn left() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn ended(command: &mut Command) -> Ended {
    ended_within(command.spawn().expect("starts"), 30)
}

#[test]
fn what_cant_be_written_ends_no_command_in_another_way() {
    let whole = desk();
    let wanted: Vec<Ended> = VERBS
        .iter()
        .map(|subcommand| ended(whole.bare(subcommand).stdout(Stdio::piped()).stderr(Stdio::piped())))
        .collect();
    for (name, out, err) in [("full", full as fn() -> Stdio, full as fn() -> Stdio), ("left", left, left)] {
        let desk = desk();
        for (subcommand, wanted) in VERBS.iter().zip(&wanted) {
            let context = |ended: &Ended| format!("{name}: {subcommand}: {ended:#?}, and not {wanted:#?}");
            // What it has to say goes nowhere.
            let mut told = ended(desk.bare(subcommand).stdout(out()).stderr(Stdio::piped()));
            assert!(!told.stderr.contains("panicked"), "{}", context(&told));
            let says_something = !wanted.stdout.is_empty();
            if name == "full" && says_something && wanted.code == Some(0) && *subcommand != "--help" {
                assert_eq!(told.code, Some(1), "{}", context(&told));
                assert!(told.stderr.contains("stdout"), "{}", context(&told));
            } else {
                assert_eq!(told.code, wanted.code, "{}", context(&told));
            }
            // Nor do its notes and errors.
            told = ended(desk.bare(subcommand).stdout(Stdio::piped()).stderr(err()));
            assert_eq!(told.code, wanted.code, "{}", context(&told));
        }
        trees::assert_same(&desk.path("out"), &whole.path("out"), name);
    }
}

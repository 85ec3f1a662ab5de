//! Where nothing can be written is said before anything is asked, and what a key says commands no terminal.

use std::path::Path;

use tests::program::{Ended, asks, ended};
use tests::python::python_with;
use tests::shards::corpus;
use tests::trees;

use crate::desk;

#[test]
fn what_cannot_be_written_is_said_before_anything_is_asked() {
    let (desk, _) = desk();
    let make = |path: &str| std::fs::write(desk.path(path), "mine").unwrap();
    make("file");
    std::os::unix::fs::symlink("nowhere", desk.path("link")).unwrap();
    // In /proc not even root makes a file.
    let nowhere = "/proc/self/fdinfo/a";
    for (flags, code, words) in [
        ("--out file", 1, &["cannot write to file", "file is no folder"][..]),
        ("--out file/a/b", 1, &["cannot write to file/a/b: file is no folder"]),
        ("--out link", 1, &["cannot write to link", "leads nowhere"]),
        ("--out /proc/self/fdinfo/a", 1, &["cannot write to /proc/self/fdinfo/a"]),
        ("--out store", 2, &["--store store is --out store"]),
        ("--out store/out", 2, &["--out store/out lies in --store store"]),
        ("--store out/store --out out", 2, &["lies in --out out"]),
        ("--store file", 1, &["the store file"]),
        ("--export file", 1, &["cannot write to file", "file is no folder"]),
        ("--export /proc/self/fdinfo/a", 1, &["cannot write to /proc/self/fdinfo/a"]),
        ("--export out/tars", 2, &["--export out/tars lies in --out out"]),
        ("--report file/page.html", 2, &["--report file/page.html", "its folder is not there"]),
        ("--report /proc/self/fdinfo/page.html", 2, &["its folder cannot be written to"]),
    ] {
        let mut command = desk.bare("run --shards shards --max-error-rate 1 --log-asks asks.log");
        let given = |flag: &str| flags.split(' ').any(|word| word == flag);
        for (flag, value) in [("--store", "store"), ("--out", "out")] {
            if !given(flag) {
                command.args([flag, value]);
            }
        }
        ended(command.args(flags.split(' '))).expect(code, words);
        assert!(asks(&desk.path("asks.log")).is_empty(), "{flags}: something was asked");
        assert!(!desk.path("out/manifest.json").exists() && !Path::new(nowhere).exists(), "{flags}");
    }

    // A folder that is ours, in which something is in the way.
    desk.done("");
    let published = trees::read(&desk.path("out"));
    std::fs::rename(desk.path("out/data"), desk.path("out/kept-away")).unwrap();
    make("out/data");
    let was = asks(&desk.path("asks.log")).len();
    desk.run("--set short_side=8 --log-asks asks.log").expect(1, &["out/data is no folder"]);
    assert_eq!(asks(&desk.path("asks.log")).len(), was);
    std::fs::remove_file(desk.path("out/data")).unwrap();
    std::fs::rename(desk.path("out/kept-away"), desk.path("out/data")).unwrap();
    assert!(trees::read(&desk.path("out")) == published);

    for (flags, code, words) in [
        ("--to file", 1, &["cannot write to file"][..]),
        ("--to out", 2, &["--out out is --to out"]),
        ("--to store/tars", 2, &["lies in --store store"]),
        ("--to /proc/self/fdinfo/a", 1, &["cannot write to /proc/self/fdinfo/a"]),
    ] {
        desk.ask(&format!("export --store store --out out {flags}")).expect(code, words);
    }
}

/// What was said, if no terminal was commanded by it.
fn harmless(ended: Ended) -> String {
    let said = ended.stdout + &ended.stderr;
    let commands = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    assert!(!said.contains(commands), "{said:?}");
    said
}

#[test]
fn what_a_user_or_a_key_says_commands_no_terminal() {
    let (desk, _) = desk();
    let mut samples = corpus(5, 300..340);
    for (place, sample) in samples.iter_mut().enumerate() {
        sample.key = format!("\x1b]0;{place}\x07\u{9b}31m{}", sample.key);
    }
    desk.shard("\x1b[2Jc", &samples);
    let done = harmless(desk.run("--export tars --report page.html"));
    assert!(done.contains("kept"));
    harmless(ended(&mut desk.command("plan", "--set short_side=20")));
    for sample in &samples[..8] {
        for key in [format!("\x1b[2Jc/{}", sample.key), sample.key.clone(), sample.key[1..].to_owned()] {
            let told = harmless(ended(desk.bare("explain --out out").arg(&key)));
            assert!(told.contains("u001b") || told.contains("u0007"), "{told}");
        }
        harmless(ended(desk.bare("explain --json --out out").arg(&sample.key)));
    }
    // Words of the command line, in the program's own messages and in those of its parser.
    for arguments in [
        &["run", "--shards", "\x1b[31m.tar"][..],
        &["run", "--shards", "shards", "--set", "\x1b[31m=3"],
        &["run", "--shards", "shards", "--cores", "\x1b[31m"],
        &["run", "--shards", "shards", "--out", "\x1b[31m\x07/../shards"],
        &["\x1b[31mrun"],
        &["run", "--\x1b[31m"],
        &["clean", "--drop", "\x1b[31m"],
        &["export", "--to", "\x1b[31m", "--out", "\x1b[32m"],
    ] {
        let said = ended(desk.bare("").args(arguments));
        assert!(matches!(said.code, Some(1 | 2)), "{said:?}");
        harmless(said);
    }
    // On a terminal, to which programs write colours of their own.
    let key = &samples[0].key;
    for arguments in [
        &["run", "--shards", "shards", "--cores", "\x1b]0;owned\x07"][..],
        &["run", "--\x1b]0;owned\x07"],
        &["explain", "--out", "out", key],
        &["explain", "--out", "out", "\x1b]0;owned\x07"],
    ] {
        let Some(mut python) = python_with(&["pty"]) else { return };
        python.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", env!("CARGO_BIN_EXE_curate")]);
        let said = ended(python.args(arguments).current_dir(desk.folder.path()));
        let all = said.stdout + &said.stderr;
        assert!(all.len() > 20, "{all:?}");
        assert!(!all.contains("\x1b]0;") && !all.contains('\x07'), "{arguments:?}: {all:?}");
    }
    // Where nothing is to be feared, help and errors of the parser are as they were.
    desk.ask("--help").expect(0, &[]);
    desk.ask("run --shards shards --cores many").expect(2, &["invalid value 'many' for '--cores"]);
}

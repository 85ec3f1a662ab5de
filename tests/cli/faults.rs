//! Interrupted, hung, panicking, wrong and out of disk: what a run makes of it, and how the next one goes on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::program::{Desk, Ended, asks, ended, ended_within, signal, start, wait_for_asks};
use tests::shards::Sample;
use tests::trees;

use crate::{desk, distinct, keys_of};

/// What may be asked again after a run that was stopped: see `kill.rs`.
const IN_FLIGHT: usize = 2 + 2 * 8 * 2 + 2 * 8;
/// A batch, but for the one that spoilt it.
const BATCH_MATES: usize = 7;

/// The output of a run without faults over the same shards.
fn undisturbed(desk: &Desk) -> std::path::PathBuf {
    let mut command = desk.bare("run --shards shards --max-error-rate 1 --store calm-store --out calm");
    ended(&mut command).expect(0, &[]);
    desk.path("calm")
}

fn ended_of(desk: &Desk, key: &str) -> Value {
    desk.ask(&format!("explain --out out --json {key}")).expect(0, &[]).json()["ended"].clone()
}

/// The keys that were refused by the judge, with the class.
fn refused(desk: &Desk, samples: &[Sample], class: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for content in distinct(samples) {
        for key in keys_of(samples, &content) {
            if ended_of(desk, &key)["class"] == class {
                keys.push(key);
            }
        }
    }
    keys
}

#[test]
fn ctrl_c_stops_the_run_and_the_next_goes_on() {
    let (desk, samples) = desk();
    let slow = "--slow-prepare 5 --cores 2 --log-asks asks.log";
    let child = desk.start(slow);
    wait_for_asks(&desk.path("asks.log"), 30);
    signal(&child, libc::SIGINT);
    let ended = ended_within(child, 20).expect(1, &["stopped", "Run the same command again to go on"]);
    assert_eq!(ended.stdout, "");
    assert!(!desk.path("out/manifest.json").exists(), "nothing is published");
    let first = asks(&desk.path("asks.log")).len();
    let all = distinct(&samples).len();
    assert!(first < all, "the run was over before it was stopped");
    let rest = desk.done(slow)["asks"]["judge"]["asked"].as_u64().unwrap() as usize;
    assert!(rest >= all - first && rest <= all - first + IN_FLIGHT, "{first} and then {rest} of {all}");
    trees::assert_same(&desk.path("out"), &undisturbed(&desk), "after Ctrl-C");
}

#[test]
fn a_second_ctrl_c_ends_the_run_at_once() {
    let (desk, _) = desk();
    let child = desk.start("--slow-prepare 60000 --cores 1 --log-asks asks.log");
    wait_for_asks(&desk.path("asks.log"), 1);
    signal(&child, libc::SIGINT);
    std::thread::sleep(Duration::from_millis(400));
    signal(&child, libc::SIGINT);
    assert_eq!(ended_within(child, 5).code, Some(1));
}

/// The program as `nohup` starts it.
fn without_hangups(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let (desk, _) = desk();
    let slow = "--slow-prepare 2 --cores 2 --log-asks asks.log";
    let child = start(&mut without_hangups(&desk.command("run", slow)));
    wait_for_asks(&desk.path("asks.log"), 10);
    signal(&child, libc::SIGHUP);
    ended_within(child, 60).expect(0, &[]);
    // Without nohup it stops the run, as Ctrl-C does, and says so.
    let (desk, _) = crate::desk();
    let child = desk.start("--slow-prepare 20 --cores 2 --log-asks asks.log");
    wait_for_asks(&desk.path("asks.log"), 3);
    signal(&child, libc::SIGHUP);
    ended_within(child, 20)
        .expect(1, &["stopping", "once more ends at once", "Run the same command again to go on"]);
}

#[test]
fn what_cannot_be_said_ends_nothing() {
    let (desk, _) = desk();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("is there");
    let calm = undisturbed(&desk);
    let deaf = ended(desk.command("run", "--json").stdout(full()));
    deaf.expect(1, &["stdout took not all of what was said", "what was done is done"]);
    trees::assert_same(&desk.path("out"), &calm, "stdout on a full disk");
    let mute = desk.command("run", "--set taste=5 --json").stderr(full()).output().expect("starts");
    assert_eq!(mute.status.code(), Some(0), "stderr on a full disk");
    // A reader that left early wants no more; what is done is done all the same.
    for more in ["--json", ""] {
        let mut child = start(&mut desk.command("run", more));
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().expect("ends").code(), Some(0), "run {more} into a closed pipe");
    }
    trees::assert_same(&desk.path("out"), &calm, "a closed pipe");
    assert_eq!(desk.command("explain", "").stdout(full()).output().expect("starts").status.code(), Some(2));
}

#[test]
fn a_picture_that_never_gets_ready_is_refused_and_the_run_ends() {
    let (desk, samples) = desk();
    let hung = &distinct(&samples)[30];
    let calm = undisturbed(&desk);
    let flags = format!("--deadline 1 --cores 2 --trouble hang-preparing:{hung}");
    ended_within(desk.start(&flags), 30).expect(0, &[]);
    assert_eq!(refused(&desk, &samples, "deadline"), keys_of(&samples, hung));
    assert_eq!(
        desk.done("--retry --log-asks asks.log")["asks"]["judge"]["asked"].as_u64(),
        Some(asks(&desk.path("asks.log")).len() as u64)
    );
    assert!(asks(&desk.path("asks.log")).contains(hung));
    trees::assert_same(&desk.path("out"), &calm, "asked again");
}

#[test]
fn a_batch_that_never_ends_costs_no_more_than_the_batch() {
    let (desk, samples) = desk();
    let hung = &distinct(&samples)[30];
    let calm = undisturbed(&desk);
    ended_within(desk.start(&format!("--deadline 1 --trouble hang-answering:{hung}")), 30).expect(0, &[]);
    let late = refused(&desk, &samples, "deadline");
    assert!(keys_of(&samples, hung).iter().all(|key| late.contains(key)), "{late:?}");
    // A picture of the batch may stand in several rows.
    assert!(late.len() <= 2 * (1 + BATCH_MATES), "{late:?}");
    desk.done("--retry");
    trees::assert_same(&desk.path("out"), &calm, "asked again");
}

#[test]
fn what_panics_is_refused_and_takes_no_neighbour_with_it() {
    let (desk, samples) = desk();
    let all = distinct(&samples);
    let (preparing, answering) = (&all[20], &all[40]);
    let calm = undisturbed(&desk);
    // Slow, so that batches fill up.
    let flags =
        format!("--slow 5 --trouble panic-preparing:{preparing} --trouble panic-answering:{answering}");
    let done = desk.run(&format!("--json {flags}")).expect(0, &["the judge cannot bear this"]);
    let mut wanted = [keys_of(&samples, preparing), keys_of(&samples, answering)].concat();
    wanted.sort();
    let mut found = refused(&desk, &samples, "panicked");
    found.sort();
    assert_eq!(found, wanted);
    assert_eq!(done.json()["refused"]["judge"]["panicked"], wanted.len());
    let message = ended_of(&desk, &keys_of(&samples, answering)[0])["message"].clone();
    assert_eq!(message, "answering panicked: the judge drops the batch");
    assert_eq!(desk.done("")["asks"]["judge"]["asked"], 0);
    desk.done("--retry");
    trees::assert_same(&desk.path("out"), &calm, "asked again");
}

#[test]
fn an_answer_too_few_is_nobody_elses_answer() {
    let (desk, samples) = desk();
    let content = &distinct(&samples)[25];
    let calm = undisturbed(&desk);
    desk.done(&format!("--slow 5 --trouble one-too-few:{content}"));
    assert_eq!(refused(&desk, &samples, "wrong_count"), keys_of(&samples, content));
    desk.done("--retry");
    trees::assert_same(&desk.path("out"), &calm, "asked again");
}

#[test]
fn a_score_that_is_no_number_passes_no_gate() {
    let (desk, samples) = desk();
    let content = &distinct(&samples)[25];
    for at in ["0", "10"] {
        desk.done(&format!("--set taste={at} --trouble not-a-number:{content}"));
        let ended = ended_of(&desk, &keys_of(&samples, content)[0]);
        assert_eq!(
            (&ended["verdict"], &ended["dial"], &ended["score"]),
            (&"gated".into(), &"taste".into(), &Value::Null)
        );
    }
}

#[test]
fn a_model_that_does_not_open_stops_the_run() {
    let (desk, samples) = desk();
    for (trouble, words) in [("no-session:", "judge is ill"), ("panic-opening:", "judge will not come")] {
        let failed = ended_within(desk.start(&format!("--trouble {trouble}")), 20);
        failed
            .expect(1, &["judge: no session could be opened", words, "Run the same command again to go on"]);
        assert!(!desk.path("out/manifest.json").exists());
    }
    assert_eq!(desk.done("")["asks"]["judge"]["asked"], distinct(&samples).len());
}

/// A run that may write no file larger than `blocks` of 1,024 bytes.
fn run_with_small_files(desk: &Desk, blocks: usize, flags: &str) -> Ended {
    let run = desk.command("run", flags);
    let mut command = Command::new("bash");
    command.current_dir(desk.folder.path()).env("RUST_BACKTRACE", "0").arg("-c");
    command.arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("bash");
    command.arg(run.get_program()).args(run.get_args());
    ended_within(start(&mut command), 60)
}

#[test]
fn an_answer_that_cannot_be_remembered_stops_the_run() {
    let (desk, samples) = desk();
    desk.done("--set short_side=20");
    let published = trees::read(&desk.path("out"));
    let all = distinct(&samples).len();
    // The memo has room for a part of the answers only.
    let stopped = run_with_small_files(&desk, 3, "");
    stopped.expect(1, &["the memo", "make room on the store's disk", "Run the same command again to go on"]);
    assert!(trees::read(&desk.path("out")) == published, "what was published stands");
    let rest = desk.done("")["asks"]["judge"]["asked"].as_u64().unwrap() as usize;
    assert!(rest > 0 && rest < all - 30, "{rest} of {all} were asked again");
    trees::assert_same(&desk.path("out"), &undisturbed(&desk), "with room");
}

/// A small disk, where this process may mount one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, kibibytes: usize) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_run_and_room_lets_it_go_on() {
    for full in ["store", "out"] {
        let (desk, _) = desk();
        let calm = undisturbed(&desk);
        let place = desk.path(full);
        let Some(_disk) = SmallDisk::mount(&place, 96) else {
            return println!("SKIPPED: no small disk can be mounted here");
        };
        desk.done("--set short_side=20");
        let published = trees::read(&desk.path("out"));
        // All but a page of the room that is left.
        let room = place.join("ballast");
        let mut ballast = vec![0; 1 << 20];
        while std::fs::write(&room, &ballast).is_err() {
            ballast.truncate(ballast.len() - 4096);
        }
        if full == "out" {
            // It must not look like somebody else's file.
            std::fs::rename(&room, place.join(".ballast")).unwrap();
        }
        desk.run("").expect(1, &["No space left on device", "again"]);
        let left = trees::read(&desk.path("out"));
        assert!(left == published, "what was published stands");
        let _ = std::fs::remove_file(place.join("ballast")).or(std::fs::remove_file(place.join(".ballast")));
        desk.done("");
        trees::assert_same(&desk.path("out"), &calm, full);
    }
}

//! The job files that `script` prints, carried out as they are: by a shell, by what a container would do, by a real Slurm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::program::{Desk, Ended, asks, ended, wait_for_asks};
use tests::python::python_with;
use tests::resident::assert_published;

use crate::{begin, counted, desk};

const FLAGS: &str =
    "--shards shards/*.tar --store store --out out --max-error-rate 1 --log-asks asks.log --set sure=0.5";

/// The file that is printed for a scheduler.
fn printed(desk: &Desk, scheduler: &str) -> PathBuf {
    let file = desk.path(&format!("{scheduler}.job"));
    let said = desk.ask(&format!("script {scheduler} --parts 3 -- {FLAGS}")).expect(0, &[]);
    fs::write(&file, said.stdout).expect("is written");
    file
}

fn assert_done(desk: &Desk) {
    let twice: Vec<_> = counted(desk).into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(!asks(&desk.path("asks.log")).is_empty() && twice.is_empty(), "asked twice: {twice:?}");
    assert_published(desk, "--set sure=0.5", "by a job file");
}

fn bash(file: &Path) -> Ended {
    ended(Command::new("bash").arg(file).current_dir("/"))
}

#[test]
fn the_script_for_this_machine_asks_in_parts_and_publishes() {
    let desk = desk(5, false);
    let file = printed(&desk, "local");
    let said = bash(&file).expect(0, &[]);
    assert!(said.stdout.contains("published in out"), "{said:#?}");
    let log = fs::read_to_string(desk.path("threshflow-ground-2.log")).expect("a log for each part");
    assert!(log.contains("part 2 of 3"), "{log}");
    assert_done(&desk);
}

#[test]
fn the_script_for_this_machine_ends_where_a_part_fails_and_goes_on_when_it_is_run_again() {
    let desk = desk(6, false);
    let file = printed(&desk, "local");
    // Another process asks about the part, and is killed.
    let mut other = begin(&desk, 2, 3, "--slow 50");
    wait_for_asks(&desk.path("asks.log"), 1);
    let said = bash(&file);
    assert_ne!(said.code, Some(0), "{said:#?}");
    assert!(
        said.stderr.contains("some parts failed") && said.stderr.contains("nothing was published"),
        "{said:#?}"
    );
    assert!(!desk.path("out/manifest.json").exists());
    let log = fs::read_to_string(desk.path("threshflow-ground-2.log")).expect("a log for each part");
    assert!(log.contains("another process asks about part 2"), "{log}");
    other.kill().expect("is killed");
    other.wait().expect("is reaped");
    bash(&file).expect(0, &[]);
    assert_published(&desk, "--set sure=0.5", "by a job file, again");
}

#[test]
fn flags_that_a_run_does_not_take_are_refused_when_the_script_is_made() {
    let desk = desk(1, false);
    desk.ask("script slurm --parts 4 -- --shards x --sett sure=1").expect(2, &["--sett"]);
    desk.ask("script slurm --parts 4 -- --shards x --part 1/4").expect(2, &["--part: leave it out"]);
    desk.ask("script slurm --parts 4 -- --shards x --only y")
        .expect(2, &["--only: leave it out", "before --"]);
    desk.ask("script slurm --parts 4 -- --store x").expect(2, &["--shards"]);
    desk.ask("script slurm --parts 0 -- --shards x").expect(2, &["1..=2047"]);
    desk.ask("script pbs --parts 4 -- --shards x").expect(2, &["slurm, k8s"]);
}

#[test]
fn the_manifests_for_kubernetes_are_valid_and_their_containers_do_the_work() {
    let Some(_) = python_with(&["kubernetes_validate", "yaml"]) else { return };
    let desk = desk(5, false);
    let read = |scheduler: &str| -> Value {
        let file = printed(&desk, scheduler);
        let mut python = python_with(&["kubernetes_validate", "yaml"]).expect("is there");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("array/k8s.py");
        ended(python.arg(script).arg(file)).expect(0, &[]).json()
    };
    let (asking, publishing) = (read("k8s"), read("k8s-publish"));
    assert_eq!((&asking["name"], &asking["completions"]), (&"threshflow-ground".into(), &3.into()));
    let container = |manifest: &Value| {
        let words: Vec<&str> =
            manifest["command"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
        assert_eq!(words[0], "ground");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ground"));
        command.args(&words[1..]).current_dir(desk.folder.path());
        for (name, value) in manifest["env"].as_object().expect("variables") {
            command.env(name, value.as_str().expect("a text"));
        }
        command
    };
    for index in 0..3 {
        ended(container(&asking).env("JOB_COMPLETION_INDEX", index.to_string())).expect(0, &[]);
    }
    assert!(!desk.path("out/manifest.json").exists());
    ended(&mut container(&publishing)).expect(0, &[]);
    assert_done(&desk);
}

/// Words that a shell, xargs or Kubernetes would make something of.
#[test]
fn odd_words_reach_the_tasks_as_they_are() {
    let desk = desk(2, false);
    let store = "st %PART% o're $(x) $HOME \u{e9}";
    let said = {
        let mut command = desk.bare("script local --parts 2 --at-once 2 --");
        command.args(["--shards", "shards/*.tar", "--max-error-rate=1", "--retry", "--store", store]);
        ended(&mut command).expect(0, &[])
    };
    fs::write(desk.path("odd.sh"), said.stdout).expect("is written");
    bash(&desk.path("odd.sh")).expect(0, &[]);
    assert!(desk.path(store).join("segments/0002").is_dir(), "the tasks asked into it");
    let made = fs::read_dir(desk.folder.path()).expect("is listed").count();
    assert_eq!(
        made,
        6,
        "shards, script, two logs, store and out: {:?}",
        fs::read_dir(desk.folder.path()).unwrap().collect::<Vec<_>>()
    );
}

#[test]
fn a_script_asks_about_a_list() {
    let desk = desk(4, false);
    desk.ask(&format!("plan {} --list asks.parquet", FLAGS.replace("--log-asks asks.log", "")))
        .expect(0, &[]);
    let said = desk.ask(&format!("script local --parts 2 --only asks.parquet -- {FLAGS}")).expect(0, &[]);
    assert_eq!(
        said.stdout.matches("asks.parquet").count(),
        1,
        "the run that publishes is not told of it: {said:#?}"
    );
    fs::write(desk.path("list.sh"), said.stdout).expect("is written");
    bash(&desk.path("list.sh")).expect(0, &[]);
    assert_done(&desk);
}

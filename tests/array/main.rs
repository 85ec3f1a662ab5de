//! Job arrays: every task asks about its part of the shards, and a run without a part publishes. Each task is a process.

mod histories;
mod kills;
mod lists;
mod merging;
mod refused;
mod scripts;
mod slurm;

use std::collections::BTreeMap;
use std::process::Child;

use serde_json::Value;
use tests::ground::pictures;
use tests::program::{Desk, Ended, asks, ended_within, start};

/// What a kill loses, as in the tests that kill runs: what is in the hands of a pool of 2, waits for a batch, or is being answered, of every stage.
const LOST: usize = 300;
/// What one task may take in a test.
const PATIENCE: u64 = 120;

/// A desk with so many shards of 24 pictures. With `doubled`, four of each shard are in the next one, too.
fn desk(shards: u64, doubled: bool) -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    let step = if doubled { 20 } else { 24 };
    for n in 0..shards {
        desk.shard(&format!("s{n}"), &pictures(7, n * step..n * step + 24, 0));
    }
    desk
}

fn begin(desk: &Desk, part: usize, of: usize, flags: &str) -> Child {
    start(&mut desk.command("run", &format!("--json --log-asks asks.log --part {part}/{of} {flags}")))
}

/// Runs the tasks of an array side by side, two at a time; what each says as JSON.
fn array(desk: &Desk, of: usize, flags: &str) -> Vec<Value> {
    let parts: Vec<usize> = (1..=of).collect();
    let mut said = Vec::new();
    for two in parts.chunks(2) {
        let tasks: Vec<Child> = two.iter().map(|part| begin(desk, *part, of, flags)).collect();
        said.extend(tasks.into_iter().map(|task| done(task).json()));
    }
    said
}

fn done(task: Child) -> Ended {
    ended_within(task, PATIENCE).expect(0, &[])
}

/// How many questions a run, or a task, asked.
fn asked(summary: &Value) -> u64 {
    let stages = summary["asks"].as_object().expect("stages").values();
    stages.map(|stage| stage["asked"].as_u64().expect("a number")).sum()
}

/// The run that publishes.
fn publish(desk: &Desk, flags: &str) -> Value {
    desk.done(&format!("--log-asks asks.log {flags}"))
}

/// How often each question was asked.
fn counted(desk: &Desk) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    asks(&desk.path("asks.log")).into_iter().for_each(|line| *counted.entry(line).or_default() += 1);
    counted
}

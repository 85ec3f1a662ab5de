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
use tests::ground;
use tests::program::{Desk, Ended, asked, asks, ended_within, start};

/// What a kill loses, as in the tests that kill runs: what is in the hands of a pool of 2, waits for a batch, or is being answered, of every stage.
const LOST: usize = 300;
/// What one task may take in a test.
const PATIENCE: u64 = 120;

fn desk(shards: u64, doubled: bool) -> Desk {
    ground::desk(env!("CARGO_BIN_EXE_ground"), shards, doubled)
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

//! Several processes that run one dataflow: their engines, the programs, machines.

mod dataflow;
mod deaths;
mod doors;
mod histories;
mod live;
mod machines;
mod sets;
mod together;

use std::collections::BTreeMap;
use std::process::{Child, Command};

use tests::ground;
use tests::program::{Desk, Ended, asked, asks, ended_within, start};

/// What a kill loses of one process of one core: what waits for a batch, or is being answered, of every stage.
const IN_HAND: usize = 40;
/// What a run may take in a test.
const PATIENCE: u64 = 120;

fn desk(shards: u64, doubled: bool) -> Desk {
    ground::desk(env!("CARGO_BIN_EXE_ground"), shards, doubled)
}

fn command(desk: &Desk, flags: &str) -> Command {
    desk.command("run", &format!("--json --log-asks asks.log {flags}"))
}

fn begin(desk: &Desk, flags: &str) -> Child {
    start(&mut command(desk, flags))
}

fn done(run: Child) -> Ended {
    ended_within(run, PATIENCE).expect(0, &[])
}

/// How often each question was asked.
fn counted(desk: &Desk) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    asks(&desk.path("asks.log")).into_iter().for_each(|line| *counted.entry(line).or_default() += 1);
    counted
}

//! The state of stages and answer caches. Progress, summaries and plans are made from it.

use crate::row::Stamp;

/// What a stage did and how it stands.
#[derive(Clone, Debug)]
pub struct StageStatus {
    pub name: &'static str,
    /// Whether its threads wait for servers.
    pub asks_servers: bool,
    pub stamp: Stamp,
    pub model: String,
    pub asked: Asked,
    /// Questions taken by the lane and not yet answered.
    pub in_flight: usize,
    /// Threads that prepare or answer at this moment.
    pub at_work: usize,
    /// Of the questions in flight, how many wait for a batch.
    pub waiting_for_a_batch: usize,
    /// The lines that they wait in.
    pub lines: Vec<LineStatus>,
    /// Thread-seconds spent preparing and answering.
    pub prepare_seconds: f64,
    pub answer_seconds: f64,
    /// What its answers cost in this process, in USD; `None` where none is paid for. Each question of a stage that is paid for
    /// is a call to a server, as `plan` counts them.
    pub cost: Option<f64>,
    /// Seconds that the questions asked took of a run that did nothing else, by the threads that there are.
    pub wall_seconds: f64,
}

/// How a line of a stage stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineStatus {
    /// Threads that answer what waits in it.
    pub sessions: usize,
    /// Of these, how many are at work.
    pub busy: usize,
    /// Questions, or groups that are asked together, that wait for one of them.
    pub waiting: usize,
    /// Where so many wait, who prepares more waits as well.
    pub capacity: usize,
}

/// How the decode pool stands, which prepares for all stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    pub threads: usize,
    /// Questions that wait for one of them.
    pub queued: usize,
}

/// How the questions of a stage were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Questions that were worked on: answers, refusals and all.
    pub asked: u64,
    /// Of these, how many were answered, refused or given up on.
    pub answered: u64,
    /// Of these, how many a server, a device or a disk failed.
    pub failed: u64,
    /// Rows that the memo answered.
    pub remembered: u64,
    /// Rows that brought their answer along.
    pub given: u64,
}

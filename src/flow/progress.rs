//! What the engine is told when it starts, and what it tells while it runs.

use std::sync::Arc;

use super::{Peers, Verdicts, VerdictsError};

pub struct EngineOptions {
    pub workers: usize,
    /// The most epochs that may be in the dataflow at once; the source waits beyond that.
    pub window: usize,
    /// The most rows of one epoch.
    pub most_rows_an_epoch: usize,
    /// The most rows in the dataflow at once; an epoch that is larger goes alone.
    pub most_rows: usize,
    /// The other processes, where several run one dataflow. All have as many workers.
    pub peers: Option<Arc<dyn Peers>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        // While servers are asked, epochs are small, and each waits for its slowest answers: many must be under way for the
        // models that run here to be kept busy. While a memo replays, epochs are large, and the rows are the bound.
        EngineOptions { workers: 1, window: 64, most_rows_an_epoch: 4_096, most_rows: 32_768, peers: None }
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    pub rows_fed: u64,
    pub epochs_in_flight: usize,
    /// The most epochs that were in flight at once.
    pub peak_epochs_in_flight: usize,
    pub rows_in_flight: usize,
    /// The most rows that were in flight at once.
    pub peak_rows_in_flight: usize,
    /// How often the source had rows to give and had to wait for the window.
    pub window_waits: u64,
}

/// Why the engine stopped before it was done.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error("{0}")]
    Asked(String),
    #[error(transparent)]
    Verdicts(#[from] VerdictsError),
    #[error("a worker of the dataflow ended; this is a fault of the engine, please report it")]
    WorkerEnded,
}

/// Called about every tenth of a second while the engine waits; an error stops it.
pub type Tick<'a> = &'a mut dyn FnMut(&Progress, &Verdicts) -> Result<(), String>;

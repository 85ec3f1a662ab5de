//! Which shards stay open: the few that were used last.

use std::collections::HashMap;
use std::sync::Arc;

use super::Known;
use crate::limits;
use crate::shard::Shard;

/// At most this many shards stay open ...
const MOST_OPEN: usize = 64;
/// ... and at most this many files of theirs, or a quarter of what the process may open: it may often open only 1,024.
pub(super) const MOST_OPEN_FILES: usize = 256;
/// ... and at most this many rows of theirs, which is as many as are in the dataflow at once: an open shard holds its whole index, some
/// 280 bytes a row. Each stage lags behind the one before it and has a shard of its own in hand, so that a few stay open however large.
const MOST_OPEN_ROWS: usize = 32_768;
const LEAST_OPEN: usize = 8;

/// The shards that are open, and how to open again those that were.
pub(super) struct Open {
    pub(super) known: HashMap<u32, Arc<Known>>,
    /// The open shards, each with the tick of its last use.
    shards: HashMap<u32, (Arc<Shard>, u64)>,
    tick: u64,
    pub(super) most: usize,
    most_files: usize,
    pub(super) most_rows: usize,
    /// Rows of the shards that were closed since memory was last given back.
    closed: usize,
}

impl Open {
    pub(super) fn new() -> Self {
        let allowed = limits::open_files().map_or(usize::MAX, |most| (most / 4) as usize);
        let most_files = MOST_OPEN_FILES.min(allowed);
        Open {
            known: HashMap::new(),
            shards: HashMap::new(),
            tick: 0,
            most: MOST_OPEN,
            most_files,
            most_rows: MOST_OPEN_ROWS,
            closed: 0,
        }
    }

    pub(super) fn get(&mut self, seq: u32) -> Option<Arc<Shard>> {
        self.tick += 1;
        let (shard, used) = self.shards.get_mut(&seq)?;
        *used = self.tick;
        Some(Arc::clone(shard))
    }

    /// Keeps a shard open, and closes those that were not used for longest where there are too many.
    pub(super) fn insert(&mut self, shard: Arc<Shard>) {
        self.tick += 1;
        self.shards.insert(shard.seq, (shard, self.tick));
        loop {
            let open = self.shards.len();
            let files: usize = self.shards.values().map(|(shard, _)| shard.bytes.files()).sum();
            let rows: usize = self.shards.values().map(|(shard, _)| shard.index.samples.len()).sum();
            let many_rows = open > LEAST_OPEN && rows > self.most_rows;
            if open <= 1 || (open <= self.most && files <= self.most_files && !many_rows) {
                return;
            }
            let oldest = self.shards.iter().min_by_key(|(_, (_, used))| *used).map(|(&seq, _)| seq);
            let Some(oldest) = oldest else { return };
            self.closed += self.shards.remove(&oldest).map_or(0, |(shard, _)| shard.index.samples.len());
            if self.closed > self.most_rows {
                self.closed = 0;
                limits::give_memory_back();
            }
        }
    }
}

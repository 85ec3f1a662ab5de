//! Which shard is next: of a list that is a process's own, or of one that several processes share.
//!
//! Of a shared list a process takes the next shard when its lanes will soon have nothing to do: what it has not come to is left for others, so that a
//! slow process, or one that began late, holds nobody up. Questions that wait for a server's answer are no reason to wait; only those are that
//! wait for their turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::cluster::Cluster;
use crate::flow::Verdicts;
use crate::lane::{Lanes, lock};
use crate::shard::ShardSource;

/// A process takes the next of its own shards when fewer of its rows wait for their turn than end in this time, ...
const AHEAD: Duration = Duration::from_secs(2);
/// ... or than this; and never when more do than that.
const WAIT_AHEAD: [usize; 2] = [32, 4_096];
/// The same of one of another's.
const AHEAD_TO_HELP: Duration = Duration::from_millis(500);
const WAIT_AHEAD_TO_HELP: [usize; 2] = [16, 1_024];
/// With so few rows left, or so few that wait before each stage, it takes one whatever else waits.
const FEW: usize = 8;
/// What was handed in comes to the lanes within this.
const ARRIVES: Duration = Duration::from_millis(100);
/// Shards that were taken and are not in the dataflow yet.
const MOST_TAKEN: usize = 2;

pub(super) enum Next {
    Own(AtomicUsize),
    Shared { cluster: Arc<Cluster>, begin: Instant, appetite: Mutex<Appetite>, changed: Condvar },
}

/// What a process may take of a shared list.
#[derive(Default)]
pub(super) struct Appetite {
    /// One more may be taken.
    allowed: bool,
    taken: usize,
    handed_in: Option<Instant>,
    /// Its own are all handed out.
    helps: bool,
    over: bool,
}

/// Lets go who waits for leave to take a shard.
pub(super) struct Ends<'a>(&'a Next);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if let Next::Shared { appetite, changed, .. } = self.0 {
            lock(appetite).over = true;
            changed.notify_all();
        }
    }
}

impl Next {
    pub(super) fn of(cluster: Option<&Arc<Cluster>>) -> Self {
        match cluster {
            None => Next::Own(AtomicUsize::new(0)),
            Some(cluster) => Next::Shared {
                cluster: cluster.clone(),
                begin: Instant::now(),
                appetite: Mutex::default(),
                changed: Condvar::new(),
            },
        }
    }

    pub(super) fn ends(&self) -> Ends<'_> {
        Ends(self)
    }

    /// The next shard, when it is time for it; `None` when there is none.
    pub(super) fn next<'s>(&self, sources: &'s [ShardSource]) -> Result<Option<&'s ShardSource>, Failure> {
        let (cluster, appetite, changed) = match self {
            Next::Own(next) => return Ok(sources.get(next.fetch_add(1, Ordering::Relaxed))),
            Next::Shared { cluster, appetite, changed, .. } => (cluster, appetite, changed),
        };
        loop {
            let mut now = lock(appetite);
            while !now.allowed && !now.over {
                now = changed.wait(now).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            if now.over {
                return Ok(None);
            }
            now.allowed = false;
            now.taken += 1;
            let helps = now.helps;
            drop(now);
            let place = cluster.next_shard(helps).map_err(|lost| Failure::Failed(lost.to_string()))?;
            if let Some(place) = place {
                return Ok(sources.get(place));
            }
            let mut now = lock(appetite);
            now.taken -= 1;
            now.over |= helps;
            now.helps = true;
            changed.notify_all();
        }
    }

    /// Allows one more to be taken, if what there is will not take long any more.
    pub(super) fn look(&self, verdicts: &Verdicts, lanes: &Lanes) {
        let Next::Shared { begin, appetite, changed, .. } = self else { return };
        let mut now = lock(appetite);
        if now.allowed || now.taken >= MOST_TAKEN {
            return;
        }
        // Counting looks at every shard: not for who shares none.
        let counts = verdicts.counts();
        let left = counts.expected.saturating_sub(counts.ended);
        let arrived = now.handed_in.is_none_or(|at| at.elapsed() > ARRIVES);
        let lanes = lanes.status();
        let at_work: usize = lanes.iter().map(|stage| stage.at_work).sum();
        let enough = enough((counts.ended, begin.elapsed()), now.helps);
        // Rows that wait for the epochs of others keep nobody busy here.
        let idle = || lanes.iter().all(|stage| stage.in_flight.saturating_sub(stage.at_work) <= FEW);
        now.allowed = left <= FEW || arrived && (left.saturating_sub(at_work) <= enough || idle());
        if now.allowed {
            changed.notify_one();
        }
    }

    /// A shard that was taken is in the dataflow.
    pub(super) fn is_in(&self) {
        if let Next::Shared { appetite, .. } = self {
            let mut now = lock(appetite);
            now.taken = now.taken.saturating_sub(1);
            now.handed_in = Some(Instant::now());
        }
    }
}

/// So many may wait: `ended` rows came to their ends in this time.
fn enough((ended, elapsed): (usize, Duration), helps: bool) -> usize {
    let (time, [least, most]) = if helps { (AHEAD_TO_HELP, WAIT_AHEAD_TO_HELP) } else { (AHEAD, WAIT_AHEAD) };
    let rows = ended as f64 * time.as_secs_f64() / elapsed.as_secs_f64().max(0.001);
    (rows as usize).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_wait_is_what_ends_in_two_seconds() {
        let seconds = Duration::from_secs;
        // Nothing ended yet; one row a second; a hundred; a million.
        assert_eq!(enough((0, seconds(0)), false), 32);
        assert_eq!(enough((100, seconds(100)), false), 32);
        assert_eq!(enough((10_000, seconds(100)), false), 200);
        assert_eq!(enough((100_000_000, seconds(100)), false), 4_096);
        assert_eq!(enough((10_000, seconds(100)), true), 50);
        assert_eq!(enough((100, seconds(100)), true), 16);
    }
}

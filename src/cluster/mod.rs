//! Several processes run one dataflow: how they find each other, know each other, talk, and end together.
//!
//! Each process has a number from 0 on. They meet by the store, which all of them see: process 0 writes there where it listens, and the run's
//! token, in a file that only its user reads (`join`). Two kinds of connections are made, and each begins with proof that both ends know
//! the token (`token`): one from every process to process 0, for all that is said in words (`control`, `message`), and one between each
//! two, for what the dataflow exchanges (`link`). The token never crosses the wire; rows do, and are not encrypted.
//!
//! Shards are handed out by process 0 as processes ask for them (`hand_out`). When a process ends before the run does, or falls silent, all
//! end, each with the one reason ([`Lost`]).

mod control;
mod hand_out;
mod join;
mod link;
mod message;
mod place;
mod token;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use hand_out::choices;
pub use join::{Joining, Same};
pub(crate) use place::host_name;
pub use place::{Hosts, Place};

use crate::flow::{Epoch, Link, Peers};
use control::{Shared, State};

/// The file in the store by which processes find each other.
pub const MEETING_POINT: &str = "cluster.json";

/// A process that says nothing for so long hangs, or cannot be reached.
pub const SILENCE: Duration = Duration::from_secs(5);

/// So often each says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long a process has to end by itself when the run ended elsewhere; then it is ended.
const GRACE: Duration = Duration::from_secs(2);

/// The exit code of a process whose run ended because another process was lost: to be started again.
pub const LOST_EXIT_CODE: u8 = 75;

/// Why the processes ended before the run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The process that it began with.
    pub process: usize,
    /// Where that runs: its host's name and its address.
    pub host: String,
    pub why: String,
    /// It is gone, or cannot be reached: started again, the run goes on where it stood. Otherwise it ended by itself, with an error.
    pub again: bool,
}

/// `process 2 on node7 (10.0.0.7:2101): its connection ended`.
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}: {}", self.process, self.host, self.why)
    }
}

/// To each of the others; `None` in the place of this process.
type Links = Vec<Option<Box<dyn Link>>>;

/// This process, among those that run one dataflow.
pub struct Cluster {
    place: Place,
    /// Where each of them runs.
    hosts: Vec<String>,
    shared: Arc<Shared>,
    /// Taken by the engine.
    links: Mutex<Option<Links>>,
    /// One thread asks for a shard at a time.
    asking: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What crossed the wire for the dataflow, of this process.
#[derive(Debug, Default)]
struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Cluster {
    pub fn place(&self) -> Place {
        self.place
    }

    /// Process 0: it hands out shards, publishes, and tells the user.
    pub fn leads(&self) -> bool {
        self.place.index == 0
    }

    /// Why the run ended elsewhere, if it did.
    pub fn lost(&self) -> Option<Lost> {
        self.shared.state().lost.clone()
    }

    /// The next shard for this process, as its place in the list that all have; `None` when none is left for it. Whose own are all handed out
    /// `helps` another, and may be given one of its.
    ///
    /// # Errors
    /// Where the run ended elsewhere.
    pub fn next_shard(&self, helps: bool) -> Result<Option<usize>, Lost> {
        let _asking = lock(&self.asking);
        self.shared.ask_for_a_shard(self.place.index, helps)
    }

    /// What all say here, in their order; waits for them. Each process meets as often, and in the same order. For when no engine runs, or
    /// it is at rest: else [`Peers::say`].
    ///
    /// # Errors
    /// Where the run ended elsewhere.
    pub fn meet(&self, said: Vec<u8>) -> Result<Vec<Vec<u8>>, Lost> {
        self.shared.say(self.place.index, said, true);
        self.shared.wait(|state| state.heard.pop_front())
    }

    /// As [`meet`](Cluster::meet), but process 0 alone hears it; the others are told nothing.
    ///
    /// # Errors
    /// Where the run ended elsewhere.
    pub fn tell_the_first(&self, said: Vec<u8>) -> Result<Vec<Vec<u8>>, Lost> {
        self.shared.say(self.place.index, said, false);
        self.shared.wait(|state| state.heard.pop_front())
    }

    /// Says something to process 0 under a number, beside all else: from any thread, in any order.
    pub fn say_beside(&self, number: u64, said: Vec<u8>) {
        self.shared.say_beside(number, &said);
    }

    /// In process 0: whether what others say under this number is waited for, from before they know of it. What is not is let go of.
    pub fn expect_beside(&self, number: u64, is_expected: bool) {
        self.shared.state().expect(number, is_expected);
    }

    /// In process 0: what another one said under this number. Waits for it; it is heard once. Nothing where the run was done before.
    ///
    /// # Errors
    /// Where the run ended elsewhere.
    pub fn beside(&self, process: usize, number: u64) -> Result<Option<Vec<u8>>, Lost> {
        self.shared.wait(|state| match state.beside.remove(&(process, number)) {
            None if state.is_over() => Some(None),
            said => said.map(Some),
        })
    }

    /// Ends the run everywhere, since it cannot go on here; the others are told the first line of why. Where it ended already, nothing is told.
    pub fn fail(&self, why: &str) {
        let why = why.lines().next().unwrap_or_default().to_owned();
        let (process, host) = (self.place.index, self.host().to_owned());
        self.shared.lose(Lost { process, host, why, again: false });
        self.shared.hang_up();
    }

    /// The run is done: process 0 says so, and the others wait for it.
    ///
    /// # Errors
    /// Where it ended elsewhere before it was done.
    pub fn finish(&self) -> Result<(), Lost> {
        if self.leads() {
            self.shared.say_done();
        } else {
            self.shared.wait(|state| state.done.then_some(()))?;
        }
        self.shared.hang_up();
        Ok(())
    }

    /// Where this process runs.
    pub fn host(&self) -> &str {
        &self.hosts[self.place.index]
    }

    /// Where each of the processes runs.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The bytes that this process sent for the dataflow.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.traffic.sent.load(Ordering::Relaxed)
    }

    /// The bytes that this process received for the dataflow.
    pub fn bytes_received(&self) -> u64 {
        self.shared.traffic.received.load(Ordering::Relaxed)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.hang_up();
    }
}

impl Peers for Cluster {
    fn place(&self) -> (usize, usize) {
        (self.place.index, self.place.of)
    }

    fn links(&self) -> Result<Links, String> {
        lock(&self.links)
            .take()
            .ok_or_else(|| "the links to the other processes are in use already".to_owned())
    }

    fn reach(&self, epoch: Epoch) {
        self.shared.reach(epoch);
    }

    fn reached(&self) -> Epoch {
        self.shared.state().reached
    }

    fn say(&self, said: Vec<u8>) {
        self.shared.say(self.place.index, said, true);
    }

    fn heard(&self) -> Option<Vec<Vec<u8>>> {
        self.shared.state().heard.pop_front()
    }

    fn wake_by(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.shared.state().wake = Some(wake);
    }
}

/// So that a state can be looked at as a test goes on.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { reached, lost, done, .. } = &*self.shared.state();
        write!(f, "{:?} reached {reached}, lost {lost:?}, done {done}", self.place)
    }
}

//! One dataflow over several processes: what an engine needs of the others.
//!
//! Each process has an engine with workers of its own, and feeds rows of its own; a row never leaves its process. Epochs are everybody's. An
//! epoch is complete when no process can add to it any more, so a process that has nothing to feed follows the furthest of the others
//! ([`Peers::reached`]). What only all rows decide (shares, whether anything is left to do) the processes decide together: each says
//! something, and all hear what all said ([`Peers::say`]).

mod link;

use std::sync::Arc;

use timely::CommunicationConfig;
use timely::communication::Hooks;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};

use link::Linked;
pub use link::{LastWord, Link};

use super::progress::{Stopped, Tick};
use super::worker::Command;
use super::{Engine, Epoch};

/// The other processes that run the same dataflow. Shared by the threads of a process.
pub trait Peers: Send + Sync {
    /// Which of the processes this is, and how many there are.
    fn place(&self) -> (usize, usize);
    /// A link to each of the others, in their order, for what the dataflow exchanges; `None` in the place of this process. Asked once.
    ///
    /// # Errors
    /// What is to be said to the user.
    fn links(&self) -> Result<Vec<Option<Box<dyn Link>>>, String>;
    /// Tells the others that this process has begun this epoch.
    fn reach(&self, epoch: Epoch);
    /// The furthest epoch that another one has begun.
    fn reached(&self) -> Epoch;
    /// Says something to all. Each process says as many things, in the same order.
    fn say(&self, said: Vec<u8>);
    /// What all said, in the order of the processes, if all have said what this one said last.
    fn heard(&self) -> Option<Vec<Vec<u8>>>;
    /// `wake` is to be called whenever another one reached or said something. Told once.
    fn wake_by(&self, wake: Box<dyn Fn() + Send + Sync>);
}

/// What timely's workers talk by, and what is kept until they end.
pub(super) type Communication = (Vec<AllocatorBuilder>, Box<dyn std::any::Any + Send>);

/// For so many workers of this process.
pub(super) fn communication(workers: usize, peers: Option<&Arc<dyn Peers>>) -> Result<Communication, String> {
    let Some(peers) = peers else { return CommunicationConfig::Process(workers).try_build() };
    let (process, _) = peers.place();
    let hooks = Hooks::default();
    let local = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), hooks.spill.clone());
    let links = peers.links()?.into_iter().map(|link| link.map(Linked)).collect();
    let connected = initialize_networking_from_sockets(local, links, process, workers, hooks);
    let (builders, guard) = connected.map_err(|error| format!("the processes cannot talk: {error}"))?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}

impl Engine {
    pub(super) fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.options.peers.as_ref()
    }

    /// Begins no epoch before this one: other processes are there already, and theirs are not complete before this process says so.
    fn follow(&mut self, epoch: Epoch) {
        if epoch > self.next {
            self.next = epoch;
            self.tell(&Command::Feed { epoch: epoch - 1, rows: Arc::default(), diff: 1 });
        }
    }

    pub(super) fn follow_the_furthest(&mut self) {
        if let Some(reached) = self.peers().map(|peers| peers.reached()) {
            self.follow(reached);
        }
    }

    /// Takes in what is there, and follows the furthest of the others: for who does something else for a while.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// let mut engine = run(pictures([5, 20]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.keep_up();
    /// assert_eq!(kept(&engine), [1]);
    /// ```
    pub fn keep_up(&mut self) {
        self.take_in_what_is_there();
        self.follow_the_furthest();
    }

    /// An epoch without a row, to wait for.
    fn next_epoch_is_empty(&mut self) {
        let epoch = self.next_epoch(0);
        self.tell(&Command::Feed { epoch, rows: Arc::default(), diff: 1 });
    }

    /// What all processes say here, in their order; it waits for them. Alone, what this one says.
    pub(crate) fn meet(&mut self, said: Vec<u8>, tick: Tick<'_>) -> Result<Vec<Vec<u8>>, Stopped> {
        let Some(peers) = self.peers().cloned() else { return Ok(vec![said]) };
        peers.say(said);
        let mut heard = None;
        let waited = self.wait_until(tick, |_| {
            heard = heard.take().or_else(|| peers.heard());
            heard.is_some()
        });
        // What all said is heard, though another one may have ended because of it by now.
        match heard.or_else(|| peers.heard()) {
            Some(heard) => Ok(heard),
            None => waited.map(|()| Vec::new()),
        }
    }

    /// The sum of what all processes say, number by number. What is 0 is not said: most buckets of a histogram are empty.
    pub(crate) fn sum(&mut self, numbers: Vec<u64>, tick: Tick<'_>) -> Result<Vec<u64>, Stopped> {
        if self.peers().is_none() {
            return Ok(numbers);
        }
        let failed =
            |error: postcard::Error| Stopped::Asked(format!("another process was not understood: {error}"));
        let there: Vec<(usize, u64)> =
            numbers.iter().copied().enumerate().filter(|(_, number)| *number > 0).collect();
        let mut sum = vec![0; numbers.len()];
        for heard in self.meet(postcard::to_stdvec(&there).map_err(failed)?, tick)? {
            let there: Vec<(usize, u64)> = postcard::from_bytes(&heard).map_err(failed)?;
            for (place, number) in there {
                *sum.get_mut(place).ok_or_else(|| failed(postcard::Error::DeserializeBadEncoding))? += number;
            }
        }
        Ok(sum)
    }

    /// Waits until all that any process has handed in is worked off everywhere. All processes call it at the same point of their work.
    pub(super) fn wait_for_everybody(&mut self, tick: Tick<'_>) -> Result<(), Stopped> {
        if self.peers().is_some() {
            // When all are here, nobody hands anything in.
            let nexts = self.meet(self.next.to_le_bytes().to_vec(), tick)?;
            let epoch = |said: &Vec<u8>| said.as_slice().try_into().map_or(0, Epoch::from_le_bytes);
            let last = nexts.iter().map(epoch).max().unwrap_or(0);
            self.follow(last);
            self.next_epoch_is_empty();
        }
        self.wait_for_all(tick)?;
        // Nobody goes on, and may end its workers, before all know what it says.
        self.meet(Vec::new(), tick).map(drop)
    }
}

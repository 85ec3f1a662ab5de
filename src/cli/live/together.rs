//! A session of several processes. Process 0 is asked for something, tells the others, and all do the same at once, each with its own rows
//! ([`Session::together`]); where one needs what the others know, all say it to each other ([`Session::gather`]).
//!
//! So that nobody waits for what another one has not begun, all say as often: what can fail in one process alone is said as a result
//! ([`Session::agree`]). Where the dataflow itself fails, the session ends everywhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Problem;
use super::order::Order;
use super::session::{Ended, Session};
use super::share::Share;
use super::watch::Homes;
use crate::cli::cluster::until_it_is_lost;
use crate::cli::run::{stopped, until_a_signal};
use crate::cli::{Failure, signals};
use crate::cluster::Cluster;
use crate::flow::{Progress, Stopped, Verdicts};
use crate::lane::lock;
use crate::limits;

/// How long a process that is told to end waits for process 0 to be told so, too.
const ALL_ARE_TOLD: Duration = Duration::from_secs(5);

/// What is going on, while the dataflow is waited for.
pub(super) type Ticking = Box<dyn FnMut(&Progress, &Verdicts) -> Result<(), String>>;

/// What several processes of a session know of each other.
#[derive(Default)]
pub(super) struct Together {
    /// What process 0 had done so far.
    orders: u64,
    /// In process 0: how the others stood when all were last asked.
    others: Vec<Share>,
    /// In process 0: what the others say beside of the order that was given last.
    beside: Option<Beside>,
    pub(super) shards: Homes,
    /// Why the dataflow cannot go on.
    broken: Option<String>,
}

/// What the other processes are yet to say, of what they look up beside their sessions.
#[derive(Clone)]
pub(super) struct Beside(Arc<Expected>);

struct Expected {
    cluster: Arc<Cluster>,
    number: u64,
    /// By process.
    heard: Mutex<HashMap<usize, Vec<u8>>>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.cluster.expect_beside(self.number, false);
    }
}

impl Beside {
    /// What the process of this number says.
    pub(super) fn of<T: DeserializeOwned>(&self, process: usize) -> Result<T, Problem> {
        let Expected { cluster, number, heard } = &*self.0;
        let mut heard = lock(heard);
        let said = match heard.entry(process) {
            Entry::Occupied(said) => said.into_mut(),
            Entry::Vacant(new) => {
                let said =
                    cluster.beside(process, *number).map_err(|lost| Problem::ended(lost.to_string()))?;
                new.insert(said.ok_or_else(|| Problem::ended(Ended.to_string()))?)
            }
        };
        read::<Result<T, (u16, String)>>(said)?.map_err(|(status, text)| Problem { status, text })
    }

    /// What each of the others says.
    pub(super) fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, Problem> {
        // Of all, before the first failure is told: nobody is at work on it any more.
        let all: Vec<Result<T, Problem>> =
            (1..self.0.cluster.place().of).map(|process| self.of(process)).collect();
        all.into_iter().collect()
    }
}

fn written(what: &impl Serialize) -> Result<Vec<u8>, Problem> {
    postcard::to_stdvec(what).map_err(|error| Problem::failed(error.to_string()))
}

fn read<T: DeserializeOwned>(said: &[u8]) -> Result<T, Problem> {
    postcard::from_bytes(said).map_err(|error| {
        Problem::failed(format!("another process said what this one does not understand: {error}"))
    })
}

impl Session<'_> {
    pub(super) fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.opened.cluster.as_ref()
    }

    /// Whether it speaks for the session.
    pub(super) fn leads(&self) -> bool {
        self.cluster().is_none_or(|cluster| cluster.leads())
    }

    /// Does `work`; of several processes, has all do it: the others do what the order says, which is the same.
    pub(super) fn together<T>(
        &mut self,
        order: &Order,
        work: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if let Some(cluster) = self.cluster().cloned() {
            self.together.orders += 1;
            let number = self.together.orders;
            cluster.expect_beside(number, true);
            self.together.beside =
                Some(Beside(Arc::new(Expected { cluster, number, heard: Mutex::default() })));
            self.meet(written(order)?)?;
        }
        work(self)
    }

    /// The number of the order that was given last.
    pub(super) fn order(&self) -> u64 {
        self.together.orders
    }

    /// What the others are yet to say of the order that was given last.
    pub(super) fn beside(&self) -> Option<Beside> {
        self.together.beside.clone()
    }

    /// Looks up what an order wants beside the session, on a thread of its own, and tells process 0.
    pub(super) fn look_up_beside<T: Serialize>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) {
        let Some(cluster) = self.cluster().cloned() else { return };
        let number = self.together.orders;
        let told = cluster.clone();
        let look_up = move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let done = done
                .unwrap_or_else(|_| Err(Problem::failed("what was looked up made the program panic".into())));
            let said = written(&done.map_err(|Problem { status, text }| (status, text)));
            told.say_beside(number, said.unwrap_or_default());
        };
        if std::thread::Builder::new().name("beside".into()).spawn(look_up).is_err() {
            let said = written(&Err::<T, _>((503_u16, "there is no thread left to look it up".to_owned())));
            cluster.say_beside(number, said.unwrap_or_default());
        }
    }

    /// What goes on while the dataflow is waited for. Of several processes, a signal is for the session: what was begun is ended first.
    pub(super) fn ticking(&self) -> Ticking {
        match self.cluster() {
            None => Box::new(until_a_signal),
            Some(cluster) => Box::new(until_it_is_lost(cluster)),
        }
    }

    /// What came of waiting for the dataflow. Where several processes wait for each other, one that does not must not go on.
    pub(super) fn waited<T>(&mut self, done: Result<T, Stopped>) -> Result<T, Failure> {
        self.must(done.map_err(stopped))
    }

    /// The same of what waited for it.
    pub(super) fn must<T>(&mut self, done: Result<T, Failure>) -> Result<T, Failure> {
        if let (Err(failure), true) = (&done, self.cluster().is_some()) {
            self.together.broken.get_or_insert_with(|| failure.to_string());
        }
        done
    }

    /// Why the session cannot go on.
    pub(super) fn is_broken(&self) -> Result<(), Failure> {
        self.together.broken.clone().map_or(Ok(()), |why| Err(Failure::Failed(why)))
    }

    fn meet(&mut self, said: Vec<u8>) -> Result<Vec<Vec<u8>>, Failure> {
        let mut tick = self.ticking();
        let heard = self.opened.engine.meet(said, &mut tick);
        self.waited(heard)
    }

    /// What all processes say here, in their order; alone, what this one says.
    pub(super) fn gather<T: Serialize + DeserializeOwned>(&mut self, own: T) -> Result<Vec<T>, Problem> {
        if self.cluster().is_none() {
            return Ok(vec![own]);
        }
        let said = written(&own)?;
        // Nothing that leaves fields out can be said like this.
        debug_assert!(
            read::<T>(&said).and_then(|read| written(&read)).is_ok_and(|again| again.len() == said.len())
        );
        self.meet(said)?.iter().map(|said| read(said)).collect()
    }

    /// What process 0 says.
    pub(super) fn of_the_first<T: Serialize + DeserializeOwned>(&mut self, own: T) -> Result<T, Problem> {
        Ok(self.gather(own)?.swap_remove(0))
    }

    /// What came of something that each process did for itself: what failed in one has failed in all.
    pub(super) fn agree<T: Serialize + DeserializeOwned>(
        &mut self,
        own: Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        if self.cluster().is_none() {
            return Ok(vec![own?]);
        }
        self.gather(own).map_err(Problem::into_failure)?.into_iter().collect()
    }

    /// The same of what is a problem for who asked.
    pub(super) fn agree_on<T: Serialize + DeserializeOwned>(
        &mut self,
        own: Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let Some(_) = self.cluster() else { return Ok(vec![own?]) };
        let all = self.gather(own.map_err(|Problem { status, text }| (status, text)))?;
        all.into_iter().map(|one| one.map_err(|(status, text)| Problem { status, text })).collect()
    }

    /// A sum of numbers of all processes.
    pub(super) fn sum(&mut self, numbers: Vec<u64>) -> Result<Vec<u64>, Problem> {
        let mut tick = self.ticking();
        let sum = self.opened.engine.sum(numbers, &mut tick);
        Ok(self.waited(sum)?)
    }

    /// Looks how the others stand.
    pub(super) fn see_the_others(&mut self) -> Result<(), Failure> {
        if self.cluster().is_none() {
            return Ok(());
        }
        let own = Share::of(self);
        let mut all = self.gather(own).map_err(Problem::into_failure)?;
        self.together.others = if self.leads() { all.split_off(1) } else { Vec::new() };
        Ok(())
    }

    /// How all stand: this process now, and the others when they were last asked, which is after everything that is done together.
    pub(super) fn all(&self) -> Share {
        let mut all = Share::of(self);
        self.together.others.iter().enumerate().for_each(|(place, other)| all.add(other, place + 1));
        all
    }

    /// All others are told of it before this process waits for anything.
    pub(super) fn tell_of_a_failure(&self, ended: &Result<(), Failure>) {
        if let (Err(failure), Some(cluster)) = (ended, self.cluster()) {
            cluster.fail(&failure.to_string());
        }
    }

    /// Another process than the first: does what that one says, until it says that the session ends.
    pub(super) fn follow(mut self) -> Result<(), Failure> {
        let ended = self.follow_orders();
        self.tell_of_a_failure(&ended);
        self.end(ended.is_ok());
        ended
    }

    fn follow_orders(&mut self) -> Result<(), Failure> {
        let cluster = self.cluster().cloned().expect("another process is followed");
        let mut signalled = None;
        loop {
            crate::flow::Peers::say(&*cluster, Vec::new());
            let order = loop {
                if signals::stopped() && signalled.get_or_insert_with(Instant::now).elapsed() > ALL_ARE_TOLD {
                    let why = "stopped; the session ends in order when process 0 is told to stop";
                    return Err(Failure::Failed(why.to_owned()));
                }
                if let Some(said) = self.opened.engine.hear(self.pause_between()) {
                    break read::<Order>(&said[0]).map_err(Problem::into_failure)?;
                }
                if let Some(lost) = cluster.lost() {
                    return Err(Failure::Failed(lost.to_string()));
                }
                if let Some(why) = limits::stops() {
                    return Err(Failure::Failed(why));
                }
                self.let_go();
            };
            self.together.orders += 1;
            if matches!(order, Order::End) {
                return Ok(());
            }
            // Process 0 tells what came of it.
            let _ = self.perform(order);
            self.is_broken()?;
        }
    }
}

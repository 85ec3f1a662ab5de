//! The sessions of one model: how many, and where. They are opened when they are needed, and opened again when memory ran out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use threshflow::lane::Limits;
use threshflow::row::Refusal;

use super::OnnxError;
use super::backend::Backend;
use super::device::SessionDevice;
use super::memory::{Runs, halving};
use super::session::session_plan;

/// How the sessions of a model are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// How many sessions, each for one thread. At least one.
    pub sessions: usize,
    /// How many cores one run may use.
    pub threads: usize,
    /// Where sessions are opened: each goes where the fewest are, in this order. Not empty.
    pub places: Vec<SessionDevice>,
    /// How many questions a session is handed at once. A GPU takes them in one run; on a CPU most models run them one by one.
    pub most_a_batch: usize,
}

impl SessionPlan {
    /// For a model of `model_bytes`, graphs and external data together. On GPUs one session each, and batches of 64; on
    /// `cores` cores as [`session_plan`] says, and batches of 8. A model that wants other batches sets them.
    pub fn new(backend: &Backend, model_bytes: u64, cores: usize) -> Self {
        let places = backend.places();
        if backend.on_gpu() {
            return SessionPlan { sessions: places.len(), threads: 1, places, most_a_batch: 64 };
        }
        let (sessions, threads) = session_plan(model_bytes, cores);
        SessionPlan { sessions, threads, places, most_a_batch: 8 }
    }
}

/// Opens a session on a place, for runs of so many threads.
type Opens<S> = Box<dyn Fn(SessionDevice, usize) -> Result<S, OnnxError> + Send + Sync>;
/// Runs a session once, on so many questions of no meaning.
type WarmsUp<S> = Box<dyn Fn(&mut S, usize) -> Result<(), OnnxError> + Send + Sync>;

/// The sessions of one model, shared by the threads that answer. `S` is what a model calls a session: one graph, or several.
pub struct SessionPool<S> {
    plan: SessionPlan,
    opens: Opens<S>,
    warms_up: WarmsUp<S>,
    seats: Seats,
    /// Opened to see that the model loads, for the first thread that asks.
    first: Mutex<Option<Pooled<S>>>,
}

/// A session of a pool, held by one thread.
pub struct Pooled<S> {
    /// `None` after memory ran out, until the next run.
    session: Option<S>,
    seat: Seat,
    /// The most that fitted into one run on this place, as far as was tried.
    most: usize,
}

impl<S: Send + 'static> SessionPool<S> {
    /// Opens the first session at once: a model that doesn't load is an error before the first picture.
    ///
    /// On a GPU every session is warmed up when it is opened, by `warms_up` with the batch of the plan: the runtime builds its
    /// engines and takes its memory in the first run. A batch that doesn't fit is halved until one does.
    pub fn open(
        plan: SessionPlan,
        opens: impl Fn(SessionDevice, usize) -> Result<S, OnnxError> + Send + Sync + 'static,
        warms_up: impl Fn(&mut S, usize) -> Result<(), OnnxError> + Send + Sync + 'static,
    ) -> Result<Self, OnnxError> {
        if plan.places.is_empty() {
            let why = "there is no place to open a session on; name at least one device".to_string();
            return Err(OnnxError::Device { device: "none".to_string(), why });
        }
        let seats = Seats::new(plan.places.len());
        let pool = SessionPool {
            plan,
            opens: Box::new(opens),
            warms_up: Box::new(warms_up),
            seats,
            first: Mutex::new(None),
        };
        let first = pool.open_one()?;
        *lock(&pool.first) = Some(first);
        Ok(pool)
    }

    pub fn plan(&self) -> &SessionPlan {
        &self.plan
    }

    /// A session for the calling thread: the first, or one more, on the place that has the fewest.
    pub fn session(&self) -> Result<Pooled<S>, OnnxError> {
        let first = lock(&self.first).take();
        first.map_or_else(|| self.open_one(), Ok)
    }

    /// The same as an operator gives it to its stage.
    pub fn open_session(&self) -> Result<Pooled<S>, String> {
        self.session().map_err(|error| error.to_string())
    }

    /// Of an operator that answers on the sessions of this pool.
    pub fn limits(&self) -> Limits {
        Limits::of_pool(self.plan.sessions, self.plan.most_a_batch)
    }

    /// Runs `run` on the batch, and gives one answer a question, in order.
    ///
    /// Memory that runs out halves the batch, on a session that is opened anew; how many fit is remembered with the session.
    /// One that doesn't fit alone is refused as `out_of_memory`. A run that fails otherwise is done again one by one, and what
    /// fails alone is refused as `model_failed`. Neither tells of the content.
    pub fn run<I, O>(
        &self,
        pooled: &mut Pooled<S>,
        batch: &[I],
        run: impl FnMut(&mut S, &[I]) -> Result<Vec<O>, OnnxError>,
    ) -> Vec<Result<O, Refusal>> {
        let mut most = pooled.most;
        let answers = halving(&mut Running { pool: self, pooled, run }, &mut most, batch);
        if most < pooled.most && pooled.session.is_some() {
            tell_of_less(self.plan.places[pooled.seat.at], pooled.most, most);
        }
        pooled.most = most;
        answers
    }

    fn open_one(&self) -> Result<Pooled<S>, OnnxError> {
        let seat = self.seats.take();
        let place = self.plan.places[seat.at];
        let (session, most) = (self.open_at(place)?, self.plan.most_a_batch.max(1));
        let (session, most) = match place {
            SessionDevice::Cpu => (session, most),
            gpu => self.warm(session, gpu, most)?,
        };
        Ok(Pooled { session: Some(session), seat, most })
    }

    /// Runs the session once, opened anew with half the batch until one fits; gives it, and how many fit.
    fn warm(&self, mut session: S, place: SessionDevice, mut most: usize) -> Result<(S, usize), OnnxError> {
        loop {
            match (self.warms_up)(&mut session, most) {
                Ok(()) => {
                    if most < self.plan.most_a_batch {
                        tell_of_less(place, self.plan.most_a_batch, most);
                    }
                    return Ok((session, most));
                }
                Err(OnnxError::OutOfMemory { .. }) if most > 1 => {
                    most = most.div_ceil(2);
                    // Given back before more is asked for.
                    drop(session);
                    session = self.open_at(place)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn open_at(&self, place: SessionDevice) -> Result<S, OnnxError> {
        (self.opens)(place, self.plan.threads)
    }
}

fn tell_of_less(place: SessionDevice, wanted: usize, most: usize) {
    threshflow::note!(
        "{place}: its memory does not hold what batches of up to {wanted} take; this session goes on with {most} at most"
    );
}

/// A session, and how its model is run.
struct Running<'a, S, F> {
    pool: &'a SessionPool<S>,
    pooled: &'a mut Pooled<S>,
    run: F,
}

impl<S, I, O, F> Runs<I, O> for Running<'_, S, F>
where
    S: Send + 'static,
    F: FnMut(&mut S, &[I]) -> Result<Vec<O>, OnnxError>,
{
    fn run(&mut self, items: &[I]) -> Result<Vec<O>, OnnxError> {
        let session = match &mut self.pooled.session {
            Some(session) => session,
            // Not warmed up: what comes next is the very run that is wanted.
            none => none.insert(self.pool.open_at(self.pool.plan.places[self.pooled.seat.at])?),
        };
        (self.run)(session, items)
    }

    fn let_go(&mut self) {
        self.pooled.session = None;
    }
}

/// How many sessions there are on each place: one that a thread lost is opened again where it was.
#[derive(Clone)]
struct Seats {
    taken: Arc<Mutex<Vec<usize>>>,
}

/// One session's part of a place.
struct Seat {
    at: usize,
    seats: Seats,
}

impl Seats {
    fn new(places: usize) -> Self {
        Seats { taken: Arc::new(Mutex::new(vec![0; places])) }
    }

    /// A seat where the fewest are taken.
    fn take(&self) -> Seat {
        let mut taken = lock(&self.taken);
        let at = (0..taken.len()).min_by_key(|&at| taken[at]).unwrap_or(0);
        if let Some(count) = taken.get_mut(at) {
            *count += 1;
        }
        Seat { at, seats: self.clone() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.seats.taken).get_mut(self.at) {
            *count -= 1;
        }
    }
}

/// Every value under a lock here is whole between statements, whatever a panicking thread left behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

//! Sessions of one model that several stages use: each is lent for as long as one batch takes. So the model is in memory once on a place, and not
//! once a stage.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use threshflow::lane::Limits;

use super::OnnxError;
use super::pool::{Pooled, SessionPool};

/// As many sessions as the plan says, for any number of threads.
pub struct SharedPool<S> {
    pool: SessionPool<S>,
    lent: Mutex<Lent<S>>,
    /// One came back.
    back: Condvar,
}

struct Lent<S> {
    idle: Vec<Pooled<S>>,
    /// Those that are open, lent or not.
    open: usize,
}

impl<S: Send + 'static> SharedPool<S> {
    /// Lends the sessions of `pool`, from which nobody else takes any.
    pub fn new(pool: SessionPool<S>) -> Self {
        let lent = Mutex::new(Lent { idle: Vec::new(), open: 0 });
        SharedPool { pool, lent, back: Condvar::new() }
    }

    /// Of a stage that answers on these sessions, whoever else does.
    pub fn limits(&self) -> Limits {
        self.pool.limits()
    }

    /// Lends a session to `work`; waits while all of them are lent. How many fit into one run of it is known to whoever has it next. One whose work
    /// panicked is not used again.
    pub fn with<T>(&self, work: impl FnOnce(&SessionPool<S>, &mut Pooled<S>) -> T) -> Result<T, OnnxError> {
        let mut loan = Loan { shared: self, session: Some(self.take()?) };
        let session = loan.session.as_mut().expect("was taken just now");
        let done = work(&self.pool, session);
        let session = loan.session.take();
        self.lent().idle.extend(session);
        Ok(done)
    }

    fn take(&self) -> Result<Pooled<S>, OnnxError> {
        let mut lent = self.lent();
        loop {
            if let Some(session) = lent.idle.pop() {
                return Ok(session);
            }
            if lent.open < self.pool.plan().sessions.max(1) {
                break;
            }
            lent = self.back.wait(lent).unwrap_or_else(PoisonError::into_inner);
        }
        lent.open += 1;
        drop(lent);
        self.pool.session().inspect_err(|_| self.one_less())
    }

    fn one_less(&self) {
        self.lent().open -= 1;
        self.back.notify_one();
    }

    fn lent(&self) -> MutexGuard<'_, Lent<S>> {
        // Whole between statements, whatever a panicking thread left behind.
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is lent.
struct Loan<'a, S: Send + 'static> {
    shared: &'a SharedPool<S>,
    session: Option<Pooled<S>>,
}

impl<S: Send + 'static> Drop for Loan<'_, S> {
    fn drop(&mut self) {
        match self.session.take() {
            // Its work panicked.
            Some(session) => {
                drop(session);
                self.shared.one_less();
            }
            None => self.shared.back.notify_one(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::onnx::{SessionDevice, SessionPlan};

    const SESSIONS: usize = 3;

    #[derive(Default)]
    struct Counts {
        opened: AtomicUsize,
        alive: AtomicUsize,
        most_alive: AtomicUsize,
    }

    struct Counted(Arc<Counts>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// A model that takes batches of `room` at most, of as many as the plan says.
    fn shared(counts: &Arc<Counts>, fails: Arc<AtomicUsize>) -> SharedPool<Counted> {
        let plan =
            SessionPlan { sessions: SESSIONS, threads: 1, places: vec![SessionDevice::Cpu], most_a_batch: 8 };
        let counts = counts.clone();
        let opens = move |_, _| {
            let left = fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if counts.opened.fetch_add(1, Ordering::SeqCst) > 0 && left.is_ok() {
                return Err(OnnxError::Device { device: "cpu".into(), why: "it was to fail".into() });
            }
            let alive = counts.alive.fetch_add(1, Ordering::SeqCst) + 1;
            counts.most_alive.fetch_max(alive, Ordering::SeqCst);
            Ok(Counted(counts.clone()))
        };
        SharedPool::new(SessionPool::open(plan, opens, |_, _| Ok(())).unwrap())
    }

    /// Runs a batch of as many on a model with that much room.
    fn run(shared: &SharedPool<Counted>, batch: usize, room: usize) -> usize {
        let items: Vec<usize> = (0..batch).collect();
        let answers = shared.with(|pool, session| {
            pool.run(session, &items, |_, items| match items.len() > room {
                true => Err(OnnxError::OutOfMemory {
                    path: "model.onnx".into(),
                    why: "it was to be too large".into(),
                }),
                false => Ok(items.to_vec()),
            })
        });
        answers.unwrap().into_iter().zip(&items).filter(|(answer, item)| answer.as_ref() == Ok(item)).count()
    }

    #[test]
    fn however_many_threads_ask_no_more_sessions_are_open_than_planned() {
        let counts = Arc::new(Counts::default());
        let shared = shared(&counts, Arc::default());
        let lent = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 * SESSIONS {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let at_once = shared.with(|_, _| {
                            let at_once = lent.fetch_add(1, Ordering::SeqCst) + 1;
                            std::thread::yield_now();
                            lent.fetch_sub(1, Ordering::SeqCst);
                            at_once
                        });
                        assert!(at_once.unwrap() <= SESSIONS);
                    }
                });
            }
        });
        assert!(counts.most_alive.load(Ordering::SeqCst) <= SESSIONS);
        assert!(counts.opened.load(Ordering::SeqCst) <= SESSIONS);
    }

    #[test]
    fn what_one_stage_learned_of_memory_the_next_one_knows() {
        let counts = Arc::new(Counts::default());
        let shared = shared(&counts, Arc::default());
        assert_eq!(run(&shared, 8, 3), 8);
        let opened = counts.opened.load(Ordering::SeqCst);
        // It was halved to 2: this runs at once, and no session is opened anew.
        assert_eq!(run(&shared, 8, 3), 8);
        assert_eq!(counts.opened.load(Ordering::SeqCst), opened);
        assert!(opened > 1, "memory ran out, and a session was opened anew");
    }

    #[test]
    fn a_session_that_panicked_or_does_not_open_leaves_its_place_to_another() {
        let counts = Arc::new(Counts::default());
        let fails = Arc::new(AtomicUsize::new(0));
        let shared = shared(&counts, fails.clone());
        for _ in 0..2 * SESSIONS {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                shared.with(|_, _| std::panic::resume_unwind(Box::new("it was to panic")))
            }));
            assert!(panicked.is_err());
        }
        assert_eq!(counts.alive.load(Ordering::SeqCst), 0);
        fails.store(2 * SESSIONS, Ordering::SeqCst);
        for _ in 0..2 * SESSIONS {
            assert!(shared.with(|_, _| ()).is_err());
        }
        assert_eq!(run(&shared, 5, 8), 5);
    }
}

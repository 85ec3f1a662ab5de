//! The decode pool: threads behind one bounded queue, shared by all stages of the process.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use super::{Wake, lock};

pub(super) type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(usize, Job)>,
    /// Questions in `jobs`.
    questions: usize,
    /// Who was refused for want of room, to be woken when there is some. Kept under the same lock that refused
    /// them: else the room could come free between the refusal and the registration, and nobody would wake them.
    refused: Vec<Wake>,
    stopped: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    capacity: usize,
}

/// A handle that owns the threads.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Why there are fewer threads than were asked for.
    pub(super) failed: Option<String>,
}

impl Pool {
    pub(super) fn open(threads: usize, capacity: usize) -> Self {
        let queue = Mutex::new(Queue::default());
        let shared = Arc::new(Shared { queue, arrived: Condvar::new(), capacity: capacity.max(1) });
        let spawn = |n: usize| {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("decode-{n}")).spawn(move || work(&shared))
        };
        let (mut started, mut failed) = (Vec::new(), None);
        for n in 0..threads.max(1) {
            match spawn(n) {
                Ok(thread) => started.push(thread),
                Err(error) => {
                    failed = Some(crate::limits::no_thread("to decode on", &error));
                    break;
                }
            }
        }
        Pool { shared, threads: Mutex::new(started), failed }
    }

    /// Queues as many of `jobs` (each with its number of questions) as there is room for, and calls `taken` for
    /// each before it can start. What is left in `jobs` was refused, and `wake` will be called when there is room.
    pub(super) fn try_submit(
        &self,
        jobs: &mut VecDeque<(usize, Job)>,
        mut taken: impl FnMut(usize),
        wake: &Wake,
    ) {
        let mut queue = lock(&self.shared.queue);
        let mut submitted = 0;
        while let Some((questions, _)) = jobs.front() {
            if queue.questions > 0 && queue.questions + questions > self.shared.capacity {
                queue.refused.push(wake.clone());
                break;
            }
            let Some(job) = jobs.pop_front() else { break };
            queue.questions += job.0;
            taken(job.0);
            queue.jobs.push_back(job);
            submitted += 1;
        }
        drop(queue);
        match submitted {
            0 => {}
            1 => self.shared.arrived.notify_one(),
            _ => self.shared.arrived.notify_all(),
        }
    }

    /// Threads that could be started.
    pub(super) fn threads(&self) -> usize {
        lock(&self.threads).len()
    }

    /// How many questions more would be taken at this moment.
    pub(super) fn room(&self) -> usize {
        self.shared.capacity.saturating_sub(lock(&self.shared.queue).questions)
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.shared.queue).questions
    }

    /// Drops what waits; threads end after the job in hand.
    pub(super) fn stop(&self) {
        let mut queue = lock(&self.shared.queue);
        queue.stopped = true;
        queue.questions = 0;
        let dropped = std::mem::take(&mut queue.jobs);
        drop(queue);
        drop(dropped);
        self.shared.arrived.notify_all();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
        let me = std::thread::current().id();
        for thread in lock(&self.threads).drain(..) {
            // The last handle may be dropped by a job of the pool itself, which cannot wait for itself.
            if thread.thread().id() != me {
                let _ = thread.join();
            }
        }
    }
}

fn work(shared: &Shared) {
    loop {
        let mut queue = lock(&shared.queue);
        let (questions, job) = loop {
            if queue.stopped {
                return;
            }
            match queue.jobs.pop_front() {
                Some(job) => break job,
                None => queue = shared.arrived.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner),
            }
        };
        queue.questions -= questions;
        // Half empty before anyone is woken: waking for every single place costs more than the place is worth.
        let wakes =
            if queue.questions <= shared.capacity / 2 { std::mem::take(&mut queue.refused) } else { vec![] };
        drop(queue);
        wakes.iter().for_each(|wake| wake());
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    #[test]
    fn what_finds_no_room_is_left_and_its_asker_woken_when_there_is_some() {
        let pool = Pool::open(1, 4);
        let woken = Arc::new(AtomicUsize::new(0));
        let wake: Wake = {
            let woken = woken.clone();
            Arc::new(move || {
                woken.fetch_add(1, Ordering::SeqCst);
            })
        };
        let submit = |jobs: Vec<(usize, Job)>| {
            let (mut jobs, mut taken) = (VecDeque::from(jobs), Vec::new());
            pool.try_submit(&mut jobs, |questions| taken.push(questions), &wake);
            (taken, jobs.len())
        };
        let (release, held) = channel::<()>();
        assert_eq!(submit(vec![(1, Box::new(move || held.iter().for_each(|()| ())))]), (vec![1], 0));
        while pool.queued() > 0 {
            std::thread::yield_now();
        }
        let nothing = |questions: usize| -> (usize, Job) { (questions, Box::new(|| ())) };
        // What fits, to the last place.
        assert_eq!(submit(vec![nothing(2), nothing(2), nothing(1)]), (vec![2, 2], 1));
        assert_eq!((pool.queued(), pool.room(), woken.load(Ordering::SeqCst)), (4, 0, 0));
        drop(release);
        while woken.load(Ordering::SeqCst) == 0 || pool.queued() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(submit(vec![nothing(9)]), (vec![9], 0), "one that is larger than the queue goes alone");
    }
}

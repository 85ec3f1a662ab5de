//! The queue in which prepared questions wait for their batch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use super::lock;

struct State<T> {
    waiting: VecDeque<T>,
    stopped: bool,
}

/// A bounded queue that is emptied a batch at a time.
pub(super) struct Batches<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    room: Condvar,
    capacity: usize,
}

impl<T> Batches<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), stopped: false });
        Batches { state, arrived: Condvar::new(), room: Condvar::new(), capacity: capacity.max(1) }
    }

    /// Adds prepared questions, waiting while the queue is full: a slow model holds the decode pool back.
    pub(super) fn push(&self, items: Vec<T>) {
        let mut state = lock(&self.state);
        for item in items {
            while state.waiting.len() >= self.capacity && !state.stopped {
                state = self.room.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            if state.stopped {
                return;
            }
            state.waiting.push_back(item);
            self.arrived.notify_one();
        }
    }

    /// Adds one that holds nothing, whether there is room or not: its questions are bounded elsewhere.
    pub(super) fn push_at_once(&self, item: T) {
        let mut state = lock(&self.state);
        if !state.stopped {
            state.waiting.push_back(item);
            self.arrived.notify_one();
        }
    }

    /// The next batch of at most `most`: closed when full, or when nothing more is waiting. `None` at the end.
    /// Counts the batch as `at_work` under the lock that hands it out, so that who stopped the queue sees it.
    pub(super) fn next(&self, most: usize, at_work: &AtomicUsize) -> Option<Vec<T>> {
        let mut state = lock(&self.state);
        while state.waiting.is_empty() {
            if state.stopped {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        let taken = state.waiting.len().min(most.max(1));
        let batch = state.waiting.drain(..taken).collect();
        at_work.fetch_add(1, Ordering::SeqCst);
        drop(state);
        self.room.notify_all();
        Some(batch)
    }

    /// So many may wait before who adds more has to.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// Drops what waits and lets everyone go.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopped = true;
        state.waiting.clear();
        drop(state);
        self.arrived.notify_all();
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_holds_back_who_pushes_until_a_batch_is_taken() {
        let (batches, at_work) = (Batches::new(2), AtomicUsize::new(0));
        std::thread::scope(|threads| {
            threads.spawn(|| batches.push((0..5).collect()));
            let mut taken = Vec::new();
            while taken.len() < 5 {
                let waiting = (5 - taken.len()).min(2);
                while batches.len() < waiting {
                    std::thread::yield_now();
                }
                // Time enough for one more to be let in where nothing holds it back.
                (0..1000).for_each(|_| std::thread::yield_now());
                assert_eq!(batches.len(), waiting);
                taken.extend(batches.next(1, &at_work).expect("there are more"));
            }
            assert_eq!(taken, [0, 1, 2, 3, 4]);
            assert_eq!(at_work.load(Ordering::SeqCst), 5);
        });
        batches.stop();
        batches.push(vec![5]);
        assert_eq!(
            (batches.len(), batches.next(1, &at_work)),
            (0, None),
            "nothing is taken in after the end"
        );
    }
}

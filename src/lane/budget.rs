//! A budget of bytes. It gives out permits, which return their bytes when they are dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::lock;

/// How many bytes of decoded pictures may exist at once.
pub struct Budget {
    capacity: u64,
    state: Mutex<State>,
    returned: Condvar,
    peak: AtomicU64,
    waits: AtomicU64,
    wide_open: AtomicBool,
}

#[derive(Default)]
struct State {
    used: u64,
    /// Whose turn it is, and the next turn to give out: first come, first served, or a large picture could wait for
    /// ever behind small ones.
    turn: u64,
    next_turn: u64,
}

/// Leave to hold so many bytes.
pub struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Budget {
            capacity: capacity.max(1),
            state: Mutex::default(),
            returned: Condvar::new(),
            peak: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            wide_open: AtomicBool::new(false),
        })
    }

    /// Waits until `bytes` are free. A picture larger than the whole budget passes alone, when nothing else is held.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Permit {
        let mut state = lock(&self.state);
        let mine = state.next_turn;
        state.next_turn += 1;
        let goes = |state: &State| {
            let fits = state.used == 0 || state.used + bytes <= self.capacity;
            (state.turn == mine && fits) || self.wide_open.load(Ordering::Relaxed)
        };
        if !goes(&state) {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        while !goes(&state) {
            state = self.returned.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.turn += 1;
        state.used += bytes;
        self.peak.fetch_max(state.used, Ordering::Relaxed);
        drop(state);
        // Whoever comes next may fit as well.
        self.returned.notify_all();
        Permit { budget: self.clone(), bytes }
    }

    /// Lets everyone through: the process is ending, and nobody may be left waiting.
    pub(super) fn open_wide(&self) {
        self.wide_open.store(true, Ordering::Relaxed);
        let _state = lock(&self.state);
        self.returned.notify_all();
    }

    /// The most bytes that were out at once.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub fn used(&self) -> u64 {
        lock(&self.state).used
    }

    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How often somebody had to wait.
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }
}

impl Permit {
    /// Gives back all but `bytes`: the picture is gone, its crop remains.
    pub fn shrink_to(&mut self, bytes: u64) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.budget.give_back(spare);
    }
}

impl Budget {
    fn give_back(&self, bytes: u64) {
        if bytes > 0 {
            lock(&self.state).used -= bytes;
            self.returned.notify_all();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_budget_is_out() {
        let budget = Budget::new(100);
        // To the brim, whatever the threads below meet.
        drop((budget.take(60), budget.take(40)));
        std::thread::scope(|threads| {
            for thread in 0..8u64 {
                let budget = &budget;
                threads.spawn(move || {
                    for n in 0..200 {
                        let mut permit = budget.take(1 + (n * 7 + thread) % 60);
                        permit.shrink_to(5);
                    }
                });
            }
        });
        assert_eq!(budget.peak(), 100);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_large_one_is_served_in_its_turn() {
        let budget = Budget::new(100);
        let first = budget.take(60);
        std::thread::scope(|threads| {
            let large = threads.spawn(|| budget.take(1000).bytes);
            while budget.waits() == 0 {
                std::thread::yield_now();
            }
            // It would fit, but it came later.
            let small = threads.spawn(|| (budget.take(10), budget.used()).1);
            while budget.waits() < 2 {
                std::thread::yield_now();
            }
            drop(first);
            assert_eq!(large.join().unwrap(), 1000);
            assert_eq!(small.join().unwrap(), 10, "and then the small one");
        });
    }

    #[test]
    fn one_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(100);
        let large = budget.take(1000);
        assert_eq!(budget.used(), 1000);
        drop(large);
        let _small = budget.take(1);
        assert_eq!(budget.used(), 1);
    }
}

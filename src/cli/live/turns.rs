//! Turns that come while one is worked off: they are worked off together, and the last value of each dial counts. One that cannot be meant is told
//! to who asked for it, and spoils no other.

use std::collections::{BTreeMap, HashMap};

use super::Problem;
use super::session::Session;

/// Texts by dial, each as after `--set`; and the gesture that they are part of.
pub(super) struct Turn {
    pub(super) dials: BTreeMap<String, String>,
    pub(super) gesture: Option<String>,
}

impl Turn {
    fn texts(&self) -> Vec<String> {
        self.dials.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

/// Turns that wait, in the order in which they came; and what became of those that were worked off with others.
#[derive(Default)]
pub(super) struct Turns {
    next: u64,
    waiting: BTreeMap<u64, Turn>,
    done: HashMap<u64, Result<(), Problem>>,
}

impl Turns {
    /// Lets a turn wait: its number.
    pub(super) fn add(&mut self, turn: Turn) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, turn);
        self.next
    }

    /// What became of the turn of this number. Where it still waits, all that wait are to be worked off: they are handed out.
    fn take(&mut self, number: u64) -> Result<Result<(), Problem>, BTreeMap<u64, Turn>> {
        self.done.remove(&number).ok_or_else(|| std::mem::take(&mut self.waiting))
    }
}

impl Session<'_> {
    /// Works off the turn of this number, and all others that wait.
    pub(super) fn work_off(&mut self, turns: &std::sync::Mutex<Turns>, number: u64) -> Result<(), Problem> {
        // Bound first: a lock in the head of a match lasts as long as its arms.
        let taken = crate::lane::lock(turns).take(number);
        let waiting = match taken {
            Ok(done) => return done,
            Err(waiting) => waiting,
        };
        let (mut together, mut gesture, mut outcomes) = (BTreeMap::new(), None, HashMap::new());
        for (number, turn) in waiting {
            let checked = self.check_turn(&turn.texts()).map(drop);
            if checked.is_ok() {
                gesture.clone_from(&turn.gesture);
                together.extend(turn.dials);
            }
            outcomes.insert(number, checked);
        }
        let own = outcomes.remove(&number).unwrap_or(Ok(()));
        crate::lane::lock(turns).done.extend(outcomes);
        if !together.is_empty() {
            self.turn(&Turn { dials: together, gesture: None }.texts(), gesture)?;
        }
        own
    }
}

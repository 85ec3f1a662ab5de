//! Whether stages ask now or hold their questions back. A session that stays plans and asks with one dataflow: what it holds back is
//! told as unasked, and is asked when the session says so.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Lanes, Mode, Wake, lock};

/// What all stages look at before they ask.
#[derive(Default)]
pub(crate) struct Asking {
    held_back: AtomicBool,
    /// Of those that ask: they look again when questions are held back from now on.
    askers: Mutex<Vec<Wake>>,
}

impl Asking {
    pub(super) fn in_mode(mode: Mode) -> Self {
        Asking { held_back: AtomicBool::new(mode != Mode::Ask), askers: Mutex::default() }
    }

    pub(crate) fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::Acquire)
    }

    pub(crate) fn register(&self, asker: Wake) {
        lock(&self.askers).push(asker);
    }
}

impl Lanes {
    /// Whether questions are held back now.
    pub fn holds_back(&self) -> bool {
        self.asking.is_held_back()
    }

    /// Of lanes in [`Mode::Live`]: from now on, no question is asked. Rows that wait are told as unasked at once, and their questions are
    /// withdrawn as far as no thread has taken them up; what is under way is answered and remembered.
    pub fn hold_back(&self) {
        assert!(self.mode == Mode::Live, "only a session holds back what it may ask later");
        self.asking.held_back.store(true, Ordering::Release);
        lock(&self.asking.askers).iter().for_each(|asker| asker());
    }

    /// Of lanes in [`Mode::Live`]: from now on, questions are asked. With `afresh`, what failed before may go well now: troubles,
    /// failures in a row, endpoints without hope and refusals that are not permanent are forgotten. Rows that were held back or refused so
    /// ask when the [engine](crate::flow::Engine::release) releases them.
    pub fn ask_now(&self, afresh: bool) {
        assert!(self.mode == Mode::Live, "only a session asks what it held back");
        if afresh {
            self.trouble.forget();
            self.endpoints().iter().for_each(|endpoint| endpoint.try_again());
            let stages = lock(&self.stages).clone();
            stages.iter().for_each(|stage| stage.forget_failures());
        }
        self.asking.held_back.store(false, Ordering::Release);
    }
}

//! Detects that a server which was asked is silent for longer than usual.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests under way, and when something was heard last.
pub(crate) struct Pulse {
    /// A silence of so long is told, in any case not before.
    patience: Duration,
    state: Mutex<State>,
}

struct State {
    under_way: usize,
    /// Of the last answer, or of the first request after all was quiet.
    since: Instant,
    /// The longest silence that an answer ended.
    longest: Duration,
}

/// A request under way.
pub(crate) struct Beat<'a>(&'a Pulse);

impl Pulse {
    pub(crate) fn new(patience: Duration) -> Self {
        let state = State { under_way: 0, since: Instant::now(), longest: Duration::ZERO };
        Pulse { patience, state: Mutex::new(state) }
    }

    pub(crate) fn asked(&self) -> Beat<'_> {
        let mut state = self.lock();
        if state.under_way == 0 {
            state.since = Instant::now();
        }
        state.under_way += 1;
        Beat(self)
    }

    /// `no answer for 8 s, 4 requests under way`: where it is silent for longer than the patience, and for more than twice as long as ever
    /// before an answer. So a server that is merely slow is told of once.
    pub(crate) fn silence(&self) -> Option<String> {
        let state = self.lock();
        let silent = state.since.elapsed();
        if state.under_way == 0 || silent < self.patience.max(state.longest * 2) {
            return None;
        }
        let requests = if state.under_way == 1 {
            "1 request".to_owned()
        } else {
            format!("{} requests", state.under_way)
        };
        Some(format!("no answer for {} s, {requests} under way", silent.as_secs()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat<'_> {
    pub(crate) fn heard(&self) {
        let mut state = self.0.lock();
        state.longest = state.longest.max(state.since.elapsed());
        state.since = Instant::now();
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_of_who_is_slow_and_while_it_lasts_of_who_hangs() {
        let pulse = Pulse::new(Duration::from_secs(7));
        let back = |seconds: u64| pulse.lock().since -= Duration::from_secs(seconds);
        assert_eq!(pulse.silence(), None);
        back(100);
        assert_eq!(pulse.silence(), None, "nobody asked");
        let (first, second) = (pulse.asked(), pulse.asked());
        assert_eq!(pulse.silence(), None);
        back(8);
        assert_eq!(pulse.silence().as_deref(), Some("no answer for 8 s, 2 requests under way"));
        back(12);
        first.heard();
        drop(first);
        back(30);
        assert_eq!(pulse.silence(), None, "20 s were no end");
        back(11);
        assert_eq!(pulse.silence().as_deref(), Some("no answer for 41 s, 1 request under way"));
        drop(second);
        assert_eq!(pulse.silence(), None);
    }
}

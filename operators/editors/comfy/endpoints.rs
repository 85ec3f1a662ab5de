//! Several endpoints behind one queue: who is free, who is set aside after a failure, and for how long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::Client;

/// All endpoints of an editor.
pub(super) struct Endpoints {
    clients: Vec<Client>,
    /// Prompts that each is given side by side.
    at_once: usize,
    first_aside: Duration,
    longest_aside: Duration,
    states: Mutex<Vec<State>>,
    changed: Condvar,
    stopped: AtomicBool,
    /// Why no pass can be made, where that is known.
    hopeless: Mutex<Option<String>>,
}

/// How an endpoint stands, and what it did.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) busy: usize,
    /// In a row.
    pub(super) failures: u32,
    /// While this lies ahead, it is asked nothing.
    pub(super) aside_until: Option<Instant>,
    /// It is asked nothing any more: its certificate is not trusted, and won't be.
    pub(super) is_out: bool,
    /// Since when not one pass or call of it went well.
    ill_since: Option<Instant>,
    /// The last failure, for people.
    pub(super) why: String,
    /// Passes that it made, that it refused, and that it failed.
    pub(super) made: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
}

/// The right to give an endpoint a prompt.
pub(super) struct Lease<'a> {
    endpoints: &'a Endpoints,
    number: usize,
}

impl Endpoints {
    pub(super) fn new(
        clients: Vec<Client>,
        at_once: usize,
        first_aside: Duration,
        longest_aside: Duration,
    ) -> Self {
        let states = Mutex::new(vec![State::default(); clients.len()]);
        let (changed, stopped, hopeless) = (Condvar::new(), AtomicBool::new(false), Mutex::default());
        Endpoints { clients, at_once, first_aside, longest_aside, states, changed, stopped, hopeless }
    }

    pub(super) fn clients(&self) -> &[Client] {
        &self.clients
    }

    pub(super) fn state(&self, number: usize) -> State {
        self.lock().get(number).cloned().unwrap_or_default()
    }

    /// Nobody is let in any more; who waits leaves.
    pub(super) fn stop(&self) {
        let states = self.lock();
        self.stopped.store(true, Ordering::Release);
        drop(states);
        self.changed.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// No pass can be made, for this reason.
    pub(super) fn despair(&self, why: &str) {
        self.why_hopeless().get_or_insert_with(|| why.to_owned());
    }

    fn why_hopeless(&self) -> MutexGuard<'_, Option<String>> {
        self.hopeless.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What made it hopeless may be over.
    pub(super) fn try_again(&self) {
        *self.why_hopeless() = None;
    }

    pub(super) fn hopeless(&self) -> Option<String> {
        self.why_hopeless().clone()
    }

    /// After a failure outside of any pass.
    pub(super) fn set_aside(&self, number: usize, why: &str) {
        self.fail(&mut self.lock()[number], why, None);
    }

    /// It is asked nothing any more.
    fn leave_out(&self, state: &mut State, why: &str) {
        self.fail(state, why, None);
        (state.is_out, state.aside_until) = (true, None);
    }

    fn fail(&self, state: &mut State, why: &str, retry_after: Option<Duration>) {
        let now = Instant::now();
        why.clone_into(&mut state.why);
        state.ill_since.get_or_insert(now);
        // What failed beside another is the same failure.
        if state.aside_until.is_none_or(|until| until <= now) {
            let doubled = self.first_aside.saturating_mul(1 << state.failures.min(16));
            let aside = doubled.max(retry_after.unwrap_or_default()).min(self.longest_aside);
            state.aside_until = Some(now + aside);
            state.failures += 1;
        }
    }

    /// Of whichever endpoint failed.
    pub(super) fn last_failure(&self) -> Option<String> {
        let states = self.lock();
        states.iter().find(|state| state.failures > 0).map(|state| state.why.clone())
    }

    pub(super) fn at_once(&self) -> usize {
        self.clients.len() * self.at_once
    }

    /// An endpoint that is free and well, or has been aside for long enough to be tried again, by one prompt at first. `None`
    /// when not one of them has been well for `patience`, counted from when the last fell ill, or from now if that is later and
    /// none was given up yet: who comes when all was given up waits for no trial.
    pub(super) fn take(&self, patience: Duration) -> Option<Lease<'_>> {
        let mut states = self.lock();
        loop {
            if self.is_stopped() {
                return None;
            }
            let now = Instant::now();
            let is_aside = |state: &State| state.is_out || state.aside_until.is_some_and(|until| until > now);
            let is_free = |state: &State| {
                let room = if state.failures == 0 { self.at_once } else { 1 };
                !is_aside(state) && state.busy < room
            };
            let free = states.iter().enumerate().filter(|(_, state)| is_free(state));
            if let Some((number, _)) = free.min_by_key(|(_, state)| (state.failures, state.busy)) {
                states[number].busy += 1;
                return Some(Lease { endpoints: self, number });
            }
            let any_well = states.iter().any(|state| state.failures == 0);
            // Of those that are tried again, the last to fall ill.
            let ill_since =
                states.iter().filter(|state| !state.is_out).filter_map(|state| state.ill_since).max();
            let until = ill_since.map_or(now, |since| since + patience);
            if !any_well && now >= until {
                return None;
            }
            let back = states.iter().filter_map(|state| state.aside_until).filter(|back| *back > now).min();
            let wake = if any_well { back } else { Some(back.unwrap_or(until).min(until)) };
            states = match wake {
                None => self.changed.wait(states).unwrap_or_else(PoisonError::into_inner),
                Some(wake) => {
                    // An endpoint on trial may hold every other pass back past its deadline.
                    let pause = wake.saturating_duration_since(now).max(Duration::from_millis(1));
                    self.changed.wait_timeout(states, pause).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Lease<'a> {
    pub(super) fn client(&self) -> &'a Client {
        &self.endpoints.clients[self.number]
    }

    /// The endpoint answered as it should: it made the pass, or refused it.
    pub(super) fn worked(self, made: bool) {
        let state = &mut self.endpoints.lock()[self.number];
        (state.failures, state.aside_until, state.ill_since) = (0, None, None);
        if made { state.made += 1 } else { state.refused += 1 }
    }

    /// The endpoint is set aside: twice as long with every failure in a row, and no shorter than it asks for.
    pub(super) fn failed(self, why: &str, retry_after: Option<Duration>) {
        let endpoints = self.endpoints;
        let state = &mut endpoints.lock()[self.number];
        state.failed += 1;
        endpoints.fail(state, why, retry_after);
    }

    /// The endpoint is asked nothing any more.
    pub(super) fn distrusted(self, why: &str) {
        let endpoints = self.endpoints;
        let state = &mut endpoints.lock()[self.number];
        state.failed += 1;
        endpoints.leave_out(state, why);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.endpoints.lock()[self.number].busy -= 1;
        self.endpoints.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(600);

    fn endpoints(count: usize, at_once: usize, first_aside: Duration) -> Endpoints {
        let client = |number| Client::new(&format!("http://127.0.0.1:{number}"), MILLISECOND, 1).unwrap();
        let clients = (1..=count).map(client).collect();
        Endpoints::new(clients, at_once, first_aside, first_aside * 2)
    }

    #[test]
    fn all_are_used_and_a_failure_sets_one_aside() {
        let both = endpoints(2, 1, LONG);
        let now = Duration::ZERO;
        let (first, second) = (both.take(now).unwrap(), both.take(now).unwrap());
        assert_ne!(first.client().address(), second.client().address());
        let failed = first.client().address().to_owned();
        first.failed("it failed", None);
        second.worked(true);
        for _ in 0..3 {
            let lease = both.take(now).unwrap();
            assert_ne!(lease.client().address(), failed);
            lease.worked(true);
        }
    }

    #[test]
    fn all_that_fail_are_waited_for_until_the_deadline_and_no_longer() {
        let one = endpoints(1, 2, LONG);
        one.take(LONG).unwrap().failed("it failed", None);
        assert!(one.take(5 * MILLISECOND).is_none());
        let one = endpoints(1, 2, 20 * MILLISECOND);
        let start = Instant::now();
        one.take(LONG).unwrap().failed("it failed", None);
        let on_trial = one.take(LONG).unwrap();
        assert!(start.elapsed() >= 20 * MILLISECOND);
        // Nothing else is given to it before it has shown that it is well.
        assert!(one.take(Duration::ZERO).is_none());
        on_trial.worked(true);
        let (_first, _second) = (one.take(LONG).unwrap(), one.take(LONG).unwrap());
    }

    #[test]
    fn an_endpoint_may_ask_for_longer_but_not_for_ever() {
        let one = endpoints(1, 1, 20 * MILLISECOND);
        let start = Instant::now();
        one.take(LONG).unwrap().failed("it failed", Some(Duration::from_secs(3600)));
        one.take(LONG).unwrap().worked(true);
        assert!(start.elapsed() >= 40 * MILLISECOND);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test waits for an endpoint's time")]
    fn who_comes_when_all_was_given_up_does_not_wait_again() {
        let one = endpoints(1, 1, LONG);
        one.take(LONG).unwrap().failed("it failed", None);
        assert!(one.take(20 * MILLISECOND).is_none());
        let start = Instant::now();
        assert!((0..100).all(|_| one.take(20 * MILLISECOND).is_none()));
        assert!(start.elapsed() < 20 * MILLISECOND);
        // Who is waited for no more is still tried, when its time has come.
        let one = endpoints(1, 1, 30 * MILLISECOND);
        one.take(LONG).unwrap().failed("it failed", None);
        assert!(one.take(5 * MILLISECOND).is_none());
        std::thread::sleep(40 * MILLISECOND);
        one.take(5 * MILLISECOND).unwrap().worked(true);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test waits for an endpoint's time")]
    fn who_is_not_trusted_is_asked_nothing_any_more() {
        let both = endpoints(2, 1, MILLISECOND);
        both.take(LONG).unwrap().distrusted("its certificate");
        std::thread::sleep(5 * MILLISECOND);
        let lease = both.take(LONG).unwrap();
        assert!(both.state(0).is_out && lease.client().address().ends_with(":2"));
        lease.distrusted("its certificate");
        assert!(both.take(LONG).is_none(), "nobody is left");
    }
}

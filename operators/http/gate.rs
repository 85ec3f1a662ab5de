//! The gate of an endpoint: who may send now. First come, first served. It has a bound on requests under way, token buckets, the pauses
//! that a server asks for, and a breaker that leaves a failing server alone.
//!
//! Waiting is on a condition variable, up to the next moment at which something may have changed. There is no polling.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A server may ask for no longer a pause than this: a wrong date must not end a run.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Failures in a row that open the breaker, and for how long it stays open before one call tries again. A request that was sent
/// before the last good answer came tells nothing of how the server is since: those that hung then may all end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub failures: u32,
    pub pause: Duration,
}

/// What a caller waited for when its deadline came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLetIn {
    Stopped,
    /// As many requests as may be were under way, or others stood before it.
    Full,
    /// The server had asked for a pause.
    Paused,
    /// The user's bound on requests, or tokens, a minute.
    Bucket,
    Open,
}

/// How a request went, as far as the breaker cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// The server answered sensibly, be it with a refusal.
    Well,
    Badly,
    /// It says nothing of the server's health.
    Unsaid,
}

pub(super) struct Gate {
    most_in_flight: usize,
    breaker: Breaker,
    /// How long the endpoint may fail before who stands at an open breaker is sent away at once.
    patience: Duration,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next_ticket: u64,
    waiting: VecDeque<u64>,
    in_flight: usize,
    most_seen: usize,
    paused_until: Option<Instant>,
    failures: u32,
    /// When the first of these failures came.
    ill_since: Option<Instant>,
    /// When the last good answer came.
    well_at: Option<Instant>,
    circuit: Circuit,
    stopped: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Circuit {
    #[default]
    Closed,
    OpenUntil(Instant),
    /// One call is trying.
    Probing,
}

/// Leave to send one request. Dropped, it gives its place away; what was said of it last counts.
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    probe: bool,
    since: Instant,
    went: Went,
}

impl Gate {
    pub(crate) fn new(
        most_in_flight: usize,
        requests_a_minute: Option<NonZeroU32>,
        tokens_a_minute: Option<NonZeroU32>,
        breaker: Breaker,
    ) -> Self {
        Gate {
            most_in_flight: most_in_flight.max(1),
            breaker,
            patience: Duration::MAX,
            requests: requests_a_minute.and_then(Bucket::a_minute),
            tokens: tokens_a_minute.and_then(Bucket::a_minute),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Who comes when the endpoint has failed for so long does not wait for it: an hour of waiting in turns tells no more than the first.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Gate { patience, ..self }
    }

    /// Waits for its turn, until `deadline`.
    pub(crate) fn enter(&self, tokens: u64, deadline: Instant) -> Result<Permit<'_>, NotLetIn> {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        let mut owed = Owed { requests: 1, tokens };
        let outcome = loop {
            let now = Instant::now();
            let (reason, until) = match self.obstacle(&state, ticket, now, &mut owed) {
                _ if state.stopped => break Err(NotLetIn::Stopped),
                None => break Ok(()),
                Some((reason, _)) if now >= deadline => break Err(reason),
                Some((NotLetIn::Open, _)) if self.is_given_up(&state, now) => break Err(NotLetIn::Open),
                Some((reason, until)) => (reason, until.map_or(deadline, |until| until.min(deadline))),
            };
            debug_assert!(reason != NotLetIn::Stopped);
            state = self.wait(state, until.saturating_duration_since(now));
        };
        state.waiting.retain(|other| *other != ticket);
        let permit = outcome.map(|()| {
            state.in_flight += 1;
            state.most_seen = state.most_seen.max(state.in_flight);
            let probe = state.circuit != Circuit::Closed;
            if probe {
                state.circuit = Circuit::Probing;
            }
            Permit { gate: self, probe, since: Instant::now(), went: Went::Unsaid }
        });
        drop(state);
        // Who stood behind may be the first now.
        self.changed.notify_all();
        permit
    }

    fn is_given_up(&self, state: &State, now: Instant) -> bool {
        state.ill_since.is_some_and(|since| now.duration_since(since) >= self.patience)
    }

    /// What stands between a caller and the door, and when to look again where that is known.
    fn obstacle(
        &self,
        state: &State,
        ticket: u64,
        now: Instant,
        owed: &mut Owed,
    ) -> Option<(NotLetIn, Option<Instant>)> {
        if let Some(until) = state.paused_until.filter(|until| *until > now) {
            return Some((NotLetIn::Paused, Some(until)));
        }
        match state.circuit {
            Circuit::Probing => return Some((NotLetIn::Open, None)),
            Circuit::OpenUntil(until) if until > now => return Some((NotLetIn::Open, Some(until))),
            _ => {}
        }
        if state.in_flight >= self.most_in_flight || state.waiting.front() != Some(&ticket) {
            return Some((NotLetIn::Full, None));
        }
        let wait = pay(self.requests.as_ref(), &mut owed.requests)
            .or_else(|| pay(self.tokens.as_ref(), &mut owed.tokens))?;
        Some((NotLetIn::Bucket, Some(now + wait)))
    }

    /// Nobody enters for this long; a longer pause that was asked for before still holds.
    pub(crate) fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_PAUSE);
        let mut state = self.lock();
        state.paused_until = Some(state.paused_until.map_or(until, |before| before.max(until)));
    }

    /// Waits; `Err` at once when the gate is stopped.
    pub(crate) fn sleep(&self, pause: Duration) -> Result<(), NotLetIn> {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.stopped {
                return Err(NotLetIn::Stopped);
            } else if left.is_zero() {
                return Ok(());
            }
            state = self.wait(state, left);
        }
    }

    /// Everybody who waits leaves, and nobody enters again.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Requests that are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// The most requests that were ever under way at once.
    pub(crate) fn most_seen(&self) -> usize {
        self.lock().most_seen
    }

    fn leave(&self, &Permit { probe, since, went, .. }: &Permit<'_>) {
        let mut state = self.lock();
        state.in_flight -= 1;
        match went {
            Went::Well => {
                (state.failures, state.ill_since) = (0, None);
                state.well_at = Some(Instant::now());
                if probe {
                    state.circuit = Circuit::Closed;
                }
            }
            Went::Badly if !probe && state.well_at.is_some_and(|well| since < well) => {}
            Went::Badly => {
                state.failures = state.failures.saturating_add(1);
                state.ill_since.get_or_insert_with(Instant::now);
                if probe || (state.circuit == Circuit::Closed && state.failures >= self.breaker.failures) {
                    state.circuit = Circuit::OpenUntil(Instant::now() + self.breaker.pause);
                }
            }
            // Somebody else must try.
            Went::Unsaid if probe => state.circuit = Circuit::OpenUntil(Instant::now()),
            Went::Unsaid => {}
        }
        drop(state);
        self.changed.notify_all();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    pub(crate) fn went(mut self, went: Went) {
        self.went = went;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.gate.leave(self);
    }
}

/// What a caller has still to take out of the buckets.
struct Owed {
    requests: u64,
    tokens: u64,
}

/// Fills evenly, and holds ten seconds' worth: in no minute do more than 7/6 of the bound pass (and one more, by rounding).
struct Bucket<C: Clock<Instant = Nanos> = SinceMade> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C>,
    clock: C,
    holds: NonZeroU32,
}

impl Bucket {
    fn a_minute(bound: NonZeroU32) -> Option<Self> {
        Bucket::with_clock(bound, SinceMade(Instant::now()))
    }
}

impl<C: Clock<Instant = Nanos> + Clone> Bucket<C> {
    fn with_clock(bound: NonZeroU32, clock: C) -> Option<Self> {
        let holds = NonZeroU32::new(bound.get().div_ceil(6))?;
        let limiter =
            RateLimiter::direct_with_clock(Quota::per_minute(bound).allow_burst(holds), clock.clone());
        Some(Bucket { limiter, clock, holds })
    }
}

/// Takes what is owed; says how long to wait where the bucket has not enough. What is more than a bucket holds is taken
/// bite by bite.
fn pay<C: Clock<Instant = Nanos>>(bucket: Option<&Bucket<C>>, owed: &mut u64) -> Option<Duration> {
    let bucket = bucket?;
    while let Some(bite) = NonZeroU32::new(u32::try_from(*owed).unwrap_or(u32::MAX).min(bucket.holds.get())) {
        match bucket.limiter.check_n(bite) {
            Ok(Err(not_until)) => return Some(not_until.wait_time_from(bucket.clock.now())),
            Ok(Ok(())) | Err(_) => *owed -= u64::from(bite.get()),
        }
    }
    None
}

#[derive(Clone)]
struct SinceMade(Instant);

impl Clock for SinceMade {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests;

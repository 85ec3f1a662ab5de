//! The lines in which the questions of a stage wait for its sessions, and the questions that are given up.
//!
//! A question's clock runs while somebody works on it, not while it waits in line. So a slow server with a long line loses no question. A
//! waiting question is given up only if its line does not move: for as long as an answer may take, no session took up or finished anything.
//! Questions that left the in-flight table meanwhile are not worked on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::batch::Batches;
use super::in_flight::{InFlight, State};
use super::status::LineStatus;
use super::{Permit, Question, lock};
use crate::row::ContentHash;

/// A question (or those about one picture) that is ready for the model, and what it holds of the budget.
pub(super) struct Ready<P> {
    pub(super) contents: Vec<ContentHash>,
    pub(super) prepared: P,
    pub(super) permit: Option<Permit>,
}

/// What waits in a line.
pub(super) enum Waiting<P> {
    Ready(Ready<P>),
    /// To be prepared by the session that takes it up; `first` where no session had it before.
    Asked {
        question: Box<Question>,
        first: bool,
    },
}

impl<P> Waiting<P> {
    pub(super) fn contents(&self) -> &[ContentHash] {
        match self {
            Waiting::Ready(ready) => &ready.contents,
            Waiting::Asked { question, .. } => std::slice::from_ref(&question.content),
        }
    }

    /// Takes it up, if it is still waited for; else it is to be dropped, and so is what it holds.
    pub(super) fn take_up(&self, in_flight: &mut InFlight, now: Instant) -> bool {
        let mut wanted = false;
        for content in self.contents() {
            if let Some(flight) = in_flight.get_mut(content)
                && matches!(flight.state, State::InLine { .. })
            {
                flight.state = State::AtWork(now);
                wanted = true;
            }
        }
        wanted
    }
}

/// One line, and the sessions that it waits for.
pub(super) struct Line<P> {
    pub(super) batches: Batches<Waiting<P>>,
    pub(super) sessions: usize,
    /// Sessions that are at work.
    pub(super) busy: AtomicUsize,
    /// When a session last took something up, or was done with it.
    moved: Mutex<Instant>,
}

impl<P> Line<P> {
    pub(super) fn new(capacity: usize, sessions: usize) -> Self {
        let (busy, moved) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Line { batches: Batches::new(capacity), sessions, busy, moved }
    }

    pub(super) fn status(&self) -> LineStatus {
        let (waiting, capacity) = (self.batches.len(), self.batches.capacity());
        LineStatus { sessions: self.sessions, busy: self.busy.load(SeqCst), waiting, capacity }
    }

    pub(super) fn moves(&self) {
        *lock(&self.moved) = Instant::now();
    }
}

/// The questions in the in-flight table that are to be given up on: an answer may take so long.
pub(super) fn late<P>(
    in_flight: &InFlight,
    lines: &[Line<P>],
    now: Instant,
    deadline: Duration,
) -> Vec<ContentHash> {
    let moved: Vec<Instant> = lines.iter().map(|line| *lock(&line.moved)).collect();
    let is_late = |state: State| {
        let since = match state {
            State::Asked | State::Taken => return false,
            State::AtWork(since) => since,
            State::InLine { line, since, .. } => since.max(moved[line]),
        };
        now.saturating_duration_since(since) > deadline
    };
    in_flight.iter().filter(|(_, flight)| is_late(flight.state)).map(|(content, _)| *content).collect()
}

#[cfg(test)]
mod tests;

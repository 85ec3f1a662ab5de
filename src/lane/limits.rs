//! How much of a stage runs at once, and for how long.

use std::time::Duration;

/// How many questions a stage answers at once, on how many threads, and how long one answer may take. No part of a stamp: limits
/// shape no answer.
///
/// ```
/// use std::time::Duration;
/// use threshflow::lane::Limits;
///
/// let model = Limits::of_pool(4, 16);
/// assert_eq!((model.batch, model.sessions(), model.in_flight), (16, 4, None));
/// let server = Limits::of_server(8, Duration::from_secs(90));
/// assert_eq!((server.batch, server.sessions(), server.in_flight), (1, 8, Some(16)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most pictures that one call of [`answer`](super::Operator::answer) takes. At least 1.
    pub batch: usize,
    /// How many threads, each with a session of its own, answer each of the lines in which questions wait. One line, unless questions
    /// are prepared [when they are taken up](super::Prepares::WhenTakenUp). Each line is its own bound: a line of 1 has one question
    /// in hand.
    pub lines: Vec<usize>,
    /// The most questions that are under way at once. For operators that wait for a server: what they have in hand then never
    /// fills the decode pool, which others need. `None`: as many as there is room for.
    pub in_flight: Option<usize>,
    /// How long an answer may take from when a session takes its question up, where that is not the lanes' deadline.
    pub deadline: Option<Duration>,
}

impl Limits {
    /// Of plain functions of what is asked: one thread, which is handed up to `batch` questions at once.
    pub fn of_functions(batch: usize) -> Self {
        Limits::of_pool(1, batch)
    }

    /// Of a model that runs on this machine: so many sessions, each of which is handed up to `batch` questions at once.
    pub fn of_pool(sessions: usize, batch: usize) -> Self {
        Limits { batch, lines: vec![sessions], in_flight: None, deadline: None }
    }

    /// Of a server that answers so many requests at once: a thread for each request, and as many questions again that wait for
    /// one. `deadline` is of one answer, retries and all.
    pub fn of_server(requests: usize, deadline: Duration) -> Self {
        Limits { in_flight: Some(requests * 2), deadline: Some(deadline), ..Limits::of_pool(requests, 1) }
    }

    /// How many threads answer, over all lines.
    pub fn sessions(&self) -> usize {
        self.lines.iter().sum()
    }
}

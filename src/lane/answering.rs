//! The answering half of a stage: threads that hold a session each, and answer batch by batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::stage::panicked;
use super::{Operator, Reply, Stage};
use crate::row::Refusal;

/// What an operator says to a batch, question by question.
type Answers<O> = Vec<Result<Reply<<O as Operator>::Answer>, Refusal>>;

impl<O: Operator> Stage<O> {
    /// Starts the threads that answer, once.
    pub(super) fn start_sessions(self: &Arc<Self>) {
        let wanted = self.operator.sessions().max(1);
        if self.sessions_started.load(Relaxed) != 0 || self.sessions_started.swap(wanted, Relaxed) != 0 {
            return;
        }
        for n in 0..wanted {
            let stage = self.clone();
            let name = format!("{}-{n}", self.operator.name());
            if let Err(error) = std::thread::Builder::new().name(name).spawn(move || stage.answer_batches()) {
                let doing = format!("for {}", self.operator.name());
                self.report(format_args!("{}", crate::limits::no_thread(&doing, &error)));
            }
        }
    }

    /// Stops the run.
    pub(crate) fn fail(&self, why: &str) {
        self.report(format_args!("{}: {why}", self.operator.name()));
    }

    pub(super) fn report(&self, what: std::fmt::Arguments<'_>) {
        if let Some(lanes) = self.lanes.upgrade() {
            lanes.trouble.report(what);
        }
    }

    /// On a thread of the stage: a session, and batches until the end.
    fn answer_batches(&self) {
        let mut session = None;
        while let Some(batch) = self.batches.next(self.operator.most_a_batch(), &self.at_work) {
            let (mut contents, mut counts) = (Vec::new(), Vec::new());
            let (mut prepared, mut permits) = (Vec::new(), Vec::new());
            for waiting in batch {
                counts.push(waiting.contents.len());
                contents.extend(waiting.contents);
                prepared.push(waiting.prepared);
                permits.push(waiting.permit);
            }
            let start = Instant::now();
            let answers = self.answer_batch(&mut session, &prepared, &counts);
            drop((prepared, permits));
            self.counters.answer_nanos.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
            let Some(answers) = answers else {
                self.at_work.fetch_sub(1, SeqCst);
                return;
            };
            let answers = answers.into_iter().map(|answer| answer.map(Reply::written));
            self.complete(contents.into_iter().zip(answers).collect());
            self.at_work.fetch_sub(1, SeqCst);
        }
    }

    /// Answers a batch; where that fails, one by one, so that a poisonous picture takes no neighbour with it.
    /// `None` where no session opens.
    fn answer_batch(
        &self,
        session: &mut Option<O::Session>,
        batch: &[O::Prepared],
        counts: &[usize],
    ) -> Option<Answers<O>> {
        let refused = |refusal: Refusal, count: usize| vec![Err(refusal); count];
        match self.try_answer(session, batch, counts.iter().sum())? {
            Ok(answers) => Some(answers),
            Err(refusal) if batch.len() == 1 => Some(refused(refusal, counts[0])),
            Err(_) => {
                let mut answers = Vec::new();
                for (one, count) in batch.iter().zip(counts) {
                    let alone = self.try_answer(session, std::slice::from_ref(one), *count)?;
                    answers.extend(alone.unwrap_or_else(|refusal| refused(refusal, *count)));
                }
                Some(answers)
            }
        }
    }

    /// As many answers as questions, or why there are none. The outer `None`: no session opens.
    fn try_answer(
        &self,
        session: &mut Option<O::Session>,
        batch: &[O::Prepared],
        questions: usize,
    ) -> Option<Result<Answers<O>, Refusal>> {
        if session.is_none() {
            // A panic that took the thread along would leave its questions to their deadlines.
            let opened = catch_unwind(AssertUnwindSafe(|| self.operator.open_session()));
            match opened.unwrap_or_else(|panic| Err(panicked("opening", &*panic).message)) {
                Ok(opened) => *session = Some(opened),
                Err(error) => {
                    self.report(format_args!(
                        "{}: no session could be opened: {error}",
                        self.operator.name()
                    ));
                    return None;
                }
            }
        }
        let open = session.as_mut()?;
        Some(match catch_unwind(AssertUnwindSafe(|| self.operator.answer(open, batch))) {
            Ok(answers) if answers.len() == questions => Ok(answers),
            Ok(answers) => {
                let message = format!("{} answers to {questions} questions", answers.len());
                Err(Refusal::new("wrong_count", message))
            }
            Err(panic) => {
                // Whatever state the session was in when it panicked, nobody else shall see it.
                *session = None;
                Err(panicked("answering", &*panic))
            }
        })
    }
}

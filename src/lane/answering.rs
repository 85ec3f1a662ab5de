//! The answering half of a stage: threads, each with a session, that answer batch by batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::line::{Ready, Waiting};
use super::stage::panicked;
use super::{Mode, Operator, Question, Reply, Stage, lock};
use crate::row::{ContentHash, Refusal};

/// What an operator says to a batch, question by question.
type Answers<O> = Vec<Result<Reply<<O as Operator>::Answer>, Refusal>>;

impl<O: Operator> Stage<O> {
    /// Starts the threads that answer, once.
    pub(super) fn start_sessions(self: &Arc<Self>) {
        let wanted = self.limits.sessions().max(1);
        if self.sessions_started.load(Relaxed) != 0 || self.sessions_started.swap(wanted, Relaxed) != 0 {
            return;
        }
        let lines = self.lines.iter().enumerate();
        for (n, line) in lines.flat_map(|(line, it)| vec![line; it.sessions]).enumerate() {
            let stage = self.clone();
            let name = format!("{}-{n}", self.operator.name());
            let work = move || stage.answer_line(line);
            if let Err(error) = std::thread::Builder::new().name(name).spawn(work) {
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

    /// On a thread of the stage: a session, and what waits in the line until the end.
    fn answer_line(self: &Arc<Self>, number: usize) {
        let line = &self.lines[number];
        let mut session = None;
        while let Some(mut batch) = line.batches.next(self.limits.batch, &self.at_work) {
            line.moves();
            line.busy.fetch_add(1, SeqCst);
            {
                let (mut in_flight, now) = (lock(&self.in_flight), Instant::now());
                batch.retain(|waiting| waiting.take_up(&mut in_flight, now));
            }
            let contents: Vec<ContentHash> =
                batch.iter().flat_map(|waiting| waiting.contents().iter().copied()).collect();
            let (mut ready, mut asked) = (Vec::new(), Vec::new());
            for waiting in batch {
                match waiting {
                    Waiting::Ready(one) => ready.push(one),
                    Waiting::Asked { question, first } => asked.push((question, first)),
                }
            }
            let mut opens = ready.is_empty() || self.answer_ready(&mut session, ready);
            for (question, first) in asked {
                opens = opens && self.answer_asked(&mut session, number, *question, first);
            }
            self.at_work.fetch_sub(1, SeqCst);
            line.busy.fetch_sub(1, SeqCst);
            line.moves();
            if !opens {
                // Nobody answers these: the run ends. A session that stays asks them again, and then a session may open.
                self.abandon(&contents);
                if self.mode() != Mode::Live {
                    return;
                }
            }
        }
    }

    /// Takes questions out of the in-flight table that get no answer.
    pub(super) fn abandon(&self, contents: &[ContentHash]) {
        let mut in_flight = lock(&self.in_flight);
        for content in contents {
            in_flight.remove(content);
        }
    }

    /// Answers what was prepared ahead. `false`: no session opens.
    fn answer_ready(&self, session: &mut Option<O::Session>, ready: Vec<Ready<O::Prepared>>) -> bool {
        let (mut contents, mut counts) = (Vec::new(), Vec::new());
        let (mut prepared, mut permits) = (Vec::new(), Vec::new());
        for one in ready {
            counts.push(one.contents.len());
            contents.extend(one.contents);
            prepared.push(one.prepared);
            permits.push(one.permit);
        }
        let start = Instant::now();
        let answers = self.answer_batch(session, &prepared, &counts);
        drop((prepared, permits));
        self.counters.answer_nanos.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
        let Some(answers) = answers else { return false };
        let answers = answers.into_iter().map(|answer| answer.map(Reply::written));
        self.complete(contents.into_iter().zip(answers).collect());
        true
    }

    /// Prepares a question and does for it what this line does. `false`: no session opens.
    fn answer_asked(
        self: &Arc<Self>,
        session: &mut Option<O::Session>,
        line: usize,
        question: Question,
        first: bool,
    ) -> bool {
        let Some(lanes) = self.lanes.upgrade() else { return false };
        if first {
            self.count_asked(&lanes, std::slice::from_ref(&question));
        }
        let prepared =
            catch_unwind(AssertUnwindSafe(|| self.prepare_one(&lanes, std::slice::from_ref(&question))));
        let ready = match prepared.unwrap_or_else(|panic| Ok(Err(panicked("preparing", &*panic)))) {
            Ok(Ok(ready)) => ready,
            Ok(Err(refusal)) => {
                self.complete(vec![(question.content, Err(refusal))]);
                return true;
            }
            Err(unreadable) => {
                self.could_not_read(std::iter::once(question.content), question.id, &unreadable);
                return true;
            }
        };
        let start = Instant::now();
        let said = self.try_session(session, |operator, session| {
            operator.answer_in_line(line, session, &ready.prepared)
        });
        self.counters.answer_nanos.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
        drop(ready);
        let answer = match said {
            None => return false,
            Some(Ok(Some(answer))) => answer.map(Reply::written),
            Some(Err(refusal)) => Err(refusal),
            Some(Ok(None)) => match self.get_in_line(&question, false) {
                Ok(()) => return true,
                Err(refusal) => Err(refusal),
            },
        };
        self.complete(vec![(question.content, answer)]);
        true
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
        let answers = self.try_session(session, |operator, session| operator.answer(session, batch))?;
        Some(answers.and_then(|answers| match answers.len() == questions {
            true => Ok(answers),
            false => {
                let message = format!("{} answers to {questions} questions", answers.len());
                Err(Refusal::transient("wrong_count", message))
            }
        }))
    }

    /// What the operator says with an open session, or that it panicked. `None`: no session opens.
    fn try_session<T>(
        &self,
        session: &mut Option<O::Session>,
        say: impl FnOnce(&O, &mut O::Session) -> T,
    ) -> Option<Result<T, Refusal>> {
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
        Some(catch_unwind(AssertUnwindSafe(|| say(&self.operator, open))).map_err(|panic| {
            // Whatever state the session was in when it panicked, nobody else shall see it.
            *session = None;
            panicked("answering", &*panic)
        }))
    }
}

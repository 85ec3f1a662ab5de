//! The preparing half of a stage: on a thread of the decode pool, a question's bytes are read and made ready for the model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::stage::{Waiting, asked_together, panicked};
use super::{Lanes, Looks, Operator, Question, Reply, Stage, Subject, lock};
use crate::memo::Written;
use crate::row::{ContentHash, Refusal};
use crate::shard::{Sample, Sidecar};

/// Counts a thread as at work for as long as it lives.
struct AtWork<'a>(&'a AtomicUsize);

impl<'a> AtWork<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        AtWork(count)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// The bytes of a question could not be had: a refusal for this process, not one to remember.
struct Unreadable(Refusal);

impl<O: Operator> Stage<O> {
    /// On a thread of the pool: reads and prepares, then hands on to the batches.
    pub(super) fn prepare(self: Arc<Self>, mut questions: Vec<Question>) {
        let Some(lanes) = self.lanes.upgrade() else { return };
        let _at_work = AtWork::begin(&self.at_work);
        let start = Instant::now();
        {
            let mut desk = lock(&self.desk);
            questions.retain(|question| match desk.get_mut(&question.content) {
                Some(flight) if !flight.taken => {
                    flight.taken = true;
                    // Where bytes are to be waited for, the clock starts when they are there.
                    flight.started = (!O::LOOKS.at_pixels()).then_some(start);
                    true
                }
                _ => false,
            });
        }
        let mut done = self.answer_what_is_known(&lanes, &mut questions);
        self.counters.asked.fetch_add(questions.len() as u64, Relaxed);
        if let Some(log) = &lanes.log {
            lock(log).extend(questions.iter().map(|question| (self.operator.name(), question.content)));
        }
        let mut ready = Vec::with_capacity(questions.len());
        for asked in questions.chunk_by(asked_together::<O>) {
            let contents = || asked.iter().map(|question| question.content);
            let prepared = catch_unwind(AssertUnwindSafe(|| self.prepare_one(&lanes, asked)))
                .unwrap_or_else(|panic| Ok(Err(panicked("preparing", &*panic))));
            match prepared {
                // At once: what holds a permit may not wait for a neighbour that needs one.
                Ok(Ok(waiting)) if waiting.permit.is_some() => self.batches.push(vec![waiting]),
                Ok(Ok(waiting)) => ready.push(waiting),
                Ok(Err(refusal)) => done.extend(contents().map(|content| (content, Err(refusal.clone())))),
                Err(Unreadable(refusal)) => {
                    for content in contents().filter(|content| !self.forget_unless_awaited(content)) {
                        self.refuse_for_now(content, refusal.clone());
                    }
                }
            }
        }
        if !done.is_empty() {
            self.complete(done);
        }
        self.batches.push(ready);
    }

    /// Takes out the questions whose answer the sample brought along, and gives these answers.
    fn answer_what_is_known(
        &self,
        lanes: &Lanes,
        questions: &mut Vec<Question>,
    ) -> Vec<(ContentHash, Result<Written, Refusal>)> {
        let mut known = Vec::new();
        questions.retain(|question| {
            let said = catch_unwind(AssertUnwindSafe(|| self.operator.known(question, &lanes.catalogue)))
                .unwrap_or_else(|panic| Some(Err(panicked("looking up", &*panic))));
            match said {
                Some(reply) => {
                    known.push((question.content, reply.map(Reply::written)));
                    false
                }
                None => true,
            }
        });
        self.counters.given.fetch_add(known.len() as u64, Relaxed);
        known
    }

    /// What the operator makes of the question, or that its bytes could not be had, which says nothing of it.
    fn prepare_one(
        &self,
        lanes: &Lanes,
        questions: &[Question],
    ) -> Result<Result<Waiting<O::Prepared>, Refusal>, Unreadable> {
        let contents: Vec<ContentHash> = questions.iter().map(|question| question.content).collect();
        let ready = |prepared, permit| Waiting { contents: contents.clone(), prepared, permit };
        // Timed here, where nothing waits for the budget or for room in the batches.
        let prepare = |picture, end_frame: Option<&[u8]>, sidecar: Option<&Sidecar>| {
            let begin = Instant::now();
            let prepared = self.operator.prepare(&Subject { questions, picture, end_frame, sidecar });
            self.counters.prepare_nanos.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
            prepared
        };
        let id = questions[0].id;
        if O::LOOKS == Looks::AtTheRow {
            return Ok(prepare(None, None, None).map(|prepared| ready(prepared, None)));
        }
        let unreadable = |message| Unreadable(Refusal::new("unreadable_shard", message));
        let shard = lanes.catalogue.shard(id.shard).map_err(|error| unreadable(error.to_string()))?;
        if O::LOOKS == Looks::AtTheSidecar {
            let sidecar = shard.sidecar(id.member);
            let prepared = prepare(None, None, Some(&sidecar));
            shard.check_unchanged().map_err(Unreadable)?;
            return Ok(prepared.map(|prepared| ready(prepared, None)));
        }
        let sample = shard.index.samples.get(id.member as usize);
        let Some(Ok(picture)) = sample.map(|sample| &sample.picture) else {
            return Err(unreadable(format!("{id:?} is no picture of its shard any more")));
        };
        let bytes = shard.picture_bytes(id.member).map_err(Unreadable)?;
        let end_frame = sample.and_then(Sample::end_frame).filter(|_| O::LOOKS == Looks::AtBothFrames);
        let end_frame = end_frame.map(|member| shard.member_bytes(member)).transpose().map_err(Unreadable)?;
        // What one question holds when it is prepared is part of the first; the others' is not.
        let others =
            self.operator.bytes_prepared(questions.len()).saturating_sub(self.operator.bytes_prepared(1));
        let mut permit = lanes.budget.take(self.operator.bytes_to_prepare(picture, &bytes) + others);
        for content in &contents {
            if let Some(flight) = lock(&self.desk).get_mut(content) {
                flight.started = Some(Instant::now());
            }
        }
        let prepared = prepare(Some((picture, &*bytes)), end_frame.as_deref(), None);
        // What was made of other bytes must not be remembered as an answer about these.
        shard.check_unchanged().map_err(Unreadable)?;
        Ok(prepared.map(|prepared| {
            permit.shrink_to(self.operator.bytes_held(&prepared, questions.len()));
            ready(prepared, Some(permit))
        }))
    }

    /// Takes a question that nobody waits for any more off the desk, as one that was never asked; whether it did.
    fn forget_unless_awaited(&self, content: &ContentHash) -> bool {
        let desk = lock(&self.desk);
        let awaited = desk.get(content).is_some_and(|flight| !flight.mailboxes.is_empty());
        if !awaited {
            self.take_off(desk, content);
        }
        !awaited
    }
}

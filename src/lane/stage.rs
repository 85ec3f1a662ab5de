//! A stage: an operator, its memo, and the path of a question through the lane.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::in_flight::{Completion, Flight, InFlight, Mailbox, Question, State, address};
use super::line::{self, Line};
use super::pool::Job;
use super::status::{Asked, StageStatus};
use super::{Answer, Asking, Lanes, Limits, Mode, Operator, Prepares, Together, Wake, Watched, lock};
use crate::memo::{FromShard, Memo, MemoError, Remembered, Written};
use crate::row::{ContentHash, Lasts, Refusal, RowId, Score, Stamp, Unit};
use crate::shard::SidecarNumbers;

#[derive(Default)]
pub(super) struct Counters {
    pub(super) asked: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    remembered: AtomicU64,
    pub(super) given: AtomicU64,
    pub(super) prepare_nanos: AtomicU64,
    pub(super) answer_nanos: AtomicU64,
}

/// An operator at work. Opened once a process and shared by all workers.
pub struct Stage<O: Operator> {
    pub(super) operator: O,
    pub(super) limits: Limits,
    memo: Arc<Memo>,
    pub(super) in_flight: Mutex<InFlight>,
    pub(super) lines: Vec<Line<O::Prepared>>,
    pub(super) counters: Counters,
    pub(super) lanes: std::sync::Weak<Lanes>,
    mode: Mode,
    asking: Arc<Asking>,
    pub(super) sessions_started: AtomicUsize,
    /// Threads that prepare, or hold a batch.
    pub(super) at_work: AtomicUsize,
    /// Refusals that say nothing of the content, since the last answer.
    failures_in_a_row: AtomicUsize,
    /// Who found no room under [`Limits::in_flight`]. Filled and emptied while the in-flight table is locked.
    waiters: Mutex<Vec<Wake>>,
    brought: Option<Brought<O::Answer>>,
}

/// Answers that samples bring along in a field of their sidecars.
struct Brought<A> {
    numbers: Arc<SidecarNumbers>,
    /// A number beyond these ends is none.
    ends: [f32; 2],
    answer: fn(f32) -> A,
}

impl<U: Unit, O: Operator<Answer = Score<U>>> Stage<O> {
    /// As [`open`](Stage::open); but a sample whose sidecar has [a number](crate::shard::Catalogue::sidecar_numbers) has its score by
    /// that. Such a score is the sample's and not the picture's: it is neither asked for nor remembered, and the memo of what was asked
    /// stays as it is. A number beyond `ends` is none.
    pub fn open_or_sidecar(
        operator: O,
        numbers: Arc<SidecarNumbers>,
        ends: [f32; 2],
        lanes: &Arc<Lanes>,
    ) -> Result<Arc<Self>, MemoError> {
        Stage::open_with(operator, lanes, Some(Brought { numbers, ends, answer: Score::of }))
    }
}

impl<O: Operator> Stage<O> {
    /// Opens the operator's memo and registers the stage with the lanes; sessions open with the first question.
    pub fn open(operator: O, lanes: &Arc<Lanes>) -> Result<Arc<Self>, MemoError> {
        Stage::open_with(operator, lanes, None)
    }

    fn open_with(
        operator: O,
        lanes: &Arc<Lanes>,
        brought: Option<Brought<O::Answer>>,
    ) -> Result<Arc<Self>, MemoError> {
        let memo = lanes.memo(stamp_of(&operator, lanes))?;
        let limits = operator.limits();
        let line = |sessions: &usize| Line::new(limits.batch * sessions.max(&1) * 2, *sessions.max(&1));
        let lines = limits.lines.iter().map(line).collect();
        let stage = Arc::new(Stage {
            memo,
            in_flight: Mutex::default(),
            lines,
            counters: Counters::default(),
            lanes: Arc::downgrade(lanes),
            mode: lanes.mode,
            asking: lanes.asking.clone(),
            sessions_started: AtomicUsize::new(0),
            at_work: AtomicUsize::new(0),
            failures_in_a_row: AtomicUsize::new(0),
            waiters: Mutex::default(),
            brought,
            operator,
            limits,
        });
        lanes.register(stage.clone());
        stage.forget_what_fell(lanes)?;
        Ok(stage)
    }

    /// Forgets answers that rest on what is lost. To forget one may take what others rest on: until all that is left stands.
    fn forget_what_fell(&self, lanes: &Lanes) -> Result<(), MemoError> {
        let fell = |content: &ContentHash| match self.memo.read(content) {
            Ok(Some(Ok(blob))) => !self.operator.stands(&blob),
            // A blob that can't be read is told of by whoever needs it.
            _ => false,
        };
        if !self.operator.rests_on_caches() {
            return Ok(());
        }
        let mut forgotten = 0;
        loop {
            let fallen: Vec<ContentHash> = self.memo.with_blobs().into_iter().filter(fell).collect();
            if fallen.is_empty() {
                break;
            }
            // After what later passes made of it: a process that ends in between finds the answer, and looks again.
            fallen.iter().try_for_each(|content| self.memo.forget(content))?;
            forgotten += fallen.len();
        }
        if forgotten > 0 {
            let name = self.operator.name();
            lanes.tell_damage(format!(
                "{forgotten} answers of {name} rest on what the store has lost, or was told to ask again; what is still needed of it is made again"
            ));
        }
        Ok(())
    }

    pub fn operator(&self) -> &O {
        &self.operator
    }

    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// What the row's question to this stage is remembered under.
    pub fn key(&self, question: &Question) -> ContentHash {
        question.key(O::KEY)
    }

    /// The blob of the answer to this row's question, read from the memo. Not for a worker thread.
    pub fn blob(&self, question: &Question) -> Result<Vec<u8>, Refusal> {
        match self.memo.read(&self.key(question)) {
            Ok(Some(blob)) => blob.map_err(|refusal| (*refusal).clone()),
            Ok(None) => Err(Refusal::transient(
                "not_remembered",
                format!("{} has not answered this", self.operator.name()),
            )),
            Err(error) => Err(Refusal::transient("unreadable_memo", error.to_string())),
        }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether its questions are held back now: see [`Lanes::hold_back`].
    pub(crate) fn holds_back(&self) -> bool {
        self.asking.is_held_back()
    }

    /// Wakes this asker whenever questions are held back from then on.
    pub(crate) fn wake_when_held_back(&self, asker: &Arc<Mailbox>) {
        self.asking.register(asker.wake().clone());
    }

    /// The answer that the sample brought along, if any.
    pub(crate) fn given(&self, id: RowId) -> Option<O::Answer> {
        let brought = self.brought.as_ref()?;
        let [low, high] = brought.ends;
        brought.numbers.of(id).filter(|number| (low..=high).contains(number)).map(brought.answer)
    }

    /// What answers, for people.
    pub fn model(&self) -> String {
        let first = if self.brought.is_some() { "the sidecar, else " } else { "" };
        format!("{first}{}", self.operator.model())
    }

    /// Notes rows that needed no asking.
    pub(crate) fn count_unasked(&self, remembered: u64, given: u64) {
        self.counters.remembered.fetch_add(remembered, Relaxed);
        self.counters.given.fetch_add(given, Relaxed);
    }

    /// Takes up questions from the front of `questions` without waiting; their answers go to `mailbox`. What is
    /// left found no room, and the mailbox is woken when there is some. Asks nothing that is in flight already.
    pub fn try_ask(self: &Arc<Self>, questions: &mut VecDeque<Question>, mailbox: &Arc<Mailbox>) {
        let Some(lanes) = self.lanes.upgrade() else { return };
        let mut in_flight = lock(&self.in_flight);
        // More would be refused at once; what is left is asked when answers come, or when there is room.
        let mut most = lanes.pool.room().max(O::QUESTIONS_A_JOB).min(MOST_AT_ONCE);
        if let Some(limit) = self.limits.in_flight {
            most = most.min(limit.saturating_sub(in_flight.len()));
        }
        let mut known = Vec::new();
        let mut fresh: Vec<Question> = Vec::new();
        {
            // A flight leaves the in-flight table only after its answer is in the memo: in neither means never asked.
            let memo = self.memo.reader();
            while let Some(question) = questions.pop_front() {
                if let Some(flight) = in_flight.get_mut(&question.content) {
                    if !flight.mailboxes.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
                        flight.mailboxes.push(mailbox.clone());
                    }
                } else if let Some(answer) = memo.get(&question.content) {
                    known.push(Completion::of(question.content, answer));
                } else {
                    // A picture's questions are not torn apart for want of room.
                    if fresh.len() >= most
                        && !fresh.last().is_some_and(|last| asked_together::<O>(last, &question))
                    {
                        questions.push_front(question);
                        if self.limits.in_flight.is_some() {
                            lock(&self.waiters).push(mailbox.wake().clone());
                        }
                        break;
                    }
                    in_flight.insert(
                        question.content,
                        Flight {
                            mailboxes: vec![mailbox.clone()],
                            state: State::Asked,
                            shard: question.id.shard,
                        },
                    );
                    fresh.push(question);
                }
            }
        }
        let mut jobs: VecDeque<(usize, Job)> = VecDeque::new();
        for chunk in jobs_of::<O>(&fresh) {
            let (stage, chunk) = (self.clone(), chunk.to_vec());
            jobs.push_back((chunk.len(), Box::new(move || stage.prepare(chunk))));
        }
        let mut taken = 0;
        lanes.pool.try_submit(&mut jobs, |questions| taken += questions, mailbox.wake());
        for refused in fresh.drain(taken..).rev() {
            in_flight.remove(&refused.content);
            questions.push_front(refused);
        }
        drop(in_flight);
        if !known.is_empty() {
            mailbox.deliver(known);
        }
        if taken > 0 {
            self.start_sessions();
        }
    }

    /// Nobody behind `mailbox` waits for these answers any more. What no thread has taken up yet is not asked.
    pub fn cancel(&self, content: &ContentHash, mailbox: &Arc<Mailbox>) {
        let mut in_flight = lock(&self.in_flight);
        if let Some(flight) = in_flight.get_mut(content) {
            flight.mailboxes.retain(|known| !Arc::ptr_eq(known, mailbox));
            if flight.mailboxes.is_empty() && flight.state.is_open() {
                self.take_off(in_flight, content);
            }
        }
    }

    /// Takes a question out of the in-flight table that gets no answer, and wakes who found no room there.
    pub(super) fn take_off(&self, mut in_flight: MutexGuard<'_, InFlight>, content: &ContentHash) {
        in_flight.remove(content);
        let waiters = std::mem::take(&mut *lock(&self.waiters));
        drop(in_flight);
        waiters.iter().for_each(|wake| wake());
    }

    /// Remembers answers, then tells everyone who asked.
    pub(super) fn complete(&self, answers: Vec<(ContentHash, Result<Written, Refusal>)>) {
        let lasts = |(_, answer): &(_, Result<_, Refusal>)| {
            answer.as_ref().err().is_none_or(|refusal: &Refusal| refusal.is_permanent())
        };
        let (answers, passing): (Vec<_>, Vec<_>) = answers.into_iter().partition(lasts);
        if !answers.is_empty() {
            self.failures_in_a_row.store(0, Relaxed);
        }
        for (content, answer) in passing {
            if let Err(refusal) = answer {
                self.refuse_for_now(content, refusal);
            }
        }
        let remembered = match self.memo.put_from(&answers, self.shards_of(&answers)) {
            Ok(remembered) => remembered,
            Err(error) => {
                // An answer that is not remembered must not be seen: a retraction could not replay it.
                self.report(format_args!("{error}"));
                self.abandon(&answers.iter().map(|(content, _)| *content).collect::<Vec<_>>());
                return;
            }
        };
        self.counters.answered.fetch_add(answers.len() as u64, Relaxed);
        let said = answers.into_iter().zip(remembered);
        self.tell(said.map(|((content, _), said)| Completion::of(content, said)).collect());
    }

    /// Which shard the question about a content came from: the first of those that asked.
    fn shards_of<T>(&self, answers: &[(ContentHash, T)]) -> impl Fn(&ContentHash) -> FromShard + use<T, O> {
        let mut shards: HashMap<ContentHash, u32> = HashMap::new();
        let in_flight = lock(&self.in_flight);
        let of = |(content, _): &(ContentHash, T)| Some((*content, in_flight.get(content)?.shard));
        shards.extend(answers.iter().filter_map(of));
        let names = self.lanes.upgrade().map(|lanes| lanes.shard_names());
        move |content| match (&names, shards.get(content)) {
            (Some(names), Some(shard)) => FromShard::named(&names.name(*shard)),
            _ => FromShard::default(),
        }
    }

    /// Refuses a question for as long as this process runs.
    pub(super) fn refuse_for_now(&self, content: ContentHash, mut refusal: Refusal) {
        self.count_failure(&mut refusal);
        let said = self.memo.refuse_for_now(content, refusal);
        self.counters.answered.fetch_add(1, Relaxed);
        self.tell(vec![Completion::of(content, said)]);
    }

    /// Refuses a row whose bytes could not be had, for as long as this process runs. What lies elsewhere with the same content is
    /// another matter: the memo hears nothing of it.
    pub(super) fn refuse_there(&self, content: ContentHash, id: RowId, mut refusal: Refusal) {
        self.count_failure(&mut refusal);
        self.counters.answered.fetch_add(1, Relaxed);
        self.tell(vec![Completion { content, said: Remembered::Refused(Arc::new(refusal)), only: Some(id) }]);
    }

    /// Notes a refusal that says nothing of the content, and how long it lasts; so many in a row stop the run.
    fn count_failure(&self, refusal: &mut Refusal) {
        if refusal.is_permanent() {
            refusal.lasts = Lasts::Process;
        }
        // What the user's budget does not pay for is no failure: the rest of the run goes on.
        let failed = usize::from(refusal.lasts == Lasts::Process);
        self.counters.failed.fetch_add(failed as u64, Relaxed);
        let in_a_row = self.failures_in_a_row.fetch_add(failed, Relaxed) + failed;
        if failed == 1 && in_a_row == MOST_FAILURES_IN_A_ROW {
            let name = self.operator.name();
            self.report(format_args!(
                "{name}: {in_a_row} questions in a row failed, the last with {refusal}"
            ));
        }
    }

    /// Tells everyone who asked what is now remembered.
    fn tell(&self, answers: Vec<Completion>) {
        let (completions, waiters) = {
            let mut in_flight = lock(&self.in_flight);
            (address(&mut in_flight, answers), std::mem::take(&mut *lock(&self.waiters)))
        };
        for (mailbox, pile) in completions {
            mailbox.deliver(pile);
        }
        waiters.iter().for_each(|wake| wake());
    }
}

/// The operator's stamp, and with it how the lanes show it pictures, where that is not the usual way.
fn stamp_of<O: Operator>(operator: &O, lanes: &Lanes) -> Stamp {
    let stamp = operator.stamp();
    match lanes.shown().filter(|_| O::LOOKS.at_pixels()) {
        Some(shown) => Stamp::of(&[("stamp", &stamp.0.0), ("orientation", shown)]),
        None => stamp,
    }
}

/// Whether two neighbours among the questions are prepared as one.
pub(super) fn asked_together<O: Operator>(one: &Question, next: &Question) -> bool {
    O::TOGETHER == Together::ByPicture && one.id == next.id
}

/// The questions, job by job.
fn jobs_of<O: Operator>(questions: &[Question]) -> Vec<&[Question]> {
    match O::TOGETHER {
        Together::EachAlone => questions.chunks(O::QUESTIONS_A_JOB).collect(),
        Together::ByPicture => questions.chunk_by(asked_together::<O>).collect(),
    }
}

/// So many failures in a row are a device or a disk that died: the run stops, and keeps what it has.
const MOST_FAILURES_IN_A_ROW: usize = 64;

/// Questions taken from one asker at once: bounds how long the in-flight table is locked.
const MOST_AT_ONCE: usize = 4096;

pub(super) fn panicked(doing: &str, panic: &(dyn std::any::Any + Send)) -> Refusal {
    let said = crate::limits::said(panic);
    let message = format!("{doing} panicked: {}", if said.is_empty() { "no message" } else { said });
    // Where a limit of the system is behind it, it says nothing of the picture.
    match crate::limits::advice(said) {
        Some(_) => Refusal::transient(Refusal::OUT_OF_MEMORY, message),
        None => Refusal::permanent("panicked", message),
    }
}

impl<O: Operator> Watched for Stage<O> {
    fn demonstration(&self) -> Option<String> {
        self.operator.demonstration()
    }

    fn status(&self) -> StageStatus {
        let counters = &self.counters;
        let prepare_seconds = counters.prepare_nanos.load(Relaxed) as f64 / 1e9;
        let answer_seconds = counters.answer_nanos.load(Relaxed) as f64 / 1e9;
        let sessions = self.limits.sessions().max(1);
        let preparers = match O::PREPARES {
            Prepares::Ahead => self.lanes.upgrade().map_or(1, |lanes| lanes.pool.threads().max(1)),
            Prepares::WhenTakenUp => sessions,
        };
        StageStatus {
            name: self.operator.name(),
            asks_servers: self.limits.in_flight.is_some(),
            stamp: self.memo.stamp(),
            model: self.model(),
            asked: Asked {
                asked: counters.asked.load(Relaxed),
                answered: counters.answered.load(Relaxed),
                failed: counters.failed.load(Relaxed),
                remembered: counters.remembered.load(Relaxed),
                given: counters.given.load(Relaxed),
            },
            in_flight: lock(&self.in_flight).len(),
            at_work: self.at_work.load(SeqCst),
            waiting_for_a_batch: self.lines.iter().map(|line| line.batches.len()).sum(),
            lines: self.lines.iter().map(Line::status).collect(),
            prepare_seconds,
            answer_seconds,
            cost: None,
            // On the CPU both share the cores; with a GPU they overlap, and this is an upper bound.
            wall_seconds: prepare_seconds / preparers as f64 + answer_seconds / sessions as f64,
        }
    }

    fn give_up_the_late(&self, now: Instant) {
        let Some(lanes) = self.lanes.upgrade() else { return };
        let deadline = self.limits.deadline.unwrap_or(lanes.deadline);
        let contents = line::late(&lock(&self.in_flight), &self.lines, now, deadline);
        let seconds = deadline.as_secs_f64();
        let longer = if self.limits.deadline.is_none() { ", and --deadline allows longer" } else { "" };
        let message = format!("no answer after {seconds} s; the next run asks again{longer}");
        for content in contents {
            self.refuse_for_now(content, Refusal::transient("deadline", message.clone()));
        }
    }

    fn without_the_known(&self, mut questions: Vec<Question>) -> Vec<Question> {
        questions.retain(|question| self.memo.get(&question.content).is_none());
        if let Some(lanes) = self.lanes.upgrade() {
            let is_known =
                |question: &Question| matches!(self.operator.known(question, &lanes.catalogue), Ok(Some(_)));
            questions.retain(|question| !is_known(question));
        }
        questions
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        self.operator.asks_in_turn(questions)
    }

    fn sync(&self) -> Result<(), MemoError> {
        self.memo.sync()
    }

    fn forget_failures(&self) {
        self.failures_in_a_row.store(0, Relaxed);
        self.memo.forget_refusals_for_now();
    }

    fn stop(&self) {
        self.lines.iter().for_each(|line| line.batches.stop());
    }

    fn close(&self) {
        self.memo.close();
    }
}

/// What the memo holds, as the operator's answer.
pub(crate) fn decode_answer<A: Answer>(remembered: &Remembered) -> Result<A, Refusal> {
    match remembered {
        Remembered::Refused(refusal) => Err((**refusal).clone()),
        Remembered::Answer(inline) => A::from_inline(inline.bytes()).ok_or_else(|| {
            Refusal::transient(
                "foreign_answer",
                format!("the memo holds {} bytes of another type", inline.bytes().len()),
            )
        }),
    }
}

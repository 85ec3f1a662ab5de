//! `ask`: a costly question about every row, answered off the worker thread, once, and remembered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::{OutputBuilder, builder_rc::OperatorBuilder};

use super::{Ended, Epoch, Flow, Unasked, Why, Wired};
use crate::lane::{
    Answer, Completion, Mailbox, Mode, Operator, Question, Scores, Stage, Together, decode_answer,
};
use crate::memo::Remembered;
use crate::row::{ContentHash, Refused, Row, RowId};

/// The rows that wait for one answer, with the times and the counts that they came with.
struct WaitingRows<R> {
    rows: Updates<R>,
}

/// The right to emit at a time, on both outputs, for as long as rows of that time wait.
struct HeldOutputs {
    rows: Capability<Epoch>,
    ended: Capability<Epoch>,
    waiting: usize,
}

/// Updates of a collection, as they ride a channel.
type Updates<D> = Vec<(D, Epoch, isize)>;
type Builder<D> = CapacityContainerBuilder<Updates<D>>;

/// What is to be emitted, by time.
struct Emit<R: Row, A: Answer> {
    rows: BTreeMap<Epoch, Updates<A::Row<R>>>,
    ended: BTreeMap<Epoch, Updates<Ended>>,
}

impl<R: Row, A: Answer> Emit<R, A> {
    fn new() -> Self {
        Emit { rows: BTreeMap::new(), ended: BTreeMap::new() }
    }

    fn answered(&mut self, row: R, answer: A, time: Epoch, diff: isize) {
        self.rows.entry(time).or_default().push((answer.attach(row), time, diff));
    }

    fn why(&mut self, row: &R, why: Why, time: Epoch, diff: isize) {
        self.ended.entry(time).or_default().push((Ended::of_row(row, why), time, diff));
    }

    /// Emits what the memo says of a row: the same for the row that comes and for the row that leaves.
    fn remembered(&mut self, stage: &'static str, row: R, said: &Remembered, time: Epoch, diff: isize) {
        match decode_answer::<A>(said) {
            Ok(answer) => self.answered(row, answer, time, diff),
            Err(refusal) => {
                let why = Why::Refused(Box::new(Refused { stage: stage.into(), refusal }));
                self.why(&row, why, time, diff);
            }
        }
    }
}

/// Who can be asked about rows: a stage, or a stage that may be absent.
pub trait Askable<R: Row> {
    /// The row that a row becomes when it has the answer.
    type Row: Row;
    /// The flow of the rows that are answered.
    fn ask<'s>(&self, flow: Flow<'s, R>) -> Flow<'s, Self::Row>;
}

impl<R: Row, O: Operator> Askable<R> for Arc<Stage<O>> {
    type Row = <O::Answer as Answer>::Row<R>;

    fn ask<'s>(&self, flow: Flow<'s, R>) -> Flow<'s, Self::Row> {
        flow.ask_stage(self)
    }
}

/// Where the stage is absent, nobody is asked: each of the answer's scores is NaN, and gates at their dials stand open.
impl<R: Row, O: Operator<Answer: Scores>> Askable<R> for Option<Arc<Stage<O>>> {
    type Row = <O::Answer as Answer>::Row<R>;

    fn ask<'s>(&self, flow: Flow<'s, R>) -> Flow<'s, Self::Row> {
        let Some(stage) = self else {
            let columns = Self::Row::score_names().split_off(R::score_names().len());
            flow.wired.borrow_mut().push(Wired::Absent { columns, of: R::OF });
            return flow.each(O::Answer::without_answer);
        };
        flow.ask_stage(stage)
    }
}

impl<'s, R: Row> Flow<'s, R> {
    /// Asks `stage` about every row, where it is there. The answer lands at the row's own epoch, whenever it comes: the operator
    /// holds the epoch open until then. A row that leaves is given the answer it came with, from the memo, and
    /// nothing is asked; if its question is still waiting, the question is withdrawn. Refusals go to the rejected stream.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let taster = lab.stage(taster());
    /// // The first and the last are one picture: it is asked about once.
    /// let engine = run(pictures([20, 60, 20]), {
    ///     let taster = taster.clone();
    ///     move |images, dial| images.ask(&taster).gate(&dial.taste).finish()
    /// });
    /// assert_eq!(kept(&engine), [1]);
    /// assert_eq!(taster.memo().len(), 2);
    ///
    /// // A stage may be absent: its score is NaN, and the gate is open.
    /// let absent = Some(taster).filter(|_| false);
    /// let engine = run(pictures([20, 60]), move |images, dial| images.ask(&absent).gate(&dial.taste).finish());
    /// assert_eq!(kept(&engine), [0, 1]);
    /// ```
    pub fn ask<A: Askable<R>>(self, stage: &A) -> Flow<'s, A::Row> {
        stage.ask(self)
    }

    fn ask_stage<O: Operator>(self, stage: &Arc<Stage<O>>) -> Flow<'s, <O::Answer as Answer>::Row<R>> {
        let name = stage.operator().name();
        self.wired.borrow_mut().push(Wired::Ask {
            stage: name,
            of: R::OF,
            stamp: stage.memo().stamp(),
            model: stage.model(),
        });
        let (rows, refused) = ask(self.rows, stage.clone(), name);
        let mut ended = self.ended.concat(refused.clone());
        let mut unanswered = None;
        if stage.mode() == Mode::Plan {
            let fresh = refused.flat_map(|ended| match ended.why {
                Why::Unasked(unasked) => Some(unasked.question),
                _ => None,
            });
            // What these rows would be asked next is one question each. Scores don't shape it; of an answer that does, nobody
            // knows yet which question it comes to, and the row as it is stands for it.
            unanswered = Some(match self.unanswered {
                Some(earlier) => {
                    ended = ended.concat(unasked(earlier.clone(), stage, name));
                    fresh.concat(earlier)
                }
                None => fresh,
            });
        }
        Flow { rows, ended, unanswered, pieces: self.pieces, wired: self.wired, named: self.named }
    }
}

/// The questions that a stage would be asked about rows which wait for an earlier answer.
fn unasked<'s, O: Operator>(
    waiting: super::Collection<'s, Question>,
    stage: &Arc<Stage<O>>,
    name: &'static str,
) -> super::Collection<'s, Ended> {
    let stage = stage.clone();
    waiting.flat_map(move |mut question| {
        question.content = question.key(O::KEY);
        // The memo does not change in plan mode: a row that leaves is told what it was told when it came.
        let asked = stage.memo().get(&question.content).is_none();
        let place = question.place();
        asked.then(|| Ended::of(place, Why::Unasked(Box::new(Unasked { stage: name, question }))))
    })
}

/// A collection of answered rows, and one of rows that ended.
type Answered<'s, R, A> =
    (VecCollection<'s, Epoch, <A as Answer>::Row<R>, isize>, VecCollection<'s, Epoch, Ended, isize>);

fn ask<'s, R: Row, O: Operator>(
    rows: VecCollection<'s, Epoch, R, isize>,
    stage: Arc<Stage<O>>,
    name: &'static str,
) -> Answered<'s, R, O::Answer> {
    let scope = rows.inner.scope();
    let mut builder = OperatorBuilder::new(format!("Ask {name}"), scope);
    let mut input = builder.new_input(rows.inner, Pipeline);
    let (answered, answered_stream) = builder.new_output();
    let (ended, ended_stream) = builder.new_output();
    let mut answered = OutputBuilder::<_, Builder<<O::Answer as Answer>::Row<R>>>::from(answered);
    let mut ended = OutputBuilder::<_, Builder<Ended>>::from(ended);
    let activator = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let mailbox = Mailbox::new(Arc::new(move || {
        // Fails only when the worker has ended, and then nobody needs waking.
        let _ = activator.activate();
    }));

    builder.build(move |capabilities| {
        drop(capabilities);
        let mut asking = Asking::<R, O> {
            stage,
            mailbox,
            name,
            waiting: HashMap::new(),
            to_ask: VecDeque::new(),
            withdrawn: Vec::new(),
            refused: HashMap::new(),
        };
        let mut held: BTreeMap<Epoch, HeldOutputs> = BTreeMap::new();
        move |_frontiers| {
            let mut emit = Emit::new();
            let mut come: Updates<R> = Vec::new();
            input.for_each(|capability, rows| {
                // A message that carries rows is stamped with a time at or before theirs.
                for (_, time, _) in rows.iter() {
                    held.entry(*time).or_insert_with(|| HeldOutputs {
                        rows: capability.delayed(time, 0),
                        ended: capability.delayed(time, 1),
                        waiting: 0,
                    });
                }
                come.append(rows);
            });
            let mut waits = |time: Epoch, more: isize| {
                if let Some(held) = held.get_mut(&time) {
                    held.waiting = held.waiting.saturating_add_signed(more);
                }
            };
            // Completions first: a row that leaves now may belong to an answer that has just come.
            asking.take_completions(&mut emit, &mut waits);
            asking.take_in(come, &mut emit, &mut waits);
            asking.ask();

            let mut rows_out = answered.activate();
            for (time, mut batch) in std::mem::take(&mut emit.rows) {
                rows_out.session(&held[&time].rows).give_container(&mut batch);
            }
            let mut ended_out = ended.activate();
            for (time, mut batch) in std::mem::take(&mut emit.ended) {
                ended_out.session(&held[&time].ended).give_container(&mut batch);
            }
            held.retain(|_, held| held.waiting > 0);
        }
    });
    (answered_stream.as_collection(), ended_stream.as_collection())
}

/// The operator's own state: who waits for what.
struct Asking<R: Row, O: Operator> {
    stage: Arc<Stage<O>>,
    mailbox: Arc<Mailbox>,
    name: &'static str,
    waiting: HashMap<ContentHash, WaitingRows<R>>,
    /// Questions that the lane had no room for yet.
    to_ask: VecDeque<Question>,
    /// Not waited for any more, unless they came back since. The lane is told when the memo is let go: it takes its
    /// own lock first and the memo's second, and whoever takes them the other way round may stall both for ever.
    withdrawn: Vec<ContentHash>,
    /// Rows that were refused because of where they lie. The memo knows nothing of them: they leave, and come back, with this.
    refused: HashMap<(ContentHash, RowId), Remembered>,
}

impl<R: Row, O: Operator> Asking<R, O> {
    fn take_completions(&mut self, emit: &mut Emit<R, O::Answer>, waits: &mut impl FnMut(Epoch, isize)) {
        for Completion { content, said, only } in self.mailbox.take() {
            // Nobody waits: the rows left after the answer was on its way. The memo has it.
            let Some(waiting) = self.waiting.remove(&content) else { continue };
            let is_told = |row: &R| only.is_none_or(|id| row.image().id == id);
            let (told, others): (Vec<_>, Vec<_>) =
                waiting.rows.into_iter().partition(|(row, ..)| is_told(row));
            for (row, time, diff) in told {
                waits(time, -1);
                emit.remembered(self.name, row, &said, time, diff);
            }
            if let Some(id) = only {
                self.refused.insert((content, id), said);
            }
            if let Some((row, ..)) = others.first() {
                self.to_ask.push_back(Question::about(row, O::KEY));
                self.waiting.insert(content, WaitingRows { rows: others });
            }
        }
    }

    fn take_in(
        &mut self,
        mut come: Updates<R>,
        emit: &mut Emit<R, O::Answer>,
        waits: &mut impl FnMut(Epoch, isize),
    ) {
        if O::TOGETHER == Together::ByPicture {
            // A turned gate lets rows through by their scores. What one row does stays in its order.
            come.sort_by_key(|(row, ..)| row.image().id);
        }
        let stage = self.stage.clone();
        let memo = stage.memo().reader();
        let (mut remembered, mut given) = (0, 0);
        for (row, time, diff) in come {
            if let Some(answer) = stage.given(row.image().id) {
                given += u64::from(diff > 0);
                emit.answered(row, answer, time, diff);
                continue;
            }
            let question = Question::about(&row, O::KEY);
            let content = question.content;
            if !self.refused.is_empty()
                && let Some(said) = self.refused.get(&(content, row.image().id))
            {
                emit.remembered(self.name, row, said, time, diff);
                continue;
            }
            // Rows of one content leave together, in the order they came, or a row could leave before it came.
            let waiting = self.waiting.contains_key(&content);
            match memo.get(&content) {
                Some(said) if !waiting => {
                    remembered += u64::from(diff > 0);
                    emit.remembered(self.name, row, &said, time, diff);
                }
                _ if stage.mode() == Mode::Plan => {
                    let unasked = Unasked { stage: self.name, question };
                    emit.why(&row, Why::Unasked(Box::new(unasked)), time, diff)
                }
                _ => self.wait(question, row, time, diff, waits),
            }
        }
        drop(memo);
        stage.count_unasked(remembered, given);
    }

    /// Lets a row wait for its answer; where it cancels the rows that wait, the question is withdrawn.
    fn wait(
        &mut self,
        question: Question,
        row: R,
        time: Epoch,
        diff: isize,
        waits: &mut impl FnMut(Epoch, isize),
    ) {
        let content = question.content;
        let entry = self.waiting.entry(content);
        if let std::collections::hash_map::Entry::Vacant(_) = entry {
            self.to_ask.push_back(question);
        }
        let waiting = entry.or_insert_with(|| WaitingRows { rows: Vec::new() });
        waiting.rows.push((row.clone(), time, diff));
        waits(time, 1);
        if diff > 0 {
            return;
        }
        let net: isize = waiting.rows.iter().filter(|(other, ..)| *other == row).map(|(.., diff)| diff).sum();
        if net == 0 {
            waiting.rows.retain(|(other, time, _)| *other != row || (waits(*time, -1), false).1);
        }
        if waiting.rows.is_empty() {
            self.waiting.remove(&content);
            self.withdrawn.push(content);
        }
    }

    fn ask(&mut self) {
        if !self.withdrawn.is_empty() {
            self.to_ask.retain(|question| self.waiting.contains_key(&question.content));
        }
        for content in self.withdrawn.drain(..).filter(|content| !self.waiting.contains_key(content)) {
            self.stage.cancel(&content, &self.mailbox);
        }
        if !self.to_ask.is_empty() {
            self.stage.try_ask(&mut self.to_ask, &self.mailbox);
        }
    }
}

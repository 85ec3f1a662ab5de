//! `ask`: a costly question about every row, answered off the worker thread, once, and remembered.

mod asking;
mod foretold;

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::{OutputBuilder, builder_rc::OperatorBuilder};
use timely::dataflow::operators::{Capability, InputCapability};

use super::{Ended, Epoch, Flow, Released, Why, Wired};
use crate::lane::{Answer, Mailbox, Mode, Operator, Scores, Stage};
use crate::row::{Row, RowId};
use asking::Asking;
use foretold::foretold;

/// The right to emit at a time, on both outputs, for as long as rows of that time wait.
struct HeldOutputs {
    rows: Capability<Epoch>,
    ended: Capability<Epoch>,
    waiting: usize,
}

impl HeldOutputs {
    fn new(capability: &InputCapability<Epoch>, time: Epoch) -> Self {
        HeldOutputs { rows: capability.delayed(&time, 0), ended: capability.delayed(&time, 1), waiting: 0 }
    }
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
        let released = self.released.clone();
        let (rows, ended_here) = ask(self.rows, released.clone(), stage.clone(), name);
        let mut ended = self.ended.concat(ended_here.clone());
        let mut unanswered = None;
        if stage.mode() != Mode::Ask {
            let fresh = ended_here.flat_map(|ended| match ended.why {
                Why::Unasked(unasked) => Some(unasked.question),
                _ => None,
            });
            // What these rows would be asked next is one question each. Scores don't shape it; of an answer that does, nobody
            // knows yet which question it comes to, and the row as it is stands for it.
            unanswered = Some(match self.unanswered {
                Some(earlier) => {
                    ended = ended.concat(foretold(earlier.clone(), stage, name));
                    fresh.concat(earlier)
                }
                None => fresh,
            });
        }
        Flow { rows, ended, unanswered, released, pieces: self.pieces, wired: self.wired, named: self.named }
    }
}

/// A collection of answered rows, and one of rows that ended.
type Answered<'s, R, A> =
    (VecCollection<'s, Epoch, <A as Answer>::Row<R>, isize>, VecCollection<'s, Epoch, Ended, isize>);

fn ask<'s, R: Row, O: Operator>(
    rows: VecCollection<'s, Epoch, R, isize>,
    released: Released<'s>,
    stage: Arc<Stage<O>>,
    name: &'static str,
) -> Answered<'s, R, O::Answer> {
    let scope = rows.inner.scope();
    let mut builder = OperatorBuilder::new(format!("Ask {name}"), scope);
    let mut input = builder.new_input(rows.inner, Pipeline);
    let mut released = builder.new_input(released.inner, Pipeline);
    let (answered, answered_stream) = builder.new_output();
    let (ended, ended_stream) = builder.new_output();
    let mut answered = OutputBuilder::<_, Builder<<O::Answer as Answer>::Row<R>>>::from(answered);
    let mut ended = OutputBuilder::<_, Builder<Ended>>::from(ended);
    let activator = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let mailbox = Mailbox::new(Arc::new(move || {
        // Fails only when the worker has ended, and then nobody needs waking.
        let _ = activator.activate();
    }));

    stage.wake_when_held_back(&mailbox);
    builder.build(move |capabilities| {
        drop(capabilities);
        let mut asking = Asking::<R, O>::new(stage, mailbox, name);
        let mut held: BTreeMap<Epoch, HeldOutputs> = BTreeMap::new();
        let mut releases: BTreeMap<Epoch, Vec<RowId>> = BTreeMap::new();
        move |frontiers| {
            let mut emit = Emit::new();
            let mut come: Updates<R> = Vec::new();
            input.for_each(|capability, rows| {
                // A message that carries rows is stamped with a time at or before theirs.
                for (_, time, _) in rows.iter() {
                    held.entry(*time).or_insert_with(|| HeldOutputs::new(&capability, *time));
                }
                come.append(rows);
            });
            released.for_each(|capability, pictures| {
                for (picture, time, _) in pictures.drain(..) {
                    let held = held.entry(time).or_insert_with(|| HeldOutputs::new(&capability, time));
                    let release = releases.entry(time).or_default();
                    // A release waits as a row does: the time stays open until it is worked off.
                    held.waiting += usize::from(release.is_empty());
                    release.push(picture);
                }
            });
            let mut waits = |time: Epoch, more: isize| {
                if let Some(held) = held.get_mut(&time) {
                    held.waiting = held.waiting.saturating_add_signed(more);
                }
            };
            // Completions first: a row that leaves now may belong to an answer that has just come.
            asking.take_completions(&mut emit, &mut waits);
            asking.take_in(come, &mut emit, &mut waits);
            // What is held back is known when all rows of earlier times have come.
            while let Some(release) = releases.first_entry().filter(|it| !frontiers[0].less_than(it.key())) {
                let (time, pictures) = release.remove_entry();
                asking.release(&pictures, time, &mut emit, &mut waits);
                waits(time, -1);
            }
            asking.hold_back(&mut emit, &mut waits);
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

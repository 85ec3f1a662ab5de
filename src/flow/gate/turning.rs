//! The dataflow operator behind every gate: rows come in beside the dials that they are held against; what passes and
//! what is held back go out.
//!
//! A row is let through as it comes, once it is known where the dials stand at its time: it need not wait for the others
//! of its epoch, of which some may wait for slow answers. A turned dial waits until all rows of earlier epochs have come.

use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::consolidate_updates;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::{OutputBuilder, builder_rc::OperatorBuilder};

use super::said::Said;
use crate::flow::{Collection, Ended, Epoch, Flow};
use crate::row::{AnyUnit, Row, Score};

/// What came or left, when, and how often.
pub(in crate::flow) type Updates<D> = Vec<(D, Epoch, isize)>;

/// On which side of a gate a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum Side {
    Passes,
    HeldBack { dial: u16, score: Score<AnyUnit> },
}

/// A gate's rows and dials, as far as they have come.
pub(in crate::flow) trait Turning<R: Row>: 'static {
    /// What it is told of its dials, and which one where there are several.
    type Event: Clone + Ord + 'static;

    /// Takes in what it is told of its dials, then rows that came and left, each once: an epoch's, or some of them.
    /// Whatever comes to a side or leaves it is said.
    fn work_off(&mut self, told: impl Iterator<Item = Self::Event>, rows: Updates<R>, said: &mut Said<'_, R>);
}

impl<'s, R: Row> Flow<'s, R> {
    /// Keeps the rows that pass `gate`; the others end here. Rows stay on the worker that they are on.
    pub(in crate::flow) fn gated_by<T: Turning<R>>(
        self,
        name: String,
        dials: Collection<'s, T::Event>,
        gate: T,
    ) -> Self {
        let (rows, held_back) = turning(name, self.rows.clone(), dials, gate);
        let ended = self.ended.clone().concat(held_back);
        self.of_rows_and_ends(rows, ended)
    }
}

/// What came of an epoch and was not looked at yet, and the right to say what follows from it.
struct Gathered<R, D> {
    rows_out: Capability<Epoch>,
    ended_out: Capability<Epoch>,
    rows: Updates<R>,
    dials: Updates<D>,
}

impl<R, D> Gathered<R, D> {
    fn new(delayed: impl Fn(usize) -> Capability<Epoch>) -> Self {
        Gathered { rows_out: delayed(0), ended_out: delayed(1), rows: Vec::new(), dials: Vec::new() }
    }
}

fn turning<'s, R: Row, T: Turning<R>>(
    name: String,
    rows: Collection<'s, R>,
    dials: Collection<'s, T::Event>,
    mut gate: T,
) -> (Collection<'s, R>, Collection<'s, Ended>) {
    type Builder<D> = CapacityContainerBuilder<Updates<D>>;
    let mut builder = OperatorBuilder::new(name, rows.inner.scope());
    let mut rows_in = builder.new_input(rows.inner, Pipeline);
    let mut dials_in = builder.new_input(dials.inner, Pipeline);
    let (passing, passing_stream) = builder.new_output();
    let (ended, ended_stream) = builder.new_output();
    let mut passing = OutputBuilder::<_, Builder<R>>::from(passing);
    let mut ended = OutputBuilder::<_, Builder<Ended>>::from(ended);
    builder.build(move |capabilities| {
        drop(capabilities);
        let mut open: BTreeMap<Epoch, Gathered<R, T::Event>> = BTreeMap::new();
        move |frontiers| {
            rows_in.for_each(|capability, updates| {
                for update in updates.drain(..) {
                    let time = update.1;
                    let new = || Gathered::new(|port| capability.delayed(&time, port));
                    open.entry(time).or_insert_with(new).rows.push(update);
                }
            });
            dials_in.for_each(|capability, updates| {
                for update in updates.drain(..) {
                    let time = update.1;
                    let new = || Gathered::new(|port| capability.delayed(&time, port));
                    open.entry(time).or_insert_with(new).dials.push(update);
                }
            });
            let (mut passing, mut ended) = (passing.activate(), ended.activate());
            while let Some(epoch) = open.first_entry() {
                let time = *epoch.key();
                // A dial may still be turned at this time; or one was, and rows that came before may still be on their way.
                let (rows_to_come, dials_to_come) = (&frontiers[0], &frontiers[1]);
                let turned = !epoch.get().dials.is_empty();
                if dials_to_come.less_equal(&time) || (turned && rows_to_come.less_than(&time)) {
                    break;
                }
                let mut gathered = epoch.remove();
                let mut passing = passing.session(&gathered.rows_out);
                let mut ended = ended.session(&gathered.ended_out);
                let mut pass = |rows: &mut Updates<R>| passing.give_container(rows);
                let mut end = |rows: &mut Updates<Ended>| ended.give_container(rows);
                let mut said = Said::at(time, &mut pass, &mut end);
                consolidate_updates(&mut gathered.dials);
                consolidate_updates(&mut gathered.rows);
                // A turn takes away where the dial stood and adds where it stands.
                let told = gathered.dials.into_iter().filter(|(.., diff)| *diff > 0).map(|(told, ..)| told);
                gate.work_off(told, gathered.rows, &mut said);
                said.end();
            }
        }
    });
    (passing_stream.as_collection(), ended_stream.as_collection())
}

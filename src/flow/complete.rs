//! Epochs worked off when they are complete: what the operators share that look at where things stand, not at how they
//! came to.

use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::consolidate;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::{OutputBuilder, builder_rc::OperatorBuilder};

use super::{Collection, Epoch};

/// What came or left at one time, each thing once, with its count.
pub(super) type Changes<D> = Vec<(D, isize)>;

/// An operator that hands `work` every epoch's changes when there will be no more of them, in the order of the epochs,
/// each epoch's sorted; what `work` adds to its second argument is emitted at that epoch.
pub(super) fn at_complete_epochs<'s, D, E>(
    name: &str,
    changes: Collection<'s, D>,
    mut work: impl FnMut(Changes<D>, &mut Changes<E>) + 'static,
) -> Collection<'s, E>
where
    D: Ord + Clone + 'static,
    E: Ord + Clone + 'static,
{
    let mut builder = OperatorBuilder::new(name.to_owned(), changes.inner.scope());
    let mut input = builder.new_input(changes.inner, Pipeline);
    let (out, stream) = builder.new_output();
    let mut out = OutputBuilder::<_, CapacityContainerBuilder<Vec<(E, Epoch, isize)>>>::from(out);
    builder.build(move |capabilities| {
        drop(capabilities);
        let mut open: BTreeMap<Epoch, (Capability<Epoch>, Changes<D>)> = BTreeMap::new();
        move |frontiers| {
            input.for_each(|capability, updates| {
                for (what, time, diff) in updates.drain(..) {
                    let new = || (capability.delayed(&time, 0), Vec::new());
                    open.entry(time).or_insert_with(new).1.push((what, diff));
                }
            });
            let mut out = out.activate();
            while let Some(epoch) = open.first_entry() {
                let time = *epoch.key();
                if frontiers.iter().any(|frontier| frontier.less_equal(&time)) {
                    break;
                }
                let (capability, mut changes) = epoch.remove();
                consolidate(&mut changes);
                let mut said = Vec::new();
                work(changes, &mut said);
                consolidate(&mut said);
                let mut out = out.session(&capability);
                said.into_iter().for_each(|(what, diff)| out.give((what, time, diff)));
            }
        }
    });
    stream.as_collection()
}

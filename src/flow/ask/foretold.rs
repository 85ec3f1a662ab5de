//! What a stage would be asked about rows that wait for an answer of an earlier one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator as _;

use super::Updates;
use crate::flow::{Collection, Ended, Unasked, Why};
use crate::lane::{Operator, Question, Stage};
use crate::row::{ContentHash, Place};

/// The questions that a stage would be asked about rows which wait for an earlier answer.
pub(super) fn foretold<'s, O: Operator>(
    waiting: Collection<'s, Question>,
    stage: &Arc<Stage<O>>,
    name: &'static str,
) -> Collection<'s, Ended> {
    let stage = stage.clone();
    // The memo may know by the time that a row leaves: it leaves as it came.
    let mut standing: HashMap<(Place, ContentHash), (isize, bool)> = HashMap::new();
    let said = waiting.inner.unary::<CapacityContainerBuilder<Updates<Ended>>, _, _, _>(
        Pipeline,
        "Foretold",
        move |_, _| {
            move |input, output| {
                input.for_each(|capability, questions| {
                    let mut said = output.session(&capability);
                    for (mut question, time, diff) in questions.drain(..) {
                        question.content = question.key(O::KEY);
                        let place = question.place();
                        let (stands, is_asked) = match standing.entry((place, question.content)) {
                            Entry::Occupied(mut known) => {
                                known.get_mut().0 += diff;
                                let (count, is_asked) = *known.get();
                                if count == 0 {
                                    known.remove();
                                }
                                (true, is_asked)
                            }
                            Entry::Vacant(new) => {
                                let is_asked = stage.memo().get(&question.content).is_none();
                                new.insert((diff, is_asked));
                                (false, is_asked)
                            }
                        };
                        debug_assert!(stands || diff > 0, "it comes before it leaves");
                        if is_asked {
                            let unasked = Box::new(Unasked { stage: name, question });
                            said.give((Ended::of(place, Why::Foretold(unasked)), time, diff));
                        }
                    }
                });
            }
        },
    );
    said.as_collection()
}

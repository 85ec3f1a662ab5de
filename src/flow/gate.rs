//! `gate`: keeps the rows whose score passes a dial, at a cost that follows the rows between the old and the new dial.
//!
//! Rows are kept by the bucket that their score falls in. The dial becomes a collection of what each bucket
//! admits: all, none, or (the one bucket that the dial stands in) an exact comparison. A turn then changes the
//! buckets between the old dial and the new one, and the join meets their rows only. A join of every row with the
//! dial would be three lines, and would touch every row at every turn: it is kept as the tests' oracle.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{ValBatcher, ValSpine};
use differential_dataflow::{AsCollection, VecCollection};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Capability, Operator as _};

use super::{Ended, Epoch, Flow, Why, Wired};
use crate::row::{Row, Score, Scored, Unit};

/// How a score is held against its dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Comparison {
    /// Whether `score` passes a dial that stands at `at`. A NaN passes nothing.
    pub fn passes<U>(self, score: Score<U>, at: Score<U>) -> bool {
        !score.is_nan()
            && match self {
                Comparison::Above => score > at,
                Comparison::AtLeast => score >= at,
                Comparison::Below => score < at,
                Comparison::AtMost => score <= at,
            }
    }

    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sign())
    }
}

/// What a dial is: declared by [`dials!`](crate::dials), never changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DialSpec {
    pub name: &'static str,
    pub unit: &'static str,
    pub comparison: Comparison,
    pub default: f32,
    /// The least and the greatest value that it may be set to.
    pub low: f32,
    pub high: f32,
    pub about: &'static str,
}

/// A dial of a running dataflow: where it stands, over time. Made by [`DialMaker`](super::DialMaker).
pub struct Dial<'s, U: 'static> {
    pub(super) at: VecCollection<'s, Epoch, Score<U>, isize>,
    pub(super) index: u16,
    pub(super) spec: &'static DialSpec,
}

/// How many buckets a unit's scale is cut into. More of them put a floor under the cost of every turn; fewer
/// make the bucket that the dial stands in, whose rows are all met, larger.
const BUCKETS: u16 = 4096;
/// Where a NaN goes: a bucket that no dial opens.
const NAN_BUCKET: u16 = BUCKETS;

fn bucket<U: Unit>(score: Score<U>) -> u16 {
    let value = score.get();
    if value.is_nan() {
        return NAN_BUCKET;
    }
    // Monotone, and saturating at both ends, which is all that the gate needs of it.
    let place = (f64::from(value) - f64::from(U::LOW)) / (f64::from(U::HIGH) - f64::from(U::LOW));
    (place * f64::from(BUCKETS)).clamp(0.0, f64::from(BUCKETS - 1)) as u16
}

/// What a bucket admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Admits<S> {
    All,
    None,
    Compared(S),
}

fn admitted<U: Unit>(at: Score<U>, comparison: Comparison) -> impl Iterator<Item = (u16, Admits<Score<U>>)> {
    let edge = bucket(at);
    let above_passes = matches!(comparison, Comparison::Above | Comparison::AtLeast);
    let admits = move |bucket: u16| match bucket {
        NAN_BUCKET => Admits::None,
        _ if bucket == edge => Admits::Compared(at),
        _ if (bucket > edge) == above_passes => Admits::All,
        _ => Admits::None,
    };
    (0..=NAN_BUCKET).map(move |bucket| (bucket, admits(bucket)))
}

static TOUCHED: AtomicU64 = AtomicU64::new(0);

/// How often a row met what its bucket admits, in the gates of this process so far: what a turn costs, counted.
pub fn touched_records() -> u64 {
    TOUCHED.load(Ordering::Relaxed)
}

impl<'s, R: Row, U: Unit> Flow<'s, Scored<R, U>> {
    /// Keeps the rows whose score passes the dial; the others end here, gated, until the dial lets them through.
    ///
    /// Rows stay on the worker that they are on: nothing is exchanged.
    pub fn gate(self, dial: &Dial<'s, U>) -> Self {
        let (index, spec) = (dial.index, dial.spec);
        let comparison = spec.comparison;
        self.wired.borrow_mut().push(Wired::Gate { dial: spec.name });

        let by_bucket = self.rows.map(|row| (bucket(row.score), row));
        let rows = arrange_core::<_, _, ValBatcher<u16, Scored<R, U>, Epoch, isize>, ValSpine<_, _, _, _>>(
            by_bucket.inner,
            Pipeline,
            &format!("Gate {}: rows by bucket", spec.name),
            ValBatcher::new,
        );
        let admits = dial.at.clone().flat_map(move |at| admitted(at, comparison));
        let admits =
            arrange_core::<_, _, ValBatcher<u16, Admits<Score<U>>, Epoch, isize>, ValSpine<_, _, _, _>>(
                admits.inner,
                Pipeline,
                &format!("Gate {}: what buckets admit", spec.name),
                ValBatcher::new,
            );
        // Counted where rows meet what their bucket admits: that is what a turn costs.
        let met = std::rc::Rc::new(std::cell::Cell::new(0));
        let meets = met.clone();
        let sided = rows.join_core(admits, move |_bucket, row, admits| {
            meets.set(meets.get() + 1);
            let passes = match admits {
                Admits::All => true,
                Admits::None => false,
                Admits::Compared(at) => comparison.passes(row.score, *at),
            };
            [(row.clone(), passes)]
        });
        // In the bucket that the dial stands in, rows that stay where they were come and go at once: cancel them.
        let sided =
            consolidate_here(sided, &format!("Gate {}: sides", spec.name)).inspect_batch(move |_, _| {
                TOUCHED.fetch_add(met.take(), Ordering::Relaxed);
            });
        let held_back = sided.clone().flat_map(move |(row, passes)| {
            let why = Why::Gated { dial: index, score: Score::of(row.score.get()) };
            (!passes).then(|| Ended { id: row.image().id, why })
        });
        let rows = sided.flat_map(|(row, passes)| passes.then_some(row));
        Flow { rows, ended: self.ended.concat(held_back), wired: self.wired }
    }
}

/// Records of an epoch that is not complete, and the right to emit what they add up to.
type Gathered<D> = (Capability<Epoch>, Vec<(D, Epoch, isize)>);

/// `consolidate`, but on the worker that the records are on, and without an arrangement, which would cost several times
/// what the sorting does: what an epoch's records add up to is said once, when the epoch is complete.
fn consolidate_here<'s, D: differential_dataflow::ExchangeData>(
    records: VecCollection<'s, Epoch, D, isize>,
    name: &str,
) -> VecCollection<'s, Epoch, D, isize> {
    type Builder<D> = CapacityContainerBuilder<Vec<(D, Epoch, isize)>>;
    records
        .inner
        .unary_frontier::<Builder<D>, _, _, _>(Pipeline, name, |_capability, _info| {
            let mut open: BTreeMap<Epoch, Gathered<D>> = BTreeMap::new();
            move |(input, frontier), output| {
                input.for_each(|capability, records| {
                    for record in records.drain(..) {
                        let new = || (capability.delayed(&record.1, 0), Vec::new());
                        open.entry(record.1).or_insert_with(new).1.push(record);
                    }
                });
                while let Some(epoch) = open.first_entry() {
                    if frontier.less_equal(epoch.key()) {
                        break;
                    }
                    let (capability, mut records) = epoch.remove();
                    consolidate_updates(&mut records);
                    output.session(&capability).give_iterator(records.into_iter());
                }
            }
        })
        .as_collection()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Points;
    impl Unit for Points {
        const NAME: &'static str = "points";
        const UNIT: &'static str = "0 to 10";
        const LOW: f32 = 0.0;
        const HIGH: f32 = 10.0;
    }

    /// What the buckets admit is what comparing every score would: at ties, at the ends, outside them, for NaN.
    #[test]
    fn buckets_admit_what_comparing_admits() {
        let values = [
            -1e9,
            -1.0,
            -0.0,
            0.0,
            1e-30,
            2.4414062,
            2.4414063,
            4.75,
            4.7500005,
            4.7499995,
            9.9999,
            10.0,
            11.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        let dials = [0.0, 2.4414062, 4.75, 9.9999, 10.0];
        for comparison in [Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost] {
            for at in dials {
                let at = Score::<Points>::of(at);
                let admitted: Vec<_> = admitted(at, comparison).collect();
                for value in values {
                    let score = Score::<Points>::of(value);
                    let (_, admits) = admitted[bucket(score) as usize];
                    let passes = match admits {
                        Admits::All => true,
                        Admits::None => false,
                        Admits::Compared(at) => comparison.passes(score, at),
                    };
                    let wanted = match comparison {
                        Comparison::Above => value > at.get(),
                        Comparison::AtLeast => value >= at.get(),
                        Comparison::Below => value < at.get(),
                        Comparison::AtMost => value <= at.get(),
                    };
                    assert_eq!(passes, wanted, "{value} {comparison} {at:?}");
                }
            }
        }
    }
}

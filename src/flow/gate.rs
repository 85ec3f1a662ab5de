//! `gate`: keeps the rows whose score passes a dial, at a cost that follows the rows between the old and the new dial.
//!
//! The operator keeps its rows by the bucket that their score falls in, without their pictures, and looks only at the
//! buckets between the old dial and the new one. Epochs are totally ordered, and a dial is turned when all rows of earlier
//! epochs have come, so what counts is where things stand, not how they came to: a differential arrangement, which can
//! answer for every past time, took twice the memory and several times as long per turn. A join of every row with the dial
//! would be three lines and look at every row at every turn: the benches have it, to compare with.

mod buckets;
mod pictures;
mod turning;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use differential_dataflow::VecCollection;

use super::histogram::Histogram;
use super::{Epoch, Flow};
use crate::row::{Has, Row, Score, Unit, WithoutImage};
use buckets::Buckets;
pub(super) use pictures::SharedPictures;
pub(super) use turning::{Side, Turning, Updates};

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
    ///
    /// ```
    /// use threshflow::flow::Comparison;
    /// use threshflow::flow::example::Side;
    /// use threshflow::row::Score;
    ///
    /// let (ten, nan) = (Score::<Side>::of(10.0), Score::<Side>::NAN);
    /// assert!(Comparison::AtLeast.passes(ten, ten) && !Comparison::Above.passes(ten, ten));
    /// assert!(!Comparison::AtMost.passes(nan, ten));
    /// ```
    pub fn passes<U>(self, score: Score<U>, at: Score<U>) -> bool {
        !score.is_nan()
            && match self {
                Comparison::Above => score > at,
                Comparison::AtLeast => score >= at,
                Comparison::Below => score < at,
                Comparison::AtMost => score <= at,
            }
    }

    /// ```
    /// use threshflow::flow::Comparison;
    ///
    /// assert_eq!(Comparison::AtLeast.sign(), ">=");
    /// ```
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
    pub(super) histogram: Arc<Histogram>,
    /// Of the rows that stand in this worker's gates.
    pub(super) pictures: SharedPictures,
}

/// How many buckets a unit's scale is cut into. More of them put a floor under the cost of every turn; fewer
/// make the bucket that the dial stands in, whose rows are all met, larger.
pub(super) const BUCKETS: u16 = 4096;
/// Where a NaN goes: a bucket that no dial opens.
pub(super) const NAN_BUCKET: u16 = BUCKETS;

pub(super) fn bucket<U: Unit>(score: Score<U>) -> u16 {
    let value = score.get();
    if value.is_nan() {
        return NAN_BUCKET;
    }
    // Monotone, and saturating at both ends, which is all that the gate needs of it.
    let place = (f64::from(value) - f64::from(U::LOW)) / (f64::from(U::HIGH) - f64::from(U::LOW));
    (place * f64::from(BUCKETS)).clamp(0.0, f64::from(BUCKETS - 1)) as u16
}

pub(super) static TOUCHED: AtomicU64 = AtomicU64::new(0);

/// How many rows turned dials have looked at in the gates of this process so far: what a turn costs, counted.
///
/// ```
/// use threshflow::flow::example::*;
///
/// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
/// let before = threshflow::flow::touched_records();
/// engine.turn(0, 30.0, &mut go_on)?;
/// engine.settle(&mut go_on)?;
/// // The picture of 20 px lies between; that of 80 is not looked at.
/// assert!(threshflow::flow::touched_records() > before);
/// # Ok::<(), threshflow::flow::Stopped>(())
/// ```
pub fn touched_records() -> u64 {
    TOUCHED.load(Ordering::Relaxed)
}

impl<'s, R: Row> Flow<'s, R> {
    /// Keeps the rows whose score passes the dial; the others end here, gated, until the dial lets them through. The score is the
    /// row's column in the dial's unit, wherever it stands.
    ///
    /// Rows stay on the worker that they are on: nothing is exchanged.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let mut engine = run(pictures([5, 20]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert_eq!(kept(&engine), [1]);
    ///
    /// engine.turn(0, 3.0, &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [0, 1]);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn gate<U: Unit, I: 'static>(self, dial: &Dial<'s, U>) -> Self
    where
        R: Has<Score<U>, I>,
    {
        match self.one_dial(dial) {
            Some(gate) => self.gated_by(format!("Gate {}", dial.spec.name), dial.at.clone(), gate),
            None => self,
        }
    }

    /// The gate of this dial, wired but not laid into the flow; none where it is open.
    pub(super) fn one_dial<U: Unit, I: 'static>(&self, dial: &Dial<'s, U>) -> Option<OneDial<R, U, I>>
    where
        R: Has<Score<U>, I>,
    {
        let open = self.lacks(U::NAME);
        self.meets(dial.spec.name, open);
        if open {
            return None;
        }
        let standing = GatedRows::new(dial.spec.comparison, dial.histogram.clone(), dial.pictures.clone());
        Some(OneDial { index: dial.index, standing })
    }
}

/// One dial, and the rows that are held against it.
pub(super) struct OneDial<R: Row, U, I> {
    index: u16,
    standing: GatedRows<R, U, I>,
}

impl<R: Has<Score<U>, I>, U: Unit, I: 'static> Turning<R> for OneDial<R, U, I> {
    type Dial = Score<U>;

    fn work_off(
        &mut self,
        mut dials: impl Iterator<Item = Score<U>>,
        rows: Updates<R>,
        mut say: impl FnMut(&R, Side, isize),
    ) {
        let dial = self.index;
        let mut say = move |row: &R, passes: bool, diff: isize| match passes {
            true => say(row, Side::Passes, diff),
            false => say(row, Side::HeldBack { dial, score: Score::of(score(row).get()) }, diff),
        };
        if let Some(at) = dials.next() {
            self.standing.turn(at, &mut say);
        }
        self.standing.take_in(rows, &mut say);
    }
}

fn score<R: Has<Score<U>, I>, U: Unit, I>(row: &R) -> Score<U> {
    *row.get()
}

/// A gate's rows as far as they have come, by bucket, and where its dial stands.
struct GatedRows<R: Row, U, I> {
    comparison: Comparison,
    at: Option<Score<U>>,
    rows: Buckets<R::WithoutImage>,
    pictures: SharedPictures,
    histogram: Arc<Histogram>,
    /// Where the score stands on the row.
    column: PhantomData<fn() -> I>,
}

impl<R: Has<Score<U>, I>, U: Unit, I> GatedRows<R, U, I> {
    fn new(comparison: Comparison, histogram: Arc<Histogram>, pictures: SharedPictures) -> Self {
        let rows = Buckets::new(usize::from(NAN_BUCKET) + 1);
        GatedRows { comparison, at: None, rows, pictures, histogram, column: PhantomData }
    }

    /// Turns the dial, and says of every row that changes sides that it leaves one and comes to the other.
    fn turn(&mut self, to: Score<U>, say: &mut impl FnMut(&R, bool, isize)) {
        let Some(from) = self.at.replace(to) else { return };
        let (low, high) = (bucket(from.min(to)) as usize, bucket(from.max(to)) as usize);
        let (mut met, mut changing) = (0, Vec::new());
        let pictures = self.pictures.borrow();
        for rows in self.rows.chunks(low, high) {
            met += rows.len();
            // The pictures lie anywhere in memory: a loop that does nothing else waits for many of them at once.
            changing.extend(rows.iter().filter_map(|row| {
                let score = *R::get_without_image(row);
                let before = self.comparison.passes(score, from);
                let changes = before != self.comparison.passes(score, to);
                let image =
                    changes.then(|| pictures.get(row.id()))?.expect("a row that stands has a picture");
                Some((R::with_image(row, image), before))
            }));
            for (row, before) in changing.drain(..) {
                say(&row, before, -1);
                say(&row, !before, 1);
            }
        }
        TOUCHED.fetch_add(met as u64, Ordering::Relaxed);
    }

    /// Takes in what came and what left, each row once.
    fn take_in(&mut self, updates: Updates<R>, say: &mut impl FnMut(&R, bool, isize)) {
        // By bucket, so that one pass over a bucket finds all that leaves it: many rows may score the same.
        let mut leaving: BTreeMap<u16, HashSet<R::WithoutImage>> = BTreeMap::new();
        let mut pictures = self.pictures.borrow_mut();
        for (row, _time, diff) in updates {
            let score = score(&row);
            let passes = self.at.is_some_and(|at| self.comparison.passes(score, at));
            say(&row, passes, diff);
            debug_assert_eq!(diff.abs(), 1, "a row is itself: it comes once and leaves once");
            let place = bucket(score);
            self.histogram.count(place, diff);
            if diff < 0 {
                leaving.entry(place).or_default().insert(row.without_image());
                continue;
            }
            pictures.hold(row.image());
            self.rows.push(place.into(), row.without_image());
        }
        for (place, leaving) in leaving {
            self.rows.take_out(place.into(), |row| {
                let leaves = leaving.contains(row);
                if leaves {
                    pictures.let_go(row.id());
                }
                leaves
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{ContentHash, Here, Image, RowId, Scored, With};

    type Gate = GatedRows<Scored<Image, Points>, Points, Here>;

    struct Points;
    impl Unit for Points {
        const NAME: &'static str = "points";
        const UNIT: &'static str = "0 to 10";
        const LOW: f32 = 0.0;
        const HIGH: f32 = 10.0;
    }

    const VALUES: [f32; 16] = [
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

    fn scored(n: usize) -> Scored<Image, Points> {
        let id = RowId { shard: 0, member: n as u32 };
        let row = Image { id, content: ContentHash::default(), width: 1, height: 1 };
        With::new(row, Score::of(VALUES[n]))
    }

    /// What compares as plain floats do: the oracle.
    fn passes(value: f32, comparison: Comparison, at: f32) -> bool {
        match comparison {
            Comparison::Above => value > at,
            Comparison::AtLeast => value >= at,
            Comparison::Below => value < at,
            Comparison::AtMost => value <= at,
        }
    }

    /// The sides of all rows, added up from what the gate said; panics where a row is not on exactly one.
    fn sides(said: &[(u32, bool, isize)]) -> Vec<bool> {
        let count = |n: usize, side: bool| -> isize {
            said.iter().filter(|(row, on, _)| (*row as usize, *on) == (n, side)).map(|(.., diff)| diff).sum()
        };
        (0..VALUES.len())
            .map(|n| match (count(n, true), count(n, false)) {
                (1, 0) => true,
                (0, 1) => false,
                other => panic!("{} is on sides {other:?}", VALUES[n]),
            })
            .collect()
    }

    /// Any two dials, one after the other: ties, the ends of the scale and beyond, NaN.
    #[test]
    fn a_turned_gate_is_what_comparing_every_score_gives() {
        let dials = [0.0, 2.4414062, 4.75, 9.9999, 10.0];
        for comparison in [Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost] {
            for (from, to) in dials.iter().flat_map(|from| dials.map(|to| (*from, to))) {
                let mut gate = Gate::new(comparison, Arc::default(), SharedPictures::default());
                let mut said = Vec::new();
                let mut say =
                    |row: &Scored<Image, Points>, passes, diff| said.push((row.row.id.member, passes, diff));
                gate.turn(Score::of(from), &mut say);
                gate.take_in((0..VALUES.len()).map(|n| (scored(n), 0, 1)).collect(), &mut say);
                gate.turn(Score::of(to), &mut say);
                let wanted = |at: f32| VALUES.map(|value| passes(value, comparison, at)).to_vec();
                assert_eq!(sides(&said), wanted(to), "{comparison} {from}, then {to}");
                assert_eq!(sides(&said[..VALUES.len()]), wanted(from), "{comparison} {from}");
                let moved = wanted(from).iter().zip(wanted(to)).filter(|(from, to)| **from != *to).count();
                assert_eq!(said.len(), VALUES.len() + 2 * moved, "only what changes sides is said");
            }
        }
    }

    #[test]
    fn a_row_leaves_from_the_side_that_it_is_on() {
        let mut gate = Gate::new(Comparison::Above, Arc::default(), SharedPictures::default());
        let mut said = Vec::new();
        let mut say =
            |row: &Scored<Image, Points>, passes, diff| said.push((row.row.id.member, passes, diff));
        gate.turn(Score::of(4.75), &mut say);
        gate.take_in((0..VALUES.len()).map(|n| (scored(n), 0, 1)).collect(), &mut say);
        gate.turn(Score::of(0.0), &mut say);
        gate.take_in(vec![(scored(7), 1, -1), (scored(15), 1, -1)], &mut say);
        gate.turn(Score::of(9.0), &mut say);
        let left =
            |n: u32| -> isize { said.iter().filter(|(row, ..)| *row == n).map(|(.., diff)| diff).sum() };
        assert_eq!([6, 7, 15].map(left), [1, 0, 0]);
    }
}

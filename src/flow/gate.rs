//! `gate`: keeps the rows whose score passes a dial, at a cost that follows the rows between the old and the new dial.
//!
//! The operator keeps its rows by the bucket that their score falls in, without their pictures, and looks only at the
//! buckets between the old dial and the new one. Epochs are totally ordered, and a dial is turned when all rows of earlier
//! epochs have come, so what counts is where things stand, not how they came to: a differential arrangement, which can
//! answer for every past time, took twice the memory and several times as long per turn. A join of every row with the dial
//! would be three lines and look at every row at every turn: the benches have it, to compare with.

mod buckets;
mod dial;
mod event;
mod pictures;
mod turning;

use std::collections::{BTreeMap, HashSet};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Flow;
use super::histogram::Histogram;
use crate::row::{Group, Has, In, Row, Score, Unit, WithoutImage};
use buckets::Buckets;
pub(crate) use dial::dial_name;
pub use dial::{Comparison, Dial, DialBy, DialSpec};
pub(super) use event::{DialEvent, GroupEvent, Position};
pub(super) use pictures::SharedPictures;
pub(super) use turning::{Side, Turning, Updates};

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
        match self.one_dial(dial, |_| 0) {
            Some(gate) => self.gated_by(gate_name(dial), dial.told.clone(), gate),
            None => self,
        }
    }

    /// As [`Flow::gate`], by a dial that stands elsewhere for each group: a row is held against the dial of its own.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let mut engine = run(pictures([5, 15, 6, 16]), |images, dial| {
    ///     images.each(side).each(parity).gate_by(&dial.side_by_parity).finish()
    /// });
    /// assert_eq!(kept(&engine), [1, 3]);
    ///
    /// engine.turn(dial_named("side_by_parity[even]"), 3.0, &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [1, 2, 3], "5 is odd");
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    ///
    /// A group that the row was not given is an error of the compiler:
    ///
    /// ```compile_fail,E0277
    /// use threshflow::flow::example::*;
    ///
    /// run(pictures([5]), |images, dial| images.each(side).gate_by(&dial.side_by_parity).finish());
    /// ```
    pub fn gate_by<U: Unit, G: Group, I: 'static, J: 'static>(self, dial: &DialBy<'s, U, G>) -> Self
    where
        R: Has<Score<U>, I> + Has<In<G>, J>,
    {
        match self.one_dial(&dial.0, |row| Has::<In<G>, J>::get(row).place()) {
            Some(gate) => self.gated_by(gate_name(&dial.0), dial.0.told.clone(), gate),
            None => self,
        }
    }

    /// The gate of this dial, wired but not laid into the flow; none where it is open.
    pub(super) fn one_dial<U: Unit, I: 'static>(
        &self,
        dial: &Dial<'s, U>,
        group: fn(&R) -> u16,
    ) -> Option<OneDial<R, U, I>>
    where
        R: Has<Score<U>, I>,
    {
        let open = self.lacks(U::NAME);
        self.meets(self.next_gate(), dial.specs, open);
        if open {
            return None;
        }
        let comparison = dial.specs[0].comparison;
        let standing = GatedRows::new(comparison, dial.histograms.clone(), dial.pictures.clone());
        Some(OneDial { index: dial.index, group, standing })
    }
}

pub(super) fn gate_name<U>(dial: &Dial<'_, U>) -> String {
    format!("Gate {}", dial.specs[0].dial())
}

/// One dial, and the rows that are held against it.
pub(super) struct OneDial<R: Row, U, I> {
    index: u16,
    group: fn(&R) -> u16,
    standing: GatedRows<R, U, I>,
}

impl<R: Has<Score<U>, I>, U: Unit, I: 'static> Turning<R> for OneDial<R, U, I> {
    type Event = GroupEvent;

    fn work_off(
        &mut self,
        told: impl Iterator<Item = GroupEvent>,
        rows: Updates<R>,
        mut say: impl FnMut(&R, Side, isize),
    ) {
        let (index, group) = (self.index, self.group);
        for (group, told) in told {
            let dial = index + group;
            let mut say = |row: &R, passes: bool, diff: isize| say_side(&mut say, row, passes, dial, diff);
            match told {
                DialEvent::Turn(to) => self.standing.turn(group, to, &mut say),
                DialEvent::Look(bucket, _) => self.standing.look(group, bucket),
            }
        }
        let mut say = |row: &R, passes: bool, diff: isize| {
            say_side(&mut say, row, passes, index + group(row), diff);
        };
        self.standing.take_in(rows, group, &mut say);
    }
}

#[inline]
fn say_side<R: Has<Score<U>, I>, U: Unit, I>(
    say: &mut impl FnMut(&R, Side, isize),
    row: &R,
    passes: bool,
    dial: u16,
    diff: isize,
) {
    match passes {
        true => say(row, Side::Passes, diff),
        false => say(row, Side::HeldBack { dial, score: score(row).cast() }, diff),
    }
}

fn score<R: Has<Score<U>, I>, U: Unit, I>(row: &R) -> Score<U> {
    *row.get()
}

/// A gate's rows as far as they have come, by group and bucket, and where its dials stand.
struct GatedRows<R: Row, U, I> {
    comparison: Comparison,
    groups: Vec<GatedGroup<R>>,
    pictures: SharedPictures,
    /// Where the score stands on the row.
    column: PhantomData<fn() -> (I, U)>,
}

struct GatedGroup<R: Row> {
    at: Option<Position>,
    rows: Buckets<R::WithoutImage>,
    /// Rows that came since a dial by share was resolved, and that it would let through where it stands.
    waiting: HashSet<R::WithoutImage>,
    histogram: Arc<Histogram>,
}

impl<R: Has<Score<U>, I>, U: Unit, I> GatedRows<R, U, I> {
    fn new(comparison: Comparison, histograms: Vec<Arc<Histogram>>, pictures: SharedPictures) -> Self {
        let group = |histogram| GatedGroup {
            at: None,
            rows: Buckets::new(usize::from(NAN_BUCKET) + 1),
            waiting: HashSet::new(),
            histogram,
        };
        let groups = histograms.into_iter().map(group).collect();
        GatedRows { comparison, groups, pictures, column: PhantomData }
    }

    /// Turns the dial, and says of every row that changes sides that it leaves one and comes to the other.
    fn turn(&mut self, group: u16, to: Position, say: &mut impl FnMut(&R, bool, isize)) {
        let group = &mut self.groups[usize::from(group)];
        let Some(from) = group.at.replace(to) else { return };
        let pictures = self.pictures.borrow();
        let whole = |row: &R::WithoutImage| {
            R::with_image(row, pictures.get(row.id()).expect("a row that stands has a picture"))
        };
        let passes = |row: &R::WithoutImage, at: Position| {
            at.passes(self.comparison, R::get_without_image(row).cast())
        };
        let waiting = std::mem::take(&mut group.waiting);
        let (mut met, mut changing) = (waiting.len(), Vec::new());
        let band = from.band(to, self.comparison, |score| bucket::<U>(score.cast()));
        for rows in band.into_iter().flat_map(|(low, high)| group.rows.chunks(low.into(), high.into())) {
            met += rows.len();
            // The pictures lie anywhere in memory: a loop that does nothing else waits for many of them at once.
            changing.extend(rows.iter().filter_map(|row| {
                let before = passes(row, from);
                let changes = before != passes(row, to) && (waiting.is_empty() || !waiting.contains(row));
                changes.then(|| (whole(row), before))
            }));
            for (row, before) in changing.drain(..) {
                say(&row, before, -1);
                say(&row, !before, 1);
            }
        }
        group.histogram.wait(-(waiting.len() as isize));
        for row in waiting.iter().filter(|row| passes(row, to)) {
            let row = whole(row);
            say(&row, false, -1);
            say(&row, true, 1);
        }
        TOUCHED.fetch_add(met as u64, Ordering::Relaxed);
    }

    /// Says the scores in this bucket.
    fn look(&self, group: u16, bucket: u16) {
        let group = &self.groups[usize::from(group)];
        for rows in group.rows.chunks(bucket.into(), bucket.into()) {
            TOUCHED.fetch_add(rows.len() as u64, Ordering::Relaxed);
            group.histogram.say(rows.iter().map(|row| R::get_without_image(row).get()));
        }
    }

    /// Takes in what came and what left, each row once.
    fn take_in(
        &mut self,
        updates: Updates<R>,
        group_of: fn(&R) -> u16,
        say: &mut impl FnMut(&R, bool, isize),
    ) {
        // By bucket, so that one pass over a bucket finds all that leaves it: many rows may score the same.
        let mut leaving: BTreeMap<(u16, u16), HashSet<R::WithoutImage>> = BTreeMap::new();
        let mut pictures = self.pictures.borrow_mut();
        for (row, _time, diff) in updates {
            let score = score(&row);
            let number = group_of(&row);
            let group = &mut self.groups[usize::from(number)];
            let mut passes = group.at.is_some_and(|at| at.passes(self.comparison, score.cast()));
            if passes && group.at.is_some_and(Position::is_by_share) {
                passes = !group.waits(&row, diff);
            }
            say(&row, passes, diff);
            debug_assert_eq!(diff.abs(), 1, "a row is itself: it comes once and leaves once");
            let place = bucket(score);
            group.histogram.count(place, diff);
            if diff < 0 {
                leaving.entry((number, place)).or_default().insert(row.without_image());
                continue;
            }
            pictures.hold(row.image());
            group.rows.push(place.into(), row.without_image());
        }
        for ((group, place), leaving) in leaving {
            self.groups[usize::from(group)].rows.take_out(place.into(), |row| {
                let leaves = leaving.contains(row);
                if leaves {
                    pictures.let_go(row.id());
                }
                leaves
            });
        }
    }
}

impl<R: Row> GatedGroup<R> {
    /// Whether a row that comes, or one that leaves, waits for its dial to be resolved.
    fn waits(&mut self, row: &R, diff: isize) -> bool {
        let waits = match diff > 0 {
            true => self.waiting.insert(row.without_image()),
            false => self.waiting.remove(&row.without_image()),
        };
        self.histogram.wait(if waits { diff } else { 0 });
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{ContentHash, Here, Image, RowId, Scored, With};

    type Gate = GatedRows<Scored<Image, Points>, Points, Here>;

    fn new_gate(comparison: Comparison) -> Gate {
        Gate::new(comparison, vec![Arc::default()], SharedPictures::default())
    }

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
                let mut gate = new_gate(comparison);
                let mut said = Vec::new();
                let mut say =
                    |row: &Scored<Image, Points>, passes, diff| said.push((row.row.id.member, passes, diff));
                gate.turn(0, Position::at(from), &mut say);
                gate.take_in((0..VALUES.len()).map(|n| (scored(n), 0, 1)).collect(), |_| 0, &mut say);
                gate.turn(0, Position::at(to), &mut say);
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
        let mut gate = new_gate(Comparison::Above);
        let mut said = Vec::new();
        let mut say =
            |row: &Scored<Image, Points>, passes, diff| said.push((row.row.id.member, passes, diff));
        gate.turn(0, Position::at(4.75), &mut say);
        gate.take_in((0..VALUES.len()).map(|n| (scored(n), 0, 1)).collect(), |_| 0, &mut say);
        gate.turn(0, Position::at(0.0), &mut say);
        gate.take_in(vec![(scored(7), 1, -1), (scored(15), 1, -1)], |_| 0, &mut say);
        gate.turn(0, Position::at(9.0), &mut say);
        let left =
            |n: u32| -> isize { said.iter().filter(|(row, ..)| *row == n).map(|(.., diff)| diff).sum() };
        assert_eq!([6, 7, 15].map(left), [1, 0, 0]);
    }
}

//! The rows that stand in a gate of one dial, by the bucket that their score falls in.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashSet;

use super::buckets::Buckets;
use super::{Comparison, NAN_BUCKET, Position, Said, Scale, SharedPictures, Side, TOUCHED, Updates};
use crate::flow::histogram::Histogram;
use crate::row::{Row, WithoutImage};

/// A gate's rows as far as they have come, by group and bucket, and where its dials stand.
pub(super) struct GatedRows<R: Row, S> {
    /// The dial's number; of its first group, where it has some.
    dial: u16,
    comparison: Comparison,
    scale: S,
    groups: Vec<GatedGroup<R>>,
    pictures: SharedPictures,
}

struct GatedGroup<R: Row> {
    at: Option<Position>,
    rows: Buckets<R::WithoutImage>,
    /// Rows that came since a dial by share was resolved, and that it would let through where it stands.
    waiting: HashSet<R::WithoutImage>,
    histogram: Arc<Histogram>,
}

impl<R: Row, S: Scale<R>> GatedRows<R, S> {
    pub(super) fn new(
        (dial, comparison): (u16, Comparison),
        scale: S,
        (histograms, pictures): (Vec<Arc<Histogram>>, SharedPictures),
    ) -> Self {
        let group = |histogram| GatedGroup {
            at: None,
            rows: Buckets::new(usize::from(NAN_BUCKET) + 1),
            waiting: HashSet::new(),
            histogram,
        };
        let groups = histograms.into_iter().map(group).collect();
        GatedRows { dial, comparison, scale, groups, pictures }
    }

    /// Turns the dial, and says of every row that changes sides that it leaves one and comes to the other.
    pub(super) fn turn(&mut self, group: u16, to: Position, said: &mut Said<'_, R>) {
        let dial = self.dial + group;
        let group = &mut self.groups[usize::from(group)];
        let Some(from) = group.at.replace(to) else { return };
        let pictures = self.pictures.borrow();
        let pictures = pictures.lookup();
        let whole = |row: &R::WithoutImage| {
            R::with_image(row, pictures.get(row.id()).expect("a row that stands has a picture"))
        };
        let score = |row: &R::WithoutImage| self.scale.score_without_image(row);
        let passes = |row: &R::WithoutImage, at: Position| at.passes(self.comparison, score(row));
        let waiting = std::mem::take(&mut group.waiting);
        let mut met = waiting.len();
        let come = waiting.iter().filter(|row| passes(row, to));
        let mut changing: Vec<_> = come.map(|row| (whole(row), score(row), false)).collect();
        let band = from.band(to, self.comparison, |score| self.scale.bucket(score));
        let chunks = band.into_iter().flat_map(|(low, high)| group.rows.chunks(low.into(), high.into()));
        // Those that waited are said in any case.
        for rows in chunks.chain([[].as_slice()]) {
            met += rows.len();
            // The pictures lie anywhere in memory: a loop that does nothing else waits for many of them at once.
            changing.extend(rows.iter().filter_map(|row| {
                let before = passes(row, from);
                let changes = before != passes(row, to) && (waiting.is_empty() || !waiting.contains(row));
                changes.then(|| (whole(row), score(row), before))
            }));
            for (row, score, before) in changing.drain(..) {
                let held_back = Side::HeldBack { dial, score };
                let (left, come) = if before { (Side::Passes, held_back) } else { (held_back, Side::Passes) };
                said.say(&row, left, -1);
                said.say(&row, come, 1);
            }
        }
        group.histogram.wait(-(waiting.len() as isize));
        TOUCHED.fetch_add(met as u64, Ordering::Relaxed);
    }

    /// Shows the rows that are asked for.
    pub(super) fn scan(&self, group: u16) {
        let group = &self.groups[usize::from(group)];
        let Some(scan) = group.histogram.asked_for() else { return };
        let pictures = self.pictures.borrow();
        let pictures = pictures.lookup();
        for rows in group.rows.chunks(scan.low.into(), scan.high.into()) {
            TOUCHED.fetch_add(rows.len() as u64, Ordering::Relaxed);
            for without in rows {
                let picture = pictures.get(without.id()).expect("a row that stands has a picture");
                let score = self.scale.score_without_image(without);
                let passes = group.at.is_some_and(|at| at.passes(self.comparison, score));
                scan.show(&R::with_image(without, picture), score, passes);
            }
        }
    }

    /// Takes in what came and what left, each row once.
    pub(super) fn take_in(&mut self, updates: Updates<R>, group_of: fn(&R) -> u16, said: &mut Said<'_, R>) {
        let mut leaving = Vec::new();
        let mut pictures = self.pictures.borrow_mut();
        for (row, _time, diff) in updates {
            let score = self.scale.score(&row);
            let number = group_of(&row);
            let group = &mut self.groups[usize::from(number)];
            let mut passes = group.at.is_some_and(|at| at.passes(self.comparison, score));
            if passes && group.at.is_some_and(Position::is_by_share) {
                passes = !group.waits(&row, diff);
            }
            let side = if passes { Side::Passes } else { Side::HeldBack { dial: self.dial + number, score } };
            said.say(&row, side, diff);
            debug_assert_eq!(diff.abs(), 1, "a row is itself: it comes once and leaves once");
            let place = self.scale.bucket(score);
            group.histogram.count(place, diff);
            if diff < 0 {
                leaving.push(((number, place), row.without_image()));
                continue;
            }
            pictures.hold(row.image());
            group.rows.push(place.into(), row.without_image());
        }
        // By bucket, so that one pass over a bucket finds all that leaves it: many rows may score the same.
        leaving.sort_unstable_by_key(|(place, _)| *place);
        for leaving in leaving.chunk_by(|(one, _), (next, _)| one == next) {
            let (group, place) = leaving[0].0;
            let leaving = Leaving::of(leaving);
            self.groups[usize::from(group)].rows.take_out(place.into(), |row| {
                let leaves = leaving.has(row);
                if leaves {
                    pictures.let_go(row.id());
                }
                leaves
            });
        }
    }
}

/// So few rows are found faster by looking at each than by their hashes.
const FEW: usize = 16;

/// The rows that leave a bucket.
enum Leaving<'a, R> {
    Few(&'a [((u16, u16), R)]),
    Many(HashSet<&'a R>),
}

impl<'a, R: Eq + Hash> Leaving<'a, R> {
    fn of(leaving: &'a [((u16, u16), R)]) -> Self {
        match leaving.len() {
            0..=FEW => Leaving::Few(leaving),
            _ => Leaving::Many(leaving.iter().map(|(_, row)| row).collect()),
        }
    }

    fn has(&self, row: &R) -> bool {
        match self {
            Leaving::Few(leaving) => leaving.iter().any(|(_, leaves)| leaves == row),
            Leaving::Many(leaving) => leaving.contains(row),
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
    use std::cell::RefCell;

    use crate::flow::Ended;
    use crate::flow::gate::ByUnit;
    use crate::row::{ContentHash, Here, Image, RowId, Score, Scored, Unit, With};

    type Gate = GatedRows<Scored<Image, Points>, ByUnit<Points, Here>>;

    fn new_gate(comparison: Comparison) -> Gate {
        Gate::new((0, comparison), ByUnit::new(), (vec![Arc::default()], SharedPictures::default()))
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

    /// What is said while `work` is done: of which row, whether it passes, and whether it comes there or leaves.
    fn heard(work: impl FnOnce(&mut Said<'_, Scored<Image, Points>>)) -> Vec<(u32, bool, isize)> {
        let heard = RefCell::new(Vec::new());
        let mut pass = |rows: &mut Updates<Scored<Image, Points>>| {
            let rows = rows.drain(..).map(|(row, _, diff)| (row.row.id.member, true, diff));
            heard.borrow_mut().extend(rows);
        };
        let mut end = |ended: &mut Updates<Ended>| {
            let ended = ended.drain(..).map(|(ended, _, diff)| (ended.place.id.member, false, diff));
            heard.borrow_mut().extend(ended);
        };
        let mut said = Said::at(0, &mut pass, &mut end);
        work(&mut said);
        said.end();
        heard.into_inner()
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
                let mut said = heard(|said| {
                    gate.turn(0, Position::at(from), said);
                    gate.take_in((0..VALUES.len()).map(|n| (scored(n), 0, 1)).collect(), |_| 0, said);
                });
                said.extend(heard(|said| gate.turn(0, Position::at(to), said)));
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
        let said = heard(|said| {
            gate.turn(0, Position::at(4.75), said);
            gate.take_in((0..VALUES.len()).map(|n| (scored(n), 0, 1)).collect(), |_| 0, said);
            gate.turn(0, Position::at(0.0), said);
            gate.take_in(vec![(scored(7), 1, -1), (scored(15), 1, -1)], |_| 0, said);
            gate.turn(0, Position::at(9.0), said);
        });
        let left =
            |n: u32| -> isize { said.iter().filter(|(row, ..)| *row == n).map(|(.., diff)| diff).sum() };
        assert_eq!([6, 7, 15].map(left), [1, 0, 0]);
    }
}

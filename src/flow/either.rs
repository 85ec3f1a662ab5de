//! `gate_either`: keeps the rows that meet one of several lists of conditions, each a score held against a dial of its
//! own, at a cost that follows the rows between the old and the new dial.
//!
//! As in a [`gate`](super::gate), rows are kept by the bucket that a score falls in; here once for every condition,
//! by number, so that any of the dials can be turned and only the rows in its band are looked at.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashTable;

use super::gate::{NAN_BUCKET, Side, TOUCHED, Turning, Updates, bucket};
use super::histogram::Histogram;
use super::{Collection, Dial, DialSpec, Flow};
use crate::row::{AnyUnit, Has, Row, Score, Unit};

/// Reads a score off a row.
type ScoreOf<R> = fn(&R) -> Score<AnyUnit>;

/// A score of a row, held against a dial: see [`Dial::passes`].
pub struct Condition<'s, R> {
    spec: &'static DialSpec,
    dial: u16,
    /// The name of the score's column.
    column: &'static str,
    at: Collection<'s, Score<AnyUnit>>,
    histogram: Arc<Histogram>,
    score: ScoreOf<R>,
    bucket: fn(Score<AnyUnit>) -> u16,
}

impl<'s, U: Unit> Dial<'s, U> {
    /// The condition that a row's score passes this dial. The score is the row's column in the dial's unit, wherever it stands.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20]), |images, dial| {
    ///     images.each(side).gate_either([vec![dial.side.passes()]]).finish()
    /// });
    /// assert_eq!(kept(&engine), [1]);
    /// ```
    pub fn passes<R: Has<Score<U>, I>, I>(&self) -> Condition<'s, R> {
        Condition {
            spec: self.spec,
            dial: self.index,
            column: U::NAME,
            at: self.at.clone().map(|at| Score::of(at.get())),
            histogram: self.histogram.clone(),
            score: |row| Score::of(Has::<Score<U>, I>::get(row).get()),
            bucket: |score| bucket::<U>(Score::of(score.get())),
        }
    }
}

impl<'s, R: Row> Flow<'s, R> {
    /// Keeps the rows for which all conditions of one of the lists hold. A row that is held back ends at the first
    /// condition of the first list that it fails.
    ///
    /// Dials may stand in several lists. Where the stage of a dial's column is absent, its conditions hold for every row. Panics
    /// where there is no list, or one without conditions: a fault of the pipeline's file that its first start shows.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let taster = lab.stage(taster());
    /// // Large enough and of good taste; or of good taste alone: the second list is the wider one.
    /// let engine = run(pictures([5, 20, 60]), move |images, dial| {
    ///     let scored = images.each(side).ask(&taster);
    ///     let both = vec![dial.side.passes(), dial.taste.passes()];
    ///     scored.gate_either([both, vec![dial.taste.passes()]]).finish()
    /// });
    /// assert_eq!(kept(&engine), [2]);
    /// ```
    pub fn gate_either<const N: usize>(self, lists: [Vec<Condition<'s, R>>; N]) -> Self {
        match self.either(lists) {
            Some(Either { name, dials, gate }) => self.gated_by(name, dials, gate),
            None => self,
        }
    }

    /// The gate of these lists, wired but not laid into the flow; none where every row passes it.
    pub(super) fn either<const N: usize>(&self, lists: [Vec<Condition<'s, R>>; N]) -> Option<Either<'s, R>> {
        assert!(N > 0 && lists.iter().all(|list| !list.is_empty()), "every list has a condition");
        let (mut standing, mut dials) = (RowsOfEither::default(), Vec::new());
        // Where every row meets one list, the other lists hold nothing back either.
        let open = |condition: &Condition<'s, R>| self.lacks(condition.column);
        let all_pass = lists.iter().any(|list| list.iter().all(open));
        let mut met = BTreeSet::new();
        for condition in lists.iter().flatten().filter(|condition| met.insert(condition.dial)) {
            self.meets(condition.spec.name, all_pass || open(condition));
        }
        if all_pass {
            return None;
        }
        for list in lists {
            let mut alternative = Vec::new();
            for condition in list.into_iter().filter(|condition| !open(condition)) {
                let known = standing.dials.iter().position(|known| known.number == condition.dial);
                let dial = known.unwrap_or_else(|| {
                    let slot = standing.dials.len() as u16;
                    dials.push(condition.at.map(move |at| (slot, at)));
                    standing.dials.push(Standpoint { number: condition.dial, at: None });
                    slot as usize
                });
                alternative.push(standing.conditions.len());
                standing.conditions.push(Watched {
                    spec: condition.spec,
                    dial,
                    // A dial that stands in several conditions counts its rows once.
                    histogram: known.is_none().then_some(condition.histogram),
                    score: condition.score,
                    bucket: condition.bucket,
                    buckets: (0..=NAN_BUCKET).map(|_| Vec::new()).collect(),
                });
            }
            standing.alternatives.push(alternative);
        }
        let mut dials = dials.into_iter();
        let first = dials.next().expect("there is a condition");
        let dials = dials.fold(first, |all, dial| all.concat(dial));
        let names: Vec<&str> = standing.conditions.iter().map(|condition| condition.spec.name).collect();
        Some(Either { name: format!("Gate {}", names.join(" ")), dials, gate: standing })
    }
}

/// A gate of several lists, before it is laid into a flow.
pub(super) struct Either<'s, R: Row> {
    pub(super) name: String,
    pub(super) dials: Collection<'s, (u16, Score<AnyUnit>)>,
    pub(super) gate: RowsOfEither<R>,
}

/// A condition and the rows by its score.
struct Watched<R> {
    spec: &'static DialSpec,
    /// The place of its dial among [`RowsOfEither::dials`].
    dial: usize,
    histogram: Option<Arc<Histogram>>,
    score: ScoreOf<R>,
    bucket: fn(Score<AnyUnit>) -> u16,
    /// Places in [`RowsOfEither::rows`].
    buckets: Vec<Vec<u32>>,
}

struct Standpoint {
    number: u16,
    at: Option<Score<AnyUnit>>,
}

/// A gate's rows as far as they have come, and where its dials stand.
pub(super) struct RowsOfEither<R> {
    dials: Vec<Standpoint>,
    conditions: Vec<Watched<R>>,
    /// Places in `conditions`.
    alternatives: Vec<Vec<usize>>,
    rows: Vec<Option<R>>,
    free: Vec<u32>,
    /// Where each row is in `rows`, by the row itself: what a picture's edit was may leave after what it is has come.
    places: HashTable<u32>,
    hasher: RandomState,
}

impl<R> Default for RowsOfEither<R> {
    fn default() -> Self {
        RowsOfEither {
            dials: Vec::new(),
            conditions: Vec::new(),
            alternatives: Vec::new(),
            rows: Vec::new(),
            free: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<R: Row> Turning<R> for RowsOfEither<R> {
    /// The place of a dial among [`RowsOfEither::dials`], and where it stands.
    type Dial = (u16, Score<AnyUnit>);

    fn work_off(
        &mut self,
        dials: impl Iterator<Item = Self::Dial>,
        rows: Updates<R>,
        mut say: impl FnMut(&R, Side, isize),
    ) {
        for (slot, at) in dials {
            self.turn(slot as usize, at, &mut say);
        }
        self.take_in(rows, &mut say);
    }
}

impl<R: Row> RowsOfEither<R> {
    fn side(&self, row: &R) -> Side {
        let holds = |place: &usize| {
            let condition = &self.conditions[*place];
            let at = self.dials[condition.dial].at;
            at.is_some_and(|at| condition.spec.comparison.passes((condition.score)(row), at))
        };
        if self.alternatives.iter().any(|alternative| alternative.iter().all(holds)) {
            return Side::Passes;
        }
        let failed = self.alternatives[0].iter().find(|place| !holds(place));
        let failed = &self.conditions[*failed.expect("no alternative holds")];
        Side::HeldBack { dial: self.dials[failed.dial].number, score: (failed.score)(row) }
    }

    /// Turns a dial, and says of every row that changes sides that it leaves one and comes to the other.
    fn turn(&mut self, slot: usize, to: Score<AnyUnit>, say: &mut impl FnMut(&R, Side, isize)) {
        let Some(from) = self.dials[slot].at else {
            self.dials[slot].at = Some(to);
            return;
        };
        let mut band = BTreeSet::new();
        for condition in self.conditions.iter().filter(|condition| condition.dial == slot) {
            let (low, high) =
                ((condition.bucket)(from.min(to)) as usize, (condition.bucket)(from.max(to)) as usize);
            band.extend(condition.buckets[low..=high].iter().flatten().copied());
        }
        TOUCHED.fetch_add(band.len() as u64, Ordering::Relaxed);
        let rows: Vec<&R> = band.iter().filter_map(|place| self.rows[*place as usize].as_ref()).collect();
        let before: Vec<Side> = rows.iter().map(|row| self.side(row)).collect();
        self.dials[slot].at = Some(to);
        let rows = band.iter().filter_map(|place| self.rows[*place as usize].as_ref());
        for (row, before) in rows.zip(before) {
            let after = self.side(row);
            if before != after {
                say(row, before, -1);
                say(row, after, 1);
            }
        }
    }

    /// Takes in what came and what left, each row once.
    fn take_in(&mut self, updates: Updates<R>, say: &mut impl FnMut(&R, Side, isize)) {
        let mut leaving = BTreeSet::new();
        let mut touched: BTreeSet<(usize, u16)> = BTreeSet::new();
        let (out, come): (Vec<_>, Vec<_>) = updates.into_iter().partition(|(.., diff)| *diff < 0);
        for (row, _, diff) in out {
            say(&row, self.side(&row), diff);
            let here = |place: &u32| self.rows[*place as usize].as_ref() == Some(&row);
            if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(&row), here) {
                let (place, _) = entry.remove();
                for (number, condition) in self.conditions.iter().enumerate() {
                    let bucket = (condition.bucket)((condition.score)(&row));
                    condition.histogram.iter().for_each(|histogram| histogram.count(bucket, -1));
                    touched.insert((number, bucket));
                }
                self.rows[place as usize] = None;
                leaving.insert(place);
            }
        }
        // One pass over a bucket finds all that leaves it: many rows may score the same.
        for (number, bucket) in touched {
            self.conditions[number].buckets[bucket as usize].retain(|place| !leaving.contains(place));
        }
        self.free.extend(leaving);
        for (row, _, diff) in come {
            say(&row, self.side(&row), diff);
            let place = self.free.pop().unwrap_or_else(|| {
                self.rows.push(None);
                (self.rows.len() - 1) as u32
            });
            for condition in &mut self.conditions {
                let bucket = (condition.bucket)((condition.score)(&row));
                condition.histogram.iter().for_each(|histogram| histogram.count(bucket, 1));
                condition.buckets[bucket as usize].push(place);
            }
            let hash = self.hasher.hash_one(&row);
            self.rows[place as usize] = Some(row);
            let (rows, hasher) = (&self.rows, &self.hasher);
            self.places.insert_unique(hash, place, |place| {
                rows[*place as usize].as_ref().map_or(0, |row| hasher.hash_one(row))
            });
        }
    }
}

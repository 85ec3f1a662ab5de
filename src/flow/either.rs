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

use super::gate::{
    DialEvent, GroupEvent, NAN_BUCKET, Position, Said, Side, TOUCHED, Turning, Updates, bucket,
};
use super::histogram::Histogram;
use super::{Collection, Comparison, Dial, DialBy, DialSpec, Flow};
use crate::row::{AnyUnit, Group, Has, In, Row, Score, Unit};

/// Reads a score off a row.
type ScoreOf<R> = fn(&R) -> Score<AnyUnit>;

/// A score of a row, held against a dial: see [`Dial::passes`].
pub struct Condition<'s, R> {
    /// Of every group.
    specs: &'static [DialSpec],
    dial: u16,
    /// The name of the score's column.
    column: &'static str,
    told: Collection<'s, GroupEvent>,
    histograms: Vec<Arc<Histogram>>,
    score: ScoreOf<R>,
    group: fn(&R) -> u16,
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
        self.condition(|_| 0)
    }

    fn condition<R: Has<Score<U>, I>, I>(&self, group: fn(&R) -> u16) -> Condition<'s, R> {
        Condition {
            specs: self.specs,
            dial: self.index,
            column: U::NAME,
            told: self.told.clone(),
            histograms: self.histograms.clone(),
            score: |row| Has::<Score<U>, I>::get(row).cast(),
            group,
            bucket: |score| bucket::<U>(score.cast()),
        }
    }
}

impl<'s, U: Unit, G: Group> DialBy<'s, U, G> {
    /// As [`Dial::passes`]: the condition that a row's score passes the dial of its group.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20]), |images, dial| {
    ///     let rows = images.each(side).each(parity);
    ///     rows.gate_either([vec![dial.side_by_parity.passes()]]).finish()
    /// });
    /// assert_eq!(kept(&engine), [1]);
    /// ```
    pub fn passes<R: Has<Score<U>, I> + Has<In<G>, J>, I, J>(&self) -> Condition<'s, R> {
        self.0.condition(|row| Has::<In<G>, J>::get(row).place())
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
        let (mut met, gate) = (BTreeSet::new(), self.next_gate());
        for condition in lists.iter().flatten().filter(|condition| met.insert(condition.dial)) {
            self.meets(gate, condition.specs, all_pass || open(condition));
        }
        if all_pass {
            return None;
        }
        for list in lists {
            let mut alternative = Vec::new();
            for condition in list.into_iter().filter(|condition| !open(condition)) {
                let known = standing.dials.iter().position(|known| known.number == condition.dial);
                let first = known.unwrap_or_else(|| {
                    let first = standing.dials.len();
                    dials.push(condition.told.map(move |(group, told)| (first as u16 + group, told)));
                    let numbers = (condition.dial..).take(condition.specs.len());
                    standing.dials.extend(numbers.map(|number| Standpoint { number, at: None }));
                    first
                });
                alternative.push(standing.conditions.len());
                standing.conditions.push(Watched {
                    dial: condition.specs[0].dial(),
                    comparison: condition.specs[0].comparison,
                    first,
                    // A dial that stands in several conditions counts its rows once.
                    histograms: if known.is_none() { condition.histograms } else { Vec::new() },
                    score: condition.score,
                    group: condition.group,
                    bucket: condition.bucket,
                    groups: condition.specs.iter().map(|_| ByBucket::default()).collect(),
                });
            }
            standing.alternatives.push(alternative);
        }
        let mut dials = dials.into_iter();
        let first = dials.next().expect("there is a condition");
        let dials = dials.fold(first, |all, dial| all.concat(dial));
        let names: Vec<&str> = standing.conditions.iter().map(|condition| condition.dial).collect();
        Some(Either { name: format!("Gate {}", names.join(" ")), dials, gate: standing })
    }
}

/// A gate of several lists, before it is laid into a flow.
pub(super) struct Either<'s, R: Row> {
    pub(super) name: String,
    pub(super) dials: Collection<'s, GroupEvent>,
    pub(super) gate: RowsOfEither<R>,
}

/// A condition and the rows by its score.
struct Watched<R> {
    /// Its dial's name.
    dial: &'static str,
    comparison: Comparison,
    /// The place of its dial among [`RowsOfEither::dials`], of its first group.
    first: usize,
    /// Of every group; none where another condition counts.
    histograms: Vec<Arc<Histogram>>,
    score: ScoreOf<R>,
    group: fn(&R) -> u16,
    bucket: fn(Score<AnyUnit>) -> u16,
    groups: Vec<ByBucket>,
}

/// Places in [`RowsOfEither::rows`], bucket by bucket.
struct ByBucket(Vec<Vec<u32>>);

impl Default for ByBucket {
    fn default() -> Self {
        ByBucket((0..=NAN_BUCKET).map(|_| Vec::new()).collect())
    }
}

impl<R> Watched<R> {
    /// The place of the row's dial.
    fn dial_of(&self, row: &R) -> usize {
        self.first + usize::from((self.group)(row))
    }

    /// The group and the bucket that a row is in.
    fn place_of(&self, row: &R) -> (usize, u16) {
        (usize::from((self.group)(row)), (self.bucket)((self.score)(row)))
    }

    /// The group whose dial is at that place, if it is one of this condition's.
    fn group_at(&self, slot: usize) -> Option<usize> {
        slot.checked_sub(self.first).filter(|group| *group < self.groups.len())
    }

    fn count(&self, (group, bucket): (usize, u16), diff: isize) {
        if let Some(histogram) = self.histograms.get(group) {
            histogram.count(bucket, diff);
        }
    }
}

struct Standpoint {
    number: u16,
    at: Option<Position>,
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
    /// Places of rows that came since dials by share were resolved, and that pass where the dials stand.
    waiting: BTreeSet<u32>,
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
            waiting: BTreeSet::new(),
        }
    }
}

impl<R: Row> Turning<R> for RowsOfEither<R> {
    /// By the place of a dial among [`RowsOfEither::dials`].
    type Event = GroupEvent;

    fn work_off(&mut self, told: impl Iterator<Item = GroupEvent>, rows: Updates<R>, said: &mut Said<'_, R>) {
        let mut turns = Vec::new();
        for (slot, told) in told {
            match told {
                DialEvent::Turn(to) => turns.push((usize::from(slot), to)),
                DialEvent::Scan(_) => self.scan(usize::from(slot)),
            }
        }
        if !turns.is_empty() {
            self.turn(&turns, said);
        }
        self.take_in(rows, said);
    }
}

impl<R: Row> RowsOfEither<R> {
    fn side(&self, row: &R) -> Side {
        let holds = |place: &usize| {
            let condition = &self.conditions[*place];
            let at = self.dials[condition.dial_of(row)].at;
            at.is_some_and(|at| at.passes(condition.comparison, (condition.score)(row)))
        };
        if self.alternatives.iter().any(|alternative| alternative.iter().all(holds)) {
            return Side::Passes;
        }
        let failed = self.alternatives[0].iter().find(|place| !holds(place));
        self.held_back(row, *failed.expect("no alternative holds"))
    }

    fn held_back(&self, row: &R, condition: usize) -> Side {
        let condition = &self.conditions[condition];
        let dial = self.dials[condition.dial_of(row)].number;
        Side::HeldBack { dial, score: (condition.score)(row) }
    }

    /// Whether the row's dial of this condition is by share.
    fn is_by_share(&self, condition: &Watched<R>, row: &R) -> bool {
        self.dials[condition.dial_of(row)].at.is_some_and(Position::is_by_share)
    }

    /// The side of a row that would pass but for a dial by share, which must be resolved first; `None` where there is none.
    fn waiting_side(&self, row: &R) -> Option<Side> {
        self.conditions
            .iter()
            .position(|condition| self.is_by_share(condition, row))
            .map(|condition| self.held_back(row, condition))
    }

    /// Turns dials, all at once, and says of every row that changes sides that it leaves one and comes to the other.
    fn turn(&mut self, turns: &[(usize, Position)], said: &mut Said<'_, R>) {
        let mut band = BTreeSet::new();
        for (slot, to) in turns {
            // Where it has not stood anywhere, no rows have come.
            let Some(from) = self.dials[*slot].at else { continue };
            for condition in &self.conditions {
                let Some(group) = condition.group_at(*slot) else { continue };
                let rows = &condition.groups[group].0;
                if let Some((low, high)) = from.band(*to, condition.comparison, condition.bucket) {
                    band.extend(rows[usize::from(low)..=usize::from(high)].iter().flatten().copied());
                }
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        band.extend(&waiting);
        TOUCHED.fetch_add(band.len() as u64, Ordering::Relaxed);
        let rows: Vec<(u32, &R)> =
            band.iter().filter_map(|place| Some((*place, self.rows[*place as usize].as_ref()?))).collect();
        let stood = |(place, row): &(u32, &R)| match waiting.contains(place) {
            true => self.waiting_side(row).unwrap_or(Side::Passes),
            false => self.side(row),
        };
        let before: Vec<Side> = rows.iter().map(stood).collect();
        for (_, row) in rows.iter().filter(|(place, _)| waiting.contains(place)) {
            self.wait(row, -1);
        }
        for (slot, to) in turns {
            self.dials[*slot].at = Some(*to);
        }
        let rows = band.iter().filter_map(|place| self.rows[*place as usize].as_ref());
        for (row, before) in rows.zip(before) {
            let after = self.side(row);
            if before != after {
                said.say(row, before, -1);
                said.say(row, after, 1);
            }
        }
    }

    /// Says at the dials by share of a row's conditions that it waits for them, or waits no more.
    fn wait(&self, row: &R, diff: isize) {
        for condition in &self.conditions {
            let histogram = condition.histograms.get(usize::from((condition.group)(row)));
            histogram
                .filter(|_| self.is_by_share(condition, row))
                .into_iter()
                .for_each(|histogram| histogram.wait(diff));
        }
    }

    /// Shows the rows that are asked for.
    fn scan(&self, slot: usize) {
        let looked = self.conditions.iter().filter(|condition| !condition.histograms.is_empty());
        for (condition, group) in looked.filter_map(|it| Some((it, it.group_at(slot)?))) {
            let Some(scan) = condition.histograms[group].asked_for() else { continue };
            let places =
                condition.groups[group].0[usize::from(scan.low)..=usize::from(scan.high)].iter().flatten();
            let mut met = 0;
            for row in places.filter_map(|place| self.rows[*place as usize].as_ref()) {
                met += 1;
                let score = (condition.score)(row);
                let passes = self.dials[slot].at.is_some_and(|at| at.passes(condition.comparison, score));
                scan.show(row, score, passes);
            }
            TOUCHED.fetch_add(met, Ordering::Relaxed);
        }
    }

    /// Takes in what came and what left, each row once.
    fn take_in(&mut self, updates: Updates<R>, said: &mut Said<'_, R>) {
        let mut leaving = BTreeSet::new();
        let mut touched: BTreeSet<(usize, usize, u16)> = BTreeSet::new();
        let (out, come): (Vec<_>, Vec<_>) = updates.into_iter().partition(|(.., diff)| *diff < 0);
        for (row, _, diff) in out {
            let here = |place: &u32| self.rows[*place as usize].as_ref() == Some(&row);
            let Ok(entry) = self.places.find_entry(self.hasher.hash_one(&row), here) else {
                said.say(&row, self.side(&row), diff);
                continue;
            };
            let (place, _) = entry.remove();
            match self.waiting.remove(&place).then(|| self.waiting_side(&row)).flatten() {
                Some(waits) => {
                    self.wait(&row, diff);
                    said.say(&row, waits, diff);
                }
                None => said.say(&row, self.side(&row), diff),
            }
            for (number, condition) in self.conditions.iter().enumerate() {
                let (group, bucket) = condition.place_of(&row);
                condition.count((group, bucket), -1);
                touched.insert((number, group, bucket));
            }
            self.rows[place as usize] = None;
            leaving.insert(place);
        }
        // One pass over a bucket finds all that leaves it: many rows may score the same.
        for (number, group, bucket) in touched {
            let rows = &mut self.conditions[number].groups[group].0[usize::from(bucket)];
            rows.retain(|place| !leaving.contains(place));
        }
        self.free.extend(leaving);
        come.into_iter().for_each(|(row, _, diff)| self.come(row, diff, said));
    }

    fn come(&mut self, row: R, diff: isize, said: &mut Said<'_, R>) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            (self.rows.len() - 1) as u32
        });
        let side = self.side(&row);
        match self.waiting_side(&row).filter(|_| side == Side::Passes) {
            Some(waits) => {
                self.wait(&row, diff);
                self.waiting.insert(place);
                said.say(&row, waits, diff);
            }
            None => said.say(&row, side, diff),
        }
        for condition in &mut self.conditions {
            let (group, bucket) = condition.place_of(&row);
            condition.count((group, bucket), 1);
            condition.groups[group].0[usize::from(bucket)].push(place);
        }
        let hash = self.hasher.hash_one(&row);
        self.rows[place as usize] = Some(row);
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.places.insert_unique(hash, place, |place| {
            rows[*place as usize].as_ref().map_or(0, |row| hasher.hash_one(row))
        });
    }
}

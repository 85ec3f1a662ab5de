//! Where every row stands: the desired set, kept by adding up what the dataflow says.
//!
//! A change of a row's verdict comes as one verdict leaving and one coming, in either order and from different
//! operators. When an epoch is complete the two have met, and every row of the input has exactly one verdict.

use std::collections::{BTreeMap, HashMap};

use crate::row::{RowId, Verdict};

/// The verdicts of all rows, by shard and sample.
#[derive(Clone, Default)]
pub struct Verdicts {
    shards: BTreeMap<u32, Vec<Option<Verdict>>>,
    /// Changes whose other half has not come yet.
    unmatched: HashMap<RowId, Vec<(Verdict, isize)>>,
    /// Rows that stand in a verdict: counted, so that a turn need not look at every row.
    decided: usize,
    /// Verdicts that came while the row still stood in another, which is likely to leave in the same epoch. They
    /// wait here, cheaply, until the epoch is complete.
    early: Vec<(RowId, Verdict)>,
    kept: usize,
}

/// See [`Verdicts::counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Shards whose rows are coming or have come.
    pub shards: usize,
    /// Rows of these shards.
    pub expected: usize,
    /// Rows that have a verdict.
    pub decided: usize,
    /// Rows whose verdict is to be published.
    pub kept: usize,
}

/// A row that does not stand in exactly one verdict: a fault of the engine, never of the input.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "{rows} rows ended in no verdict or in several, {first:?} the first; this is a fault of the engine, please report it"
)]
pub struct VerdictsError {
    pub rows: usize,
    pub first: RowId,
}

/// What a row adds to the rows that are decided, and to those that are kept.
fn tally(row: &Option<Verdict>) -> (usize, usize) {
    (usize::from(row.is_some()), usize::from(matches!(row, Some(Verdict::Kept(_)))))
}

impl Verdicts {
    /// Rows of this shard are about to come.
    pub fn expect(&mut self, shard: u32, rows: usize) {
        let before = self.shards.insert(shard, vec![None; rows]).unwrap_or_default();
        self.decided -= before.iter().filter(|row| row.is_some()).count();
    }

    /// All rows of this shard are about to leave; call [`Verdicts::forget`] when they have.
    pub fn forget(&mut self, shard: u32) -> Result<(), VerdictsError> {
        let rows = self.shards.remove(&shard).unwrap_or_default();
        let left = |row: &Option<Verdict>| row.is_some();
        self.decided -= rows.iter().filter(|row| left(row)).count();
        match rows.iter().position(left) {
            None => Ok(()),
            Some(first) => {
                let first = RowId { shard, member: first as u32 };
                Err(VerdictsError { rows: rows.iter().filter(|row| left(row)).count(), first })
            }
        }
    }

    /// [`Verdicts::add`] of a kept row, which allocates only what stays.
    pub(super) fn add_kept(&mut self, id: RowId, scores: &[f32], diff: isize) {
        if diff == -1
            && let Some(slot) =
                self.shards.get_mut(&id.shard).and_then(|rows| rows.get_mut(id.member as usize))
            && matches!(slot, Some(Verdict::Kept(standing)) if same_scores(standing, scores))
            && !self.unmatched.contains_key(&id)
        {
            *slot = None;
            self.kept -= 1;
            self.decided -= 1;
            return;
        }
        self.add(id, Verdict::Kept(scores.into()), diff);
    }

    pub(super) fn add(&mut self, id: RowId, verdict: Verdict, diff: isize) {
        match self.shards.get(&id.shard).and_then(|rows| rows.get(id.member as usize)) {
            Some(Some(_)) if diff == 1 => self.early.push((id, verdict)),
            _ => self.settle_in(id, verdict, diff),
        }
    }

    /// Takes in what came early: an epoch is complete, and what stood before has left.
    pub(super) fn complete(&mut self) {
        for (id, verdict) in std::mem::take(&mut self.early) {
            self.settle_in(id, verdict, 1);
        }
    }

    fn settle_in(&mut self, id: RowId, verdict: Verdict, diff: isize) {
        let slot = self.shards.get_mut(&id.shard).and_then(|rows| rows.get_mut(id.member as usize));
        let Some(slot) = slot else {
            self.unmatched.entry(id).or_default().push((verdict, diff));
            return;
        };
        let before = tally(slot);
        match (&slot, diff) {
            (None, 1) if !self.unmatched.contains_key(&id) => *slot = Some(verdict),
            (Some(standing), -1) if *standing == verdict => {
                *slot = None;
                Self::settle_one(&mut self.unmatched, id, slot);
            }
            _ => {
                self.unmatched.entry(id).or_default().push((verdict, diff));
                Self::settle_one(&mut self.unmatched, id, slot);
            }
        }
        let after = tally(slot);
        self.decided = self.decided + after.0 - before.0;
        self.kept = self.kept + after.1 - before.1;
    }

    /// Cancels what can be cancelled of a row's unmatched changes and moves the one that remains into its slot.
    fn settle_one(
        unmatched: &mut HashMap<RowId, Vec<(Verdict, isize)>>,
        id: RowId,
        slot: &mut Option<Verdict>,
    ) {
        let Some(changes) = unmatched.get_mut(&id) else { return };
        if let Some(standing) = slot.take() {
            changes.push((standing, 1));
        }
        let mut net: Vec<(Verdict, isize)> = Vec::new();
        for (verdict, diff) in changes.drain(..) {
            match net.iter_mut().find(|(known, _)| *known == verdict) {
                Some((_, sum)) => *sum += diff,
                None => net.push((verdict, diff)),
            }
        }
        net.retain(|(_, sum)| *sum != 0);
        match net.as_slice() {
            [] => drop(unmatched.remove(&id)),
            [(_, 1)] => {
                *slot = net.pop().map(|(verdict, _)| verdict);
                unmatched.remove(&id);
            }
            _ => *changes = net,
        }
    }

    /// That every expected row stands in exactly one verdict.
    pub fn check(&self) -> Result<(), VerdictsError> {
        if self.unmatched.is_empty() && self.early.is_empty() && self.decided == self.counts().expected {
            return Ok(());
        }
        let mut astray: Vec<RowId> = self.unmatched.keys().copied().collect();
        astray.extend(self.early.iter().map(|(id, _)| *id));
        for (shard, rows) in &self.shards {
            let none = rows.iter().enumerate().filter(|(_, verdict)| verdict.is_none());
            astray.extend(none.map(|(member, _)| RowId { shard: *shard, member: member as u32 }));
        }
        match astray.iter().min() {
            None => Ok(()),
            Some(first) => Err(VerdictsError { rows: astray.len(), first: *first }),
        }
    }

    /// Every shard's verdicts, in the order of its samples. For verdicts that were [checked](Verdicts::check):
    /// a shard of which a row has none is left out.
    pub fn into_shards(self) -> BTreeMap<u32, Vec<Verdict>> {
        let whole = |(shard, rows): (u32, Vec<Option<Verdict>>)| {
            Some((shard, rows.into_iter().collect::<Option<_>>()?))
        };
        self.shards.into_iter().filter_map(whole).collect()
    }

    /// Every row and where it stands.
    pub fn iter(&self) -> impl Iterator<Item = (RowId, &Verdict)> {
        self.shards.iter().flat_map(|(shard, rows)| {
            let id = |member: usize| RowId { shard: *shard, member: member as u32 };
            rows.iter().enumerate().filter_map(move |(member, row)| Some((id(member), row.as_ref()?)))
        })
    }

    /// How many rows are expected, decided and kept so far.
    pub fn counts(&self) -> Counts {
        let expected = self.shards.values().map(Vec::len).sum();
        Counts { shards: self.shards.len(), expected, decided: self.decided, kept: self.kept }
    }
}

/// As verdicts compare them: bit by bit.
fn same_scores(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gated(score: f32) -> Verdict {
        Verdict::Gated { dial: "tested", score }
    }

    #[test]
    fn changes_meet_in_any_order() {
        let nan = gated(f32::NAN);
        let changes = [(gated(1.0), 1), (gated(1.0), -1), (nan.clone(), 1), (nan, -1), (gated(3.0), 1)];
        let id = RowId { shard: 3, member: 0 };
        let mut order: Vec<usize> = (0..changes.len()).collect();
        // All 120 orders, by Heap's algorithm.
        let mut counters = [0; 5];
        let mut at = 0;
        loop {
            let mut verdicts = Verdicts::default();
            verdicts.expect(3, 1);
            assert_eq!(verdicts.check(), Err(VerdictsError { rows: 1, first: id }));
            for n in &order {
                verdicts.add(id, changes[*n].0.clone(), changes[*n].1);
            }
            verdicts.complete();
            assert_eq!(verdicts.check(), Ok(()), "{order:?}");
            assert_eq!(verdicts.iter().collect::<Vec<_>>(), [(id, &gated(3.0))]);
            while at < 5 && counters[at] >= at {
                counters[at] = 0;
                at += 1;
            }
            if at == 5 {
                break;
            }
            order.swap(if at % 2 == 0 { 0 } else { counters[at] }, at);
            counters[at] += 1;
            at = 0;
        }
    }

    #[test]
    fn two_verdicts_at_once_are_seen() {
        let mut verdicts = Verdicts::default();
        verdicts.expect(0, 1);
        let id = RowId { shard: 0, member: 0 };
        verdicts.add(id, gated(1.0), 1);
        verdicts.add(id, gated(2.0), 1);
        assert_eq!(verdicts.check().unwrap_err().first, id);
        assert!(verdicts.forget(0).is_ok() || verdicts.check().is_err());
    }

    #[test]
    fn a_row_whose_score_is_no_number_leaves_as_it_came() {
        let id = RowId { shard: 0, member: 0 };
        let mut verdicts = Verdicts::default();
        verdicts.expect(0, 1);
        verdicts.add(id, gated(f32::NAN), 1);
        verdicts.add(id, gated(f32::NAN), -1);
        verdicts.add_kept(id, &[f32::NAN], 1);
        assert_eq!(verdicts.check(), Ok(()));
        assert_eq!(verdicts.counts(), Counts { shards: 1, expected: 1, decided: 1, kept: 1 });
        verdicts.add_kept(id, &[f32::NAN], -1);
        assert_eq!((verdicts.forget(0), verdicts.check()), (Ok(()), Ok(())));
        assert_eq!(verdicts.counts(), Counts::default());
    }
}

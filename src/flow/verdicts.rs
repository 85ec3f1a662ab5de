//! Where every row stands: the desired set, kept by adding up what the dataflow says.
//!
//! A change of a row's verdict comes as one verdict leaving and one coming, in either order and from different
//! operators. When an epoch is complete the two have met, and every row of the input has exactly one verdict.
//! There are two bytes for every row and the scores that a kept one has, of which a gated one uses the first: this is
//! what a run of millions of pictures holds in memory.

use std::collections::{BTreeMap, HashMap};

mod alone;
mod ended;
mod moves;
mod pieces;
mod slots;
mod standing;

pub use moves::Moves;
pub use pieces::{PieceCounts, PieceVerdict};

use super::{KeptPiece, Told};
use crate::row::{Of, Place, Refused, RowId, Verdict};
use pieces::PieceTable;
use slots::{KEPT, NONE, REFUSED, Slot, Slots};

/// A verdict that comes or leaves; `beside` is where its scores or words wait.
#[derive(Clone, Copy)]
struct Change {
    id: RowId,
    slot: Slot,
    beside: u32,
}

/// The verdicts of all rows, by shard and sample.
#[derive(Clone, Default)]
pub struct Verdicts {
    shards: BTreeMap<u32, Slots>,
    refused: HashMap<RowId, Box<Refused>>,
    /// The dials that rows are held back by, by their numbers.
    dials: Vec<&'static str>,
    /// The stages that hold questions back, as far as some did.
    stages: Vec<&'static str>,
    /// How many rows each of them would be asked about: pictures, regions or edits.
    undecided_at: Vec<i64>,
    /// Scores of a kept row.
    columns: usize,
    /// What the dataflow said since the last complete epoch, and what of it has not met its other half.
    leaving: Vec<Change>,
    coming: Vec<Change>,
    changing_scores: Vec<f32>,
    changing_refused: Vec<Refused>,
    /// By their place in [`Of::PIECES`].
    pieces: [PieceTable; 2],
    /// Rows that stand in a verdict: counted, so that a turn need not look at every row.
    decided: usize,
    undecided: usize,
    kept: usize,
    /// Against the rows that are marked as published.
    moved: Moves,
    /// Rows and pieces that each dial holds back.
    gated: Vec<i64>,
    /// Rows of the shards that will not come.
    left_out: usize,
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
    /// Rows that have none, since a question about them is held back.
    pub undecided: usize,
    /// Rows that have come to an end: those that are decided or undecided, and those of epochs that are not complete.
    pub ended: usize,
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

impl Verdicts {
    /// None yet; rows will be held back by these dials.
    pub(super) fn of_dials(names: impl Iterator<Item = &'static str>) -> Self {
        let dials: Vec<_> = names.collect();
        Verdicts { gated: vec![0; dials.len()], dials, ..Verdicts::default() }
    }

    /// Rows of this shard are about to come.
    ///
    /// ```
    /// use threshflow::flow::Verdicts;
    ///
    /// let mut verdicts = Verdicts::default();
    /// verdicts.expect(7, 2);
    /// assert_eq!(verdicts.counts().expected, 2);
    /// assert!(verdicts.check().is_err(), "nothing was said of them");
    /// ```
    pub fn expect(&mut self, shard: u32, rows: usize) {
        self.shards.insert(shard, Slots::new(rows));
    }

    /// So many of the rows that are expected will not come: a process that publishes nothing may feed some of a shard's rows.
    pub(super) fn leave_out(&mut self, rows: usize) {
        self.left_out += rows;
    }

    /// All rows of this shard have left.
    ///
    /// ```
    /// use threshflow::flow::Verdicts;
    ///
    /// let mut verdicts = Verdicts::default();
    /// verdicts.expect(7, 2);
    /// verdicts.forget(7)?;
    /// assert_eq!(verdicts.counts().shards, 0);
    /// # Ok::<(), threshflow::flow::VerdictsError>(())
    /// ```
    pub fn forget(&mut self, shard: u32) -> Result<(), VerdictsError> {
        let rows = self.shards.remove(&shard).unwrap_or_default();
        let standing: Vec<Slot> = rows.iter().filter(|slot| *slot != NONE).collect();
        standing.iter().for_each(|slot| *self.count_of(*slot) -= 1);
        self.moved.published -= (0..rows.len()).filter(|member| rows.is_marked(*member)).count();
        let count = standing.len();
        match rows.iter().position(|slot| slot != NONE) {
            None => Ok(()),
            Some(first) => {
                let first = RowId { shard, member: first as u32 };
                Err(VerdictsError { rows: count, first })
            }
        }
    }

    /// A row that is kept comes (`diff` 1) or leaves (-1).
    pub(crate) fn add_kept(&mut self, id: RowId, scores: &[f32], diff: isize) {
        self.columns = scores.len();
        let beside = self.changing_scores.len() as u32;
        self.changing_scores.extend_from_slice(scores);
        self.add_slot(id, KEPT, beside, diff);
    }

    /// A row's verdict, other than kept, comes or leaves.
    /// A picture is refused, or no more.
    fn add_refused(&mut self, id: RowId, refused: Refused, diff: isize) {
        let beside = self.changing_refused.len() as u32;
        self.changing_refused.push(refused);
        self.add_slot(id, REFUSED, beside, diff);
    }

    /// So many pieces of that sort were found in a picture.
    pub(crate) fn add_found(&mut self, id: RowId, (of, found): (Of, u16), diff: isize) {
        if let Some(table) = self.table_mut(of) {
            table.add_found(id, found, diff);
        }
    }

    pub(super) fn add_kept_piece(&mut self, piece: KeptPiece, diff: isize) {
        if let Some(table) = self.table_mut(piece.place.of) {
            table.add_kept(piece, diff);
        }
    }

    #[cfg(test)]
    pub(crate) fn add_piece(&mut self, place: Place, verdict: PieceVerdict, diff: isize) {
        self.add_rejected_piece(place, verdict, None, diff);
    }

    /// A piece's verdict, other than kept, comes or leaves, with what the piece had been told by then.
    pub(crate) fn add_rejected_piece(
        &mut self,
        place: Place,
        verdict: PieceVerdict,
        told: Option<Box<Told>>,
        diff: isize,
    ) {
        if let Some(table) = self.table_mut(place.of) {
            table.add(place, verdict, told, diff);
        }
    }

    /// A question about a piece is held back.
    fn add_open_piece(&mut self, place: Place, stage: u16, diff: isize) {
        if let Some(table) = self.table_mut(place.of) {
            table.add_open(place, stage, diff);
        }
    }

    fn table(&self, of: Of) -> Option<&PieceTable> {
        Of::PIECES.iter().position(|known| *known == of).map(|place| &self.pieces[place])
    }

    fn table_mut(&mut self, of: Of) -> Option<&mut PieceTable> {
        Of::PIECES.iter().position(|known| *known == of).map(|place| &mut self.pieces[place])
    }

    fn add_slot(&mut self, id: RowId, slot: Slot, beside: u32, diff: isize) {
        let changes = if diff > 0 { &mut self.coming } else { &mut self.leaving };
        changes.extend(std::iter::repeat_n(Change { id, slot, beside }, diff.unsigned_abs()));
    }

    /// An epoch is complete: what leaves makes room for what comes. A row that changed several times needs as many
    /// rounds; what is of a later epoch waits for its other half.
    ///
    /// A verdict leaves whole, with the scores or the words that it came with: of two that one row was told, another
    /// than the one that is meant would be left standing.
    pub(crate) fn complete(&mut self) {
        loop {
            let before = self.leaving.len() + self.coming.len();
            let mut leaving = std::mem::take(&mut self.leaving);
            leaving.retain(|leaving| !self.leave(leaving));
            self.leaving = leaving;
            let mut coming = std::mem::take(&mut self.coming);
            coming.retain(|coming| !self.come(coming));
            self.coming = coming;
            let after = self.leaving.len() + self.coming.len();
            if after == before {
                self.cancel();
            }
            if self.coming.is_empty() && self.leaving.is_empty() {
                self.changing_scores.clear();
                self.changing_refused.clear();
            }
            if after == 0 || after == before {
                return;
            }
        }
    }

    /// What came and went within the epochs that are complete, and was never seen standing.
    fn cancel(&mut self) {
        if self.leaving.is_empty() || self.coming.is_empty() {
            return;
        }
        let mut leaving: HashMap<(RowId, Slot), Vec<Change>> = HashMap::new();
        for change in self.leaving.drain(..) {
            leaving.entry((change.id, change.slot)).or_default().push(change);
        }
        let mut coming = std::mem::take(&mut self.coming);
        coming.retain(|comes| {
            let Some(leaving) = leaving.get_mut(&(comes.id, comes.slot)) else { return true };
            let same = |leaves: &Change| match comes.slot {
                KEPT => same_bits(self.scores_of(leaves), self.scores_of(comes)),
                REFUSED => self.words_of(leaves) == self.words_of(comes),
                _ => true,
            };
            let met = leaving.iter().position(same);
            met.map(|at| leaving.swap_remove(at)).is_none()
        });
        self.coming = coming;
        self.leaving = leaving.into_values().flatten().collect();
    }

    /// Of a change to or from [`KEPT`].
    fn scores_of(&self, change: &Change) -> &[f32] {
        &self.changing_scores[change.beside as usize..][..self.columns]
    }

    /// Of a change to or from [`REFUSED`].
    fn words_of(&self, change: &Change) -> &Refused {
        &self.changing_refused[change.beside as usize]
    }

    fn leave(&mut self, leaving: &Change) -> bool {
        let Change { id, slot: leaves, beside } = *leaving;
        let (member, beside) = (id.member as usize, beside as usize);
        let Some(rows) = self.shards.get_mut(&id.shard) else { return false };
        let stands = rows.get(member) == Some(leaves)
            && match leaves {
                KEPT => {
                    let scores = &self.changing_scores[beside..][..self.columns];
                    same_bits(&rows.scores(member)[..self.columns], scores)
                }
                REFUSED => {
                    self.refused.get(&id).is_some_and(|stands| **stands == self.changing_refused[beside])
                }
                _ => true,
            };
        if !stands {
            return false;
        }
        rows.set(member, NONE, &[]);
        let marked = rows.is_marked(member);
        *self.count_of(leaves) -= 1;
        self.count_move(leaves, marked, -1);
        self.kept -= usize::from(leaves == KEPT);
        if leaves == REFUSED {
            self.refused.remove(&id);
        }
        true
    }

    fn come(&mut self, coming: &Change) -> bool {
        let Change { id, slot: comes, beside } = *coming;
        let kept = comes == KEPT;
        let scores = if kept { &self.changing_scores[beside as usize..][..self.columns] } else { &[] };
        let member = id.member as usize;
        match self.shards.get_mut(&id.shard) {
            Some(rows) if rows.get(member) == Some(NONE) => rows.set(member, comes, scores),
            _ => return false,
        }
        let marked = self.shards.get(&id.shard).is_some_and(|rows| rows.is_marked(member));
        self.count_move(comes, marked, 1);
        *self.count_of(comes) += 1;
        self.kept += usize::from(kept);
        if comes == REFUSED {
            self.refused.insert(id, Box::new(self.words_of(coming).clone()));
        }
        true
    }

    /// As [`Verdicts::check`]. What is settled is not looked at again before it changes.
    pub(super) fn settle(&mut self) -> Result<(), VerdictsError> {
        self.check()?;
        self.pieces.iter_mut().for_each(PieceTable::is_checked);
        Ok(())
    }

    fn count_of(&mut self, slot: Slot) -> &mut usize {
        if slot.unasked_stage().is_some() { &mut self.undecided } else { &mut self.decided }
    }

    /// The number of a stage that holds questions back.
    fn stage(&mut self, name: &'static str) -> u16 {
        let known = self.stages.iter().position(|known| *known == name);
        known.unwrap_or_else(|| {
            self.stages.push(name);
            self.undecided_at.push(0);
            self.stages.len() - 1
        }) as u16
    }

    /// That every expected row stands in exactly one verdict, or is undecided.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// assert!(engine.verdicts().check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), VerdictsError> {
        let mut pieces_astray: Vec<RowId> = self.pieces.iter().flat_map(PieceTable::astray).collect();
        if self.leaving.is_empty()
            && self.coming.is_empty()
            && self.decided + self.undecided == self.counts().expected
            && pieces_astray.is_empty()
        {
            return Ok(());
        }
        let mut astray: Vec<RowId> =
            self.leaving.iter().chain(&self.coming).map(|change| change.id).collect();
        for (shard, rows) in &self.shards {
            let none = rows.iter().enumerate().filter(|(_, slot)| *slot == NONE);
            astray.extend(none.map(|(member, _)| RowId { shard: *shard, member: member as u32 }));
        }
        astray.append(&mut pieces_astray);
        match astray.iter().min() {
            None => Ok(()),
            Some(first) => Err(VerdictsError { rows: astray.len(), first: *first }),
        }
    }

    /// Where a row stands.
    fn verdict(&self, id: RowId, rows: &Slots) -> Option<Verdict> {
        let member = id.member as usize;
        Some(match rows.get(member)? {
            NONE => return None,
            KEPT => Verdict::Kept(rows.scores(member)[..self.columns].into()),
            REFUSED => Verdict::Refused(self.refused.get(&id)?.clone()),
            held_back if held_back.unasked_stage().is_some() => return None,
            gated => {
                let (dial, score) = gated.held_back()?;
                Verdict::Gated { dial: self.dials[usize::from(dial)], score }
            }
        })
    }

    /// Every row that has a verdict, and which.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::Verdict;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let first = engine.verdicts().iter().next().map(|(_, verdict)| verdict);
    /// assert_eq!(first, Some(Verdict::Gated { dial: "side", score: 5.0 }));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (RowId, Verdict)> {
        self.shards.iter().flat_map(move |(shard, rows)| {
            (0..rows.len()).filter_map(move |member| {
                let id = RowId { shard: *shard, member: member as u32 };
                Some((id, self.verdict(id, rows)?))
            })
        })
    }

    /// The rows that are kept.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let kept: Vec<u32> = engine.verdicts().kept().map(|id| id.member).collect();
    /// assert_eq!(kept, [1, 2]);
    /// ```
    pub fn kept(&self) -> impl Iterator<Item = RowId> {
        self.shards.iter().flat_map(|(shard, rows)| {
            let kept = rows.iter().enumerate().filter(|(_, slot)| *slot == KEPT);
            kept.map(|(member, _)| RowId { shard: *shard, member: member as u32 })
        })
    }

    /// Every shard's verdicts, in the order of its samples, for verdicts that were [checked](Verdicts::check): a shard
    /// of which a row has none is left out. Pieces stay.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::Verdict;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let shards = engine.into_verdicts().take_shards();
    /// assert_eq!(shards[&0][2], Verdict::Kept([80.0].into()));
    /// ```
    pub fn take_shards(&mut self) -> BTreeMap<u32, Vec<Verdict>> {
        let mut shards = BTreeMap::new();
        while let Some((shard, rows)) = self.shards.pop_first() {
            let verdict = |member| self.verdict(RowId { shard, member: member as u32 }, &rows);
            if let Some(verdicts) = (0..rows.len()).map(verdict).collect() {
                shards.insert(shard, verdicts);
            }
        }
        shards
    }

    /// How many rows are expected, decided and kept so far.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let counts = engine.verdicts().counts();
    /// assert_eq!((counts.shards, counts.expected, counts.decided, counts.kept), (1, 3, 3, 2));
    /// ```
    pub fn counts(&self) -> Counts {
        let expected = self.shards.values().map(Slots::len).sum::<usize>() - self.left_out;
        let ended = (self.decided + self.undecided + self.coming.len())
            .saturating_sub(self.leaving.len())
            .min(expected);
        let (decided, undecided) = (self.decided, self.undecided);
        Counts { shards: self.shards.len(), expected, decided, undecided, ended, kept: self.kept }
    }
}

/// Whether two lists of scores are one, bit by bit.
fn same_bits(one: &[f32], other: &[f32]) -> bool {
    one.iter().map(|score| score.to_bits()).eq(other.iter().map(|score| score.to_bits()))
}

#[cfg(test)]
mod tests;

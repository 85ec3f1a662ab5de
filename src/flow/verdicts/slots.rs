//! Where the rows of one shard stand: two bytes a row, and its scores.

/// A verdict without what is kept beside it: the scores of a kept row, the words of a refused one. Or that the row is undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    /// That of [`NONE`], [`KEPT`], [`REFUSED`] or [`UNASKED`], or [`GATED`] and the number of the dial.
    kind: u16,
    /// The bits of the score that a gated row was held back at; of a row that is to be asked about, the number of the stage.
    score: u32,
}

pub(super) const NONE: Slot = Slot { kind: 0, score: 0 };
pub(super) const KEPT: Slot = Slot { kind: 1, score: 0 };
pub(super) const REFUSED: Slot = Slot { kind: 2, score: 0 };
const UNASKED: u16 = 3;
const GATED: u16 = 4;

impl Slot {
    pub(super) fn gated(dial: u16, score: f32) -> Self {
        Slot { kind: GATED + dial, score: score.to_bits() }
    }

    /// A stage would be asked about the row.
    pub(super) fn held_back_at(stage: u16) -> Self {
        Slot { kind: UNASKED, score: stage.into() }
    }

    /// The stage that would be asked about the row.
    pub(super) fn unasked_stage(self) -> Option<u16> {
        (self.kind == UNASKED).then_some(self.score as u16)
    }

    /// The dial that holds a row back, and the score that it is held back at.
    pub(super) fn held_back(self) -> Option<(u16, f32)> {
        Some((self.kind.checked_sub(GATED)?, f32::from_bits(self.score)))
    }
}

/// The slots of one shard's rows.
#[derive(Clone, Default)]
pub(super) struct Slots {
    kinds: Vec<u16>,
    /// Whether a row is [marked](Slots::mark); empty where none is.
    marks: Vec<bool>,
    /// `width` for every row: all that a kept row has; of a gated row, the first is where it was held back.
    scores: Vec<f32>,
    width: usize,
}

impl Slots {
    pub(super) fn new(rows: usize) -> Self {
        Slots { kinds: vec![NONE.kind; rows], marks: Vec::new(), scores: Vec::new(), width: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn get(&self, member: usize) -> Option<Slot> {
        let kind = *self.kinds.get(member)?;
        let score = if kind < UNASKED { 0 } else { self.scores[member * self.width].to_bits() };
        Some(Slot { kind, score })
    }

    /// All of them, in the order of the rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        (0..self.len()).filter_map(|member| self.get(member))
    }

    /// The row of that number now stands there; of a kept row, these are the scores.
    pub(super) fn set(&mut self, member: usize, slot: Slot, scores: &[f32]) {
        self.kinds[member] = slot.kind;
        let beside = (slot.kind >= UNASKED).then_some([f32::from_bits(slot.score)]);
        let scores = beside.as_ref().map_or(scores, |score| score.as_slice());
        if self.width < scores.len() {
            self.widen(scores.len());
        }
        self.scores[member * self.width..][..scores.len()].copy_from_slice(scores);
    }

    /// Marks a row, or takes its mark away: it is published.
    pub(super) fn mark(&mut self, member: usize, marked: bool) {
        if self.marks.is_empty() && marked {
            self.marks = vec![false; self.len()];
        }
        if let Some(mark) = self.marks.get_mut(member) {
            *mark = marked;
        }
    }

    pub(super) fn is_marked(&self, member: usize) -> bool {
        self.marks.get(member).copied().unwrap_or(false)
    }

    /// The scores of a kept row.
    pub(super) fn scores(&self, member: usize) -> &[f32] {
        &self.scores[member * self.width..][..self.width]
    }

    fn widen(&mut self, width: usize) {
        let mut wide = vec![f32::NAN; width * self.len()];
        if self.width > 0 {
            for (wide, narrow) in wide.chunks_exact_mut(width).zip(self.scores.chunks_exact(self.width)) {
                wide[..self.width].copy_from_slice(narrow);
            }
        }
        (self.scores, self.width) = (wide, width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_back_stays_when_the_first_row_is_kept() {
        let mut slots = Slots::new(4);
        slots.set(1, Slot::gated(0, 0.5), &[]);
        slots.set(2, REFUSED, &[]);
        slots.set(3, KEPT, &[1.0, 2.0]);
        let gated = Slot::gated(0, 0.5);
        assert_eq!(slots.iter().collect::<Vec<_>>(), [NONE, gated, REFUSED, KEPT]);
        assert_eq!((gated.held_back(), KEPT.held_back()), (Some((0, 0.5)), None));
        assert_eq!(slots.scores(3), [1.0, 2.0]);
        slots.set(3, Slot::gated(7, f32::NAN), &[]);
        slots.set(1, KEPT, &[3.0, 4.0]);
        assert_eq!(slots.get(3), Some(Slot::gated(7, f32::NAN)));
        assert_eq!((slots.scores(1), slots.get(4)), ([3.0, 4.0].as_slice(), None));
    }
}

//! What would enter the published set, and what would leave it: counted as rows change, against rows that are marked.

use super::Verdicts;
use super::slots::{KEPT, NONE, Slot};
use crate::row::RowId;

/// See [`Verdicts::moves`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Rows that are marked as published.
    pub published: usize,
    /// Rows that are kept and not marked.
    pub enter: usize,
    /// Rows that are marked, and held back or refused.
    pub leave: usize,
}

impl Verdicts {
    pub(super) fn count_move(&mut self, slot: Slot, marked: bool, diff: isize) {
        let count = match (slot == KEPT, marked) {
            (true, false) => &mut self.moved.enter,
            (false, true) if slot != NONE && slot.unasked_stage().is_none() => &mut self.moved.leave,
            _ => return,
        };
        *count = count.saturating_add_signed(diff);
    }

    /// See [`Engine::mark_published`](super::Engine::mark_published).
    pub(in crate::flow) fn mark_published(&mut self, published: impl IntoIterator<Item = RowId>) {
        for rows in self.shards.values_mut() {
            (0..rows.len()).for_each(|member| rows.mark(member, false));
        }
        for id in published {
            if let Some(rows) = self.shards.get_mut(&id.shard) {
                rows.mark(id.member as usize, true);
            }
        }
        self.moved = Moves::default();
        let mut all = Vec::new();
        for rows in self.shards.values() {
            all.extend(
                (0..rows.len()).filter_map(|member| Some((rows.get(member)?, rows.is_marked(member)))),
            );
        }
        for (slot, marked) in all {
            self.moved.published += usize::from(marked);
            self.count_move(slot, marked, 1);
        }
    }

    /// How many rows would enter what is published, and how many would leave it.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::RowId;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.mark_published([RowId { shard: 0, member: 0 }]);
    /// assert_eq!(engine.verdicts().moves().enter, 2);
    /// ```
    pub fn moves(&self) -> Moves {
        self.moved
    }

    /// Whether a row is marked as published.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::RowId;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.mark_published([RowId { shard: 0, member: 0 }]);
    /// assert!(engine.verdicts().is_published(RowId { shard: 0, member: 0 }));
    /// ```
    pub fn is_published(&self, id: RowId) -> bool {
        self.shards.get(&id.shard).is_some_and(|rows| rows.is_marked(id.member as usize))
    }

    /// The rows that would enter what is published (`true`), or leave it, in the order of the shards' numbers.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::RowId;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.mark_published([RowId { shard: 0, member: 0 }]);
    /// assert_eq!(engine.verdicts().moving(false).map(|id| id.member).collect::<Vec<_>>(), [0]);
    /// ```
    pub fn moving(&self, enter: bool) -> impl Iterator<Item = RowId> {
        self.shards.iter().flat_map(move |(shard, rows)| {
            let moves = move |member: &usize| match (rows.get(*member), rows.is_marked(*member)) {
                (Some(slot), marked) if enter => slot == KEPT && !marked,
                (Some(slot), true) => slot != KEPT && slot != NONE && slot.unasked_stage().is_none(),
                _ => false,
            };
            (0..rows.len()).filter(moves).map(|member| RowId { shard: *shard, member: member as u32 })
        })
    }
}

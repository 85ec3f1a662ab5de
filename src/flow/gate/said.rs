//! What a gate says of its rows, in batches. The loops that say it are what a turn of a dial costs: they push onto vectors, and nothing else.

use super::turning::{Side, Updates};
use crate::flow::{Ended, Epoch, Why};
use crate::row::Row;

/// How many rows go on together. Twice as many make buffers of 14 KB: glibc then gives a turn's memory back to the system after each turn,
/// and the next turn takes it anew, which costs a third of its time.
const BATCH: usize = 128;

/// Takes a batch on, and leaves an empty one.
pub(in crate::flow) type Give<'a, D> = &'a mut dyn FnMut(&mut Updates<D>);

/// What passes and what is held back at one time.
pub(in crate::flow) struct Said<'a, R> {
    time: Epoch,
    passing: Batch<'a, R>,
    ended: Batch<'a, Ended>,
}

struct Batch<'a, D> {
    updates: Updates<D>,
    give: Give<'a, D>,
}

impl<D> Batch<'_, D> {
    #[inline(always)]
    fn push(&mut self, update: (D, Epoch, isize)) {
        if self.updates.len() == self.updates.capacity() {
            self.give();
        }
        self.updates.push(update);
    }

    #[inline(never)]
    fn give(&mut self) {
        if !self.updates.is_empty() {
            (self.give)(&mut self.updates);
            self.updates.clear();
        }
        if self.updates.capacity() == 0 {
            self.updates.reserve_exact(BATCH);
        }
    }
}

impl<'a, R: Row> Said<'a, R> {
    pub(in crate::flow) fn at(time: Epoch, passing: Give<'a, R>, ended: Give<'a, Ended>) -> Self {
        let (passing, ended) =
            (Batch { updates: Vec::new(), give: passing }, Batch { updates: Vec::new(), give: ended });
        Said { time, passing, ended }
    }

    /// A row comes to this side (`diff` 1), or leaves it (-1).
    #[inline(always)]
    pub(in crate::flow) fn say(&mut self, row: &R, side: Side, diff: isize) {
        match side {
            Side::Passes => self.passing.push((row.clone(), self.time, diff)),
            Side::HeldBack { dial, score } => {
                self.ended.push((Ended::of_row(row, Why::Gated { dial, score }), self.time, diff));
            }
        }
    }

    /// Gives the rest.
    pub(in crate::flow) fn end(mut self) {
        self.passing.give();
        self.ended.give();
    }
}

//! Some of the rows: for a process that asks about a part of them, and publishes nothing.

use super::progress::{Stopped, Tick};
use super::{Engine, Fed};

impl Engine {
    /// Hands in some of the rows of a shard, which has `all`. The others have no verdict: nothing can be published of such a shard.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::Fed;
    ///
    /// let mut engine = run(pictures([5, 20, 80]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let last = pictures([5, 20, 80]).into_iter().map(|mut image| { image.id.shard = 1; Fed::Image(image) }).skip(2);
    /// engine.insert_some(1, 3, last, &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(engine.verdicts().counts().expected, 4);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn insert_some(
        &mut self,
        shard: u32,
        all: usize,
        rows: impl ExactSizeIterator<Item = Fed>,
        tick: Tick<'_>,
    ) -> Result<(), Stopped> {
        self.verdicts.expect(shard, all);
        self.verdicts.leave_out(all.saturating_sub(rows.len()));
        self.feed(rows, 1, tick)
    }

    /// As [`settle`](Engine::settle), but for dials by share, which stay as they are: rows that wait at their gates are held back. For a process
    /// that has only some of the rows that a share is of.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::flow::{Setting, Share};
    ///
    /// let mut engine = run(vec![], |images, dial| images.each(side).gate(&dial.side).finish());
    /// engine.turn(0, Setting::Top(Share::rows(1).expect("is above 0")), &mut go_on)?;
    /// engine.insert(0, pictures([5, 20, 80]).into_iter().map(threshflow::flow::Fed::Image), &mut go_on)?;
    /// engine.settle_but_shares(&mut go_on)?;
    /// assert_eq!(kept(&engine), [0; 0]);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn settle_but_shares(&mut self, tick: Tick<'_>) -> Result<(), Stopped> {
        self.wait_for_all(tick)?;
        Ok(self.verdicts.settle()?)
    }
}

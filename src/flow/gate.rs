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
mod rows;
mod said;
mod scale;
mod turning;

use std::sync::atomic::{AtomicU64, Ordering};

use super::Flow;
use crate::row::{Group, Has, In, Row, Score, Unit};
pub(crate) use dial::dial_name;
pub use dial::{Comparison, Dial, DialBy, DialSpec};
pub(super) use event::{DialEvent, GroupEvent, Position};
pub(super) use pictures::SharedPictures;
use rows::GatedRows;
pub(super) use said::Said;
pub(super) use scale::{ByName, ByUnit, Scale, bucket, bucket_between};
pub(super) use turning::{Side, Turning, Updates};

/// How many buckets a unit's scale is cut into. More of them put a floor under the cost of every turn; fewer
/// make the bucket that the dial stands in, whose rows are all met, larger.
pub(super) const BUCKETS: u16 = 4096;
/// Where a NaN goes: a bucket that no dial opens.
pub(super) const NAN_BUCKET: u16 = BUCKETS;

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
    ) -> Option<OneDial<R, ByUnit<U, I>>>
    where
        R: Has<Score<U>, I>,
    {
        let open = self.lacks(U::NAME);
        self.meets(self.next_gate(), dial.specs, open);
        if open {
            return None;
        }
        Some(OneDial::new(dial, group, ByUnit::new()))
    }
}

pub(super) fn gate_name<U>(dial: &Dial<'_, U>) -> String {
    format!("Gate {}", dial.specs[0].dial())
}

/// One dial, and the rows that are held against it.
pub(super) struct OneDial<R: Row, S> {
    group: fn(&R) -> u16,
    standing: GatedRows<R, S>,
}

impl<R: Row, S: Scale<R>> OneDial<R, S> {
    pub(super) fn new<U>(dial: &Dial<'_, U>, group: fn(&R) -> u16, scale: S) -> Self {
        let comparison = dial.specs[0].comparison;
        let shared = (dial.histograms.clone(), dial.pictures.clone());
        OneDial { group, standing: GatedRows::new((dial.index, comparison), scale, shared) }
    }
}

impl<R: Row, S: Scale<R>> Turning<R> for OneDial<R, S> {
    type Event = GroupEvent;

    fn work_off(&mut self, told: impl Iterator<Item = GroupEvent>, rows: Updates<R>, said: &mut Said<'_, R>) {
        for (group, told) in told {
            match told {
                DialEvent::Turn(to) => self.standing.turn(group, to, said),
                DialEvent::Scan(_) => self.standing.scan(group),
            }
        }
        self.standing.take_in(rows, self.group, said);
    }
}

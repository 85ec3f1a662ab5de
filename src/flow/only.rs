//! `only`: gates that some rows of a flow go through, and the others pass by.
//!
//! The others stay in step with those: what is asked next about all of a picture's regions is asked together.

use super::gate::gate_name;
use super::gate::{Said, Side, Turning, Updates};
use super::{Condition, Dial, Flow};
use crate::row::{Has, Row, Score, Unit};

/// A flow of which only some rows are held against the gates that are laid into it: see [`Flow::only`].
pub struct Only<'s, R: Row, F> {
    flow: Flow<'s, R>,
    which: F,
}

impl<'s, R: Row> Flow<'s, R> {
    /// Lays gates into the flow for the rows that `which` says yes to; the others pass by. `which` is pure.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 6, 20]), |images, dial| {
    ///     let even = |row: &_| threshflow::row::Row::image(row).short_side() % 2 == 0;
    ///     images.each(side).only(even, |even| even.gate(&dial.side)).finish()
    /// });
    /// assert_eq!(kept(&engine), [0, 2], "5 is odd and passes by");
    /// ```
    pub fn only<F>(self, which: F, gates: impl FnOnce(Only<'s, R, F>) -> Only<'s, R, F>) -> Self
    where
        F: Fn(&R) -> bool + Clone + 'static,
    {
        gates(Only { flow: self, which }).flow
    }
}

impl<'s, R: Row, F: Fn(&R) -> bool + Clone + 'static> Only<'s, R, F> {
    /// As [`Flow::gate`].
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let none = |_: &_| false;
    /// let engine = run(pictures([5, 20]), move |images, dial| {
    ///     images.each(side).only(none, |none| none.gate(&dial.side)).finish()
    /// });
    /// assert_eq!(kept(&engine), [0, 1]);
    /// ```
    pub fn gate<U: Unit, I: 'static>(self, dial: &Dial<'s, U>) -> Self
    where
        R: Has<Score<U>, I>,
    {
        let Some(gate) = self.flow.one_dial(dial, |_| 0) else { return self };
        let gate = OnlySome { which: self.which.clone(), gate };
        Only { flow: self.flow.gated_by(gate_name(dial), dial.told.clone(), gate), which: self.which }
    }

    /// As [`Flow::gate_either`].
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let all = |_: &_| true;
    /// let engine = run(pictures([5, 20]), move |images, dial| {
    ///     images.each(side).only(all, |all| all.gate_either([vec![dial.side.passes()]])).finish()
    /// });
    /// assert_eq!(kept(&engine), [1]);
    /// ```
    pub fn gate_either<const N: usize>(self, lists: [Vec<Condition<'s, R>>; N]) -> Self {
        let Some(either) = self.flow.either(lists) else { return self };
        let gate = OnlySome { which: self.which.clone(), gate: either.gate };
        Only { flow: self.flow.gated_by(either.name, either.dials, gate), which: self.which }
    }
}

/// A gate, and which rows it is for.
struct OnlySome<F, G> {
    which: F,
    gate: G,
}

impl<R: Row, F: Fn(&R) -> bool + 'static, G: Turning<R>> Turning<R> for OnlySome<F, G> {
    type Event = G::Event;

    fn work_off(&mut self, told: impl Iterator<Item = G::Event>, rows: Updates<R>, said: &mut Said<'_, R>) {
        let (held, passing): (Updates<R>, Updates<R>) =
            rows.into_iter().partition(|(row, ..)| (self.which)(row));
        passing.into_iter().for_each(|(row, _time, diff)| said.say(&row, Side::Passes, diff));
        self.gate.work_off(told, held, said);
    }
}

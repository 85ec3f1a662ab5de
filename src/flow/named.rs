//! Scorers that flags name: how many there are, and what they are called, is known when the pipeline is opened. Rows have one column for all
//! of their scores, so that the pipeline's file is the same for any number of them.

use std::rc::Rc;
use std::sync::Arc;

use super::gate::{ByName, gate_name};
use super::{Dial, Flow};
use crate::lane::{Operator, Stage};
use crate::row::{AnyUnit, NamedScores, Row, Score, Unit, With};

/// The dials of scorers that flags name, each of the name of its scorer. Made by [`DialMaker::named`](super::DialMaker::named).
pub struct NamedDials<'s>(pub(super) Rc<Vec<Dial<'s, AnyUnit>>>);

/// What a flow knows of scorers that flags name.
pub(crate) struct Named<'s> {
    dials: NamedDials<'s>,
    /// Whose scores the rows have, in the order of their column.
    names: Vec<&'static str>,
}

impl<'s> Named<'s> {
    pub(super) fn of(dials: NamedDials<'s>) -> Self {
        Named { dials, names: Vec::new() }
    }

    /// For rows that have no such scores yet.
    pub(super) fn anew(&self) -> Self {
        Named::of(NamedDials(self.dials.0.clone()))
    }

    pub(super) fn names(&self) -> &[&'static str] {
        &self.names
    }
}

impl<'s, R: Row> Flow<'s, R> {
    /// Asks each of these scorers in turn, and keeps the rows that pass the dial of its name, before the next is asked. A row has the
    /// scores of all of them then. There may be none.
    ///
    /// Panics where there is no dial of a scorer's name: the dials must be those of the same flags. A flow may be asked so once.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let scorers = [lab.stage(named_taster("salt")), lab.stage(named_taster("sweet"))];
    /// let dials = named_dials(&["salt", "sweet"], 3.0);
    /// let mut engine = run_named(dials, pictures([20, 60]), move |images| images.named_scores(&scorers).finish());
    /// assert_eq!(engine.score_names(), ["salt", "sweet"]);
    /// assert_eq!(kept(&engine), [1], "the first tastes 2");
    ///
    /// engine.turn(0, 1.0, &mut go_on)?;
    /// engine.turn(1, 1.0, &mut go_on)?;
    /// engine.settle(&mut go_on)?;
    /// assert_eq!(kept(&engine), [0, 1]);
    /// # Ok::<(), threshflow::flow::Stopped>(())
    /// ```
    pub fn named_scores<U: Unit, O: Operator<Answer = Score<U>>>(
        self,
        scorers: &[Arc<Stage<O>>],
    ) -> Flow<'s, With<R, NamedScores>> {
        let mut flow = self.each(|row| With::new(row, NamedScores::default()));
        for scorer in scorers {
            let mut scored = flow
                .ask(scorer)
                .each(|With { row: With { row, column }, column: score }| With::new(row, column.and(score)));
            scored.named.names.push(scorer.operator().name());
            flow = scored.gate_at_last_named();
        }
        flow
    }
}

impl<'s, R: Row> Flow<'s, With<R, NamedScores>> {
    /// Keeps the rows whose last named score passes the dial of its name.
    fn gate_at_last_named(self) -> Self {
        let (place, name) = (self.named.names.len() - 1, self.named.names[self.named.names.len() - 1]);
        let dials = self.named.dials.0.clone();
        let dial = dials.iter().find(|dial| dial.specs[0].name == name);
        let dial =
            dial.unwrap_or_else(|| panic!("the scorer {name} has no dial: its flags were not told of"));
        let scale = ByName { place, ends: (dial.specs[0].low, dial.specs[0].high) };
        self.meets(self.next_gate(), dial.specs, false);
        let gate = super::gate::OneDial::new(dial, |_| 0, scale);
        self.gated_by(gate_name(dial), dial.told.clone(), gate)
    }
}

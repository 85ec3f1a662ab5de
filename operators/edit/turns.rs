//! The turns of an edit, as the operators that measure them see them.

use threshflow::lane::Subject;
use threshflow::row::Refusal;

use super::{EditPictures, PixelPair, operations_of_turn};
use crate::edit_source::Planned;
use crate::pixels::mask::Mask;
use crate::plan::edit_plan::Operation;

/// A turn of an edit: its pictures, and what was to be done.
pub(crate) struct Turn<'a> {
    pub(crate) planned: &'a Planned,
    /// Of the plan's regions.
    pub(crate) masks: &'a [Mask],
    /// Each with the number of its step.
    pub(crate) operations: Vec<(usize, Operation)>,
    pub(crate) pair: PixelPair,
}

impl EditPictures {
    /// What `each` says of every turn of the edit that is asked about, in order. Reads memos: not for a worker thread.
    pub(crate) fn each_turn<T>(
        &self,
        subject: &Subject<'_>,
        mut each: impl FnMut(&Turn<'_>) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let no_question = || Refusal::transient("no_question", "there is no edit to look at");
        let question = subject.questions.first().ok_or_else(no_question)?;
        let planned = self.source().planned(question)?;
        let masks = self.source().masks(&planned)?;
        let shown = self.of(question, &planned)?;
        let of_turn = |(turn, shown)| {
            let pair = self.pair(subject, shown)?;
            let operations = operations_of_turn(&planned, turn);
            each(&Turn { planned: &planned, masks: &masks, operations, pair })
        };
        shown.iter().enumerate().map(of_turn).collect()
    }
}

/// That an edit has no turns.
pub(crate) fn no_turns() -> Refusal {
    Refusal::permanent("no_step", "an edit of no turns has nothing to be measured")
}

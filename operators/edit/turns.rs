//! The turns of an edit, as the operators that measure them see them.

use threshflow::lane::Subject;
use threshflow::row::{Refusal, Stamp};

use super::{EditPictures, PixelPair, operations_of_turn};
use crate::edit_source::Planned;
use crate::pixels::decode::{Purpose, decoder_stamp};
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

    /// The same, with what the instruction says of each step's result.
    pub(crate) fn each_turn_in_words<T>(
        &self,
        subject: &Subject<'_>,
        mut each: impl FnMut(&Turn<'_>, &[String]) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let stored = self.instruction(subject.questions.first().ok_or_else(no_question)?)?;
        self.each_turn(subject, |turn| each(turn, &stored.instruction.results))
    }

    /// The stamp of a measure of the pictures: of its version, of the edits, of the decoder, and of what else shapes it.
    pub(crate) fn stamp_of_measure(
        &self,
        version: &[u8],
        more: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
    ) -> Stamp {
        let edits = self.edits.operator().stamp_of_pictures();
        let mut parts = vec![
            ("operator", version.to_vec()),
            ("edits", edits.0.0.to_vec()),
            ("decode", decoder_stamp(Purpose::Full).into_bytes()),
        ];
        parts.extend(more);
        Stamp::of_gathered(&parts)
    }
}

fn no_question() -> Refusal {
    Refusal::transient("no_question", "there is no edit to look at")
}

/// That an edit has no turns.
pub(crate) fn no_turns() -> Refusal {
    Refusal::permanent("no_step", "an edit of no turns has nothing to be measured")
}

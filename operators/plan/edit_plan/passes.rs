//! From the steps of an edit to the passes that an editor makes, and to the pictures that are published.
//!
//! What is added was there all along: the object is taken out, and the emptied picture is what the edit starts from
//! (ImgEdit's way). A hybrid's second pass works on the first one's output; the third turn of `version_backtracking` works on
//! what the second started from.

use serde::{Deserialize, Serialize};

use super::{EditType, MadeBy, Needs, Operation, Telling};

/// A picture of an edit: the source's own, or what a pass made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    Original,
    /// The second frame of the sample, of `action`.
    EndFrame,
    /// What the pass of this number made.
    Made(usize),
}

/// One call of an editor: `operation` on `from`, about the object of step `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPass {
    pub operation: Operation,
    pub step: usize,
    pub from: Shown,
}

/// An edit as passes, and what its turns show: `turns[n]` is the input and the output of turn `n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passes {
    pub passes: Vec<PlannedPass>,
    pub turns: Vec<(Shown, Shown)>,
}

/// The passes of an edit whose steps are these operations: as [`EditPlan::steps`](super::EditPlan::steps).
pub fn passes(edit_type: EditType, operations: &[Operation]) -> Passes {
    let mut made = Passes { passes: Vec::new(), turns: Vec::new() };
    if edit_type.needs() == Needs::TwoFrames {
        made.turns.push((Shown::Original, Shown::EndFrame));
        return made;
    }
    match edit_type.told() {
        Telling::Joined => {
            // What is added must be missing from the input, and the other operation must not touch it.
            let (mut input, mut output) = (Shown::Original, Shown::Original);
            for (step, &operation) in operations.iter().enumerate() {
                match operation.made() {
                    MadeBy::ByRemoval => input = made.pass(Operation::Remove, step, input),
                    MadeBy::ByEditor | MadeBy::OnFilm => output = made.pass(operation, step, output),
                }
            }
            made.turns.push((input, output));
        }
        Telling::Single | Telling::UnderPremise | Telling::Chained | Telling::Withdrawing => {
            let withdraws = edit_type.told() == Telling::Withdrawing;
            let mut shown = Shown::Original;
            for (step, &operation) in operations.iter().enumerate() {
                // A withdrawn turn: the conversation goes on from the picture before it.
                let last = step + 1 == operations.len();
                let before = made.turns.last().filter(|_| withdraws && last).map(|(input, _)| *input);
                let turn = match operation.made() {
                    // The object is there: taken out, the picture is what the turn starts from.
                    MadeBy::ByRemoval => (made.pass(Operation::Remove, step, shown), shown),
                    MadeBy::ByEditor | MadeBy::OnFilm => {
                        (shown, made.pass(operation, step, before.unwrap_or(shown)))
                    }
                };
                shown = turn.1;
                made.turns.push(turn);
            }
        }
    }
    made
}

impl Passes {
    fn pass(&mut self, operation: Operation, step: usize, from: Shown) -> Shown {
        self.passes.push(PlannedPass { operation, step, from });
        Shown::Made(self.passes.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Operation::*;
    use super::Shown::*;
    use super::*;

    fn pass(operation: Operation, step: usize, from: Shown) -> PlannedPass {
        PlannedPass { operation, step, from }
    }

    #[test]
    fn what_is_added_is_taken_out_first() {
        let made = passes(EditType::Add, &[Add]);
        assert_eq!(made.passes, [pass(Remove, 0, Original)]);
        assert_eq!(made.turns, [(Made(0), Original)]);
        let made = passes(EditType::Hybrid, &[Adjust, Add]);
        assert_eq!(made.passes, [pass(Adjust, 0, Original), pass(Remove, 1, Original)]);
        assert_eq!(made.turns, [(Made(1), Made(0))]);
        let made = passes(EditType::Hybrid, &[Remove, Replace]);
        assert_eq!(made.passes, [pass(Remove, 0, Original), pass(Replace, 1, Made(0))]);
        assert_eq!(made.turns, [(Original, Made(1))]);
    }

    #[test]
    fn conversations_chain_and_a_withdrawn_turn_leaves_no_trace() {
        let made = passes(EditType::ContentUnderstanding, &[Add, Adjust, Remove]);
        assert_eq!(
            made.passes,
            [pass(Remove, 0, Original), pass(Adjust, 1, Original), pass(Remove, 2, Made(1))]
        );
        assert_eq!(made.turns, [(Made(0), Original), (Original, Made(1)), (Made(1), Made(2))]);
        let made = passes(EditType::VersionBacktracking, &[Add, Replace, Adjust]);
        assert_eq!(
            made.passes,
            [pass(Remove, 0, Original), pass(Replace, 1, Original), pass(Adjust, 2, Original)]
        );
        assert_eq!(made.turns, [(Made(0), Original), (Original, Made(1)), (Made(1), Made(2))]);
        let made = passes(EditType::ContentMemory, &[Replace, Adjust]);
        assert_eq!(made.turns, [(Original, Made(0)), (Made(0), Made(1))]);
    }

    #[test]
    fn frames_are_taken_as_they_are() {
        assert_eq!(
            passes(EditType::Action, &[Action]),
            Passes { passes: vec![], turns: vec![(Original, EndFrame)] }
        );
    }
}

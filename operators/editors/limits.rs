//! What editors can make of an operation, if they cannot make everything. The writer is told so before anybody pays for words that no
//! editor can carry out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::editors::{Editor, Results};
use crate::plan::edit_plan::{EditPlan, Instruction, Operation};

/// The limits of a run's editors, by operation. An operation whose editor makes whatever it is told has none.
#[derive(Debug, Default)]
pub struct Limits(BTreeMap<Operation, Results>);

impl Limits {
    /// Of these editors, in the order in which they are asked whether they can.
    pub fn of(editors: &[Arc<dyn Editor>]) -> Arc<Self> {
        let limit = |operation: Operation| {
            let editor = editors.iter().find(|editor| editor.can(operation))?;
            Some((operation, editor.results(operation)?))
        };
        let limited = Operation::ALL.into_iter().filter(|operation| operation.has_result());
        Arc::new(Limits(limited.filter_map(limit).collect()))
    }

    /// What the result of this operation must be, for a writer.
    pub fn told(&self, operation: Operation) -> Option<&str> {
        self.0.get(&operation).map(|results| results.told.as_str())
    }

    /// Whether the editors can make what the instruction says. The error is one sentence, fit to be sent back to the writer.
    pub fn check(&self, instruction: &Instruction, plan: &EditPlan) -> Result<(), String> {
        for (step, result) in plan.steps.iter().zip(&instruction.results) {
            if let Some(results) = self.0.get(&step.operation)
                && !(results.makes)(result)
            {
                return Err(format!(
                    "the editor cannot make {result:?} of {}: the result must be {}",
                    step.operation.name(),
                    results.told
                ));
            }
        }
        Ok(())
    }

    /// What of them shapes an instruction; nothing where there are none.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let part = |(operation, results): (&Operation, &Results)| {
            ("limit", format!("{}: {}", operation.name(), results.told).into_bytes())
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::editors::Pass;
    use crate::editors::paint::Paint;
    use crate::pixels::mask::Mask;
    use crate::plan::edit_plan::{Changes, EditType, Outcome, PlannedStep};

    #[test]
    fn what_the_embedded_editor_says_that_it_makes_it_makes_and_nothing_else() {
        let limits = Limits::of(&[Arc::new(Paint)]);
        let picture = RgbImage::from_pixel(64, 64, image::Rgb([90, 120, 60]));
        let mut mask = Mask::empty(64, 64);
        (20 * 64..40 * 64).filter(|at| (20..40).contains(&(at % 64))).for_each(|at| mask.bits[at] = 1);
        let words = [
            "a red star",
            "a wooden crate",
            "a snowman",
            "a green tent",
            "a turquoise cup",
            "a blue cup",
            "a striped cup",
            "a silver cup",
            "a starry night sky",
            "a dense fog",
            "a snowy field",
            "watercolour",
            "pencil drawing",
            "pixel art",
            "",
            "Pop Art",
            "a metallic box",
        ];
        let mut seen = [0, 0];
        let said =
            |operation: &Operation| !matches!(operation.outcome(), Outcome::Nothing | Outcome::Reference);
        let limited: Vec<Operation> = Operation::ALL.into_iter().filter(said).collect();
        for &operation in &limited {
            for result in words {
                let pass = Pass {
                    operation,
                    picture: &picture,
                    mask: (operation.changes() != Changes::Picture).then_some(&mask),
                    reference: None,
                    object: "cup",
                    instruction: "",
                    result,
                    seed: 7,
                };
                let made = Paint.edit(&pass).map(drop).map_err(|refusal| refusal.class);
                let says = (limits.0[&operation].makes)(result);
                assert_eq!(
                    made,
                    if says { Ok(()) } else { Err("cannot_paint".into()) },
                    "{operation:?} {result}"
                );
                seen[usize::from(says)] += 1;
                let steps = vec![PlannedStep { operation, object: None }];
                let plan = EditPlan {
                    edit_type: EditType::Replace,
                    width: 64,
                    height: 64,
                    caption: String::new(),
                    steps,
                    pick: 0,
                };
                let instruction = Instruction { results: vec![result.to_owned()], ..Instruction::default() };
                let said = limits.check(&instruction, &plan);
                assert_eq!(said.is_ok(), says, "{said:?}");
                assert!(said.err().is_none_or(|said| said.contains(limits.told(operation).unwrap())));
            }
        }
        assert!(seen.into_iter().all(|times| times > 8), "{seen:?}");
        assert_eq!(limits.stamp_parts().len(), limited.len());
        assert_eq!(limits.told(Operation::Visual), None, "a picture says it");
    }

    #[test]
    fn there_are_no_limits_where_an_editor_makes_what_it_is_told() {
        assert!(Limits::of(&[]).stamp_parts().is_empty());
        assert_eq!(
            Limits::default().check(
                &Instruction::default(),
                &EditPlan {
                    edit_type: EditType::Style,
                    width: 1,
                    height: 1,
                    caption: String::new(),
                    steps: vec![PlannedStep { operation: Operation::Style, object: None }],
                    pick: 0,
                }
            ),
            Ok(())
        );
    }
}

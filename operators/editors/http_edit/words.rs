//! The words that an editing model gets, for each operation.
//!
//! The published instruction is not always what is to be done in this pass: an `add` is made by taking the object out, and a `hybrid` says
//! two things at once. So the words are those of the pass, unless the settings say otherwise.

use threshflow::row::Refusal;

use crate::editors::Pass;
use crate::pixels::mask::Mask;
use crate::plan::edit_plan::Operation;

/// Raise this when a prompt changes.
pub(super) const VERSION: &[u8] = b"1";

/// Which words a model gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// Of this pass: operation, object, where it is, and what comes of it.
    #[default]
    OfThePass,
    /// The instruction as it will be published, where there is one: for measuring how a model follows it.
    Instruction,
}

const ELSE: &str = "Keep everything else exactly as it is.";

/// The prompt of a pass; refused as `no_words` where there are none to make it of.
pub(super) fn prompt(pass: &Pass<'_>, wording: Wording) -> Result<String, Refusal> {
    let instruction = Some(pass.instruction.trim()).filter(|words| !words.is_empty()).map(str::to_string);
    let words = match wording {
        Wording::Instruction => instruction.or_else(|| of_the_pass(pass)),
        Wording::OfThePass => of_the_pass(pass).or(instruction),
    };
    words.ok_or_else(|| {
        let message =
            format!("{} has no object or no result in words, and no instruction", pass.operation.name());
        Refusal::permanent("no_words", message)
    })
}

fn of_the_pass(pass: &Pass<'_>) -> Option<String> {
    let said = |words: &str| Some(words.trim().to_string()).filter(|words| !words.is_empty());
    let (object, result) = (said(pass.object), said(pass.result));
    let place = pass.mask.and_then(place).map(|place| format!(" {place}")).unwrap_or_default();
    Some(match pass.operation {
        Operation::Action => return None,
        Operation::Add => format!("Add this to the picture{place}: {}. {ELSE}", result.or(object)?),
        Operation::Remove => {
            format!("Remove the {}{place}, and show what would be seen behind it. {ELSE}", object?)
        }
        Operation::Replace => format!(
            "Replace the {}{place} with {}, at about the same size and in the same light. {ELSE}",
            object?, result?
        ),
        Operation::Adjust => format!(
            "Change the {}{place} into {}. It stays the same thing, with the same outline and in the same place. {ELSE}",
            object?, result?
        ),
        Operation::Style => {
            format!(
                "Show this whole picture in another style: {}. What is in it, and where, stays the same.",
                result?
            )
        }
        Operation::Extract => {
            format!("Cut out the {}{place}: show nothing else, unchanged, on an even white ground.", object?)
        }
        Operation::Visual => format!(
            "Put the object that the second picture shows in the place of the {}{place} of the first picture, at a fitting size and in \
             the same light. {ELSE}",
            object?
        ),
        Operation::Background => format!(
            "Change the background of this picture, the {}, into {}. Keep everything in front of it exactly as it is.",
            object?, result?
        ),
    })
}

/// Where a mask lies, by thirds of the picture: `in the upper left`.
fn place(mask: &Mask) -> Option<&'static str> {
    let [left, top, right, bottom] = mask.bounds()?;
    let third = |start: u32, end: u32, length: u32| {
        let middle = (u64::from(start) + u64::from(end)) * 3 / (2 * u64::from(length.max(1)));
        middle.min(2) as usize
    };
    const PLACES: [[&str; 3]; 3] = [
        ["in the upper left", "at the top", "in the upper right"],
        ["on the left", "in the middle", "on the right"],
        ["in the lower left", "at the bottom", "in the lower right"],
    ];
    Some(PLACES[third(top, bottom, mask.height)][third(left, right, mask.width)])
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::plan::edit_plan::{Changes, MadeBy, Outcome};

    fn mask(from: (u32, u32), to: (u32, u32)) -> Mask {
        let mut mask = Mask::empty(90, 60);
        for (x, y) in (from.1..to.1).flat_map(|y| (from.0..to.0).map(move |x| (x, y))) {
            mask.bits[(y * 90 + x) as usize] = 1;
        }
        mask
    }

    #[test]
    fn a_prompt_names_what_is_to_be_done_in_this_pass() {
        let (picture, region) = (RgbImage::new(90, 60), mask((70, 0), (80, 10)));
        let pass = |operation, object, result, instruction| Pass {
            operation,
            picture: &picture,
            mask: Some(&region),
            reference: None,
            object,
            instruction,
            result,
            seed: 0,
        };
        // An `add`: what the pass does is the opposite of what is published.
        let removing = pass(Operation::Remove, "red kite", "", "Add a red kite to the sky.");
        let prompt_of = |pass: &Pass<'_>| prompt(pass, Wording::OfThePass).unwrap();
        assert!(prompt_of(&removing).starts_with("Remove the red kite in the upper right, "));
        assert_eq!(prompt(&removing, Wording::Instruction).unwrap(), "Add a red kite to the sky.");
        for operation in Operation::ALL {
            if operation.made() == MadeBy::OnFilm {
                continue;
            }
            let whole = operation.changes() == Changes::Picture;
            let words = prompt_of(&pass(operation, "red kite", "a paper moon", ""));
            assert!(words.contains("red kite") || whole || operation == Operation::Add, "{words}");
            assert_eq!(
                words.contains("a paper moon"),
                !matches!(operation.outcome(), Outcome::Nothing | Outcome::Reference)
                    || operation == Operation::Add,
                "{words}"
            );
            // Without an object there is nothing to name; the instruction may.
            if !whole {
                let bare = pass(operation, " ", "", " Do as I say. ");
                assert_eq!(prompt_of(&bare), "Do as I say.");
                let refusal = prompt(&pass(operation, "", "", ""), Wording::Instruction).unwrap_err();
                assert_eq!(refusal.class, "no_words");
            }
        }
    }

    #[test]
    fn places_are_thirds() {
        for (from, to, wanted) in [
            ((0, 0), (90, 60), "in the middle"),
            ((0, 50), (90, 60), "at the bottom"),
            ((0, 20), (20, 40), "on the left"),
            ((89, 59), (90, 60), "in the lower right"),
            ((0, 0), (1, 1), "in the upper left"),
        ] {
            assert_eq!(place(&mask(from, to)), Some(wanted), "{from:?} {to:?}");
        }
        assert_eq!(place(&Mask::empty(3, 3)), None);
    }
}

//! Whether an instruction says what its plan is about. Shared by everything that writes instructions: an answer of a chat model
//! is sent back with the complaint, and what the embedded grammar makes must pass.
//!
//! Of every instruction:
//! - as many prompts as the type has turns, as many results as the plan has steps; each prompt one line of at most
//!   `MOST_WORDS` words, `MOST_WORDS_OF_TWO` where it holds two operations;
//! - a result where [the operation has one](Operation::has_result), and else none: a noun phrase of at most `MOST_OF_RESULT`
//!   words that opens with no verb and ends with no full stop; a style's name has at most `MOST_OF_STYLE`;
//! - a premise for `content_memory`, and for no other type.
//!
//! | type | its prompts |
//! |---|---|
//! | `add`, `remove` | name the object, its place ([`Position`]) and, where it is large or small, its [`Size`] |
//! | `replace` | names the object and its place; the result is another thing, at most `MOST_OF_NEW_OBJECT` words without its article, and the prompt names it |
//! | `adjust` | names the object; the result is the same kind of thing (the noun's head), and not the noun as it was |
//! | `extract` | names the object, and says that it is cut out |
//! | `visual` | names the object, and speaks of the reference |
//! | `background` | names the background, and no object: `check_beside`; shares a word with its result |
//! | `style` | shares a word with its result |
//! | `action` | speaks of no frames and no video |
//! | `hybrid` | one sentence, names both objects; replaced and adjusted as above, without places |
//! | `content_memory` | each turn names its object; no telling word of the premise stands in a turn |
//! | `content_understanding` | turn 1 names the object; turns 2 and 3 have a pronoun in its stead, and don't name it |
//! | `version_backtracking` | turns 1 and 2 name the object, or turn 2 has a pronoun; turn 3 withdraws turn 2 and has one or the other |
//!
//! Naming is to the letter, whole words, in any case. An instruction to remove may not open with a verb of adding, nor the other
//! way round.

use super::place::{Position, Size, without};
use super::words::{count, head, names, parts, same_kind, stands_alone, telling, words};
use super::{Changes, EditPlan, Instruction, Operation, Outcome, PlannedObject, PlannedStep, Shows, Telling};

/// Words of a prompt of one operation, at most.
pub(crate) const MOST_WORDS: usize = 30;
/// Words of a prompt of two operations, at most.
pub(crate) const MOST_WORDS_OF_TWO: usize = 50;
/// Words of a result, at most.
pub(crate) const MOST_OF_RESULT: usize = 12;
/// Words of a style's name, at most.
pub(crate) const MOST_OF_STYLE: usize = 5;
/// Words of what replaces an object, without its article: at most one adjective, and a noun of up to three.
pub(crate) const MOST_OF_NEW_OBJECT: usize = 4;
/// Words of a premise, at most.
pub(crate) const MOST_OF_PREMISE: usize = 40;

/// Words that stand for an object named before.
pub(crate) const PRONOUNS: [&str; 15] = [
    "it", "its", "itself", "them", "their", "they", "that", "this", "those", "these", "one", "him", "his",
    "her", "she",
];
/// Words that withdraw a turn.
pub(crate) const WITHDRAWING: [&str; 17] = [
    "undo", "undoing", "revert", "withdraw", "back", "cancel", "discard", "forget", "restore", "return",
    "drop", "previous", "scrap", "reverse", "rollback", "unmake", "ignore",
];
/// Words that say that an object is cut out.
pub(crate) const CUTTING: [&str; 12] = [
    "cut",
    "cutout",
    "extract",
    "extracted",
    "isolate",
    "isolated",
    "separate",
    "lift",
    "background",
    "backdrop",
    "segment",
    "transparent",
];
const ADDING: [&str; 5] = ["add", "insert", "introduce", "place", "put"];
const REMOVING: [&str; 6] = ["remove", "delete", "erase", "eliminate", "clear", "take"];

/// Whether the instruction fits its plan. The error is one sentence about what is wrong with it, fit to be sent back.
pub fn check(instruction: &Instruction, plan: &EditPlan) -> Result<(), String> {
    check_beside(instruction, plan, &[])
}

/// As [`check`]; besides, an instruction about a background names none of these objects of the picture.
pub(crate) fn check_beside(
    instruction: &Instruction,
    plan: &EditPlan,
    objects: &[&str],
) -> Result<(), String> {
    check_shape(instruction, plan)?;
    let steps = &plan.steps;
    let turns = |number: usize| &instruction.prompts[number];
    let results = &instruction.results;
    match plan.edit_type.told() {
        Telling::Joined => check_hybrid(instruction, steps),
        Telling::UnderPremise => {
            for (number, step) in steps.iter().enumerate() {
                check_names(turns(number), step).map_err(|why| in_turn(number, why))?;
                check_result(turns(number), &results[number], step).map_err(|why| in_turn(number, why))?;
            }
            check_premise(instruction, steps)
        }
        Telling::Chained | Telling::Withdrawing => {
            let withdraws = plan.edit_type.told() == Telling::Withdrawing;
            for (number, step) in steps.iter().enumerate() {
                let refers = match number {
                    0 => check_names(turns(0), step),
                    _ => check_refers(turns(number), step, withdraws),
                };
                let result = || check_result(turns(number), &results[number], step);
                refers.and_then(|()| result()).map_err(|why| in_turn(number, why))?;
            }
            let last = steps.len() - 1;
            if withdraws && !has_one_of(turns(last), &WITHDRAWING) {
                let why = format!("it does not withdraw turn {last}, say \"undo\" or \"go back\"");
                return Err(in_turn(last, why));
            }
            Ok(())
        }
        Telling::Single => check_single(turns(0), &results[0], plan, &steps[0], objects),
    }
}

/// Numbers, lengths and what must be there at all.
fn check_shape(instruction: &Instruction, plan: &EditPlan) -> Result<(), String> {
    let (kind, turns, steps) = (plan.edit_type, plan.edit_type.turns(), plan.steps.len());
    let (due, told) = (kind.steps().len(), kind.told());
    if steps != due {
        return Err(format!("a plan of {kind} has {due} steps, this one has {steps}"));
    }
    if instruction.prompts.len() != turns {
        let given = instruction.prompts.len();
        return Err(format!("there must be {turns} prompts for {kind}, {given} were given"));
    }
    if instruction.results.len() != steps {
        let given = instruction.results.len();
        return Err(format!("there must be {steps} results for {kind}, {given} were given"));
    }
    let most = if told == Telling::Joined { MOST_WORDS_OF_TWO } else { MOST_WORDS };
    for (number, prompt) in instruction.prompts.iter().enumerate() {
        check_prompt(prompt, most).map_err(|why| in_turn_of(number, turns, why))?;
    }
    for (result, step) in instruction.results.iter().zip(&plan.steps) {
        check_phrase(result, step.operation)?;
    }
    match &instruction.premise {
        Some(_) if told != Telling::UnderPremise => Err(format!("{kind} has no premise")),
        None if told == Telling::UnderPremise => Err("the premise is missing".into()),
        Some(premise) => {
            check_prompt(premise, MOST_OF_PREMISE).map_err(|why| format!("of the premise: {why}"))
        }
        None => Ok(()),
    }
}

fn check_prompt(prompt: &str, most: usize) -> Result<(), String> {
    if words(prompt).is_empty() {
        return Err("it is empty".into());
    }
    if prompt.chars().any(|letter| letter.is_control() || "{}<>`".contains(letter)) {
        return Err("it must be one plain line without brackets".into());
    }
    match count(prompt) {
        words if words > most => Err(format!("it has {words} words, at most {most} are allowed")),
        _ => Ok(()),
    }
}

/// A result by itself: a noun phrase, a style's name, or nothing.
fn check_phrase(result: &str, operation: Operation) -> Result<(), String> {
    const VERBS: [&str; 12] = [
        "add",
        "remove",
        "replace",
        "change",
        "make",
        "turn",
        "convert",
        "adjust",
        "render",
        "put",
        "set",
        "transform",
    ];
    let name = operation.name();
    let said = words(result);
    if !operation.has_result() {
        let empty = result.trim().is_empty();
        return if empty { Ok(()) } else { Err(format!("the result of {name} must be empty")) };
    }
    let Some(first) = said.first() else {
        return Err(format!("the result of {name} is missing: what is there afterwards, in a few words"));
    };
    check_prompt(result, usize::MAX).map_err(|why| format!("of the result: {why}"))?;
    if VERBS.contains(&first.as_str()) || result.trim_end().ends_with('.') {
        return Err(format!("the result {result:?} must be a noun phrase, not a sentence"));
    }
    let most = match operation.outcome() {
        Outcome::Nothing => 0,
        Outcome::Style => MOST_OF_STYLE,
        Outcome::Thing | Outcome::Reference => MOST_OF_NEW_OBJECT + usize::from(is_article(first)),
        Outcome::Look | Outcome::Ground => MOST_OF_RESULT,
    };
    match count(result) {
        words if words > most => {
            Err(format!("the result {result:?} has {words} words, at most {most} are allowed"))
        }
        _ => Ok(()),
    }
}

fn check_single(
    prompt: &str,
    result: &str,
    plan: &EditPlan,
    step: &PlannedStep,
    objects: &[&str],
) -> Result<(), String> {
    let operation = step.operation;
    match operation.changes() {
        Changes::Picture => check_result(prompt, result, step)?,
        Changes::Motion => {
            const PICTURES: [&str; 6] =
                ["video", "first frame", "second frame", "last frame", "first image", "second image"];
            if let Some(told) = PICTURES.iter().find(|told| names(prompt, told)) {
                return Err(format!("it speaks of the {told}, but it must read as an edit of one picture"));
            }
        }
        Changes::Object | Changes::Background | Changes::Surroundings => {
            check_names(prompt, step)?;
            check_result(prompt, result, step)?;
        }
    }
    let Some(object) = &step.object else { return Ok(()) };
    let rest = without(prompt, &object.noun);
    match operation {
        Operation::Add | Operation::Remove => {
            Position::of(object.bbox, plan.width, plan.height).told_by(&rest)?;
            Size::of(object.bbox, plan.width, plan.height).told_by(&rest)
        }
        Operation::Replace => Position::of(object.bbox, plan.width, plan.height).told_by(&rest),
        Operation::Extract => match has_one_of(prompt, &CUTTING) {
            true => Ok(()),
            false => Err("it does not say that the object is cut out on a clean background".into()),
        },
        Operation::Visual => match has_one_of(prompt, &["reference"]) {
            true => Ok(()),
            false => Err("it does not speak of the reference picture".into()),
        },
        Operation::Background => match objects.iter().find(|named| names(&rest, named)) {
            Some(named) => Err(format!("it mentions {named:?}, but only the background may be changed")),
            None => Ok(()),
        },
        Operation::Adjust | Operation::Action | Operation::Style => Ok(()),
    }
}

fn check_hybrid(instruction: &Instruction, steps: &[PlannedStep]) -> Result<(), String> {
    let prompt = &instruction.prompts[0];
    for (step, result) in steps.iter().zip(&instruction.results) {
        let noun = object(step)?.noun.as_str();
        if !names(prompt, noun) {
            return Err(format!("it does not name the object {noun:?}"));
        }
        check_result(prompt, result, step)?;
    }
    let sentence = prompt.trim().trim_end_matches(['.', '!', '?']);
    match [". ", "! ", "? ", "; "].iter().any(|end| sentence.contains(end)) {
        true => Err("it must be one sentence that holds both operations".into()),
        false => Ok(()),
    }
}

/// No telling word of the premise stands in a turn, but for the objects' own names.
fn check_premise(instruction: &Instruction, steps: &[PlannedStep]) -> Result<(), String> {
    /// Says nothing of what all turns obey.
    const OF_EVERY_PREMISE: &str = "you your we i please when which also use become becomes give given another different other others \
        kind look looks like appear appearance remember next both every everything edit edits edited change \
        changes changed must should object objects turn turns following keep make made new from now \
        conversation item items thing things whatever will shall adjust replace replaced adjusted throughout \
        always result";
    let premise = instruction.premise.as_deref().unwrap_or_default();
    let nouns: Vec<String> =
        steps.iter().filter_map(|step| step.object.as_ref()).flat_map(|object| words(&object.noun)).collect();
    let own = |word: &String| OF_EVERY_PREMISE.split(' ').all(|known| known != word) && !nouns.contains(word);
    let telling: Vec<String> = telling(premise).into_iter().filter(own).collect();
    if telling.is_empty() {
        return Err("the premise does not say what all turns obey".into());
    }
    for (number, prompt) in instruction.prompts.iter().enumerate() {
        let said = words(prompt);
        // One letter of a script without blanks says nothing by itself.
        let whole = |word: &&String| !word.starts_with(stands_alone);
        if let Some(word) = telling.iter().filter(whole).find(|word| said.contains(word)) {
            return Err(in_turn(number, format!("it repeats {word:?} of the premise")));
        }
    }
    Ok(())
}

/// The object is named, and the instruction does not open with the opposite of its operation.
fn check_names(prompt: &str, step: &PlannedStep) -> Result<(), String> {
    let noun = &object(step)?.noun;
    if !names(prompt, noun) {
        return Err(format!("it does not name the object {noun:?} to the letter"));
    }
    let first = words(prompt).into_iter().next().unwrap_or_default();
    let opposite: &[&str] = match step.operation.shows() {
        Shows::Gone => &ADDING,
        Shows::Come => &REMOVING,
        Shows::Another | Shows::Altered | Shows::Same | Shows::Unknown => &[],
    };
    match opposite.contains(&first.as_str()) {
        true => Err(format!("it opens with {first:?}, but the operation is {}", step.operation.name())),
        false => Ok(()),
    }
}

/// A later turn: a pronoun in the object's stead; where a turn is withdrawn the name will do as well.
fn check_refers(prompt: &str, step: &PlannedStep, names_it_or_not: bool) -> Result<(), String> {
    let noun = &object(step)?.noun;
    let (pronoun, named) = (has_one_of(prompt, &PRONOUNS), names(prompt, noun));
    match (pronoun, named) {
        (_, true) if names_it_or_not => Ok(()),
        (true, false) => Ok(()),
        (_, true) => Err(format!("it names {noun:?} again, where a pronoun must stand")),
        (false, false) => Err(format!("it refers to {noun:?} by no pronoun")),
    }
}

/// The result against the object that it comes of, and against the prompt that asks for it.
fn check_result(prompt: &str, result: &str, step: &PlannedStep) -> Result<(), String> {
    let bare = |text: &str| {
        let all = words(text);
        all.iter().filter(|word| !is_article(word)).cloned().collect::<Vec<_>>()
    };
    let as_before = || format!("the result is {result:?}, as it was before");
    match step.operation.outcome() {
        Outcome::Nothing => return Ok(()),
        Outcome::Reference => return object(step).map(drop),
        Outcome::Thing if bare(&object(step)?.noun) == bare(result) => return Err(as_before()),
        Outcome::Look => {
            let noun = &object(step)?.noun;
            if bare(noun) == bare(result) {
                return Err(as_before());
            }
            let kind = head(noun).unwrap_or_default();
            return match words(result).iter().any(|word| same_kind(word, &kind)) {
                true => Ok(()),
                false => Err(format!("the result {result:?} must still be a {kind}, only its look changes")),
            };
        }
        Outcome::Thing | Outcome::Ground | Outcome::Style => {}
    }
    let said = words(prompt);
    match telling(result).iter().any(|word| said.iter().any(|said| same_kind(said, word))) {
        true => Ok(()),
        false => Err(format!("it does not name its result {result:?}")),
    }
}

fn object(step: &PlannedStep) -> Result<&PlannedObject, String> {
    step.object.as_ref().ok_or_else(|| format!("the plan's step {} has no object", step.operation.name()))
}

fn has_one_of(prompt: &str, known: &[&str]) -> bool {
    parts(prompt).iter().any(|word| known.contains(&word.as_str()))
}

fn is_article(word: &str) -> bool {
    matches!(word, "a" | "an" | "the")
}

fn in_turn(number: usize, why: String) -> String {
    format!("turn {}: {why}", number + 1)
}

fn in_turn_of(number: usize, turns: usize, why: String) -> String {
    if turns == 1 { why } else { in_turn(number, why) }
}

#[cfg(test)]
mod tests;

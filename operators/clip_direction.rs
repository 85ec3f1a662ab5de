//! `clip_direction`: whether the picture changed as the words did, by a CLIP.
//!
//! The cosine, -1 to 1, of two differences of embeddings of length 1: of what the picture shows, after less before, and of the words for it,
//! after less before (the directional similarity of StyleGAN-NADA, arXiv 2108.00946, eq. 2, by which InstructPix2Pix, arXiv 2211.09800,
//! section 3.1.2, chose its pairs).
//!
//! | operation | seen, before and after | words before | words after |
//! |---|---|---|---|
//! | add | the object's box | the empty text | its noun |
//! | remove | the object's box | its noun | the empty text |
//! | replace, visual | the object's box | its noun | what is put in; where nobody said, the empty text |
//! | adjust | the object on white | its noun | the noun phrase that it becomes |
//! | background | the background on white | its noun | the new ground; where nobody said, the empty text |
//! | style | the whole picture | the empty text | the style |
//! | extract, action | nothing: the words are of no change that a picture shows | | |
//!
//! It is 0 where the picture did not change, and 1 where there is nothing to measure: no words, or the same before and after. Of an edit of
//! several turns or steps the least counts.

use threshflow::lane::{Key, Limits, Looks, Operator, Question, Reply, Subject};
use threshflow::row::{ContentHash, Refusal, Stamp};
use threshflow::shard::Picture;

use crate::edit::EditPictures;
use crate::edit::turns::{Turn, no_turns};
use crate::edit_source::{Planned, of_step};
use crate::judge::clip::{JudgeClip, seen_of, target_of};
use crate::models::embedding::cosine;
use crate::pixels::full::bytes_to_decode;
use crate::pixels::mask::Mask;
use crate::plan::edit_plan::{EditType, Operation, Outcome, PlannedStep, Shows};
use crate::scores::scores;

scores! {
    /// How far the picture changed as the words did.
    Direction:
    /// Whether the picture changed as the words did: 1 is just so, 0 is any other way, below it is the opposite.
    ClipDirection "clip_direction" "cosine, -1 to 1" -1.0 1.0 Less;
}

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"clip_direction/1";

/// What is said of a thing that is not there: CLIP's own stand-in for "no words".
const NOTHING: &str = "";

/// Holds how pictures changed against how their words did.
pub struct DirectionByClip {
    clip: JudgeClip,
    pictures: EditPictures,
}

/// A step made ready: what was seen before and after, and the words' embeddings.
pub struct ToSee {
    crops: [Vec<u8>; 2],
    words: [Vec<f32>; 2],
}

/// The words for what a step's region shows, before and after; `None` where there are none to go by.
fn words_of(operation: Operation, noun: Option<&str>, result: Option<&str>) -> Option<[String; 2]> {
    let nothing = || NOTHING.to_owned();
    if operation.outcome() == Outcome::Style {
        return Some([nothing(), result?.trim().to_owned()]).filter(|[_, style]| !style.is_empty());
    }
    let (noun, target) = (noun?.to_owned(), target_of(operation, result));
    let words = match operation.shows() {
        Shows::Gone => [noun, nothing()],
        Shows::Come => [nothing(), noun],
        Shows::Another => [noun, target.unwrap_or_default()],
        Shows::Altered => [noun, target?],
        Shows::Same | Shows::Unknown => return None,
    };
    (words[0] != words[1]).then_some(words)
}

/// The words of each step of a plan.
fn all_words(planned: &Planned, results: &[String]) -> Vec<[String; 2]> {
    let of_step = |(n, step): (usize, &PlannedStep)| {
        let noun = planned.region_of(n).map(|region| region.object.noun.as_str());
        words_of(step.operation, noun, results.get(n).map(String::as_str))
    };
    planned.plan.steps.iter().enumerate().filter_map(of_step).collect()
}

/// The cosine of what changed: 0 where the pictures are the same, 1 where the words are.
pub fn direction(pictures: [&[f32]; 2], words: [&[f32]; 2]) -> f32 {
    let difference = |[before, after]: [&[f32]; 2]| -> Vec<f32> {
        after.iter().zip(before).map(|(after, before)| after - before).collect()
    };
    let is_none = |change: &[f32]| change.iter().all(|value| *value == 0.0);
    let (seen, said) = (difference(pictures), difference(words));
    if is_none(&said) {
        return 1.0;
    }
    if is_none(&seen) { 0.0 } else { cosine(&seen, &said).clamp(-1.0, 1.0) }
}

impl DirectionByClip {
    pub fn new(clip: JudgeClip, pictures: EditPictures) -> Self {
        DirectionByClip { clip, pictures }
    }

    fn of_turn(&self, turn: &Turn<'_>, results: &[String]) -> Result<Vec<ToSee>, Refusal> {
        let [before, after] = &turn.pair.pictures;
        let mut all = Vec::new();
        for (step, operation) in &turn.operations {
            let region = turn.planned.region_of(*step).zip(of_step(turn.masks, *step));
            let noun = region.map(|(region, _)| region.object.noun.as_str());
            let result = results.get(*step).map(String::as_str);
            let Some([said_before, said_after]) = words_of(*operation, noun, result) else { continue };
            let seen = match region {
                Some((_, mask)) => seen_of(*operation, mask).into_owned(),
                None => Mask::full(before.width(), before.height()),
            };
            let region = self.clip.region();
            let crops = [region.crop(before, &seen)?, region.crop(after, &seen)?];
            all.push(ToSee { crops, words: [region.text(&said_before)?, region.text(&said_after)?] });
        }
        Ok(all)
    }

    fn unknown(&self, question: &Question) -> Vec<(&'static str, ContentHash)> {
        let Ok(planned) = self.pictures.source().planned(question) else { return Vec::new() };
        let stored = self.pictures.instruction(question).unwrap_or_default();
        let words = all_words(&planned, &stored.instruction.results);
        self.clip.region().unknown_texts(words.iter().flatten().map(String::as_str))
    }
}

impl Operator for DirectionByClip {
    type Answer = Direction;
    type Prepared = Vec<ToSee>;
    /// The tower's are lent.
    type Session = ();

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "clip_direction"
    }

    fn stamp(&self) -> Stamp {
        self.pictures.stamp_of_measure(VERSION, self.clip.stamp_parts())
    }

    fn model(&self) -> String {
        self.clip.description()
    }

    fn demonstration(&self) -> Option<String> {
        self.clip.demonstration()
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // The original, both pictures, masks, and a cut-out.
        bytes_to_decode(picture, bytes) * 5
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        self.clip.bytes_of_steps(EditType::MOST_STEPS)
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<ToSee>, Refusal> {
        let turns = self.pictures.each_turn_in_words(subject, |turn, results| self.of_turn(turn, results))?;
        if turns.is_empty() {
            return Err(no_turns());
        }
        Ok(turns.into_iter().flatten().collect())
    }

    fn limits(&self) -> Limits {
        self.clip.limits()
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, (): &mut (), batch: &[Vec<ToSee>]) -> Vec<Result<Reply<Direction>, Refusal>> {
        let crops = batch.iter().flatten().flat_map(|step| step.crops.iter().map(Vec::as_slice));
        let mut embedded = self.clip.embed(&crops.collect::<Vec<_>>()).into_iter();
        let mut of_step = |step: &ToSee| {
            let (before, after) = (embedded.next(), embedded.next());
            let (Some(before), Some(after)) = (before, after) else {
                return Err(Refusal::transient("model_failed", "the CLIP gave no answer for this region"));
            };
            let found = direction([&before?, &after?], [&step.words[0], &step.words[1]]);
            if found.is_nan() {
                let message = "the CLIP gives no direction for this region; look at the model";
                return Err(Refusal::permanent("not_a_number", message));
            }
            Ok(Direction([found]))
        };
        let one = |edit: &Vec<ToSee>| {
            // All are taken off, whatever came of the first.
            let steps: Vec<Result<Direction, Refusal>> = edit.iter().map(&mut of_step).collect();
            let steps = steps.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok(steps.into_iter().reduce(Direction::weaker).unwrap_or(Direction([1.0])).into())
        };
        batch.iter().map(one).collect()
    }

    /// The texts that were never asked.
    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        questions.iter().flat_map(|question| self.unknown(question)).collect()
    }
}

#[cfg(test)]
mod tests;

//! `redetect`: looks again, with the detector that found the objects, at what an editor made: whether what had to go is gone, what had to come
//! has come, and the others are still there.
//!
//! Of each turn the picture that an editor made is looked at: the one after, and for what was put in, which is made by taking it out, the one
//! before.
//!
//! | column | is | where nothing is to be looked for |
//! |---|---|---|
//! | `old_found` | the best score of a box of the old noun at the region; of add, remove, replace, visual, background | 0 |
//! | `new_found` | the best score of a box of the new noun at the region; of replace, visual and background with a result. Of adjust and extract the old noun's or the result's | 1 |
//! | `others_found` | the share of the other objects that are found again, where they were. Of all but style, extract and action | 1 |
//!
//! A box is at a region where both overlap by an IoU of 0.5 or more, or its centre lies in the region's box and it is no larger. Other objects
//! are those that the detector was sure of (0.3 or more), but for what stands in the region; one is found again where a box of its noun
//! overlaps its own by an IoU of 0.5 or more, at 0.15 or more. A noun that a detector with a built-in vocabulary has no label for is not looked
//! for. Of an edit of several turns each score is that of the turn that is worst by it.

mod seen;

use std::sync::Arc;

use image::RgbImage;
use threshflow::lane::{Key, Limits, Looks, Operator, Question, Reply, Subject};
use threshflow::row::{ContentHash, Refusal, Stamp};
use threshflow::shard::Picture;

use crate::detect::{Asked, Detect};
use crate::edit::EditPictures;
use crate::edit::turns::{Turn, no_turns};
use crate::models::detect_model::Detector;
use crate::onnx::Pooled;
use crate::pixels::decode::Rgb;
use crate::pixels::full::bytes_to_decode;
use crate::plan::edit_plan::{EditType, MadeBy, Operation};
use crate::plan::noun_list::NounList;
use crate::scores::scores;
use seen::{Step, Wanted, wanted};

scores! {
    /// What a detector finds again in what an editor made.
    Redetected:
    /// How surely the detector still finds what had to go.
    OldFound "old_found" "detector's score, 0 to 1" 0.0 1.0 More;
    /// How surely it finds what had to come.
    NewFound "new_found" "detector's score, 0 to 1" 0.0 1.0 Less;
    /// How many of the other objects it finds where they were.
    OthersFound "others_found" "share of the objects" 0.0 1.0 Less;
}

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"redetect/1";

/// Looks for the objects of edits again.
pub struct Redetect {
    pictures: EditPictures,
}

/// A picture of a turn made ready, unless nothing is to be looked for in it.
pub struct ToLook {
    asked: Option<Asked>,
    wanted: Wanted,
}

impl Redetect {
    /// With the detector that found the objects of these edits.
    pub fn new(pictures: EditPictures) -> Self {
        Redetect { pictures }
    }

    fn detect(&self) -> &Detect {
        self.pictures.source().detect.operator()
    }

    /// What is to be looked at in a turn: the picture after, and, for what was put in by taking it out, the one before.
    fn of_turn(&self, turn: &Turn<'_>, results: &[String]) -> Result<Vec<ToLook>, Refusal> {
        let step = |(step, operation): &(usize, Operation)| -> Step<'_> {
            (*operation, turn.planned.region_of(*step), results.get(*step).map(String::as_str))
        };
        let by_removal = |(operation, ..): &Step<'_>| operation.made() == MadeBy::ByRemoval;
        let (before, after): (Vec<_>, Vec<_>) = turn.operations.iter().map(step).partition(by_removal);
        let sides = [before, after].into_iter().zip(&turn.pair.pictures);
        let one = |(steps, picture): (Vec<Step<'_>>, &Arc<RgbImage>)| {
            let wanted = wanted(&steps, &turn.planned.sure, |noun| self.detect().can_find(noun));
            let nouns = wanted.nouns();
            let asked = match nouns.is_empty() {
                true => None,
                false => Some(self.detect().ask_for(&Rgb::of_image(picture)?, NounList::of(nouns, [])?)?),
            };
            Ok(ToLook { asked, wanted })
        };
        sides.filter(|(steps, _)| !steps.is_empty()).map(one).collect()
    }

    fn unknown(&self, question: &Question) -> Vec<(&'static str, ContentHash)> {
        let Ok(planned) = self.pictures.source().planned(question) else { return Vec::new() };
        let stored = self.pictures.instruction(question).unwrap_or_default();
        let results = &stored.instruction.results;
        let steps: Vec<_> = planned
            .plan
            .steps
            .iter()
            .enumerate()
            .map(|(n, step)| (step.operation, planned.region_of(n), results.get(n).map(String::as_str)))
            .collect();
        let wanted = wanted(&steps, &planned.sure, |noun| self.detect().can_find(noun));
        self.detect().unknown_nouns(wanted.nouns().into_iter())
    }
}

impl Operator for Redetect {
    type Answer = Redetected;
    type Prepared = Vec<ToLook>;
    type Session = Pooled<Detector>;

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "redetect"
    }

    fn stamp(&self) -> Stamp {
        self.pictures.stamp_of_measure(VERSION, self.detect().stamp_parts_of_looking())
    }

    fn model(&self) -> String {
        self.detect().description()
    }

    fn demonstration(&self) -> Option<String> {
        self.detect().demonstration()
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // The original, both pictures, and a copy that is made ready.
        bytes_to_decode(picture, bytes) * 5
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        EditType::MOST_STEPS as u64 * self.detect().bytes_prepared(1)
    }

    fn bytes_held(&self, prepared: &Vec<ToLook>, _questions: usize) -> u64 {
        let pictures = prepared.iter().filter(|turn| turn.asked.is_some()).count();
        pictures as u64 * self.detect().bytes_prepared(1)
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<ToLook>, Refusal> {
        let turns = self.pictures.each_turn_in_words(subject, |turn, results| self.of_turn(turn, results))?;
        Ok(turns.into_iter().flatten().collect())
    }

    fn limits(&self) -> Limits {
        self.detect().limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.detect().open_session()
    }

    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Vec<ToLook>],
    ) -> Vec<Result<Reply<Redetected>, Refusal>> {
        let asked: Vec<&Asked> = batch.iter().flatten().filter_map(|turn| turn.asked.as_ref()).collect();
        let mut found = self.detect().look(session, &asked).into_iter();
        let mut of_turn = |turn: &ToLook| match turn.asked {
            None => Ok(turn.wanted.scores(&[])),
            Some(_) => {
                let lost = || Err(Refusal::transient("model_failed", "the detector lost an answer"));
                found.next().unwrap_or_else(lost).map(|found| turn.wanted.scores(&found))
            }
        };
        let one = |edit: &Vec<ToLook>| {
            // All are taken off, whatever came of the first.
            let turns: Vec<Result<Redetected, Refusal>> = edit.iter().map(&mut of_turn).collect();
            let turns = turns.into_iter().collect::<Result<Vec<_>, _>>()?;
            turns.into_iter().reduce(Redetected::weaker).ok_or_else(no_turns).map(Reply::from)
        };
        batch.iter().map(one).collect()
    }

    /// The nouns whose embeddings were never asked.
    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        questions.iter().flat_map(|question| self.unknown(question)).collect()
    }
}

#[cfg(test)]
mod tests;

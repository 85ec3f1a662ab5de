//! Edits of the ground pipeline: chosen and made by plain functions.

use std::time::Duration;

use threshflow::flow::{Chooser, Chosen};
use threshflow::lane::{Key, Limits, Looks, Operator, Reply, Subject};
use threshflow::prelude::*;
use threshflow::row::{Choice, ContentHash, Refusal, Region, RegionKind, Stamp};
use threshflow::shard::Picture;

use super::plainly;

/// How well an edit came out, 0 to 1.
pub struct Made;
impl Unit for Made {
    const NAME: &'static str = "made";
    const UNIT: &'static str = "points";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

/// Tries three edits of every picture: of one object, of two with different words, and of the picture as a whole.
pub struct Choose;

/// The edits of a picture with these regions.
pub fn choose(regions: &[Region]) -> Vec<Chosen> {
    let mut objects: Vec<&Region> =
        regions.iter().filter(|region| region.kind == RegionKind::Object).collect();
    objects.sort_by_key(|region| (region.content(), region.number));
    let too_few = || Refusal::permanent("too_few", "there are too few objects");
    let choice = |regions: &[&Region], operation: u8| {
        let mut chosen = [Choice::NONE; 2];
        chosen.iter_mut().zip(regions).for_each(|(place, region)| *place = region.number);
        Choice { regions: chosen, operations: [operation, 0, 0] }
    };
    let one = objects.first().map(|first| choice(&[first], 1)).ok_or_else(too_few);
    let pair = objects.iter().enumerate().find_map(|(place, first)| {
        let second = objects[place + 1..].iter().find(|second| second.noun != first.noun)?;
        Some(choice(&[first, second], 2))
    });
    let whole = Ok(choice(&[], 3));
    let chosen = |(number, choice)| Chosen { number, choice };
    [(0, one), (4, pair.ok_or_else(too_few)), (9, whole)].into_iter().map(chosen).collect()
}

impl Chooser for Choose {
    fn name(&self) -> &'static str {
        "choose"
    }
    fn choose(&self, _picture: &Image, regions: &[Region]) -> Vec<Chosen> {
        choose(regions)
    }
}

/// Makes edits; waits for a server that takes four at once.
pub struct Make;

impl Operator for Make {
    type Answer = Score<Made>;
    type Prepared = ContentHash;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheRow;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "make"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"make/1")])
    }
    fn model(&self) -> String {
        "make".into()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<ContentHash, Refusal> {
        match subject.questions.first() {
            Some(question) if question.edit.is_some() => Ok(question.content),
            _ => Err(Refusal::permanent("mixed_up", "this is no edit")),
        }
    }
    fn limits(&self) -> Limits {
        Limits::of_server(2, Duration::from_secs(120))
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _: &mut (), batch: &[ContentHash]) -> Vec<Result<Reply<Score<Made>>, Refusal>> {
        batch.iter().map(|edit| plainly::made(*edit).map(|made| Score::of(made).into())).collect()
    }
}

//! `compare`: measures the pictures of an edit, before and after, without a model: what changed where it should, what changed where it
//! should not, and what an editor did to all of the picture. The numbers are those of [`pixels::pair`](crate::pixels::pair).
//!
//! What may change ("inside") is:
//!
//! | operation | inside | outside | a seam is looked for |
//! |---|---|---|---|
//! | add, remove, replace, adjust, visual | the object's mask, as an editor may [widen](crate::editors::paint::reach) it | the rest | along the mask, at each pixel of the widening |
//! | background | the background's mask, widened | the rest | along the mask |
//! | extract | all but the object's mask | the object | nowhere: it is cut out on purpose |
//! | style | all of the picture | nothing | nowhere |
//! | action | all of the picture | nothing | nowhere |
//!
//! What is added was taken out of the picture before, so its seam is looked for there. Shift, zoom and cast are undone before the rest is
//! measured; of an action they are the edit itself, and stay. Of an edit of two steps in one turn, both masks are inside. Of an edit of
//! several turns, each score is that of its weakest turn: for each column, the turn that is worst by it.

mod columns;

use threshflow::lane::{Key, Limits, Looks, Operator, Reply, Subject};
use threshflow::row::{Refusal, Stamp};
use threshflow::shard::Picture;

use crate::edit::EditPictures;
use crate::edit::turns::{Turn, no_turns};
use crate::edit_source::of_step;
use crate::editors::paint;
use crate::pixels::full::bytes_to_decode;
use crate::pixels::mask::Mask;
use crate::pixels::pair::{self, Inside, Made, Wanted};
use crate::plan::edit_plan::{Changes, MadeBy, Operation};

pub use columns::*;

/// Raise this when the code changes what a number is.
const VERSION: &[u8] = b"compare/2";

/// Compares the pictures of edits.
pub struct Compare {
    pictures: EditPictures,
}

impl Compare {
    pub fn new(pictures: EditPictures) -> Self {
        Compare { pictures }
    }
}

/// A turn's pictures, measured.
fn of_turn(turn: &Turn<'_>) -> Result<Measures, Refusal> {
    let Turn { masks, operations, pair, .. } = turn;
    let reach = |mask: &Mask| paint::reach(mask.area()).min(254) as u8;
    let of = |wanted: fn(Changes) -> bool| {
        let steps = operations.iter().filter(move |(_, operation)| wanted(operation.changes()));
        steps.filter_map(|(step, operation)| Some((of_step(masks, *step)?, *operation)))
    };
    let regions: Vec<(&Mask, Operation)> =
        of(|changes| matches!(changes, Changes::Object | Changes::Background)).collect();
    let widened: Vec<(&Mask, u8)> = regions.iter().map(|(mask, _)| (*mask, reach(mask))).collect();
    let made = |operation: Operation| match operation.made() {
        MadeBy::ByRemoval => Made::Before,
        MadeBy::ByEditor | MadeBy::OnFilm => Made::After,
    };
    let seams: Vec<(&Mask, u8, Made)> =
        regions.iter().map(|(mask, operation)| (*mask, reach(mask), made(*operation))).collect();
    let cut_out = of(|changes| changes == Changes::Surroundings).next();
    let inside = match (cut_out, widened.as_slice()) {
        (Some((mask, _)), _) => Inside::AllBut(mask),
        (None, []) => Inside::Everything,
        (None, widened) => Inside::Masks(widened),
    };
    let moves = operations.iter().any(|(_, operation)| operation.changes() == Changes::Motion);
    let [before, after] = &pair.pictures;
    let compared = pair::compare(before, after, &Wanted { inside, seams: &seams, undo: !moves })?;
    Ok(Measures::of(&compared, pair.resized))
}

impl Operator for Compare {
    type Answer = Measures;
    type Prepared = Measures;
    type Session = ();

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "compare"
    }

    fn stamp(&self) -> Stamp {
        self.pictures.stamp_of_measure(VERSION, [])
    }

    fn model(&self) -> String {
        "pixels before and after".to_owned()
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // The original, both pictures, one that is moved back, and planes of a byte or a number of 4 bytes for each pixel or each fourth.
        bytes_to_decode(picture, bytes) * 8
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        (questions * size_of::<Measures>()) as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Measures, Refusal> {
        let turns = self.pictures.each_turn(subject, of_turn)?;
        turns.into_iter().reduce(Measures::weaker).ok_or_else(no_turns)
    }

    fn limits(&self) -> Limits {
        Limits::of_functions(1)
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _session: &mut (), batch: &[Measures]) -> Vec<Result<Reply<Measures>, Refusal>> {
        batch.iter().map(|measures| Ok((*measures).into())).collect()
    }
}

#[cfg(test)]
mod tests;

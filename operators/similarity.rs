//! `similarity`: how alike the pictures of an edit are to a vision tower, a CLIP's or a DINOv2: as a whole, where the edit is, and where it
//! is not.
//!
//! Each is the cosine of two embeddings, before and after, -1 to 1.
//!
//! | column | of | 1 where |
//! |---|---|---|
//! | `similarity` | both pictures, prepared as the tower's own pictures are (most towers cut the sides off) | |
//! | `similarity_inside` | the box of the object, or the background cut out on white; of what changes all of the picture or all but an object, both pictures | |
//! | `similarity_outside` | both pictures with what may change, widened as an editor may widen it, in the tower's mean colour; of an extract, the object on white | nothing is outside: style and action |
//!
//! Of an edit of several turns or steps each counts that is the worst: the least alike as a whole and outside, the most alike inside. What
//! is the same to the last bit is 1, and no model is asked about it.

use std::path::Path;

use image::RgbImage;
use threshflow::lane::{Key, Limits, Looks, Operator, Reply, Subject};
use threshflow::row::{Refusal, Stamp};
use threshflow::shard::Picture;

use crate::edit::EditPictures;
use crate::edit::turns::{Turn, no_turns};
use crate::edit_source::of_step;
use crate::editors::paint;
use crate::judge::clip::seen_of;
use crate::models::clip_model::VisionTower;
use crate::models::embedding::cosine;
use crate::models::vision_model::{VisionModel, embed};
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};
use crate::pixels::clip_crop::Preprocess;
use crate::pixels::decode::Rgb;
use crate::pixels::full::bytes_to_decode;
use crate::pixels::mask::Mask;
use crate::pixels::region_crop::{Channels, crop_image_by_mask};
use crate::plan::edit_plan::{Changes, EditType};
use crate::scores::scores;

scores! {
    /// How alike the pictures of an edit are.
    Similarities:
    /// How alike both pictures are as a whole.
    SimilarityWhole "similarity" "cosine, -1 to 1" -1.0 1.0 Less;
    /// How alike they are where the edit is: 1 is untouched.
    SimilarityInside "similarity_inside" "cosine, -1 to 1" -1.0 1.0 More;
    /// How alike they are where it is not.
    SimilarityOutside "similarity_outside" "cosine, -1 to 1" -1.0 1.0 Less;
}

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"similarity/1";

/// Compares the pictures of edits by a vision tower.
pub struct Similarity {
    model: VisionModel,
    pool: SessionPool<VisionTower>,
    pictures: EditPictures,
}

/// Two crops that are compared, and for which column.
pub struct Crops {
    column: Column,
    crops: [Vec<u8>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Whole,
    Inside,
    Outside,
}

impl Similarity {
    /// The tower in `folder`, on `cores` cores, about these pictures.
    pub fn open(
        folder: &Path,
        backend: &Backend,
        cores: usize,
        pictures: EditPictures,
    ) -> Result<Self, OnnxError> {
        let model = VisionModel::open(folder, backend)?;
        let mut plan = SessionPlan::new(backend, model.bytes(), cores);
        // Edits, each of about six crops.
        plan.most_a_batch = model.fixed_batch().unwrap_or(if backend.on_gpu() { 8 } else { 1 });
        let opened = model.clone();
        let opens = move |place, threads| opened.open_session(place, threads);
        let pool = SessionPool::open(plan, opens, |_, _| Ok(()))?;
        Ok(Similarity { model, pool, pictures })
    }

    fn crops_of(&self, turn: &Turn<'_>) -> Result<Vec<Crops>, Refusal> {
        let preprocess = self.model.preprocess();
        let [before, after] = &turn.pair.pictures;
        let crops = |column, cut: &dyn Fn(&RgbImage) -> Result<Rgb, Refusal>| -> Result<Crops, Refusal> {
            let crop = |picture| preprocess.crop_u8(&cut(picture)?);
            Ok(Crops { column, crops: [crop(before)?, crop(after)?] })
        };
        let regions = turn.operations.iter().filter_map(|(step, operation)| {
            let mask = of_step(turn.masks, *step)?;
            Some((mask, *operation))
        });
        let (mut wide, mut cut_out) = (Vec::new(), None);
        let mut all = vec![crops(Column::Whole, &Rgb::of_image)?];
        for (mask, operation) in regions {
            match operation.changes() {
                Changes::Object | Changes::Background => {
                    let seen = seen_of(operation, mask);
                    all.push(crops(Column::Inside, &|picture| on_white(picture, &seen))?);
                    wide.push(paint::widened(mask, paint::reach(mask.area())));
                }
                Changes::Surroundings => cut_out = Some(mask),
                Changes::Picture | Changes::Motion => {}
            }
        }
        if wide.is_empty() {
            all.push(crops(Column::Inside, &Rgb::of_image)?);
        } else {
            all.push(crops(Column::Outside, &|picture| {
                Rgb::of_image(&painted_over(picture, &wide, mean_of(preprocess)))
            })?);
        }
        if let Some(mask) = cut_out {
            all.push(crops(Column::Outside, &|picture| on_white(picture, mask))?);
        }
        Ok(all)
    }
}

fn on_white(picture: &RgbImage, mask: &Mask) -> Result<Rgb, Refusal> {
    crop_image_by_mask(picture, mask, Channels::Rgb)
}

/// The colour that a tower takes for zero.
fn mean_of(preprocess: &Preprocess) -> [u8; 3] {
    preprocess.mean.map(|mean| (mean / preprocess.rescale).round().clamp(0.0, 255.0) as u8)
}

fn painted_over(picture: &RgbImage, masks: &[Mask], ink: [u8; 3]) -> RgbImage {
    let mut painted = picture.clone();
    for mask in masks {
        let inside = painted.pixels_mut().zip(&mask.bits).filter(|(_, bit)| **bit != 0);
        inside.for_each(|(pixel, _)| pixel.0 = ink);
    }
    painted
}

/// The scores of one edit: of its comparisons, each with its cosine.
fn of_cosines(cosines: impl Iterator<Item = (Column, f32)>) -> Option<Similarities> {
    let one = |(column, cosine): (Column, f32)| match column {
        // Of the other columns, what counts least.
        Column::Whole => [cosine, -1.0, 1.0],
        Column::Inside => [1.0, cosine, 1.0],
        Column::Outside => [1.0, -1.0, cosine],
    };
    cosines.map(|pair| Similarities(one(pair))).reduce(Similarities::weaker)
}

/// As many comparisons as the crops of an edit come to, at most: two regions, and what is not of them, turn by turn.
const MOST_PAIRS: usize = 4 * EditType::MOST_STEPS;

impl Operator for Similarity {
    type Answer = Similarities;
    type Prepared = Vec<Crops>;
    type Session = Pooled<VisionTower>;

    const LOOKS: Looks = Looks::AtBothFrames;
    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "similarity"
    }

    fn stamp(&self) -> Stamp {
        self.pictures.stamp_of_measure(VERSION, self.model.stamp_parts())
    }

    fn model(&self) -> String {
        format!("ONNX vision tower {}", &self.model.content_hash().to_string()[..8])
    }

    fn demonstration(&self) -> Option<String> {
        self.model.demonstration()
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // The original, both pictures, one that is painted over, its crop, and masks.
        bytes_to_decode(picture, bytes) * 6
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        (2 * MOST_PAIRS * self.model.preprocess().crop_bytes()) as u64
    }

    fn bytes_held(&self, prepared: &Vec<Crops>, _questions: usize) -> u64 {
        prepared.iter().flat_map(|pair| &pair.crops).map(|crop| crop.len() as u64).sum()
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<Crops>, Refusal> {
        let turns = self.pictures.each_turn(subject, |turn| self.crops_of(turn))?;
        Ok(turns.into_iter().flatten().collect())
    }

    fn limits(&self) -> Limits {
        self.pool.limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.pool.open_session()
    }

    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Vec<Crops>],
    ) -> Vec<Result<Reply<Similarities>, Refusal>> {
        let differ = |pair: &&Crops| pair.crops[0] != pair.crops[1];
        let crops =
            batch.iter().flatten().filter(differ).flat_map(|pair| pair.crops.iter().map(Vec::as_slice));
        let mut embedded = embed(&self.pool, session, &crops.collect::<Vec<_>>()).into_iter();
        let mut cosine_of = |pair: &Crops| {
            if !differ(&pair) {
                return Ok((pair.column, 1.0));
            }
            let (before, after) = (embedded.next(), embedded.next());
            let (Some(before), Some(after)) = (before, after) else {
                return Err(Refusal::transient("model_failed", "the vision tower gave no answer"));
            };
            // Of lengths that are 1 but for rounding.
            let found = cosine(&before?, &after?).clamp(-1.0, 1.0);
            if found.is_nan() {
                let message = "the vision tower gives no cosine for these pictures; look at the model";
                return Err(Refusal::permanent("not_a_number", message));
            }
            Ok((pair.column, found))
        };
        let one = |edit: &Vec<Crops>| {
            // All are taken off, whatever came of the first.
            let cosines: Vec<Result<(Column, f32), Refusal>> = edit.iter().map(&mut cosine_of).collect();
            let cosines = cosines.into_iter().collect::<Result<Vec<_>, _>>()?;
            of_cosines(cosines.into_iter()).ok_or_else(no_turns).map(Reply::from)
        };
        batch.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests;

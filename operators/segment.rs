//! `segment`: the mask of every region, by SAM 2 prompted with the region's box.
//!
//! The model's arithmetic is in [`segment_model`](crate::models::segment_model). This file makes it an operator. The regions of one picture
//! that are asked about at the same time share one run of the encoder, and go through the decoder a few at a time. The answer is the
//! quality that the model predicts for the mask. The blob is the mask, as COCO's run lengths.

use std::path::Path;

use serde::{Deserialize, Serialize};
use threshflow::lane::{Key, Known, Limits, Operator, Question, Reply, Stage, Subject, Together};
use threshflow::row::{Refusal, Region, Score, Stamp, Unit};
use threshflow::shard::{Catalogue, Picture};

use crate::models::segment_model::{SegmentModel, Segmenter};
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};
use crate::pixels::decode::{Decoding, decode, decoded_bytes_of};
use crate::pixels::mask::Mask;
use crate::pixels::rle;
use crate::record::records::{Records, Released, value_of};

/// How well a mask fits, as the segmenter foretells: about 0 to 1.
pub struct MaskScore;
impl Unit for MaskScore {
    const NAME: &'static str = "mask_score";
    const UNIT: &'static str = "foretold IoU, 0 to 1";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

/// Raise this when the code changes what a mask is.
const VERSION: &[u8] = b"segment/1";

/// Bytes of one box's logits and of its mask in the making, roughly: what a waiting question will need.
const BYTES_A_BOX: u64 = 64;

/// A mask as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredMask {
    /// COCO's compressed `counts`, column by column, of a mask of the picture's size as shown.
    pub counts: String,
    /// Pixels inside.
    pub area: u64,
}

impl StoredMask {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        postcard::from_bytes(bytes)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not a mask: {error}")))
    }

    /// The mask itself, of a picture of this width and height.
    pub fn mask(&self, width: u32, height: u32) -> Result<Mask, Refusal> {
        rle::decode(&self.counts, width, height)
            .map_err(|error| Refusal::permanent("bad_mask", error.to_string()))
    }
}

/// Where masks are remembered.
pub trait MaskSource: Send + Sync {
    fn stamp(&self) -> Stamp;
    /// The mask of the region that the question is about, read from a memo. Not for a worker thread.
    fn mask(&self, question: &Question) -> Result<StoredMask, Refusal>;
}

impl MaskSource for Stage<Segment> {
    fn stamp(&self) -> Stamp {
        self.memo().stamp()
    }
    fn mask(&self, question: &Question) -> Result<StoredMask, Refusal> {
        StoredMask::from_bytes(&self.blob(question)?)
    }
}

/// Masks the regions that were found.
pub struct Segment {
    model: SegmentModel,
    pool: SessionPool<Segmenter>,
    records: Records,
}

impl Segment {
    /// The segmenter in `folder`, on `cores` cores.
    pub fn open(folder: &Path, backend: &Backend, cores: usize, records: Records) -> Result<Self, OnnxError> {
        let model = SegmentModel::open(folder, backend)?;
        let mut plan = SessionPlan::new(backend, model.bytes(), cores);
        // One picture a run of the encoder; the decoder has batches of its own, of that picture's boxes.
        plan.most_a_batch = 1;
        let opened = model.clone();
        let pool = SessionPool::open(
            plan,
            move |place, threads| opened.open_session(place, threads),
            |_, _| Ok(()),
        )?;
        Ok(Segment { model, pool, records })
    }

    /// The same, for pictures that are decoded so.
    pub fn decoding(self, decoding: Decoding) -> Self {
        Segment { model: self.model.decoding(decoding), ..self }
    }
}

/// A picture, and the boxes to be masked in it.
pub struct Boxes {
    pixels: Vec<f32>,
    size: (u32, u32),
    boxes: Vec<[f32; 4]>,
}

type Answers = Vec<Result<Reply<Score<MaskScore>>, Refusal>>;

fn reply(quality: f32, counts: String, area: u64) -> Reply<Score<MaskScore>> {
    let blob = postcard::to_stdvec(&StoredMask { counts, area }).unwrap_or_default();
    Reply::with_blob(Score::of(quality), blob)
}

/// The mask that a released record has of a region.
fn released_mask(record: &Released, region: &Region) -> Option<Result<Reply<Score<MaskScore>>, Refusal>> {
    let released = record.region_of(region)?;
    let counts = released.mask.as_ref()?.as_str().to_owned();
    let (width, height) = (region.image.width.into(), region.image.height.into());
    let mask = rle::decode(&counts, width, height);
    let mask = mask.map_err(|error| Refusal::permanent("bad_mask", format!("the released mask: {error}")));
    Some(mask.map(|mask| reply(value_of(released.mask_score.as_ref()), counts, mask.area())))
}

fn segment(segmenter: &mut Segmenter, picture: &Boxes) -> Result<Answers, OnnxError> {
    let mut answers: Vec<Option<Result<_, Refusal>>> = picture.boxes.iter().map(|_| None).collect();
    segmenter.segment(&picture.pixels, picture.size, &picture.boxes, &mut |number, segmented| {
        let answer = segmented.map(|segmented| {
            let (counts, area) = segmented.rle();
            reply(segmented.quality, counts, area)
        });
        answers[number] = Some(answer);
    })?;
    let lost = || Err(Refusal::transient("model_failed", "the segmenter gave no answer for this box"));
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect())
}

impl Operator for Segment {
    type Answer = Score<MaskScore>;
    type Prepared = Boxes;
    type Session = Pooled<Segmenter>;

    const KEY: Key = Key::Row;
    const TOGETHER: Together = Together::ByPicture;

    fn name(&self) -> &'static str {
        "segment"
    }

    fn stamp(&self) -> Stamp {
        let (parts, records) = (self.model.stamp_parts(), self.records.stamp());
        let mut all: Vec<(&str, &[u8])> = vec![("operator", VERSION), ("records", &records)];
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_slice())));
        Stamp::of(&all)
    }

    fn demonstration(&self) -> Option<String> {
        self.model.demonstration()
    }

    fn model(&self) -> String {
        let records = if self.records.is_some() { "released records, else " } else { "" };
        format!("{records}ONNX segmenter {}", &self.model.content_hash().to_string()[..8])
    }

    fn known(&self, question: &Question, shards: &Catalogue) -> Known<Score<MaskScore>> {
        let (Some(region), Some(record)) = (question.region.as_ref(), self.records.of(question, shards)?)
        else {
            return Ok(None);
        };
        Ok(record.map(|record| released_mask(&record, region)).unwrap_or_else(|refusal| Some(Err(refusal))))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        let decoded = decoded_bytes_of(bytes, width, height, picture.format, self.model.purpose());
        decoded + self.model.prepared_bytes() as u64 + self.model.bytes_on_the_way(width, height)
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        self.model.prepared_bytes() as u64 + BYTES_A_BOX * questions as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Boxes, Refusal> {
        let (picture, bytes) = subject.look()?;
        let regions = subject.questions.iter().filter_map(|question| question.region.as_ref());
        let boxes: Vec<[f32; 4]> = regions.map(|region| region.bbox()).collect();
        if boxes.len() != subject.questions.len() {
            return Err(Refusal::permanent(
                "no_region",
                "a segmenter is asked about regions, not about pictures",
            ));
        }
        let rgb = decode(bytes, picture.format, picture.orientation, self.model.purpose())?;
        let size = (picture.width.into(), picture.height.into());
        Ok(Boxes { pixels: self.model.prepare(&rgb)?, size, boxes })
    }

    fn limits(&self) -> Limits {
        self.pool.limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.pool.open_session()
    }

    fn answer(&self, session: &mut Self::Session, batch: &[Boxes]) -> Answers {
        let pictures: Vec<&Boxes> = batch.iter().collect();
        let answers = self.pool.run(session, &pictures, |segmenter, pictures| {
            pictures.iter().map(|picture| segment(segmenter, picture)).collect()
        });
        let spread = |(picture, answers): (&Boxes, Result<Answers, Refusal>)| match answers {
            Ok(answers) => answers,
            Err(refusal) => vec![Err(refusal); picture.boxes.len()],
        };
        batch.iter().zip(answers).flat_map(spread).collect()
    }
}

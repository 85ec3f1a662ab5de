//! `region_score`: whether a region shows its noun (clip_score), and how pleasing it is (aes_score), as ImgEdit scored them.
//!
//! Both scores are of the picture cut out by the region's mask, with white around it. clip_score is the share of "X" in a softmax of 100
//! times the cosines of the cut-out with the texts "X" and "not X". aes_score is the aesthetic scorer's. The regions of one picture that
//! are asked about at the same time share its decoding.

use std::path::Path;
use std::sync::Arc;

use threshflow::lane::{Answer, Key, Known, Limits, Operator, Question, Reply, Scores, Subject, Together};
use threshflow::memo::Inline;
use threshflow::row::{ContentHash, Refusal, Region, Row, Score, Scored, Stamp, Unit, With};
use threshflow::shard::{Catalogue, Picture};

use crate::models::aesthetic_model::{AestheticModel, Scorer};
use crate::models::clip_tower::ClipTower;
use crate::models::embedding::share_of_first;
use crate::models::labels::Labels;
use crate::models::region_clip::{NounTexts, RegionClip};
use crate::models::texts::Texts;
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};
use crate::pixels::decode::{Purpose, Rgb, decode, decoded_bytes_of, decoder_stamp};
use crate::pixels::region_crop::Channels;
use crate::record::records::{Records, Released, value_of};
use crate::segment::MaskSource;

/// How surely a region shows its noun, 0 to 1.
pub struct ClipScore;
impl Unit for ClipScore {
    const NAME: &'static str = "clip_score";
    const UNIT: &'static str = "share of the noun, 0 to 1";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

/// How pleasing a region is, on the scale of the aesthetic scorer.
pub struct RegionAesthetic;
impl Unit for RegionAesthetic {
    const NAME: &'static str = "aes_score";
    const UNIT: &'static str = "LAION scale, 0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"region_score/2";

/// Both scores of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionScores {
    /// 0 to 1.
    pub clip: f32,
    pub aesthetic: f32,
}

/// clip_score rides in 24 bits: steps of 6e-8, no coarser than a float's just below 1.
const CLIP_STEPS: f32 = 16_777_215.0;

impl Scores for RegionScores {
    fn without_answer<R: Row>(row: R) -> Self::Row<R> {
        With::new(With::new(row, Score::NAN), Score::NAN)
    }
}

impl Answer for RegionScores {
    type Row<R: Row> = Scored<Scored<R, ClipScore>, RegionAesthetic>;

    fn attach<R: Row>(self, row: R) -> Self::Row<R> {
        With::new(With::new(row, Score::of(self.clip)), Score::of(self.aesthetic))
    }
    fn to_inline(self) -> Inline {
        let steps = (f64::from(self.clip.clamp(0.0, 1.0)) * f64::from(CLIP_STEPS)).round() as u32;
        let [a, b, c, _] = steps.to_le_bytes();
        let [d, e, f, g] = self.aesthetic.to_le_bytes();
        Inline::of([a, b, c, d, e, f, g])
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g] = *bytes else { return None };
        let clip = (f64::from(u32::from_le_bytes([a, b, c, 0])) / f64::from(CLIP_STEPS)) as f32;
        Some(RegionScores { clip, aesthetic: f32::from_le_bytes([d, e, f, g]) })
    }
}

/// Scores the regions that were masked.
pub struct RegionScore {
    region: RegionClip,
    aesthetic: AestheticModel,
    pool: SessionPool<Scorer>,
    /// What comes before: the regions' nouns and masks.
    before: Before,
}

/// What a region's scores rest on.
pub struct Before {
    /// By which the detector numbers what it finds.
    pub labels: Labels,
    pub masks: Arc<dyn MaskSource>,
    /// By the text tower that belongs to the CLIP.
    pub texts: Arc<Texts>,
    pub records: Records,
}

impl RegionScore {
    /// The CLIP of `tower` and the scorer in `aesthetic`, on `cores` cores. `Channels::Swapped` does as the tool that made ImgEdit did,
    /// which exchanged red and blue by mistake.
    pub fn open(
        (tower, aesthetic): (Arc<ClipTower>, &Path),
        backend: &Backend,
        cores: usize,
        before: Before,
        channels: Channels,
    ) -> Result<Self, OnnxError> {
        let aesthetic = AestheticModel::open(aesthetic, backend)?;
        let mut plan = SessionPlan::new(backend, tower.model().bytes() + aesthetic.bytes(), cores);
        // Pictures, each with all its regions.
        plan.most_a_batch = if backend.on_gpu() { 8 } else { 1 };
        let scorer = aesthetic.clone();
        let opens = move |place, threads| scorer.open_session(place, threads);
        let pool = SessionPool::open(plan, opens, Scorer::warm_up)?;
        let region = RegionClip::new(tower, before.texts.clone(), channels);
        Ok(RegionScore { region, aesthetic, pool, before })
    }

    fn one(&self, picture: &Rgb, question: &Question) -> Result<Cut, Refusal> {
        let noun = self.noun(question)?;
        let mask = self.before.masks.mask(question)?.mask(picture.width, picture.height)?;
        let cut = self.region.cut_out(picture, &mask)?;
        let texts = self.region.noun(&noun)?;
        let preprocess = self.region.model().preprocess();
        let clip = preprocess.crop_u8(&cut)?;
        let same = Some(preprocess) == self.aesthetic.preprocess();
        let aesthetic = if same { None } else { Some(self.aesthetic.crop(&cut)?) };
        Ok(Cut { clip, aesthetic, texts })
    }

    fn noun(&self, question: &Question) -> Result<String, Refusal> {
        let region = question.region.as_ref();
        let region = region
            .ok_or_else(|| Refusal::permanent("no_region", "a picture has no noun; its regions have"))?;
        self.before.labels.noun(region, question)
    }

    fn score(&self, cut: &Cut, embedding: &[f32], aesthetic: f32) -> Result<RegionScores, Refusal> {
        let clip = share_of_first(embedding, &cut.texts.noun, &cut.texts.not);
        if clip.is_finite() && aesthetic.is_finite() {
            return self.aesthetic.score(aesthetic).map(|aesthetic| RegionScores { clip, aesthetic });
        }
        Err(Refusal::permanent(
            "not_a_number",
            format!("the models answered clip_score {clip}, aes_score {aesthetic}; look at the models"),
        ))
    }
}

/// A region, cut out and made ready.
pub struct Cut {
    clip: Vec<u8>,
    /// `None` where the scorer takes the same pixels.
    aesthetic: Option<Vec<u8>>,
    texts: NounTexts,
}

/// A picture's regions in the order of the questions; those that could not be cut out are refused on their own.
pub type Cuts = Vec<Result<Cut, Refusal>>;

type Answers = Vec<Result<Reply<RegionScores>, Refusal>>;

impl Operator for RegionScore {
    type Answer = RegionScores;
    type Prepared = Cuts;
    /// The scorer's; the tower's are lent.
    type Session = Pooled<Scorer>;

    const KEY: Key = Key::Row;
    const TOGETHER: Together = Together::ByPicture;

    fn name(&self) -> &'static str {
        "region_score"
    }

    fn stamp(&self) -> Stamp {
        let (clip, aesthetic) = (self.region.model().vision_stamp_parts(), self.aesthetic.stamp_parts());
        let records = self.before.records.stamp();
        let before = [self.before.labels.stamp(), self.before.masks.stamp(), self.before.texts.stamp()];
        let decode = decoder_stamp(Purpose::Full);
        let mut all: Vec<(&str, &[u8])> = vec![
            ("operator", VERSION),
            ("records", &records),
            ("decode in full", decode.as_bytes()),
            ("channels", self.region.channels().stamp().as_bytes()),
        ];
        all.extend(before.iter().map(|stamp| ("before", stamp.0.0.as_slice())));
        all.extend(clip.iter().chain(&aesthetic).map(|(name, value)| (*name, value.as_slice())));
        Stamp::of(&all)
    }

    fn demonstration(&self) -> Option<String> {
        self.region.demonstration().or_else(|| self.aesthetic.demonstration())
    }

    fn model(&self) -> String {
        let records = if self.before.records.is_some() { "released records, else " } else { "" };
        let [clip, aesthetic] =
            [self.region.model().content_hash(), self.aesthetic.content_hash()].map(|hash| hash.to_string());
        format!("{records}ONNX CLIP {} and scorer {}", &clip[..8], &aesthetic[..8])
    }

    fn known(&self, question: &Question, shards: &Catalogue) -> Known<RegionScores> {
        let record = self.before.records.of(question, shards)?;
        let (Some(region), Some(record)) = (question.region.as_ref(), record) else { return Ok(None) };
        let scores = record.map(|record| released_scores(&record, region));
        Ok(scores
            .map(|scores| scores.map(|scores| Ok(scores.into())))
            .unwrap_or_else(|refusal| Some(Err(refusal))))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        // The picture, a cut-out as large, and a mask of one byte a pixel.
        let pixels = u64::from(width) * u64::from(height);
        decoded_bytes_of(bytes, width, height, picture.format, Purpose::Full) + pixels * 4
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        let crops = self.region.model().preprocess().crop_bytes() + self.aesthetic.crop_bytes();
        crops as u64 * questions as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Cuts, Refusal> {
        let (picture, bytes) = subject.look()?;
        let rgb = decode(bytes, picture.format, picture.orientation, Purpose::Full)?;
        Ok(subject.questions.iter().map(|question| self.one(&rgb, question)).collect())
    }

    fn limits(&self) -> Limits {
        self.pool.limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.pool.open_session()
    }

    fn answer(&self, session: &mut Self::Session, batch: &[Cuts]) -> Answers {
        let cuts: Vec<&Cut> = batch.iter().flatten().filter_map(|cut| cut.as_ref().ok()).collect();
        let mut scores = Vec::with_capacity(cuts.len());
        for chunk in cuts.chunks(MOST_CUTS) {
            let seen: Vec<&[u8]> = chunk.iter().map(|cut| cut.clip.as_slice()).collect();
            let embedded = self.region.tower().embed(&seen);
            let pleasing = self.pool.run(session, chunk, |scorer, cuts| {
                let pixels = cuts.iter().map(|cut| cut.aesthetic.as_deref().unwrap_or(&cut.clip));
                scorer.score(&pixels.collect::<Vec<_>>())
            });
            let both = chunk.iter().zip(embedded).zip(pleasing);
            scores.extend(both.map(|((cut, embedding), aesthetic)| self.score(cut, &embedding?, aesthetic?)));
        }
        let mut scores = scores.into_iter();
        let lost = || Err(Refusal::transient("model_failed", "the models gave no answer for this region"));
        let answer = |cut: &Result<Cut, Refusal>| match cut {
            Ok(_) => scores.next().unwrap_or_else(lost).map(Reply::from),
            Err(refusal) => Err(refusal.clone()),
        };
        batch.iter().flatten().map(answer).collect()
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let unknown = |question: &Question| {
            let noun = self.noun(question).ok();
            self.region.unknown_nouns(noun.as_deref())
        };
        questions.iter().flat_map(unknown).collect()
    }
}

/// The scores that a released record has of a region.
fn released_scores(record: &Released, region: &Region) -> Option<RegionScores> {
    let released = record.region_of(region)?;
    let clip = value_of(released.clip_score.as_ref());
    let aesthetic = value_of(released.aes_score.as_ref());
    ((0.0..=1.0).contains(&clip) && aesthetic.is_finite()).then_some(RegionScores { clip, aesthetic })
}

/// Regions that are laid out for the models at once; a GPU takes them in one run.
const MOST_CUTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_scores_ride_in_seven_bytes() {
        for clip in [0.0, 1e-7, 0.25, 0.8, 0.999_999_9, 1.0] {
            for aesthetic in [-1.5, 0.0, 4.75, 6.132_755] {
                let head = RegionScores { clip, aesthetic }.to_inline();
                let back = RegionScores::from_inline(head.bytes()).unwrap();
                assert!((back.clip - clip).abs() <= 6e-8, "{clip} came back as {}", back.clip);
                assert_eq!(back.aesthetic, aesthetic);
                // What was remembered is what is remembered again.
                assert_eq!(back.to_inline(), head);
            }
        }
        assert_eq!(RegionScores::from_inline(&[0; 4]), None);
    }
}

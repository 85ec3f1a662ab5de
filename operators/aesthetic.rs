//! `aesthetic`: how pleasing a picture is, by any ONNX scorer: on the LAION scale from 0 to 10, or on the scale that a `score.json` beside the
//! model names.
//!
//! The model's arithmetic is in [`aesthetic_model`](crate::models::aesthetic_model). This file makes it an operator: what shapes an answer
//! (the stamp), what is decoded for it, how it is batched, and what it takes from a sidecar.

use std::path::Path;

use threshflow::lane::{Limits, Operator, Reply, Subject};
use threshflow::row::{Refusal, Score, Stamp, Unit};
use threshflow::shard::Picture;

use crate::models::aesthetic_model::{AestheticModel, LAION, Scorer};
use crate::models::score_model::spec::ScoreSpec;
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};
use crate::pixels::decode::{Decoding, decode, decoded_bytes_of};

/// LAION's aesthetic score, from 0 to 10; real scorers give about 2 to 8.
pub struct Aesthetic;

impl Unit for Aesthetic {
    const NAME: &'static str = "aesthetic";
    const UNIT: &'static str = "LAION scale, 0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"aesthetic/1";

/// Scores pictures with a model. [`Stage::open_or_sidecar`](threshflow::lane::Stage::open_or_sidecar) asks it only where the sidecar
/// says nothing.
pub struct AestheticScorer {
    model: Option<Model>,
}

struct Model {
    scorer: AestheticModel,
    pool: SessionPool<Scorer>,
}

impl AestheticScorer {
    /// A scorer by the model in `folder` (`aesthetic_model` says what it may hold), on `cores` cores.
    pub fn open(folder: &Path, backend: &Backend, cores: usize) -> Result<Self, OnnxError> {
        let scorer = AestheticModel::open(folder, backend)?;
        let mut plan = SessionPlan::new(backend, scorer.bytes(), cores);
        plan.most_a_batch = scorer.fixed_batch().unwrap_or(plan.most_a_batch);
        let opened = scorer.clone();
        let opens = move |place, threads| opened.open_session(place, threads);
        let pool = SessionPool::open(plan, opens, Scorer::warm_up)?;
        Ok(AestheticScorer { model: Some(Model { scorer, pool }) })
    }

    /// The same, for pictures that are decoded so.
    pub fn decoding(self, decoding: Decoding) -> Self {
        let model = self.model.map(|model| Model { scorer: model.scorer.decoding(decoding), ..model });
        AestheticScorer { model }
    }

    /// What the `score.json` beside the model says, where there is one: unit, range, and where the dial stands.
    pub fn spec(&self) -> Option<&ScoreSpec> {
        self.model.as_ref().and_then(|model| model.scorer.spec())
    }

    /// The least and the greatest score: 0 and 10, or what the `score.json` says.
    pub fn range(&self) -> [f32; 2] {
        self.model.as_ref().map_or(LAION, |model| model.scorer.range())
    }

    /// No model: pictures whose sidecar gives no score are refused.
    pub fn without_model() -> Self {
        AestheticScorer { model: None }
    }
}

impl Operator for AestheticScorer {
    type Answer = Score<Aesthetic>;
    /// A crop of `3 * crop * crop` bytes.
    type Prepared = Vec<u8>;
    type Session = Option<Pooled<Scorer>>;

    fn name(&self) -> &'static str {
        "aesthetic"
    }

    fn stamp(&self) -> Stamp {
        let parts = self.model.as_ref().map(|model| model.scorer.stamp_parts()).unwrap_or_default();
        let mut all: Vec<(&str, &[u8])> = vec![("operator", VERSION)];
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_slice())));
        Stamp::of(&all)
    }

    fn demonstration(&self) -> Option<String> {
        self.model.as_ref()?.scorer.demonstration()
    }

    fn model(&self) -> String {
        match &self.model {
            // By its content, not its folder: what is published may not depend on where models lie.
            Some(model) => format!(
                "ONNX model {} ({})",
                &model.scorer.content_hash().to_string()[..8],
                model.scorer.precision_class()
            ),
            None => "none".to_owned(),
        }
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let Some(model) = &self.model else { return 0 };
        let (width, height) = (picture.width.into(), picture.height.into());
        decoded_bytes_of(bytes, width, height, picture.format, model.scorer.purpose())
            + self.bytes_prepared(1)
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        self.model.as_ref().map_or(0, |model| model.scorer.crop_bytes() as u64)
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<u8>, Refusal> {
        let Some(model) = &self.model else {
            let message = "the sidecar has no score and there is no model to ask; --aesthetic names one";
            return Err(Refusal::permanent("no_score", message));
        };
        let (picture, bytes) = subject.look()?;
        let rgb = decode(bytes, picture.format, picture.orientation, model.scorer.purpose())?;
        model.scorer.crop(&rgb)
    }

    fn limits(&self) -> Limits {
        self.model.as_ref().map_or(Limits::of_functions(1), |model| model.pool.limits())
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        let Some(model) = &self.model else { return Ok(None) };
        model.pool.open_session().map(Some)
    }

    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Vec<u8>],
    ) -> Vec<Result<Reply<Score<Aesthetic>>, Refusal>> {
        let (Some(model), Some(session)) = (&self.model, session) else {
            return vec![Err(Refusal::permanent("no_score", "there is no model")); batch.len()];
        };
        let crops: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        let scores = model.pool.run(session, &crops, |scorer, crops| scorer.score(crops));
        let score =
            |number: Result<f32, Refusal>| model.scorer.score(number?).map(|score| Score::of(score).into());
        scores.into_iter().map(score).collect()
    }
}

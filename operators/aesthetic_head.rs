//! `aesthetic`, by a head alone: it scores an embedding that a CLIP gave before. So the CLIP is asked once for this operator and for all
//! others that use the embedding. No picture is decoded.

use std::path::Path;
use std::sync::Arc;

use threshflow::lane::{Limits, Looks, Operator, Reply, Subject};
use threshflow::row::{Refusal, Score, Stamp};
use threshflow::shard::Picture;

use crate::aesthetic::Aesthetic;
use crate::clip::EmbeddingSource;
use crate::models::aesthetic_model::{AestheticHead, HeadScorer};
use crate::models::score_model::spec::finite;
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};

/// Raise this when the code changes what a score is.
const VERSION: &[u8] = b"aesthetic_head/1";

/// Scores embeddings.
pub struct HeadOnClip {
    head: AestheticHead,
    pool: SessionPool<HeadScorer>,
    clip: Arc<dyn EmbeddingSource>,
}

impl HeadOnClip {
    /// The head in `folder` (head.onnx) over the embeddings of `clip`.
    pub fn open(folder: &Path, backend: &Backend, clip: Arc<dyn EmbeddingSource>) -> Result<Self, OnnxError> {
        let head = AestheticHead::open(folder, backend)?;
        if let (Some(given), Some(taken)) = (clip.dimension(), head.dimension())
            && given != taken
        {
            let why = format!("the head takes embeddings of {taken} numbers, and the CLIP gives {given}");
            return Err(OnnxError::Folder { path: folder.to_path_buf(), why });
        }
        let mut plan = SessionPlan::new(backend, head.bytes(), 1);
        plan.most_a_batch = 64;
        let opened = head.clone();
        let pool = SessionPool::open(
            plan,
            move |place, threads| opened.open_session(place, threads),
            |_, _| Ok(()),
        )?;
        Ok(HeadOnClip { head, pool, clip })
    }
}

impl Operator for HeadOnClip {
    type Answer = Score<Aesthetic>;
    type Prepared = Vec<f32>;
    type Session = Pooled<HeadScorer>;

    const LOOKS: Looks = Looks::AtTheRow;
    const QUESTIONS_A_JOB: usize = 64;

    fn name(&self) -> &'static str {
        "aesthetic"
    }

    fn stamp(&self) -> Stamp {
        let (parts, clip) = (self.head.stamp_parts(), self.clip.stamp());
        let mut all: Vec<(&str, &[u8])> = vec![("operator", VERSION), ("clip", &clip.0.0)];
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_slice())));
        Stamp::of(&all)
    }

    fn demonstration(&self) -> Option<String> {
        self.head.demonstration()
    }

    fn model(&self) -> String {
        format!("ONNX head {} on the CLIP embedding", &self.head.content_hash().to_string()[..8])
    }

    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<f32>, Refusal> {
        let question = subject.questions.first();
        let question =
            question.ok_or_else(|| Refusal::transient("no_picture", "there is nothing to score"))?;
        self.clip.embedding(question)
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
        batch: &[Vec<f32>],
    ) -> Vec<Result<Reply<Score<Aesthetic>>, Refusal>> {
        let rows: Vec<&[f32]> = batch.iter().map(Vec::as_slice).collect();
        let scores = self.pool.run(session, &rows, |head, rows| head.score(rows));
        let score = |number: Result<f32, Refusal>| finite(number?).map(|score| Score::of(score).into());
        scores.into_iter().map(score).collect()
    }
}

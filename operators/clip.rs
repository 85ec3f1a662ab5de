//! `clip`: a picture's embedding by a CLIP's vision tower, L2-normalised, remembered as 16-bit floats.
//!
//! The row carries nothing of it. Code that needs the embedding reads it from the memo, as [`aesthetic_head`](crate::aesthetic_head) does.
//! So one run of CLIP serves every question that uses it.

use std::path::Path;

use threshflow::lane::{Answer, Limits, Operator, Question, Reply, Stage, Subject};
use threshflow::memo::Inline;
use threshflow::row::{Refusal, Row, Stamp};
use threshflow::shard::Picture;

use crate::models::clip_model::{ClipModel, VisionTower};
use crate::models::embedding::{from_f16_bytes, to_f16_bytes};
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};
use crate::pixels::decode::{Decoding, decode, decoded_bytes_of};

/// Raise this when the code changes what an embedding is.
const VERSION: &[u8] = b"clip/1";

/// That a picture's embedding is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded;

impl Answer for Embedded {
    type Row<R: Row> = R;

    fn attach<R: Row>(self, row: R) -> R {
        row
    }
    fn to_inline(self) -> Inline {
        Inline::of([])
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(Embedded)
    }
}

/// Where embeddings are remembered.
pub trait EmbeddingSource: Send + Sync {
    fn stamp(&self) -> Stamp;
    /// The embedding of the picture that the question is about, read from a memo. Not for a worker thread.
    fn embedding(&self, question: &Question) -> Result<Vec<f32>, Refusal>;
    /// How many numbers an embedding has, where the graph says.
    fn dimension(&self) -> Option<usize>;
}

impl EmbeddingSource for Stage<Clip> {
    fn stamp(&self) -> Stamp {
        self.memo().stamp()
    }
    fn embedding(&self, question: &Question) -> Result<Vec<f32>, Refusal> {
        self.blob(question).map(|blob| from_f16_bytes(&blob))
    }
    fn dimension(&self) -> Option<usize> {
        self.operator().model.dimension()
    }
}

/// Embeds pictures.
pub struct Clip {
    model: ClipModel,
    pool: SessionPool<VisionTower>,
}

impl Clip {
    /// The CLIP in `folder` (its vision tower), on `cores` cores.
    pub fn open(folder: &Path, backend: &Backend, cores: usize) -> Result<Self, OnnxError> {
        let model = ClipModel::open(folder, backend)?;
        let mut plan = SessionPlan::new(backend, model.bytes(), cores);
        plan.most_a_batch = model.fixed_batch().unwrap_or(plan.most_a_batch);
        let opened = model.clone();
        let black = vec![0; model.preprocess().crop_bytes()];
        let opens = move |place, threads| opened.open_vision(place, threads);
        let warms_up =
            move |tower: &mut VisionTower, most: usize| match tower.embed(&vec![black.as_slice(); most]) {
                // What a GPU does only once is done, whatever it thinks of a black picture.
                Err(error @ OnnxError::OutOfMemory { .. }) => Err(error),
                _ => Ok(()),
            };
        Ok(Clip { pool: SessionPool::open(plan, opens, warms_up)?, model })
    }

    /// The same, for pictures that are decoded so.
    pub fn decoding(self, decoding: Decoding) -> Self {
        Clip { model: self.model.decoding(decoding), ..self }
    }
}

impl Operator for Clip {
    type Answer = Embedded;
    /// A crop of `3 * crop * crop` bytes.
    type Prepared = Vec<u8>;
    type Session = Pooled<VisionTower>;

    fn name(&self) -> &'static str {
        "clip"
    }

    fn stamp(&self) -> Stamp {
        let parts = self.model.vision_stamp_parts();
        let mut all: Vec<(&str, &[u8])> = vec![("operator", VERSION)];
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_slice())));
        Stamp::of(&all)
    }

    fn demonstration(&self) -> Option<String> {
        self.model.demonstration()
    }

    fn model(&self) -> String {
        format!("ONNX vision tower {}", &self.model.content_hash().to_string()[..8])
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        decoded_bytes_of(bytes, width, height, picture.format, self.model.purpose()) + self.bytes_prepared(1)
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        self.model.preprocess().crop_bytes() as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<u8>, Refusal> {
        let (picture, bytes) = subject.look()?;
        let rgb = decode(bytes, picture.format, picture.orientation, self.model.purpose())?;
        self.model.preprocess().crop_u8(&rgb)
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
        batch: &[Vec<u8>],
    ) -> Vec<Result<Reply<Embedded>, Refusal>> {
        let crops: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        let embeddings = self.pool.run(session, &crops, |tower, crops| tower.embed(crops));
        let reply = |embedding: Vec<f32>| Reply::with_blob(Embedded, to_f16_bytes(&embedding));
        embeddings.into_iter().map(|embedding| embedding.map(reply)).collect()
    }
}

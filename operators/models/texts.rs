//! `texts`: the embeddings of nouns and phrases by a CLIP's text tower, each asked once for all pictures.
//!
//! A detector that takes text, and the CLIP score of a region, look their words up here while they answer. (The pipeline that made ImgEdit
//! embedded every picture's words anew.) Embeddings are L2-normalised and kept as 16-bit floats.

use std::path::Path;
use std::sync::{Arc, Mutex};

use threshflow::lane::{AnswerCache, Lanes};
use threshflow::memo::MemoError;
use threshflow::row::{ContentHash, Refusal, Stamp};

use crate::models::clip_model::{ClipModel, TextTower};
use crate::models::embedding::{from_f16_bytes, to_f16_bytes};
use crate::models::tokens::Tokeniser;
use crate::onnx::{Backend, OnnxError, SessionPlan, SessionPool};

/// Raise this when the code changes what an embedding is.
const VERSION: &[u8] = b"texts/1";

/// Texts that go into one run. One: kernels are chosen by shape and round differently, and an embedding may not depend on
/// which texts it was asked with. Each is asked once for all pictures, so that it hardly counts.
const A_BATCH: usize = 1;

/// Why texts cannot be embedded at all.
#[derive(Debug, thiserror::Error)]
pub enum TextsError {
    #[error(transparent)]
    Model(#[from] OnnxError),
    #[error(transparent)]
    Memo(#[from] MemoError),
}

/// A text tower and what it said.
pub struct Texts {
    tokeniser: Tokeniser,
    pool: SessionPool<TextTower>,
    /// One thread embeds at a time; the others wait for what it says.
    session: Mutex<Option<crate::onnx::Pooled<TextTower>>>,
    stamp: Stamp,
    cache: Arc<AnswerCache>,
    dimension: Option<usize>,
    demonstration: Option<String>,
}

impl Texts {
    /// The text tower in `folder`, shown as the stage `name`.
    pub fn open(
        name: &'static str,
        folder: &Path,
        backend: &Backend,
        cores: usize,
        lanes: &Arc<Lanes>,
    ) -> Result<Arc<Self>, TextsError> {
        let clip = ClipModel::open(folder, backend)?;
        let tokeniser = clip.tokeniser()?;
        let parts = clip.text_stamp_parts();
        let mut all: Vec<(&str, &[u8])> = vec![("operator", VERSION)];
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_slice())));
        let stamp = Stamp::of(&all);
        let mut plan = SessionPlan::new(backend, clip.bytes(), cores);
        plan = SessionPlan { sessions: 1, threads: if backend.on_gpu() { 1 } else { cores }, ..plan };
        let (dimension, demonstration) = (clip.dimension(), clip.demonstration());
        let model = format!("ONNX text tower {}", &clip.content_hash().to_string()[..8]);
        let cache = AnswerCache::open(name, stamp, model, lanes)?;
        let opens = move |place, threads| clip.open_text(place, threads);
        let warmed = tokeniser.encode("a picture").unwrap_or_default();
        let warms_up =
            move |tower: &mut TextTower, most: usize| tower.embed(&vec![warmed.clone(); most]).map(|_| ());
        let pool = SessionPool::open(plan, opens, warms_up)?;
        Ok(Arc::new(Texts {
            tokeniser,
            pool,
            session: Mutex::new(None),
            stamp,
            cache,
            dimension,
            demonstration,
        }))
    }

    /// Of all that shapes an embedding.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        self.demonstration.clone()
    }

    /// How many numbers an embedding has, where the graph says.
    pub(crate) fn dimension(&self) -> Option<usize> {
        self.dimension
    }

    /// What a text's embedding is remembered under.
    pub fn content(text: &str) -> ContentHash {
        ContentHash::of(text.as_bytes())
    }

    /// The texts among these that were never asked: what looking them up would ask.
    pub fn unknown<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Vec<(&'static str, ContentHash)> {
        let contents = texts.map(Texts::content).filter(|content| !self.cache.knows(content));
        contents.map(|content| (self.cache.name(), content)).collect()
    }

    /// The embedding of each text, in order. What was never asked is asked now.
    pub fn embed(&self, texts: &[&str]) -> Vec<Result<Vec<f32>, Refusal>> {
        let contents: Vec<ContentHash> = texts.iter().map(|text| Texts::content(text)).collect();
        let answers = self.cache.look_up(&contents, |missing| {
            let missing: Vec<&str> = missing.iter().map(|place| texts[*place]).collect();
            missing.chunks(A_BATCH).flat_map(|chunk| self.ask(chunk)).collect()
        });
        answers.into_iter().map(|answer| answer.map(|bytes| from_f16_bytes(&bytes))).collect()
    }

    fn ask(&self, texts: &[&str]) -> Vec<Result<Vec<u8>, Refusal>> {
        let tokens: Vec<Result<Vec<i64>, Refusal>> =
            texts.iter().map(|text| self.tokeniser.encode(text)).collect();
        let sound: Vec<Vec<i64>> = tokens.iter().filter_map(|tokens| tokens.as_ref().ok().cloned()).collect();
        let mut session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if session.is_none() {
            match self.pool.session() {
                Ok(opened) => *session = Some(opened),
                Err(error) => {
                    let refusal = Refusal::transient("model_failed", error.to_string());
                    return vec![Err(refusal); texts.len()];
                }
            }
        }
        let Some(open) = session.as_mut() else { return Vec::new() };
        let mut embedded = self.pool.run(open, &sound, |tower, tokens| tower.embed(tokens)).into_iter();
        let lost = || Err(Refusal::transient("model_failed", "the text tower lost an answer"));
        let answer = |tokens: Result<Vec<i64>, Refusal>| match tokens {
            Ok(_) => embedded.next().unwrap_or_else(lost).map(|embedding| to_f16_bytes(&embedding)),
            Err(refusal) => Err(refusal),
        };
        tokens.into_iter().map(answer).collect()
    }
}

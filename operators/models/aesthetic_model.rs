//! The aesthetic scorer's arithmetic: crops in, scores out, for any kind of ONNX model.
//!
//! Two kinds are taken. A fused scorer is any graph with one float input `[N,3,H,W]` and an output `[N]` or `[N,1]`. A CLIP with a head is
//! two graphs in one folder: `vision_model.onnx` (pixel_values -> image_embeds, which are L2-normalised here) and `head.onnx` or
//! `aesthetic_head.onnx` (image_embeds `[N,D]` -> `[N,1]`), as those of LAION and improved-aesthetic-predictor are.

mod head;

use std::path::Path;

use threshflow::row::ContentHash;

use self::head::HEADS;
use crate::models::embedding::normalise;
use crate::models::row_graph::{Gives, PixelGraph, PixelSession, RowGraph, embeddings, last_axis, pixels};
use crate::onnx::{Axis, Backend, Model, ModelFolder, OnnxError, SessionDevice, Wanted, demonstration};
use crate::pixels::clip_crop::Preprocess;
use crate::pixels::decode::{Purpose, decoder_stamp};

pub use head::{AestheticHead, HeadScorer};

/// A scorer, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct AestheticModel {
    /// Gives the score, or the embedding that the head scores.
    pixels: PixelGraph,
    head: Option<AestheticHead>,
    content: ContentHash,
    backend: Backend,
}

const FUSED: [&str; 2] = ["model.onnx", "aesthetic.onnx"];

impl AestheticModel {
    /// Opens the scorer in `path`: a folder, or one `.onnx` file. Checks that the graphs are what a scorer must be.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let config = folder.preprocess()?;
        let head = folder.first_of(&HEADS).filter(|_| folder.named().is_none());
        let (rows, head) = match (head, folder.first_of(&["vision_model.onnx"])) {
            (Some(head), Some(vision)) => {
                let head = AestheticHead::of(folder.model(head)?, backend)?;
                (embedding(folder.model(vision)?, &head)?, Some(head))
            }
            _ => (scoring(folder.model(&fused_name(&folder)?)?)?, None),
        };
        let pixels = PixelGraph::of(rows, config)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&pixels.rows.model.content.0);
        if let Some(head) = &head {
            hasher.update(&head.content_hash().0);
        }
        let content = ContentHash::from_hasher(&hasher);
        Ok(AestheticModel { pixels, head, content, backend: backend.clone() })
    }

    /// How pictures become its input.
    pub fn preprocess(&self) -> &Preprocess {
        &self.pixels.preprocess
    }

    /// What pictures have to be decoded for.
    pub fn purpose(&self) -> Purpose {
        Purpose::ShortSideAtLeast(self.preprocess().size)
    }

    /// Of all its graphs and their external data.
    pub(crate) fn content_hash(&self) -> ContentHash {
        self.content
    }

    /// Of all its graphs and their external data, in bytes: what [`crate::onnx::session_plan`] asks for.
    pub fn bytes(&self) -> u64 {
        self.pixels.rows.model.bytes + self.head.as_ref().map_or(0, AestheticHead::bytes)
    }

    /// How many crops one run takes, where the graph fixes that; a caller that batches by it wastes nothing.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        self.pixels.rows.batch()
    }

    /// The back-end and the precision that the scorer runs in.
    pub(crate) fn precision_class(&self) -> &'static str {
        self.backend.precision_class(self.graphs())
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        demonstration(self.graphs())
    }

    fn graphs(&self) -> impl Iterator<Item = &Model> {
        let head = self.head.as_ref().map(|head| &head.graph.model);
        std::iter::once(&self.pixels.rows.model).chain(head)
    }

    /// All that shapes a score, by name, for the operator's stamp: model, preprocessing, decoding, back-end and precision.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("model", self.content.0.to_vec()),
            ("preprocess", self.preprocess().stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.backend.stamp_class_for(self.graphs()).into()),
        ]
    }

    /// Loads the scorer onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<Scorer, OnnxError> {
        let pixels = self.pixels.open(&self.backend, place, threads)?;
        let head = self.head.as_ref().map(|head| head.open_session(place, threads)).transpose()?;
        Ok(Scorer { pixels, head })
    }
}

/// A loaded scorer.
pub struct Scorer {
    pixels: PixelSession,
    head: Option<HeadScorer>,
}

impl Scorer {
    /// Scores crops that [`Preprocess::crop_u8`] made: one score each, in order. NaN and infinities are given as they are;
    /// an embedding that has no direction (all zeros) is scored NaN.
    ///
    /// Any number of crops is taken; a graph that fixes its batch is run as often as needed, the last time filled up with
    /// repetitions whose scores are dropped.
    pub fn score(&mut self, crops: &[&[u8]]) -> Result<Vec<f32>, OnnxError> {
        let mut numbers = self.pixels.run(crops)?;
        let Some(head) = &mut self.head else { return Ok(numbers) };
        let width = numbers.len().checked_div(crops.len()).unwrap_or_default().max(1);
        for row in numbers.chunks_exact_mut(width) {
            if normalise(row).is_err() {
                row.fill(f32::NAN);
            }
        }
        head.score(&numbers.chunks_exact(width).collect::<Vec<_>>())
    }

    /// One run of `crops` black crops: what a GPU does only once is done then.
    pub(crate) fn warm_up(&mut self, crops: usize) -> Result<(), OnnxError> {
        let edge = self.pixels.crop_bytes();
        let black = vec![0; edge];
        self.score(&vec![black.as_slice(); crops]).map(|_| ())
    }
}

fn fused_name(folder: &ModelFolder) -> Result<String, OnnxError> {
    if let Some(name) = folder.named().or_else(|| folder.first_of(&FUSED)) {
        return Ok(name.to_string());
    }
    let graphs = folder.graphs();
    match &graphs[..] {
        [only] => Ok(only.clone()),
        _ => Err(OnnxError::Folder {
            path: folder.root().to_path_buf(),
            why: format!(
                "no scorer in it: it holds {graphs:?}; wanted model.onnx, or vision_model.onnx with head.onnx, or a single graph"
            ),
        }),
    }
}

fn score(name: &'static str) -> Wanted {
    Wanted::f32(name, &[&[Axis::Any("N")], &[Axis::Any("N"), Axis::Is(1)]])
}

/// A graph that gives scores: fused, with a single output, so that there is no doubt which one is meant.
fn scoring(model: Model) -> Result<RowGraph, OnnxError> {
    let several = model.signature.outputs.len() > 1;
    RowGraph::of(model, &pixels(""), &score(if several { "aesthetic_score" } else { "" }), Gives::Number)
}

/// A graph that gives the embeddings that `head` takes.
fn embedding(model: Model, head: &AestheticHead) -> Result<RowGraph, OnnxError> {
    let several = model.signature.outputs.len() > 1;
    let output = embeddings(if several { "image_embeds" } else { "" });
    let vision = RowGraph::of(model, &pixels(""), &output, Gives::Vector)?;
    match (last_axis(&vision.output), head.dimension()) {
        (Some(given), Some(taken)) if given != taken => Err(OnnxError::Contract {
            path: head.graph.model.path.clone(),
            wanted: format!("an input [N,{given}], because {} gives that", vision.model.path.display()),
            found: head.graph.model.signature.to_string(),
        }),
        _ => Ok(vision),
    }
}

#[cfg(test)]
mod tests;

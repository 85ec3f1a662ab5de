//! The head alone: embeddings in, scores out. So a CLIP that is asked anyway is asked only once.

use std::path::Path;

use threshflow::row::ContentHash;

use super::score;
use crate::models::row_graph::{Gives, RowGraph, RowSession, embeddings, last_axis};
use crate::onnx::{Backend, Model, ModelFolder, OnnxError, SessionDevice, demonstration};

/// Where a folder keeps it.
pub(super) const HEADS: [&str; 2] = ["head.onnx", "aesthetic_head.onnx"];

/// An aesthetic head, `[N,D]` -> `[N,1]`, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct AestheticHead {
    pub(super) graph: RowGraph,
    backend: Backend,
}

impl AestheticHead {
    /// Opens the head in `path`: a folder with `head.onnx` or `aesthetic_head.onnx`, or one `.onnx` file.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let Some(name) = folder.named().or_else(|| folder.first_of(&HEADS)) else {
            return Err(OnnxError::Folder {
                path: folder.root().to_path_buf(),
                why: format!("no head in it: it holds {:?}; wanted {}", folder.graphs(), HEADS.join(" or ")),
            });
        };
        Self::of(folder.model(name)?, backend)
    }

    pub(super) fn of(model: Model, backend: &Backend) -> Result<Self, OnnxError> {
        let graph = RowGraph::of(model, &embeddings(""), &score(""), Gives::Number)?;
        Ok(AestheticHead { graph, backend: backend.clone() })
    }

    /// D of the embeddings that it takes, where the graph fixes it.
    pub(crate) fn dimension(&self) -> Option<usize> {
        last_axis(&self.graph.input)
    }

    /// Of the graph and its external data.
    pub(crate) fn content_hash(&self) -> ContentHash {
        self.graph.model.content
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        demonstration([&self.graph.model].into_iter())
    }

    /// Of the graph and its external data, in bytes.
    pub fn bytes(&self) -> u64 {
        self.graph.model.bytes
    }

    /// All that the head adds to what shapes a score, by name; what shaped the embedding stands in its own parts.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let class = self.backend.stamp_class_for([&self.graph.model]);
        vec![("head", self.content_hash().0.to_vec()), ("head_backend", class.into())]
    }

    /// Loads the head onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<HeadScorer, OnnxError> {
        Ok(HeadScorer { rows: self.graph.open(&self.backend, place, threads)? })
    }
}

/// A loaded head.
pub struct HeadScorer {
    rows: RowSession,
}

impl HeadScorer {
    /// Scores L2-normalised embeddings of one length: one score each, in order. NaN and infinities are given as they are.
    pub fn score(&mut self, embeddings: &[&[f32]]) -> Result<Vec<f32>, OnnxError> {
        let Some(first) = embeddings.first() else { return Ok(Vec::new()) };
        let width = last_axis(&self.rows.graph.input).unwrap_or(first.len());
        if let Some(other) = embeddings.iter().find(|row| row.len() != width || row.is_empty()) {
            let why = format!("an embedding has {} values; wanted {width}", other.len());
            return Err(OnnxError::Run { path: self.rows.graph.model.path.clone(), why });
        }
        self.rows.run(&mut embeddings.concat(), &[width], embeddings.len())
    }
}

//! Vision towers that compare pictures: a CLIP's, a DINOv2, or another ViT, from a crop to one embedding of length 1.
//!
//! A CLIP is taken as everywhere ([`clip_model`](mod@crate::models::clip_model)). Of other graphs with one input, pixels f32 `[N,3,S,S]`,
//! the output `pooler_output` f32 `[N,D]` is taken, otherwise the first token of `last_hidden_state` f32 `[N,T,D]`, which is the class
//! token of a ViT (of a DINOv2, both are the same: transformers `modeling_dinov2.py`, `Dinov2Model.forward`). How pictures are prepared is
//! said by the preprocessor_config.json beside the graph.

use std::path::Path;

use threshflow::row::{ContentHash, Refusal};

use crate::models::clip_model::{ClipModel, VisionTower};
use crate::models::row_graph::{Gives, PixelGraph, RowGraph, last_axis, pixels};
use crate::onnx::{
    Axis, Backend, Model, ModelFolder, OnnxError, Pooled, SessionDevice, SessionPool, Wanted, demonstration,
};
use crate::pixels::clip_crop::Preprocess;

/// Crops that are laid out for a tower at once; a GPU takes them in one run.
const MOST_CROPS: usize = 32;

/// A vision tower, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct VisionModel {
    graph: PixelGraph,
    backend: Backend,
}

impl VisionModel {
    /// Opens the tower in `path`: a CLIP's folder, a folder with vision_model.onnx or model.onnx, or one `.onnx` file.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let named = folder.named().map(str::to_string);
        let name =
            named.or_else(|| folder.first_of(&["vision_model.onnx", "model.onnx"]).map(str::to_string));
        let name = name.ok_or_else(|| OnnxError::Folder {
            path: folder.root().to_path_buf(),
            why: format!(
                "no vision tower in it: it holds {:?}; wanted vision_model.onnx, or model.onnx",
                folder.graphs()
            ),
        })?;
        let model = folder.model(&name)?;
        let graph = match token_output(&model) {
            None => ClipModel::open(path, backend)?.into_vision()?,
            Some(output) => of_tokens(model, output, folder.preprocess()?)?,
        };
        Ok(VisionModel { graph, backend: backend.clone() })
    }

    /// How pictures become the tower's input.
    pub fn preprocess(&self) -> &Preprocess {
        &self.graph.preprocess
    }

    /// How many crops one run takes, where the graph fixes that.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        self.graph.rows.batch()
    }

    pub(crate) fn content_hash(&self) -> &ContentHash {
        &self.graph.rows.model.content
    }

    /// Of its graph and external data, in bytes.
    pub fn bytes(&self) -> u64 {
        self.graph.rows.model.bytes
    }

    /// All that shapes an embedding of a crop, by name.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let rows = &self.graph.rows;
        vec![
            ("model", rows.model.content.0.to_vec()),
            ("output", rows.output.name.clone().into_bytes()),
            ("preprocess", self.preprocess().stamp().into_bytes()),
            ("backend", self.backend.stamp_class_for([&rows.model]).into()),
        ]
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        demonstration(std::iter::once(&self.graph.rows.model))
    }

    /// Loads it onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<VisionTower, OnnxError> {
        Ok(VisionTower::of(self.graph.open(&self.backend, place, threads)?))
    }
}

/// The output of a graph that is no CLIP's and gives tokens.
fn token_output(model: &Model) -> Option<Wanted> {
    let (inputs, outputs) = (&model.signature.inputs, &model.signature.outputs);
    let has = |name: &str| outputs.iter().any(|port| port.name == name);
    if inputs.len() != 1 || has("image_embeds") {
        return None;
    }
    let [any, length] = [Axis::Any("N"), Axis::Any("D")];
    match outputs.as_slice() {
        _ if has("pooler_output") => Some(Wanted::f32("pooler_output", &[&[any, length]])),
        _ if has("last_hidden_state") => {
            Some(Wanted::f32("last_hidden_state", &[&[any, Axis::Any("T"), length]]))
        }
        [only] if only.shape.as_ref().is_some_and(|shape| shape.len() == 3) => {
            Some(Wanted::f32("", &[&[any, Axis::Any("T"), length]]))
        }
        _ => None,
    }
}

fn of_tokens(model: Model, output: Wanted, config: Option<Preprocess>) -> Result<PixelGraph, OnnxError> {
    let tokens = output.shapes[0].len() == 3;
    let mut rows = RowGraph::of(model, &pixels(""), &output, Gives::Vector)?;
    if tokens {
        let length = last_axis(&rows.output).ok_or_else(|| OnnxError::Contract {
            path: rows.model.path.clone(),
            wanted: "tokens [N,T,D] of a length D that the graph states".to_string(),
            found: rows.output.to_string(),
        })?;
        rows.gives = Gives::First(length);
    }
    PixelGraph::of(rows, config)
}

/// The embedding of each crop, in order; one for each, whatever became of the others.
pub(crate) fn embed(
    pool: &SessionPool<VisionTower>,
    session: &mut Pooled<VisionTower>,
    crops: &[&[u8]],
) -> Vec<Result<Vec<f32>, Refusal>> {
    let mut embedded = Vec::with_capacity(crops.len());
    for chunk in crops.chunks(MOST_CROPS) {
        embedded.extend(pool.run(session, chunk, |tower, crops| tower.embed(crops)));
    }
    let lost = || Err(Refusal::transient("model_failed", "the vision tower gave no answer for this region"));
    embedded.resize_with(crops.len(), lost);
    embedded
}

#[cfg(test)]
mod tests;

//! CLIP's arithmetic: crops and texts in, embeddings of length 1 out, in one space.
//!
//! The common exports are taken: `vision_model.onnx` and `text_model.onnx`, or one of them, or one `model.onnx` with both towers. In the
//! last, each tower is run with a row that has no meaning for the other. Split exports leave embeddings as they are, and the one-file
//! export divides them by their norm. Here all are divided (transformers `modeling_clip.py`, CLIPModel.forward).

mod text;
mod vision;

use std::path::{Path, PathBuf};

use threshflow::row::ContentHash;

use crate::models::row_graph::{Filler, Gives, PixelGraph, RowGraph, axis, embeddings, last_axis, pixels};
use crate::models::tokens::Tokeniser;
use crate::onnx::{
    Axis, Backend, Element, Model, ModelFolder, OnnxError, SessionDevice, Wanted, demonstration,
};
use crate::pixels::clip_crop::Preprocess;
use crate::pixels::decode::{Decoding, Purpose, decoder_stamp};
use text::TextGraph;

pub use text::TextTower;
pub use vision::VisionTower;

/// A CLIP, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct ClipModel {
    vision: Option<PixelGraph>,
    text: Option<TextGraph>,
    tokeniser: Option<Tokeniser>,
    preprocess: Preprocess,
    decoding: Decoding,
    root: PathBuf,
    backend: Backend,
}

impl ClipModel {
    /// Opens the CLIP in `path`: a folder, or one `.onnx` file with one tower or both. Checks that the graphs are what towers must be,
    /// and that both give embeddings of one length.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let names = graph_names(&folder)?;
        let models: Vec<Model> =
            names.iter().map(|name| folder.model(name)).collect::<Result<_, OnnxError>>()?;
        // Where no tower sees pictures, the folder may say of a detector's how they are prepared, as no CLIP takes them.
        let sees = models.iter().any(|model| inputs_of(model).pixels.is_some());
        let config = if sees { folder.preprocess()? } else { None };
        let mut clip = ClipModel {
            vision: None,
            text: None,
            tokeniser: None,
            preprocess: config.clone().unwrap_or_default(),
            decoding: Decoding::default(),
            root: folder.root().to_path_buf(),
            backend: backend.clone(),
        };
        for model in models {
            clip.add(model, config.as_ref())?;
        }
        if clip.text.is_some() && folder.first_of(&["tokenizer.json"]).is_some() {
            clip.tokeniser = Some(Tokeniser::open(&folder)?);
        }
        if let (Some(vision), Some(text)) = (&clip.vision, &clip.text)
            && let (Some(seen), Some(read)) = (last_axis(&vision.rows.output), text.dimension())
            && seen != read
        {
            return Err(OnnxError::Contract {
                path: text.model.path.clone(),
                wanted: format!("text_embeds [N,{seen}], because the vision tower's have that length"),
                found: text.model.signature.to_string(),
            });
        }
        Ok(clip)
    }

    /// The same, for pictures that are decoded so.
    pub fn decoding(self, decoding: Decoding) -> Self {
        ClipModel { decoding, ..self }
    }

    /// Takes the towers that a graph has.
    fn add(&mut self, model: Model, config: Option<&Preprocess>) -> Result<(), OnnxError> {
        let inputs = inputs_of(&model);
        let outputs = outputs_of(&model, &inputs);
        let (ins, outs) = model.fit(&inputs.wanted, &outputs)?;
        let input = |at: Option<usize>| at.map(|at| ins[at].clone());
        let (pixels, ids, mask) = (input(inputs.pixels), input(inputs.ids), input(inputs.mask));
        if let Some(pixels) = &pixels {
            let fillers = [&ids, &mask].into_iter().flatten().map(|port| Filler::of(port, 0)).collect();
            let (input, output) = (pixels.clone(), outs[0].clone());
            let rows = RowGraph { model: model.clone(), input, output, gives: Gives::Vector, fillers };
            let vision = PixelGraph::of(rows, config.cloned())?;
            self.preprocess = vision.preprocess.clone();
            self.vision = Some(vision);
        }
        if let Some(ids) = ids {
            let edge = self.preprocess.crop as usize;
            let fillers = pixels.iter().map(|port| Filler::of(port, edge)).collect();
            let output = outs[outs.len() - 1].clone();
            let mask = mask.map(|port| port.name);
            self.text = Some(TextGraph { model, ids, mask, output, fillers });
        }
        Ok(())
    }

    /// How pictures become the vision tower's input.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// What pictures have to be decoded for.
    pub fn purpose(&self) -> Purpose {
        self.decoding.for_short_side(self.preprocess.size)
    }

    /// How texts become the text tower's input, cut to what the tower takes where its graph fixes that.
    pub fn tokeniser(&self) -> Result<Tokeniser, OnnxError> {
        let Some(tokeniser) = self.tokeniser.clone() else {
            let why = "no tokenizer.json for a text tower in it; copy the one of the model that was exported";
            return Err(OnnxError::Folder { path: self.root.clone(), why: why.to_string() });
        };
        let length = self.text.as_ref().and_then(|text| axis(&text.ids, 1));
        let context = tokeniser.context();
        Ok(tokeniser.with_context(length.map_or(context, |length| length.min(context))))
    }

    /// The length of its embeddings, where a graph tells.
    pub(crate) fn dimension(&self) -> Option<usize> {
        let seen = self.vision.as_ref().and_then(|vision| last_axis(&vision.rows.output));
        seen.or_else(|| self.text.as_ref().and_then(TextGraph::dimension))
    }

    /// How many crops one run takes, where the vision graph fixes that; a caller that batches by it wastes nothing.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        self.vision.as_ref().and_then(|vision| vision.rows.batch())
    }

    /// Of all its graphs and their external data.
    pub(crate) fn content_hash(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        self.models().for_each(|model| {
            hasher.update(&model.content.0);
        });
        ContentHash::from_hasher(&hasher)
    }

    /// Of all its graphs and their external data, in bytes: what [`crate::onnx::session_plan`] asks for.
    pub fn bytes(&self) -> u64 {
        self.models().map(|model| model.bytes).sum()
    }

    /// All that shapes an image embedding, by name; none without a vision tower.
    pub(crate) fn vision_stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Some(vision) = &self.vision else { return Vec::new() };
        vec![
            ("model", vision.rows.model.content.0.to_vec()),
            ("preprocess", self.preprocess.stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.backend.stamp_class_for([&vision.rows.model]).into()),
        ]
    }

    /// All that shapes a text embedding, by name; none without a text tower.
    pub(crate) fn text_stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let Some(text) = &self.text else { return Vec::new() };
        let mut parts = vec![
            ("text_model", text.model.content.0.to_vec()),
            ("text_backend", self.backend.stamp_class_for([&text.model]).into()),
        ];
        if let Ok(tokeniser) = self.tokeniser() {
            parts.push(("tokens", tokeniser.content_hash().0.to_vec()));
            parts.push(("context", tokeniser.context().to_string().into_bytes()));
        }
        parts
    }

    /// Loads the vision tower onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_vision(&self, place: SessionDevice, threads: usize) -> Result<VisionTower, OnnxError> {
        let vision = self.vision.as_ref().ok_or_else(|| self.without("vision_model.onnx"))?;
        Ok(VisionTower::of(vision.open(&self.backend, place, threads)?))
    }

    /// Loads the text tower, likewise.
    pub fn open_text(&self, place: SessionDevice, threads: usize) -> Result<TextTower, OnnxError> {
        let text = self.text.as_ref().ok_or_else(|| self.without("text_model.onnx"))?;
        text.open(&self.backend, place, threads)
    }

    /// Its vision tower.
    pub(crate) fn into_vision(mut self) -> Result<PixelGraph, OnnxError> {
        self.vision.take().ok_or_else(|| self.without("vision_model.onnx"))
    }

    fn without(&self, tower: &str) -> OnnxError {
        let why = format!("there is no {tower} in it, and no model.onnx with that tower");
        OnnxError::Folder { path: self.root.clone(), why }
    }

    /// See [`Operator::demonstration`](threshflow::lane::Operator::demonstration).
    pub(crate) fn demonstration(&self) -> Option<String> {
        demonstration(self.models())
    }

    /// Its graphs, each once.
    fn models(&self) -> impl Iterator<Item = &Model> {
        let vision = self.vision.as_ref().map(|vision| &vision.rows.model);
        let text = self.text.as_ref().map(|text| &text.model);
        vision
            .into_iter()
            .chain(text.filter(move |text| vision.is_none_or(|vision| vision.path != text.path)))
    }
}

/// The files that hold the towers.
fn graph_names(folder: &ModelFolder) -> Result<Vec<String>, OnnxError> {
    if let Some(name) = folder.named() {
        return Ok(vec![name.to_string()]);
    }
    let towers =
        ["vision_model.onnx", "text_model.onnx"].into_iter().filter_map(|name| folder.first_of(&[name]));
    let mut names: Vec<String> = towers.map(str::to_string).collect();
    if names.is_empty() {
        names.extend(folder.first_of(&["model.onnx"]).map(str::to_string));
    }
    if names.is_empty() {
        return Err(OnnxError::Folder {
            path: folder.root().to_path_buf(),
            why: format!(
                "no CLIP in it: it holds {:?}; wanted vision_model.onnx, text_model.onnx or both, or model.onnx with both towers",
                folder.graphs()
            ),
        });
    }
    Ok(names)
}

/// What is wanted of a graph's inputs, and at which places of that list the parts stand.
struct Inputs {
    wanted: Vec<Wanted>,
    pixels: Option<usize>,
    ids: Option<usize>,
    mask: Option<usize>,
}

/// By what the graph has: a single input may have any name, of several each is known by its own.
fn inputs_of(model: &Model) -> Inputs {
    let ports = &model.signature.inputs;
    let is_number = |element: Element| matches!(element, Element::I64 | Element::I32);
    let has_ids = ports.iter().any(|port| port.name == "input_ids" || is_number(port.element));
    let has_pixels = !has_ids || ports.iter().any(|port| !is_number(port.element));
    let has_mask = ports.iter().any(|port| port.name == "attention_mask");
    let named = |name: &'static str| if ports.len() > 1 { name } else { "" };
    let mut wanted = Vec::new();
    let mut want = |there: bool, port: Wanted| {
        there.then(|| {
            wanted.push(port);
            wanted.len() - 1
        })
    };
    let pixels = want(has_pixels, pixels(named("pixel_values")));
    let ids = want(has_ids, numbers(named("input_ids")));
    let mask = want(has_mask, numbers("attention_mask"));
    Inputs { wanted, pixels, ids, mask }
}

/// The embeddings that are wanted of it: of a single output whatever its name is.
fn outputs_of(model: &Model, inputs: &Inputs) -> Vec<Wanted> {
    let towers = [(inputs.pixels, "image_embeds"), (inputs.ids, "text_embeds")];
    let names = towers.into_iter().filter_map(|(there, name)| there.map(|_| name));
    let is_only = model.signature.outputs.len() == 1;
    names.map(|name| embeddings(if is_only { "" } else { name })).collect()
}

fn numbers(name: &'static str) -> Wanted {
    Wanted { name, element: Element::I64, shapes: vec![vec![Axis::Any("N"), Axis::Any("L")]] }
}

#[cfg(test)]
pub(crate) mod tests;

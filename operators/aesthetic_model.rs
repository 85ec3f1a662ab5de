//! The aesthetic scorer's arithmetic: crops in, scores out, whatever kind of ONNX model stands behind it.
//!
//! Two kinds are taken. A fused scorer is any graph with one float input `[N,3,H,W]` and an output `[N]` or `[N,1]`. A CLIP
//! with a head is two graphs in one folder: `vision_model.onnx` (pixel_values -> image_embeds, which are L2-normalised here) and
//! `head.onnx` or `aesthetic_head.onnx` (image_embeds `[N,D]` -> `[N,1]`), as LAION's and improved-aesthetic-predictor's are.

use std::path::Path;

use threshflow::row::ContentHash;

use crate::clip_crop::Preprocess;
use crate::decode::{Purpose, decoder_stamp};
use crate::onnx::{Axis, Backend, Model, ModelFolder, OnnxError, Place, Port, Session, TensorIn, Wanted};

/// A scorer, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct AestheticModel {
    stages: Vec<Stage>,
    preprocess: Preprocess,
    content: ContentHash,
    backend: Backend,
}

/// A graph with one input of interest and one output of interest.
#[derive(Clone, Debug)]
struct Stage {
    model: Model,
    input: Port,
    output: String,
    /// How many go in at once, where the graph fixes that.
    batch: Option<usize>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Each output row is divided by its L2 norm and goes into the next stage.
    Normalise,
    /// Each output row is one number: the score.
    Score,
}

const HEADS: [&str; 2] = ["head.onnx", "aesthetic_head.onnx"];
const FUSED: [&str; 2] = ["model.onnx", "aesthetic.onnx"];

impl AestheticModel {
    /// Opens the scorer in `path`: a folder, or one `.onnx` file. Checks that the graphs are what a scorer must be.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let config = folder.preprocess()?;
        let head = folder.first_of(&HEADS).filter(|_| folder.named().is_none());
        let stages = match (head, folder.first_of(&["vision_model.onnx"])) {
            (Some(head), Some(vision)) => with_head(folder.model(vision)?, folder.model(head)?)?,
            _ => vec![scoring(folder.model(&fused_name(&folder)?)?)?],
        };
        let preprocess = decide_preprocess(config, &stages[0])?;
        let mut hasher = blake3::Hasher::new();
        stages.iter().for_each(|stage| {
            hasher.update(&stage.model.content.0);
        });
        let content = ContentHash::from_hasher(&hasher);
        Ok(AestheticModel { stages, preprocess, content, backend: backend.clone() })
    }

    /// How pictures become its input.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// What pictures have to be decoded for.
    pub fn purpose(&self) -> Purpose {
        Purpose::ShortSideAtLeast(self.preprocess.size)
    }

    /// Of all its graphs and their external data.
    pub fn content_hash(&self) -> ContentHash {
        self.content
    }

    /// Of all its graphs and their external data, in bytes: what [`crate::onnx::session_plan`] asks for.
    pub fn bytes(&self) -> u64 {
        self.stages.iter().map(|stage| stage.model.bytes).sum()
    }

    /// How many crops one run takes, where the graph fixes that; a caller that batches by it wastes nothing.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.stages[0].batch
    }

    /// The back-end and the precision that the scorer runs in, as the stamp has it.
    pub fn stamp_class(&self) -> &'static str {
        self.backend.stamp_class_for(self.stages.iter().map(|stage| &stage.model))
    }

    /// All that shapes a score, by name, for the operator's stamp: model, preprocessing, decoding, back-end and precision.
    pub fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("model", self.content.0.to_vec()),
            ("preprocess", self.preprocess.stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.stamp_class().into()),
        ]
    }

    /// Loads the scorer onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: Place, threads: usize) -> Result<Scorer, OnnxError> {
        let open = |stage: &Stage| -> Result<(Stage, Session), OnnxError> {
            Ok((stage.clone(), Session::open(&stage.model, &self.backend, place, threads)?))
        };
        let stages = self.stages.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Scorer { stages, preprocess: self.preprocess.clone(), slots: Vec::new() })
    }
}

/// A loaded scorer.
pub struct Scorer {
    stages: Vec<(Stage, Session)>,
    preprocess: Preprocess,
    /// The input of one run, kept between runs.
    slots: Vec<f32>,
}

impl Scorer {
    /// Scores crops that [`Preprocess::crop_u8`] made: one score each, in order. NaN and infinities are given as they are.
    ///
    /// Any number of crops is taken; a graph that fixes its batch is run as often as needed, the last time filled up with
    /// repetitions whose scores are dropped.
    pub fn score(&mut self, crops: &[&[u8]]) -> Result<Vec<f32>, OnnxError> {
        let edge = self.preprocess.crop as usize;
        let mut scores = Vec::with_capacity(crops.len());
        let at_once = self.stages[0].0.batch.unwrap_or(crops.len()).max(1);
        for chunk in crops.chunks(at_once) {
            self.slots.resize(chunk.len() * 3 * edge * edge, 0.0);
            for (crop, slot) in chunk.iter().zip(self.slots.chunks_exact_mut(3 * edge * edge)) {
                self.preprocess.write_tensor(crop, slot);
            }
            let mut values = std::mem::take(&mut self.slots);
            let mut row_shape = vec![3, edge, edge];
            for (at, (stage, session)) in self.stages.iter_mut().enumerate() {
                let output = stage.run(session, &mut values, &row_shape, chunk.len())?;
                if at == 0 {
                    self.slots = std::mem::take(&mut values);
                }
                row_shape = vec![output.len() / chunk.len()];
                values = output;
            }
            scores.append(&mut values);
        }
        Ok(scores)
    }

    /// One run of `crops` black crops: what a GPU does only once is done then.
    pub fn warm_up(&mut self, crops: usize) -> Result<(), OnnxError> {
        let black = vec![0; self.preprocess.crop_bytes()];
        self.score(&vec![black.as_slice(); crops]).map(|_| ())
    }
}

impl Stage {
    /// Runs `rows` rows of `row_shape`, padded to the graph's batch; gives the outputs of those rows.
    fn run(
        &self,
        session: &mut Session,
        values: &mut Vec<f32>,
        row_shape: &[usize],
        rows: usize,
    ) -> Result<Vec<f32>, OnnxError> {
        let row_length: usize = row_shape.iter().product();
        let at_once = self.batch.unwrap_or(rows);
        let mut kept = Vec::new();
        for first in (0..rows).step_by(at_once.max(1)) {
            let real = at_once.min(rows - first);
            while values.len() < (first + at_once) * row_length {
                let last = values.len() - row_length;
                values.extend_from_within(last..);
            }
            let data = &values[first * row_length..(first + at_once) * row_length];
            let shape: Vec<usize> = std::iter::once(at_once).chain(row_shape.iter().copied()).collect();
            let outputs = session.run(&[(&self.input.name, TensorIn::F32 { shape: &shape, data })])?;
            let found = outputs.iter().find(|output| output.name == self.output);
            let numbers = found.and_then(|output| output.as_f32());
            kept.extend(self.rows_of(numbers.unwrap_or_default(), at_once, real)?);
        }
        Ok(kept)
    }

    /// The first `real` of `at_once` output rows, normalised where the next stage wants that.
    fn rows_of(&self, numbers: &[f32], at_once: usize, real: usize) -> Result<Vec<f32>, OnnxError> {
        let width = numbers.len() / at_once;
        let fits =
            width > 0 && numbers.len() == width * at_once && (width == 1 || self.then == Then::Normalise);
        if !fits {
            let why =
                format!("output `{}` has {} values for a batch of {at_once}", self.output, numbers.len());
            return Err(OnnxError::Run { path: self.model.path.clone(), why });
        }
        let mut rows = numbers[..real * width].to_vec();
        if self.then == Then::Normalise {
            for row in rows.chunks_exact_mut(width) {
                let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
                row.iter_mut().for_each(|value| *value /= norm);
            }
        }
        Ok(rows)
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

fn pixels() -> Wanted {
    Wanted::f32("", &[&[Axis::Any("N"), Axis::Is(3), Axis::Any("H"), Axis::Any("W")]])
}

fn score() -> Wanted {
    Wanted::f32("", &[&[Axis::Any("N")], &[Axis::Any("N"), Axis::Is(1)]])
}

fn embedding(name: &'static str) -> Wanted {
    Wanted::f32(name, &[&[Axis::Any("N"), Axis::Any("D")]])
}

fn stage(model: Model, input: &Wanted, output: &Wanted, then: Then) -> Result<Stage, OnnxError> {
    let (ins, outs) = model.fit(std::slice::from_ref(input), std::slice::from_ref(output))?;
    let (input, output) = (ins[0].clone(), outs[0].name.clone());
    let batch = input.shape.as_ref().and_then(|shape| shape.first().copied().flatten());
    Ok(Stage { model, input, output, batch, then })
}

/// A graph that gives scores: fused, with a single output, so that there is no doubt which one is meant.
fn scoring(model: Model) -> Result<Stage, OnnxError> {
    let several = model.signature.outputs.len() > 1;
    let wanted = Wanted { name: if several { "aesthetic_score" } else { "" }, ..score() };
    stage(model, &pixels(), &wanted, Then::Score)
}

fn with_head(vision: Model, head: Model) -> Result<Vec<Stage>, OnnxError> {
    let head = stage(head, &embedding(""), &score(), Then::Score)?;
    let several = vision.signature.outputs.len() > 1;
    let vision =
        stage(vision, &pixels(), &embedding(if several { "image_embeds" } else { "" }), Then::Normalise)?;
    let last_axis = |port: &Port| port.shape.as_ref().and_then(|shape| shape.last().copied().flatten());
    let given =
        vision.model.signature.outputs.iter().find(|port| port.name == vision.output).and_then(last_axis);
    match (given, last_axis(&head.input)) {
        (Some(given), Some(taken)) if given != taken => Err(OnnxError::Contract {
            path: head.model.path.clone(),
            wanted: format!("an input [N,{given}], because {} gives that", vision.model.path.display()),
            found: head.model.signature.to_string(),
        }),
        _ => Ok(vec![vision, head]),
    }
}

/// The folder's preprocessing, or OpenAI's at the size that the graph fixes; the two must agree.
fn decide_preprocess(config: Option<Preprocess>, first: &Stage) -> Result<Preprocess, OnnxError> {
    let shape = first.input.shape.as_deref().unwrap_or_default();
    let (height, width) = (shape.get(2).copied().flatten(), shape.get(3).copied().flatten());
    let edge = height.or(width);
    let mut preprocess = config.clone().unwrap_or_default();
    if config.is_none()
        && let Some(edge) = edge.and_then(|edge| u32::try_from(edge).ok())
    {
        (preprocess.size, preprocess.crop) = (edge, edge);
    }
    let crop = preprocess.crop as usize;
    if [height, width].into_iter().flatten().any(|edge| edge != crop) {
        return Err(OnnxError::Contract {
            path: first.model.path.clone(),
            wanted: format!("pixels [N,3,{crop},{crop}], a square as preprocessing gives it"),
            found: first.input.to_string(),
        });
    }
    Ok(preprocess)
}

#[cfg(test)]
mod tests;

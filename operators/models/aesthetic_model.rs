//! The aesthetic scorer's arithmetic: crops in, scores out, for any kind of ONNX model.
//!
//! Two kinds are taken. A fused scorer is any graph with one float input `[N,3,H,W]` and an output `[N]` or `[N,1]`. A CLIP with a head is
//! two graphs in one folder: `vision_model.onnx` (pixel_values -> image_embeds, which are L2-normalised here) and `head.onnx` or
//! `aesthetic_head.onnx` (image_embeds `[N,D]` -> `[N,1]`), as those of LAION and improved-aesthetic-predictor are. Their scores are from 0
//! to 10. Any other model is taken with a `score.json` beside it, which says how it scores, and from where to where
//! ([`score_model`](crate::models::score_model)).

mod head;

use std::path::Path;

use threshflow::row::{ContentHash, Refusal};

use self::head::HEADS;
use crate::models::embedding::normalise;
use crate::models::row_graph::{Gives, PixelGraph, PixelSession, RowGraph, embeddings, last_axis, pixels};
use crate::models::score_model::spec::{Direction, LooksAt, ScoreSpec, finite};
use crate::models::score_model::{FILE, ScoreModel, ScoreSession};
use crate::onnx::{Axis, Backend, Model, ModelFolder, OnnxError, SessionDevice, Wanted, demonstration};
use crate::pixels::clip_crop::Preprocess;
use crate::pixels::decode::{Decoding, Purpose, Rgb, decoder_stamp};

pub use head::{AestheticHead, HeadScorer};

/// A scorer, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct AestheticModel {
    kind: Kind,
    decoding: Decoding,
    content: ContentHash,
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The pixels give the score, or the embedding that the head scores.
    Known {
        pixels: PixelGraph,
        head: Option<AestheticHead>,
    },
    Described(ScoreModel),
}

/// The ends of LAION's scale, which models without a `score.json` score on.
pub const LAION: [f32; 2] = [0.0, 10.0];

const FUSED: [&str; 2] = ["model.onnx", "aesthetic.onnx"];

impl AestheticModel {
    /// Opens the scorer in `path`: a folder, or one `.onnx` file. Checks that the graphs are what a scorer must be.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        if ScoreModel::is_in(path) {
            return Self::described(path, backend);
        }
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
        let (kind, decoding, backend) = (Kind::Known { pixels, head }, Decoding::default(), backend.clone());
        Ok(AestheticModel { kind, decoding, content, backend })
    }

    /// A model with a `score.json`. It is run once, so that a wrong file is told now.
    fn described(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let model = ScoreModel::open(path, backend)?;
        let spec = model.spec();
        let wrong = if spec.direction != Direction::HigherIsBetter {
            "its `direction` is \"lower_is_better\", and of the aesthetic scorer higher scores are better; name it by --score"
        } else if spec.looks_at == LooksAt::Results {
            "its `looks_at` is \"results\", and the aesthetic scorer looks at sources; leave it out"
        } else if model.fitting().size().is_none() {
            "its `fit` is \"keep_aspect\", and the aesthetic scorer takes pictures of one size; take another fit"
        } else {
            for place in backend.places().into_iter().take(1) {
                model.open_tried(place, 1)?;
            }
            let content = model.content_hash();
            let (kind, decoding, backend) = (Kind::Described(model), Decoding::Full, backend.clone());
            return Ok(AestheticModel { kind, decoding, content, backend });
        };
        Err(OnnxError::Folder { path: path.to_path_buf(), why: format!("{FILE}: {wrong}") })
    }

    /// How pictures become its input, where they do as for CLIP-like models.
    pub fn preprocess(&self) -> Option<&Preprocess> {
        match &self.kind {
            Kind::Known { pixels, .. } => Some(&pixels.preprocess),
            Kind::Described(_) => None,
        }
    }

    /// What its `score.json` says, where it has one.
    pub fn spec(&self) -> Option<&ScoreSpec> {
        match &self.kind {
            Kind::Known { .. } => None,
            Kind::Described(model) => Some(model.spec()),
        }
    }

    /// The least and the greatest score: LAION's, or what its `score.json` says.
    pub fn range(&self) -> [f32; 2] {
        self.spec().map_or(LAION, |spec| spec.range)
    }

    /// A number that the model gave, as a score; refused where it is none, or none of the range that a `score.json` says.
    pub fn score(&self, number: f32) -> Result<f32, Refusal> {
        match self.spec() {
            Some(spec) => spec.score(number),
            None => finite(number),
        }
    }

    /// The same, for pictures that are decoded so. A model with a `score.json` is shown every pixel, whatever is wished.
    pub fn decoding(self, decoding: Decoding) -> Self {
        AestheticModel { decoding, ..self }
    }

    /// What pictures have to be decoded for.
    pub fn purpose(&self) -> Purpose {
        match &self.kind {
            Kind::Known { pixels, .. } => self.decoding.for_short_side(pixels.preprocess.size),
            Kind::Described(model) => model.purpose(),
        }
    }

    /// The picture as the model takes it, 3 bytes a pixel.
    pub fn crop(&self, picture: &Rgb) -> Result<Vec<u8>, Refusal> {
        match &self.kind {
            Kind::Known { pixels, .. } => pixels.preprocess.crop_u8(picture),
            Kind::Described(model) => Ok(model.prepare(picture)?.pixels),
        }
    }

    /// Bytes of one crop.
    pub(crate) fn crop_bytes(&self) -> usize {
        match &self.kind {
            Kind::Known { pixels, .. } => pixels.preprocess.crop_bytes(),
            Kind::Described(model) => {
                let (width, height) = model.fitting().size().unwrap_or_default();
                3 * width as usize * height as usize
            }
        }
    }

    /// Of all its graphs and their external data.
    pub(crate) fn content_hash(&self) -> ContentHash {
        self.content
    }

    /// Of all its graphs and their external data, in bytes: what [`crate::onnx::session_plan`] asks for.
    pub fn bytes(&self) -> u64 {
        self.graphs().map(|model| model.bytes).sum()
    }

    /// How many crops one run takes, where the graph fixes that; a caller that batches by it wastes nothing.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        match &self.kind {
            Kind::Known { pixels, .. } => pixels.rows.batch(),
            Kind::Described(model) => model.fixed_batch(),
        }
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
        let (first, head) = match &self.kind {
            Kind::Known { pixels, head } => (&pixels.rows.model, head.as_ref()),
            Kind::Described(model) => (model.graph(), None),
        };
        std::iter::once(first).chain(head.map(|head| &head.graph.model))
    }

    /// All that shapes a score, by name, for the operator's stamp: model, preprocessing, decoding, back-end and precision.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let preprocess = match &self.kind {
            Kind::Known { pixels, .. } => &pixels.preprocess,
            Kind::Described(model) => return model.stamp_parts(),
        };
        vec![
            ("model", self.content.0.to_vec()),
            ("preprocess", preprocess.stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.backend.stamp_class_for(self.graphs()).into()),
        ]
    }

    /// Loads the scorer onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<Scorer, OnnxError> {
        let kind = match &self.kind {
            Kind::Known { pixels, head } => {
                let pixels = Box::new(pixels.open(&self.backend, place, threads)?);
                let head = head.as_ref().map(|head| head.open_session(place, threads)).transpose()?;
                Opened::Known { pixels, head: head.map(Box::new) }
            }
            Kind::Described(model) => Opened::Described(Box::new(model.open_session(place, threads)?)),
        };
        Ok(Scorer { kind, crop_bytes: self.crop_bytes() })
    }
}

/// A loaded scorer.
pub struct Scorer {
    kind: Opened,
    crop_bytes: usize,
}

enum Opened {
    Known { pixels: Box<PixelSession>, head: Option<Box<HeadScorer>> },
    Described(Box<ScoreSession>),
}

impl Scorer {
    /// Scores crops that [`AestheticModel::crop`] made: one number each, in order. NaN and infinities are given as they are;
    /// an embedding that has no direction (all zeros) is scored NaN.
    ///
    /// Any number of crops is taken; a graph that fixes its batch is run as often as needed, the last time filled up with
    /// repetitions whose scores are dropped.
    pub fn score(&mut self, crops: &[&[u8]]) -> Result<Vec<f32>, OnnxError> {
        let (pixels, head) = match &mut self.kind {
            Opened::Known { pixels, head } => (pixels, head),
            Opened::Described(session) => return session.run_crops(crops),
        };
        let mut numbers = pixels.run(crops)?;
        let Some(head) = head else { return Ok(numbers) };
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
        let black = vec![0; self.crop_bytes];
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

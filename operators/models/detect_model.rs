//! The open-vocabulary detector's arithmetic: letterboxed pictures and nouns in, boxes in pixels of the source out.
//!
//! Two kinds of ONNX exports of YOLO-World are taken. With text as input: images f32 `[N,3,S,S]` in 0..1, text_embeds f32 `[N,K,D]`
//! (L2-normalised, one row for each noun), and text_mask f32 `[N,K]` if the graph has it; out come boxes `[N,A,4]` (xyxy in letterbox
//! pixels) and scores `[N,A,K]` (after the sigmoid). With a built-in vocabulary: images alone; out come boxes and scores, or one output
//! `[N,4+K,A]` (centre, width, height, then a score for each label). The labels are those of `labels.txt` (one a line) or `labels.json` (a
//! list, or an object by index) beside the graph, otherwise what ultralytics writes into the graph (`names`, and `imgsz`). Inputs are told
//! apart by their shapes, outputs by their names.
//!
//! The output of the graph is reduced in the stages of [`DetectSettings`], as ImgEdit's detections were.

mod candidates;
mod detector;
mod folder;
mod metadata;
mod shape;

use std::path::Path;

use threshflow::row::ContentHash;

use crate::onnx::{Backend, Model, ModelFolder, OnnxError, SessionDevice, demonstration};
use crate::pixels::UnknownName;
use crate::pixels::decode::{Purpose, decoder_stamp};
use crate::pixels::letterbox::{Letterbox, LetterboxFamily};

pub use detector::{Detector, Question};

/// What is decided about a detection beyond its model. All of it shapes the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectSettings {
    /// Where `None`: the `family` of the folder's preprocessor_config.json (`mmyolo` or `ultralytics`), else ultralytics' for a graph
    /// that it exported, else mmyolo's.
    pub letterbox: Option<LetterboxFamily>,
    /// First, every pair of anchor and class with a score above this, 0 to 1 ...
    pub candidate_score: f32,
    /// ... and of those the best so many; equal scores in the order of anchors, then of nouns.
    pub most_candidates: usize,
    /// Second, within each class, on the letterbox: boxes that overlap a better one by more than this IoU go ...
    pub class_iou: f64,
    /// ... and of the rest the best so many stay. They are brought to source pixels and cut off at the edges; what has no
    /// area then goes.
    pub most_after_classes: usize,
    /// Third, whatever the class: boxes that overlap a better one by more than this IoU go.
    pub iou: f64,
    /// Last, scores above this, 0 to 1 ...
    pub score: f32,
    /// ... and of those the best so many.
    pub most: usize,
}

impl Default for DetectSettings {
    /// ImgEdit's numbers.
    fn default() -> Self {
        DetectSettings {
            letterbox: None,
            candidate_score: 0.001,
            most_candidates: 30_000,
            class_iou: 0.7,
            most_after_classes: 300,
            iou: 0.5,
            score: 0.005,
            most: 100,
        }
    }
}

/// Where the words come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// Every question brings its own nouns, as embeddings of `dimension` numbers (512 for real exports).
    Asked { dimension: usize },
    /// They are in the graph; class n is `labels[n]`.
    Baked { labels: Vec<String> },
}

/// Something found in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Which of the question's nouns, or of the baked labels.
    pub class: u32,
    /// x1, y1, x2, y2 in pixels of the source: within the picture, and of some area.
    pub bbox: [f32; 4],
    /// 0 to 1.
    pub score: f32,
}

/// A detector, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub struct DetectModel {
    model: Model,
    ports: shape::Ports,
    vocabulary: Vocabulary,
    letterbox: Letterbox,
    settings: DetectSettings,
    backend: Backend,
    guesses: Vec<String>,
}

impl DetectModel {
    /// Opens the detector in `path`: a folder with `model.onnx` or a single graph, or one `.onnx` file. Checks that the graph is
    /// what a detector must be, that a baked vocabulary has as many labels as the graph has classes, and the settings.
    pub fn open(path: &Path, backend: &Backend, settings: DetectSettings) -> Result<Self, OnnxError> {
        check(&settings)?;
        let folder = ModelFolder::open(path)?;
        let model = folder.model(&folder::graph(&folder)?)?;
        let ports = shape::Ports::of(&model)?;
        let told = metadata::read(&model)
            .map_err(|why| OnnxError::Folder { path: folder.root().to_path_buf(), why })?;
        let vocabulary = match ports.dimension() {
            Some(dimension) => Vocabulary::Asked { dimension },
            None => Vocabulary::Baked { labels: folder::labels(&folder, told.names)? },
        };
        if let (Vocabulary::Baked { labels }, Some(classes)) = (&vocabulary, ports.classes())
            && labels.len() != classes
        {
            let why =
                format!("{} labels for a graph of {classes} classes; give one label a class", labels.len());
            return Err(OnnxError::Folder { path: folder.root().to_path_buf(), why });
        }
        let config = folder::config(&folder)?;
        let family = settings.letterbox.or(config.family);
        let family = family.or(told.ultralytics.then_some(LetterboxFamily::Ultralytics));
        let size = config.size.or(told.size);
        let letterbox = Letterbox { family: family.unwrap_or_default(), size: ports.size(&model, size)? };
        let mut guesses = Vec::new();
        if family.is_none() {
            guesses.push(
                "nothing says whose letterbox the detector was trained with, and mmyolo's is taken; name it by --letterbox, or \
                 by `letterbox` in its preprocessor_config.json"
                    .to_string(),
            );
        }
        if size.is_none() && !ports.fixes_size() {
            guesses.push(format!(
                "nothing says how large the detector's pictures are, and {} pixels are taken; write `size` into its \
                 preprocessor_config.json",
                letterbox.size
            ));
        }
        let backend = backend.clone();
        Ok(DetectModel { model, ports, vocabulary, letterbox, settings, backend, guesses })
    }

    /// What neither the folder nor the graph says and was guessed, for people.
    pub fn guesses(&self) -> &[String] {
        &self.guesses
    }

    /// Whether nouns are asked or baked in.
    pub fn kind(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// How pictures become its input.
    pub fn letterbox(&self) -> &Letterbox {
        &self.letterbox
    }

    /// What pictures have to be decoded for.
    pub fn purpose(&self) -> Purpose {
        Purpose::Full
    }

    /// Of the graph and its external data.
    pub(crate) fn demonstration(&self) -> Option<String> {
        demonstration([&self.model].into_iter())
    }

    pub(crate) fn content_hash(&self) -> ContentHash {
        self.model.content
    }

    /// Of the graph and its external data, in bytes: what [`crate::onnx::session_plan`] asks for.
    pub fn bytes(&self) -> u64 {
        self.model.bytes
    }

    /// How many pictures one run takes, where the graph fixes that; a caller that batches by it wastes nothing.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        self.ports.batch()
    }

    /// All that shapes an answer, by name, for the operator's stamp. Of the nouns nothing: they belong to the question.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let labels = match &self.vocabulary {
            Vocabulary::Asked { .. } => Vec::new(),
            Vocabulary::Baked { labels } => labels.join("\n").into_bytes(),
        };
        vec![
            ("model", self.model.content.0.to_vec()),
            ("labels", labels),
            ("letterbox", self.letterbox.stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.backend.stamp_class_for([&self.model]).into()),
            ("detect", settings_stamp(&self.settings).into_bytes()),
        ]
    }

    /// Loads the detector onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<Detector, OnnxError> {
        Detector::open(self, &self.backend, place, threads)
    }
}

/// The numbers of the stages; the letterbox has its own part of the stamp, decided.
fn settings_stamp(settings: &DetectSettings) -> String {
    format!("detect/1 {:?}", DetectSettings { letterbox: None, ..settings.clone() })
}

fn check(settings: &DetectSettings) -> Result<(), OnnxError> {
    let wrong = |what, found: String, allowed| Err(OnnxError::Usage(UnknownName { what, found, allowed }));
    let shares = [
        ("the detector's candidate_score", f64::from(settings.candidate_score)),
        ("the detector's score", settings.score.into()),
        ("the detector's class_iou", settings.class_iou),
        ("the detector's iou", settings.iou),
    ];
    if let Some((what, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
        return wrong(what, value.to_string(), "a number from 0 to 1 is allowed");
    }
    let counts = [
        ("the detector's most_candidates", settings.most_candidates),
        ("the detector's most_after_classes", settings.most_after_classes),
        ("the detector's most", settings.most),
    ];
    match counts.into_iter().find(|(_, count)| *count == 0) {
        Some((what, count)) => wrong(what, count.to_string(), "1 or more is allowed"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! What is shared by the pipelines that find, mask and score regions: their flags, and the opening of their stages.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use operators::judge::clip::JudgeClip;
use operators::models::clip_tower::ClipTower;
use operators::models::detect_model::DetectSettings;
use operators::onnx::{Backend, OnnxError};
use operators::pixels::letterbox::LetterboxFamily;
use operators::pixels::region_crop::Channels;
use operators::plan::noun_list::NounSource;
use operators::region_score::Before;
use operators::{AestheticScorer, Detect, Records, RegionScore, Segment, Texts};
use threshflow::cli::{Failure, Workbench};
use threshflow::lane::Stage;

use crate::models::ModelArgs;

/// Flags of `run` and `plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct GroundArgs {
    /// The aesthetic scorer, of pictures and of regions: a folder with model.onnx, or with vision_model.onnx and head.onnx
    #[arg(long, value_name = "MODEL")]
    pub aesthetic: PathBuf,
    /// Take a picture's score from this field of the .json sidecar (LAION has `aes`); ask only if it is missing
    #[arg(long, value_name = "FIELD")]
    pub aesthetic_from_sidecar: Option<String>,
    /// The sidecar's field of nouns: {"object": [...], "background": [...]}, or a list of objects
    #[arg(long, value_name = "FIELD", default_value = "tags")]
    pub nouns_from: String,
    /// The detector: a folder with model.onnx (YOLO-World with text as input, or a built-in vocabulary with labels.txt, or an export
    /// of ultralytics)
    #[arg(long, value_name = "FOLDER")]
    pub detector: PathBuf,
    /// The text tower that embeds nouns for the detector [default: the detector's own folder]
    #[arg(long, value_name = "FOLDER")]
    pub detector_text: Option<PathBuf>,
    /// How the detector's pictures are letterboxed: mmyolo or ultralytics [default: what its folder or its graph says, otherwise
    /// mmyolo]
    #[arg(long, value_name = "FAMILY")]
    pub letterbox: Option<LetterboxFamily>,
    /// The segmenter: a folder with encoder.onnx and decoder.onnx (SAM 2)
    #[arg(long, value_name = "FOLDER")]
    pub segmenter: PathBuf,
    /// The CLIP that compares regions with their nouns: a folder with vision_model.onnx, text_model.onnx, tokenizer.json
    #[arg(long, value_name = "FOLDER")]
    pub clip: PathBuf,
    /// The colours in which CLIP and the scorer see a region: rgb, or swapped (red for blue, as ImgEdit's own scores were made)
    #[arg(long, default_value = "rgb")]
    pub region_channels: Channels,
    /// Released records to continue from: tars of jsons/, joined to the pictures by their path; what they say is not asked
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub records: Vec<String>,
    #[command(flatten)]
    pub models: ModelArgs,
}

/// The back-end and what comes before any noun is known.
pub struct Opening<'a> {
    args: &'a GroundArgs,
    workbench: &'a Workbench,
    pub backend: Backend,
    pub records: Records,
    pub aesthetic: Arc<Stage<AestheticScorer>>,
    noun_texts: Option<Arc<Texts>>,
    /// Opened by the first that wants it.
    tower: OnceCell<Arc<ClipTower>>,
}

/// The stages of regions.
pub struct Ground {
    pub detect: Arc<Stage<Detect>>,
    pub segment: Arc<Stage<Segment>>,
    pub region_score: Arc<Stage<RegionScore>>,
    /// Of the CLIP that regions are held against.
    pub clip_texts: Arc<Texts>,
}

fn failed(error: OnnxError) -> Failure {
    Failure::Failed(error.to_string())
}

impl<'a> Opening<'a> {
    pub fn of(args: &'a GroundArgs, workbench: &'a Workbench) -> Result<Self, Failure> {
        let backend = args.models.backend(workbench)?;
        let records = Records::open(&args.records, &Default::default())?;
        if records.is_some() {
            workbench.note(&format!("released records: {}", records.describe()));
        }
        let scorer = AestheticScorer::open(&args.aesthetic, &backend, workbench.cores).map_err(failed)?;
        let scorer = scorer.decoding(args.models.decode);
        let aesthetic = workbench.stage_or_sidecar(scorer, args.aesthetic_from_sidecar.as_deref())?;
        let mut opening = Opening {
            args,
            workbench,
            backend,
            records,
            aesthetic,
            noun_texts: None,
            tower: OnceCell::new(),
        };
        let detector_text = args.detector_text.as_deref().unwrap_or(&args.detector);
        // A baked vocabulary needs no text tower; `Detect` says so where one is missing.
        if detector_text.join("text_model.onnx").is_file() || args.detector_text.is_some() {
            opening.noun_texts = Some(opening.texts("noun_text", detector_text)?);
        }
        Ok(opening)
    }

    fn texts(&self, name: &'static str, folder: &Path) -> Result<Arc<Texts>, Failure> {
        Texts::open(name, folder, &self.backend, self.workbench.cores, &self.workbench.lanes)
            .map_err(|error| Failure::Failed(error.to_string()))
    }

    /// The detector, looking for the nouns of `nouns`.
    pub fn detector(&self, nouns: Arc<dyn NounSource>, records: Records) -> Result<Detect, Failure> {
        let settings = DetectSettings { letterbox: self.args.letterbox, ..DetectSettings::default() };
        let texts = self.noun_texts.clone();
        let detect = Detect::open(
            &self.args.detector,
            &self.backend,
            self.workbench.cores,
            settings,
            nouns,
            texts,
            records,
        );
        let detect = detect.map_err(failed)?;
        for guess in detect.guesses() {
            self.workbench.note(&format!("warning: {guess}"));
        }
        Ok(detect)
    }

    /// The stages that find, mask and score the regions of `nouns`.
    pub fn ground(&self, nouns: &Arc<dyn NounSource>) -> Result<Ground, Failure> {
        let (lanes, cores) = (&self.workbench.lanes, self.workbench.cores);
        let detect = Stage::open(self.detector(nouns.clone(), self.records.clone())?, lanes)?;
        let segment = Segment::open(&self.args.segmenter, &self.backend, cores, self.records.clone());
        let segment = segment.map_err(failed)?.decoding(self.args.models.decode);
        let segment = Stage::open(segment, lanes)?;
        let clip_texts = self.texts("clip_text", &self.args.clip)?;
        let before = Before {
            labels: detect.operator().labels().clone(),
            masks: segment.clone(),
            texts: clip_texts.clone(),
            records: self.records.clone(),
        };
        let models = (self.tower()?, self.args.aesthetic.as_path());
        let channels = self.args.region_channels;
        let region_score =
            RegionScore::open(models, &self.backend, cores, before, channels).map_err(failed)?;
        Ok(Ground { detect, segment, region_score: Stage::open(region_score, lanes)?, clip_texts })
    }

    /// The CLIP that regions are held against, for the embedded judge of edits.
    pub fn judge_clip(&self, texts: Arc<Texts>) -> Result<JudgeClip, Failure> {
        Ok(JudgeClip::new(self.tower()?, texts, self.args.region_channels))
    }

    /// The vision tower that all stages share.
    fn tower(&self) -> Result<Arc<ClipTower>, Failure> {
        if let Some(tower) = self.tower.get() {
            return Ok(tower.clone());
        }
        let tower = ClipTower::open(&self.args.clip, &self.backend, self.workbench.cores).map_err(failed)?;
        Ok(self.tower.get_or_init(|| tower).clone())
    }
}

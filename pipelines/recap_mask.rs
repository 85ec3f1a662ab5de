//! Recap and mask: every picture with its nouns, and the boxes, masks and scores of its regions. ImgEdit's second stage.
//!
//! The first lines are those of `prepare`, and share its answers. From `regions` on there is a row for every region that was
//! found: gates that come before a question save it.

use std::path::{Path, PathBuf};

use operators::detect_model::DetectSettings;
use operators::letterbox::LetterboxFamily;
use operators::onnx::{Backend, BackendChoice, Device, OnnxError};
use operators::region_crop::Channels;
use operators::region_score::Before;
use operators::{
    Aesthetic, AestheticScorer, Area, ClipScore, Detect, Detection, FoundRegions, MaskScore, Nouns,
    NounsFromSidecar, Records, RegionAesthetic, RegionScore, Segment, ShortSide, Texts, area, short_side,
};
use threshflow::cli::{App, Failure, Output, Workbench};
use threshflow::flow::RegionCount;
use threshflow::prelude::*;
use threshflow::publish::Recorder;
use threshflow::report::Illustrator;
use threshflow::row::{Region, RegionKind, Told};

use crate::illustrate::Illustrate;
use crate::recap_record::RecapRecorder;

dials! {
    /// What a rerun may turn: `recap_mask run ... --set detection=0.3 --set object_clip=0.7`.
    pub struct Dials {
        /// How long the shorter side of a picture must be.
        short_side: ShortSide > 1280,
        /// How pleasing a picture must be.
        aesthetic: Aesthetic > 4.75,
        /// How sure the detector must be of a region. It is asked for all above 0.005.
        detection: Detection > 0.005,
        /// How much of the picture an object must cover, at least.
        object_area: Area > 0.01,
        /// How much of the picture an object may cover.
        object_area_most: Area <= 0.60,
        /// How surely an object must show its noun ...
        object_clip: ClipScore >= 0.8,
        /// ... or else how large it must be, with a mask that is good enough:
        object_area_sure: Area >= 0.08,
        /// How good such an object's mask must be. (In the tool that made ImgEdit, the mask's quality stood under `score`.)
        object_mask: MaskScore >= 0.8,
        /// How much of the picture a background must cover, at least.
        background_area: Area > 0.40,
        /// How much of the picture a background may cover.
        background_area_most: Area <= 0.70,
        /// How surely a background must show its noun ...
        background_clip: ClipScore >= 0.7,
        /// ... or else how large it must be, with a mask that is good enough:
        background_area_sure: Area >= 0.40,
        /// How good such a background's mask must be.
        background_mask: MaskScore >= 0.75,
        /// How many regions must be left of a picture; with 0, pictures without any are published too.
        regions: RegionCount >= 0,
    }
}

/// A picture that was looked at.
type Looked = Scored<Told<Scored<Scored<Image, ShortSide>, Aesthetic>, Nouns>, FoundRegions>;
/// A region, from its box to its last score.
type Boxed = Scored<Scored<Region, Detection>, Area>;
type Judged = Scored<Scored<Scored<Boxed, MaskScore>, ClipScore>, RegionAesthetic>;

/// The stages that cost something, opened once and shared by every worker.
pub struct RecapMask {
    aesthetic: Arc<Stage<AestheticScorer>>,
    nouns: Arc<Stage<NounsFromSidecar>>,
    detect: Arc<Stage<Detect>>,
    segment: Arc<Stage<Segment>>,
    region_score: Arc<Stage<RegionScore>>,
    recorder: RecapRecorder,
    sidecar_score: Option<String>,
}

impl Pipeline for RecapMask {
    const NAME: &'static str = "recap_mask";
    type Dials<'s> = Dials<'s>;
    type Output = Scored<Looked, RegionCount>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, Self::Output> {
        let pictures =
            images.each(short_side).gate(&dial.short_side).ask(&self.aesthetic).gate(&dial.aesthetic);
        let (pictures, regions) = pictures.ask(&self.nouns).ask(&self.detect).regions(&self.detect);

        let (objects, backgrounds) = regions.gate(&dial.detection).each(area).split(is_object);
        let objects = objects.gate(&dial.object_area).gate(&dial.object_area_most);
        let backgrounds = backgrounds.gate(&dial.background_area).gate(&dial.background_area_most);

        let regions = objects.and(backgrounds).ask(&self.segment).ask(&self.region_score);
        let (objects, backgrounds) = regions.split(is_object);
        let objects = objects.gate_either([
            vec![dial.object_clip.on(clip)],
            vec![dial.object_area_sure.on(region_area), dial.object_mask.on(mask)],
        ]);
        let backgrounds = backgrounds.gate_either([
            vec![dial.background_clip.on(clip)],
            vec![dial.background_area_sure.on(region_area), dial.background_mask.on(mask)],
        ]);
        pictures.with(objects.and(backgrounds)).gate(&dial.regions)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(&self.recorder)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&Illustrate)
    }

    fn sidecar_score(&self) -> Option<&str> {
        self.sidecar_score.as_deref()
    }
}

fn is_object<R: Row>(row: &R) -> bool {
    row.region().is_some_and(|region| region.kind == RegionKind::Object)
}

fn clip(region: &Judged) -> Score<ClipScore> {
    region.row.score
}

fn mask(region: &Judged) -> Score<MaskScore> {
    region.row.row.score
}

fn region_area(region: &Judged) -> Score<Area> {
    region.row.row.row.score
}

/// Flags of `recap_mask run` and `recap_mask plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The aesthetic scorer, of pictures and of regions: a folder with model.onnx, or with vision_model.onnx and head.onnx
    #[arg(long, value_name = "MODEL")]
    pub aesthetic: PathBuf,
    /// Take a picture's score from this field of the .json sidecar (LAION has `aes`); ask only where it is missing
    #[arg(long, value_name = "FIELD")]
    pub aesthetic_from_sidecar: Option<String>,
    /// The sidecar's field of nouns: {"object": [...], "background": [...]}, or a list of objects
    #[arg(long, value_name = "FIELD", default_value = "tags")]
    pub nouns_from: String,
    /// The detector: a folder with model.onnx (YOLO-World with text as input, or with a baked vocabulary and labels.txt)
    #[arg(long, value_name = "FOLDER")]
    pub detector: PathBuf,
    /// The text tower that embeds nouns for the detector [default: the detector's own folder]
    #[arg(long, value_name = "FOLDER")]
    pub detector_text: Option<PathBuf>,
    /// How the detector's pictures are letterboxed: mmyolo or ultralytics [default: as its folder says, else mmyolo]
    #[arg(long, value_name = "FAMILY")]
    pub letterbox: Option<LetterboxFamily>,
    /// The segmenter: a folder with encoder.onnx and decoder.onnx (SAM 2)
    #[arg(long, value_name = "FOLDER")]
    pub segmenter: PathBuf,
    /// The CLIP that holds regions against their nouns: a folder with vision_model.onnx, text_model.onnx, tokenizer.json
    #[arg(long, value_name = "FOLDER")]
    pub clip: PathBuf,
    /// Colours of what CLIP and the scorer see of a region: rgb, or swapped (red for blue, as ImgEdit's own scores were made)
    #[arg(long, default_value = "rgb")]
    pub region_channels: Channels,
    /// Released records to go on from: tars of jsons/, joined to the pictures by their path; what they say is not asked
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub records: Vec<String>,
    /// Where models run: cpu, cuda:0,1 or tensorrt:0
    #[arg(long, default_value = "cpu")]
    pub device: Device,
    /// What runs models: onnxruntime, embedded, or auto (ONNX Runtime where its library is found)
    #[arg(long, default_value = "auto")]
    pub backend: BackendChoice,
}

impl App for RecapMask {
    const ABOUT: &'static str =
        "Finds, masks and scores the regions of the pictures that are large and pleasing enough";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let failed = |error: OnnxError| Failure::Failed(error.to_string());
        let backend = Backend::find(args.backend, args.device.clone()).map_err(failed)?;
        workbench.note(&backend.description());
        let records = Records::open(&args.records, &Default::default())?;
        if records.is_some() {
            workbench.note(&format!("released records: {}", records.describe()));
        }
        let (lanes, cores) = (&workbench.lanes, workbench.cores);
        let scorer = AestheticScorer::open(&args.aesthetic, &backend, cores).map_err(failed)?;
        let sidecar_score = args.aesthetic_from_sidecar.clone();
        let scorer = if sidecar_score.is_some() { scorer.or_sidecar() } else { scorer };
        let aesthetic = Stage::open(scorer, lanes)?;
        let nouns = Stage::open(NounsFromSidecar::new(&args.nouns_from, records.clone()), lanes)?;
        let texts = |name, folder: &Path| {
            Texts::open(name, folder, &backend, cores, lanes)
                .map_err(|error| Failure::Failed(error.to_string()))
        };
        let detector_text = args.detector_text.as_deref().unwrap_or(&args.detector);
        // A baked vocabulary needs no text tower; `Detect` says so where one is missing.
        let nouns_embedded =
            match detector_text.join("text_model.onnx").is_file() || args.detector_text.is_some() {
                true => Some(texts("noun_text", detector_text)?),
                false => None,
            };
        let settings = DetectSettings { letterbox: args.letterbox, ..DetectSettings::default() };
        let detect = Detect::open(
            &args.detector,
            &backend,
            cores,
            settings,
            nouns.clone(),
            nouns_embedded,
            records.clone(),
        )
        .map_err(failed)?;
        let detect = Stage::open(detect, lanes)?;
        let segment = Segment::open(&args.segmenter, &backend, cores, records.clone()).map_err(failed)?;
        let segment = Stage::open(segment, lanes)?;
        let before = Before {
            nouns: nouns.clone(),
            masks: segment.clone(),
            texts: texts("clip_text", &args.clip)?,
            records: records.clone(),
        };
        let models = (args.clip.as_path(), args.aesthetic.as_path());
        let region_score =
            RegionScore::open(models, &backend, cores, before, args.region_channels).map_err(failed)?;
        let region_score = Stage::open(region_score, lanes)?;
        let recorder = RecapRecorder::new(nouns.clone(), detect.clone(), segment.clone(), records);
        Ok(RecapMask { aesthetic, nouns, detect, segment, region_score, recorder, sidecar_score })
    }

    fn demo(folder: &Path, output: Output) -> Result<(), Failure> {
        crate::recap_demo::run(folder, output)
    }
}

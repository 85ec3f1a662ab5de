//! The demo's drawn scenes and its models, opened as `recap_mask` opens them: to measure what asks about regions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use operators::models::clip_tower::ClipTower;
use operators::models::detect_model::DetectSettings;
use operators::onnx::{Backend, BackendChoice, Device};
use operators::pixels::region_crop::Channels;
use operators::plan::noun_list::NounSource;
use operators::region_score::Before;
use operators::{Area, Detect, Detection, NounsFromSidecar, Records, RegionScore, Segment, Texts, area};
use pipelines::demo::{DemoOptions, write_demo_shards};
use threshflow::cli::rows_of;
use threshflow::flow::{Comparison, DialSpec, Engine, EngineOptions};
use threshflow::lane::{Key, LaneOptions, Lanes, Mode, Question, Stage};
use threshflow::row::{ContentHash, Row, Unit};
use threshflow::shard::{Catalogue, ReadOptions, Shard, find};

/// The folder of one of the demo's models.
pub fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo").join(name)
}

const fn dial(name: &'static str, unit: &'static str, default: f32) -> DialSpec {
    DialSpec {
        name,
        group: None,
        unit,
        comparison: Comparison::Above,
        default,
        low: 0.0,
        high: 1.0,
        about: "",
    }
}

/// Regions are masked and scored above these.
static DIALS: [DialSpec; 2] =
    [dial("detection", Detection::UNIT, 0.3), dial("object_area", Area::UNIT, 0.01)];

/// Shards of drawn scenes, and what their models run on.
pub struct Scenes {
    folder: tempfile::TempDir,
    pub catalogue: Arc<Catalogue>,
    pub shards: Vec<Arc<Shard>>,
    pub backend: Backend,
    pub cores: usize,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpTo {
    Detect,
    Segment,
    RegionScore,
}

impl Scenes {
    /// Draws so many scenes, at the demo's sizes; a few are broken on purpose.
    pub fn draw(scenes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tars = folder.path().join("shards");
        write_demo_shards(&tars, &DemoOptions { scenes, ..DemoOptions::default() })
            .expect("the scenes are written");
        let catalogue = Catalogue::open(&folder.path().join("index"), ReadOptions::default(), false);
        let catalogue = Arc::new(catalogue.expect("a catalogue opens"));
        let found = find(&[tars.to_string_lossy().into_owned()]).expect("the shards are there");
        let shards = found.iter().map(|source| catalogue.load(source).expect("a shard opens")).collect();
        let backend = Backend::find(BackendChoice::Auto, Device::Cpu).expect("a back-end");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Scenes { folder, catalogue, shards, backend, cores }
    }

    /// Lanes as a run has them, with memos in the folder of this name.
    pub fn lanes(&self, memos: &str) -> Arc<Lanes> {
        let options = LaneOptions {
            mode: Mode::Ask,
            pool_threads: self.cores,
            pool_queue: 64.max(self.cores * 16),
            decoded_bytes: 1 << 30,
            deadline: Duration::from_secs(300),
            memos: threshflow::memo::Places::alone(&self.folder.path().join(memos), 0),
            log: None,
        };
        Lanes::open(options, self.catalogue.clone())
    }

    pub fn texts(&self, name: &'static str, lanes: &Arc<Lanes>) -> Arc<Texts> {
        Texts::open(name, &model("clip"), &self.backend, self.cores, lanes).expect("a text tower opens")
    }
}

/// What was asked about, by picture.
pub type Asked = BTreeMap<ContentHash, Vec<Question>>;

/// The stages that find, mask and score regions, on lanes and memos of their own.
pub struct Ground<'a> {
    scenes: &'a Scenes,
    pub lanes: Arc<Lanes>,
    pub nouns: Arc<Stage<NounsFromSidecar>>,
    /// What the detector's words are embedded by.
    pub texts: Arc<Texts>,
    pub detect: Arc<Stage<Detect>>,
    pub segment: Arc<Stage<Segment>>,
    pub region_score: Arc<Stage<RegionScore>>,
    pictures: Arc<Mutex<Asked>>,
    regions: Arc<Mutex<Asked>>,
}

impl<'a> Ground<'a> {
    /// Stages that remember nothing yet; `memos` is a name that was not given before.
    pub fn open(scenes: &'a Scenes, memos: &str) -> Self {
        let (lanes, backend, cores) = (scenes.lanes(memos), &scenes.backend, scenes.cores);
        let records = Records::none;
        let nouns = Stage::open(NounsFromSidecar::new("tags", records()), &lanes).expect("a memo opens");
        let texts = scenes.texts("noun_text", &lanes);
        let (settings, words) = (DetectSettings::default(), Some(texts.clone()));
        let detect =
            Detect::open(&model("detect"), backend, cores, settings, nouns.clone(), words, records())
                .expect("opens");
        let detect = Stage::open(detect, &lanes).expect("a memo opens");
        let segment = Segment::open(&model("segment"), backend, cores, records()).expect("opens");
        let segment = Stage::open(segment, &lanes).expect("a memo opens");
        let before = Before {
            labels: detect.operator().labels().clone(),
            masks: segment.clone(),
            texts: scenes.texts("clip_text", &lanes),
            records: records(),
        };
        let tower = ClipTower::open(&model("clip"), backend, cores).expect("opens");
        let region_score =
            RegionScore::open((tower, &model("aesthetic")), backend, cores, before, Channels::Rgb)
                .expect("opens");
        let region_score = Stage::open(region_score, &lanes).expect("a memo opens");
        let (pictures, regions) = Default::default();
        Ground { scenes, lanes, nouns, texts, detect, segment, region_score, pictures, regions }
    }

    /// From the rows to their last verdict, with one worker; what an earlier run asked is remembered.
    pub fn run(&self, up_to: UpTo) -> Duration {
        let (nouns, detect) = (self.nouns.clone(), self.detect.clone());
        let (segment, region_score) = (self.segment.clone(), self.region_score.clone());
        let (pictures, regions) = (self.pictures.clone(), self.regions.clone());
        let values = DIALS.each_ref().map(|dial| dial.default);
        let begin = Instant::now();
        let mut engine = Engine::start(EngineOptions::default(), &DIALS, &values, move |images, maker| {
            let (detection, least) = (maker.dial::<Detection>(&DIALS[0]), maker.dial::<Area>(&DIALS[1]));
            let looked = images.ask(&nouns).each(noting(&pictures)).ask(&detect);
            let (looked, found) = looked.regions(&detect);
            let found = found.gate(&detection).each(area).gate(&least).each(noting(&regions));
            match up_to {
                UpTo::Detect => looked.with(found).finish(),
                UpTo::Segment => looked.with(found.ask(&segment)).finish(),
                UpTo::RegionScore => looked.with(found.ask(&segment).ask(&region_score)).finish(),
            }
        })
        .expect("the engine starts");
        for shard in &self.scenes.shards {
            engine.insert(shard.seq, rows_of(shard), &mut crate::go_on).expect("rows go in");
        }
        engine.settle(&mut crate::go_on).expect("every row has its verdict");
        begin.elapsed()
    }

    /// What the detector was asked by the runs so far. A picture without nouns is answered without a look at it.
    pub fn pictures(&self) -> Vec<Vec<Question>> {
        let named =
            |questions: &Vec<Question>| self.nouns.nouns(&questions[0]).is_ok_and(|nouns| !nouns.is_empty());
        asked(&self.pictures).into_iter().filter(named).collect()
    }

    /// What the segmenter was, or would have been.
    pub fn regions(&self) -> Vec<Vec<Question>> {
        asked(&self.regions)
    }
}

/// Notes down every row that passes, once.
fn noting<R: Row>(asked: &Arc<Mutex<Asked>>) -> impl Fn(R) -> R + 'static {
    let asked = asked.clone();
    move |row| {
        let question = Question::about(&row, Key::Row);
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let known = asked.entry(question.image).or_default();
        if !known.contains(&question) {
            known.push(question);
        }
        row
    }
}

fn asked(asked: &Mutex<Asked>) -> Vec<Vec<Question>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
}

//! A pipeline for tests that finds regions: words from sidecars, boxes, masks and scores, all plain functions of bytes.

mod edits;
mod illustrator;
mod operators;
mod plainly;
mod recorder;

use std::collections::BTreeMap;
use std::path::PathBuf;

use threshflow::cli::{App, Failure, Workbench};
use threshflow::flow::{EditCount, RegionCount};
use threshflow::lane::AnswerCache;
use threshflow::prelude::*;
use threshflow::publish::Recorder;
use threshflow::report::Illustrator;
use threshflow::row::{Of, Region, RegionKind, Stamp, With};

pub use crate::curate::ShortSide;
use crate::live::Live;
use crate::shards::{Sample, corpus};
pub use edits::{Choose, Made, Make};
pub use operators::{Clip, Find, FoundRegions, Judge, Mask, Pleasing, Quality, ReadWords, Sure, Words};
pub use plainly::{At, Plain, Rejected, has_no_mask, plain, published_rejected};
use recorder::GroundRecorder;

/// The box's share of the picture, 0 to 1.
pub struct Area;
impl Unit for Area {
    const NAME: &'static str = "area";
    const UNIT: &'static str = "share of the picture";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

dials! {
    /// Of the test's pipeline with regions.
    pub struct Dials {
        /// The shorter side.
        short_side: ShortSide > 10,
        /// How sure a region is.
        sure: Sure > 0.25,
        /// The least area of an object.
        object_area: Area > 0.0625,
        /// The largest area of an object.
        object_area_most: Area <= 0.75,
        /// The least area of a background.
        background_area: Area > 0.125,
        /// How well an object shows its word ...
        object_clip: Clip >= 0.625,
        /// ... or how large it must be,
        object_large: Area >= 0.25,
        /// with a mask that is so good.
        quality: Quality >= 0.5,
        /// How well a background shows its word, with a mask that is good enough ...
        background_clip: Clip >= 0.375,
        /// ... or how pleasing it is.
        background_pleasing: Pleasing >= 7,
        /// How many regions must be left.
        regions: RegionCount >= 1,
        /// How well an edit came out.
        made: Made >= 0.25,
        /// How many edits must be left.
        edits: EditCount >= 0,
    }
}

#[derive(clap::Args, Clone, Debug, Default)]
pub struct Args {
    /// Nobody judges the regions
    #[arg(long)]
    pub no_judge: bool,
    /// Milliseconds that a batch takes
    #[arg(long, default_value_t = 0)]
    pub slow: u64,
    /// Milliseconds more that a batch of masks takes
    #[arg(long, default_value_t = 0)]
    pub slow_masks: u64,
    /// A file that gets a line for every question, the moment it is taken up
    #[arg(long)]
    pub log_asks: Option<PathBuf>,
    /// Find so many regions in every picture
    #[arg(long)]
    pub exactly: Option<usize>,
    /// Masks of the picture whose hash starts so are refused before they are drawn
    #[arg(long)]
    pub refuse_preparing: Option<String>,
    /// The words of the picture whose hash starts so are not told before there is a file `released` beside the log of asks
    #[arg(long, requires = "log_asks")]
    pub hold_words: Option<String>,
    /// Masks of the picture whose hash starts so panic
    #[arg(long)]
    pub panic_answering: Option<String>,
}

pub struct Ground {
    pub words: Arc<Stage<ReadWords>>,
    pub find: Arc<Stage<Find>>,
    pub mask: Arc<Stage<Mask>>,
    judge: Option<Arc<Stage<Judge>>>,
    pub choose: Arc<Choose>,
    pub make: Arc<Stage<Make>>,
    recorder: GroundRecorder,
}

impl Ground {
    /// The stage that scores regions, in a run that has it.
    pub fn judge(&self) -> &Stage<Judge> {
        self.judge.as_ref().expect("a run with a judge")
    }
}

/// In sixteenths, so that dials meet ties.
pub fn area(region: &Region) -> f32 {
    (region.area() * 16.0).floor() / 16.0
}

fn with_area<R: Row>(row: R) -> Scored<R, Area> {
    let score = row.region().map_or(f32::NAN, area);
    With::new(row, Score::of(score))
}

fn is_object<R: Row>(row: &R) -> bool {
    row.region().is_some_and(|region| region.kind == RegionKind::Object)
}

fn is_background<R: Row>(row: &R) -> bool {
    !is_object(row)
}

impl Pipeline for Ground {
    const NAME: &'static str = "ground";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let pictures = images.each(crate::curate::short_side).gate(&dial.short_side);
        let (pictures, regions) = pictures.ask(&self.words).ask(&self.find).regions(&self.find);
        let regions = regions.gate(&dial.sure).each(with_area);
        let regions = regions
            .only(is_object, |objects| objects.gate(&dial.object_area).gate(&dial.object_area_most))
            .only(is_background, |backgrounds| backgrounds.gate(&dial.background_area));
        let regions = regions.ask(&self.mask).ask(&self.judge);
        let regions = regions
            .only(is_object, |objects| {
                objects.gate_either([
                    vec![dial.object_clip.passes()],
                    vec![dial.object_large.passes(), dial.quality.passes()],
                ])
            })
            .only(is_background, |backgrounds| {
                backgrounds.gate_either([
                    vec![dial.background_clip.passes(), dial.quality.passes()],
                    vec![dial.background_pleasing.passes()],
                ])
            });
        let candidates = regions.candidates();
        let pictures = pictures.with(regions).gate(&dial.regions);
        let (pictures, edits) = pictures.edits(candidates, &self.choose);
        pictures.with_edits(edits.ask(&self.make).gate(&dial.made)).gate(&dial.edits)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(&self.recorder)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&illustrator::Show)
    }
}

impl App for Ground {
    const ABOUT: &'static str = "A pipeline for tests, with regions";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let lanes = &workbench.lanes;
        let log = operators::AskFile::open(args.log_asks.as_deref())
            .map_err(|error| Failure::Usage(format!("--log-asks: {error}")))?;
        let words = Stage::open(ReadWords { args: args.clone(), log: log.clone() }, lanes)?;
        // Another finder has another cache.
        let stamp = Stamp::of(&[("operator", b"spelling/1"), ("finder", &operators::finder(args))]);
        let cache = AnswerCache::open("spelling", stamp, "spelling".into(), lanes)?;
        let find = Stage::open(Find::new(args.clone(), words.clone(), cache, log.clone()), lanes)?;
        let mask = Stage::open(Mask::new(args.clone(), log.clone()), lanes)?;
        let judge = || Stage::open(Judge::new(args.clone(), mask.clone(), log), lanes);
        let judge = (!args.no_judge).then(judge).transpose()?;
        let recorder = GroundRecorder::new(words.clone(), find.clone(), mask.clone());
        let make = Stage::open(Make, lanes)?;
        Ok(Ground { words, find, mask, judge, choose: Arc::new(Choose), make, recorder })
    }
}

/// A desk with so many shards of 24 pictures. With `doubled`, four of each shard are in the next one, too.
pub fn desk(program: &'static str, shards: u64, doubled: bool) -> crate::program::Desk {
    let desk = crate::program::Desk::new(program);
    let step = if doubled { 20 } else { 24 };
    for n in 0..shards {
        desk.shard(&format!("s{n}"), &pictures(7, n * step..n * step + 24, 0));
    }
    desk
}

/// Dials that are turned by hand, and values at which scores tie.
pub const TURNED: [(&str, &[&str]); 6] = [
    ("short_side", &["6", "10", "14", "19"]),
    ("sure", &["0.25", "0.5", "0.75"]),
    ("object_area", &["0.0625", "0.125", "0.5"]),
    ("quality", &["0.25", "0.375", "0.625"]),
    ("regions", &["0", "1", "2"]),
    ("short_side", &["top:60%", "top:100"]),
];

/// Where dials stand in random histories, as flags.
pub const HISTORY_FLAGS: [&str; 5] = [
    "",
    "--set sure=0.5",
    "--set short_side=8 --set quality=0.375",
    "--set object_area=0.125 --set regions=0",
    "--set short_side=top:60%",
];

/// Samples `from..to` of the corpus of `seed`, with words beside most of the pictures. `sidecars` seeds the words: the
/// same pictures may bear others.
pub fn pictures(seed: u64, range: std::ops::Range<u64>, sidecars: u64) -> Vec<Sample> {
    let tell = |(n, mut sample): (u64, Sample)| {
        let mut rng = crate::Rng(sidecars ^ (n << 24) ^ 77);
        sample.json = match rng.below(12) {
            0 => None,
            1 => Some(format!("{{\"tags\":\"number {n}\"}}")),
            _ => {
                let word = |_| match rng.below(3) {
                    0 => format!("b{}", rng.below(6)),
                    _ => format!("o{}", rng.below(15)),
                };
                let words: Vec<String> = (0..1 + n % 4).map(word).collect();
                Some(serde_json::json!({ "tags": words }).to_string())
            }
        };
        sample
    };
    range.clone().zip(corpus(seed, range)).map(tell).collect()
}

/// Where every region, or every edit, stands, by `shard/key#place/number`.
pub fn piece_verdicts(live: &Live<Ground>, of: Of) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for shard in live.shards.values() {
        for (member, sample) in shard.index.samples.iter().enumerate() {
            let id = threshflow::row::RowId { shard: shard.seq, member: member as u32 };
            for (number, verdict) in live.engine.verdicts().pieces_of(of, id) {
                let name = format!("{}/{}#{member}/{number}", shard.name, sample.key);
                all.insert(name, plainly::of_piece(verdict));
            }
        }
    }
    all
}

/// Where every picture stands, by `shard/key#place`.
pub fn picture_verdicts(live: &Live<Ground>) -> BTreeMap<String, String> {
    live.verdicts().iter().map(|(name, verdict)| (name.clone(), plainly::of_picture(verdict))).collect()
}

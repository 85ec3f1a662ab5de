//! A pipeline for tests of dials by group, by share, and of scorers that flags name: the pictures of [`curate`], by their shape; and its oracle, a plain
//! function of all samples.

use std::collections::{BTreeMap, BTreeSet};

use threshflow::cli::{App, Failure, Workbench};
use threshflow::flow::{Comparison, DialSpec, Setting};
use threshflow::lane::{Limits, Looks, Reply, Subject};
use threshflow::pipeline::{dial_specs, dial_specs_with};
use threshflow::prelude::*;
use threshflow::row::{ContentHash, Refusal, Stamp, Verdict};
use threshflow::shard::Picture;

use crate::curate::{self, Judge, ShortSide, Taste, open_judge, refused, short_side, taste};
use crate::shards::Sample;

/// What a picture's sides say of it.
pub struct Shape;
impl Group for Shape {
    const NAME: &'static str = "shape";
    const NAMES: &'static [&'static str] = &["wide", "tall", "square"];
}

fn shape_of(width: u32, height: u32) -> usize {
    match width.cmp(&height) {
        std::cmp::Ordering::Greater => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Equal => 2,
    }
}

dials! {
    /// Of the pipeline by group.
    pub struct Dials {
        /// The shorter side.
        short_side: ShortSide > 12,
        /// Taste.
        taste: Taste >= 4.5 by Shape,
        /// A side that is large enough ...
        large: ShortSide >= 14,
        /// ... or else taste that is not too good.
        modest: Taste < 8 by Shape,
    }
}

#[derive(clap::Args, Clone, Debug, Default)]
// Both are called `Args`.
#[group(id = "grouped")]
pub struct Args {
    #[command(flatten)]
    pub judge: curate::Args,
    /// Which of [`SCORERS`] are asked, in this order
    #[arg(long)]
    pub scorers: Vec<String>,
}

/// Scorers that flags may name, and which of their scores are good.
pub const SCORERS: [(&str, Comparison); 3] =
    [("salt", Comparison::AtLeast), ("sour", Comparison::AtMost), ("sweet", Comparison::AtLeast)];

/// What the scorer of that number finds: from 0 to 8, in steps of a half; one content in 19 is refused.
fn named_score(number: usize, content: ContentHash) -> Result<f32, Refusal> {
    let n = u32::from_le_bytes([content.0[4 + number], content.0[8 + number], number as u8, 0]);
    match n.is_multiple_of(19) {
        true => Err(Refusal::permanent("tasteless", "it tastes of nothing")),
        false => Ok((n % 17) as f32 / 2.0),
    }
}

fn number_of(name: &str) -> usize {
    SCORERS.iter().position(|(known, _)| *known == name).expect("a scorer")
}

/// The scorer of that number.
struct Named(usize);

impl Operator for Named {
    type Answer = Score<Taste>;
    type Prepared = ContentHash;
    type Session = ();
    const LOOKS: Looks = Looks::AtTheRow;

    fn name(&self) -> &'static str {
        SCORERS[self.0].0
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", self.name().as_bytes())])
    }
    fn model(&self) -> String {
        "a function of the content".to_owned()
    }
    fn bytes_to_prepare(&self, _: &Picture, _: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _: usize) -> u64 {
        0
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<ContentHash, Refusal> {
        Ok(subject.content())
    }
    fn limits(&self) -> Limits {
        Limits::of_functions(4)
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _: &mut (), batch: &[ContentHash]) -> Vec<Result<Reply<Score<Taste>>, Refusal>> {
        let score =
            |content: &ContentHash| named_score(self.0, *content).map(|score| Score::of(score).into());
        batch.iter().map(score).collect()
    }
}

pub struct Grouped {
    judge: Arc<Stage<Judge>>,
    scorers: Vec<Arc<Stage<Named>>>,
}

impl Pipeline for Grouped {
    const NAME: &'static str = "grouped";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let shape = |row: Scored<Image, ShortSide>| {
            let shape = shape_of(row.row.width.into(), row.row.height.into());
            With::new(row, In::<Shape>::number(shape))
        };
        let sized = images.each(short_side).each(shape).gate(&dial.short_side);
        let judged = sized.named_scores(&self.scorers).ask(&self.judge);
        judged.gate_by(&dial.taste).gate_either([vec![dial.large.passes()], vec![dial.modest.passes()]])
    }
}

impl App for Grouped {
    const ABOUT: &'static str = "A pipeline for tests of dials by group";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        let open = |name: &String| Stage::open(Named(number_of(name)), &workbench.lanes);
        let scorers = args.scorers.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Grouped { judge: open_judge(&args.judge, workbench)?, scorers })
    }

    fn named_dials(args: &Args) -> Result<Vec<DialSpec>, Failure> {
        let dial = |name: &String| {
            let (name, comparison) = SCORERS[number_of(name)];
            let default = if comparison == Comparison::AtLeast { 2.0 } else { 7.0 };
            let (unit, about) = ("0 to 8", "A scorer that a flag names.");
            DialSpec { name, group: None, unit, comparison, default, low: 0.0, high: 8.0, about }
        };
        Ok(args.scorers.iter().map(dial).collect())
    }
}

/// What the oracle finds.
pub struct Found {
    pub verdicts: BTreeMap<String, Verdict>,
    /// Contents that are asked about, and the stages that are asked.
    pub asked: BTreeSet<(&'static str, ContentHash)>,
    /// Where the dials stand, in the order of [`specs`]; `None` for a share of no rows.
    pub values: Vec<Option<f32>>,
}

/// A picture on its way.
struct On {
    name: String,
    content: ContentHash,
    side: f32,
    shape: usize,
    /// What the scorers say that flags name.
    named: Vec<f32>,
}

/// The dials of a run with these scorers.
pub fn specs(scorers: &[String]) -> &'static [DialSpec] {
    let args = Args { scorers: scorers.to_vec(), ..Args::default() };
    dial_specs_with::<Grouped>(Grouped::named_dials(&args).expect("dials")).expect("names of their own")
}

/// Where every sample must end, worked out from all of them: shares are taken off a sorted list.
pub fn plain(shards: &[(String, Vec<Sample>)], scorers: &[String], settings: &[Setting]) -> Found {
    let mut found = Found { verdicts: BTreeMap::new(), asked: BTreeSet::new(), values: Vec::new() };
    let mut rows = Vec::new();
    for (shard, samples) in shards {
        for (place, sample) in samples.iter().enumerate() {
            let name = format!("{shard}/{}#{place}", sample.key);
            let Ok(picture) = image::load_from_memory(&sample.picture) else {
                found.verdicts.insert(name, refused("probe", "not_a_picture"));
                continue;
            };
            let (width, height) = (picture.width(), picture.height());
            let (side, shape) = (width.min(height) as f32, shape_of(width, height));
            rows.push(On { name, content: ContentHash::of(&sample.picture), side, shape, named: Vec::new() });
        }
    }
    let specs = specs(scorers);
    let mut values = vec![None; specs.len()];
    let mut dial = |index: usize, scores: Vec<f32>| {
        values[index] = resolved(&specs[index], settings[index], scores);
        values[index]
    };
    let gated = |index: usize, score| Verdict::Gated { dial: specs[index].name, score };

    let at = dial(0, rows.iter().map(|row| row.side).collect());
    let (passing, held): (Vec<On>, Vec<On>) =
        rows.into_iter().partition(|row| at.is_some_and(|at| row.side > at));
    found.verdicts.extend(held.into_iter().map(|row| (row.name, gated(0, row.side))));
    let mut passing: Vec<(On, Vec<f32>)> = passing.into_iter().map(|row| (row, Vec::new())).collect();
    let own = dial_specs::<Grouped>().len();
    for (place, name) in scorers.iter().enumerate() {
        let (number, index) = (number_of(name), own + place);
        found.asked.extend(passing.iter().map(|(row, _)| (SCORERS[number].0, row.content)));
        let mut scored = Vec::new();
        for (row, mut scores) in passing {
            match named_score(number, row.content) {
                Ok(score) => {
                    scores.push(score);
                    scored.push((row, scores));
                }
                Err(refusal) => {
                    found.verdicts.insert(row.name, refused(SCORERS[number].0, &refusal.class));
                }
            }
        }
        let at = dial(index, scored.iter().map(|(_, scores)| scores[place]).collect());
        let passes = |score: f32| match specs[index].comparison {
            Comparison::AtLeast => at.is_some_and(|at| score >= at),
            _ => at.is_some_and(|at| score <= at),
        };
        let (pass, held): (Vec<_>, Vec<_>) =
            scored.into_iter().partition(|(_, scores)| passes(scores[place]));
        found.verdicts.extend(held.into_iter().map(|(row, scores)| (row.name, gated(index, scores[place]))));
        passing = pass;
    }
    found.asked.extend(passing.iter().map(|(row, _)| ("judge", row.content)));

    let mut judged = Vec::new();
    for (mut row, scores) in passing {
        row.named = scores;
        match taste(row.content) {
            Ok(taste) => judged.push((row, taste)),
            Err(refusal) => {
                found.verdicts.insert(row.name, refused("judge", &refusal.class));
            }
        }
    }
    let of_shape = |judged: &[(On, f32)], shape: usize| {
        judged.iter().filter(|(row, _)| row.shape == shape).map(|(_, taste)| *taste).collect::<Vec<_>>()
    };
    let at: Vec<Option<f32>> = (0..3).map(|shape| dial(1 + shape, of_shape(&judged, shape))).collect();
    let (passing, held): (Vec<_>, Vec<_>) =
        judged.into_iter().partition(|(row, taste)| at[row.shape].is_some_and(|at| *taste >= at));
    found.verdicts.extend(held.into_iter().map(|(row, taste)| (row.name, gated(1 + row.shape, taste))));

    let large = dial(4, passing.iter().map(|(row, _)| row.side).collect());
    let modest: Vec<Option<f32>> = (0..3).map(|shape| dial(5 + shape, of_shape(&passing, shape))).collect();
    for (row, taste) in passing {
        let is_modest = modest[row.shape].is_some_and(|at| taste < at);
        let verdict = match large.is_some_and(|at| row.side >= at) || is_modest {
            true => Verdict::Kept([row.side].into_iter().chain(row.named).chain([taste]).collect()),
            false => gated(4, row.side),
        };
        found.verdicts.insert(row.name, verdict);
    }
    found.values = values;
    found
}

/// Where a dial stands over these scores.
fn resolved(spec: &DialSpec, setting: Setting, mut scores: Vec<f32>) -> Option<f32> {
    let Setting::Top(_) = setting else {
        let Setting::At(value) = setting else { unreachable!("it is one of two") };
        return Some(value);
    };
    let text = setting.to_string();
    let share = text.strip_prefix("top:").expect("a share");
    let most = match share.strip_suffix('%') {
        // These tests set whole percentages.
        Some(percent) => (percent.parse::<usize>().expect("whole") * scores.len()).div_ceil(100),
        None => share.parse::<usize>().expect("rows").min(scores.len()),
    };
    scores.sort_by(f32::total_cmp);
    if matches!(spec.comparison.sign(), ">" | ">=") {
        scores.reverse();
    }
    let last = *scores.get(most.checked_sub(1)?)?;
    Some(match spec.comparison.sign() {
        ">" => last.next_down(),
        "<" => last.next_up(),
        _ => last,
    })
}

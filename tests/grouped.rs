//! A pipeline for tests of dials by group and by share: the pictures of [`curate`](crate::curate), by their shape; and its oracle, a plain
//! function of all samples.

use std::collections::{BTreeMap, BTreeSet};

use threshflow::cli::{App, Failure, Workbench};
use threshflow::flow::{DialSpec, Setting};
use threshflow::pipeline::dial_specs;
use threshflow::prelude::*;
use threshflow::row::{ContentHash, Verdict};

use crate::curate::{Args, Judge, ShortSide, Taste, open_judge, refused, short_side, taste};
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

pub struct Grouped {
    judge: Arc<Stage<Judge>>,
}

impl Pipeline for Grouped {
    const NAME: &'static str = "grouped";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let shape = |row: Scored<Image, ShortSide>| {
            let shape = shape_of(row.row.width.into(), row.row.height.into());
            With::new(row, In::<Shape>::number(shape))
        };
        let judged = images.each(short_side).each(shape).gate(&dial.short_side).ask(&self.judge);
        judged.gate_by(&dial.taste).gate_either([vec![dial.large.passes()], vec![dial.modest.passes()]])
    }
}

impl App for Grouped {
    const ABOUT: &'static str = "A pipeline for tests of dials by group";
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        Ok(Grouped { judge: open_judge(args, workbench)? })
    }
}

/// What the oracle finds.
pub struct Found {
    pub verdicts: BTreeMap<String, Verdict>,
    /// Contents that are asked about.
    pub asked: BTreeSet<ContentHash>,
    /// Where the dials stand, in the order of [`dial_specs`]; `None` for a share of no rows.
    pub values: Vec<Option<f32>>,
}

/// A picture on its way.
struct On {
    name: String,
    content: ContentHash,
    side: f32,
    shape: usize,
}

/// Where every sample must end, worked out from all of them: shares are taken off a sorted list.
pub fn plain(shards: &[(String, Vec<Sample>)], settings: &[Setting]) -> Found {
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
            rows.push(On { name, content: ContentHash::of(&sample.picture), side, shape });
        }
    }
    let specs = dial_specs::<Grouped>();
    let mut dial = |index: usize, scores: Vec<f32>| {
        let at = resolved(&specs[index], settings[index], scores);
        found.values.push(at);
        at
    };
    let gated = |index: usize, score| Verdict::Gated { dial: specs[index].name, score };

    let at = dial(0, rows.iter().map(|row| row.side).collect());
    let (passing, held): (Vec<On>, Vec<On>) =
        rows.into_iter().partition(|row| at.is_some_and(|at| row.side > at));
    found.verdicts.extend(held.into_iter().map(|row| (row.name, gated(0, row.side))));
    found.asked.extend(passing.iter().map(|row| row.content));

    let mut judged = Vec::new();
    for row in passing {
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
            true => Verdict::Kept([row.side, taste].into()),
            false => gated(4, row.side),
        };
        found.verdicts.insert(row.name, verdict);
    }
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

//! `run --part K/N`: asks about one part of the shards, and publishes nothing. A job array asks about all parts side by side, each task on its
//! own machine; then a run without `--part` reads what they answered, decides what only all rows together can decide, and publishes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::ask_list::AskList;
use super::run::{Asked, Opened, Unopened, asked, check_places, settings, settings_wanted, with_unopened};
use super::store::PartRecord;
use super::summary::Summary;
use super::{App, Failure, RunOptions, RunReport, errors};
use crate::flow::Setting;
use crate::lane::AskLog;
use crate::memo::MOST_SEGMENTS;
use crate::row::ContentHash;
use crate::shard::ShardSource;

/// The part of the shards that a process asks about.
#[derive(Args, Clone, Debug, Default)]
pub struct PartOptions {
    /// Ask about the K-th of N parts of the shards, and publish nothing: for job arrays. K counts from 1. `auto` reads K and N from the variables
    /// of a Slurm array (0-N or 1-N), or of a Kubernetes Job (JOB_COMPLETION_INDEX, and its completions in JOB_COMPLETIONS). A part keeps its
    /// answers in a segment of the store that it alone writes; a run without --part reads all of them, and publishes
    #[arg(long, value_parser = Part::parse, value_name = "K/N", conflicts_with_all = ["processes", "process"])]
    pub part: Option<Part>,
    /// Ask only about the pictures of this list, with the dials where it says; `plan --list` writes it
    #[arg(long, value_name = "FILE.parquet", requires = "part")]
    pub only: Option<PathBuf>,
}

/// One of several parts of the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1 on.
    pub index: u16,
    pub of: u16,
}

impl Part {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Part::of_scheduler(&|name| std::env::var(name).ok()),
            text => text.parse(),
        }
    }

    /// By the variables that a scheduler sets for the tasks of an array.
    fn of_scheduler(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<u16>, String> {
            let Some(text) = variable(name) else { return Ok(None) };
            let number = text
                .trim()
                .parse()
                .map_err(|_| format!("{name} is {text:?}, which is not a number up to 65535"))?;
            Ok(Some(number))
        };
        let part = |index: Option<u16>, of: u16| match index {
            Some(index) => Part::checked(index, of),
            None => Err("the variables of the array count higher than its size".to_owned()),
        };
        if let Some(task) = number("SLURM_ARRAY_TASK_ID")? {
            let need = |name: &str| {
                number(name)?.ok_or_else(|| format!("SLURM_ARRAY_TASK_ID is set, and {name} is not"))
            };
            let (count, first, last) = (
                need("SLURM_ARRAY_TASK_COUNT")?,
                need("SLURM_ARRAY_TASK_MIN")?,
                need("SLURM_ARRAY_TASK_MAX")?,
            );
            if first > 1 || last.checked_sub(first) != count.checked_sub(1) {
                return Err(format!(
                    "this array has {count} tasks from {first} to {last}: `auto` takes arrays 0-N and 1-N that are whole. To run some parts of a \
                     larger array again, say which: --part \"$SLURM_ARRAY_TASK_ID/N\""
                ));
            }
            return part(task.checked_add(1).and_then(|next| next.checked_sub(first)), count);
        }
        let Some(index) = number("JOB_COMPLETION_INDEX")? else {
            return Err(
                "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; say which part, as in 3/64"
                    .to_owned(),
            );
        };
        let Some(of) = number("JOB_COMPLETIONS")? else {
            return Err("JOB_COMPLETION_INDEX is set, and JOB_COMPLETIONS is not: set it to the Job's completions, or say which part, as in 3/64"
                .to_owned());
        };
        part(index.checked_add(1), of)
    }

    fn checked(index: u16, of: u16) -> Result<Self, String> {
        if of == 0 || of > MOST_SEGMENTS {
            return Err(format!("there are 1 to {MOST_SEGMENTS} parts, not {of}"));
        }
        if index == 0 || index > of {
            return Err(format!(
                "there is no part {index} of {of}: parts count from 1, the last is {of}/{of}"
            ));
        }
        Ok(Part { index, of })
    }

    /// Whether a shard is in this part: by rendezvous hashing of its name, so that another number of parts moves few shards. 64 parts that become
    /// 80 give each new part its share, and the old ones keep the rest.
    pub fn has(self, shard: &str) -> bool {
        let name =
            ContentHash::of(shard.as_bytes()).0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        (1..=self.of).max_by_key(|part| (rank(name, *part), *part)) == Some(self.index)
    }
}

/// SplitMix64's mixing of a shard and a part.
fn rank(shard: u64, part: u16) -> u64 {
    let mut mixed = shard ^ u64::from(part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) =
            numbers.ok_or("a part is written K/N, as in 3/64: the third of 64; or `auto` in a job array")?;
        Part::checked(index, of)
    }
}

/// What a run is told of its part.
#[derive(Clone)]
pub(super) struct PartRun {
    pub(super) part: Part,
    pub(super) only: Option<AskList>,
}

impl PartRun {
    /// Those of these shards that are this part's. A list names some of them.
    pub(super) fn shards(&self, mut sources: Vec<ShardSource>) -> Vec<ShardSource> {
        sources.retain(|source| {
            self.part.has(&source.name) && self.only.as_ref().is_none_or(|only| only.names(&source.name))
        });
        sources
    }

    /// What of the list is not in the shards of this part, if anything.
    fn missing(&self, opened: &Opened) -> Option<String> {
        let only = self.only.as_ref()?;
        let mut missing: Vec<String> = Vec::new();
        let mut count = 0;
        for (name, keys) in only.shards().filter(|(name, _)| self.part.has(name)) {
            let seq = opened.shards.iter().find(|(known, _)| known == name).map(|(_, seq)| *seq);
            let shard = seq.and_then(|seq| opened.catalogue.shard(seq).ok());
            let held = shard.map_or(0, |shard| {
                let samples = shard.index.samples.iter().filter(|sample| sample.picture.is_ok());
                samples.filter(|sample| keys.contains(&sample.key)).count()
            });
            if held < keys.len() {
                count += keys.len() - held;
                missing.push(name.clone());
            }
        }
        missing.sort();
        let (pictures, shards) = (if count == 1 { "picture" } else { "pictures" }, missing.join(", "));
        (count > 0).then(|| {
            format!("warning: {count} {pictures} of the list are not there any more, of {shards}: write the list anew by `plan --list`")
        })
    }
}

/// What a part did, beside its summary.
#[derive(Clone, Debug, Serialize)]
pub struct PartSummary {
    #[serde(rename = "part")]
    pub index: u16,
    pub of: u16,
    /// Shards of this part, and of all.
    pub shards: usize,
    pub of_shards: usize,
    /// Rows that wait at dials by share, since only all rows together decide what passes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<&'static str, u64>,
}

impl PartSummary {
    pub(super) fn print(&self) {
        let PartSummary { index, of, shards, of_shards, waiting } = self;
        crate::say!(
            "part {index} of {of}: {shards} of {of_shards} shards were asked about, and nothing was published; a run without --part publishes"
        );
        for (dial, rows) in waiting {
            crate::say!(
                "{rows} rows wait at {dial}, which takes a share of all rows: a run without --part decides, or `plan --list`, and then \
                 `--part … --only` the list"
            );
        }
    }
}

/// Asks about one part of the shards.
pub fn run_part<P: App>(
    options: &RunOptions,
    part: &PartOptions,
    app: &P::Args,
    log: Option<AskLog>,
) -> Result<RunReport, Failure> {
    let Some(which) = part.part else { return super::run::run::<P>(options, app, log) };
    let only = part.only.as_deref().map(AskList::read).transpose()?;
    with_unopened::<P, _>(options, app, |options, pipeline| {
        let part = PartRun { part: which, only };
        ask_part(options, &Unopened { part: Some(part), ..pipeline.clone() }, log)
    })
}

fn ask_part(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    log: Option<AskLog>,
) -> Result<RunReport, Failure> {
    let begin = Instant::now();
    let given = settings_wanted(pipeline.dials, options)?;
    // The run that publishes would find it out after all the asking.
    check_places(options, false)?;
    let only = pipeline.part.as_ref().and_then(|part| part.only.as_ref());
    let wanted = only.map_or(Ok(given.clone()), |only| only.settings(pipeline.dials, options, &given))?;
    let Asked { mut opened, stages, .. } = asked(options, pipeline, &wanted, log)?;
    let dials = settings(pipeline.dials, &wanted, &opened.engine.values());
    let mut summary = opened.summary(pipeline.name, &dials, &stages);
    summary.measure(begin.elapsed());
    let failure = errors::too_many(&summary.errors, summary.rows, options.max_error_rate);
    if let Some(told) = pipeline.part.as_ref().and_then(|part| part.missing(&opened)) {
        crate::note!("{told}");
    }
    let part = part_summary(pipeline, &opened, &wanted, &summary);
    if let Some(part) = &part {
        let (index, of, shards) = (part.index, part.of, part.shards);
        let pipeline = pipeline.name.to_owned();
        opened.store.note_part(PartRecord { pipeline, index, of, shards, ended: failure.is_none() })?;
    }
    Ok(RunReport { part, ..RunReport::of(summary, failure, options) })
}

fn part_summary(
    pipeline: &Unopened<'_>,
    opened: &Opened,
    wanted: &[Setting],
    summary: &Summary,
) -> Option<PartSummary> {
    let Part { index, of } = pipeline.part.as_ref()?.part;
    let shares = pipeline.dials.iter().zip(wanted).filter(|(_, setting)| matches!(setting, Setting::Top(_)));
    let waiting = shares.filter_map(|(dial, _)| Some((dial.name, *summary.gated.get(dial.name)?)));
    let waiting = waiting.filter(|(_, rows)| *rows > 0).collect();
    Some(PartSummary { index, of, shards: opened.shards.len(), of_shards: opened.of_shards, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_from_1_on() {
        assert_eq!("3/64".parse(), Ok(Part { index: 3, of: 64 }));
        for (text, words) in [
            ("0/4", "parts count from 1"),
            ("5/4", "the last is 4/4"),
            ("1/0", "1 to 2047 parts, not 0"),
            ("1/2048", "1 to 2047 parts"),
            ("3", "as in 3/64"),
            ("3/64/2", "as in 3/64"),
            ("-1/4", "as in 3/64"),
            ("", "as in 3/64"),
        ] {
            let why = text.parse::<Part>().unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn a_scheduler_says_which_part_this_is() {
        let by = |variables: &[(&str, &str)]| {
            let variables: BTreeMap<String, String> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Part::of_scheduler(&|name| variables.get(name).cloned())
        };
        let slurm = |task, count, min, max| {
            by(&[
                ("SLURM_ARRAY_TASK_ID", task),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_MAX", max),
            ])
        };
        assert_eq!(slurm("0", "64", "0", "63"), Ok(Part { index: 1, of: 64 }));
        assert_eq!(slurm("64", "64", "1", "64"), Ok(Part { index: 64, of: 64 }));
        // Some tasks of a larger array, again: they are not all parts of a smaller one.
        for some in [slurm("7", "2", "3", "7"), slurm("3", "1", "3", "3"), slurm("1", "2", "0", "2")] {
            assert!(some.unwrap_err().contains("say which"));
        }
        assert_eq!(
            by(&[("JOB_COMPLETION_INDEX", "7"), ("JOB_COMPLETIONS", "8")]),
            Ok(Part { index: 8, of: 8 })
        );
        for wrong in [
            by(&[]),
            by(&[("JOB_COMPLETION_INDEX", "8"), ("JOB_COMPLETIONS", "8")]),
            by(&[("JOB_COMPLETION_INDEX", "0")]),
            by(&[("SLURM_ARRAY_TASK_ID", "one")]),
            by(&[("SLURM_ARRAY_TASK_ID", "1")]),
        ] {
            assert!(wrong.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_shard_is_in_one_part_and_another_number_of_parts_moves_few() {
        let shards: Vec<String> = (0..4000).map(|n| format!("{n:05}")).collect();
        let part_of = |shard: &str, of: u16| -> u16 {
            let parts: Vec<u16> = (1..=of).filter(|index| Part { index: *index, of }.has(shard)).collect();
            assert_eq!(parts.len(), 1, "{shard}");
            parts[0]
        };
        let mut sizes = [0; 64];
        let mut moved = 0;
        for shard in &shards {
            let (before, after) = (part_of(shard, 64), part_of(shard, 80));
            sizes[usize::from(before) - 1] += 1;
            assert!(after == before || after > 64, "{shard} goes to a new part, or stays");
            moved += usize::from(after != before);
        }
        // 62.5 a part, with a standard deviation of 8; a fifth moves.
        assert!(sizes.iter().all(|size| (30..=100).contains(size)), "{sizes:?}");
        assert!((680..=920).contains(&moved), "{moved}");
    }
}

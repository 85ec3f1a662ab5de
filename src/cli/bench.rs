//! `bench` of a pipeline that has none of its own: a whole run, and what each of its stages takes alone.
//!
//! A stage alone is the same run once more, over a store that lacks its answers and no others: the engine asks it, and nobody else. What a
//! run takes that finds all answers (opening the models, walking the shards, publishing) is taken off. So what is measured is what happens,
//! decoding and batches and all, and no question is made up. A cache that a stage rests on is measured likewise, with that stage: without
//! what an editor made, the edits are made again.
//!
//! The limit is `cores / (CPU time of all stages for a picture)`: a run without any cost of its own would reach it. A GPU's time is not
//! in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use clap::Parser;
use serde::Serialize;

use super::run::{asks_servers, run};
use super::run_report::RunReport;
use super::store::Store;
use super::{App, BenchOptions, Commands, Failure, RunOptions, print_json, signals};
use crate::lane::StageStatus;
use crate::limits::cpu_seconds;

/// [`App::BENCH`] for any pipeline whose user names its shards.
///
/// A pipeline that asks servers is refused: everything is asked anew, and its answers may cost money.
pub fn stage_by_stage<P: App>(
    app: &P::Args,
    options: &BenchOptions,
    commands: &Commands,
) -> Result<(), Failure> {
    let name = &commands.name;
    if let Some(at_most) = options.at_most {
        return Err(Failure::Usage(format!(
            "--at-most {at_most}: `{name} bench` runs over all pictures of the shards, again and again; leave the flag out, and name fewer \
             shards"
        )));
    }
    signals::stop_on_signals();
    let scratch = tempfile::tempdir().map_err(|error| {
        Failure::Failed(format!("no folder for the bench's store: {error}; set TMPDIR to one with room"))
    })?;
    let runs = Runs::<P> { app, options: runs_options(options, scratch.path()) };
    if asks_servers::<P>(&runs.options, app)? {
        return Err(Failure::Usage(format!(
            "`{name} bench` asks everything anew, and these flags name servers, whose answers may cost money; leave them out, so that the \
             embedded stages answer"
        )));
    }
    let found = runs.measure()?;
    match options.json {
        true => print_json(&found),
        false => {
            found.print();
            Ok(())
        }
    }
}

/// The flags of the runs: what a run has where nobody says anything, and what the bench was told.
fn runs_options(options: &BenchOptions, scratch: &Path) -> RunOptions {
    #[derive(Parser)]
    struct Unsaid {
        #[command(flatten)]
        options: RunOptions,
    }
    // The pattern stands for the shards, which are put in its place.
    let unsaid = Unsaid::parse_from(["run", "--shards=x.tar"]).options;
    RunOptions {
        source: options.source.clone(),
        store: scratch.join("store"),
        out: scratch.join("out"),
        set: options.set.clone(),
        // Broken pictures are no reason to measure nothing.
        max_error_rate: 1.0,
        json: options.json,
        ..unsaid
    }
}

/// What a run took: seconds by the clock, and seconds that cores worked for this process.
#[derive(Clone, Copy, Debug, Serialize)]
struct Took {
    seconds: f64,
    cpu_seconds: f64,
}

impl Took {
    fn least(self, other: Took) -> Took {
        let (seconds, cpu_seconds) =
            (self.seconds.min(other.seconds), self.cpu_seconds.min(other.cpu_seconds));
        Took { seconds, cpu_seconds }
    }

    fn without(self, other: Took) -> Took {
        let less = |mine: f64, others: f64| (mine - others).max(0.0);
        Took {
            seconds: less(self.seconds, other.seconds),
            cpu_seconds: less(self.cpu_seconds, other.cpu_seconds),
        }
    }
}

struct Runs<'a, P: App> {
    app: &'a P::Args,
    options: RunOptions,
}

impl<P: App> Runs<'_, P> {
    fn measure(&self) -> Result<Found, Failure> {
        let (whole, report) = self.run("the whole pipeline")?;
        let (first, again) = (self.replay()?, self.replay()?);
        let replay = first.least(again);
        let mut stages = Vec::new();
        for status in report.summary.statuses.iter().filter(|status| status.asked.asked > 0) {
            stages.extend(self.alone(status, replay)?);
        }
        if stages.is_empty() {
            let message = "no stage was asked anything: all pictures were refused or held back before; move the first dials by --set";
            return Err(Failure::Failed(message.into()));
        }
        let (cores, pictures) = (self.options.cores(), report.summary.rows);
        // What was asked along with a cache is in its row.
        let is_in_another = |one: &StageTime| stages.iter().any(|other| other.with.contains(&one.stage));
        let own = stages.iter().filter(|stage| !is_in_another(stage));
        let cpu: f64 = own.map(|stage| stage.alone.cpu_seconds).sum();
        let rate = pictures as f64 / whole.seconds;
        let limit = (cpu > 0.0).then(|| pictures as f64 * cores as f64 / cpu);
        Ok(Found {
            pipeline: P::NAME,
            cores,
            pictures,
            whole,
            replay,
            images_per_second: rate,
            limit_images_per_second: limit,
            share_of_limit: limit.map(|limit| rate / limit),
            models: report.summary.models,
            stages,
        })
    }

    fn run(&self, what: &str) -> Result<(Took, RunReport), Failure> {
        crate::note!("bench: {what}");
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        let of_the_bench = |why: String| {
            Failure::Failed(format!(
                "{why}\nThis was a run of the bench: what it kept is removed, and the bench begins anew when it is run again"
            ))
        };
        let report = match run::<P>(&self.options, self.app, None) {
            Err(Failure::Failed(why)) => return Err(of_the_bench(why)),
            other => other?,
        };
        let took = Took { seconds: begin.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds() - cpu };
        match &report.failure {
            Some(failure) => Err(of_the_bench(failure.clone())),
            None => Ok((took, report)),
        }
    }

    /// The run that finds all answers.
    fn replay(&self) -> Result<Took, Failure> {
        let (took, report) = self.run("with all answers at hand")?;
        match asked_of(&report).next() {
            None => Ok(took),
            Some((stage, asked)) => Err(Failure::Failed(format!(
                "with all answers at hand {stage} was asked {asked} questions: its answers fail, and are not remembered; `run` says why"
            ))),
        }
    }

    /// What the stage takes where nothing else is asked, or the cache with the stages that rest on it; nothing of a cache on which no answer
    /// rests that is at hand.
    fn alone(&self, status: &StageStatus, replay: Took) -> Result<Option<StageTime>, Failure> {
        let name = status.name;
        Store::open_whole(&self.options.store)?.drop_stamp(&status.stamp.to_string())?;
        let (took, report) = self.run(&format!("{name} alone"))?;
        let asked = report.summary.asks.get(name).map_or(0, |asks| asks.asked);
        if is_a_cache(status) && asked == 0 {
            return Ok(None);
        }
        // Caches that it asks are part of it.
        let is_another = |stage: &&StageStatus| !is_a_cache(stage) && stage.name != name;
        let others = report.summary.statuses.iter().filter(is_another);
        let with: Vec<&'static str> =
            others.filter(|stage| stage.asked.asked > 0).map(|stage| stage.name).collect();
        if asked != status.asked.asked || !(with.is_empty() || is_a_cache(status)) {
            return Err(Failure::Failed(format!(
                "alone {name} was asked {asked} questions and {} others, where the whole run asked it {}: its answers are others each time, \
                 or the shards changed meanwhile; what it takes alone cannot be measured",
                with.len(),
                status.asked.asked
            )));
        }
        Ok(Some(StageTime {
            stage: name,
            with,
            asked,
            alone: took.without(replay),
            prepare_thread_seconds: status.prepare_seconds,
            answer_thread_seconds: status.answer_seconds,
        }))
    }
}

/// Whether it is a cache that stages ask, and no stage: nobody answers in lines.
fn is_a_cache(status: &StageStatus) -> bool {
    status.lines.is_empty()
}

/// Who was asked, and how many questions.
fn asked_of(report: &RunReport) -> impl Iterator<Item = (&'static str, u64)> {
    let asks = report.summary.asks.iter().map(|(stage, asks)| (*stage, asks.asked));
    asks.filter(|(_, asked)| *asked > 0)
}

/// What a stage took.
#[derive(Debug, Serialize)]
struct StageTime {
    stage: &'static str,
    /// Of a cache: the stages that rest on it, and were asked again.
    with: Vec<&'static str>,
    asked: u64,
    /// Without what a run takes that asks nothing.
    alone: Took,
    /// In the whole run, the time that threads were at it, beside everything else.
    prepare_thread_seconds: f64,
    answer_thread_seconds: f64,
}

/// What the bench found.
#[derive(Debug, Serialize)]
struct Found {
    pipeline: &'static str,
    cores: usize,
    pictures: u64,
    /// From nothing to what is published.
    whole: Took,
    /// The same with all answers at hand: the lesser of two.
    replay: Took,
    /// In the order in which they were opened.
    stages: Vec<StageTime>,
    images_per_second: f64,
    /// `cores` by the CPU time of all stages alone, for a picture; `None` where they took none that can be measured.
    limit_images_per_second: Option<f64>,
    share_of_limit: Option<f64>,
    models: BTreeMap<&'static str, String>,
}

/// Less by the clock is noise.
const LEAST_SECONDS: f64 = 0.01;

impl Found {
    fn print(&self) {
        let line = |name: &str, [asked, seconds, cpu, each, rate, share]: [String; 6]| {
            crate::say!("{name:22} {asked:>8} {seconds:>9} {cpu:>9} {each:>12} {rate:>12} {share:>8}");
        };
        line("stage", ["asked", "s alone", "CPU s", "CPU ms each", "a s alone", "of all"].map(str::to_owned));
        let share = |took: &Took| format!("{:.1} %", 100.0 * took.cpu_seconds / self.whole.cpu_seconds);
        for StageTime { stage, with, asked, alone, .. } in &self.stages {
            let name = if with.is_empty() {
                (*stage).to_owned()
            } else {
                format!("{stage}, with {}", with.join(", "))
            };
            let rate = match alone.seconds >= LEAST_SECONDS {
                true => format!("{:.1}", *asked as f64 / alone.seconds),
                false => "-".to_owned(),
            };
            line(
                &name,
                [
                    asked.to_string(),
                    format!("{:.2}", alone.seconds),
                    format!("{:.2}", alone.cpu_seconds),
                    format!("{:.2}", 1e3 * alone.cpu_seconds / *asked as f64),
                    rate,
                    share(alone),
                ],
            );
        }
        for (name, took) in [("all answers at hand", &self.replay), ("the whole run", &self.whole)] {
            let (seconds, cpu) = (format!("{:.2}", took.seconds), format!("{:.2}", took.cpu_seconds));
            line(name, [String::new(), seconds, cpu, String::new(), String::new(), share(took)]);
        }
        crate::say!("{:.1} images/s over {} pictures", self.images_per_second, self.pictures);
        if let (Some(limit), Some(share)) = (self.limit_images_per_second, self.share_of_limit) {
            crate::say!(
                "the CPU time of the stages allows {limit:.1} on {} cores: {:.0} % of that (a GPU's time is not in it)",
                self.cores,
                100.0 * share
            );
        }
    }
}

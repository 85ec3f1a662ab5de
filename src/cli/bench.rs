//! `bench` of a pipeline that has none of its own: a whole run, and what each of its stages takes alone.
//!
//! A stage alone is the same run once more, over a store that lacks its answers and no others: the engine asks it, and nobody else. What a
//! run takes that finds all answers is taken off. So what is measured is what happens, sessions, decoding, caches and all, and no question
//! is made up. The limit is `cores / (CPU time of all stages for a picture)`: a run without any cost of its own would reach it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use clap::Parser;
use serde::Serialize;

use super::run::run;
use super::run_report::RunReport;
use super::store::Store;
use super::{App, BenchOptions, Commands, Failure, RunOptions, print_json};
use crate::lane::StageStatus;
use crate::limits::cpu_seconds;

/// [`App::BENCH`] for any pipeline whose user names its shards.
///
/// Stages that ask servers are not measured alone: their answers may cost money.
pub fn stage_by_stage<P: App>(
    app: &P::Args,
    options: &BenchOptions,
    commands: &Commands,
) -> Result<(), Failure> {
    if let Some(at_most) = options.at_most {
        let message = format!(
            "--at-most {at_most}: `{} bench` runs over all pictures of the shards, again and again; leave the flag out, and name fewer \
             shards",
            commands.name
        );
        return Err(Failure::Usage(message));
    }
    let scratch = tempfile::tempdir().map_err(|error| {
        Failure::Failed(format!("no folder for the bench's store: {error}; set TMPDIR to one with room"))
    })?;
    let runs = Runs::<P> { app, options: runs_options(options, scratch.path()) };
    let (whole, report) = runs.run("the whole pipeline")?;
    let pictures = report.summary.rows;
    if pictures == 0 {
        return Err(Failure::Failed("the shards hold no picture that can be read".into()));
    }
    let (replay, _) = runs.run("with all answers at hand")?;
    let statuses = &report.summary.statuses;
    let caches: Vec<&StageStatus> = statuses.iter().filter(|it| is_a_cache(it)).collect();
    let mut stages = Vec::new();
    for status in statuses.iter().filter(|it| !is_a_cache(it) && it.asked.asked > 0) {
        let alone = if status.asks_servers { None } else { Some(runs.alone(status, &caches, &replay)?) };
        stages.push(StageTime {
            stage: status.name,
            asked: status.asked.asked,
            alone,
            prepare_thread_seconds: status.prepare_seconds,
            answer_thread_seconds: status.answer_seconds,
        });
    }
    let cores = runs.options.cores();
    let cpu: f64 = stages.iter().filter_map(|stage| stage.alone).map(|alone| alone.cpu_seconds).sum();
    let limit = pictures as f64 * cores as f64 / cpu.max(f64::MIN_POSITIVE);
    let rate = pictures as f64 / whole.seconds;
    let found = Found {
        pipeline: P::NAME,
        cores,
        pictures,
        whole,
        replay,
        stages,
        images_per_second: rate,
        limit_images_per_second: limit,
        share_of_limit: rate / limit,
        models: report.summary.models,
    };
    match options.json {
        true => print_json(&found),
        false => {
            found.print();
            Ok(())
        }
    }
}

/// Whether it is a cache that stages ask, and no stage: nobody answers in lines.
fn is_a_cache(status: &StageStatus) -> bool {
    status.lines.is_empty()
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

struct Runs<'a, P: App> {
    app: &'a P::Args,
    options: RunOptions,
}

impl<P: App> Runs<'_, P> {
    fn run(&self, what: &str) -> Result<(Took, RunReport), Failure> {
        crate::note!("bench: {what}");
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        let report = run::<P>(&self.options, self.app, None)?;
        let took = Took { seconds: begin.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds() - cpu };
        match &report.failure {
            Some(failure) => Err(Failure::Failed(failure.clone())),
            None => Ok((took, report)),
        }
    }

    /// What the stage takes where nothing else is asked.
    fn alone(&self, stage: &StageStatus, caches: &[&StageStatus], replay: &Took) -> Result<Took, Failure> {
        {
            let mut store = Store::open_whole(&self.options.store)?;
            for dropped in caches.iter().chain([&stage]) {
                store.drop_stamp(&dropped.stamp.to_string())?;
            }
        }
        let (took, report) = self.run(&format!("{} alone", stage.name))?;
        let again = report.summary.asks.get(stage.name).map_or(0, |asks| asks.asked);
        if again != stage.asked.asked {
            let (name, asked) = (stage.name, stage.asked.asked);
            return Err(Failure::Failed(format!(
                "{name} was asked {asked} questions in the whole run and {again} alone: the shards changed meanwhile; run the bench again"
            )));
        }
        Ok(Took {
            seconds: (took.seconds - replay.seconds).max(0.0),
            cpu_seconds: (took.cpu_seconds - replay.cpu_seconds).max(0.0),
        })
    }
}

/// What a stage took.
#[derive(Debug, Serialize)]
struct StageTime {
    stage: &'static str,
    asked: u64,
    /// Without what a run takes that asks nothing; none of a stage that asks servers.
    alone: Option<Took>,
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
    /// The same with all answers at hand.
    replay: Took,
    /// In the order in which they were opened.
    stages: Vec<StageTime>,
    images_per_second: f64,
    /// `cores` by the CPU time of all stages alone, for a picture.
    limit_images_per_second: f64,
    share_of_limit: f64,
    models: BTreeMap<&'static str, String>,
}

impl Found {
    fn print(&self) {
        crate::say!(
            "{:16} {:>8} {:>9} {:>9} {:>12} {:>12} {:>8}",
            "stage",
            "asked",
            "s alone",
            "CPU s",
            "CPU ms each",
            "a s alone",
            "share"
        );
        for stage in &self.stages {
            let Some(alone) = &stage.alone else {
                crate::say!("{:16} {:>8} not measured alone: it asks servers", stage.stage, stage.asked);
                continue;
            };
            let asked = stage.asked as f64;
            crate::say!(
                "{:16} {:>8} {:>9.2} {:>9.2} {:>12.2} {:>12.1} {:>6.1} %",
                stage.stage,
                stage.asked,
                alone.seconds,
                alone.cpu_seconds,
                1e3 * alone.cpu_seconds / asked,
                asked / alone.seconds.max(f64::MIN_POSITIVE),
                100.0 * alone.cpu_seconds / self.whole.cpu_seconds
            );
        }
        let row = |name: &str, took: &Took| {
            let share = 100.0 * took.cpu_seconds / self.whole.cpu_seconds;
            crate::say!(
                "{name:25} {:>9.2} {:>9.2} {:>12} {:>12} {share:>6.1} %",
                took.seconds,
                took.cpu_seconds,
                "",
                ""
            );
        };
        row("all answers at hand", &self.replay);
        row("the whole run", &self.whole);
        crate::say!(
            "{:.1} images/s over {} pictures; the limit of the stages on {} cores is {:.1}: {:.0} % of it",
            self.images_per_second,
            self.pictures,
            self.cores,
            self.limit_images_per_second,
            100.0 * self.share_of_limit
        );
    }
}

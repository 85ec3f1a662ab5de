//! Edit bench: a benchmark of image editing, run, judged and counted. Items are pictures and instructions; an editor makes what they ask
//! for, or somebody did; a judge scores each, in as many passes as are wanted.
//!
//! Every answer is asked for once. A second model, a third pass, another parser or another judge asks only what was never asked.

mod demo;

use std::path::Path;

use edit_bench_stages::bench::{SET, check_judge, folder_name};
use edit_bench_stages::{AnswersRead, Args, Stages, source};
use threshflow::cli::{App, Demo, Entry, Failure, RunOptions, Workbench};
use threshflow::object::is_url;
use threshflow::prelude::*;
use threshflow::publish::Recorder;
use threshflow::shard::ShardSource;

dials! {
    /// What a rerun may turn: `threshflow edit_bench run ... --set answers_read=1`.
    pub struct Dials {
        /// How many answers about an item must be readable for it to be published; 0 publishes all of them.
        answers_read: AnswersRead >= 0,
    }
}

/// The pipeline: its stages, opened once and shared by every worker.
pub struct EditBench {
    stages: Stages,
}

/// The pipeline as a program has it. It is compiled here, with the crate.
pub static ENTRY: Entry = Entry::of::<EditBench>();

impl Pipeline for EditBench {
    const NAME: &'static str = "edit_bench";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let items = images.ask(&self.stages.items);
        let edited = items.ask(&self.stages.edits);
        edited.ask(&self.stages.judge).gate(&dial.answers_read)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(&self.stages.recorder)
    }

    fn published(&self, out: &Path) -> Result<Option<String>, String> {
        self.stages.run.published(out).map(Some).map_err(|failure| failure.to_string())
    }
}

impl App for EditBench {
    const ABOUT: &'static str =
        "Runs a benchmark of image editing: edits, judges in several passes, and counts honestly";
    const DEMO: Option<Demo> = Some(demo::run);
    const OWN_SOURCE: bool = true;
    type Args = Args;

    fn open(args: &Args, workbench: &Workbench) -> Result<Self, Failure> {
        Ok(EditBench { stages: Stages::open(args, workbench)? })
    }

    /// The items as a shard. Below --out, each run has a folder `BENCHMARK/NAME`.
    fn source(args: &Args, options: &mut RunOptions) -> Result<Option<Vec<ShardSource>>, Failure> {
        if options.out.to_str().is_some_and(is_url) {
            return Err(Failure::Usage(format!(
                "--out {}: edit_bench writes its tables to a folder; name one, and copy it to the bucket",
                options.out.display()
            )));
        }
        let folder = options.out.join(&args.benchmark).join(folder_name(&args.name()));
        check_judge(&folder, args)?;
        options.out = folder.join(SET);
        let items = source::items(args)?;
        Ok(Some(vec![source::shard(args, &items)?]))
    }

    fn subcommands() -> Vec<clap::Command> {
        edit_bench_stages::subcommands::subcommands()
    }

    fn subcommand(name: &str, matches: &clap::ArgMatches) -> Result<(), Failure> {
        edit_bench_stages::subcommands::subcommand(name, matches)
    }
}

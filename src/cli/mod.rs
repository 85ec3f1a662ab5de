//! The command line of every pipeline: run, plan, explain, export, dials, clean, verify; demo and bench if the pipeline has them; and the
//! pipeline's own subcommands. A program has one pipeline ([`main`]), or several as subcommands ([`main_of`]).

mod apart;
mod ask_list;
mod bench;
mod buckets;
mod clean;
mod cluster;
mod compact;
mod describe;
mod errors;
mod explain;
mod export;
mod fetched;
mod input;
mod inserting;
pub mod invoke;
mod labelled;
mod live;
mod manual;
mod options;
mod part;
mod plan;
mod program;
mod progress;
mod publishing;
mod rate;
mod refusals;
mod removed;
mod run;
mod run_report;
mod script;
mod segments;
mod signals;
mod store;
mod subcommands;
mod summary;
mod verify;

use std::path::Path;
use std::sync::Arc;

use clap::{ArgMatches, Args, Command};
use serde::{Deserialize, Serialize};

pub use apart::apart;
pub use bench::stage_by_stage;
pub use buckets::{Destination, InBuckets, Looked, finished, look_at_published};
pub use errors::{Errors, StageErrors};
pub use export::{sent_line, tell_mended};
pub use inserting::rows_of;
pub use invoke::Commands;
pub use live::LiveOptions;
pub use options::{ObjectOptions, RunOptions, SourceOptions};
pub use part::{Part, PartOptions, PartSummary, run_part};
pub use plan::{Effect, Listed, OpenShare, PieceEffect, Plan};
pub use program::{Entry, Program, main, main_of};
pub use run::{run, settings};
pub use run_report::RunReport;
pub use summary::{Summary, peak_rss_bytes};

use crate::cluster::Place;
use crate::flow::DialSpec;
use crate::lane::{Lanes, Operator, Stage};
use crate::pipeline::Pipeline;
use crate::row::{Score, Unit};
use crate::shard::ShardSource;

/// How a command ends when it does not end well. The message says what to do next.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Failure {
    /// Exit code 2: the command line cannot be meant like this.
    #[error("{0}")]
    Usage(String),
    /// Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Exit code 1, too: not as things stand, and perhaps a moment later.
    #[error("{0}")]
    NotNow(String),
    /// Exit code 75: another process of the run was lost. Started again, all of them go on.
    #[error("{0}")]
    Lost(String),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Failed(_) | Failure::NotNow(_) => 1,
            Failure::Lost(_) => crate::cluster::LOST_EXIT_CODE,
        }
    }
}

impl From<crate::shard::ShardError> for Failure {
    fn from(error: crate::shard::ShardError) -> Self {
        match error {
            crate::shard::ShardError::Usage(message) => Failure::Usage(message),
            other => Failure::Failed(other.to_string()),
        }
    }
}

impl From<crate::publish::PublishError> for Failure {
    fn from(error: crate::publish::PublishError) -> Self {
        match error.is_of_a_changed_shard() {
            true => Failure::NotNow(error.to_string()),
            false => Failure::Failed(error.to_string()),
        }
    }
}

impl From<crate::memo::MemoError> for Failure {
    fn from(error: crate::memo::MemoError) -> Self {
        Failure::Failed(error.to_string())
    }
}

impl From<crate::report::ReportError> for Failure {
    fn from(error: crate::report::ReportError) -> Self {
        match error {
            path @ crate::report::ReportError::Path { .. } => Failure::Usage(path.to_string()),
            other => Failure::Failed(other.to_string()),
        }
    }
}

/// What an application opens its stages on.
pub struct Workbench {
    pub lanes: Arc<Lanes>,
    /// Cores that may be used: decode threads, and the threads of models on the CPU.
    pub cores: usize,
    /// Which of the run's processes opens them: what a run may spend, and what a server may be sent, they share.
    pub place: Place,
}

impl Workbench {
    /// Opens a scorer's stage; with a field, the sidecar's number in it goes before what the scorer would say.
    pub fn stage_or_sidecar<U: Unit, O: Operator<Answer = Score<U>>>(
        &self,
        scorer: O,
        field: Option<&str>,
    ) -> Result<Arc<Stage<O>>, Failure> {
        match field {
            None => Ok(Stage::open(scorer, &self.lanes)?),
            Some(field) => self.stage_or_sidecar_within(scorer, field, [f32::NEG_INFINITY, f32::INFINITY]),
        }
    }

    /// As [`Workbench::stage_or_sidecar`], where a number beyond these ends is none.
    pub fn stage_or_sidecar_within<U: Unit, O: Operator<Answer = Score<U>>>(
        &self,
        scorer: O,
        field: &str,
        ends: [f32; 2],
    ) -> Result<Arc<Stage<O>>, Failure> {
        let numbers = self.lanes.catalogue.sidecar_numbers(field)?;
        Ok(Stage::open_or_sidecar(scorer, numbers, ends, &self.lanes)?)
    }

    /// Tells the user, on stderr, what was chosen for her: which back-end, which device. Once a process.
    pub fn note(&self, what: &str) {
        static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
        let mut said = crate::lane::lock(&SAID);
        if !said.iter().any(|known| known == what) {
            crate::note!("{what}");
            said.push(what.to_owned());
        }
    }
}

/// What a pipeline does for [`App::DEMO`]: runs on data that it makes itself, below the folder, by its own commands.
pub type Demo = fn(folder: &Path, output: Output, commands: &Commands) -> Result<(), Failure>;

/// What a pipeline whose flags are `A` does for [`App::BENCH`].
pub type Bench<A> = fn(args: &A, options: &BenchOptions, commands: &Commands) -> Result<(), Failure>;

/// A pipeline as a program, or as a subcommand of one. What has a default here need not be there: the command line is without what a
/// pipeline does not have.
pub trait App: Pipeline + Sized {
    /// The first line of `--help`.
    const ABOUT: &'static str;
    /// What the pipeline's stages need to know: models, devices. Flags of `run` and `plan`.
    type Args: Args + Clone + Send + Sync + 'static;

    /// Opens the stages: models are read and checked here, before any picture is.
    fn open(args: &Self::Args, workbench: &Workbench) -> Result<Self, Failure>;

    /// Whether the pipeline finds its pictures itself, by [`App::source`]: `--shards` and `--pictures` are then not on its command line.
    const OWN_SOURCE: bool = false;

    /// Where the pictures come from, for a pipeline that finds them itself; `None` for one whose user names them. This runs first of
    /// all, and may change where the answers and what is published go ([`RunOptions::store`], [`RunOptions::out`]).
    fn source(_args: &Self::Args, _options: &mut RunOptions) -> Result<Option<Vec<ShardSource>>, Failure> {
        Ok(None)
    }

    /// The dials of scorers that flags name, each of the name of its stage: see [`Flow::named_scores`](crate::flow::Flow::named_scores).
    /// This runs before the stages are opened, so that a wrong `--set` is an error at once. A pipeline that has such dials says so in all
    /// three of these functions.
    fn named_dials(_args: &Self::Args) -> Result<Vec<DialSpec>, Failure> {
        Ok(Vec::new())
    }

    /// The command `dials`, with the flags that name scorers.
    fn dials_command(command: clap::Command) -> clap::Command {
        command
    }

    /// As [`App::named_dials`], by the flags of the command `dials`.
    fn named_dials_of(_matches: &clap::ArgMatches) -> Result<Vec<DialSpec>, Failure> {
        Ok(Vec::new())
    }

    /// The subcommand `demo`; `None` where the pipeline has no such subcommand.
    const DEMO: Option<Demo> = None;

    /// The subcommand `bench`: throughput on the user's shards, beside the limit of this machine. [`stage_by_stage`] serves any pipeline.
    /// `None` where the pipeline has no such subcommand.
    const BENCH: Option<Bench<Self::Args>> = None;

    /// Reads a folder that this pipeline alone writes, for the subcommand `verify`; `None` where it is not one of those.
    fn verify(_folder: &Path) -> Result<Option<crate::publish::Verified>, Failure> {
        Ok(None)
    }

    /// Subcommands that this pipeline alone has, for `--help`; none is named as one of those that every pipeline has.
    fn subcommands() -> Vec<Command> {
        Vec::new()
    }

    /// Does one of [`App::subcommands`], with what the command line says after its name.
    fn subcommand(name: &str, _matches: &ArgMatches) -> Result<(), Failure> {
        Err(Failure::Usage(format!("{} has no subcommand {name}", Self::NAME)))
    }
}

/// What goes to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Text,
    /// One JSON object at the end, and nothing else.
    Json,
}

#[derive(Args, Clone, Debug)]
pub struct BenchOptions {
    #[command(flatten)]
    pub source: SourceOptions,
    /// The most pictures on which decoding and the model are measured alone, where the pipeline measures these; the run from end to
    /// end takes all pictures [default: 1000]
    #[arg(long)]
    pub at_most: Option<usize>,
    /// Move a dial (a threshold) for the runs: name=value; `dials` lists them; may be given several times
    #[arg(long, value_name = "DIAL=VALUE")]
    pub set: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Prints one JSON value on a line of its own.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Failed(error.to_string()))?;
    crate::say!("{text}");
    Ok(())
}

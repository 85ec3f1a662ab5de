//! The command line that every pipeline binary gets: run, plan, explain, export, dials, demo, clean, verify, bench; and after these,
//! the pipeline's own verbs.

mod apart;
mod clean;
mod describe;
mod errors;
mod explain;
mod export;
mod input;
pub mod invoke;
mod options;
mod plan;
mod progress;
mod rate;
mod removed;
mod run;
mod run_report;
mod signals;
mod store;
mod summary;
mod verify;

use std::ffi::OsString;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

pub use apart::apart;
pub use errors::{Errors, StageErrors};
pub use export::tell_mended;
pub use invoke::Commands;
pub use options::{RunOptions, SourceOptions};
pub use plan::{Effect, PieceEffect, Plan};
pub use run::{rows_of, run, settings};
pub use run_report::RunReport;
pub use summary::{Summary, peak_rss_bytes};

use crate::lane::Lanes;
use crate::pipeline::Pipeline;

/// How a command ends when it does not end well. The message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 2: the command line cannot be meant like this.
    #[error("{0}")]
    Usage(String),
    /// Exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Failed(_) => 1,
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
        Failure::Failed(error.to_string())
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
}

impl Workbench {
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

/// A pipeline as a program.
pub trait App: Pipeline + Sized {
    /// The first line of `--help`.
    const ABOUT: &'static str;
    /// What the pipeline's stages need to know: models, devices. Flags of `run` and `plan`.
    type Args: Args + Clone + Send + Sync + 'static;

    /// Opens the stages: models are read and checked here, before any picture is.
    fn open(args: &Self::Args, workbench: &Workbench) -> Result<Self, Failure>;

    /// `demo`: the pipeline on data that it makes itself, below `folder`, by its own commands.
    fn demo(_folder: &std::path::Path, _json: Output, _commands: Commands) -> Result<(), Failure> {
        Err(Failure::Usage(format!("{} has no demo", Self::NAME)))
    }

    /// `bench`: throughput on the user's shards, beside the limit that decoding and the model set.
    fn bench(_args: &Self::Args, _options: &BenchOptions, _commands: Commands) -> Result<(), Failure> {
        Err(Failure::Usage(format!("{} has no bench", Self::NAME)))
    }

    /// Reads a folder that this pipeline alone writes, for the verb `verify`; `None` where it is not one of those.
    fn verify(_folder: &std::path::Path) -> Result<Option<crate::publish::Verified>, Failure> {
        Ok(None)
    }

    /// Verbs that this pipeline alone has, for `--help`; none is named as one of those that every pipeline has.
    fn verbs() -> Vec<Command> {
        Vec::new()
    }

    /// Does one of [`App::verbs`], with what the command line says after its name.
    fn verb(name: &str, _matches: &ArgMatches) -> Result<(), Failure> {
        Err(Failure::Usage(format!("{} has no verb {name}", Self::NAME)))
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
    /// Most pictures to measure decoding and the model on alone; the run from end to end is over all of them
    #[arg(long, default_value_t = 1000)]
    pub pictures: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
struct Cli<A: Args> {
    #[command(subcommand)]
    verb: Verb<A>,
}

#[derive(Subcommand)]
enum Verb<A: Args> {
    /// Curate: ask what was never asked, publish what passes the dials
    Run {
        #[command(flatten)]
        options: RunOptions,
        #[command(flatten)]
        app: A,
    },
    /// What would a run with these dials cost, and what would it change? Asks nothing, writes nothing
    Plan {
        #[command(flatten)]
        options: RunOptions,
        #[command(flatten)]
        app: A,
    },
    /// Where did this picture end, and why?
    Explain {
        /// The folder that was published to
        #[arg(long, default_value = "out")]
        out: PathBuf,
        /// Taken and not used: what is published says it all
        #[arg(long, hide = true)]
        store: Option<PathBuf>,
        #[arg(long)]
        json: bool,
        /// The shard's name, where SHARD/KEY can be read in several ways: what follows is the key alone then
        #[arg(long)]
        shard: Option<String>,
        /// SHARD/KEY, for example 00012/000120345
        key: String,
    },
    /// Copy the published pictures, byte for byte, into WebDataset tars
    Export {
        #[arg(long, default_value = "store")]
        store: PathBuf,
        /// The folder that was published to
        #[arg(long, default_value = "out")]
        out: PathBuf,
        /// The folder for the tars
        #[arg(long)]
        to: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// The dials: names, units, ranges, defaults
    Dials {
        #[arg(long)]
        json: bool,
    },
    /// The pipeline on data that it makes itself
    Demo {
        /// Where the demo's data, store and output go; what an earlier demo left there is replaced
        #[arg(long, default_value = "demo")]
        folder: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// What the store holds, by stamp; with --drop, forgets some of it
    Clean {
        #[arg(long, default_value = "store")]
        store: PathBuf,
        /// `dead` (all that no pipeline's latest run used), or a stamp as the listing shows it
        #[arg(long)]
        drop: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Read all that was published, exported or remembered, and say what of it is damaged; exit code 1 if something is. Writes
    /// nothing
    Verify {
        /// Folders that were published, exported or released to
        folders: Vec<PathBuf>,
        /// A store: every answer that it remembers
        #[arg(long)]
        store: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Throughput on your shards, beside the limit that decoding and the model set on this machine
    Bench {
        #[command(flatten)]
        options: BenchOptions,
        #[command(flatten)]
        app: A,
    },
}

/// The whole program: `fn main() -> ExitCode { threshflow::cli::main::<Prepare>() }`.
pub fn main<P: App>() -> ExitCode {
    crate::limits::prepare();
    let asked = || dispatch::<P>(std::env::args_os());
    let done = catch_unwind(asked).unwrap_or_else(|panic| {
        let fault = "is a fault of threshflow, unless a limit is named below; please report it";
        Err(Failure::Failed(format!("{:?} {fault}", crate::limits::said(&*panic))))
    });
    let done = done.and_then(|()| match crate::say::lost() {
        None => Ok(()),
        Some(why) => Err(Failure::Failed(format!(
            "stdout took not all of what was said: {why}; what was done is done. Make room, or send it elsewhere"
        ))),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            crate::note!("error: {failure}");
            if let Some(advice) = crate::limits::advice(&failure.to_string()) {
                crate::note!("limit: {advice}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch<P: App>(args: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = <Cli<P::Args> as clap::CommandFactory>::command().name(P::NAME).about(P::ABOUT);
    let matches = command
        .subcommands(P::verbs())
        .try_get_matches_from(&args)
        .unwrap_or_else(|error| end(&error, &args));
    if let Some((name, own)) = matches.subcommand()
        && P::verbs().iter().any(|verb| verb.get_name() == name)
    {
        return P::verb(name, own);
    }
    let cli = Cli::<P::Args>::from_arg_matches(&matches).unwrap_or_else(|error| end(&error, &args));
    let output = |json: bool| if json { Output::Json } else { Output::Text };
    match cli.verb {
        Verb::Run { options, app } => {
            signals::stop_on_signals();
            let json = output(options.json);
            let report = run::<P>(&options, &app, None)?;
            report.print(json);
            report.check()
        }
        Verb::Plan { options, app } => plan::plan::<P>(&options, &app)?.print(output(options.json)),
        Verb::Explain { out, json, shard, key, .. } => {
            explain::explain(&out, shard.as_deref(), &key, output(json))
        }
        Verb::Export { store, out, to, json } => export::export(&store, &out, &to, output(json)),
        Verb::Dials { json } => describe::dials::<P>(output(json)),
        Verb::Demo { folder, json } => P::demo(&folder, output(json), Commands::of::<P>()),
        Verb::Clean { store, drop, json } => clean::clean(&store, drop.as_deref(), output(json)),
        Verb::Verify { folders, store, json } => {
            verify::verify::<P>(&folders, store.as_deref(), output(json))
        }
        Verb::Bench { options, app } => P::bench(&app, &options, Commands::of::<P>()),
    }
}

/// Ends with 2, or with 0 for `--help` and `--version`. What the user wrote is part of the message: where it would command a terminal,
/// the message goes without colours, and what commands in plain letters.
fn end(error: &clap::Error, args: &[OsString]) -> ! {
    let commands = |arg: &OsString| arg.to_string_lossy().contains(char::is_control);
    if !args.iter().any(commands) {
        error.exit();
    }
    crate::note!("{}", error.render().to_string().trim_end());
    std::process::exit(error.exit_code());
}

/// Prints one JSON value on a line of its own.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Failed(error.to_string()))?;
    crate::say!("{text}");
    Ok(())
}

//! Commands as a program calls them: the same flags as on the command line, and what they give as values.

use clap::{Args, FromArgMatches, Parser};

use super::RunReport;
use super::plan::Plan;
use super::{App, Failure, RunOptions};

#[derive(Parser)]
struct Flags<A: Args> {
    #[command(flatten)]
    options: RunOptions,
    #[command(flatten)]
    app: A,
}

fn parse<P: App>(command: &[String]) -> Result<(RunOptions, P::Args), Failure> {
    // The first word is the verb, which stands where clap looks for a program's name.
    let matches = <Flags<P::Args> as clap::CommandFactory>::command().try_get_matches_from(command);
    let flags = matches.and_then(|matches| Flags::<P::Args>::from_arg_matches(&matches));
    flags.map(|flags| (flags.options, flags.app)).map_err(|error| Failure::Usage(error.to_string()))
}

/// A pipeline's commands, for what is not compiled anew for every pipeline: a library that calls [`run`] itself holds that pipeline's
/// whole dataflow, and so does the program.
#[derive(Clone, Copy)]
pub struct Commands {
    /// The pipeline's name.
    pub name: &'static str,
    /// See [`run`].
    pub run: fn(&[String]) -> Result<RunReport, Failure>,
    /// See [`plan`].
    pub plan: fn(&[String]) -> Result<Plan, Failure>,
}

impl Commands {
    pub fn of<P: App>() -> Self {
        Commands { name: P::NAME, run: run::<P>, plan: plan::<P> }
    }
}

/// `command` is `["run", "--shards", …]`.
pub fn run<P: App>(command: &[String]) -> Result<RunReport, Failure> {
    let (options, app) = parse::<P>(command)?;
    super::run::run::<P>(&options, &app, None)
}

/// As [`run`], with a log of every question that was really asked.
pub fn run_logged<P: App>(command: &[String], log: crate::lane::AskLog) -> Result<RunReport, Failure> {
    let (options, app) = parse::<P>(command)?;
    super::run::run::<P>(&options, &app, Some(log))
}

/// `command` is `["plan", "--shards", …]`.
pub fn plan<P: App>(command: &[String]) -> Result<Plan, Failure> {
    let (options, app) = parse::<P>(command)?;
    super::plan::plan::<P>(&options, &app)
}

//! Commands that a program calls. They have the flags of the command line, and return their results as values.

use clap::{Args, Parser};

use super::RunReport;
use super::live::{self, LiveOptions};
use super::plan::Plan;
use super::subcommands::without_source;
use super::{App, Failure, RunOptions};

#[derive(Parser)]
struct Flags<A: Args> {
    #[command(flatten)]
    options: RunOptions,
    #[command(flatten)]
    app: A,
}

#[derive(Parser)]
struct LiveFlags<A: Args> {
    #[command(flatten)]
    flags: Flags<A>,
    #[command(flatten)]
    live: LiveOptions,
}

fn parse<P: App>(command: &[String]) -> Result<(RunOptions, P::Args), Failure> {
    let flags = parsed::<P, Flags<P::Args>>(command)?;
    Ok((flags.options, flags.app))
}

fn parsed<P: App, F: Parser>(command: &[String]) -> Result<F, Failure> {
    // The first word is the subcommand, which stands where clap looks for a program's name.
    let flags = F::command();
    let flags = if P::OWN_SOURCE { without_source(flags) } else { flags };
    let matches = flags.try_get_matches_from(command);
    let flags = matches.and_then(|matches| F::from_arg_matches(&matches));
    // What is said of it begins so, too.
    flags.map_err(|error| Failure::Usage(error.to_string().trim_start_matches("error: ").to_owned()))
}

/// A pipeline's commands, for what is not compiled anew for every pipeline: a library that calls [`run`] itself holds that pipeline's
/// whole dataflow, and so does the program.
#[derive(Clone)]
pub struct Commands {
    /// What a person types before the subcommand: `threshflow prepare`.
    pub name: String,
    /// See [`run`].
    pub run: fn(&[String]) -> Result<RunReport, Failure>,
    /// See [`plan`].
    pub plan: fn(&[String]) -> Result<Plan, Failure>,
    /// See [`live`](live()).
    pub live: fn(&[String]) -> Result<(), Failure>,
    /// A demo ends with a session that stays.
    pub stays: bool,
}

impl Commands {
    /// Those of `P`, which a person calls by `name`.
    pub fn of<P: App>(name: &str) -> Self {
        Commands { name: name.to_owned(), run: run::<P>, plan: plan::<P>, live: live::<P>, stays: false }
    }
}

/// A word for a command that a person may copy to a shell: quoted where a shell would not take it as it is.
pub fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%,=".contains(letter);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Whether these are the words of a run, as far as that is known before anything is opened.
pub(super) fn checked_run<P: App>(command: &[String]) -> Result<(), Failure> {
    let (options, app) = parse::<P>(command)?;
    super::run::check_words::<P>(&options, &app)
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
    super::plan::plan::<P>(&options, None, &app)
}

/// `command` is `["live", "--shards", …]`. Says the URL of the page on stdout, and serves it until a signal ends it.
pub fn live<P: App>(command: &[String]) -> Result<(), Failure> {
    let LiveFlags { flags, live } = parsed::<P, LiveFlags<P::Args>>(command)?;
    live::live::<P>(&flags.options, &live, &flags.app, |url| crate::say!("{url}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_a_shell_as_it_is() {
        for word in ["run", "/a/b-c_1.tar", "--set=x=4.5"] {
            assert_eq!(shell_word(word), word);
        }
        for (word, quoted) in [("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("*.tar", "'*.tar'")] {
            assert_eq!(shell_word(word), quoted);
        }
    }
}

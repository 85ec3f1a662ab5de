//! A program: one pipeline, or several as subcommands. It goes from the words of the command line to the work of a subcommand and the exit
//! code.

use std::ffi::OsString;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::Style;
use clap::{ArgMatches, Command};

use super::invoke::shell_word;
use super::manual::{self, Told};
use super::{App, Failure, subcommands};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A pipeline of a program that has several: a line of its register.
///
/// The register is best a `static`: the pipelines are then compiled with the crate that it stands in.
#[derive(Clone, Copy)]
pub struct Entry {
    name: &'static str,
    command: fn() -> Command,
    work: fn(&ArgMatches, &Call) -> Result<(), Failure>,
}

impl Entry {
    pub const fn of<P: App>() -> Self {
        Entry { name: P::NAME, command: subcommands::command::<P>, work: subcommands::work::<P> }
    }
}

/// A program whose pipelines are subcommands. The subcommands of the first may stand without its name.
pub struct Program {
    /// As it is typed.
    pub name: &'static str,
    /// The first line of `--help`.
    pub about: &'static str,
    /// The register. No pipeline is named as a subcommand of the first.
    pub pipelines: &'static [&'static Entry],
}

/// How a program was called.
pub(super) struct Call {
    /// The whole command line.
    pub(super) args: Vec<OsString>,
    /// What a person types before a subcommand of the pipeline: `threshflow prepare`.
    pub(super) command: String,
    /// The pipeline's word, where the program has several.
    pub(super) pipeline: Option<&'static str>,
}

/// The whole program of one pipeline: `fn main() -> ExitCode { threshflow::cli::main::<Mine>() }`.
pub fn main<P: App>() -> ExitCode {
    program_of_one(Entry::of::<P>())
}

fn program_of_one(entry: Entry) -> ExitCode {
    ending(|args| {
        let (command, name) = (typed(&args, entry.name), name(&args, entry.name));
        let whole = || (entry.command)().name(name).version(VERSION).subcommands(manual::subcommands());
        let matches = matches(whole(), &args);
        let told = Told { name, command: &whole, pages: &whole };
        let done = manual::work(&matches, &args, &told);
        done.unwrap_or_else(|| (entry.work)(&matches, &Call { args, command, pipeline: None }))
    })
}

/// The whole program of several pipelines: `fn main() -> ExitCode { threshflow::cli::main_of(&PROGRAM) }`.
pub fn main_of(program: &Program) -> ExitCode {
    ending(|args| {
        let matches = matches(program.command(), &args);
        let name = name(&args, program.name);
        let told = Told { name, command: &|| program.command(), pages: &|| program.pages() };
        if let Some(done) = manual::work(&matches, &args, &told) {
            return done;
        }
        let named = matches.subcommand().and_then(|(name, of_it)| Some((program.pipeline(name)?, of_it)));
        let (entry, of_it) = named.unwrap_or((program.default(), &matches));
        let command = format!("{} {}", typed(&args, program.name), entry.name);
        (entry.work)(of_it, &Call { args, command, pipeline: Some(entry.name) })
    })
}

impl Program {
    fn default(&self) -> &Entry {
        self.pipelines.first().expect("a program has a pipeline at least")
    }

    fn pipeline(&self, name: &str) -> Option<&Entry> {
        self.pipelines.iter().copied().find(|entry| entry.name == name)
    }

    /// The pipelines and the program's own commands.
    fn each_once(&self) -> Command {
        Command::new(self.name)
            .about(self.about)
            .version(VERSION)
            .override_usage(format!("{} [PIPELINE] <COMMAND>", self.name))
            .subcommand_required(true)
            .arg_required_else_help(true)
            .disable_help_subcommand(true)
            .subcommands(self.pipelines.iter().map(|entry| (entry.command)()))
            .subcommands(manual::subcommands())
    }

    /// For man pages.
    fn pages(&self) -> Command {
        let default = self.default().name;
        self.each_once()
            .long_about(format!("{}. A command without a pipeline's name is one of {default}.", self.about))
    }

    /// The whole command line: the commands of the default pipeline stand beside the pipelines, too.
    pub fn command(&self) -> Command {
        let subcommands: Vec<Command> = (self.default().command)().get_subcommands().cloned().collect();
        let command = self.each_once();
        let help = self.help(command.get_styles(), &subcommands);
        command.help_template(help).subcommands(subcommands)
    }

    /// `--help`: clap has one list of subcommands, which would say of none whether it is a pipeline or a subcommand of one.
    fn help(&self, styles: &Styles, subcommands: &[Command]) -> String {
        let (header, literal) = (styles.get_header(), styles.get_literal());
        let (name, default) = (self.name, self.default().name);
        let pipelines: Vec<Command> = self.pipelines.iter().map(|entry| (entry.command)()).collect();
        let others = manual::subcommands();
        let all = pipelines.iter().chain(subcommands).chain(&others);
        let width = all.map(|command| command.get_name().len()).max().unwrap_or(0);
        let list = |title: &str, commands: &[Command]| {
            let lines: String = commands.iter().map(|command| line(command, literal, width)).collect();
            format!("{header}{title}{header:#}\n{lines}\n")
        };
        let mut template = format!("{}\n\n{{usage-heading}} {{usage}}\n\n", self.about);
        template += &list("Pipelines:", &pipelines);
        template += &format!(
            "{literal}{name} PIPELINE --help{literal:#} lists the commands of a pipeline. A command without a pipeline's name is one of \
             {default}.\n\n"
        );
        template += &list(&format!("Commands of {default}:"), subcommands);
        template += &list("Commands of the program:", &others);
        template + &format!("{header}Options:{header:#}\n{{options}}")
    }
}

/// A command and the first clause of what it does.
fn line(command: &Command, literal: &Style, width: usize) -> String {
    let about = command.get_about().map(|about| about.to_string()).unwrap_or_default();
    let ends =
        [". ", "; ", "? ", "\n"].iter().filter_map(|end| Some(about.find(end)? + usize::from(*end == "? ")));
    let clause = &about[..ends.min().unwrap_or(about.len())];
    format!("  {literal}{:width$}{literal:#}  {clause}\n", command.get_name())
}

/// The program as a person typed it, and would type it again.
fn typed(args: &[OsString], name: &str) -> String {
    let called = args.first().map(|arg| arg.to_string_lossy()).filter(|arg| !arg.is_empty());
    shell_word(&called.unwrap_or(name.into()))
}

/// The program's name, without the folder that it lies in: what completions and man pages are for.
/// Lives as long as the process, as clap wants it.
fn name(args: &[OsString], name: &'static str) -> &'static str {
    let stem = args.first().and_then(|arg| Path::new(arg).file_stem()?.to_str());
    stem.filter(|stem| !stem.is_empty()).map_or(name, |stem| stem.to_owned().leak())
}

/// What `work` comes to: words, and an exit code.
fn ending(work: impl FnOnce(Vec<OsString>) -> Result<(), Failure> + std::panic::UnwindSafe) -> ExitCode {
    crate::limits::prepare();
    let done = catch_unwind(|| work(std::env::args_os().collect())).unwrap_or_else(|panic| {
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

fn matches(command: Command, args: &[OsString]) -> ArgMatches {
    command.try_get_matches_from(args).unwrap_or_else(|error| end(&error, args))
}

/// Ends with 2, or with 0 for `--help` and `--version`. What the user wrote is part of the message: where it would command a terminal,
/// the message goes without colours, and what commands in plain letters.
pub(super) fn end(error: &clap::Error, args: &[OsString]) -> ! {
    let commands = |arg: &OsString| arg.to_string_lossy().contains(char::is_control);
    if !args.iter().any(commands) {
        error.exit();
    }
    crate::note!("{}", error.render().to_string().trim_end());
    std::process::exit(error.exit_code());
}

//! The subcommands `completions` and `man`, which every program has. clap makes the texts that a shell and `man` are given.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Failure;
use super::program::{VERSION, end};

#[derive(Subcommand)]
enum Manual {
    /// Print the script that completes this program's commands and flags in a shell. In bash: `source <(PROGRAM completions bash)`
    Completions { shell: Shell },
    /// Write a man page of every command into a folder; `man -l FOLDER/PAGE.1` shows one
    Man {
        /// The folder for the pages; pages of these names are replaced
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
}

/// For `--help`.
pub(super) fn subcommands() -> Vec<Command> {
    Manual::augment_subcommands(Command::new("")).get_subcommands().cloned().collect()
}

/// A program as shells and `man` are told of it.
pub(super) struct Told<'a> {
    /// As it is typed, without the folder that it lies in.
    pub(super) name: &'static str,
    /// The whole command line.
    pub(super) command: &'a dyn Fn() -> Command,
    /// The command line with every command once.
    pub(super) pages: &'a dyn Fn() -> Command,
}

/// Does one of these subcommands; `None` where another is asked for.
pub(super) fn work(matches: &ArgMatches, args: &[OsString], told: &Told<'_>) -> Option<Result<(), Failure>> {
    let asked = matches.subcommand_name()?;
    if !subcommands().iter().any(|subcommand| subcommand.get_name() == asked) {
        return None;
    }
    let subcommand = Manual::from_arg_matches(matches).unwrap_or_else(|error| end(&error, args));
    Some(match subcommand {
        Manual::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut (told.command)(), told.name, &mut script);
            crate::say!("{}", String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        Manual::Man { to } => pages((told.pages)().name(told.name), &to),
    })
}

/// Writes the pages of a program and of all its commands.
fn pages(mut program: Command, to: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        let path = path.display();
        Failure::Failed(format!("cannot write {path}: {error}; make room, or name another folder with --to"))
    };
    fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    program.build();
    let source = format!("{} {VERSION}", program.get_name());
    let mut commands = vec![&program];
    let mut written = 0;
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|command| !command.is_hide_set()));
        let page = Man::new(command.clone()).source(source.as_str());
        let path = to.join(page.get_filename());
        let mut text = Vec::new();
        page.render(&mut text).and_then(|()| fs::write(&path, text)).map_err(|error| failed(&path, error))?;
        written += 1;
    }
    let first = Man::new(program.clone()).get_filename();
    crate::say!("wrote {written} pages to {0}: `man -l {0}/{first}` shows the first", to.display());
    Ok(())
}

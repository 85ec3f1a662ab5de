//! What subcommands share: which runs are meant, and how their answers are counted.

use std::path::Path;

use benchmarks::{Counting, Parser};
use clap::Args;
use threshflow::cli::Failure;

use crate::args::ParserArg;
use crate::bench::{Loaded, load_all};

/// How answers are counted, for subcommands that count them anew.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct CountingArgs {
    /// How answers are read. The answers are those that were given; nobody is asked
    #[arg(long, default_value = "default", value_name = "PARSER")]
    parser: ParserArg,
    /// Cut the second and the third score to the first
    #[arg(long)]
    clamp: bool,
}

impl CountingArgs {
    pub(crate) fn counting(self) -> Counting {
        let parser = match self.parser {
            ParserArg::Default => Parser::Default,
            ParserArg::Upstream => Parser::Upstream,
        };
        Counting { parser, clamp: self.clamp }
    }
}

/// The runs below a folder, of one benchmark where it is named.
pub(crate) fn runs(folder: &Path, benchmark: Option<&str>) -> Result<Vec<Loaded>, Failure> {
    if !folder.is_dir() {
        return Err(Failure::Usage(format!(
            "there is no folder {}; give the one that `edit_bench run --out` wrote to",
            folder.display()
        )));
    }
    let mut runs = load_all(folder)?;
    if let Some(wanted) = benchmark {
        let mut there: Vec<String> = runs.iter().map(|run| run.about.benchmark.clone()).collect();
        there.dedup();
        runs.retain(|run| run.about.benchmark == wanted);
        if runs.is_empty() {
            return Err(Failure::Usage(format!(
                "{} holds no run of {wanted}; it holds runs of {}",
                folder.display(),
                there.join(", ")
            )));
        }
    }
    Ok(runs)
}

/// The run of a name, which must be of one benchmark.
pub(crate) fn run_of<'a>(runs: &'a [Loaded], name: &str) -> Result<&'a Loaded, Failure> {
    let found: Vec<&Loaded> = runs.iter().filter(|run| run.about.name == name).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let names: Vec<&str> = runs.iter().map(|run| run.about.name.as_str()).collect();
            Err(Failure::Usage(format!("there is no run {name}; there are {}", names.join(", "))))
        }
        _ => {
            let benchmarks: Vec<&str> = found.iter().map(|run| run.about.benchmark.as_str()).collect();
            Err(Failure::Usage(format!(
                "{name} was run on {}; choose one by --benchmark",
                benchmarks.join(" and on ")
            )))
        }
    }
}

/// The runs of a folder, with the one of a name among them.
pub(crate) fn named_run(folder: &Path, name: &str, benchmark: Option<&str>) -> Result<Loaded, Failure> {
    let mut runs = runs(folder, benchmark)?;
    let wanted = run_of(&runs, name)?.folder.clone();
    let at = runs.iter().position(|run| run.folder == wanted).unwrap_or_default();
    Ok(runs.swap_remove(at))
}

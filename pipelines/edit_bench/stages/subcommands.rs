//! The subcommands that `edit_bench` has beside those of every pipeline: tables of runs, two runs compared, a judge held against people,
//! and the sheet that people fill.

use std::fs;
use std::path::{Path, PathBuf};

use benchmarks::{Comparison, Counting};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use threshflow::cli::Failure;

use crate::bench::{self, Loaded};
use crate::runs::{CountingArgs, named_run, run_of, runs};
use crate::{agreement, page, sheet, tables};

#[derive(Args)]
struct TableOptions {
    /// The folder that runs were written to: --out of `edit_bench run`
    folder: PathBuf,
    /// Only this benchmark
    #[arg(long, value_name = "NAME")]
    benchmark: Option<String>,
    #[command(flatten)]
    counting: CountingArgs,
    /// What is printed
    #[arg(long, default_value = "markdown", value_name = "FORMAT")]
    format: Format,
    /// Also write a page: the tables, and the items with their pictures and what the judge said
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
    /// The most items of a benchmark on the page
    #[arg(long, default_value_t = PAGE_ITEMS, value_name = "ITEMS")]
    page_items: usize,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Markdown,
    Csv,
    Json,
}

#[derive(Args)]
struct CompareOptions {
    /// The folder that runs were written to: --out of `edit_bench run`
    folder: PathBuf,
    /// The first run's name
    a: String,
    /// The second run's name: what is told is how much better it is than the first
    b: String,
    /// The benchmark, if both were run on several
    #[arg(long, value_name = "NAME")]
    benchmark: Option<String>,
    #[command(flatten)]
    counting: CountingArgs,
    /// Also write a page with the pictures side by side
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
    /// The most items on the page
    #[arg(long, default_value_t = PAGE_ITEMS, value_name = "ITEMS")]
    page_items: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct SheetOptions {
    /// The folder that runs were written to: --out of `edit_bench run`
    folder: PathBuf,
    /// The run's name
    name: String,
    /// The benchmark, if the run was made on several
    #[arg(long, value_name = "NAME")]
    benchmark: Option<String>,
    /// The page to write, with all pictures in it; beside it comes the same sheet as .csv, to be filled by hand
    #[arg(long, value_name = "FILE.html")]
    to: PathBuf,
}

/// For [`App::subcommands`](threshflow::cli::App::subcommands).
pub fn subcommands() -> Vec<Command> {
    // Told last: what a group of flags is documented as would stand there else.
    vec![
        TableOptions::augment_args(Command::new("table"))
            .about("Every run side by side, with intervals, counts, and the hashes of items and rubrics"),
        CompareOptions::augment_args(Command::new("compare"))
            .about("Two runs, paired by item: what got better or worse, and whether it is chance"),
        SheetOptions::augment_args(Command::new("sheet"))
            .about("The sheet for people: a page with every turn's pictures, to be answered by yes or no, and as CSV"),
        agreement::AgreementOptions::augment_args(Command::new("agreement"))
            .about("How a judge agrees with people's scores (a CSV), by type; of turns, how raters agree with each other"),
    ]
}

/// For [`App::subcommand`](threshflow::cli::App::subcommand).
pub fn subcommand(name: &str, matches: &ArgMatches) -> Result<(), Failure> {
    let usage = |error: clap::Error| Failure::Usage(error.to_string());
    match name {
        "table" => table(&TableOptions::from_arg_matches(matches).map_err(usage)?),
        "compare" => compare(&CompareOptions::from_arg_matches(matches).map_err(usage)?),
        "sheet" => make_sheet(&SheetOptions::from_arg_matches(matches).map_err(usage)?),
        "agreement" => {
            agreement::agreement(&agreement::AgreementOptions::from_arg_matches(matches).map_err(usage)?)
        }
        _ => Err(Failure::Usage(format!("there is no subcommand {name}; --help lists them"))),
    }
}

fn table(options: &TableOptions) -> Result<(), Failure> {
    let counting = options.counting.counting();
    let runs = runs(&options.folder, options.benchmark.as_deref())?;
    let page = options.page.as_deref().map(|path| (path, options.page_items));
    tell_table(&runs, counting, options.format, page)
}

/// The table of all runs below a folder, as `table` prints it, and its page.
pub fn table_of(folder: &Path, page: Option<&Path>) -> Result<(), Failure> {
    let runs = runs(folder, None)?;
    tell_table(&runs, Counting::default(), Format::Markdown, page.map(|path| (path, PAGE_ITEMS)))
}

/// The most items that `compare` lists of either end.
const LISTED: usize = 10;

/// The most items of a benchmark on a page, if nothing else is said.
const PAGE_ITEMS: usize = 200;

fn tell_table(
    runs: &[Loaded],
    counting: Counting,
    format: Format,
    page: Option<(&Path, usize)>,
) -> Result<(), Failure> {
    let all = tables::by_benchmark(runs, counting)?;
    for of in &all {
        let text = match format {
            Format::Markdown => of.tables.markdown(),
            Format::Csv => of.tables.csv(),
            Format::Json => of.tables.json(),
        };
        threshflow::say!("{}", text.trim_end());
    }
    let Some((path, most)) = page else { return Ok(()) };
    let shown: Vec<page::Shown> = all.iter().map(tables::shown).collect();
    let items: Vec<page::Items<'_>> = all
        .iter()
        .map(|of| page::Items { benchmark: of.benchmark, counting, runs: &of.runs, most })
        .collect();
    write_page(path, &page::page("Benchmarks of editors", &shown, &items)?)
}

fn compare(options: &CompareOptions) -> Result<(), Failure> {
    let counting = options.counting.counting();
    let runs = runs(&options.folder, options.benchmark.as_deref())?;
    let (a, b) = (run_of(&runs, &options.a)?, run_of(&runs, &options.b)?);
    if a.about.benchmark != b.about.benchmark {
        return Err(Failure::Usage(format!(
            "{} was run on {}, and {} on {}: nothing of them compares",
            options.a, a.about.benchmark, options.b, b.about.benchmark
        )));
    }
    let benchmark = a.benchmark()?;
    let comparison = Comparison::of(benchmark, &a.judged, &b.judged, counting);
    let names = [options.a.as_str(), options.b.as_str()];
    let warnings =
        benchmarks::Tables { entries: vec![tables::entry(a, counting)?, tables::entry(b, counting)?] }
            .warnings();
    if options.json {
        threshflow::say!("{}", comparison.json(&options.a, &options.b).trim_end());
    } else {
        for warning in warnings
            .iter()
            .filter(|warning| !comparison.differ.warning().is_some_and(|it| warning.contains(&it)))
        {
            threshflow::say!("> **Warning.** {warning}\n");
        }
        threshflow::say!("{}", comparison.markdown(&options.a, &options.b, LISTED).trim_end());
    }
    let Some(path) = &options.page else { return Ok(()) };
    let mut shown = tables::compared(names, &comparison);
    shown.warnings = warnings;
    let items = page::Items { benchmark, counting, runs: &[a, b], most: options.page_items };
    write_page(path, &page::page(&format!("{} against {}", options.b, options.a), &[shown], &[items])?)
}

fn make_sheet(options: &SheetOptions) -> Result<(), Failure> {
    let run = named_run(&options.folder, &options.name, options.benchmark.as_deref())?;
    write_page(&options.to, &sheet::page(&run))?;
    let items: Vec<benchmarks::Item> = run.judged.iter().map(|judged| judged.item.clone()).collect();
    let csv = options.to.with_extension("csv");
    write_page(&csv, &benchmarks::empty_sheet(&benchmarks::turns(&items)))
}

fn write_page(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    }
    bench::write(path, text.as_bytes())?;
    threshflow::note!("written: {}", path.display());
    Ok(())
}

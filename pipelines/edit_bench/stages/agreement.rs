//! `agreement`: a judge held against people. Their scores come as a CSV of items, or, where items have several turns, as the sheets that
//! raters filled.

use std::fs;
use std::path::PathBuf;

use benchmarks::{Agreement, Chain, People, RatersAgree, TurnTotals, graded, judge_agrees};
use serde_json::json;
use threshflow::cli::{Failure, print_json};

use crate::bench::{Loaded, load_all};
use crate::runs::{CountingArgs, named_run};

#[derive(clap::Args)]
pub(crate) struct AgreementOptions {
    /// The folder that runs were written to: --out of `edit_bench run`
    folder: PathBuf,
    /// What people say, as CSV. Scores: columns key and score, and where there are several models, model (and type). Of turns: key, turn,
    /// rater and verdict, as the sheet saves them; one file a rater or all in one
    #[arg(long, required = true, num_args = 1.., value_name = "FILE.csv")]
    people: Vec<PathBuf>,
    /// Only the run of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The benchmark, if the folder holds runs of several
    #[arg(long, value_name = "NAME")]
    benchmark: Option<String>,
    #[command(flatten)]
    counting: CountingArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn agreement(options: &AgreementOptions) -> Result<(), Failure> {
    let runs = match &options.name {
        Some(name) => vec![named_run(&options.folder, name, options.benchmark.as_deref())?],
        None => {
            let mut runs = load_all(&options.folder)?;
            runs.retain(|run| options.benchmark.as_ref().is_none_or(|wanted| run.about.benchmark == *wanted));
            runs
        }
    };
    let Some(first) = runs.first() else {
        return Err(Failure::Usage(format!("{} holds no such run", options.folder.display())));
    };
    if let Some(other) = runs.iter().find(|run| run.about.benchmark != first.about.benchmark) {
        return Err(Failure::Usage(format!(
            "there are runs of {} and of {}; choose one by --benchmark",
            first.about.benchmark, other.about.benchmark
        )));
    }
    let mut texts = Vec::new();
    for path in &options.people {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::Usage(format!("{} cannot be read: {error}; give a CSV in UTF-8", path.display()))
        })?;
        texts.push(text);
    }
    let of_turns = first.judged.iter().any(|judged| judged.item.prompts.len() > 1);
    if of_turns { turns(options, &runs, &texts) } else { scores(options, &runs, &texts) }
}

fn scores(options: &AgreementOptions, runs: &[Loaded], texts: &[String]) -> Result<(), Failure> {
    let usage = |error: benchmarks::SheetError| Failure::Usage(error.to_string());
    let mut people: Option<People> = None;
    for text in texts {
        let more = People::read(text).map_err(usage)?;
        match &mut people {
            None => people = Some(more),
            Some(people) => {
                people.graded.extend(more.graded);
                people.rows += more.rows;
            }
        }
    }
    let people = people.ok_or_else(|| Failure::Usage("--people names no file".to_owned()))?;
    let counting = options.counting.counting();
    let mut judge = Vec::new();
    for run in runs {
        judge.extend(graded(&run.about.name, run.benchmark()?, &run.judged, counting));
    }
    let agreement = Agreement::of(&judge, &people).map_err(usage)?;
    let by = runs.first().map_or("", |run| run.about.judge.as_str());
    let text = if options.json { agreement.json(by) } else { agreement.markdown(by) };
    threshflow::say!("{}", text.trim_end());
    Ok(())
}

fn turns(options: &AgreementOptions, runs: &[Loaded], texts: &[String]) -> Result<(), Failure> {
    let [run] = runs else {
        let names: Vec<&str> = runs.iter().map(|run| run.about.name.as_str()).collect();
        return Err(Failure::Usage(format!(
            "a sheet is about one run; choose it by --name: {}",
            names.join(", ")
        )));
    };
    let items: Vec<benchmarks::Item> = run.judged.iter().map(|judged| judged.item.clone()).collect();
    let turns = benchmarks::turns(&items);
    let mut votes = Vec::new();
    for text in texts {
        votes.extend(benchmarks::votes(text, &turns).map_err(|error| Failure::Usage(error.to_string()))?);
    }
    let opinions =
        benchmarks::opinions(&run.about.judge, run.benchmark()?, &run.judged, options.counting.counting());
    let [each, unbroken] = [Chain::Each, Chain::Unbroken].map(|chain| TurnTotals::of(&turns, &votes, chain));
    let judged = TurnTotals::of(&turns, &opinions, Chain::Each);
    let raters = RatersAgree::of(&votes);
    let (both, kappa) = judge_agrees(&votes, &opinions);
    if options.json {
        return print_json(&json!({
            "people": { "each": each, "unbroken": unbroken, "agreement": raters },
            "judge": { "name": run.about.judge, "opinion": judged, "turns": both, "kappa": kappa },
        }));
    }
    for totals in [each, unbroken] {
        threshflow::say!("{}", totals.markdown("people"));
    }
    threshflow::say!("{}", raters.markdown());
    let kappa = kappa.map_or_else(|| "not defined".to_owned(), |kappa| format!("{kappa:.2}"));
    threshflow::say!(
        "{}\nCohen's kappa of the judge and the people's majority: {kappa}, over {both} turns. This is a model's opinion, and no person's rating.",
        judged.markdown(&run.about.judge).trim_end()
    );
    Ok(())
}

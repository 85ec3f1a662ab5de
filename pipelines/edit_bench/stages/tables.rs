//! Tables of runs, side by side, as text and as those of the page.

use std::collections::BTreeMap;

use benchmarks::{
    BY_GROUPS, BY_ITEMS, Benchmark, Comparison, Counting, Entry, Estimate, Made, Paired, Row, Table, Tables,
};
use threshflow::cli::Failure;

use crate::bench::Loaded;
use crate::page::{Cell, Shown};

/// The runs of one benchmark.
pub struct OfBenchmark<'a> {
    pub benchmark: &'static Benchmark,
    pub runs: Vec<&'a Loaded>,
    pub tables: Tables,
}

/// The table of a run, with what it was made by.
pub fn entry(run: &Loaded, counting: Counting) -> Result<Entry, Failure> {
    let date = match &run.days {
        Some([first, last]) if first == last => first.clone(),
        Some([first, last]) => format!("{first} to {last}"),
        None => String::new(),
    };
    let made = Made {
        judge: run.about.judge.clone(),
        rubric: run.about.rubrics.clone(),
        rubric_hash: run.about.rubrics_hash.clone(),
        date,
    };
    let table = Table::of(run.benchmark()?, &run.judged, counting);
    Ok(Entry { model: run.about.name.clone(), made, table })
}

/// Runs by benchmark; each is counted by `counting`.
pub fn by_benchmark(runs: &[Loaded], counting: Counting) -> Result<Vec<OfBenchmark<'_>>, Failure> {
    let mut by: BTreeMap<&str, Vec<&Loaded>> = BTreeMap::new();
    for run in runs {
        by.entry(run.about.benchmark.as_str()).or_default().push(run);
    }
    let mut all = Vec::new();
    for runs in by.into_values() {
        let entries = runs.iter().map(|run| entry(run, counting)).collect::<Result<_, Failure>>()?;
        all.push(OfBenchmark { benchmark: runs[0].benchmark()?, runs, tables: Tables { entries } });
    }
    Ok(all)
}

fn two(value: f64) -> String {
    format!("{:.2}", benchmarks::python_round(value, 2))
}

fn estimated(estimate: Option<Estimate>) -> Cell {
    match estimate {
        None => Cell { text: "-".to_owned(), small: String::new(), value: Some(f64::NAN) },
        Some(Estimate { value, interval: None }) => Cell::number(two(value), value),
        Some(Estimate { value, interval: Some([low, high]) }) => {
            Cell::number(two(value), value).with(format!("{} to {}", two(low), two(high)))
        }
    }
}

fn counted(count: usize) -> Cell {
    Cell::number(count.to_string(), count as f64)
}

/// By class: `content_filter 3, model_declined 1`.
fn classes(counts: &BTreeMap<String, usize>) -> String {
    let one = |(class, count): (&String, &usize)| format!("{class} {count}");
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// For the page: the models of a benchmark side by side.
pub fn shown(of: &OfBenchmark<'_>) -> Shown {
    let mut groups: Vec<&str> = of
        .tables
        .entries
        .iter()
        .flat_map(|entry| entry.table.groups.get(of.benchmark.dimension).into_iter().flatten())
        .map(|(group, _)| group.as_str())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let mut columns = vec!["editor".to_owned(), BY_ITEMS.to_owned(), BY_GROUPS.to_owned()];
    columns.extend(groups.iter().map(|group| (*group).to_owned()));
    columns.extend(
        ["n", "scored", "refused", "unread", "lacking", "breaks the rule", "judge", "rubric"]
            .map(str::to_owned),
    );
    let rows = of.tables.entries.iter().map(|entry| row(entry, of.benchmark.dimension, &groups)).collect();
    let said = of.tables.entries.first().map(|entry| {
        format!(
            "Mean scores, with 95 % intervals by the bootstrap over items. Items {}. Answers are read by the parser {}{}.",
            short(&entry.table.items_hash),
            entry.table.counting.parser.name(),
            if entry.table.counting.clamp { ", later scores cut to the first" } else { "" }
        )
    });
    Shown {
        title: of.benchmark.name.to_owned(),
        said: said.into_iter().collect(),
        warnings: of.tables.warnings(),
        columns,
        rows,
    }
}

fn row(entry: &Entry, dimension: &str, groups: &[&str]) -> Vec<Cell> {
    let Entry { model, made, table } = entry;
    let all = &table.all;
    let mut cells = vec![Cell::text(model), estimated(all.by_items), estimated(all.by_groups)];
    let of_dimension = table.groups.get(dimension);
    for group in groups {
        let row: Option<&Row> = of_dimension.and_then(|rows| rows.get(*group));
        cells.push(estimated(row.and_then(|row| row.mean)));
    }
    let lacking = all.row.lacking.values().sum();
    cells.extend([
        counted(all.row.n),
        counted(all.row.scored),
        counted(all.row.refused).with(classes(&all.row.refusals)),
        counted(all.row.unread),
        counted(lacking).with(classes(&all.row.lacking)),
        counted(all.row.rule_breaking),
        Cell::text(&made.judge).with(&made.date),
        Cell::text(&made.rubric).with(short(&made.rubric_hash)),
    ]);
    cells
}

/// The first digits of a hash.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// For the page: two models, paired.
pub fn compared(names: [&str; 2], comparison: &Comparison) -> Shown {
    let [a, b] = names;
    let head = [
        "items".to_owned(),
        "n".to_owned(),
        format!("{b} better"),
        format!("{b} worse"),
        "same".to_owned(),
        format!("{b} less {a}"),
        "p".to_owned(),
    ];
    let row = |name: &str, paired: &Paired| {
        let p = match paired.p {
            Some(p) => Cell::number(format!("{p:.4}"), p),
            None => Cell { text: "-".to_owned(), small: String::new(), value: Some(f64::NAN) },
        };
        vec![
            Cell::text(name),
            counted(paired.n),
            counted(paired.better),
            counted(paired.worse),
            counted(paired.same),
            estimated(paired.difference),
            p,
        ]
    };
    let mut rows = vec![row("all", &comparison.all)];
    rows.extend(comparison.groups.iter().map(|(group, paired)| row(group, paired)));
    Shown {
        title: format!("{b} against {a}, {}", comparison.benchmark),
        said: vec![left_out(names, comparison)],
        warnings: comparison.differ.warning().into_iter().collect(),
        columns: head.to_vec(),
        rows,
    }
}

/// What of the items could not be paired.
fn left_out([a, b]: [&str; 2], comparison: &Comparison) -> String {
    format!(
        "Paired by item: differences with 95 % intervals, and p of a two-sided paired bootstrap. Scored in {a} alone: {}; in {b} alone: {}; \
         in neither: {}.",
        comparison.scored_only_a.len(),
        comparison.scored_only_b.len(),
        comparison.scored_in_neither
    )
}

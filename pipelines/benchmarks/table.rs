//! The table of one model on one benchmark: what was scored, what was not and why, and the means with their intervals.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::bootstrap::{Estimate, of_mean, of_means};
use crate::comparison::Differ;
use crate::definition::mean;
use crate::item::shape;
use crate::score::{Counting, ItemScore, Without, score};
use crate::{Benchmark, Judged, hash_of};

/// What was counted of some items. `n` is the sum of `scored`, `refused`, `unread`, `unasked` and all of `lacking`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// Items.
    pub n: usize,
    /// Items with a score.
    pub scored: usize,
    /// Items without a score because the judge refused.
    pub refused: usize,
    /// Items without a score because no pass could be read.
    pub unread: usize,
    /// Items without a score that were not asked about, or not in full.
    pub unasked: usize,
    /// Items that nobody could be asked about, by class: a missing picture, a refusal of the editor.
    pub lacking: BTreeMap<String, usize>,
    /// Answers of the judge, refusals among them.
    pub answers: usize,
    /// Answers that are refusals, by class.
    pub refusals: BTreeMap<String, usize>,
    /// Answers that could not be read.
    pub unread_answers: usize,
    /// Of these, answers that are not there though nobody refused, by class: `answer_cut`.
    pub missing_answers: BTreeMap<String, usize>,
    /// Answers of which upstream's rule drops a line, or takes one wrongly.
    pub dropped_lines: usize,
    /// Answers whose later scores are above the first.
    pub rule_breaking: usize,
    /// The mean over the items with a score.
    pub mean: Option<Estimate>,
    /// The share of items that are right in all, of benchmarks that have one.
    pub accuracy: Option<Estimate>,
}

/// A part of the items with both overalls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    pub name: String,
    pub row: Row,
    /// `overall (mean over items)`.
    pub by_items: Option<Estimate>,
    /// `overall (mean over groups)`, of the groups of the benchmark's dimension that have a score.
    pub by_groups: Option<Estimate>,
}

/// How far passes are from each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Passes {
    /// Of each pass, the mean over the items that it scored.
    pub means: BTreeMap<u32, f64>,
    /// The highest of these less the lowest.
    pub spread: Option<f64>,
    /// Over the items with two passes or more: the mean of the standard deviations over their passes (with n - 1).
    pub deviation: Option<f64>,
}

/// One model's table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    pub benchmark: String,
    pub dimension: String,
    pub counting: Counting,
    /// Of the judged items.
    pub items_hash: String,
    /// By dimension, by group.
    pub groups: BTreeMap<String, BTreeMap<String, Row>>,
    /// Of all items.
    pub all: Part,
    /// The benchmark's own parts.
    pub subsets: Vec<Part>,
    /// The mean of each named score over the items that have it, and how many these are.
    pub scores: BTreeMap<String, (usize, Option<Estimate>)>,
    pub passes: Passes,
    /// By key.
    pub items: Vec<ItemScore>,
    /// Of each item, by key, what shapes a score: what two tables are told apart by.
    #[serde(skip)]
    shapes: BTreeMap<String, String>,
}

/// What both overalls are called, everywhere.
pub const BY_ITEMS: &str = "overall (mean over items)";
pub const BY_GROUPS: &str = "overall (mean over groups)";

impl Table {
    /// Counts what a judge said about the items, each of which is there once. The order of the items is of no matter.
    pub fn of(benchmark: &Benchmark, judged: &[Judged], counting: Counting) -> Table {
        let mut counted: Vec<Counted> = judged
            .iter()
            .map(|judged| Counted { judged, score: score(benchmark, judged, counting) })
            .collect();
        counted.sort_by(|a, b| a.judged.item.key.cmp(&b.judged.item.key));
        let all: Vec<&Counted> = counted.iter().collect();
        let dimensions: BTreeSet<&String> = judged.iter().flat_map(|it| it.item.groups.keys()).collect();
        let groups = dimensions.into_iter().map(|dimension| {
            let rows =
                by_group(&all, dimension).into_iter().map(|(group, items)| (group.to_owned(), row(&items)));
            (dimension.clone(), rows.collect())
        });
        let subsets = benchmark.subsets.iter().map(|subset| {
            let items: Vec<&Counted> =
                all.iter().copied().filter(|it| subset.holds(&it.judged.item)).collect();
            part(subset.name, benchmark.dimension, &items)
        });
        Table {
            benchmark: benchmark.name.to_owned(),
            dimension: benchmark.dimension.to_owned(),
            counting,
            items_hash: hash_of(judged.iter().map(|judged| &judged.item)),
            groups: groups.collect(),
            all: part("all", benchmark.dimension, &all),
            subsets: subsets.filter(|part| part.row.n > 0).collect(),
            scores: named(&all),
            passes: passes(&all),
            shapes: judged.iter().map(|it| (it.item.key.clone(), shape(&it.item))).collect(),
            items: counted.into_iter().map(|it| it.score).collect(),
        }
    }
}

impl Table {
    /// How the items of two tables differ.
    pub fn differ(&self, other: &Table) -> Differ {
        Differ::of_shapes(&self.shapes, &other.shapes)
    }
}

struct Counted<'a> {
    judged: &'a Judged,
    score: ItemScore,
}

fn by_group<'a, 'b>(items: &[&'b Counted<'a>], dimension: &str) -> BTreeMap<&'a str, Vec<&'b Counted<'a>>> {
    let mut groups: BTreeMap<&str, Vec<&Counted>> = BTreeMap::new();
    for it in items {
        if let Some(group) = it.judged.item.groups.get(dimension) {
            groups.entry(group).or_default().push(it);
        }
    }
    groups
}

fn part(name: &str, dimension: &str, items: &[&Counted]) -> Part {
    let scores = |items: &[&Counted]| items.iter().filter_map(|it| it.score.score).collect::<Vec<f64>>();
    let groups: Vec<Vec<f64>> = by_group(items, dimension).values().map(|items| scores(items)).collect();
    let row = row(items);
    Part { name: name.to_owned(), by_items: row.mean, by_groups: of_means(&groups), row }
}

fn row(items: &[&Counted]) -> Row {
    let mut row = Row { n: items.len(), ..Row::default() };
    for Counted { score, .. } in items {
        match &score.without {
            None => row.scored += 1,
            Some(Without::Refused) => row.refused += 1,
            Some(Without::Unread) => row.unread += 1,
            Some(Without::Unasked) => row.unasked += 1,
            Some(Without::Lacks(class)) => *row.lacking.entry(class.clone()).or_default() += 1,
        }
        row.answers += score.answers;
        row.unread_answers += score.unread.len();
        row.dropped_lines += score.dropped.len();
        row.rule_breaking += score.rule_breaking;
        for (of, to) in [(&score.refusals, &mut row.refusals), (&score.missing, &mut row.missing_answers)] {
            for (class, n) in of {
                *to.entry(class.clone()).or_default() += n;
            }
        }
    }
    let values =
        |of: fn(&ItemScore) -> Option<f64>| items.iter().filter_map(|it| of(&it.score)).collect::<Vec<f64>>();
    row.mean = of_mean(&values(|it| it.score));
    row.accuracy = of_mean(&values(|it| it.accuracy));
    row
}

fn named(items: &[&Counted]) -> BTreeMap<String, (usize, Option<Estimate>)> {
    let mut values: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for (name, value) in items.iter().flat_map(|it| &it.score.scores) {
        values.entry(name).or_default().push(*value);
    }
    values.into_iter().map(|(name, values)| (name.clone(), (values.len(), of_mean(&values)))).collect()
}

fn passes(items: &[&Counted]) -> Passes {
    let mut of_pass: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let mut deviations = Vec::new();
    for it in items {
        let scores: Vec<f64> = it.score.passes.values().flatten().copied().collect();
        for (pass, score) in &it.score.passes {
            of_pass.entry(*pass).or_default().extend(score);
        }
        if let (Some(middle), 2..) = (mean(scores.iter().copied()), scores.len()) {
            let squares: f64 = scores.iter().map(|score| (score - middle).powi(2)).sum();
            deviations.push((squares / (scores.len() - 1) as f64).sqrt());
        }
    }
    let means: BTreeMap<u32, f64> =
        of_pass.into_iter().filter_map(|(pass, scores)| Some((pass, mean(scores)?))).collect();
    let highest = means.values().copied().max_by(f64::total_cmp);
    let lowest = means.values().copied().min_by(f64::total_cmp);
    let spread = highest.zip(lowest).filter(|_| means.len() > 1).map(|(high, low)| high - low);
    Passes { means, spread, deviation: mean(deviations) }
}

#[cfg(test)]
pub(crate) mod tests;

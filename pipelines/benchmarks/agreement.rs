//! A judge and people: whether it ranks what editors made as they do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::bootstrap::{Estimate, of_statistic};
use crate::score::{Counting, score};
use crate::sheets::Sheet;
use crate::statistics::{kendall, pairwise, pearson, spearman};
use crate::{Benchmark, Judged};

/// A score of an item that a model edited.
#[derive(Clone, Debug, PartialEq)]
pub struct Graded {
    /// Empty where nothing names it.
    pub model: String,
    pub key: String,
    /// The group that it counts in: its edit type.
    pub kind: String,
    pub score: f64,
}

/// What people said: of each model and key the mean of their scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    pub graded: Vec<Graded>,
    /// Rows of the table, of which several may be of one item.
    pub rows: usize,
}

/// Why a table of people's is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SheetError(pub String);

impl People {
    /// Reads a CSV with the columns `key` and `score`, and `model` and `type` where there are several. Rows of one key (and model) are
    /// several people's, and their mean counts. The error names the line.
    pub fn read(text: &str) -> Result<People, SheetError> {
        let error = |what: String| SheetError(format!("people's scores: {what}"));
        let sheet = Sheet::read(text, &["key", "score"]).map_err(error)?;
        let mut of: BTreeMap<(String, String), (String, Vec<f64>)> = BTreeMap::new();
        let mut rows = 0;
        for row in sheet.rows() {
            let line = row.line;
            let key = row.get("key").ok_or_else(|| error(format!("line {line} has no key")))?;
            let given = row
                .get("score")
                .ok_or_else(|| error(format!("line {line} has no score; leave the row out")))?;
            let score: Option<f64> = given.parse().ok().filter(|score: &f64| score.is_finite());
            let score = score
                .ok_or_else(|| error(format!("line {line}: {given:?} is no number such as 4 or 4.5")))?;
            let kind = row.get("type").unwrap_or_default().to_owned();
            let model = row.get("model").unwrap_or_default().to_owned();
            let (known, scores) =
                of.entry((model, key.to_owned())).or_insert_with(|| (kind.clone(), Vec::new()));
            if *known != kind {
                return Err(error(format!(
                    "line {line}: {key:?} is of the type {kind:?}, and of {known:?} above"
                )));
            }
            scores.push(score);
            rows += 1;
        }
        let graded = of.into_iter().map(|((model, key), (kind, scores))| Graded {
            model,
            key,
            kind,
            score: scores.iter().sum::<f64>() / scores.len() as f64,
        });
        Ok(People { graded: graded.collect(), rows })
    }
}

/// What a judge said of a model's items: those that have a score.
pub fn graded(model: &str, benchmark: &Benchmark, judged: &[Judged], counting: Counting) -> Vec<Graded> {
    let one = |judged: &Judged| {
        Some(Graded {
            model: model.to_owned(),
            key: judged.item.key.clone(),
            kind: judged.item.groups.get(benchmark.dimension).cloned().unwrap_or_default(),
            score: score(benchmark, judged, counting).score?,
        })
    };
    judged.iter().filter_map(one).collect()
}

/// How a judge and people agree on some items. What is not defined is `None`: of fewer than two items, or where one side does not
/// vary.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    pub n: usize,
    pub spearman: Option<Estimate>,
    /// Tau-b.
    pub kendall: Option<Estimate>,
    pub pearson: Option<Estimate>,
    /// [`pairwise`]: the share of pairs that both order the same way or hold for equal.
    pub pairwise: Option<Estimate>,
}

/// The agreement of a judge with people.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    pub all: Measures,
    /// By edit type: people's where they name it, else the item's.
    pub types: BTreeMap<String, Measures>,
    /// Items that people graded and the judge has no score for: `MODEL/KEY`, or `KEY`.
    pub only_people: Vec<String>,
    /// Items that the judge graded and people did not.
    pub only_judge: usize,
    /// Rows of people's.
    pub rows: usize,
}

impl Agreement {
    /// Sets the two side by side. Where people name no model, the judge's scores are of one model. The error says where that is not so,
    /// and where the two have nothing in common.
    pub fn of(judge: &[Graded], people: &People) -> Result<Agreement, SheetError> {
        let models: BTreeSet<&str> = judge.iter().map(|it| it.model.as_str()).collect();
        let named = people.graded.iter().any(|it| !it.model.is_empty());
        if !named && models.len() > 1 {
            let models: Vec<&str> = models.into_iter().collect();
            return Err(SheetError(format!(
                "people's scores name no model, and there are {}: add a column \"model\", or choose one model",
                models.join(", ")
            )));
        }
        let name = |it: &Graded| {
            if named { (it.model.clone(), it.key.clone()) } else { (String::new(), it.key.clone()) }
        };
        let of_judge: BTreeMap<(String, String), &Graded> = judge.iter().map(|it| (name(it), it)).collect();
        let mut agreement = Agreement { rows: people.rows, ..Agreement::default() };
        let mut pairs: Vec<(String, f64, f64)> = Vec::new();
        for it in &people.graded {
            match of_judge.get(&name(it)) {
                Some(judged) => {
                    let kind = if it.kind.is_empty() { &judged.kind } else { &it.kind };
                    pairs.push((kind.clone(), judged.score, it.score));
                }
                None if it.model.is_empty() => agreement.only_people.push(it.key.clone()),
                None => agreement.only_people.push(format!("{}/{}", it.model, it.key)),
            }
        }
        if pairs.is_empty() {
            return Err(SheetError(format!(
                "people graded {} items and the judge {}, and none of them is the same: are the keys, and the models' names, those of the run?",
                people.graded.len(),
                judge.len()
            )));
        }
        agreement.only_judge = of_judge.len() - pairs.len();
        let mut kinds: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for (kind, judge, people) in &pairs {
            kinds.entry(kind).or_default().push((*judge, *people));
        }
        agreement.types =
            kinds.into_iter().map(|(kind, pairs)| (kind.to_owned(), measures(&pairs))).collect();
        agreement.all =
            measures(&pairs.iter().map(|(_, judge, people)| (*judge, *people)).collect::<Vec<_>>());
        Ok(agreement)
    }
}

fn measures(pairs: &[(f64, f64)]) -> Measures {
    let with = |of: fn(&[f64], &[f64], usize) -> Option<f64>| {
        of_statistic(pairs.len(), |places| {
            let (judge, people): (Vec<f64>, Vec<f64>) = places.iter().map(|at| pairs[*at]).unzip();
            of(&judge, &people, repeated(places, pairs.len()))
        })
    };
    Measures {
        n: pairs.len(),
        spearman: with(|a, b, _| spearman(a, b)),
        kendall: with(|a, b, _| kendall(a, b)),
        pearson: with(|a, b, _| pearson(a, b)),
        pairwise: with(pairwise),
    }
}

/// How many pairs are of one item with itself.
fn repeated(places: &[usize], n: usize) -> usize {
    let mut drawn = vec![0usize; n];
    places.iter().for_each(|at| drawn[*at] += 1);
    drawn.iter().map(|times| times * times.saturating_sub(1) / 2).sum()
}

#[cfg(test)]
mod tests;

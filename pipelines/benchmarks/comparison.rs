//! Two models on the same items: which got better, which worse, and whether that is more than chance.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bootstrap::{Estimate, of_mean, two_sided};
use crate::item::shape;
use crate::score::{Counting, score};
use crate::{Benchmark, Item, Judged};

/// An item that both models have a score for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    pub key: String,
    pub a: f64,
    pub b: f64,
}

impl Pair {
    /// Above 0 where `b` is better.
    pub fn difference(&self) -> f64 {
        self.b - self.a
    }
}

/// What became of some pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Paired {
    pub n: usize,
    /// Pairs of which `b` is the better, the worse, or as good.
    pub better: usize,
    pub worse: usize,
    pub same: usize,
    /// The mean of `b` less `a`, with its interval over pairs.
    pub difference: Option<Estimate>,
    /// Two-sided, by the paired bootstrap: how likely a difference as large is where there is none.
    pub p: Option<f64>,
}

/// How the items of two runs differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differ {
    /// Keys that only one of them has.
    pub only_a: Vec<String>,
    pub only_b: Vec<String>,
    /// Keys of both whose items differ in what shapes a score: a prompt, a type.
    pub changed: Vec<String>,
}

impl Differ {
    pub fn of<'a>(a: impl IntoIterator<Item = &'a Item>, b: impl IntoIterator<Item = &'a Item>) -> Differ {
        fn shapes<'a>(items: impl IntoIterator<Item = &'a Item>) -> BTreeMap<String, String> {
            items.into_iter().map(|item| (item.key.clone(), shape(item))).collect()
        }
        Differ::of_shapes(&shapes(a), &shapes(b))
    }

    /// By key, what shapes a score.
    pub(crate) fn of_shapes(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Differ {
        let missing = |from: &BTreeMap<String, String>, of: &BTreeMap<String, String>| {
            of.keys().filter(|key| !from.contains_key(*key)).cloned().collect()
        };
        let changed = a.iter().filter(|(key, shape)| b.get(*key).is_some_and(|other| other != *shape));
        Differ {
            only_a: missing(b, a),
            only_b: missing(a, b),
            changed: changed.map(|(key, _)| key.clone()).collect(),
        }
    }

    /// How many items differ.
    pub fn count(&self) -> usize {
        self.only_a.len() + self.only_b.len() + self.changed.len()
    }

    /// What to say where the items differ.
    pub fn warning(&self) -> Option<String> {
        let Differ { only_a, only_b, changed } = self;
        (self.count() > 0).then(|| {
            format!(
                "the items differ in {}: {} are only in the first, {} only in the second, and {} have another prompt, type or fact \
                 under the same key. Their totals don't compare; judge both on one file of items.",
                self.count(),
                only_a.len(),
                only_b.len(),
                changed.len()
            )
        })
    }
}

/// The comparison of two models, `a` and `b`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub benchmark: String,
    pub counting: Counting,
    /// Over the items that are the same in both and have a score in both.
    pub all: Paired,
    /// By the groups of the benchmark's dimension.
    pub groups: BTreeMap<String, Paired>,
    /// Keys of items that are the same in both, and of which only one model has a score.
    pub scored_only_a: Vec<String>,
    pub scored_only_b: Vec<String>,
    /// Items that are the same in both, and have no score in either.
    pub scored_in_neither: usize,
    pub differ: Differ,
    /// By the difference, the worst for `b` first, then by key.
    pub pairs: Vec<Pair>,
}

impl Comparison {
    pub fn of(benchmark: &Benchmark, a: &[Judged], b: &[Judged], counting: Counting) -> Comparison {
        let differ = Differ::of(a.iter().map(|it| &it.item), b.iter().map(|it| &it.item));
        let of_b: BTreeMap<&str, &Judged> = b.iter().map(|it| (it.item.key.as_str(), it)).collect();
        let mut it = Comparison {
            benchmark: benchmark.name.to_owned(),
            counting,
            all: Paired::default(),
            groups: BTreeMap::new(),
            scored_only_a: Vec::new(),
            scored_only_b: Vec::new(),
            scored_in_neither: 0,
            differ,
            pairs: Vec::new(),
        };
        let mut by_key: Vec<&Judged> = a.iter().collect();
        by_key.sort_by(|a, b| a.item.key.cmp(&b.item.key));
        let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for judged in by_key {
            let key = judged.item.key.clone();
            let Some(other) =
                of_b.get(key.as_str()).filter(|other| shape(&other.item) == shape(&judged.item))
            else {
                continue;
            };
            let [of_a, of_b] = [judged, other].map(|judged| score(benchmark, judged, counting).score);
            match (of_a, of_b) {
                (Some(a), Some(b)) => {
                    let pair = Pair { key, a, b };
                    if let Some(group) = judged.item.groups.get(benchmark.dimension) {
                        groups.entry(group.clone()).or_default().push(pair.difference());
                    }
                    it.pairs.push(pair);
                }
                (Some(_), None) => it.scored_only_a.push(key),
                (None, Some(_)) => it.scored_only_b.push(key),
                (None, None) => it.scored_in_neither += 1,
            }
        }
        it.all = paired(&it.pairs.iter().map(Pair::difference).collect::<Vec<f64>>());
        it.groups = groups.into_iter().map(|(group, differences)| (group, paired(&differences))).collect();
        it.pairs.sort_by(|a, b| a.difference().total_cmp(&b.difference()).then_with(|| a.key.cmp(&b.key)));
        it
    }
}

fn paired(differences: &[f64]) -> Paired {
    // Means of passes that are equal but for rounding are equal.
    const EQUAL: f64 = 1e-9;
    let count = |fits: fn(f64) -> bool| differences.iter().filter(|it| fits(**it)).count();
    Paired {
        n: differences.len(),
        better: count(|it| it > EQUAL),
        worse: count(|it| it < -EQUAL),
        same: count(|it| it.abs() <= EQUAL),
        difference: of_mean(differences),
        p: two_sided(differences),
    }
}

#[cfg(test)]
mod tests;

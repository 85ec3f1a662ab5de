//! What a benchmark is.

use std::path::Path;

use crate::{Ask, Item, Items, ItemsError};

/// What is made of the scores that were read of each ask, in the benchmark's order.
pub type Formula<T> = fn(&Item, &[Option<&[f64]>]) -> T;

/// A benchmark: a definition that is all data and pure functions.
pub struct Benchmark {
    /// As `--benchmark` takes it.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Reads the items from a file, or from a folder in one of the layouts that the benchmark is released in.
    pub items: fn(&Path) -> Result<Items, ItemsError>,
    pub asks: &'static [Ask],
    /// The score of an item in one pass, by the scores that were read of each of its asks, in the order of [`Benchmark::asks`].
    /// `None` where what was read does not make a score.
    pub formula: Formula<Option<f64>>,
    /// Whether an item is right in all that was asked, by the same scores; the share of such items is the accuracy. For benchmarks that
    /// have one.
    pub perfect: Option<Formula<bool>>,
    /// Whose rule [`Parser::Upstream`](crate::Parser::Upstream) reads its answers by.
    pub script: Script,
    /// The dimension of the groups whose means make the overall by groups: `type`.
    pub dimension: &'static str,
    /// Parts of the items that the benchmark gives totals of besides.
    pub subsets: &'static [Subset],
    /// Our own rubrics: pairs of a name, as [`Rubrics`](crate::Rubrics) looks it up, and its text.
    pub own: &'static [(&'static str, &'static str)],
}

/// The scripts that benchmarks are released with, by how they read an answer: see [`read`](crate::read()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Lines of a label and digits.
    ImgEdit,
    /// A JSON list of scores.
    VieScore,
    /// A JSON object, else the first digit.
    Kris,
    /// What stands behind `Final Score`.
    Rise,
    /// A JSON object by schema.
    Schema,
}

/// The items that are in all of these groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset {
    pub name: &'static str,
    /// Pairs of a dimension and a group.
    pub groups: &'static [(&'static str, &'static str)],
}

impl Subset {
    pub fn holds(&self, item: &Item) -> bool {
        self.groups.iter().all(|(dimension, group)| item.groups.get(*dimension).is_some_and(|it| it == group))
    }
}

impl Benchmark {
    /// The asks that apply to an item, in order.
    pub fn asks_of<'a>(&'a self, item: &'a Item) -> impl Iterator<Item = &'static Ask> + 'a {
        self.asks.iter().filter(|ask| item.asks.is_empty() || item.asks.iter().any(|name| name == ask.name))
    }

    /// An ask by its name.
    pub fn ask(&self, name: &str) -> Option<&'static Ask> {
        self.asks.iter().find(|ask| ask.name == name)
    }
}

/// The mean; `None` of nothing.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0usize);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

/// All scores of all asks that apply; `None` where one of these was not read.
pub(crate) fn all_read(benchmark: &Benchmark, item: &Item, scores: &[Option<&[f64]>]) -> Option<Vec<f64>> {
    let mut all = Vec::new();
    for (ask, read) in benchmark.asks.iter().zip(scores) {
        if benchmark.asks_of(item).any(|applies| applies.name == ask.name) {
            all.extend_from_slice((*read)?);
        }
    }
    Some(all)
}

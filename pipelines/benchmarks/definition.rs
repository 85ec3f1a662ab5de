//! What a benchmark is.

use std::path::Path;

use crate::{Ask, Item, Items, ItemsError};

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
    pub formula: fn(&Item, &[Option<&[f64]>]) -> Option<f64>,
    /// The dimension of the groups whose means make the overall by groups: `type`.
    pub dimension: &'static str,
}

/// All that there are, in the order of `--help`.
pub fn all() -> &'static [&'static Benchmark] {
    &[]
}

/// By its name.
pub fn by_name(name: &str) -> Option<&'static Benchmark> {
    all().iter().copied().find(|benchmark| benchmark.name == name)
}

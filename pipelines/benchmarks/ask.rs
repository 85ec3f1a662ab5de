//! What a judge is asked about an item.

/// One question to the judge. A pass asks each of the benchmark's asks once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ask {
    /// In records and tables: `score`, `sc`, `pq`.
    pub name: &'static str,
    /// What the one user turn holds, in order.
    pub parts: &'static [Part],
    /// The lowest and the highest score that an answer may give.
    pub range: [f64; 2],
    /// The names of the scores of one answer, for people; where they differ by rubric, those that all share.
    pub scores: &'static [&'static str],
}

/// A part of a user turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The rubric with its gaps filled.
    Rubric,
    /// The item's picture.
    Before,
    /// The edited picture.
    After,
    /// The item's reference picture, where it has one.
    Reference,
}

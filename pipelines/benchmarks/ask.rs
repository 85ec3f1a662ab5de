//! What a judge is asked about an item.

/// One question to the judge. A pass asks each of the benchmark's asks once that applies to the item.
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
    /// Of each score, in the same order: what judges call it, in small letters, with `and` for `&` and spaces for `_`.
    pub labels: &'static [&'static [&'static str]],
    /// How the scores stand in an answer.
    pub form: Form,
    /// Whether the rubric asks that no later score exceed the first.
    pub first_bounds: bool,
    /// Which of the item's prompts it is about, from 1. `Before` is then the result of the turn before, or the item's picture.
    pub turn: usize,
    /// Under which names the benchmark's own prompt file has the rubric: pairs of [`Item::rubric`](crate::Item::rubric) (any, where it is
    /// empty) and a name, or several joined by `+`, whose texts are joined by a line break.
    pub upstream: &'static [(&'static str, &'static str)],
}

impl Ask {
    /// One score of 1 to 5 from a line `Score: 4`, about both pictures. What other asks differ in is said beside `..Ask::ONE_SCORE`.
    pub const ONE_SCORE: Ask = Ask {
        name: "score",
        parts: &[Part::Rubric, Part::Before, Part::After],
        range: [1.0, 5.0],
        scores: &["Score"],
        labels: &[&[
            "score",
            "overall score",
            "final score",
            "rating",
            "overall rating",
            "overall",
            "评分",
            "得分",
            "分数",
        ]],
        form: Form::Labels,
        first_bounds: false,
        turn: 1,
        upstream: &[],
    };
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

/// How the scores stand in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each under its label: lines, keys of a JSON object, or prose.
    Labels,
    /// A list under one label, in the order of [`Ask::scores`].
    List,
}

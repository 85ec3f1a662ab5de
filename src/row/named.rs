//! Scores by scorers whose names nobody knows before the pipeline is opened.

use serde::{Deserialize, Serialize};

use super::column::{Column, ColumnKind};
use super::{AnyUnit, Score, sealed::Sealed};

/// The scores of scorers that flags name: a column that holds any number of them, in the order in which they were asked. What they are called
/// is known to the [flow](crate::flow::Flow::named_scores).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NamedScores(Box<[Score<AnyUnit>]>);

impl NamedScores {
    /// These, and one more.
    pub(crate) fn and<U>(&self, score: Score<U>) -> Self {
        NamedScores(self.0.iter().copied().chain([score.cast()]).collect())
    }

    pub(crate) fn at(&self, place: usize) -> Score<AnyUnit> {
        self.0[place]
    }
}

impl Sealed for NamedScores {}
impl Column for NamedScores {
    const NAME: &'static str = "named_scores";
    const KIND: ColumnKind = ColumnKind::NamedScores;

    fn see_scores(&self, see: &mut dyn FnMut(f32)) {
        self.0.iter().for_each(|score| see(score.get()));
    }
}

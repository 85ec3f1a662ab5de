//! What gates are told of their dials, and how a dial stands.

use crate::row::{AnyUnit, Score};

use super::{BUCKETS, Comparison};

/// Where a dial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::flow) struct Position {
    /// `None`: nobody knows yet, for it is by share and was never resolved. Nothing passes.
    pub(in crate::flow) at: Option<Score<AnyUnit>>,
    /// Of a dial by share: how often it was resolved. Rows that come wait for the next time.
    pub(in crate::flow) resolved: Option<u32>,
}

impl Position {
    pub(in crate::flow) fn at(value: f32) -> Self {
        Position { at: Some(Score::of(value)), resolved: None }
    }

    /// Whether rows that come wait for it to be resolved.
    pub(in crate::flow) fn is_by_share(self) -> bool {
        self.resolved.is_some()
    }

    #[inline]
    pub(in crate::flow) fn passes(self, comparison: Comparison, score: Score<AnyUnit>) -> bool {
        self.at.is_some_and(|at| comparison.passes(score, at))
    }

    /// The buckets of the rows that may change sides when a dial is turned from here to there.
    pub(in crate::flow) fn band(
        self,
        to: Position,
        comparison: Comparison,
        bucket: impl Fn(Score<AnyUnit>) -> u16,
    ) -> Option<(u16, u16)> {
        match (self.at, to.at) {
            (from, to) if from == to => None,
            (None, None) => None,
            (Some(from), Some(to)) => Some((bucket(from.min(to)), bucket(from.max(to)))),
            (Some(at), None) | (None, Some(at)) => Some(match comparison {
                Comparison::Above | Comparison::AtLeast => (bucket(at), BUCKETS - 1),
                Comparison::Below | Comparison::AtMost => (0, bucket(at)),
            }),
        }
    }
}

/// What the gates of a dial are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::flow) enum DialEvent {
    Turn(Position),
    /// To show the rows that the dial's histogram asks for. Numbered, since it may be asked twice.
    Scan(u32),
}

/// Which of a dial's groups it is about: 0 where it has none.
pub(in crate::flow) type GroupEvent = (u16, DialEvent);

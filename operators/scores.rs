//! Answers that are nothing but scores: their columns, generated from a table.

/// The row that a row becomes when it is given these scores.
macro_rules! scored {
    ($row:ty;) => { $row };
    ($row:ty; $unit:ident $($rest:ident)*) => {
        $crate::scores::scored!(threshflow::row::Scored<$row, $unit>; $($rest)*)
    };
}

/// Of each column: its unit as a type, its name, its unit for people, and the ends of its scale.
macro_rules! units {
    ($($(#[$about:meta])+ $unit:ident $name:literal $in:literal $low:literal $high:literal;)+) => {$(
        $(#[$about])+
        pub struct $unit;
        impl threshflow::row::Unit for $unit {
            const NAME: &'static str = $name;
            const UNIT: &'static str = $in;
            const LOW: f32 = $low;
            const HIGH: f32 = $high;
        }
    )+};
}

/// An answer of a few scores, which ride as they are. Behind the ends of each scale stands which end is the worse: of an edit of several
/// turns, each score is that of the turn that is worst by it.
macro_rules! scores {
    (
        $(#[$of_answer:meta])+
        $answer:ident:
        $($(#[$about:meta])+ $unit:ident $name:literal $in:literal $low:literal $high:literal $worse:ident;)+
    ) => {
        $crate::scores::units! { $($(#[$about])+ $unit $name $in $low $high;)+ }

        $(#[$of_answer])+
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $answer(pub [f32; $answer::COUNT]);

        impl $answer {
            const COUNT: usize = $answer::COLUMNS.len();
            /// The names of its columns, in their order.
            pub const COLUMNS: [&'static str; [$($name),+].len()] = [$($name),+];
            const WORSE: [$crate::scores::Worse; $answer::COUNT] = [$($crate::scores::Worse::$worse),+];
            const ENDS: [(f32, f32); $answer::COUNT] = [$(($low, $high)),+];

            /// Of each score the worse of both.
            pub fn weaker(self, other: Self) -> Self {
                $answer(std::array::from_fn(|n| $answer::WORSE[n].of(self.0[n], other.0[n])))
            }
        }

        impl threshflow::lane::Scores for $answer {
            fn without_answer<R: threshflow::row::Row>(row: R) -> Self::Row<R> {
                $(let row = threshflow::row::With::new(row, threshflow::row::Score::<$unit>::NAN);)+
                row
            }
        }

        impl threshflow::lane::Answer for $answer {
            type Row<R: threshflow::row::Row> = $crate::scores::scored!(R; $($unit)+);

            fn attach<R: threshflow::row::Row>(self, row: R) -> Self::Row<R> {
                let mut scores = self.0.into_iter();
                let mut next = || scores.next().unwrap_or(f32::NAN);
                $(let row = threshflow::row::With::new(row, threshflow::row::Score::<$unit>::of(next()));)+
                row
            }
            fn to_inline(self) -> threshflow::memo::Inline {
                let mut bytes = [0; 4 * $answer::COUNT];
                bytes.chunks_exact_mut(4).zip(self.0).for_each(|(to, score)| to.copy_from_slice(&score.to_le_bytes()));
                threshflow::memo::Inline::of(bytes)
            }
            fn from_inline(bytes: &[u8]) -> Option<Self> {
                let (scores, rest) = bytes.as_chunks::<4>();
                let scores: [[u8; 4]; $answer::COUNT] = scores.try_into().ok()?;
                let scores = scores.map(f32::from_le_bytes);
                let fits = scores.iter().zip($answer::ENDS).all(|(score, (low, high))| (low..=high).contains(score));
                (rest.is_empty() && fits).then_some($answer(scores))
            }
        }
    };
}

/// Which of two scores is the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worse {
    Less,
    More,
}

impl Worse {
    /// Of two numbers; neither is NaN.
    pub(crate) fn of<T: PartialOrd>(self, a: T, b: T) -> T {
        let first = match self {
            Worse::Less => a <= b,
            Worse::More => a >= b,
        };
        if first { a } else { b }
    }
}

pub(crate) use {scored, scores, units};

#[cfg(test)]
#[allow(unreachable_pub, reason = "what the macro makes is public")]
mod tests {
    use threshflow::lane::Answer;

    scores! {
        /// Tested.
        Tested:
        /// One.
        One "one" "cosine, -1 to 1" -1.0 1.0 Less;
        /// Two.
        Two "two" "0 to 1" 0.0 1.0 More;
    }

    #[test]
    fn scores_ride_as_they_are_and_foreign_bytes_are_none() {
        for scores in [[-1.0, 0.0], [1.0, 1.0], [0.123_456_79, 1e-30]] {
            assert_eq!(Tested::from_inline(Tested(scores).to_inline().bytes()), Some(Tested(scores)));
        }
        for foreign in [[-1.01, 0.0], [0.0, 1.5], [f32::NAN, 0.0]] {
            assert_eq!(Tested::from_inline(Tested(foreign).to_inline().bytes()), None, "{foreign:?}");
        }
        assert_eq!(Tested::from_inline(&[0; 7]), None);
        assert_eq!(Tested::from_inline(&[0; 9]), None);
    }

    #[test]
    fn each_score_takes_the_turn_that_is_worst_by_it() {
        assert_eq!(Tested([0.5, 0.1]).weaker(Tested([0.25, 0.0])), Tested([0.25, 0.1]));
    }
}

//! Scores and their units. A dial is compared with scores.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::marked::marked;

/// What a score measures: its name (the column it is published under), its unit and the ends of its scale.
///
/// The ends bound what a dial may be set to and how scores are bucketed; a score outside them is still a score.
pub trait Unit: 'static {
    const NAME: &'static str;
    const UNIT: &'static str;
    const LOW: f32;
    const HIGH: f32;
}

/// A score in the unit `U`: a 32-bit float with a total order, so that it can ride, sort and hash.
///
/// `-0.0` is `0.0`; a NaN sorts below every number and passes no gate.
///
/// ```
/// use threshflow::row::{Score, Unit};
/// struct Points;
/// impl Unit for Points {
///     const NAME: &'static str = "points";
///     const UNIT: &'static str = "0 to 10";
///     const LOW: f32 = 0.0;
///     const HIGH: f32 = 10.0;
/// }
/// let score = |x| Score::<Points>::of(x);
/// assert!(score(f32::NAN) < score(f32::NEG_INFINITY) && score(-1.0) < score(-0.0) && score(0.5) < score(1.0));
/// assert_eq!(score(-0.0), score(0.0));
/// assert_eq!(score(4.75).get(), 4.75);
/// ```
pub struct Score<U>(u32, PhantomData<fn() -> U>);

impl<U> Score<U> {
    /// Not a number: nobody knows the score.
    pub const NAN: Self = Score(0, PhantomData);

    pub fn of(value: f32) -> Self {
        let bits = if value.is_nan() {
            return Score(0, PhantomData);
        } else if value == 0.0 {
            0
        } else {
            value.to_bits()
        };
        Score(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }, PhantomData)
    }

    pub fn get(self) -> f32 {
        match self.0 {
            0 => f32::NAN,
            bits if bits >> 31 == 1 => f32::from_bits(bits & !(1 << 31)),
            bits => f32::from_bits(!bits),
        }
    }

    pub fn is_nan(self) -> bool {
        self.0 == 0
    }

    /// The same number in another unit.
    pub(crate) fn cast<V>(self) -> Score<V> {
        Score(self.0, PhantomData)
    }

    /// The next lower score: that of the next lower number.
    pub(crate) fn next_down(self) -> Self {
        Score::of(self.get().next_down())
    }

    /// The next higher score.
    pub(crate) fn next_up(self) -> Self {
        Score::of(self.get().next_up())
    }
}

marked!(Score<U>: u32);

impl<U> fmt::Debug for Score<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

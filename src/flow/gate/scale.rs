//! How a gate reads the score of a row, and where on its scale the score lies.

use std::marker::PhantomData;

use super::{BUCKETS, NAN_BUCKET};
use crate::row::{AnyUnit, Has, NamedScores, Row, Score, Unit, With};

/// The scale of one score of rows.
pub(in crate::flow) trait Scale<R: Row>: 'static {
    fn score(&self, row: &R) -> Score<AnyUnit>;
    /// The same of a row without its image.
    fn score_without_image(&self, without: &R::WithoutImage) -> Score<AnyUnit>;
    fn bucket(&self, score: Score<AnyUnit>) -> u16;
}

/// The score in the unit `U`, wherever it stands.
pub(in crate::flow) struct ByUnit<U, I>(PhantomData<fn() -> (U, I)>);

impl<U, I> ByUnit<U, I> {
    pub(in crate::flow) fn new() -> Self {
        ByUnit(PhantomData)
    }
}

impl<R: Has<Score<U>, I>, U: Unit, I: 'static> Scale<R> for ByUnit<U, I> {
    #[inline]
    fn score(&self, row: &R) -> Score<AnyUnit> {
        Has::<Score<U>, I>::get(row).cast()
    }

    #[inline]
    fn score_without_image(&self, without: &R::WithoutImage) -> Score<AnyUnit> {
        R::get_without_image(without).cast()
    }

    #[inline]
    fn bucket(&self, score: Score<AnyUnit>) -> u16 {
        bucket::<U>(score.cast())
    }
}

/// One of the [`NamedScores`], which is the last column: the one at this place, on a scale with these ends.
pub(in crate::flow) struct ByName {
    pub(in crate::flow) place: usize,
    pub(in crate::flow) ends: (f32, f32),
}

impl<R: Row> Scale<With<R, NamedScores>> for ByName {
    fn score(&self, row: &With<R, NamedScores>) -> Score<AnyUnit> {
        row.column.at(self.place)
    }

    fn score_without_image(&self, without: &With<R::WithoutImage, NamedScores>) -> Score<AnyUnit> {
        without.column.at(self.place)
    }

    fn bucket(&self, score: Score<AnyUnit>) -> u16 {
        bucket_between(self.ends, score.get())
    }
}

pub(in crate::flow) fn bucket<U: Unit>(score: Score<U>) -> u16 {
    bucket_between((U::LOW, U::HIGH), score.get())
}

#[inline]
pub(in crate::flow) fn bucket_between((low, high): (f32, f32), value: f32) -> u16 {
    if value.is_nan() {
        return NAN_BUCKET;
    }
    // Monotone, and saturating at both ends, which is all that the gate needs of it.
    let place = (f64::from(value) - f64::from(low)) / (f64::from(high) - f64::from(low));
    (place * f64::from(BUCKETS)).clamp(0.0, f64::from(BUCKETS - 1)) as u16
}

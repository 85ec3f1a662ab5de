//! The scale of a dial's scores, and how many rows lie where on it.

use std::ops::Range;

use super::LabelError;

/// Buckets of a histogram, from the low end of the scale to the high. The same number as the gate's.
pub const BUCKETS: u16 = 4096;

/// Which scores pass a dial: those above its value, at least, below, or at most. A NaN never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Passing {
    /// By the sign of the comparison: `>`, `>=`, `<` or `<=`. Other texts give `None`.
    ///
    /// ```
    /// use threshflow::label::Passing;
    /// assert_eq!(Passing::of_sign(">="), Some(Passing::AtLeast));
    /// assert_eq!(Passing::of_sign("=="), None);
    /// ```
    pub fn of_sign(sign: &str) -> Option<Self> {
        match sign {
            ">" => Some(Passing::Above),
            ">=" => Some(Passing::AtLeast),
            "<" => Some(Passing::Below),
            "<=" => Some(Passing::AtMost),
            _ => None,
        }
    }

    /// Whether a score passes a dial that stands at `at`.
    ///
    /// ```
    /// use threshflow::label::Passing;
    /// assert!(Passing::AtLeast.passes(3.0, 3.0) && !Passing::Above.passes(3.0, 3.0));
    /// assert!(Passing::Below.passes(2.9, 3.0) && !Passing::Below.passes(f32::NAN, 3.0));
    /// ```
    pub fn passes(self, score: f32, at: f32) -> bool {
        match self {
            Passing::Above => score > at,
            Passing::AtLeast => score >= at,
            Passing::Below => score < at,
            Passing::AtMost => score <= at,
        }
    }

    /// Whether the high scores are those that pass.
    pub(super) fn is_of_high(self) -> bool {
        matches!(self, Passing::Above | Passing::AtLeast)
    }
}

/// A dial's scale: both ends in the dial's unit, and which side of a threshold passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f32,
    high: f32,
    passing: Passing,
}

impl Scale {
    /// # Errors
    /// If an end is not finite, or if `low` is not below `high`.
    pub fn new(low: f32, high: f32, passing: Passing) -> Result<Self, LabelError> {
        if low.is_finite() && high.is_finite() && low < high {
            return Ok(Scale { low, high, passing });
        }
        Err(LabelError::Wrong(format!(
            "a scale from {low} to {high}: both ends are to be finite, and the low end below the high; give the ends that the dial was \
             declared with"
        )))
    }

    /// Which scores pass.
    pub fn passing(&self) -> Passing {
        self.passing
    }

    /// The bucket of a score. Scores beyond an end are in the bucket at that end. A NaN has none.
    ///
    /// ```
    /// use threshflow::label::{Passing, Scale};
    /// let scale = Scale::new(0.0, 8.0, Passing::Above)?;
    /// assert_eq!(scale.bucket(4.0), Some(2048));
    /// assert_eq!((scale.bucket(-1.0), scale.bucket(9.0), scale.bucket(f32::NAN)), (Some(0), Some(4095), None));
    /// # Ok::<(), threshflow::label::LabelError>(())
    /// ```
    pub fn bucket(&self, score: f32) -> Option<u16> {
        // As the gate's own buckets are made, so that a score and its count are in one.
        let place = (f64::from(score) - f64::from(self.low)) / (f64::from(self.high) - f64::from(self.low));
        let bucket = (place * f64::from(BUCKETS)).clamp(0.0, f64::from(BUCKETS - 1));
        (!score.is_nan()).then_some(bucket as u16)
    }

    /// The score at the low end of a bucket; at the high end of the scale for [`BUCKETS`].
    pub fn edge(&self, bucket: u16) -> f32 {
        let part = f64::from(bucket.min(BUCKETS)) / f64::from(BUCKETS);
        (f64::from(self.low) + part * (f64::from(self.high) - f64::from(self.low))) as f32
    }

    /// The part of a bucket's width on the passing side of `at`, from 0 to 1.
    fn part_passing(&self, bucket: u16, at: f32) -> f64 {
        let width = (f64::from(self.high) - f64::from(self.low)) / f64::from(BUCKETS);
        let start = f64::from(self.low) + f64::from(bucket) * width;
        let below = ((f64::from(at) - start) / width).clamp(0.0, 1.0);
        if self.passing.is_of_high() { 1.0 - below } else { below }
    }
}

/// How many rows lie where on a scale: the histogram of all rows that reach the dial. Rows whose score is NaN are not among them.
#[derive(Clone, Debug)]
pub struct Population {
    scale: Scale,
    /// Rows in all buckets before this one.
    before: Vec<u64>,
    /// Thresholds at which somebody counted the rows that pass.
    counted: Vec<(f32, u64)>,
}

impl Population {
    /// `buckets` are rows a bucket, as the gate's histogram has them.
    ///
    /// # Errors
    /// If there are not [`BUCKETS`] of them.
    pub fn new(scale: Scale, buckets: &[u64]) -> Result<Self, LabelError> {
        if buckets.len() != usize::from(BUCKETS) {
            return Err(LabelError::Wrong(format!(
                "a histogram of {} buckets: {BUCKETS} are wanted; give the dial's own",
                buckets.len()
            )));
        }
        let mut before = Vec::with_capacity(buckets.len() + 1);
        before.push(0);
        for rows in buckets {
            before.push(before[before.len() - 1] + rows);
        }
        Ok(Population { scale, before, counted: Vec::new() })
    }

    /// States how many rows pass at a threshold. A histogram alone leaves it open for the rows of one bucket, which may be many where
    /// scores take few values.
    #[must_use]
    pub fn counted(mut self, at: f32, passing: u64) -> Self {
        self.counted.push((at, passing));
        self
    }

    /// The scale that the rows are counted on.
    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    /// Rows in a range of buckets.
    pub fn rows(&self, buckets: &Range<u16>) -> u64 {
        let at = |bucket: u16| self.before[usize::from(bucket.min(BUCKETS))];
        at(buckets.end).saturating_sub(at(buckets.start))
    }

    /// Rows in all buckets.
    pub fn all(&self) -> u64 {
        self.rows(&(0..BUCKETS))
    }

    /// The first bucket that holds the row with so many rows before it.
    pub(super) fn bucket_of_row(&self, row: u64) -> u16 {
        let bucket = self.before.partition_point(|before| *before <= row).saturating_sub(1);
        bucket.min(usize::from(BUCKETS) - 1) as u16
    }

    /// Rows of a range of buckets that pass at `at`. Only the bucket that `at` lies in is in doubt: there it is the number that was counted;
    /// else `seen`, the part of the bucket's labelled rows that pass; else the part of its width.
    pub(super) fn passing(&self, buckets: &Range<u16>, at: f32, seen: Option<f64>) -> f64 {
        let Some(split) = self.scale.bucket(at) else { return 0.0 };
        let high = self.scale.passing.is_of_high();
        let whole = |buckets: &Range<u16>| match high {
            true => self.rows(&(buckets.start.max(split + 1)..buckets.end.max(split + 1))),
            false => self.rows(&(buckets.start.min(split)..buckets.end.min(split))),
        };
        let surely = whole(buckets) as f64;
        if !buckets.contains(&split) {
            return surely;
        }
        let in_doubt = self.rows(&(split..split + 1)) as f64;
        let counted = self.counted.iter().find(|(threshold, _)| *threshold == at);
        let passing = match (counted, seen) {
            (Some((_, passing)), _) => *passing as f64 - whole(&(0..BUCKETS)) as f64,
            (None, Some(seen)) => seen * in_doubt,
            (None, None) => self.scale.part_passing(split, at) * in_doubt,
        };
        surely + passing.clamp(0.0, in_doubt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(passing: Passing) -> Population {
        let mut buckets = vec![0; usize::from(BUCKETS)];
        (buckets[0], buckets[10], buckets[11], buckets[4095]) = (1, 10, 100, 1000);
        Population::new(Scale::new(0.0, 4096.0, passing).unwrap(), &buckets).unwrap()
    }

    #[test]
    fn only_the_bucket_of_the_threshold_is_in_doubt() {
        let all = 0..BUCKETS;
        let (high, low) = (population(Passing::AtLeast), population(Passing::Below));
        assert_eq!(high.passing(&all, 11.0, None), 1100.0);
        assert_eq!(low.passing(&all, 11.0, None), 11.0);
        assert_eq!(high.passing(&all, 11.25, None), 1075.0);
        assert_eq!(low.passing(&all, 11.25, None), 36.0);
        assert_eq!(high.passing(&all, 11.25, Some(0.5)), 1050.0);
        assert_eq!(high.passing(&(0..11), 11.25, None), 0.0);
        assert_eq!(low.passing(&(0..11), 11.25, None), 11.0);
        assert_eq!(high.passing(&(12..BUCKETS), 11.25, None), 1000.0);
        let counted = high.counted(11.25, 1001);
        assert_eq!(counted.passing(&all, 11.25, Some(0.5)), 1001.0);
        assert_eq!(counted.passing(&(11..12), 11.25, None), 1.0);
    }

    #[test]
    fn thresholds_beyond_the_scale_pass_all_or_nothing() {
        let high = population(Passing::Above);
        assert_eq!(high.passing(&(0..BUCKETS), -5.0, None), 1111.0);
        assert_eq!(high.passing(&(0..BUCKETS), f32::INFINITY, None), 0.0);
        assert_eq!(high.passing(&(0..BUCKETS), f32::NAN, None), 0.0);
    }

    #[test]
    fn a_row_is_found_in_its_bucket() {
        let rows = population(Passing::Above);
        let found = [0, 1, 10, 11, 110, 111, 1110].map(|row| rows.bucket_of_row(row));
        assert_eq!(found, [0, 10, 10, 11, 11, 4095, 4095]);
    }

    #[test]
    fn a_scale_without_width_and_a_short_histogram_are_refused() {
        assert!(Scale::new(1.0, 1.0, Passing::Above).is_err());
        assert!(Scale::new(f32::NAN, 1.0, Passing::Above).is_err());
        let scale = Scale::new(0.0, 1.0, Passing::Above).unwrap();
        let said = Population::new(scale, &[1, 2]).unwrap_err().to_string();
        assert!(said.contains("2 buckets") && said.contains("4096"), "{said}");
    }
}

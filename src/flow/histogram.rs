//! Histograms: how the scores that came to a dial are spread, kept up to date by its gate.

use std::sync::atomic::{AtomicI64, AtomicIsize, Ordering};
use std::sync::{Arc, Mutex};

use super::gate::{BUCKETS, NAN_BUCKET};
use super::scan::Scan;
use crate::lane::lock;

/// The rows at a gate, by score: by the gate's own buckets, which are of equal width over the unit's scale, and one for
/// what is no number.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicI64]>,
    not_numbers: AtomicI64,
    /// Rows that wait for their dial to be resolved.
    waiting: AtomicIsize,
    /// What the gates of the dial are asked to show.
    asked_for: Mutex<Option<Scan>>,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicI64::new(0)).collect();
        let (not_numbers, waiting) = (AtomicI64::new(0), AtomicIsize::new(0));
        Histogram { buckets, not_numbers, waiting, asked_for: Mutex::default() }
    }
}

/// One histogram a dial, in the order of their declaration.
pub type Histograms = Vec<Arc<Histogram>>;

impl Histogram {
    pub(crate) fn count(&self, bucket: u16, diff: isize) {
        let bin = match bucket {
            NAN_BUCKET => &self.not_numbers,
            bucket => &self.buckets[bucket as usize],
        };
        bin.fetch_add(diff as i64, Ordering::Relaxed);
    }

    /// So many rows more wait for their dial to be resolved.
    pub(super) fn wait(&self, more: isize) {
        if more != 0 {
            self.waiting.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Whether rows wait for their dial to be resolved.
    pub(super) fn is_waited_at(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    pub(super) fn ask_for(&self, scan: Option<Scan>) {
        *lock(&self.asked_for) = scan;
    }

    pub(super) fn asked_for(&self) -> Option<Scan> {
        lock(&self.asked_for).clone()
    }

    /// Rows a bucket, of 4,096 from the low end of the scale to the high; what lies beyond an end is in the bucket at that end.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let engine = run(pictures([5, 20, 20]), |images, dial| images.each(side).gate(&dial.side).finish());
    /// let buckets = engine.histograms()[0].buckets();
    /// let counted: Vec<u64> = buckets.into_iter().filter(|rows| *rows > 0).collect();
    /// assert_eq!(counted, [1, 2]);
    /// ```
    pub fn buckets(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed).max(0) as u64).collect()
    }

    /// Rows whose score is no number.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::row::{Score, With};
    ///
    /// let engine = run(pictures([5, 20]), |images, dial| {
    ///     let unscored = images.each(|image| With::new(image, Score::<Side>::NAN));
    ///     unscored.gate(&dial.side).finish()
    /// });
    /// assert_eq!(engine.histograms()[0].not_numbers(), 2);
    /// ```
    pub fn not_numbers(&self) -> u64 {
        self.not_numbers.load(Ordering::Relaxed).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_counted_in_its_bucket() {
        let histogram = Histogram::default();
        for bucket in [0, 63, 64, BUCKETS - 1, NAN_BUCKET, NAN_BUCKET] {
            histogram.count(bucket, 1);
        }
        histogram.count(63, 1);
        histogram.count(63, -1);
        let buckets = histogram.buckets();
        let counted = buckets.iter().copied().enumerate().filter(|(_, count)| *count > 0);
        let last = usize::from(BUCKETS) - 1;
        assert_eq!(buckets.len(), last + 1);
        assert_eq!(counted.collect::<Vec<_>>(), [(0, 1), (63, 1), (64, 1), (last, 1)]);
        assert_eq!(histogram.not_numbers(), 2);
    }
}

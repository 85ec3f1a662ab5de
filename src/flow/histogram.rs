//! Histograms: how the scores that came to a dial are spread, kept up to date by its gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::gate::{BUCKETS, NAN_BUCKET};

/// How many bins the unit's scale is cut into.
const BINS: usize = 64;

/// The rows at a gate, by score: by the gate's own buckets, which are of equal width over the unit's scale, and one for
/// what is no number.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicI64]>,
    not_numbers: AtomicI64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicI64::new(0)).collect();
        Histogram { buckets, not_numbers: AtomicI64::new(0) }
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

    /// Rows a bin, from the low end of the scale to the high; what lies beyond an end is in the bin at that end.
    pub fn bins(&self) -> Vec<u64> {
        self.buckets().chunks(BUCKETS as usize / BINS).map(|bin| bin.iter().sum()).collect()
    }

    /// The same in 4,096 buckets: for a scale of which a small part is used.
    pub fn buckets(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed).max(0) as u64).collect()
    }

    /// Rows whose score is no number.
    pub fn not_numbers(&self) -> u64 {
        self.not_numbers.load(Ordering::Relaxed).max(0) as u64
    }
}

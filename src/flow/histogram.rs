//! Histograms: how the scores that came to a dial are spread, kept up to date by its gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::gate::{BUCKETS, NAN_BUCKET};

/// How many bins the unit's scale is cut into.
const BINS: usize = 64;

/// The rows at a gate, by score: bins of equal width over the unit's scale, and one for what is no number.
#[derive(Debug)]
pub struct Histogram {
    bins: [AtomicI64; BINS],
    not_numbers: AtomicI64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { bins: [const { AtomicI64::new(0) }; BINS], not_numbers: AtomicI64::new(0) }
    }
}

/// One histogram a dial, in the order of their declaration.
pub type Histograms = Vec<Arc<Histogram>>;

impl Histogram {
    pub(super) fn count(&self, bucket: u16, diff: isize) {
        let bin = match bucket {
            NAN_BUCKET => &self.not_numbers,
            bucket => &self.bins[bucket as usize * BINS / BUCKETS as usize],
        };
        bin.fetch_add(diff as i64, Ordering::Relaxed);
    }

    /// Rows a bin, from the low end of the scale to the high; what lies beyond an end is in the bin at that end.
    pub fn bins(&self) -> Vec<u64> {
        self.bins.iter().map(|bin| bin.load(Ordering::Relaxed).max(0) as u64).collect()
    }

    /// Rows whose score is no number.
    pub fn not_numbers(&self) -> u64 {
        self.not_numbers.load(Ordering::Relaxed).max(0) as u64
    }
}

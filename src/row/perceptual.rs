//! Perceptual hashes, by which near duplicates are found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 56 bits of which pictures that look alike share most. No score, and it shapes no question.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PerceptualHash(pub [u8; 7]);

impl PerceptualHash {
    pub const BITS: u32 = 56;

    /// In how many bits two hashes differ: 0 to [`PerceptualHash::BITS`].
    ///
    /// ```
    /// use threshflow::row::PerceptualHash;
    /// let hash = PerceptualHash([0, 1, 2, 3, 4, 5, 6]);
    /// assert_eq!(hash.distance(PerceptualHash([0, 1, 2, 3, 4, 5, 6])), 0);
    /// assert_eq!(hash.distance(PerceptualHash([255, 1, 2, 3, 4, 5, 7])), 9);
    /// ```
    pub fn distance(self, other: Self) -> u32 {
        (self.bits() ^ other.bits()).count_ones()
    }

    /// The hash in the lower 56 bits of a number.
    pub fn bits(self) -> u64 {
        let [a, b, c, d, e, f, g] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, 0])
    }

    /// The hash of these bits; those above the lower 56 don't count.
    pub fn of_bits(bits: u64) -> Self {
        let [a, b, c, d, e, f, g, _] = bits.to_le_bytes();
        PerceptualHash([a, b, c, d, e, f, g])
    }
}

impl fmt::Debug for PerceptualHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

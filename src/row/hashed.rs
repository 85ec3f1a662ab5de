//! Rows with a perceptual hash: what near duplicates are found by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ContentHash, Edit, Image, Of, Region, Row, sealed};

/// 56 bits of which pictures that look alike share most.
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

/// A row and its picture's perceptual hash. The hash is no score, and shapes no question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(bound = "R: Row")]
pub struct Hashed<R> {
    pub row: R,
    pub hash: PerceptualHash,
}

impl<R: Row> sealed::Sealed for Hashed<R> {}
impl<R: Row> Row for Hashed<R> {
    const OF: Of = R::OF;
    type Slim = Hashed<R::Slim>;

    fn image(&self) -> &Image {
        self.row.image()
    }
    fn region(&self) -> Option<&Region> {
        self.row.region()
    }
    fn edit(&self) -> Option<&Edit> {
        self.row.edit()
    }
    fn content(&self) -> ContentHash {
        self.row.content()
    }
    fn see_scores(&self, see: &mut dyn FnMut(&'static str, f32)) {
        self.row.see_scores(see);
    }
    fn score_names() -> Vec<&'static str> {
        R::score_names()
    }
    fn slim(&self) -> Self::Slim {
        Hashed { row: self.row.slim(), hash: self.hash }
    }
    fn whole(slim: &Self::Slim, image: Image) -> Self {
        Hashed { row: R::whole(&slim.row, image), hash: slim.hash }
    }
}

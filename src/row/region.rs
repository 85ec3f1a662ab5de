//! Regions: what a detector found in a picture, each a row of its own.

use std::fmt;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::{ColumnName, ContentHash, Image, Of, Row, RowId, sealed};

/// Whether a region was looked for as an object or as a part of the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegionKind {
    Object,
    Background,
}

impl fmt::Display for RegionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RegionKind::Object => "object",
            RegionKind::Background => "background",
        })
    }
}

/// A box in a picture, and what it was found as: 68 bytes. Its mask and its noun's text lie in memos.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Region<I = Image> {
    pub image: I,
    /// Its place among the regions that were found in the picture, counted from 0, best first.
    pub number: u16,
    pub kind: RegionKind,
    /// The place of its noun in the vocabulary that it was found by.
    pub noun: u16,
    /// See [`Region::bbox`]: the bits of floats, which sort and hash.
    bits: [u32; 4],
    content: ContentHash,
}

impl Region {
    /// `noun_text` shapes questions about the region; only its place in the vocabulary rides. Made of what was found, and nowhere else.
    pub(crate) fn new(
        image: Image,
        number: u16,
        kind: RegionKind,
        (noun, noun_text): (u16, &str),
        bbox: [f32; 4],
    ) -> Self {
        let bits = bbox.map(|edge| (edge + 0.0).to_bits());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&image.content.0);
        for edge in bits {
            hasher.update(&edge.to_le_bytes());
        }
        hasher.update(noun_text.as_bytes());
        Region { image, number, kind, noun, bits, content: ContentHash::from_hasher(&hasher) }
    }

    /// The same region as something beside the picture tells of it, such as a released record: `own` is the hash of what is told,
    /// and questions about it are others than those about what a detector found there.
    pub(crate) fn told_by(mut self, own: ContentHash) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"told by").update(&self.content.0).update(&own.0);
        self.content = ContentHash::from_hasher(&hasher);
        self
    }

    /// Left, top, right, bottom, in pixels of the picture as shown.
    pub fn bbox(&self) -> [f32; 4] {
        self.bits.map(f32::from_bits)
    }

    /// The box's share of the picture's area, 0 to 1.
    pub fn area(&self) -> f32 {
        let [left, top, right, bottom] = self.bbox().map(f64::from);
        let picture = f64::from(self.image.width) * f64::from(self.image.height);
        ((right - left).max(0.0) * (bottom - top).max(0.0) / picture.max(1.0)) as f32
    }
}

impl<I> Region<I> {
    fn about<J>(&self, image: J) -> Region<J> {
        let Region { number, kind, noun, bits, content, .. } = *self;
        Region { image, number, kind, noun, bits, content }
    }
}

impl sealed::Sealed for Region {}
impl Row for Region {
    const OF: Of = Of::Regions;
    type WithoutImage = Region<RowId>;

    fn image(&self) -> &Image {
        &self.image
    }
    fn region(&self) -> Option<&Region> {
        Some(self)
    }
    fn content(&self) -> ContentHash {
        self.content
    }
    fn see_scores(&self, _see: &mut dyn FnMut(f32)) {}
    fn columns() -> Vec<ColumnName> {
        Vec::new()
    }
    fn without_image(&self) -> Self::WithoutImage {
        self.about(self.image.id)
    }
    fn with_image(without: &Self::WithoutImage, image: Image) -> Self {
        without.about(image)
    }
}

//! What a flow may carry: small, ordered records of ids and scores. Never pixels, embeddings, captions or masks.
//!
//! A row names its picture by [`RowId`] (which sample of which shard) and by [`ContentHash`] (the key of the memo). Everything larger stays
//! in its place: bytes in the memory-mapped shards, keys and sidecars in the shard's index, answers in the memo.

use std::fmt;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

mod column;
mod edit;
mod group;
mod handle;
mod marked;
mod named;
mod perceptual;
mod place;
mod refusal;
mod region;
mod score;
mod without_image;

pub use column::{Below, Column, ColumnKind, ColumnName, Has, Hashed, Here, Scored, With, WithHandle};
pub use edit::{Choice, Edit};
pub use group::{Group, In};
pub use handle::{Handle, Topic};
pub use named::NamedScores;
pub use perceptual::PerceptualHash;
pub use place::{Of, Place};
pub use refusal::{Lasts, Refusal, Refused, Verdict};
pub use region::{Region, RegionKind};
pub use score::{Score, Unit};
pub use without_image::WithoutImage;

/// Which sample of which shard: `shard` is the number that the catalogue of this store gave the shard,
/// `member` the sample's place in it, counted from 0. Private to a store: nothing published depends on `shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    pub shard: u32,
    pub member: u32,
}

/// The first 128 bits of a BLAKE3 hash: of a picture's bytes where it keys the memo.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hasher(&{
            let mut hasher = blake3::Hasher::new();
            hasher.update(bytes);
            hasher
        })
    }

    /// The hash of everything that was fed to `hasher`.
    pub fn from_hasher(hasher: &blake3::Hasher) -> Self {
        let mut out = [0; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        ContentHash(out)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of all that shapes an answer: operator and its code version, model bytes, preprocessing, precision.
/// Never a dial, a batch size, a device or a worker count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp(pub ContentHash);

impl Stamp {
    /// The stamp of an ordered list of named parts, for example `[("operator", b"aesthetic/1"), ("model", hash)]`.
    pub fn of(parts: &[(&str, &[u8])]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for (name, value) in parts {
            for part in [name.as_bytes(), value] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        Stamp(ContentHash::from_hasher(&hasher))
    }

    /// The same of parts that were gathered.
    pub fn of_gathered(parts: &[(&str, Vec<u8>)]) -> Self {
        let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        Stamp::of(&parts)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A record that may ride a flow. Sealed: the only rows are those of this file, so that pixels cannot ride.
pub trait Row:
    sealed::Sealed
    + Clone
    + Ord
    + Hash
    + fmt::Debug
    + Serialize
    + for<'de> Deserialize<'de>
    + Send
    + Sync
    + 'static
{
    /// Whether rows of this type stand for pictures or for pieces of them.
    const OF: Of = Of::Pictures;
    /// Such a row with its picture's id in the place of the picture.
    type WithoutImage: WithoutImage;

    /// The picture that this row is about.
    fn image(&self) -> &Image;
    /// The region of the picture that this row is about, if it is about one.
    fn region(&self) -> Option<&Region> {
        None
    }
    /// Of the picture's bytes, and of all that shapes a question about this row beyond them: the region, what earlier
    /// answers told. Scores do not count.
    fn content(&self) -> ContentHash {
        self.image().content
    }
    /// The edit of the picture that this row is about, if it is about one.
    fn edit(&self) -> Option<&Edit> {
        None
    }
    /// Whose verdict this row's end is.
    fn place(&self) -> Place {
        let id = self.image().id;
        match (self.edit(), self.region()) {
            (Some(edit), _) => Place::edit(id, edit.number),
            (None, Some(region)) => Place::region(id, region.number),
            (None, None) => Place::picture(id),
        }
    }
    /// Shows `see` every score that the row has gathered, in the order they were given.
    fn see_scores(&self, see: &mut dyn FnMut(f32));
    /// The columns that rows of this type carry, in the order they were given.
    fn columns() -> Vec<ColumnName>;
    /// The units' names of the scores among them, but for [`NamedScores`]: the flow knows those.
    fn score_names() -> Vec<&'static str> {
        Self::columns()
            .into_iter()
            .filter(|column| column.kind == ColumnKind::Score)
            .map(|column| column.name)
            .collect()
    }

    /// The row without its picture, for who keeps pictures elsewhere.
    fn without_image(&self) -> Self::WithoutImage;
    /// The row that became `without`; `image` is its picture.
    fn with_image(without: &Self::WithoutImage, image: Image) -> Self;
}

/// A picture of a shard, probed but not decoded: 28 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Image {
    pub id: RowId,
    /// Of the picture's bytes as they lie in the shard.
    pub content: ContentHash,
    /// In pixels, as shown (after the EXIF orientation, where the source applies it).
    pub width: u16,
    pub height: u16,
}

/// The unit of a score whose unit is known elsewhere: by its dial, or its column.
pub struct AnyUnit;

impl Image {
    /// The shorter side, in pixels.
    pub fn short_side(&self) -> u16 {
        self.width.min(self.height)
    }
}

impl sealed::Sealed for Image {}
impl Row for Image {
    type WithoutImage = RowId;

    fn image(&self) -> &Image {
        self
    }
    fn see_scores(&self, _see: &mut dyn FnMut(f32)) {}
    fn columns() -> Vec<ColumnName> {
        Vec::new()
    }
    fn without_image(&self) -> RowId {
        self.id
    }
    fn with_image(_without: &RowId, image: Image) -> Self {
        image
    }
}

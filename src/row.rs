//! What may ride a flow: small, ordered records of ids and scores. Never pixels, embeddings, captions or masks.
//!
//! A row names its picture by [`RowId`] (which sample of which shard) and by [`ContentHash`] (what the
//! memo is keyed by). Everything bigger stays where it is: bytes in the memory-mapped shards, keys and
//! sidecars in the shard's index, answers in the memo.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

mod edit;
mod hashed;
mod place;
mod region;
mod slim;
mod told;

pub use edit::{Choice, Edit};
pub use hashed::{Hashed, PerceptualHash};
pub use place::{Of, Place};
pub use region::{Region, RegionKind};
pub use slim::Slim;
pub use told::{Handle, Told, Topic};

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

/// Why a row ended without an answer. Data, not a crash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refusal {
    /// A short fixed word that counts are kept by, in snake_case: `cut_picture`, `too_many_pixels`.
    pub class: Cow<'static, str>,
    /// What failed, the value, and what is allowed, for a person.
    pub message: String,
    /// How long it stands. What was remembered is of the content.
    #[serde(skip, default = "remembered")]
    pub lasts: Lasts,
}

fn remembered() -> Lasts {
    Lasts::Content
}

/// How long a refusal stands: decided where it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lasts {
    /// It says something of the content: it is remembered, until `--retry` asks again.
    Content,
    /// A server, a device or a disk failed, or nobody knows what: the next run asks again.
    #[default]
    Process,
    /// The budget of this run does not pay for it: no failure, and the next run asks.
    Budget,
}

impl Refusal {
    /// The class of what the user's budget does not pay for: it ends the row for this run, and counts as no failure.
    pub const OVER_BUDGET: &'static str = "over_budget";
    /// The class of what this machine had no memory for at that moment: it says nothing of the content.
    pub const OUT_OF_MEMORY: &'static str = "out_of_memory";
    /// The class of an edit that needs a second frame, of a sample that has none: a fact about the sample, and no failure.
    pub const NO_END_FRAME: &'static str = "no_end_frame";

    /// The most letters of a message: what a server said stands in some, and all are remembered and published.
    pub const MOST_LETTERS: usize = 4_000;

    /// A refusal that says something of the content, and would come again for the same content: it is remembered.
    pub fn permanent(class: &'static str, message: impl Into<String>) -> Self {
        Refusal::lasting(Lasts::Content, class, message.into())
    }

    /// A refusal that says nothing of the content: of a server, a device, a disk. The next run asks again. Where it is not known
    /// what failed, it is this.
    pub fn transient(class: &'static str, message: impl Into<String>) -> Self {
        Refusal::lasting(Lasts::Process, class, message.into())
    }

    /// With this message, or its start where it has more than [`Refusal::MOST_LETTERS`].
    fn lasting(lasts: Lasts, class: &'static str, mut message: String) -> Self {
        if let Some((end, _)) = message.char_indices().nth(Self::MOST_LETTERS) {
            message.truncate(end);
            message.push('…');
        }
        Refusal { class: Cow::Borrowed(class), message, lasts }
    }

    /// Whether it is remembered.
    pub fn is_permanent(&self) -> bool {
        self.lasts == Lasts::Content
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

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
}

impl<U> Clone for Score<U> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<U> Copy for Score<U> {}
impl<U> PartialEq for Score<U> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<U> Eq for Score<U> {}
impl<U> PartialOrd for Score<U> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<U> Ord for Score<U> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<U> Hash for Score<U> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<U> fmt::Debug for Score<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}
impl<U> Serialize for Score<U> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de, U> Deserialize<'de> for Score<U> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(|bits| Score(bits, PhantomData))
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
    type Slim: Slim;

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
    /// Shows `see` every score that the row has gathered, by its unit's name, in the order they were given.
    fn see_scores(&self, see: &mut dyn FnMut(&'static str, f32));
    /// The units' names of the scores that rows of this type carry, in the same order.
    fn score_names() -> Vec<&'static str>;

    /// The row without its picture, for who keeps pictures elsewhere.
    fn slim(&self) -> Self::Slim;
    /// The row that became `slim`; `image` is its picture.
    fn whole(slim: &Self::Slim, image: Image) -> Self;
}

/// A picture of a shard, probed but not decoded: 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Image {
    pub id: RowId,
    /// Of the picture's bytes as they lie in the shard.
    pub content: ContentHash,
    /// In pixels, as shown (after the EXIF orientation, where the source applies it).
    pub width: u16,
    pub height: u16,
    /// The score that the pipeline takes from the sidecar, where the sidecar has it; else NaN.
    pub given: Score<Given>,
}

/// The unit of a score that a sidecar gave: whatever the pipeline says that it is.
pub struct Given;

impl Image {
    /// The shorter side, in pixels.
    pub fn short_side(&self) -> u16 {
        self.width.min(self.height)
    }
}

impl sealed::Sealed for Image {}
impl Row for Image {
    type Slim = RowId;

    fn image(&self) -> &Image {
        self
    }
    fn see_scores(&self, _see: &mut dyn FnMut(&'static str, f32)) {}
    fn score_names() -> Vec<&'static str> {
        Vec::new()
    }
    fn slim(&self) -> RowId {
        self.id
    }
    fn whole(_slim: &RowId, image: Image) -> Self {
        image
    }
}

/// A row and the score it was given: what a gate takes.
#[derive(Serialize, Deserialize)]
#[serde(bound = "R: Row")]
pub struct Scored<R, U> {
    pub row: R,
    pub score: Score<U>,
}

impl<R: Clone, U> Clone for Scored<R, U> {
    fn clone(&self) -> Self {
        Scored { row: self.row.clone(), score: self.score }
    }
}
impl<R: PartialEq, U> PartialEq for Scored<R, U> {
    fn eq(&self, other: &Self) -> bool {
        self.score == other.score && self.row == other.row
    }
}
impl<R: Eq, U> Eq for Scored<R, U> {}
impl<R: Ord, U> PartialOrd for Scored<R, U> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<R: Ord, U> Ord for Scored<R, U> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.row.cmp(&other.row).then(self.score.cmp(&other.score))
    }
}
impl<R: Hash, U> Hash for Scored<R, U> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.row.hash(state);
        self.score.hash(state);
    }
}
impl<R: fmt::Debug, U: Unit> fmt::Debug for Scored<R, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}={:?}", self.row, U::NAME, self.score)
    }
}
impl<R: Row, U: Unit> sealed::Sealed for Scored<R, U> {}
impl<R: Row, U: Unit> Row for Scored<R, U> {
    const OF: Of = R::OF;
    type Slim = Scored<R::Slim, U>;

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
        see(U::NAME, self.score.get());
    }
    fn score_names() -> Vec<&'static str> {
        let mut names = R::score_names();
        names.push(U::NAME);
        names
    }
    fn slim(&self) -> Self::Slim {
        Scored { row: self.row.slim(), score: self.score }
    }
    fn whole(slim: &Self::Slim, image: Image) -> Self {
        Scored { row: R::whole(&slim.row, image), score: slim.score }
    }
}

/// Where a row ended. Every row of the input ends in exactly one.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Published, with its scores in the order of the output row's (for a region, of its last flow's)
    /// [`Row::score_names`].
    Kept(Box<[f32]>),
    /// Held back by the dial of this name, at this score.
    Gated { dial: &'static str, score: f32 },
    /// Ended without an answer at the stage of this name.
    Refused(Box<Refused>),
}

/// Bit by bit: a verdict at a score of NaN equals itself, or it could never be taken back.
impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Verdict::Kept(one), Verdict::Kept(other)) => {
                one.iter().map(|score| score.to_bits()).eq(other.iter().map(|score| score.to_bits()))
            }
            (Verdict::Gated { dial, score }, Verdict::Gated { dial: other, score: at }) => {
                dial == other && score.to_bits() == at.to_bits()
            }
            (Verdict::Refused(one), Verdict::Refused(other)) => one == other,
            _ => false,
        }
    }
}

/// A refusal and the stage that it happened at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refused {
    pub stage: Cow<'static, str>,
    pub refusal: Refusal,
}

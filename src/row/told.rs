//! Handles: what a row carries of an answer too large to ride.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{ContentHash, Edit, Image, Of, Region, Row, sealed};

/// What an answer tells of: `nouns`, `caption`.
pub trait Topic: 'static {
    const NAME: &'static str;
}

/// The first 56 bits of the hash of an answer that lies in a memo. Enough, since it only ever tells apart the answers
/// about one picture.
pub struct Handle<T>([u8; 7], PhantomData<fn() -> T>);

impl<T> Handle<T> {
    /// The handle of an answer whose body is `body`.
    pub fn of(body: &[u8]) -> Self {
        let mut bytes = [0; 7];
        bytes.copy_from_slice(&ContentHash::of(body).0[..7]);
        Handle(bytes, PhantomData)
    }
    pub fn from_bytes(bytes: [u8; 7]) -> Self {
        Handle(bytes, PhantomData)
    }
    pub fn bytes(self) -> [u8; 7] {
        self.0
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Handle<T> {}

/// A row and the handle of what an answer told of it. Questions about all that the row says are other questions than
/// those about the row before.
#[derive(Serialize, Deserialize)]
#[serde(bound = "R: Row")]
pub struct Told<R, T> {
    pub row: R,
    handle: [u8; 7],
    #[serde(skip)]
    topic: PhantomData<fn() -> T>,
}

impl<R, T> Told<R, T> {
    pub fn new(row: R, handle: Handle<T>) -> Self {
        Told { row, handle: handle.0, topic: PhantomData }
    }
    pub fn handle(&self) -> Handle<T> {
        Handle::from_bytes(self.handle)
    }
}

impl<R: Clone, T> Clone for Told<R, T> {
    fn clone(&self) -> Self {
        Told { row: self.row.clone(), handle: self.handle, topic: PhantomData }
    }
}
impl<R: PartialEq, T> PartialEq for Told<R, T> {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle && self.row == other.row
    }
}
impl<R: Eq, T> Eq for Told<R, T> {}
impl<R: Ord, T> PartialOrd for Told<R, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<R: Ord, T> Ord for Told<R, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.row.cmp(&other.row).then(self.handle.cmp(&other.handle))
    }
}
impl<R: Hash, T> Hash for Told<R, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.row.hash(state);
        self.handle.hash(state);
    }
}
impl<R: fmt::Debug, T: Topic> fmt::Debug for Told<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.row, T::NAME)?;
        self.handle.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<R: Row, T: Topic> sealed::Sealed for Told<R, T> {}
impl<R: Row, T: Topic> Row for Told<R, T> {
    const OF: Of = R::OF;
    type Slim = Told<R::Slim, T>;

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
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.row.content().0).update(T::NAME.as_bytes()).update(&self.handle);
        ContentHash::from_hasher(&hasher)
    }
    fn see_scores(&self, see: &mut dyn FnMut(&'static str, f32)) {
        self.row.see_scores(see);
    }
    fn score_names() -> Vec<&'static str> {
        R::score_names()
    }
    fn slim(&self) -> Self::Slim {
        Told::new(self.row.slim(), self.handle())
    }
    fn whole(slim: &Self::Slim, image: Image) -> Self {
        Told::new(R::whole(&slim.row, image), slim.handle())
    }
}

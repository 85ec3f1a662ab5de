//! The plain files of a tar, one by one, for readers that want files and not samples.
//!
//! Nothing is hashed, probed or kept: there is a list of names and places, and the bytes of any range. A tar in chunks is one tar, as
//! everywhere in this room. What cannot be read is refused by the same rules as in a shard.

use std::borrow::Cow;

use super::bytes::{Bytes, ChunkStamp};
use super::find::usage;
use super::loose::Holds;
use super::names::quoted;
use super::tar_bytes::Kept;
use super::walk::walk;
use super::{ReadOptions, ShardError, ShardSource};
use crate::row::Refusal;

/// A tar that is open.
pub struct TarFiles {
    bytes: Bytes,
}

/// One plain file of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarFile {
    /// As the tar has it; relative, UTF-8, without `..`.
    pub path: String,
    /// Of the payload, in bytes from the start of the (joined) tar.
    pub offset: u64,
    /// Of the payload, in bytes.
    pub len: u64,
}

/// All that a walk over a tar's headers found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TarListing {
    /// In the order of the tar.
    pub files: Vec<TarFile>,
    /// What is no file that can be read, by its quoted path (`@` and a byte offset where the tar is damaged), with
    /// the classes that [`super::Sample`] lists: `hostile_name`, `not_a_file`, `damaged_tar`, `missing_piece` ...
    pub refused: Vec<(String, Refusal)>,
}

/// What a tar's files looked like when it was opened: their lengths and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarStamp(Vec<ChunkStamp>);

impl TarFiles {
    /// Opens the chunks of `source`; reads nothing yet.
    pub fn open(source: &ShardSource, options: &ReadOptions) -> Result<Self, ShardError> {
        if let Holds::Objects(_) = source.holds {
            return Err(usage(format!(
                "{} lies in an object store, and tars of this kind are read from disks; copy it to one",
                source.place().display()
            )));
        }
        Bytes::open(source, options, Kept::default()).map(|bytes| TarFiles { bytes })
    }

    /// Walks the headers from the first byte to the end of the tar, or to its first damage.
    pub fn list(&self) -> TarListing {
        let walk = walk(&self.bytes);
        let mut listing = TarListing::default();
        for entry in walk.entries {
            match (entry.refusal, String::from_utf8(entry.path)) {
                (None, Ok(path)) => {
                    listing.files.push(TarFile { path, offset: entry.offset, len: entry.len });
                }
                (Some(refusal), Ok(path)) => listing.refused.push((quoted(path.as_bytes()), refusal)),
                (refusal, Err(path)) => {
                    let refusal =
                        refusal.unwrap_or_else(|| Refusal::permanent("hostile_name", "is not UTF-8"));
                    listing.refused.push((quoted(path.as_bytes()), refusal));
                }
            }
        }
        listing.refused.extend(walk.damage.map(|damage| (format!("@{}", damage.at), damage.refusal)));
        listing
    }

    /// `len` bytes at `offset`, touched on the calling thread; borrowed from the map where they lie in one chunk.
    pub fn bytes(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Refusal> {
        self.bytes.slice(offset, len)
    }

    /// Whether its files still look as they did when it was opened: what was read since is of that opening.
    pub fn unchanged(&self) -> bool {
        self.bytes.unchanged()
    }

    /// How many files this holds open.
    pub fn open_files(&self) -> usize {
        self.bytes.files()
    }

    /// What its files looked like when it was opened: a place found in one opening holds in another of the same stamp.
    pub fn stamp(&self) -> TarStamp {
        TarStamp(self.bytes.stamps().to_vec())
    }
}

//! Shards, found and indexed once: tars, plain or in chunks, which are memory-mapped, and folders of loose files. This is the only room that
//! gives out bytes of pictures.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::object::{CacheOptions, Objects};
use crate::row::{ContentHash, Refusal};

mod bytes;
mod catalogue;
mod check;
mod file_chunk;
mod file_lists;
mod files;
mod find;
mod find_objects;
mod folder;
mod guarded;
mod index;
mod index_file;
mod lenient;
mod listing;
mod look;
mod loose;
mod loose_bytes;
mod names;
mod numbers;
mod object_chunk;
mod origin;
mod packed;
mod probe;
mod sample;
mod shard_names;
mod sidecar;
mod sidecar_numbers;
mod sources;
mod tar_bytes;
#[cfg(test)]
mod tests;
mod text;
mod texts;
mod walk;

pub use catalogue::Catalogue;
pub use check::StoreDamage;
pub(crate) use check::check_store;
pub use files::{TarFile, TarFiles, TarListing, TarStamp};
pub use find::{find, find_with, sorted_by_name};
pub use folder::{FoundPictures, find_pictures};
pub use guarded::guarded;
pub use index::content_of;
pub use lenient::{Change, Changed, MOST_CHANGES, StrictJson, strict_json};
pub use look::EndFrame;
pub use loose::{FileBytes, FileMember, Holds, LooseFiles, undivided};
pub(crate) use numbers::{named_in, take_over};
pub use origin::Origin;
pub use origin::VERSION as ORIGIN_VERSION;
pub use probe::{
    Probed, TiffDirectory, TiffField, format_of, mended_webp, next_jpeg_marker, orientation_of, probe,
};
pub use shard_names::ShardNames;
pub use sidecar_numbers::SidecarNumbers;
pub(crate) use sources::{StaleList, stale_lists};
pub use text::{Decoded, Holding, decode};

/// A shard as the user named it: where its bytes lie, and the name that outputs know it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardSource {
    /// Of a tar the path relative to the fixed part of the pattern that found it, without `.tar` or `.tar.split.NNN`,
    /// parts joined by `/`: `laion/*.tar` finds `laion/00012.tar` as `00012`. Of a folder of pictures its own name.
    pub name: String,
    /// What it is made of.
    pub holds: Holds,
}

/// What stops a shard (or the whole list) from being read at all: the caller ends with exit code 2 or 1.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// What was named is not there, or means two things: the user has to name something else.
    #[error("{0}")]
    Usage(String),
    /// A file or folder failed.
    #[error("{path}: {source}; {next}", path = path.display())]
    Io {
        /// The file or folder that failed.
        path: PathBuf,
        /// How it failed.
        source: std::io::Error,
        /// What to do next.
        next: &'static str,
    },
}

/// What was to be read could not be had at this moment: the disk failed, or the shard was moved or written over under the run. Says
/// nothing of the content, so it is never remembered and never taken for "there is none".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub Refusal);

impl Unreadable {
    /// A refusal that says something of the content, or else this.
    pub fn split(refusal: Refusal) -> Result<Refusal, Self> {
        if refusal.is_permanent() { Ok(refusal) } else { Err(Unreadable(refusal)) }
    }
}

impl From<ShardError> for Unreadable {
    fn from(error: ShardError) -> Self {
        Unreadable(Refusal::transient("unreadable_shard", error.to_string()))
    }
}

/// What is read, and how. All of it but `mmap`, `cache` and `objects` shapes rows, and so is part of the index's own stamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Map files into memory; else plain reads (for files that may be truncated while they are read).
    #[serde(skip)]
    pub mmap: bool,
    /// Where shards that lie in stores are kept; the catalogue keeps them in its store where none is named.
    #[serde(skip)]
    pub cache: CacheOptions,
    /// Who reads those whose place alone is known.
    #[serde(skip)]
    pub objects: Objects,
    /// Most pixels that a picture may have; default 178,956,970 (Pillow's decompression-bomb limit times two).
    pub max_pixels: u64,
    /// Most bytes that one member may have; default 512 MiB.
    pub max_bytes: u64,
    /// Follow the EXIF orientation: width and height are then those of the upright picture. Default true.
    pub exif_orientation: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            mmap: true,
            cache: CacheOptions::default(),
            objects: Objects::default(),
            max_pixels: 178_956_970,
            max_bytes: 512 << 20,
            exif_orientation: true,
        }
    }
}

impl ReadOptions {
    /// Whether a walk with `self` and one with `other` give the same rows: how the files are read does not count.
    fn gives_same_rows_as(&self, other: &Self) -> bool {
        self.of_rows() == other.of_rows()
    }

    /// What of this shapes rows; the rest is as it is by default.
    pub(crate) fn of_rows(&self) -> Self {
        let ReadOptions { max_pixels, max_bytes, exif_orientation, .. } = *self;
        ReadOptions { max_pixels, max_bytes, exif_orientation, ..ReadOptions::default() }
    }
}

/// What a picture's first bytes say that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
}

/// One file of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What follows the first dot of the last part of the path, lower-cased: `jpg`, `json`, `seg.png`.
    pub extension: String,
    /// Of the payload, in bytes from the start of the (joined) tar.
    pub offset: u64,
    /// Of the payload, in bytes.
    pub len: u64,
}

/// A picture that was probed (its header read), not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Which of the sample's members it is.
    pub member: u32,
    /// Of its bytes as they lie in the shard: what the memo is keyed by. Where the sample has an
    /// [end frame](Sample::end_frame), of both: such a sample is asked about as a pair.
    pub content: ContentHash,
    /// By its first bytes.
    pub format: Format,
    /// In pixels, as shown (see [`ReadOptions::exif_orientation`]).
    pub width: u16,
    /// In pixels, as shown.
    pub height: u16,
    /// 1 to 8 as EXIF counts them; 1 where there is none, or where it is not to be followed.
    pub orientation: u8,
}

/// One row of the input: a sample, or a place in the shard that had to be refused.
///
/// Classes of refusals that a walk gives: `damaged_tar` and `missing_piece` (one a shard, always its last row),
/// `hostile_name`, `not_a_file`, `sparse_file`, `bad_extended_header` (a member each; no members in the row, so
/// that nothing of it can be handed out), `key_returns`, `duplicate_member`, `no_picture`, `several_pictures`,
/// `not_a_picture`, `broken_picture`, `no_size`, `too_many_pixels`, `too_many_bytes` (a sample each), and
/// `cut_while_read`, `unreadable` (a file that failed under the walk: not kept, looked at again by the next run).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Path up to the first dot of its last part; unique in the shard but for refused rows. A member that was
    /// refused on its own has its path here, lossily; damage in the tar has `@` and its byte offset.
    pub key: String,
    /// Its files, in the order of the tar; none where a member was refused on its own.
    pub members: Vec<Member>,
    /// The one picture, or why the row has none that can be used.
    pub picture: Result<Picture, Refusal>,
    /// Top-level numbers of the `.json` sidecar, by name, in the order of the file; those that stand as strings, too.
    pub numbers: Vec<(String, f32)>,
    /// What of the sidecars could not be used as it stands: `bad_sidecar` where the `.json` is lost, `bad_fields` where single
    /// fields are, each told with its value and why. The picture is not lost by it.
    pub sidecar_refusal: Option<Box<Refusal>>,
}

/// The extension of an end frame begins so: `end.jpg`, `end.png`.
const END_FRAME: &str = "end.";

/// The extension of the file that marks a sample as one of a demo: `KEY.demonstration` beside `KEY.jpg`.
pub const DEMONSTRATION: &str = "demonstration";

impl Sample {
    /// Whether the sample is one of a demo, as a file of its own says: models made for the demo alone know such pictures.
    pub fn is_demonstration(&self) -> bool {
        self.members.iter().any(|member| member.extension == DEMONSTRATION)
    }

    /// The second frame of the sample's picture, a file such as `KEY.end.jpg` beside `KEY.jpg`: what a video shows a moment
    /// later. Where there are several, the first.
    pub fn end_frame(&self) -> Option<&Member> {
        end_frame(&self.members).map(|(_, member)| member)
    }
}

fn end_frame(members: &[Member]) -> Option<(usize, &Member)> {
    let is_picture = |extension: &str| sample::PICTURES.contains(&extension);
    let is_it =
        |(_, member): &(usize, &Member)| member.extension.strip_prefix(END_FRAME).is_some_and(is_picture);
    members.iter().enumerate().find(is_it)
}

/// What a walk over a shard found. Written beside the store, so that a second run does not walk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardIndex {
    /// Of every member's path, place and content, and of what was made of it: a changed file is a new shard.
    pub fingerprint: ContentHash,
    /// In the order of their first members in the tar; `RowId::member` counts them from 0.
    pub samples: Vec<Sample>,
    /// How many members are no rows, because systems leave them beside a user's files: `._*`, `.DS_Store`, `Thumbs.db`.
    pub passed_over: u64,
}

/// A shard that is open: its index and its bytes.
pub struct Shard {
    /// The number that the catalogue gave to (name, fingerprint): `RowId::shard`.
    pub seq: u32,
    /// See [`ShardSource::name`].
    pub name: String,
    /// Every row of the shard.
    pub index: ShardIndex,
    bytes: bytes::Bytes,
    options: ReadOptions,
    /// What the files looked like when they were last known to hold what the index tells of; `None` once they hold something else.
    known: Mutex<Option<Vec<bytes::ChunkStamp>>>,
}

/// The sidecar of a sample as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// The `.json` member where it holds one object: its own text as JSON that everybody reads, without white space between tokens.
    pub json: Option<String>,
    /// The `.txt` member, else the JSON's `caption`, else its `cap`; of a list, the first. What is empty is none.
    pub caption: Option<String>,
}

/// How many members a tar's headers name, looking into none of them: what a walk costs by itself.
pub fn count_members(source: &ShardSource) -> Result<u64, ShardError> {
    let options = ReadOptions::default();
    let bytes = bytes::Bytes::open(source, &options, tar_bytes::Kept::default())?;
    Ok(walk::walk(&bytes).entries.len() as u64)
}

impl Shard {
    fn new(seq: u32, name: String, index: ShardIndex, bytes: bytes::Bytes, options: ReadOptions) -> Self {
        // Loose files are held against what they looked like one by one.
        let known = if bytes.loose().is_some() { Vec::new() } else { bytes.stamps().to_vec() };
        let known = Mutex::new(Some(known));
        Shard { seq, name, index, bytes, options, known }
    }

    /// The bytes of a sample's picture as they lie in the shard, touched on the calling thread.
    ///
    /// Borrowed from the map where the picture lies in one chunk; a refused sample gives its refusal back. They are hashed and held
    /// against the index, end frame and all: whatever files and their times say, no answer is remembered about another picture.
    pub fn picture_bytes(&self, sample: u32) -> Result<Cow<'_, [u8]>, Refusal> {
        let Some(sample) = self.sample(sample) else { return Err(self.no_such_sample(sample)) };
        let picture = sample.picture.as_ref().map_err(Refusal::clone)?;
        let Some(member) = sample.members.get(picture.member as usize) else {
            let message = format!("{:?} has no member {}", sample.key, picture.member);
            return Err(Refusal::permanent("no_such_sample", message));
        };
        let read = |member: &Member| self.bytes.slice_to_hash(member.offset, member.len);
        let bytes = read(member)?;
        let end = sample.end_frame().map(read).transpose()?;
        let content = content_of(ContentHash::of(&bytes), end.map(|end| ContentHash::of(&end)));
        if content == picture.content { Ok(bytes) } else { Err(self.changed()) }
    }

    /// That its files still hold what its index tells of: what was read since it was opened is that. Of loose files it is already: they
    /// are held against their looks when they are read.
    ///
    /// They are known by what they look like. Where that changed (a backup made a hard link, somebody changed the rights), they are
    /// walked once more, and what is found there counts.
    pub(crate) fn check_unchanged(&self) -> Result<(), Refusal> {
        if self.bytes.loose().is_some() {
            return Ok(());
        }
        // A panic elsewhere leaves it whole: each change of it is one assignment.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = &*known else { return Err(self.changed()) };
        let now = self.bytes.look_now().map_err(|error| {
            let message = format!("the files of the shard {:?} cannot be looked at: {error}", self.name);
            Refusal::transient("unreadable", message)
        })?;
        if now == *before {
            return Ok(());
        }
        let lengths =
            |stamps: &[bytes::ChunkStamp]| stamps.iter().map(bytes::ChunkStamp::len).collect::<Vec<_>>();
        let same_lengths = lengths(&now) == lengths(before);
        let still_the_same = same_lengths && {
            bytes::Bytes::let_age(&now);
            index::build(&self.bytes, &self.options).fingerprint == self.index.fingerprint
                && self.bytes.look_now().is_ok_and(|later| later == now)
        };
        *known = still_the_same.then_some(now);
        if still_the_same { Ok(()) } else { Err(self.changed()) }
    }

    /// Reads of the bytes. Where a loose file looks otherwise than it did, all of them are walked once more, and what is found there
    /// counts, as in [`Shard::check_unchanged`].
    fn held<T>(&self, read: impl Fn() -> Result<T, Refusal>) -> Result<T, Refusal> {
        match (read(), self.bytes.loose()) {
            (Err(refusal), Some(loose)) if refusal.class == loose_bytes::CHANGED => {
                if !self.is_still_the_same(loose) {
                    return Err(refusal);
                }
                read()
            }
            (read, _) => read,
        }
    }

    fn is_still_the_same(&self, loose: &loose_bytes::LooseBytes) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lengths = |stamps: &[bytes::ChunkStamp]| stamps.iter().map(bytes::ChunkStamp::len).collect();
        let now = loose.look_now();
        let (before, after): (Vec<u64>, Vec<u64>) = (lengths(loose.stamps()), lengths(&now));
        let is_same = known.is_some() && before == after && {
            bytes::Bytes::let_age(&now);
            let again =
                loose_bytes::LooseBytes::known(loose.files().clone(), now.clone(), self.options.max_bytes);
            let again = bytes::Bytes::Loose(again);
            index::build(&again, &self.options).fingerprint == self.index.fingerprint && again.unchanged()
        };
        if is_same {
            loose.accept(now);
        } else {
            *known = None;
        }
        is_same
    }

    /// The file of a member of a shard of loose files, relative to the folder where it lies in it; none for a tar.
    pub fn file_of(&self, member: &Member) -> Option<String> {
        let loose = self.bytes.loose()?;
        loose.member_at(member.offset).map(|member| loose.files().shown(member))
    }

    /// The folder of a shard of loose files, as it was named; none for a tar.
    pub fn folder(&self) -> Option<&Path> {
        self.bytes.loose().map(|loose| loose.files().folder.as_path())
    }

    fn changed(&self) -> Refusal {
        let message = format!(
            "the shard {:?} changed while it was read; leave shards alone while they are read, then run again",
            self.name
        );
        Refusal::transient("changed_while_read", message)
    }

    /// The bytes of any member.
    pub fn member_bytes(&self, member: &Member) -> Result<Cow<'_, [u8]>, Refusal> {
        self.held(|| self.bytes.slice(member.offset, member.len))
    }

    /// The sidecar of a sample; empty where it has none, or none that is of use (its `sidecar_refusal` says why).
    ///
    /// An error where its bytes cannot be had: then nobody knows what it says, not even that there is none.
    pub fn sidecar(&self, sample: u32) -> Result<Sidecar, Unreadable> {
        let Some(known) = self.sample(sample) else { return Err(Unreadable(self.no_such_sample(sample))) };
        if !known.members.iter().any(|member| matches!(&*member.extension, "json" | "txt")) {
            return Ok(Sidecar::default());
        }
        let read = self.held(|| sidecar::read(&known.members, &self.bytes, true)).map_err(Unreadable)?;
        // What was read of other bytes is not this sample's.
        self.check_unchanged().map_err(Unreadable)?;
        Ok(Sidecar { json: read.json, caption: read.caption })
    }

    fn no_such_sample(&self, sample: u32) -> Refusal {
        let message =
            format!("the shard {:?} has {} samples, no number {sample}", self.name, self.index.samples.len());
        Refusal::permanent("no_such_sample", message)
    }

    fn sample(&self, sample: u32) -> Option<&Sample> {
        self.index.samples.get(sample as usize)
    }
}

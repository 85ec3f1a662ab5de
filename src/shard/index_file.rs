//! Index files: what a walk found, kept under `store/index/` so that the next run does not walk.
//!
//! The layout is `TFIX`, the format's version, the CRC-32 of the rest, then zstd over postcard. A file is no index if it cannot be read, is
//! of another version, was made with other options, or if its chunks changed. Then the shard is walked again without a message, because
//! nothing is lost.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bytes::ChunkStamp;
use super::loose::Holds;
use super::loose_bytes::{CHANGED, UNREADABLE};
use super::packed::Kind;
use super::{ReadOptions, ShardError, ShardIndex, ShardSource};
use crate::row::{ContentHash, Lasts};

/// Raise it when the layout changes, or when a walk or a probe of the same bytes gives other rows.
const KIND: Kind = Kind { magic: *b"TFIX", version: 3 };

#[derive(Serialize)]
struct ToWrite<'a> {
    options: &'a ReadOptions,
    missing: Option<&'a str>,
    stamps: &'a [ChunkStamp],
    sample: ContentHash,
    index: &'a ShardIndex,
}

#[derive(Deserialize)]
struct Read {
    options: ReadOptions,
    missing: Option<String>,
    stamps: Vec<ChunkStamp>,
    sample: ContentHash,
    index: ShardIndex,
}

/// What an index was made from: it fits as long as all of this is the same.
pub(super) struct Origin<'a> {
    pub(super) options: &'a ReadOptions,
    pub(super) missing: Option<&'a str>,
    pub(super) stamps: &'a [ChunkStamp],
}

/// Where the index of a shard lies: named by the shard's name and place, never by a member.
pub(super) fn path_of(store: &Path, source: &ShardSource) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    let first = match &source.holds {
        Holds::Tar(chunks) if chunks.is_empty() => PathBuf::new(),
        // A revision that leaves a file as it is changes nothing.
        Holds::Objects(chunks) => match chunks.first() {
            Some(Ok(object)) => object.url.whatever_revision().into(),
            _ => source.place(),
        },
        _ => std::path::absolute(source.place()).unwrap_or_else(|_| source.place()),
    };
    hasher.update(&(source.name.len() as u64).to_le_bytes());
    hasher.update(source.name.as_bytes());
    hasher.update(first.as_os_str().as_encoded_bytes());
    store.join("index").join(format!("{}.idx", ContentHash::from_hasher(&hasher)))
}

/// An index that was read back, if what [`Bytes::sample`](super::bytes::Bytes::sample) says now is still this: times and numbers
/// of files may be what some store makes of them.
pub(super) struct Dated {
    pub(super) sample: ContentHash,
    pub(super) index: ShardIndex,
}

/// An index as it lies in its file.
pub(super) fn encode(
    origin: &Origin<'_>,
    sample: ContentHash,
    index: &ShardIndex,
) -> std::io::Result<Vec<u8>> {
    let kept =
        ToWrite { options: origin.options, missing: origin.missing, stamps: origin.stamps, sample, index };
    let plain = postcard::to_stdvec(&kept).map_err(std::io::Error::other)?;
    KIND.pack(&plain)
}

/// Reads an index back, if it is whole and was made from `origin`.
pub(super) fn decode(file: &[u8], origin: &Origin<'_>) -> Option<Dated> {
    let read = read(file)?;
    let fits = read.options.gives_same_rows_as(origin.options)
        && read.missing.as_deref() == origin.missing
        && read.stamps == origin.stamps;
    fits.then_some(Dated { sample: read.sample, index: read.index })
}

/// Reads an index back, whatever options it was made with, if it is whole and of files with these stamps.
pub(super) fn decode_of_any_options(file: &[u8], stamps: &[ChunkStamp]) -> Option<Dated> {
    let read = read(file).filter(|read| read.stamps == stamps)?;
    Some(Dated { sample: read.sample, index: read.index })
}

/// Reads an index back with what its files looked like, if it is whole: of loose files, each is held against its looks when it is read.
pub(super) fn decode_with_stamps(file: &[u8]) -> Option<(ShardIndex, Vec<ChunkStamp>)> {
    read(file).map(|read| (read.index, read.stamps))
}

/// Whether an index file is as it was written; of one of an earlier version only its bytes are looked at.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let sound = |version: u32| version < KIND.version || read(file).is_some();
    KIND.version_of(file).is_some_and(|version| (1..=KIND.version).contains(&version) && sound(version))
}

fn read(file: &[u8]) -> Option<Read> {
    let plain = KIND.unpack(file)?;
    let mut read: Read = postcard::from_bytes(&plain).ok()?;
    // How long a refusal lasts is not written: these say something for as long as the files look so.
    for sample in &mut read.index.samples {
        if let Err(refusal) = &mut sample.picture
            && matches!(&*refusal.class, UNREADABLE | CHANGED)
        {
            refusal.lasts = Lasts::Process;
        }
    }
    Some(read)
}

/// Puts an encoded index in its place: whole or not at all.
pub(super) fn write(path: &Path, file: &[u8]) -> Result<(), ShardError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let refused = |source| ShardError::Io {
        path: path.to_path_buf(),
        source,
        next: "check that the store's disk has room and may be written to",
    };
    std::fs::create_dir_all(folder).map_err(refused)?;
    // A store may be shared: as open as the user's umask says, not private as temporary files are.
    let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut builder = tempfile::Builder::new();
    let mut temporary = builder.prefix(".index-").permissions(shared).tempfile_in(folder).map_err(refused)?;
    temporary.write_all(file).map_err(refused)?;
    temporary.as_file().sync_data().map_err(refused)?;
    temporary.persist(path).map_err(|e| refused(e.error))?;
    Ok(())
}

//! The bytes of a shard, joined, so that all other code sees one row of bytes: those of a tar, or those of loose files one behind the other.

use std::borrow::Cow;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::loose::Holds;
use super::loose_bytes::LooseBytes;
use super::tar_bytes::{Kept, TarBytes};
use super::{ReadOptions, ShardError, ShardSource};
use crate::object::Version;
use crate::row::{ContentHash, Refusal};

/// What a chunk's file looked like when it was opened: an index fits as long as this does not change.
///
/// Times of writing can be set, as `cp -p` and `rsync -t` do; the time of the last change to the file or what is known of it
/// (ctime) cannot, where a file system has one. Where it has none, the number of the file may tell, and
/// [`Bytes::sample`]. The number of the device is left out: network file systems get another at every mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChunkStamp {
    len: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: u64,
}

/// A clock that stamps files may tick every 10 ms: within a tick, a change goes unnoticed.
const A_TICK: Duration = Duration::from_millis(20);
/// One that stamps whole seconds may tick every two.
const A_COARSE_TICK: Duration = Duration::from_millis(2100);

impl ChunkStamp {
    /// Of a file that cannot be looked at. It has a byte, so that whoever reads it is told so.
    pub(super) const GONE: ChunkStamp = ChunkStamp { len: 1, mtime: (i64::MIN, 0), ctime: (0, 0), inode: 0 };

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// How long to wait until no change of the file can bear the time that it bears now.
    fn unripe(&self) -> Duration {
        let tick = if self.mtime.1 == 0 && self.ctime.1 == 0 { A_COARSE_TICK } else { A_TICK };
        let age = |(seconds, nanos): (i64, i64)| {
            let since = Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
            SystemTime::now().duration_since(UNIX_EPOCH + since).ok()
        };
        // A time in the future says nothing.
        let youngest = [self.mtime, self.ctime].into_iter().filter_map(age).min();
        youngest.map_or(Duration::ZERO, |age| tick.saturating_sub(age))
    }

    pub(super) fn of(metadata: &std::fs::Metadata) -> Self {
        ChunkStamp {
            len: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// Of a version of an object: its length, and what tells it from others. Its time says nothing of when it may change again.
    pub(super) fn of_object(version: &Version) -> Self {
        let mut identity = [0; 8];
        identity.copy_from_slice(&version.identity().0[..8]);
        ChunkStamp { len: version.len, mtime: (0, 0), ctime: (0, 0), inode: u64::from_le_bytes(identity) }
    }

    /// Of a text that has no file: its length, and nothing else.
    pub(super) fn of_text(text: &[u8]) -> Self {
        ChunkStamp { len: text.len() as u64, mtime: (0, 0), ctime: (0, 0), inode: 0 }
    }
}

/// A sample reads so many blocks ...
const SAMPLED_BLOCKS: u64 = 8;
/// ... of so many bytes each.
const SAMPLED_BLOCK: u64 = 16 << 10;

/// The places of a sample of `len` bytes, each with its length: the first block, the last one and six between, one somewhere in each sixth;
/// all of 128 KiB or less. They follow from the length.
pub(super) fn sampled(len: u64) -> Vec<(u64, u64)> {
    if len <= SAMPLED_BLOCKS * SAMPLED_BLOCK {
        return vec![(0, len)];
    }
    let mut places = vec![(0, SAMPLED_BLOCK)];
    let (between, middle) = (SAMPLED_BLOCKS - 2, len - 2 * SAMPLED_BLOCK);
    for block in 0..between {
        let (from, until) = (middle / between * block, middle / between * (block + 1));
        let mut seed = [0; 8];
        seed.copy_from_slice(&ContentHash::of(&[len.to_le_bytes(), block.to_le_bytes()].concat()).0[..8]);
        let at = from + u64::from_le_bytes(seed) % (until - from - SAMPLED_BLOCK + 1);
        places.push((SAMPLED_BLOCK + at, SAMPLED_BLOCK));
    }
    places.push((len - SAMPLED_BLOCK, SAMPLED_BLOCK));
    places
}

/// The joined bytes of a shard.
pub(super) enum Bytes {
    Tar(TarBytes),
    Loose(LooseBytes),
}

impl Bytes {
    /// Opens what `source` is made of. At most `max_bytes` are copied at once, where bytes have to be copied. What is kept of objects is in `kept`.
    pub(super) fn open(source: &ShardSource, options: &ReadOptions, kept: Kept) -> Result<Self, ShardError> {
        let max_copy = options.max_bytes;
        Ok(match &source.holds {
            Holds::Tar(chunks) => Bytes::Tar(TarBytes::open(chunks, options.mmap, max_copy)?),
            Holds::Objects(chunks) => Bytes::Tar(TarBytes::of_objects(chunks, kept, max_copy)?),
            Holds::Files(files) => Bytes::Loose(LooseBytes::open(files.clone(), max_copy)),
        })
    }

    /// Does `work` with whole objects at hand, for a reader of all of them.
    pub(super) fn holding<T>(&self, work: impl FnOnce() -> T) -> Result<T, ShardError> {
        let Bytes::Tar(tar) = self else { return Ok(work()) };
        tar.hold()?;
        let done = work();
        tar.let_go();
        Ok(done)
    }

    /// The loose files, where it is of such.
    pub(super) fn loose(&self) -> Option<&LooseBytes> {
        match self {
            Bytes::Tar(_) => None,
            Bytes::Loose(loose) => Some(loose),
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Bytes::Tar(tar) => tar.len(),
            Bytes::Loose(loose) => loose.len(),
        }
    }

    /// Waits until no change of files that look so can go unnoticed: after that, what is read is what the stamps stand for.
    #[expect(
        clippy::disallowed_methods,
        reason = "a file that is written this very moment, and then milliseconds (two seconds where times are whole seconds)"
    )]
    pub(super) fn let_age(stamps: &[ChunkStamp]) {
        std::thread::sleep(stamps.iter().map(ChunkStamp::unripe).max().unwrap_or(Duration::ZERO));
    }

    /// Of a few bytes, at places that follow from lengths: eight blocks of every chunk of a tar, eight of all files of a shard of loose
    /// files, whose names and texts count too.
    pub(super) fn sample(&self) -> Result<ContentHash, Refusal> {
        match self {
            Bytes::Tar(tar) => tar.sample(),
            Bytes::Loose(loose) => loose.sample(),
        }
    }

    /// What the files looked like when this was opened.
    pub(super) fn stamps(&self) -> &[ChunkStamp] {
        match self {
            Bytes::Tar(tar) => tar.stamps(),
            Bytes::Loose(loose) => loose.stamps(),
        }
    }

    /// How many files this holds open.
    pub(super) fn files(&self) -> usize {
        match self {
            Bytes::Tar(tar) => tar.files(),
            Bytes::Loose(_) => 0,
        }
    }

    /// Whether the files still look as they did when they were opened.
    pub(super) fn unchanged(&self) -> bool {
        self.look_now().is_ok_and(|now| now == self.stamps())
    }

    /// What the files look like now: of a tar those that are open, whatever lies under their names by now; loose files by their names.
    pub(super) fn look_now(&self) -> std::io::Result<Vec<ChunkStamp>> {
        match self {
            Bytes::Tar(tar) => tar.look_now(),
            Bytes::Loose(loose) => Ok(loose.look_now()),
        }
    }

    /// The file name of the first chunk that is missing, where one is known to be.
    pub(super) fn missing(&self) -> Option<String> {
        match self {
            Bytes::Tar(tar) => tar.missing(),
            Bytes::Loose(_) => None,
        }
    }

    /// `len` bytes from `offset`: borrowed from the map where they lie in one mapped chunk.
    pub(super) fn slice(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Refusal> {
        match self {
            Bytes::Tar(tar) => tar.slice(offset, len),
            Bytes::Loose(loose) => loose.copy(offset, len).map(Cow::Owned),
        }
    }

    /// As [`Bytes::slice`], for a reader who hashes what he is given: a loose file may look otherwise by now, if it is as long.
    pub(super) fn slice_to_hash(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Refusal> {
        match self {
            Bytes::Tar(tar) => tar.slice(offset, len),
            Bytes::Loose(loose) => loose.copy_to_hash(offset, len).map(Cow::Owned),
        }
    }

    /// Like [`Bytes::slice`], for a reader who will look at the first pages only: nothing is fetched beforehand.
    pub(super) fn peek(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Refusal> {
        match self {
            Bytes::Tar(tar) => tar.peek(offset, len),
            Bytes::Loose(loose) => loose.copy(offset, len).map(Cow::Owned),
        }
    }

    /// Shows `see` the bytes of a range part by part, whatever their number, in bounded memory.
    pub(super) fn pass(&self, offset: u64, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        match self {
            Bytes::Tar(tar) => tar.pass(offset, len, see),
            Bytes::Loose(loose) => loose.pass(offset, len, see),
        }
    }
}

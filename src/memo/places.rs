//! Where the memos of a store lie. A store is a set of segments: each has one writer, and any number of readers. A process writes one of them,
//! and reads what is whole of the others.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limits::Locked;
use crate::row::ContentHash;

/// The most segments of a store beside its first.
pub const MOST_SEGMENTS: u16 = 2047;

/// A segment of a store. The first is the store's folder itself, so that a store from before there were segments is one segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// 0 is the first.
    pub number: u16,
    pub folder: PathBuf,
}

impl Segment {
    /// The segment of this number of a store; it need not be there yet.
    pub fn of(store: &Path, number: u16) -> Self {
        let folder = match number {
            0 => store.to_owned(),
            number => store.join("segments").join(format!("{number:04}")),
        };
        Segment { number, folder }
    }

    /// All that are there, the first before the others.
    pub fn all(store: &Path) -> std::io::Result<Vec<Self>> {
        let mut numbers = vec![0];
        match std::fs::read_dir(store.join("segments")) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    let name = entry.file_name();
                    let digits =
                        |name: &&str| name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit());
                    let number = name.to_str().filter(digits).and_then(|name| name.parse().ok());
                    let is_one = |number: &u16| (1..=MOST_SEGMENTS).contains(number) && entry.path().is_dir();
                    numbers.extend(number.filter(is_one));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| Segment::of(store, number)).collect())
    }

    /// Keeps the segments of a store as they are for as long as this is held: none is merged or cleaned meanwhile. `None` where nobody has written to
    /// the store yet, or where its file system knows no locks.
    ///
    /// # Errors
    /// Of the kind `WouldBlock` where they are being merged or cleaned.
    pub fn keep_all(store: &Path) -> std::io::Result<Option<Locked>> {
        lock(store, File::try_lock_shared, "it is being merged or cleaned: wait for that to end")
    }

    /// The same for who merges or cleans them.
    ///
    /// # Errors
    /// Of the kind `WouldBlock` where somebody reads them.
    pub fn change_all(store: &Path) -> std::io::Result<Option<Locked>> {
        lock(store, File::try_lock, "a plan, a release or a part reads it: wait for that to end")
    }

    /// Makes the file of this lock, where a store is written.
    pub fn make_lock(store: &Path) -> std::io::Result<()> {
        File::options().create(true).append(true).open(store.join(READERS)).map(drop)
    }

    /// Where its memos lie.
    pub fn memos(&self) -> PathBuf {
        self.folder.join("memo")
    }
}

/// Held by who reads the segments of a store, or changes them all.
const READERS: &str = ".readers";

/// `held` is what there is to say where another process holds it.
fn lock(
    store: &Path,
    take: fn(&File) -> Result<(), TryLockError>,
    held: &'static str,
) -> std::io::Result<Option<Locked>> {
    let file = match File::open(store.join(READERS)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match take(&file) {
        Ok(()) => Ok(Some(Locked(file))),
        Err(TryLockError::WouldBlock) => Err(std::io::Error::new(std::io::ErrorKind::WouldBlock, held)),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// The folder of a segment's memos, and the lowest generation of refusals in it that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub folder: PathBuf,
    pub generation: u32,
}

/// The shard that a question came from, as memos note it: the start of the hash of its name. 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FromShard(pub(super) u64);

impl FromShard {
    /// Of a shard of this name.
    pub fn named(name: &str) -> Self {
        let hash = ContentHash::of(name.as_bytes());
        FromShard(hash.0.first_chunk().map_or(1, |first| u64::from_le_bytes(*first)).max(1))
    }
}

/// Where memos are read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The one that is written, where any is. Refusals of an earlier generation are forgotten in all of them.
    pub own: Place,
    /// What others wrote, in the order of the segments.
    pub others: Vec<Place>,
    /// Of the others, only answers to questions that came from these shards, or from nobody knows where.
    pub only_from: Option<Arc<HashSet<FromShard>>>,
}

impl Places {
    /// All segments of a store, to be read: refusals of every generation count.
    pub fn of_store(store: &Path) -> std::io::Result<Self> {
        let mut all = Segment::all(store)?.into_iter().map(|it| Place { folder: it.memos(), generation: 0 });
        let own =
            all.next().unwrap_or_else(|| Place { folder: Segment::of(store, 0).memos(), generation: 0 });
        Ok(Places { own, others: all.collect(), only_from: None })
    }

    /// One folder, and no other.
    pub fn alone(folder: &Path, generation: u32) -> Self {
        let own = Place { folder: folder.to_owned(), generation };
        Places { own, others: Vec::new(), only_from: None }
    }
}

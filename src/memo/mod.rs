//! The durable store of answers: (stamp, content) -> answer, write-once.
//!
//! There is one append-only log for each stamp (`log`), and an index in memory of about 32 bytes an answer. An answer has an inline part of
//! up to `INLINE` bytes, which is in memory: up to `NARROW` bytes (every score fits) in the index, more beside it. So replaying ten million
//! rows reads the log once from start to end and never seeks. An answer may also have a blob of any size (boxes, a mask, an embedding), which stays on disk and is read by its place.
//!
//! Write-once: models do not always give the same answer, so the first answer wins, and every later asker gets the first. A refusal is an
//! answer too. It is remembered with its *generation*, and is forgotten when the memo is opened with a higher generation (`--retry`).
//!
//! Damaged answers are forgotten, and so are asked again. [`Damage`] describes them.

mod admit;
mod compact;
mod damage;
mod index;
mod log;
mod passing;
mod places;
mod scan;

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard};

pub use compact::{Merged, compact};
pub use damage::Damage;
pub use places::{FromShard, MOST_SEGMENTS, Place, Places, Segment};

use crate::row::{ContentHash, Refusal, Stamp};
use admit::Admission;
use index::{FORGOTTEN, Index, NO_BLOB, REFUSED, Slot};
use log::Log;

/// The most bytes of the inline part of an answer: sixteen scores of two bytes.
pub(crate) const INLINE: usize = 32;

/// So many of them lie in the index itself. A longer inline part lies beside it.
pub(crate) const NARROW: usize = 7;

/// The most places that are reserved before a memo's log is read.
const MOST_RESERVED: usize = 1 << 24;

/// Bodies are compressed with zstd from this many bytes on, where that makes them smaller.
const COMPRESS_FROM: usize = 256;

/// A blob, or the refusal that stands in its place.
pub type Body = Result<Vec<u8>, Arc<Refusal>>;

/// What the memo knows about a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// The inline part; [`Memo::read`] has the blob, off the worker thread.
    Answer(Inline),
    Refused(Arc<Refusal>),
}

/// An answer as it is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub inline: Inline,
    pub blob: Option<Vec<u8>>,
}

/// The inline part of an answer: up to `INLINE` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inline {
    len: u8,
    bytes: [u8; INLINE],
}

impl Inline {
    /// An inline part of these bytes; the compiler refuses more than `INLINE`.
    pub fn of<const N: usize>(bytes: [u8; N]) -> Self {
        const { assert!(N <= INLINE, "an inline part is too long") };
        Inline::new(&bytes)
    }

    fn new(bytes: &[u8]) -> Self {
        let mut inline = Inline { len: bytes.len() as u8, bytes: [0; INLINE] };
        inline.bytes[..bytes.len()].copy_from_slice(bytes);
        inline
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}

/// What stops a memo from being opened or written.
#[derive(Debug, thiserror::Error)]
pub enum MemoError {
    #[error("the memo {path}: {source}; {next}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error, next: &'static str },
    #[error("the memo {path} is not a memo of the stamp {stamp}: {found}; move it away and run again", path = path.display())]
    Foreign { path: PathBuf, stamp: Stamp, found: String },
    #[error(
        "the memo {path}: the answer at byte {offset} is damaged; run the pipeline again: it forgets that one and asks it anew",
        path = path.display()
    )]
    Damaged { path: PathBuf, offset: u64 },
}

/// Whether the memo may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    /// Nothing is ever written: no torn tail cut off, no damage mended.
    ReadOnly,
}

/// The answers of one stamp. Shared by all threads.
pub struct Memo {
    stamp: Stamp,
    generation: u32,
    index: RwLock<Index>,
    /// `None` where the memo is read only.
    log: Mutex<Option<Log>>,
    /// Set when answers were appended and not yet synced to the disk.
    unsynced: AtomicBool,
    /// Its own log's, and the others'.
    paths: Vec<PathBuf>,
    damage: Damage,
    /// What was found damaged of the others.
    others: Vec<Damage>,
    /// For reading blobs; opened with the first of each log.
    reading: Vec<OnceLock<File>>,
}

impl Memo {
    /// The file that the memo of `stamp` lies in.
    pub fn path(folder: &Path, stamp: Stamp) -> PathBuf {
        folder.join(format!("{stamp}.memo"))
    }

    /// Opens (or starts) the memo of `stamp` in `folder`. Refusals of a generation below `generation` are forgotten.
    /// What is damaged is passed over, and where the memo may be written it is mended: a torn tail and what rotted between sound answers
    /// are marked, the header is written anew. [`Memo::damage`] tells of it; what was lost is asked again.
    pub fn open(folder: &Path, stamp: Stamp, generation: u32, access: Access) -> Result<Self, MemoError> {
        Memo::open_among(&Places::alone(folder, generation), stamp, access)
    }

    /// The same of a store of several segments. What others write is read as far as it is whole, and nothing of it is mended.
    pub fn open_among(places: &Places, stamp: Stamp, access: Access) -> Result<Self, MemoError> {
        let paths = std::iter::once(&places.own).chain(&places.others);
        let paths: Vec<PathBuf> = paths.map(|place| Memo::path(&place.folder, stamp)).collect();
        let mut index = Index::default();
        // As many as there would be of scores; a memo of blobs has fewer.
        let reserved = paths.iter().take(if places.only_from.is_some() { 1 } else { paths.len() });
        let bytes: u64 = reserved.filter_map(|path| fs::metadata(path).ok()).map(|meta| meta.len()).sum();
        index.reserve(((bytes / log::SMALL_RECORD) as usize).min(MOST_RESERVED));
        let mut admission = Admission::of(&mut index, places.only_from.as_deref());
        let mut others = Vec::new();
        for (place, path) in (1..).zip(&paths[1..]) {
            let generation = places.others[place - 1].generation.max(places.own.generation);
            admission.begin(place as u64, generation);
            let read =
                log::replay(path, stamp, Access::ReadOnly, &mut |at, record| admission.take_in(at, &record));
            others.push(read?.1);
        }
        admission.begin(0, places.own.generation);
        let (mut log, damage) =
            log::replay(&paths[0], stamp, access, &mut |at, record| admission.take_in(at, &record))?;
        let latest = admission.latest();
        admission.end();
        log.iter_mut().for_each(|log| log.not_before(latest));
        Ok(Memo {
            stamp,
            generation: places.own.generation,
            index: RwLock::new(index),
            log: Mutex::new(log),
            unsynced: AtomicBool::new(false),
            damage,
            others,
            reading: paths.iter().map(|_| OnceLock::new()).collect(),
            paths,
        })
    }

    /// Reads all of the file of `stamp` in `folder`, blobs included, and writes nothing: what is damaged, and how many answers
    /// hold but can't be unpacked.
    pub fn check(folder: &Path, stamp: Stamp) -> Result<(u64, Damage), MemoError> {
        log::check(&Memo::path(folder, stamp), stamp)
    }

    /// What was found damaged when it was opened.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// What was found damaged of the logs that others write, each with its path: this process mends nothing of it.
    pub fn damage_of_others(&self) -> impl Iterator<Item = (&Path, &Damage)> {
        self.paths[1..].iter().map(PathBuf::as_path).zip(&self.others)
    }

    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// How many questions are remembered, refusals included.
    pub fn len(&self) -> usize {
        self.read_index().answers.iter().filter(|(_, slot)| slot.tag() != FORGOTTEN).count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read_index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is remembered about `content`.
    pub fn get(&self, content: &ContentHash) -> Option<Remembered> {
        self.read_index().get(content)
    }

    /// A view that looks up many questions under one lock.
    pub fn reader(&self) -> Reader<'_> {
        Reader { index: self.read_index(), next: Cell::new(0) }
    }

    /// Of every answer that has a blob, what it is remembered under; in the order of the log.
    pub(crate) fn with_blobs(&self) -> Vec<ContentHash> {
        let index = self.read_index();
        let known = index.answers.iter().zip(&index.blobs);
        known
            .filter(|((_, slot), blob)| **blob != NO_BLOB && slot.tag() < FORGOTTEN)
            .map(|((content, _), _)| *content)
            .collect()
    }

    /// An answer counts no more, and its question may be asked again: by this process and by later ones.
    pub fn forget(&self, content: &ContentHash) -> Result<(), MemoError> {
        self.write_forgotten(content)?;
        self.index.write().unwrap_or_else(std::sync::PoisonError::into_inner).forget(content);
        Ok(())
    }

    fn write_forgotten(&self, content: &ContentHash) -> Result<(), MemoError> {
        if let Some(log) = self.lock_log().as_mut() {
            log.mark(FromShard::default());
            log.stage_forgotten(*content, self.generation);
            log.write_staged()?;
            self.unsynced.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The blob of an answer, read from disk: empty where it has none. Not for a worker thread.
    pub fn read(&self, content: &ContentHash) -> Result<Option<Body>, MemoError> {
        let offset = {
            let index = self.read_index();
            let Some(place) = index.place(content) else { return Ok(None) };
            match index.said_at(place) {
                None => return Ok(None),
                Some(Remembered::Refused(refusal)) => return Ok(Some(Err(refusal))),
                Some(Remembered::Answer(_)) => {}
            }
            index.blobs.get(place).copied().unwrap_or(NO_BLOB)
        };
        if offset == NO_BLOB {
            return Ok(Some(Ok(Vec::new())));
        }
        let (log, offset) = admit::parted(offset);
        let path = &self.paths[log];
        let file = match self.reading[log].get() {
            Some(file) => file,
            None => {
                let opened = File::open(path).map_err(|source| MemoError::Io {
                    path: path.clone(),
                    source,
                    next: "check that the store can be read",
                })?;
                self.reading[log].get_or_init(|| opened)
            }
        };
        let blob = log::blob_at(file, path, (content, offset));
        if matches!(blob, Err(MemoError::Damaged { .. })) {
            // This process keeps what it has seen of it; the next one asks again.
            self.write_forgotten(content)?;
        }
        blob.map(|blob| Some(Ok(blob)))
    }

    /// How long its file is, as far as it is sound: what was put, and no torn tail. 0 where the memo is read only, or closed.
    pub fn length(&self) -> u64 {
        self.lock_log().as_ref().map_or(0, Log::length)
    }

    /// Remembers a batch of answers, in one write. Returns what is now remembered of each, in order: where a
    /// question had been answered before, that first answer.
    ///
    /// The batch is handed to the operating system before this returns, so a killed process loses none of it;
    /// a power cut may lose what came after the last [`Memo::sync`], and that is then asked again.
    pub fn put(
        &self,
        batch: &[(ContentHash, Result<Written, Refusal>)],
    ) -> Result<Vec<Remembered>, MemoError> {
        self.put_from(batch, |_| FromShard::default())
    }

    /// The same; the question about a content came `from` that shard.
    pub fn put_from(
        &self,
        batch: &[(ContentHash, Result<Written, Refusal>)],
        from: impl Fn(&ContentHash) -> FromShard,
    ) -> Result<Vec<Remembered>, MemoError> {
        let mut log = self.lock_log();
        let mut fresh = Vec::with_capacity(batch.len());
        if let Some(log) = log.as_mut() {
            let index = self.read_index();
            for (content, answer) in batch {
                let known = index.slot(content).map(Slot::tag);
                // A late answer to a refused question is worth keeping for the next run; see `open`.
                let wanted = known.is_none() || (known == Some(REFUSED) && answer.is_ok());
                fresh.push(wanted.then(|| {
                    log.mark(from(content));
                    log.stage(*content, self.generation, answer)
                }));
            }
            drop(index);
            log.write_staged()?;
            self.unsynced.store(true, Ordering::Release);
        } else {
            fresh.resize(batch.len(), None);
        }
        let mut index = self.index.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for ((content, answer), offset) in batch.iter().zip(fresh) {
            if index.slot(content).is_some() {
                if let (Ok(answer), Some(offset)) = (answer, offset) {
                    let blob = if answer.blob.is_some() { offset } else { NO_BLOB };
                    index.late.entry(*content).or_insert((answer.inline, blob));
                }
                continue;
            }
            match answer {
                Err(refusal) => {
                    index.refusals.insert(*content, Arc::new(refusal.clone()));
                    index.insert(*content, Slot::REFUSED, NO_BLOB);
                }
                Ok(answer) => {
                    let blob = offset.filter(|_| answer.blob.is_some()).unwrap_or(NO_BLOB);
                    index.insert_answer(*content, answer.inline.bytes(), blob);
                }
            }
        }
        Ok(batch.iter().filter_map(|(content, _)| index.get(content)).collect())
    }

    /// Makes all that was put survive a power cut.
    pub fn sync(&self) -> Result<(), MemoError> {
        match self.lock_log().as_mut() {
            Some(log) if self.unsynced.swap(false, Ordering::AcqRel) => log.sync(),
            _ => Ok(()),
        }
    }

    /// Nothing is written from here on: the run is over, and the store may be another's. What comes late is seen by
    /// this process only.
    pub fn close(&self) {
        self.lock_log().take();
    }

    fn lock_log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// See [`Memo::reader`].
pub struct Reader<'a> {
    index: RwLockReadGuard<'a, Index>,
    /// Where the next question is looked for first: behind the last one.
    next: Cell<usize>,
}

impl Reader<'_> {
    pub fn get(&self, content: &ContentHash) -> Option<Remembered> {
        let next = self.next.get();
        let place = match self.index.answers.get(next) {
            Some((known, _)) if known == content => next,
            _ => self.index.place(content)?,
        };
        self.next.set(place + 1);
        self.index.said_at(place)
    }
}

#[cfg(test)]
mod among_tests;
#[cfg(test)]
mod tests;

//! A chunk of a tar that is an object in a store: read from the cache where it is there whole, else by ranges.
//!
//! Nothing of it is mapped, and no file of the cache stays open: one that left the cache would keep its room on the disk for as long as
//! somebody has it mapped, and the cache's bound would be none. Each read copies what it reads, and checks it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::ShardError;
use super::bytes::ChunkStamp;
use super::catalogue::lock;
use super::loose_bytes::{CHANGED, UNREADABLE};
use crate::object::{Cache, Entry, Object, ObjectError, ObjectFailure, Version};
use crate::row::Refusal;

/// Bytes that are read at once.
const STEP: u64 = 256 << 10;
/// Bytes of a range that is asked for at once.
const RANGE: u64 = 8 << 20;
/// An object of which this share was read by ranges in this process is fetched whole: who reads so much will read more. One of four: what was
/// read twice is then at most a quarter of it.
const SHARE: u64 = 4;

pub(super) struct ObjectChunk {
    object: Object,
    version: Version,
    cache: Option<Arc<Cache>>,
    /// Where the whole object is needed for a while, as a walk does.
    held: Mutex<Option<Arc<Entry>>>,
    /// Bytes that were read by ranges.
    ranged: AtomicU64,
}

impl ObjectChunk {
    pub(super) fn open(object: &Object, cache: Option<Arc<Cache>>) -> Result<(Self, ChunkStamp), ShardError> {
        let version = object.version().map_err(ShardError::from)?;
        let stamp = ChunkStamp::of_object(&version);
        let (held, ranged) = (Mutex::default(), AtomicU64::new(0));
        Ok((ObjectChunk { object: object.clone(), version, cache, held, ranged }, stamp))
    }

    pub(super) fn len(&self) -> u64 {
        self.version.len
    }

    /// The last part of its key.
    pub(super) fn name(&self) -> &str {
        let key = self.object.url.key();
        key.rsplit_once('/').map_or(key, |(_, name)| name)
    }

    /// What tells its version from others.
    pub(super) fn sample(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&self.version.identity().0);
    }

    /// Has whole objects in their cache until each is told to [let go](ObjectChunk::let_go).
    pub(super) fn hold(chunks: &[&ObjectChunk]) -> Result<(), ObjectError> {
        let Some(cache) = chunks.iter().find_map(|chunk| chunk.cache.as_ref()) else { return Ok(()) };
        let objects: Vec<_> = chunks.iter().map(|chunk| (&chunk.object, &chunk.version)).collect();
        for (chunk, entry) in chunks.iter().zip(cache.hold(&objects)?) {
            *lock(&chunk.held) = Some(Arc::new(entry));
        }
        Ok(())
    }

    pub(super) fn let_go(&self) {
        *lock(&self.held) = None;
    }

    pub(super) fn pass(&self, at: u64, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        let end = at + len;
        let mut at = at;
        while at < end {
            let Some(entry) = self.entry(end - at)? else { break };
            let step = STEP.min(end - at);
            match entry.read(at, step) {
                Ok(Some(bytes)) => {
                    see(&bytes);
                    at += step;
                }
                damaged => {
                    let why = damaged.err().map_or("it is damaged".to_owned(), |error| error.to_string());
                    crate::note!("{} in the cache: {why}; it is fetched anew", self.object.url);
                    self.let_go();
                    if let Some(cache) = &self.cache {
                        cache.remove(&self.object, &self.version);
                    }
                    break;
                }
            }
        }
        while at < end {
            let step = RANGE.min(end - at);
            let bytes = self.object.objects.read(&self.object.url, &self.version, at, step);
            self.ranged.fetch_add(step, Ordering::Relaxed);
            see(&bytes.map_err(refusal)?);
            at += step;
        }
        Ok(())
    }

    /// The whole object, where it is there, or is worth being fetched for so many bytes more.
    fn entry(&self, more: u64) -> Result<Option<Arc<Entry>>, Refusal> {
        if let Some(held) = &*lock(&self.held) {
            return Ok(Some(held.clone()));
        }
        let Some(cache) = &self.cache else { return Ok(None) };
        if let Some(entry) = cache.open(&self.object, &self.version) {
            return Ok(Some(Arc::new(entry)));
        }
        let ranged = self.ranged.load(Ordering::Relaxed).saturating_add(more);
        if ranged <= self.version.len / SHARE || !cache.has_room_for(self.version.len) {
            return Ok(None);
        }
        // From here on: one that leaves the cache at once is not fetched again for the next picture.
        self.ranged.store(0, Ordering::Relaxed);
        match cache.hold(&[(&self.object, &self.version)]) {
            Ok(entries) => Ok(entries.into_iter().next().map(Arc::new)),
            // A disk that is full is no reason not to read what is wanted.
            Err(error) if error.failure == ObjectFailure::Cache => Ok(None),
            Err(error) => Err(refusal(error)),
        }
    }
}

fn refusal(error: ObjectError) -> Refusal {
    let class = if error.failure == ObjectFailure::Changed { CHANGED } else { UNREADABLE };
    Refusal::transient(class, error.to_string())
}

impl From<ObjectError> for ShardError {
    fn from(error: ObjectError) -> Self {
        match error.failure {
            // What the user named, and can name otherwise.
            ObjectFailure::Gone | ObjectFailure::Unfit => ShardError::Usage(error.to_string()),
            _ => {
                let next = error.next();
                ShardError::Io { path: error.url.into(), source: std::io::Error::other(error.why), next }
            }
        }
    }
}

//! Whole objects in a folder of bounded size. Several processes may share it.
//!
//! An object that is whole lies in `HASH.object`, where the hash is of its URL and its version; see `blocks.rs`. One that is being fetched
//! lies in `HASH.PID-N.part`, as long as it will be, so that the lengths of all files are what the cache holds. Who writes or walks a file
//! holds a lock on it, and nobody takes it away; the lock of a process that was killed is gone with it. Of all others, those leave first
//! that were not used for longest, by the times of the files. Every file may be taken away at any time: it costs a fetch.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::tries::rested;
use super::{Object, ObjectError, ObjectFailure, Version, blocks};
use crate::row::ContentHash;

/// Bytes of one range of an object that is fetched whole: a multiple of a block.
const PART: u64 = 8 << 20;
/// Ranges of one object that are read at once.
const AT_ONCE: usize = 8;
/// How often a file's time says that it was used.
const USED_EVERY: Duration = Duration::from_millis(100);
/// How often one who waits for room looks again, and after how long he says so.
const LOOK: Duration = Duration::from_millis(100);
const SAY_AFTER: Duration = Duration::from_secs(10);

const WHOLE: &str = "object";
const PARTIAL: &str = "part";

/// Where whole objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// None: they are kept nowhere, and only ranges are read.
    pub folder: Option<PathBuf>,
    /// Most bytes of all files together.
    pub bytes: u64,
    /// Whether what is there is read, and nothing is put there.
    pub read_only: bool,
}

impl Default for CacheOptions {
    fn default() -> Self {
        CacheOptions { folder: None, bytes: 50 << 30, read_only: false }
    }
}

/// A folder with whole objects.
pub struct Cache {
    folder: PathBuf,
    most: u64,
    read_only: bool,
    /// Held while an object is fetched, so that many threads that miss it fetch it once.
    fetching: Mutex<HashMap<String, Arc<Mutex<()>>>>,
    parts: AtomicU64,
}

/// An object in the cache, open. One that is held stays where it is until it is dropped.
pub struct Entry {
    file: File,
    len: u64,
}

impl Entry {
    /// `count` bytes at `at`; none where they are not as they were written.
    pub fn read(&self, at: u64, count: u64) -> io::Result<Option<Vec<u8>>> {
        blocks::read(&self.file, self.len, at, count)
    }
}

impl Version {
    /// What tells one version from another, of a URL.
    pub(crate) fn identity(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.len.to_le_bytes());
        match &self.etag {
            // With and without quotes, as servers will.
            Some(etag) => hasher.update(b"etag").update(etag.trim_matches('"').as_bytes()),
            // A list may tell times more finely than a look.
            None => hasher.update(b"time").update(&(self.modified / 1000).to_le_bytes()),
        };
        ContentHash::from_hasher(&hasher)
    }
}

fn key_of(object: &Object, version: &Version) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(object.url.whatever_revision().as_bytes()).update(&version.identity().0);
    ContentHash::from_hasher(&hasher).to_string()
}

impl Cache {
    /// The cache in a folder; none where no folder is given. The folder is made when something is first put there.
    pub fn of(options: &CacheOptions) -> Option<Arc<Cache>> {
        let folder = options.folder.clone()?;
        Some(Arc::new(Cache {
            folder,
            most: options.bytes,
            read_only: options.read_only,
            fetching: Mutex::default(),
            parts: AtomicU64::new(0),
        }))
    }

    /// Whether an object of so many bytes may be put there, if nothing else is there.
    pub fn has_room_for(&self, len: u64) -> bool {
        !self.read_only && blocks::file_len(len) <= self.most
    }

    /// An object that is there and whole, for a short read.
    pub fn open(&self, object: &Object, version: &Version) -> Option<Entry> {
        let file = File::open(self.path_of(&key_of(object, version))).ok()?;
        if !blocks::is_whole(&file, version.len).ok()? {
            return None;
        }
        let used = |meta: fs::Metadata| meta.modified().ok()?.elapsed().ok();
        if file.metadata().ok().and_then(used).is_none_or(|ago| ago > USED_EVERY) {
            // Of a file that somebody else may write, the time stays: it leaves somewhat earlier.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(Entry { file, len: version.len })
    }

    /// An object, whole and held: fetched where it is not there.
    pub fn hold(&self, object: &Object, version: &Version) -> Result<Entry, ObjectError> {
        let key = key_of(object, version);
        let fetching = lock(&self.fetching).entry(key.clone()).or_default().clone();
        let fetched = {
            let _one = lock(&fetching);
            match self.held(&key, version.len) {
                Ok(Some(entry)) => Ok(entry),
                Ok(None) => self.fetch(object, version, &key),
                Err(error) => Err(self.failed(object, &error)),
            }
        };
        let mut all = lock(&self.fetching);
        // The map's, and this one's.
        if all.get(&key).is_some_and(|known| Arc::strong_count(known) <= 2) {
            all.remove(&key);
        }
        fetched
    }

    /// Takes a damaged object away.
    pub fn remove(&self, object: &Object, version: &Version) {
        object.objects.count_evicted(1);
        let _ = fs::remove_file(self.path_of(&key_of(object, version)));
    }

    fn path_of(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.{WHOLE}"))
    }

    fn held(&self, key: &str, len: u64) -> io::Result<Option<Entry>> {
        let path = self.path_of(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.lock_shared()?;
        // Taken away before the lock was had.
        if file.metadata()?.nlink() == 0 {
            return Ok(None);
        }
        if !(blocks::is_whole(&file, len)? && blocks::has_sound_table(&file, len)?) {
            crate::note!("{}: it is damaged, and is fetched anew", path.display());
            fs::remove_file(&path)?;
            return Ok(None);
        }
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(Entry { file, len }))
    }

    fn fetch(&self, object: &Object, version: &Version, key: &str) -> Result<Entry, ObjectError> {
        let refused = |why| ObjectError { url: object.url.to_string(), failure: ObjectFailure::Cache, why };
        if self.read_only {
            return Err(refused(format!(
                "it was never indexed, and has {} bytes; a plan fetches no whole shard, unless --cache names a folder for it",
                version.len
            )));
        }
        if !self.has_room_for(version.len) {
            let why = format!(
                "it has {} bytes, and the cache in {} may have {} bytes",
                version.len,
                self.folder.display(),
                self.most
            );
            return Err(refused(why));
        }
        let (path, file) = self.room_for(object, version, key)?;
        let begin = Instant::now();
        let done = self.fill(object, version, &file).and_then(|sums| {
            let closed = blocks::close(&file, version.len, &sums);
            closed
                .and_then(|()| fs::rename(&path, self.path_of(key)))
                .map_err(|error| self.failed(object, &error))
        });
        object.objects.count_fetch(begin);
        match done {
            // Held from now on, and no longer alone.
            Ok(()) => match file.lock_shared() {
                Ok(()) => Ok(Entry { file, len: version.len }),
                Err(error) => Err(self.failed(object, &error)),
            },
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// A file of the object's length that is locked, once there is room for it.
    fn room_for(
        &self,
        object: &Object,
        version: &Version,
        key: &str,
    ) -> Result<(PathBuf, File), ObjectError> {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{key}.{}-{number}.{PARTIAL}", std::process::id()));
        let need = blocks::file_len(version.len);
        let (begin, mut has_said) = (Instant::now(), false);
        loop {
            let made = self.made_in_room(object, &path, need);
            if let Some(file) = made.map_err(|error| self.failed(object, &error))? {
                return Ok((path, file));
            }
            if begin.elapsed() > SAY_AFTER && !has_said {
                has_said = true;
                crate::note!(
                    "{}: waits for room in the cache {}: all of its {} bytes are being fetched or read; more --cache-bytes fetch ahead",
                    object.url,
                    self.folder.display(),
                    self.most
                );
            }
            if !rested(LOOK, object.objects.settings().is_stopped) {
                let why = "stopped while it waited for room in the cache".to_owned();
                return Err(ObjectError {
                    url: object.url.to_string(),
                    failure: ObjectFailure::Stopped,
                    why,
                });
            }
        }
    }

    /// Makes a file of so many bytes at `path`, where others can leave for it; none where they cannot now.
    fn made_in_room(&self, object: &Object, path: &Path, need: u64) -> io::Result<Option<File>> {
        fs::create_dir_all(&self.folder)?;
        // One process at a time counts.
        let counting = File::options().create(true).append(true).open(self.folder.join(".lock"))?;
        counting.lock()?;
        let mut files = self.files()?;
        let mut all: u64 = files.iter().map(|(_, len, _)| len).sum();
        files.sort_by_key(|(.., used)| *used);
        for (path, len, _) in files {
            if all + need <= self.most && path.extension().is_some_and(|ending| ending == WHOLE) {
                continue;
            }
            // A part that nobody holds is of a process that was killed.
            let Ok(file) = File::open(&path) else { continue };
            match file.try_lock() {
                Ok(()) => {
                    fs::remove_file(&path)?;
                    all -= len;
                    object
                        .objects
                        .count_evicted(u64::from(path.extension().is_some_and(|ending| ending == WHOLE)));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        if all + need > self.most {
            return Ok(None);
        }
        let file = File::options().create_new(true).read(true).write(true).open(path)?;
        file.lock()?;
        file.set_len(need)?;
        Ok(Some(file))
    }

    /// The files of the cache, each with its length and when it was used last. Others in its folder are nobody's business.
    fn files(&self) -> io::Result<Vec<(PathBuf, u64, SystemTime)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (hash, ending) = name.split_once('.').unwrap_or((&name, ""));
            let is_ours = hash.len() == 32
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && (ending == WHOLE || ending.ends_with(&format!(".{PARTIAL}")));
            match fs::metadata(&path) {
                Ok(meta) if is_ours && meta.is_file() => {
                    files.push((path, meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
                }
                _ => {}
            }
        }
        Ok(files)
    }

    /// Fetches an object by ranges, several at once; gives the CRCs of its blocks.
    fn fill(&self, object: &Object, version: &Version, file: &File) -> Result<Vec<u32>, ObjectError> {
        let parts = version.len.div_ceil(PART);
        let next = AtomicU64::new(0);
        let failed: Mutex<Option<ObjectError>> = Mutex::new(None);
        let sums: Mutex<Vec<(u64, Vec<u32>)>> = Mutex::default();
        let work = || {
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts || lock(&failed).is_some() {
                    return;
                }
                let at = part * PART;
                let read = object.objects.read(&object.url, version, at, PART.min(version.len - at));
                let written = read.and_then(|bytes| match file.write_all_at(&bytes, at) {
                    Ok(()) => Ok(blocks::sums(&bytes)),
                    Err(error) => Err(self.failed(object, &error)),
                });
                match written {
                    Ok(of_part) => lock(&sums).push((part, of_part)),
                    Err(error) => {
                        lock(&failed).get_or_insert(error);
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..parts.min(AT_ONCE as u64) {
                // One that cannot be started means that the others do more.
                let _ = std::thread::Builder::new().name("fetch".into()).spawn_scoped(scope, work);
            }
            work();
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        let mut sums = std::mem::take(&mut *lock(&sums));
        sums.sort_by_key(|(part, _)| *part);
        Ok(sums.into_iter().flat_map(|(_, sums)| sums).collect())
    }

    fn failed(&self, object: &Object, error: &io::Error) -> ObjectError {
        let why = format!("the cache in {} failed: {error}", self.folder.display());
        ObjectError { url: object.url.to_string(), failure: ObjectFailure::Cache, why }
    }
}

/// A panic elsewhere leaves what is locked whole: each change of it is one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

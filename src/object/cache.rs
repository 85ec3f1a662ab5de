//! Whole objects in a folder of bounded size. Several processes may share it.
//!
//! An object that is whole lies in `HASH.object`, where the hash is of its URL and its version; see `blocks.rs`. One that is being fetched
//! lies in `HASH.PID-N.part`, as long as it will be, so that the lengths of all files are what the cache holds. Who writes or walks a file
//! holds a lock on it, and nobody takes it away; the lock of a process that was killed is gone with it. Of all others, those leave first
//! that were not used for longest, by the times of the files. Every file may be taken away at any time: it costs a fetch.

mod files;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub(crate) use files::Emptied;
use files::{free_bytes, gone, is_whole, on_disk, unheld};

use super::tries::rested;
use super::{Object, ObjectError, ObjectFailure, Version, blocks};
use crate::row::ContentHash;

/// Bytes of one range of an object that is fetched whole: a multiple of a block.
const PART: u64 = 8 << 20;
/// Ranges of one object that are read at once.
const AT_ONCE: usize = 8;
/// Threads that read ranges beside those that wait: each has a range in memory.
const MOST_HELPERS: usize = 24;
/// Bytes of a disk that the cache leaves to others, such as the answers of the store.
const SPARED: u64 = 1 << 30;
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

impl CacheOptions {
    /// In the folder that is named, else in one of a store's. Who is `read_only` puts nothing there, unless it is named.
    pub(crate) fn or_in(self, store: &Path, read_only: bool) -> Self {
        match self.folder {
            Some(_) => self,
            None => CacheOptions { folder: Some(store.join("cache")), read_only, ..self },
        }
    }
}

/// A folder with whole objects.
pub struct Cache {
    folder: PathBuf,
    most: u64,
    read_only: bool,
    /// Held while objects are fetched, so that many threads that miss one fetch it once; why that failed, for those who waited.
    fetching: Mutex<HashMap<String, Arc<Mutex<Option<ObjectError>>>>>,
    parts: AtomicU64,
    /// Threads that read ranges, beside those that wait for them.
    helpers: AtomicUsize,
}

/// A file that an object is being fetched into, locked.
struct Part {
    path: PathBuf,
    file: File,
}

/// What came of looking for room.
enum Room {
    /// By the objects: there, or to be fetched into this.
    Made(Vec<Result<Entry, Part>>),
    /// What is in the way is in use.
    Later,
    /// Nothing that could leave makes room: so many bytes are free.
    Never(u64),
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
            helpers: AtomicUsize::new(0),
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

    /// Objects, whole and held: fetched where they are not there. All of them at once: who held some and waited for room for others would
    /// be in the way of all who do the same.
    pub fn hold(&self, objects: &[(&Object, &Version)]) -> Result<Vec<Entry>, ObjectError> {
        let Some((first, version)) = objects.first() else { return Ok(Vec::new()) };
        let key = key_of(first, version);
        let fetching = lock(&self.fetching).entry(key.clone()).or_default().clone();
        let fetched = {
            let mut one = lock(&fetching);
            match &*one {
                // Who waited meanwhile would only fail once more.
                Some(error) => Err(error.clone()),
                None => self.hold_alone(objects).inspect_err(|error| *one = Some(error.clone())),
            }
        };
        let mut all = lock(&self.fetching);
        // The map's, and this one's.
        if all.get(&key).is_some_and(|known| Arc::strong_count(known) <= 2) {
            all.remove(&key);
        }
        fetched
    }

    fn hold_alone(&self, objects: &[(&Object, &Version)]) -> Result<Vec<Entry>, ObjectError> {
        let made = self.room_for(objects)?;
        let mut entries = Vec::with_capacity(made.len());
        let mut made = made.into_iter();
        for (object, version) in objects {
            let fetched = match made.next() {
                Some(Ok(entry)) => Ok(entry),
                Some(Err(part)) => self.fetch(object, version, part),
                None => break,
            };
            match fetched {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    for part in made.filter_map(Result::err) {
                        let _ = fs::remove_file(&part.path);
                    }
                    return Err(error);
                }
            }
        }
        Ok(entries)
    }

    /// Takes a damaged object away.
    pub fn remove(&self, object: &Object, version: &Version) {
        object.objects.count_evicted(1);
        // One that somebody else took away first is gone, too.
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
            gone(fs::remove_file(&path))?;
            return Ok(None);
        }
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(Entry { file, len }))
    }

    fn fetch(&self, object: &Object, version: &Version, part: Part) -> Result<Entry, ObjectError> {
        let begin = Instant::now();
        let file = part.file;
        let done = self.fill(object, version, &file).and_then(|sums| {
            let put = || {
                blocks::close(&file, version.len, &sums)?;
                // Nobody looks for what may leave while it is neither locked alone nor with others.
                let _counting = self.counting()?;
                fs::rename(&part.path, self.path_of(&key_of(object, version)))?;
                file.lock_shared()
            };
            put().map_err(|error| self.failed(object, &error))
        });
        object.objects.count_fetch(begin);
        match done {
            Ok(()) => Ok(Entry { file, len: version.len }),
            Err(error) => {
                let _ = fs::remove_file(&part.path);
                Err(error)
            }
        }
    }

    /// Files for objects, of their lengths and locked, once there is room for all of them.
    fn room_for(&self, objects: &[(&Object, &Version)]) -> Result<Vec<Result<Entry, Part>>, ObjectError> {
        let object = objects[0].0;
        let refused = |why| ObjectError { url: object.url.to_string(), failure: ObjectFailure::Cache, why };
        let bytes: u64 = objects.iter().map(|(_, version)| version.len).sum();
        let need: u64 = objects.iter().map(|(_, version)| blocks::file_len(version.len)).sum();
        let begin = Instant::now();
        let mut has_said = false;
        loop {
            let room = self.made_in_room(objects).map_err(|error| self.failed(object, &error))?;
            match room {
                Room::Made(made) => return Ok(made),
                Room::Never(_) if self.read_only => {
                    return Err(refused(format!(
                        "this version was never indexed, and has {bytes} bytes; a plan fetches no whole shard, unless --cache names a folder for it"
                    )));
                }
                Room::Never(free) => {
                    let folder = self.folder.display();
                    return Err(refused(format!(
                        "it has {bytes} bytes and takes {need}, the cache in {folder} may have {} bytes (--cache-bytes), and its disk has \
                         {free} bytes for it ({SPARED} are left to others)",
                        self.most
                    )));
                }
                Room::Later => {}
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
            if !rested(LOOK, || object.objects.is_stopped()) {
                let why = "stopped while it waited for room in the cache".to_owned();
                return Err(ObjectError {
                    url: object.url.to_string(),
                    failure: ObjectFailure::Stopped,
                    why,
                });
            }
        }
    }

    /// One process at a time counts what is there, for as long as it keeps this.
    fn counting(&self) -> io::Result<File> {
        let counting = File::options().create(true).append(true).open(self.folder.join(".lock"))?;
        counting.lock()?;
        Ok(counting)
    }

    /// Makes files for the objects that are not there, where others can leave for them.
    fn made_in_room(&self, objects: &[(&Object, &Version)]) -> io::Result<Room> {
        let there = || -> io::Result<Vec<Option<Entry>>> {
            objects.iter().map(|(object, version)| self.held(&key_of(object, version), version.len)).collect()
        };
        if self.read_only {
            let there: Option<Vec<_>> = there()?.into_iter().map(|entry| entry.map(Ok)).collect();
            return Ok(there.map_or(Room::Never(0), Room::Made));
        }
        fs::create_dir_all(&self.folder)?;
        let _counting = self.counting()?;
        let there = there()?;
        let missing =
            || objects.iter().zip(&there).filter(|(_, there)| there.is_none()).map(|(object, _)| object);
        let need: u64 = missing().map(|(_, version)| blocks::file_len(version.len)).sum();
        let together: u64 = objects.iter().map(|(_, version)| blocks::file_len(version.len)).sum();
        let mut files = self.files()?;
        files.sort_by_key(|(.., used)| *used);
        let all: u64 = files.iter().map(|(_, len, _)| len).sum();
        // Of what is being fetched, so much is yet to come to the disk.
        let coming: u64 = files.iter().map(|(path, len, _)| len.saturating_sub(on_disk(path))).sum();
        // Those that nobody holds; a part that nobody holds is of a process that was killed.
        let may_leave: Vec<(PathBuf, u64, File)> = files
            .into_iter()
            .filter_map(|(path, len, _)| unheld(&path).map(|file| (path, len, file)))
            .collect();
        let leaving: u64 = may_leave.iter().map(|(_, len, _)| len).sum();
        let free = free_bytes(&self.folder)?.saturating_sub(SPARED).saturating_sub(coming);
        if together > self.most || need > free.saturating_add(all) {
            return Ok(Room::Never(free.saturating_add(all)));
        }
        if all - leaving + need > self.most || need > free.saturating_add(leaving) {
            return Ok(Room::Later);
        }
        let mut left = 0;
        for (path, len, _file) in may_leave {
            let is_whole = is_whole(&path);
            if is_whole && all - left + need <= self.most && need <= free.saturating_add(left) {
                continue;
            }
            gone(fs::remove_file(&path))?;
            left += len;
            objects[0].0.objects.count_evicted(u64::from(is_whole));
        }
        let mut made = Vec::with_capacity(objects.len());
        for ((object, version), there) in objects.iter().zip(there) {
            made.push(match there {
                Some(entry) => Ok(entry),
                None => Err(self.part(&key_of(object, version), version.len)?),
            });
        }
        Ok(Room::Made(made))
    }

    fn part(&self, key: &str, len: u64) -> io::Result<Part> {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{key}.{}-{number}.{PARTIAL}", std::process::id()));
        let file = File::options().create_new(true).read(true).write(true).open(&path)?;
        file.lock()?;
        file.set_len(blocks::file_len(len))?;
        Ok(Part { path, file })
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
                if self.helpers.fetch_add(1, Ordering::Relaxed) >= MOST_HELPERS {
                    self.helpers.fetch_sub(1, Ordering::Relaxed);
                    break;
                }
                let help = || {
                    work();
                    self.helpers.fetch_sub(1, Ordering::Relaxed);
                };
                // One that cannot be started means that the others do more.
                if std::thread::Builder::new().name("fetch".into()).spawn_scoped(scope, help).is_err() {
                    self.helpers.fetch_sub(1, Ordering::Relaxed);
                }
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

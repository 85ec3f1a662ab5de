//! The catalogue: which number each shard has in this store, and which shards are open.
//!
//! `store/shards.log` has one line for each shard: a CRC-32, the number, the fingerprint, and the name as JSON, separated by tabs. Lines
//! are only added, and are synced before a number is given out, so that no number can mean two shards. A torn last line is cut off. If
//! lines are damaged or lost (`sources.log` shows it), the log is written anew from the sound lines, and further numbers count from the
//! clock. So no number that was given out is ever given out again.

mod by_name;
mod open;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use open::{MOST_OPEN_FILES, Open};

use super::bytes::Bytes;
use super::index_file::{self, Dated, Origin};
use super::loose::Holds;
use super::loose_bytes::LooseBytes;
use super::numbers::{self, Numbers, line_of};
use super::sidecar_numbers::SidecarNumbers;
use super::sources::Sources;
use super::tar_bytes::Kept;
use super::{ReadOptions, Shard, ShardError, ShardIndex, ShardNames, ShardSource, index, texts};
use crate::object::Cache;
use crate::row::ContentHash;

/// The shards that this store knows, and their numbers. Shared by all threads.
///
/// A shard is walked once; as long as its files stay as they are, its index answers for it:
/// ```
/// use threshflow::shard::{Catalogue, ReadOptions, find};
/// let folder = tempfile::tempdir()?;
/// let mut tar = tar::Builder::new(std::fs::File::create(folder.path().join("00000.tar"))?);
/// let mut header = tar::Header::new_ustar();
/// header.set_size(5);
/// tar.append_data(&mut header, "cat.jpg", &b"meow!"[..])?;
/// tar.finish()?;
///
/// let shards = find(&[format!("{}/*.tar", folder.path().display())])?;
/// assert_eq!(shards[0].name, "00000");
/// for walks in [1, 0] {
///     let catalogue = Catalogue::open(&folder.path().join("store"), ReadOptions::default(), false)?;
///     let shard = catalogue.load(&shards[0])?;
///     assert_eq!((shard.seq, catalogue.walks()), (0, walks));
///     let sample = &shard.index.samples[0];
///     assert_eq!(sample.key, "cat");
///     assert_eq!(sample.picture.as_ref().unwrap_err().class, "not_a_picture");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Catalogue {
    /// The segment of the store that it writes.
    store: PathBuf,
    /// The others.
    others: Vec<PathBuf>,
    options: ReadOptions,
    cache: Option<Arc<Cache>>,
    read_only: bool,
    walks: AtomicU64,
    numbers: Mutex<Numbers>,
    names: ShardNames,
    sources: Mutex<Sources>,
    /// Of the other segments, when they are first needed.
    sources_of_others: OnceLock<Vec<Sources>>,
    open: Mutex<Open>,
    /// Of each field that somebody asked for.
    sidecar_numbers: Mutex<Vec<Arc<SidecarNumbers>>>,
    damage: Option<String>,
}

/// A shard that was loaded in this process, and how to get at it again.
struct Known {
    source: ShardSource,
    fingerprint: ContentHash,
    /// Where there is no index file, the index as it would lie in it.
    kept: Option<Vec<u8>>,
    /// Held while the shard is opened again, so that many lanes that miss it open it once.
    reopening: Mutex<()>,
}

impl Catalogue {
    /// Opens (or starts) the catalogue under `store`. With `read_only`, nothing is ever written: new
    /// shards get numbers for this process only (what `plan` needs).
    pub fn open(store: &Path, options: ReadOptions, read_only: bool) -> Result<Self, ShardError> {
        Catalogue::open_segment(store, (0, &[]), options, read_only)
    }

    /// The same of one segment of a store: its folder, its number, and the folders of the other segments. A number that one of them gave to
    /// a shard holds in all, and a shard that was walked for one of them is not walked again.
    pub fn open_segment(
        store: &Path,
        (number, others): (u16, &[PathBuf]),
        options: ReadOptions,
        read_only: bool,
    ) -> Result<Self, ShardError> {
        let path = store.join("shards.log");
        let refused = |source| ShardError::Io {
            path: path.clone(),
            source,
            next: "check that the store is there, has room and may be written to",
        };
        if !read_only {
            std::fs::create_dir_all(store).map_err(refused)?;
        }
        let text = numbers::read_log(store).map_err(refused)?;
        let mut numbers = Numbers::of(number);
        for other in others {
            numbers.read_other(&numbers::read_log(other).map_err(refused)?);
        }
        let (whole, broken) = numbers.read(&text);
        let sources = Sources::open(store, read_only).map_err(refused)?;
        let lost = numbers.renew(broken, sources.shards());
        if !read_only {
            if lost > 0 {
                numbers.write_anew(store, &path).map_err(refused)?;
            }
            let file = OpenOptions::new().append(true).create(true).open(&path).map_err(refused)?;
            if lost == 0 && whole < text.len() {
                file.set_len(whole as u64).map_err(refused)?;
            }
            numbers.log = Some(file);
        }
        let damage = (lost > 0).then(|| {
            format!(
                "{}: {lost} lines are damaged or lost: those shards get other numbers, and what was asked of their samples' sidecars is \
                 asked again",
                path.display()
            )
        });
        Ok(Catalogue {
            store: store.to_path_buf(),
            others: others.to_vec(),
            cache: Cache::of(&options.cache.clone().or_in(store, read_only)),
            options,
            read_only,
            walks: AtomicU64::new(0),
            numbers: Mutex::new(numbers),
            names: ShardNames::default(),
            sources: Mutex::new(sources),
            sources_of_others: OnceLock::new(),
            open: Mutex::new(Open::new()),
            sidecar_numbers: Mutex::default(),
            damage,
        })
    }

    /// What was found damaged of the shards' numbers when this was opened.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Opens a shard: by its index file where that still fits the shard's files (their lengths, times and numbers, and a sample of
    /// their bytes), else by a walk. A walk that finds what was there before gives the shard that it was before.
    ///
    /// May be called from several threads at once; shards are walked side by side.
    pub fn load(&self, source: &ShardSource) -> Result<Arc<Shard>, ShardError> {
        let bytes = self.open_bytes(source)?;
        let index_path = index_file::path_of(&self.store, source);
        let (index, kept) = match self.read_index(source, &bytes) {
            Some(index) => (index, None),
            None => {
                Bytes::let_age(bytes.stamps());
                bytes.holding(|| self.walk(&bytes, &index_path))??
            }
        };
        let seq = self.number_of(&source.name, index.fingerprint)?;
        self.names.insert(seq, &source.name);
        let fingerprint = index.fingerprint;
        let store = (!self.read_only).then_some(self.store.as_path());
        lock(&self.sources).see(source, fingerprint, store).map_err(|source| ShardError::Io {
            path: self.store.join("sources.log"),
            source,
            next: "check that the store's disk has room and may be written to",
        })?;
        let shard = Arc::new(self.shard_of(seq, &source.name, index, bytes));
        let known = Known { source: source.clone(), fingerprint, kept, reopening: Mutex::new(()) };
        // Locked until the shard is known: whoever asks for a field meanwhile finds the shard by one way or the other.
        let sidecar_numbers = lock(&self.sidecar_numbers);
        sidecar_numbers.iter().for_each(|numbers| numbers.take_in(&shard));
        let mut open = lock(&self.open);
        open.known.insert(seq, Arc::new(known));
        open.insert(Arc::clone(&shard));
        Ok(shard)
    }

    /// Keeps more shards open, of so many rows, where rows of many shards are looked at by turns. Their files stay within their bound.
    pub(crate) fn keep_open(&self, rows: usize) {
        let mut open = lock(&self.open);
        (open.most, open.most_rows) = (MOST_OPEN_FILES, rows);
    }

    /// The shard of this number, loaded before in this process; kept open for the few used last.
    pub fn shard(&self, seq: u32) -> Result<Arc<Shard>, ShardError> {
        let known = {
            let mut open = lock(&self.open);
            if let Some(shard) = open.get(seq) {
                return Ok(shard);
            }
            open.known.get(&seq).cloned()
        };
        let Some(known) = known else {
            return Err(ShardError::Usage(format!(
                "shard number {seq} was not loaded in this run; load it by its source first"
            )));
        };
        let _reopening = lock(&known.reopening);
        if let Some(shard) = lock(&self.open).get(seq) {
            return Ok(shard);
        }
        let shard = Arc::new(self.reopen(seq, &known)?);
        lock(&self.open).insert(Arc::clone(&shard));
        Ok(shard)
    }

    /// The numbers that sidecars have in this field, of the shards that were loaded and of those to come. Those that were loaded before
    /// the first call are opened again where they have been closed.
    pub fn sidecar_numbers(&self, field: &str) -> Result<Arc<SidecarNumbers>, ShardError> {
        let mut all = lock(&self.sidecar_numbers);
        if let Some(numbers) = all.iter().find(|numbers| numbers.field() == field) {
            return Ok(Arc::clone(numbers));
        }
        let numbers = Arc::new(SidecarNumbers::new(field));
        let loaded: Vec<u32> = lock(&self.open).known.keys().copied().collect();
        for seq in loaded {
            numbers.take_in(&*self.shard(seq)?);
        }
        all.push(Arc::clone(&numbers));
        Ok(numbers)
    }

    /// The fields whose [numbers](Catalogue::sidecar_numbers) somebody asked for.
    pub fn sidecar_fields(&self) -> Vec<String> {
        lock(&self.sidecar_numbers).iter().map(|numbers| numbers.field().to_owned()).collect()
    }

    /// The fingerprint of the shard of this number, if it was loaded in this process.
    pub fn fingerprint(&self, seq: u32) -> Option<ContentHash> {
        lock(&self.open).known.get(&seq).map(|known| known.fingerprint)
    }

    /// The names of the shards that were loaded in this process, by number; those to come will be in it.
    pub fn names(&self) -> ShardNames {
        self.names.clone()
    }

    /// How shards are read.
    pub fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// How many shards were walked, not read from their index files, since this was opened.
    pub fn walks(&self) -> u64 {
        self.walks.load(Ordering::Relaxed)
    }

    fn reopen(&self, seq: u32, known: &Known) -> Result<Shard, ShardError> {
        if let Some(shard) = self.reopen_loose(seq, known) {
            return Ok(shard);
        }
        let bytes = self.open_bytes(&known.source)?;
        let kept = known.kept.as_deref();
        let found = kept
            .and_then(|kept| index_file::decode(kept, &self.origin(&bytes, bytes.missing().as_deref())))
            .and_then(|dated| still_so(dated, &bytes))
            .or_else(|| self.read_index(&known.source, &bytes));
        let index = match found {
            Some(index) => index,
            None => bytes.holding(|| self.walk_only(&bytes))?,
        };
        if index.fingerprint != known.fingerprint {
            return Err(ShardError::Io {
                path: known.source.place(),
                source: std::io::Error::other(format!(
                    "the shard {:?} changed during the run",
                    known.source.name
                )),
                next: "leave shards alone while they are read, and run again",
            });
        }
        Ok(self.shard_of(seq, &known.source.name, index, bytes))
    }

    /// A shard of loose files as it was listed: what became of single files since, their readers are told.
    fn reopen_loose(&self, seq: u32, known: &Known) -> Option<Shard> {
        let Holds::Files(files) = &known.source.holds else { return None };
        let kept = self.index_files(&known.source).map(|(_, file)| file);
        let mut indexes = known.kept.clone().into_iter().chain(kept);
        let (index, stamps) = indexes.find_map(|file| {
            index_file::decode_with_stamps(&file).filter(|(index, stamps)| {
                index.fingerprint == known.fingerprint && stamps.len() == files.members.len()
            })
        })?;
        let bytes = LooseBytes::known(Arc::clone(files), stamps, self.options.max_bytes);
        Some(self.shard_of(seq, &known.source.name, index, Bytes::Loose(bytes)))
    }

    fn open_bytes(&self, source: &ShardSource) -> Result<Bytes, ShardError> {
        let kept = match &source.holds {
            Holds::Objects(_) => Kept { cache: self.cache.clone(), texts: self.texts_of(source) },
            Holds::Tar(_) | Holds::Files(_) => Kept::default(),
        };
        Bytes::open(source, &self.options, kept)
    }

    fn shard_of(&self, seq: u32, name: &str, index: ShardIndex, bytes: Bytes) -> Shard {
        Shard::new(seq, name.to_owned(), index, bytes, self.options.clone())
    }

    fn origin<'a>(&'a self, bytes: &'a Bytes, missing: Option<&'a str>) -> Origin<'a> {
        Origin { options: &self.options, missing, stamps: bytes.stamps() }
    }

    /// Where the index of a shard may lie: in this segment, and in the others.
    fn index_paths(&self, source: &ShardSource) -> Vec<PathBuf> {
        let folders = std::iter::once(&self.store).chain(&self.others);
        folders.map(|folder| index_file::path_of(folder, source)).collect()
    }

    /// Where the sidecars of a shard of objects may lie.
    fn texts_of(&self, source: &ShardSource) -> Vec<PathBuf> {
        self.index_paths(source).iter().map(|path| path.with_extension(texts::ENDING)).collect()
    }

    /// The index files of a shard, as they lie in this segment and in the others.
    fn index_files(&self, source: &ShardSource) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
        let paths = self.index_paths(source);
        paths.into_iter().filter_map(|path| std::fs::read(&path).ok().map(|file| (path, file)))
    }

    fn read_index(&self, source: &ShardSource, bytes: &Bytes) -> Option<ShardIndex> {
        let missing = bytes.missing();
        let origin = self.origin(bytes, missing.as_deref());
        let own = index_file::path_of(&self.store, source);
        let mut files = self.index_files(source);
        files.find_map(|(path, file)| {
            let index = still_so(index_file::decode(&file, &origin)?, bytes)?;
            if path != own && !self.read_only {
                // Each segment has its own: who reads one of them needs no other. One that cannot be kept is read there again.
                let _ = index_file::write(&own, &file);
                if let Holds::Objects(_) = source.holds {
                    let _ =
                        std::fs::copy(path.with_extension(texts::ENDING), own.with_extension(texts::ENDING));
                }
            }
            Some(index)
        })
    }

    fn walk_only(&self, bytes: &Bytes) -> ShardIndex {
        self.walks.fetch_add(1, Ordering::Relaxed);
        index::build(bytes, &self.options)
    }

    /// Walks a shard and keeps its index: in its file, or in memory where nothing may be written.
    fn walk(&self, bytes: &Bytes, index_path: &Path) -> Result<(ShardIndex, Option<Vec<u8>>), ShardError> {
        let sample = bytes.sample();
        let index = self.walk_only(bytes);
        // What was read while the files changed, or while they could not be read, is not what they hold.
        let is_to_stay = bytes.unchanged() && !index::is_passing(&index, bytes) && sample.is_ok();
        // One of thousands of files that cannot be read must not have all of them read again whenever the shard is opened.
        if !is_to_stay && bytes.loose().is_none() {
            return Ok((index, None));
        }
        let missing = bytes.missing();
        let origin = self.origin(bytes, missing.as_deref());
        let file = index_file::encode(&origin, sample.unwrap_or_default(), &index).map_err(|source| {
            let next = "this is a fault of threshflow; report it";
            ShardError::Io { path: index_path.to_path_buf(), source, next }
        })?;
        if self.read_only || !is_to_stay {
            return Ok((index, Some(file)));
        }
        if let Bytes::Tar(tar) = bytes
            && tar.is_of_objects()
        {
            texts::keep(
                &index_path.with_extension(texts::ENDING),
                tar.identity(),
                bytes,
                (&index, self.options.max_bytes),
            )?;
        }
        index_file::write(index_path, &file)?;
        Ok((index, None))
    }

    /// The number of (name, fingerprint): the one it has, or the next, written down before it is given out.
    fn number_of(&self, name: &str, fingerprint: ContentHash) -> Result<u32, ShardError> {
        let mut numbers = lock(&self.numbers);
        let shard = (name.to_owned(), fingerprint);
        if let Some(&seq) = numbers.by_shard.get(&shard) {
            return Ok(seq);
        }
        let refused = |source| ShardError::Io {
            path: self.store.join("shards.log"),
            source,
            next: "check that the store's disk has room and may be written to",
        };
        let fresh = numbers.fresh(&shard);
        let (seq, next) = fresh.ok_or_else(|| refused(std::io::Error::other("no shard numbers are left")))?;
        if let Some(log) = &mut numbers.log {
            let before = log.metadata().map_err(refused)?.len();
            let written =
                log.write_all(line_of(seq, fingerprint, name).as_bytes()).and_then(|()| log.sync_data());
            if let Err(e) = written {
                // Half a line would swallow the next one.
                let _ = log.set_len(before);
                return Err(refused(e));
            }
        }
        numbers.next = next;
        numbers.by_shard.insert(shard, seq);
        Ok(seq)
    }
}

/// The index, unless the files hold something else under the looks that they had.
fn still_so(dated: Dated, bytes: &Bytes) -> Option<ShardIndex> {
    (bytes.sample().ok()? == dated.sample).then_some(dated.index)
}

/// A panic elsewhere leaves the maps whole: each change of theirs is one insertion.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

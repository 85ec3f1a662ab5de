//! Lists, looks and reads, for threads that wait.

use std::cell::{Cell, RefCell};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::connect::{Connector, Wire, insisting};
use super::stores::Opened;
use super::stores::{open, path_of, trouble, version_of};
use super::tries::{Trouble, rested, tried};
use super::url::Scheme;
use super::{Counts, Object, ObjectError, ObjectFailure, ObjectUrl, Version, hub};

/// A time in whole seconds says nothing of a change within this many milliseconds.
const A_COARSE_TICK: i64 = 2_100;
/// How often a list that goes on and on says so.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How requests are made.
#[derive(Clone, Debug)]
pub struct ObjectSettings {
    /// How often a request that failed in passing is tried again.
    pub retries: usize,
    /// How long a server may give nothing.
    pub patience: Duration,
    /// Whether the run was stopped: then no pause is waited for.
    pub is_stopped: fn() -> bool,
}

impl Default for ObjectSettings {
    fn default() -> Self {
        ObjectSettings { retries: 8, patience: Duration::from_secs(30), is_stopped: || false }
    }
}

#[derive(Default)]
struct Inner {
    settings: OnceLock<ObjectSettings>,
    wire: Arc<Wire>,
    /// Of stores, and of what leads elsewhere: the hub, and web servers.
    connectors: [OnceLock<Result<Connector, Trouble>>; 2],
    retries: AtomicU64,
    fetching: AtomicU64,
    evicted: AtomicU64,
    /// By what comes before the key.
    stores: Mutex<HashMap<String, Opened>>,
}

/// Reads objects, whatever store they lie in. A clone is the same reader.
#[derive(Clone, Default)]
pub struct Objects(Arc<Inner>);

/// Who reads says nothing of what is read.
impl PartialEq for Objects {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objects")
    }
}

impl Objects {
    /// Says how requests are made. Counts from the first call: what was opened stays as it is.
    pub fn set(&self, settings: ObjectSettings) {
        let _ = self.0.settings.set(settings);
    }

    /// Has everybody who waits for an object give up: what it is for has failed.
    pub fn end(&self) {
        self.0.wire.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        (self.settings().is_stopped)() || self.0.wire.ended.load(Ordering::Relaxed)
    }

    pub(super) fn settings(&self) -> &ObjectSettings {
        self.0.settings.get_or_init(ObjectSettings::default)
    }

    /// Does this, also where the run was told to stop.
    pub(crate) fn insisting<T>(&self, work: impl FnOnce() -> T) -> T {
        insisting(work)
    }

    /// How long a server may give nothing.
    pub(crate) fn patience(&self) -> Duration {
        self.settings().patience
    }

    /// What was asked of servers until now.
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            lists: of(&self.0.wire.lists),
            heads: of(&self.0.wire.heads),
            gets: of(&self.0.wire.gets),
            puts: of(&self.0.wire.puts),
            deletes: of(&self.0.wire.deletes),
            others: of(&self.0.wire.others),
            bytes: of(&self.0.wire.bytes),
            sent: of(&self.0.wire.sent),
            retries: of(&self.0.retries),
            seconds: (of(&self.0.fetching) / 1000) as f64 / 1000.0,
            evicted: of(&self.0.evicted),
        }
    }

    pub(super) fn count_fetch(&self, since: Instant) {
        self.0.fetching.fetch_add(since.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn count_evicted(&self, evicted: u64) {
        self.0.evicted.fetch_add(evicted, Ordering::Relaxed);
    }

    /// The version of an object that is there now.
    pub fn look(&self, url: &ObjectUrl) -> Result<Version, ObjectError> {
        if url.scheme == Scheme::Hub {
            return self.of_the_hub(url, |connector| hub::look(connector, url));
        }
        let path = path_of(url).map_err(|trouble| failed(url, trouble))?;
        let meta = self.tried(url, |store| wait(async { store.head(&path).await }))?;
        let version = version_of(&meta);
        if version.etag.is_some() {
            return Ok(version);
        }
        if version.modified <= 0 {
            let why = "the server tells neither a strong ETag nor a time of change, so that nobody could see that the object changed";
            return Err(failed(url, Trouble::lasting(ObjectFailure::Unfit, why)));
        }
        // Its time is in whole seconds: within this one, a change would go unseen.
        let age = chrono::Utc::now().timestamp_millis() - version.modified;
        if (-A_COARSE_TICK..A_COARSE_TICK).contains(&age) {
            rested(Duration::from_millis(A_COARSE_TICK as u64), || self.is_stopped());
            return self.look(url);
        }
        Ok(version)
    }

    /// The objects whose keys begin with that of `folder`, which ends with a slash or is empty: at any depth, or of this folder alone.
    pub fn list(&self, folder: &ObjectUrl, at_any_depth: bool) -> Result<Vec<Object>, ObjectError> {
        if !folder.can_list() {
            let why = "a server of plain files does not say what it holds; name each shard, or all as https://HOST/PATH/{000..127}.tar";
            return Err(failed(folder, Trouble::lasting(ObjectFailure::Unfit, why)));
        }
        let object = |key: &str, version: Version| Object {
            url: folder.with_key(key),
            version: Some(version),
            objects: self.clone(),
        };
        if folder.scheme == Scheme::Hub {
            let files = self.of_the_hub(folder, |connector| hub::list(connector, folder, at_any_depth))?;
            return Ok(files.into_iter().map(|(key, version)| object(&key, version)).collect());
        }
        let listed = self.listed(folder, at_any_depth)?;
        // A folder's mark of no bytes, `00000.tar/`, is told as what it stands beside.
        let mut by_key: BTreeMap<String, Version> = BTreeMap::new();
        for meta in listed {
            let version = version_of(&meta);
            match by_key.entry(meta.location.to_string()) {
                Entry::Vacant(free) => drop(free.insert(version)),
                Entry::Occupied(mut known) if known.get().len == 0 => drop(known.insert(version)),
                Entry::Occupied(_) => {}
            }
        }
        Ok(by_key.into_iter().map(|(key, version)| object(&key, version)).collect())
    }

    /// What is beneath a folder, or in it. A page that fails is asked for again, and none that was there.
    fn listed(&self, folder: &ObjectUrl, at_any_depth: bool) -> Result<Vec<ObjectMeta>, ObjectError> {
        let prefix = Path::parse(folder.key().trim_end_matches('/')).map_err(|error| {
            failed(folder, Trouble::lasting(ObjectFailure::Unfit, format!("it cannot be listed: {error}")))
        })?;
        let prefix = (!folder.key().is_empty()).then_some(&prefix);
        if !at_any_depth {
            let listed = self.tried(folder, |store| wait(store.list_with_delimiter(prefix)))?;
            return Ok(listed.objects);
        }
        let listed: RefCell<Vec<ObjectMeta>> = RefCell::default();
        let said = Cell::new(Instant::now());
        self.tried(folder, |store| {
            let last = listed.borrow().last().map(|meta| meta.location.clone());
            let mut pages = match &last {
                None => store.list(prefix),
                Some(last) => store.list_with_offset(prefix, last),
            };
            wait(async {
                while let Some(meta) = pages.try_next().await? {
                    listed.borrow_mut().push(meta);
                    if self.is_stopped() {
                        return Err(stopped());
                    }
                    if said.get().elapsed() > SAY_EVERY {
                        said.set(Instant::now());
                        crate::note!("{folder}: {} objects are listed, and more come", listed.borrow().len());
                    }
                }
                Ok(())
            })
        })?;
        Ok(listed.into_inner())
    }

    /// `len` bytes at `at` of this version of an object.
    pub fn read(
        &self,
        url: &ObjectUrl,
        version: &Version,
        at: u64,
        len: u64,
    ) -> Result<Vec<u8>, ObjectError> {
        if len == 0 {
            return Ok(Vec::new());
        }
        if let Some(commit) = &version.pin {
            return self.of_the_hub(url, |connector| hub::read(connector, url, (version, commit), at, len));
        }
        let path = path_of(url).map_err(|trouble| failed(url, trouble))?;
        let time = chrono::DateTime::from_timestamp_millis(version.modified);
        let options = GetOptions {
            if_match: version.etag.clone(),
            if_unmodified_since: time.filter(|_| version.etag.is_none()),
            range: Some(GetRange::Bounded(at..at + len)),
            ..GetOptions::default()
        };
        let read = self.tried(url, |store| {
            wait(async {
                let got = store.get_opts(&path, options.clone()).await?;
                let is_it = got.meta.size == version.len && is_same(version, &version_of(&got.meta));
                Ok((is_it, got.bytes().await?))
            })
        });
        let changed = |why: &str| failed(url, Trouble::lasting(ObjectFailure::Changed, why));
        match read? {
            // Of a server that does not look at the condition.
            (false, _) => Err(changed("it changed after it was looked at: another version was read")),
            (true, bytes) if bytes.len() as u64 != len => Err(changed("fewer bytes came than it had")),
            (true, bytes) => Ok(bytes.into()),
        }
    }

    pub(super) fn tried<T>(
        &self,
        url: &ObjectUrl,
        work: impl Fn(&dyn ObjectStore) -> object_store::Result<T>,
    ) -> Result<T, ObjectError> {
        let opened = self.opened(url).map_err(|trouble| failed(url, trouble))?;
        self.again(url, || work(&*opened.store).map_err(|error| trouble(&error)))
    }

    fn of_the_hub<T>(
        &self,
        url: &ObjectUrl,
        work: impl Fn(&Connector) -> Result<T, Trouble>,
    ) -> Result<T, ObjectError> {
        let connector = self.connector(url.scheme).map_err(|trouble| failed(url, trouble))?;
        self.again(url, || work(&connector))
    }

    pub(super) fn again<T>(
        &self,
        url: &ObjectUrl,
        work: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, ObjectError> {
        let settings = self.settings();
        let on_retry = |trouble: &Trouble, pause: Duration, number: usize| {
            self.0.retries.fetch_add(1, Ordering::Relaxed);
            crate::note!(
                "{url}: {trouble}; trying again in {:.1} s ({number} of {})",
                pause.as_secs_f64(),
                settings.retries
            );
        };
        let done = tried(settings.retries, || self.is_stopped(), on_retry, work);
        done.map_err(|trouble| failed(url, trouble))
    }

    /// One for all of a kind: it keeps connections.
    fn connector(&self, scheme: Scheme) -> Result<Connector, Trouble> {
        let follows = matches!(scheme, Scheme::Http | Scheme::Hub);
        let open = || Connector::new(self.settings(), self.0.wire.clone(), follows);
        self.0.connectors[usize::from(follows)].get_or_init(open).clone()
    }

    pub(super) fn opened(&self, url: &ObjectUrl) -> Result<Opened, Trouble> {
        // A panic elsewhere leaves it whole: each change of it is one insertion.
        let mut stores = self.0.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = url.with_key("").to_string();
        if let Some(opened) = stores.get(&bucket) {
            return Ok(opened.clone());
        }
        let opened = open(url, self.connector(url.scheme)?)?;
        stores.insert(bucket, opened.clone());
        Ok(opened)
    }
}

/// Whether two words of a server about an object are of one version: a server may tell times more coarsely with a range than in a list.
fn is_same(one: &Version, other: &Version) -> bool {
    match (&one.etag, &other.etag) {
        (Some(one), Some(other)) => one.trim_matches('"') == other.trim_matches('"'),
        (None, _) => one.modified / 1000 == other.modified / 1000,
        (Some(_), None) => false,
    }
}

fn stopped() -> object_store::Error {
    let trouble = Trouble::lasting(ObjectFailure::Stopped, "stopped while it was listed");
    object_store::Error::Generic { store: "list", source: Box::new(trouble) }
}

/// Waits on this thread: the requests are made on it, too.
pub(super) fn wait<T>(work: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(object_store::Error::Generic { store: "requests", source: Box::new(error) }),
    }
}

pub(super) fn failed(url: &ObjectUrl, trouble: Trouble) -> ObjectError {
    ObjectError { url: url.to_string(), failure: trouble.failure, why: trouble.why }
}

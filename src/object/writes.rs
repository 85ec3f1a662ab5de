//! Writes and deletes, for threads that wait.
//!
//! A write may bear a condition, which the server checks at the same moment: of two writers who go by the same [`Tag`] one fails.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path as FilePath;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::StreamExt;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutResult, UpdateVersion};
use serde::{Deserialize, Serialize};

use super::connect::insisting;
use super::reads::{failed, wait};
use super::stores::{path_of, trouble, version_of};
use super::tries::Trouble;
use super::{ObjectError, ObjectFailure, ObjectUrl, Objects, Version};
use crate::limits::side_by_side;

/// A file is sent in parts of so many bytes, if it has more; S3 takes 5 MiB to 5 GiB a part.
const PART: u64 = 16 << 20;
/// As many parts as an object may have at most.
const MOST_PARTS: u64 = 9_000;
/// So many parts of a file are sent at once: each is held in memory.
const AT_ONCE: usize = 8;
/// How often an object is looked at that is written over again and again.
const MOST_LOOKS: usize = 10;

/// A version of an object, as a write may go by it. Two are the same where their ETags are: an answer to a write may say less of a version than
/// a look does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tag {
    /// As the server gives it.
    pub etag: Option<String>,
    /// Google's generation, or the version of a bucket that keeps all.
    pub version: Option<String>,
}

impl Tag {
    /// Whether an ETag, of a list or of an answer, is of this version.
    pub fn is_of(&self, etag: Option<&str>) -> bool {
        let bare = |etag: &str| etag.trim_matches('"').to_owned();
        self.etag.is_some() && self.etag.as_deref().map(bare) == etag.map(bare)
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.is_of(other.etag.as_deref())
    }
}

impl From<PutResult> for Tag {
    fn from(done: PutResult) -> Self {
        Tag { etag: done.e_tag, version: done.version }
    }
}

/// When an object is written.
#[derive(Clone, Copy, Debug)]
pub enum PutIf<'a> {
    Always,
    /// Where there is none of that name.
    Absent,
    /// Where it is of this version.
    Is(&'a Tag),
}

impl PutIf<'_> {
    fn mode(self) -> PutMode {
        match self {
            PutIf::Always => PutMode::Overwrite,
            PutIf::Absent => PutMode::Create,
            PutIf::Is(Tag { etag, version }) => {
                PutMode::Update(UpdateVersion { e_tag: etag.clone(), version: version.clone() })
            }
        }
    }
}

impl ObjectUrl {
    /// An error where nothing can be written there.
    pub fn check_writable(&self) -> Result<(), ObjectError> {
        match self.can_be_written() {
            true => Ok(()),
            false => Err(self.unfit("nothing can be written there")),
        }
    }

    /// An error where it does not name a folder that can be written to, without a slash at its end.
    pub fn check_folder(&self) -> Result<(), ObjectError> {
        self.check_writable()?;
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        match self.key() {
            "" => Err(self.unfit("it names a bucket and no folder in it")),
            key if !key.split('/').all(is_plain) => Err(self.unfit("a part of its path is empty, or dots")),
            key if key.contains(['*', '?', '[', ']', '{', '}']) => {
                Err(self.unfit("a folder to write to is one, and no pattern"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn unfit(&self, why: &str) -> ObjectError {
        let why =
            format!("{why}; there are s3://BUCKET/FOLDER, gs://BUCKET/FOLDER and az://CONTAINER/FOLDER");
        failed(self, Trouble::lasting(ObjectFailure::Unfit, why))
    }
}

impl Objects {
    /// The version that is there now; `None` where there is no such object.
    pub fn tag(&self, url: &ObjectUrl) -> Result<Option<Tag>, ObjectError> {
        Ok(self.tagged(url)?.map(|(tag, _)| tag))
    }

    /// All of an object as it is now, and which version that is; `None` where there is no such object.
    pub fn read_tagged(&self, url: &ObjectUrl) -> Result<Option<(Tag, Vec<u8>)>, ObjectError> {
        let mut read = Ok(None);
        for _ in 0..MOST_LOOKS {
            let Some((tag, version)) = self.tagged(url)? else { return Ok(None) };
            read = self.read_all(url, &version).map(|bytes| Some((tag, bytes)));
            // Written over between the two.
            let again =
                |error: &ObjectError| matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone);
            if !read.as_ref().is_err_and(again) {
                break;
            }
        }
        read
    }

    /// All of this version of an object.
    pub fn read_all(&self, url: &ObjectUrl, version: &Version) -> Result<Vec<u8>, ObjectError> {
        let mut all = Vec::new();
        while (all.len() as u64) < version.len {
            let at = all.len() as u64;
            all.append(&mut self.read(url, version, at, PART.min(version.len - at))?);
        }
        Ok(all)
    }

    fn tagged(&self, url: &ObjectUrl) -> Result<Option<(Tag, Version)>, ObjectError> {
        let path = path_of(url).map_err(|trouble| failed(url, trouble))?;
        match self.tried(url, |store| wait(async { store.head(&path).await })) {
            Ok(meta) => {
                let version = version_of(&meta);
                if version.etag.is_none() {
                    let why = "the server gives no strong ETags, so that two writers could not be told apart";
                    return Err(failed(url, Trouble::lasting(ObjectFailure::Unfit, why)));
                }
                Ok(Some((Tag { etag: meta.e_tag, version: meta.version }, version)))
            }
            Err(error) if error.failure == ObjectFailure::Gone => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object.
    ///
    /// # Errors
    /// [`ObjectFailure::Changed`] where the condition does not hold. An attempt that was cut off may have been carried out, and then its repetition
    /// finds its own object: see [`put_seen`](Objects::put_seen).
    pub fn put(&self, url: &ObjectUrl, bytes: &[u8], when: PutIf<'_>) -> Result<Tag, ObjectError> {
        self.put_guarded(url, bytes, when, &|| true)
    }

    /// The same, and where the condition does not hold it is looked whether these very bytes are there.
    pub fn put_seen(&self, url: &ObjectUrl, bytes: &[u8], when: PutIf<'_>) -> Result<Tag, ObjectError> {
        self.seen(url, bytes, self.put(url, bytes, when))
    }

    fn seen(
        &self,
        url: &ObjectUrl,
        bytes: &[u8],
        done: Result<Tag, ObjectError>,
    ) -> Result<Tag, ObjectError> {
        match done {
            Err(error) if matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone) => {
                match self.read_tagged(url)? {
                    Some((tag, there)) if there == bytes => Ok(tag),
                    _ => Err(error),
                }
            }
            done => done,
        }
    }

    /// Each attempt is made only while `may` says so.
    fn put_guarded(
        &self,
        url: &ObjectUrl,
        bytes: &[u8],
        when: PutIf<'_>,
        may: &dyn Fn() -> bool,
    ) -> Result<Tag, ObjectError> {
        let path = path_of(url).map_err(|trouble| failed(url, trouble))?;
        let opened = self.opened(url).map_err(|trouble| failed(url, trouble))?;
        self.again(url, || {
            guard(may)?;
            put(&*opened.store, &path, bytes.to_vec(), when).map(Tag::from).map_err(|error| trouble(&error))
        })
    }

    /// Writes an object once, also where the run was told to stop.
    pub fn put_once(&self, url: &ObjectUrl, bytes: &[u8], when: PutIf<'_>) -> Result<Tag, ObjectError> {
        let path = path_of(url).map_err(|trouble| failed(url, trouble))?;
        let opened = self.opened(url).map_err(|trouble| failed(url, trouble))?;
        let done = insisting(|| put(&*opened.store, &path, bytes.to_vec(), when));
        done.map(Tag::from).map_err(|error| failed(url, trouble(&error)))
    }

    /// Writes an object of a file's bytes: in parts where it is large, so that no more than a few of them are held. Nothing is sent that
    /// `may` does not allow at that moment.
    ///
    /// # Errors
    /// Where the condition does not hold; an object that goes in parts has none, since not all stores know such.
    pub fn put_file(
        &self,
        url: &ObjectUrl,
        file: &FilePath,
        when: PutIf<'_>,
        may: &(dyn Fn() -> bool + Sync),
    ) -> Result<Tag, ObjectError> {
        let unread = |error: std::io::Error| {
            let why = format!("{} cannot be read: {error}", file.display());
            failed(url, Trouble::lasting(ObjectFailure::Unfit, why))
        };
        let open = File::open(file).map_err(unread)?;
        let len = open.metadata().map_err(unread)?.len();
        let piece = |at: u64, len: u64| {
            let mut bytes = vec![0; len as usize];
            open.read_exact_at(&mut bytes, at).map(|()| bytes)
        };
        if len <= PART {
            let bytes = piece(0, len).map_err(unread)?;
            return self.seen(url, &bytes, self.put_guarded(url, &bytes, when, may));
        }
        let path = path_of(url).map_err(|trouble| failed(url, trouble))?;
        let opened = self.opened(url).map_err(|trouble| failed(url, trouble))?;
        let Some(store) = opened.parts else { return Err(url.unfit("nothing can be written there")) };
        let before = self.tag(url)?;
        let told = |error: object_store::Error| trouble(&error);
        let id = self.again(url, || wait(store.create_multipart(&path)).map_err(told))?;
        let of_a_part = PART.max(len.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        let sent = sent_in_parts(len, of_a_part, |number, at, len| {
            let bytes = piece(at, len).map_err(unread)?;
            self.again(url, || {
                guard(may)?;
                wait(store.put_part(&path, &id, number, bytes.clone().into())).map_err(told)
            })
        });
        let done = sent.and_then(|parts| {
            self.again(url, || {
                guard(may)?;
                wait(store.complete_multipart(&path, &id, parts.clone())).map_err(told)
            })
        });
        match done {
            Ok(done) => Ok(done.into()),
            // An attempt whose answer was lost came through: most stores do not know the upload any more then.
            Err(error) if error.failure == ObjectFailure::Gone => match self.tagged(url)? {
                Some((tag, version)) if version.len == len && Some(&tag) != before.as_ref() => Ok(tag),
                _ => Err(error),
            },
            Err(error) => {
                // Parts of no object cost money for as long as they lie there.
                let _ = insisting(|| wait(store.abort_multipart(&path, &id)));
                Err(error)
            }
        }
    }

    /// Deletes objects of one bucket, those of them that are there, once, also where the run was told to stop.
    pub fn delete_once(&self, urls: &[ObjectUrl]) -> Result<(), ObjectError> {
        let Some(url) = urls.first() else { return Ok(()) };
        let path = |url: &ObjectUrl| path_of(url).map_err(|trouble| failed(url, trouble));
        let paths = urls.iter().map(path).collect::<Result<Vec<Path>, _>>()?;
        let opened = self.opened(url).map_err(|trouble| failed(url, trouble))?;
        insisting(|| wait(delete(&*opened.store, paths))).map_err(|error| failed(url, trouble(&error)))
    }
}

/// An error where nothing is to be sent any more.
fn guard(may: &dyn Fn() -> bool) -> Result<(), Trouble> {
    if may() {
        Ok(())
    } else {
        Err(Trouble::lasting(ObjectFailure::Stopped, "it is not to be written any more"))
    }
}

async fn delete(store: &dyn ObjectStore, paths: Vec<Path>) -> object_store::Result<()> {
    let mut deleted = store.delete_stream(futures_util::stream::iter(paths.into_iter().map(Ok)).boxed());
    while let Some(done) = deleted.next().await {
        match done {
            Err(error) if trouble(&error).failure == ObjectFailure::Gone => {}
            done => drop(done?),
        }
    }
    Ok(())
}

fn put(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: Vec<u8>,
    when: PutIf<'_>,
) -> object_store::Result<PutResult> {
    let options = PutOptions { mode: when.mode(), ..PutOptions::default() };
    wait(store.put_opts(path, bytes.into(), options))
}

/// Sends all parts of `len` bytes, several at a time: the number, the place and the length of each.
fn sent_in_parts(
    len: u64,
    of_a_part: u64,
    send: impl Fn(usize, u64, u64) -> Result<PartId, ObjectError> + Sync,
) -> Result<Vec<PartId>, ObjectError> {
    let count = len.div_ceil(of_a_part) as usize;
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let sent: Mutex<Vec<Option<PartId>>> = Mutex::new((0..count).map(|_| None).collect());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let at = number as u64 * of_a_part;
            let id = send(number, at, of_a_part.min(len - at))
                .inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            sent.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(id);
        }
        Ok(())
    };
    side_by_side(AT_ONCE.min(count), work).into_iter().collect::<Result<(), _>>()?;
    let sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Where no thread failed, each part was sent by one.
    Ok(sent.into_iter().flatten().collect())
}

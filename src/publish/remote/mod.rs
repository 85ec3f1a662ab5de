//! Published sets that lie in a bucket.
//!
//! A set is made in a folder, as any other: the mirror, in the store. All that reads what is published reads the mirror, and all rules of a
//! folder hold there. [`Remote`] keeps the two alike. Before a command reads or writes, `bring` makes the mirror what the bucket holds:
//! one request where nobody else has published meanwhile. After a commit, `send` makes the bucket what the mirror holds, in this order:
//!
//! 1. The lock of the bucket is taken ([`claim`]): an object that is written under a condition, and again while the sending goes on. A writer
//!    that died is known by that, and another takes its place.
//! 2. The parts that differ are sent, several at a time. Their names have the digests of what they hold, so that none is written over.
//! 3. The manifest is written on condition that the one that is there is the one that this run began from. If another writer has published,
//!    this fails, and what was sent is deleted.
//! 4. The notes follow, parts that no manifest names are deleted, and the lock is let go.
//!
//! So at any moment the manifest in the bucket names a complete set. Of a layout whose names have no digests (a release), a part that changed is
//! written over; before that, a manifest is written that names only what stays. `record` has what was sent, by ETags: one list shows
//! what was changed in the bucket by somebody else, and that is sent anew.

mod bring;
mod claim;
mod mirrors;
mod record;
mod send;

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::names::is_part_name;
use super::parts::Layout;
use super::{PUBLISHED, PublishError, export, manifest};
use crate::limits::Locked;
use crate::object::{ObjectError, ObjectFailure, ObjectUrl, Objects, PutIf, Tag};
use crate::row::ContentHash;
pub use claim::Rival;
use claim::{Claim, Taken};
pub use mirrors::Mirror;
use record::Record;
pub use send::Sent;

/// Where in a store the mirrors of buckets are.
const MIRRORS: &str = "buckets";
/// The mirror itself, in its folder.
const SET: &str = "set";
/// What is written to see whether it can be deleted.
const PROBE: &str = ".probe-";
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What is to be known of a layout whose sets are sent.
pub struct RemoteKind {
    /// What its manifest's `format` says.
    pub format: &'static str,
    /// What is written beside what the manifest names.
    pub notes: &'static [&'static str],
    /// Whether a file, below the folder, is named as one of its parts: such files are deleted where no manifest names them.
    pub is_part: fn(&str) -> bool,
    /// All files that such a manifest names.
    pub named: fn(&[u8]) -> Result<HashSet<String>, String>,
    /// Where names have no digests: such a manifest, with the files alone for which this holds.
    pub without: Option<Without>,
}

/// See [`RemoteKind::without`].
pub type Without = fn(&[u8], &dyn Fn(&str) -> bool) -> Result<Vec<u8>, String>;

impl RemoteKind {
    /// Of what runs publish.
    pub const PUBLISHED: RemoteKind = RemoteKind {
        format: manifest::PUBLISHED_FORMAT,
        notes: &["summary.json", "README.md"],
        is_part: |file| is_part_of(&PUBLISHED, file),
        named: named_of_parts,
        without: None,
    };

    /// Of an export.
    pub const EXPORT: RemoteKind = RemoteKind {
        format: export::EXPORT.format,
        notes: &[],
        is_part: |file| is_part_of(&export::EXPORT, file),
        named: named_of_parts,
        without: None,
    };
}

fn is_part_of(layout: &Layout, file: &str) -> bool {
    let (below, name) = file.rsplit_once('/').unwrap_or(("", file));
    layout.kinds.iter().any(|kind| kind.folder() == below && is_part_name(name, kind.extension()))
}

fn named_of_parts(text: &[u8]) -> Result<HashSet<String>, String> {
    #[derive(serde::Deserialize)]
    struct Files {
        parts: Vec<File>,
        #[serde(default)]
        notes: Vec<File>,
    }
    #[derive(serde::Deserialize)]
    struct File {
        file: String,
    }
    let Files { parts, notes } = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(parts.into_iter().chain(notes).map(|named| named.file).collect())
}

/// A set in a bucket, and its mirror in a store.
pub struct Remote {
    /// Of the folder: its key ends with a slash.
    url: ObjectUrl,
    objects: Objects,
    kind: &'static RemoteKind,
    /// Has the mirror, what was sent of it, and a lock.
    folder: PathBuf,
    /// The bucket's manifest, as the mirror was brought from it or sent to it last.
    began_from: Mutex<Option<Tag>>,
    /// The answer to the last manifest was lost.
    unsure: AtomicBool,
}

/// The mirror, locked: nobody else of this store brings, commits or sends.
pub struct Writing<'a> {
    remote: &'a Remote,
    _lock: Locked,
}

impl Remote {
    /// The set at this URL, with its mirror in that store. Nothing is asked or written yet.
    ///
    /// # Errors
    /// Where nothing can be written at such a URL, or where it names a bucket and nothing below it.
    pub fn new(
        url: &str,
        kind: &'static RemoteKind,
        store: &Path,
        objects: Objects,
    ) -> Result<Self, ObjectError> {
        let url = ObjectUrl::parse(url)?;
        let url = url.with_key(url.key().trim_end_matches('/'));
        url.check_folder()?;
        // Readable, and one of its own for each URL.
        let shown = url.to_string();
        let name: String =
            shown.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        let name = &name[name.len().saturating_sub(60)..];
        let digest = ContentHash::of(shown.as_bytes()).to_string();
        let folder = store.join(MIRRORS).join(format!("{}-{}", name.trim_start_matches('-'), &digest[..12]));
        let url = url.with_key(format!("{}/", url.key()));
        Ok(Remote {
            url,
            objects,
            kind,
            folder,
            began_from: Mutex::default(),
            unsure: AtomicBool::new(false),
        })
    }

    /// Where the mirror is: what reads and writes a published set is to be given this folder.
    pub fn mirror(&self) -> PathBuf {
        self.folder.join(SET)
    }

    /// Makes the mirror what the bucket holds.
    ///
    /// # Errors
    /// Where the bucket cannot be read, or holds what is not of this kind, or where the store cannot be written.
    pub fn bring(&self) -> Result<(), PublishError> {
        let _lock = self.lock()?;
        let tag = bring::bring(self)?;
        *self.began_from() = tag;
        Ok(())
    }

    /// Makes a folder what the bucket holds, and leaves the store as it is; the mirror, where that is so already. For commands that only look.
    pub fn bring_to(&self, folder: &Path) -> Result<PathBuf, PublishError> {
        let (record, tag) = (Record::read(&self.folder), self.manifest_tag()?);
        if record.is_in_step(&self.mirror(), tag.as_ref()) {
            return Ok(self.mirror());
        }
        bring::bring_to(self, folder)?;
        Ok(folder.to_owned())
    }

    /// Whether the set can be written: takes the lock of the bucket for a moment. The first time it looks, too, whether the place is ours or free, and
    /// whether the store knows conditions and deletes.
    ///
    /// # Errors
    /// Where it cannot be.
    pub fn check(&self) -> Result<(), PublishError> {
        let is_checked = Record::read(&self.folder).is_checked;
        let _lock = match self.try_lock()? {
            Some(lock) => lock,
            // Another command of this store is at it: its lock is not to be taken from it.
            None if is_checked => return Ok(()),
            None => self.lock()?,
        };
        let mut record = Record::read(&self.folder);
        // Whoever is killed from here on is known by its name.
        record.save(&self.folder)?;
        if !record.is_checked {
            bring::check_ours(self)?;
            self.probe()?;
            record.is_checked = true;
            record.save(&self.folder)?;
        }
        match Claim::try_take(self, &record.writer)? {
            Taken::Claim(claim) => claim.release(),
            // Another writer is at it.
            Taken::Held => {}
        }
        Ok(())
    }

    /// An error where the store writes whatever the condition, for then two writers could not be told apart; or does not delete.
    fn probe(&self) -> Result<(), PublishError> {
        let probe = self.url_of(&format!("{PROBE}{}", record::drawn()));
        let tag = self.objects.put_seen(&probe, b"may be deleted", PutIf::Absent);
        let tag = tag.map_err(|error| self.unconditional("If-None-Match", error))?;
        let version = tag.version.as_ref().map(|_| "1".to_owned());
        let other = Tag { etag: Some("\"00000000000000000000000000000000\"".to_owned()), version };
        let tried = [(PutIf::Absent, "If-None-Match"), (PutIf::Is(&other), "If-Match")].map(
            |(when, what)| match self.objects.put(&probe, b"is not to be written", when) {
                Err(error) if claim::is_refused(&error) => Ok(()),
                Err(error) => Err(self.unconditional(what, error)),
                Ok(_) => Err(claim::unconditional(self, what, "and writes anyway")),
            },
        );
        let tried: Result<(), PublishError> = tried.into_iter().collect();
        let tried = tried.and_then(|()| {
            let kept = self.objects.put_seen(&probe, b"may be deleted by now", PutIf::Is(&tag));
            kept.map(drop).map_err(|error| self.unconditional("If-Match", error))
        });
        let deleted = self.objects.delete_once(&[probe]);
        tried?;
        Ok(deleted?)
    }

    /// What a conditional write failed with.
    fn unconditional(&self, what: &str, error: ObjectError) -> PublishError {
        match error.failure {
            ObjectFailure::Changed | ObjectFailure::Gone => {
                claim::unconditional(self, what, &format!("and refuses a write that fits it: {}", error.why))
            }
            ObjectFailure::Unfit => claim::unconditional(self, what, &error.why),
            _ => error.into(),
        }
    }

    /// Locks the mirror, for a commit to it that is then sent. A mirror that is ahead, since an earlier sending failed, is made what is published.
    ///
    /// # Errors
    /// Where another has published since the mirror was brought.
    pub fn begin(&self) -> Result<Writing<'_>, PublishError> {
        let lock = self.lock()?;
        let (record, there) = (Record::read(&self.folder), self.manifest_tag()?);
        let began_from = self.began_from().clone();
        if there != began_from {
            // One whose answer was lost may be our own: all that it names was sent before it.
            let text = fs::read(self.mirror().join(manifest::MANIFEST)).ok();
            let read = self.objects.read_tagged(&self.url_of(manifest::MANIFEST))?;
            return match read {
                Some((tag, there)) if self.is_unsure() && text.as_ref() == Some(&there) => {
                    let mut record = record;
                    record.note(&self.mirror(), manifest::MANIFEST, tag.clone())?;
                    record.manifest = Some(tag.clone());
                    record.save(&self.folder)?;
                    *self.began_from() = Some(tag);
                    self.unsure.store(false, Ordering::Relaxed);
                    Ok(Writing { remote: self, _lock: lock })
                }
                _ => Err(self.overtaken()),
            };
        }
        if !record.is_in_step(&self.mirror(), there.as_ref()) && bring::bring(self)? != began_from {
            return Err(self.overtaken());
        }
        Ok(Writing { remote: self, _lock: lock })
    }

    fn began_from(&self) -> std::sync::MutexGuard<'_, Option<Tag>> {
        self.began_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overtaken(&self) -> PublishError {
        PublishError::Overtaken { url: self.shown() }
    }

    /// The URL, as it is shown.
    pub fn shown(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    fn url_of(&self, file: &str) -> ObjectUrl {
        self.url.with_key(format!("{}{file}", self.url.key()))
    }

    fn manifest_tag(&self) -> Result<Option<Tag>, PublishError> {
        Ok(self.objects.tag(&self.url_of(manifest::MANIFEST))?)
    }

    fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::Relaxed)
    }

    fn lock(&self) -> Result<Locked, PublishError> {
        self.waited(|| self.try_lock())
    }

    fn try_lock(&self) -> Result<Option<Locked>, PublishError> {
        fs::create_dir_all(&self.folder).map_err(PublishError::io("make", &self.folder))?;
        locked(&self.folder.join("lock"))
    }

    /// Waits until there is something, and says so now and then.
    fn waited<T>(&self, take: impl FnMut() -> Result<Option<T>, PublishError>) -> Result<T, PublishError> {
        let url = self.shown();
        waited(&format!("the mirror of {url}"), || self.objects.is_stopped(), take)
    }
}

/// The lock of a file, which is made if need be; `None` where another has it.
fn locked(path: &Path) -> Result<Option<Locked>, PublishError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(PublishError::io("make", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Locked(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(PublishError::io("lock", path)(error)),
    }
}

fn waited<T>(
    what: &str,
    is_stopped: impl Fn() -> bool,
    mut take: impl FnMut() -> Result<Option<T>, PublishError>,
) -> Result<T, PublishError> {
    let mut said = Instant::now();
    loop {
        if let Some(taken) = take()? {
            return Ok(taken);
        }
        if is_stopped() {
            return Err(PublishError::Other(format!("stopped while another command was at {what}")));
        }
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            crate::note!("{what}: another command is at it; waiting until that ends");
        }
        rest(Duration::from_millis(50));
    }
}

impl Writing<'_> {
    /// Makes the bucket what the mirror holds.
    ///
    /// # Errors
    /// Where another has published meanwhile, or the bucket cannot be written. What was published before then stands as it was.
    pub fn send(self) -> Result<Sent, PublishError> {
        send::send(self.remote)
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread that publishes, which may wait")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

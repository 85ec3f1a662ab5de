//! Places that lie in buckets: what a command reads or writes is then a folder all the same, the mirror of the bucket or a copy of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Failure, RunOptions, signals};
use crate::object::{Objects, is_url};
use crate::publish::{PublishError, Remote, RemoteKind, Sent, Writing};

/// Those of a run's places that lie in buckets.
#[derive(Clone, Default)]
pub struct InBuckets {
    out: Option<Arc<Remote>>,
    export: Option<Arc<Remote>>,
}

impl std::fmt::Debug for InBuckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |remote: &Option<Arc<Remote>>| remote.as_ref().map(|remote| remote.shown());
        f.debug_struct("InBuckets")
            .field("out", &shown(&self.out))
            .field("export", &shown(&self.export))
            .finish()
    }
}

/// A place that a command writes to.
pub struct Destination {
    /// Where it is to be made.
    pub folder: PathBuf,
    remote: Option<Remote>,
}

/// A set that a command reads.
pub struct Looked {
    pub folder: PathBuf,
    /// As the user knows it.
    shown: String,
    _temporary: Option<tempfile::TempDir>,
}

/// What failed, with the place that the user knows where it tells of a folder that he does not.
fn in_words(folder: &Path, shown: &str, failure: Failure) -> Failure {
    let put = |text: String| text.replace(&folder.display().to_string(), shown);
    match failure {
        Failure::Usage(text) => Failure::Usage(put(text)),
        Failure::Failed(text) => Failure::Failed(put(text)),
        Failure::NotNow(text) => Failure::NotNow(put(text)),
        other => other,
    }
}

/// An error where a set is published in a bucket and not all of it could be done.
///
/// # Errors
/// What was not done.
pub fn finished(sent: Option<&Sent>) -> Result<(), Failure> {
    unfinished(sent).map_or(Ok(()), |why| Err(Failure::Failed(why)))
}

/// What was not done behind the publishing.
pub(super) fn unfinished(sent: Option<&Sent>) -> Option<String> {
    let sent = sent?;
    let why = sent.unfinished.as_ref()?;
    Some(format!("published in {}, but not all that belongs to it could be done: {why}. Run again", sent.url))
}

impl Looked {
    fn folder(folder: &Path) -> Self {
        Looked { folder: folder.to_owned(), shown: folder.display().to_string(), _temporary: None }
    }

    fn for_now(remote: &Remote) -> Result<Self, Failure> {
        // The copy goes, too, where the command is stopped.
        signals::stop_on_signals_once();
        let shown = remote.shown();
        let temporary = tempfile::tempdir().map_err(|error| {
            Failure::Failed(format!("no folder can be made for what {shown} holds: {error}"))
        })?;
        let folder = remote.bring_to(temporary.path()).map_err(Failure::from);
        let folder = folder.map_err(|failure| in_words(temporary.path(), &shown, failure))?;
        Ok(Looked { folder, shown, _temporary: Some(temporary) })
    }

    /// What failed, with the place that the user knows.
    pub fn told(&self, failure: Failure) -> Failure {
        in_words(&self.folder, &self.shown, failure)
    }
}

fn url_of(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_url(text))
}

fn remote(url: &str, kind: &'static RemoteKind, store: &Path, objects: &Objects) -> Result<Remote, Failure> {
    Remote::new(url, kind, store, objects.clone()).map_err(|error| Failure::Usage(error.to_string()))
}

/// What a run published at `out`, to read: a folder as it is; of one in a bucket its mirror in the store, made what the bucket holds.
///
/// # Errors
/// Where a bucket cannot be read.
pub fn look_at_published(out: &Path, store: &Path, objects: &Objects) -> Result<Looked, Failure> {
    let Some(url) = url_of(out) else { return Ok(Looked::folder(out)) };
    let remote = remote(url, &RemoteKind::PUBLISHED, store, objects)?;
    remote.bring()?;
    Ok(Looked { folder: remote.mirror(), shown: remote.shown(), _temporary: None })
}

/// The same for a command that writes nothing to the store: a copy that is fetched for the time being, where the mirror is not what the bucket
/// holds.
pub(super) fn look_for_now(out: &Path, store: &Path, objects: &Objects) -> Result<Looked, Failure> {
    let Some(url) = url_of(out) else { return Ok(Looked::folder(out)) };
    Looked::for_now(&remote(url, &RemoteKind::PUBLISHED, store, objects)?)
}

impl Destination {
    /// A place to write to, found free or ours, and as it is there now. Of one in a bucket the folder is its mirror in the store.
    ///
    /// # Errors
    /// Where a bucket cannot be read or written.
    pub fn open(
        place: &Path,
        kind: &'static RemoteKind,
        store: &Path,
        objects: &Objects,
    ) -> Result<Self, Failure> {
        let remote = url_of(place).map(|url| remote(url, kind, store, objects)).transpose()?;
        let Some(remote) = remote else {
            return Ok(Destination { folder: place.to_owned(), remote: None });
        };
        remote.bring()?;
        remote.check()?;
        Ok(Destination { folder: remote.mirror(), remote: Some(remote) })
    }

    /// Of an export.
    pub(super) fn of_an_export(place: &Path, store: &Path, objects: &Objects) -> Result<Self, Failure> {
        Destination::open(place, &RemoteKind::EXPORT, store, objects)
    }

    /// Writes by `work`, and sends it where the place is in a bucket.
    ///
    /// # Errors
    /// That of `work`, and where it cannot be sent.
    pub fn put<T>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Failure>,
    ) -> Result<(T, Option<Sent>), Failure> {
        let writing = self.remote.as_ref().map(Remote::begin).transpose()?;
        let done = work(&self.folder).map_err(|failure| self.told(failure))?;
        if writing.is_some() {
            // From here on what is half sent is taken back, and the lock is let go.
            signals::stop_on_signals_once();
        }
        Ok((done, writing.map(send).transpose()?))
    }

    /// What failed, with the place that the user knows.
    pub fn told(&self, failure: Failure) -> Failure {
        match &self.remote {
            Some(remote) => in_words(&self.folder, &remote.shown(), failure),
            None => failure,
        }
    }
}

/// Sends what was committed, and says what somebody else had changed there.
pub(super) fn send(writing: Writing<'_>) -> Result<Sent, PublishError> {
    let sent = writing.send()?;
    super::tell_mended(Path::new(&sent.url), &sent.mended);
    Ok(sent)
}

impl RunOptions {
    /// Puts folders in the place of URLs: what is published in a bucket is made in its mirror first. Nothing is asked or written yet.
    pub(super) fn in_folders(&mut self) -> Result<(), Failure> {
        if self.in_buckets.out.is_some() || self.in_buckets.export.is_some() {
            return Ok(());
        }
        super::run::check_apart(self)?;
        let objects = self.source.objects.reader();
        let opened = |place: &Path, kind| {
            url_of(place).map(|url| remote(url, kind, &self.store, &objects).map(Arc::new)).transpose()
        };
        let out = opened(&self.out, &RemoteKind::PUBLISHED)?;
        let export =
            self.export.as_deref().map(|export| opened(export, &RemoteKind::EXPORT)).transpose()?.flatten();
        if let Some(out) = &out {
            self.out = out.mirror();
        }
        if let Some(export) = &export {
            self.export = Some(export.mirror());
        }
        self.in_buckets = InBuckets { out, export };
        Ok(())
    }

    /// The same for a command that only looks at what is published.
    pub(super) fn to_look(&self) -> Result<(Self, Looked), Failure> {
        let looked = match &self.in_buckets.out {
            None => Looked::folder(&self.out),
            Some(remote) => Looked::for_now(remote)?,
        };
        Ok((RunOptions { out: looked.folder.clone(), ..self.clone() }, looked))
    }

    /// Whether what is published, and what is exported, lies in a bucket.
    pub(super) fn are_in_buckets(&self) -> [bool; 2] {
        [self.in_buckets.out.is_some(), self.in_buckets.export.is_some()]
    }

    /// Makes mirrors what the buckets hold, and looks whether those can be written; of a run that publishes nothing the latter alone.
    pub(super) fn bring(&self, publishes: bool) -> Result<(), Failure> {
        let InBuckets { out, export } = &self.in_buckets;
        for remote in out.iter().chain(export) {
            if publishes {
                remote.bring()?;
            }
            remote.check()?;
        }
        Ok(())
    }

    /// What failed, with the places that the user knows in the place of their mirrors.
    pub(super) fn told(&self, failure: Failure) -> Failure {
        let InBuckets { out, export } = &self.in_buckets;
        out.iter()
            .chain(export)
            .fold(failure, |failure, remote| in_words(&remote.mirror(), &remote.shown(), failure))
    }

    /// Where an export goes to, for people.
    pub(super) fn export_shown(&self, to: &Path) -> PathBuf {
        self.in_buckets.export.as_ref().map_or_else(|| to.to_owned(), |remote| remote.shown().into())
    }

    /// Locks what is published in a bucket, for a commit that is then sent.
    pub(super) fn begin(&self) -> Result<Option<Writing<'_>>, PublishError> {
        self.in_buckets.out.as_deref().map(Remote::begin).transpose()
    }

    /// Where an export goes to, if one is wanted.
    pub(super) fn export_in_bucket(&self) -> Option<&Remote> {
        self.in_buckets.export.as_deref()
    }

    /// Where is published to, for people.
    pub fn out_shown(&self) -> String {
        let out = self.in_buckets.out.as_ref();
        out.map_or_else(|| self.out.display().to_string(), |remote| remote.shown())
    }

    /// Those of the folders that a run writes to, each with its flag, which lie outside of the store.
    pub(super) fn folders_apart(&self) -> Vec<(&'static str, &Path)> {
        let InBuckets { out, export } = &self.in_buckets;
        let out = out.is_none().then_some(("--out", self.out.as_path()));
        let export = self.export.as_deref().filter(|_| export.is_none()).map(|export| ("--export", export));
        std::iter::once(("--store", self.store.as_path())).chain(out).chain(export).collect()
    }
}

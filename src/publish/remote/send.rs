//! From the mirror to the bucket.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::bring::listed;
use super::claim::Claim;
use super::record::{InBucket, Record};
use super::{PROBE, Remote, rest};
use crate::limits::side_by_side;
use crate::object::{Object, ObjectFailure, ObjectUrl, PutIf, Tag};
use crate::publish::PublishError;
use crate::publish::manifest::MANIFEST;
use crate::publish::seen::Mended;

const AT_ONCE: usize = 8;
/// Files above this go one after the other, each in parts of which several go at once.
const LARGE: u64 = 16 << 20;
const SAY_EVERY: Duration = Duration::from_secs(10);
/// How often files are tried to be deleted.
const MOST_SWEEPS: u32 = 4;

/// What was sent to a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Where to.
    pub url: String,
    /// Files that were written, with manifest and notes.
    pub files: usize,
    pub bytes: u64,
    /// Files that no manifest names any more.
    pub deleted: usize,
    /// Those that somebody else had changed or deleted in the bucket.
    pub mended: Vec<Mended>,
    /// It is published, and this was not done behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

/// How far a sending came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What was published before is what is published.
    Before,
    /// A manifest names only what stays.
    Less,
    /// A manifest was written, or not: the answer did not come.
    Unsure,
    Published,
}

/// What is to be done.
struct Plan<'a> {
    listed: BTreeMap<String, Object>,
    text: Vec<u8>,
    /// Parts, and notes, that differ from what is in the bucket.
    parts: Vec<String>,
    notes: Vec<String>,
    /// Named as parts, and named by no manifest.
    strays: Vec<String>,
    mended: Vec<Mended>,
    sends_manifest: bool,
    remote: &'a Remote,
    mirror: &'a Path,
}

/// A plan that is being carried out.
struct Sending<'a> {
    plan: &'a Plan<'a>,
    claim: Claim<'a>,
    record: Record,
    stage: Stage,
    sent: Sent,
}

pub(super) fn send(remote: &Remote) -> Result<Sent, PublishError> {
    let record = Record::read(&remote.folder);
    let mirror = remote.mirror();
    let plan = Plan::of(remote, &mirror, &record)?;
    let sent = Sent { url: remote.shown(), mended: plan.mended.clone(), ..Sent::default() };
    if !plan.has_work() {
        return Ok(sent);
    }
    let claim = Claim::take(remote, &record.writer)?;
    let mut sending = Sending { plan: &plan, claim, record, stage: Stage::Before, sent };
    let done = sending.put();
    if done.is_err() && sending.stage == Stage::Before {
        // Also where the run was told to stop.
        remote.objects.insisting(|| sending.take_back());
    }
    let Sending { claim, record, stage, mut sent, .. } = sending;
    claim.release();
    *remote.began_from() = record.manifest.clone();
    let saved = record.save(&remote.folder);
    match (done.and(saved), stage) {
        (Ok(()), _) => Ok(sent),
        (Err(error), Stage::Before) => Err(error),
        (Err(error), Stage::Published) => {
            sent.unfinished = Some(why(&error));
            Ok(sent)
        }
        (Err(error @ PublishError::Overtaken { .. }), Stage::Less) => Err(error),
        (Err(error), Stage::Less) => Err(PublishError::Incomplete { url: remote.shown(), why: why(&error) }),
        (Err(error), Stage::Unsure) => {
            remote.unsure.store(true, Ordering::Relaxed);
            Err(PublishError::Unsure { url: remote.shown(), why: why(&error) })
        }
    }
}

/// What failed, without what that means where nothing was done yet.
fn why(error: &PublishError) -> String {
    match error {
        PublishError::Object(error) => error.to_string(),
        PublishError::Stopped { .. } => "it was stopped".to_owned(),
        PublishError::LockLost { .. } => "its lock could not be kept".to_owned(),
        PublishError::Overtaken { .. } => "another writer has published there".to_owned(),
        error => error.to_string(),
    }
}

impl<'a> Plan<'a> {
    fn of(remote: &'a Remote, mirror: &'a Path, record: &Record) -> Result<Self, PublishError> {
        let path = mirror.join(MANIFEST);
        let text = fs::read(&path).map_err(PublishError::io("read", &path))?;
        let named = (remote.kind.named)(&text).map_err(PublishError::Other)?;
        let listed = listed(remote)?;
        let notes: HashSet<&str> = remote.kind.notes.iter().copied().collect();
        let here = notes.iter().copied().filter(|note| mirror.join(note).is_file());
        let mut all: Vec<String> = named.iter().map(String::as_str).chain(here).map(str::to_owned).collect();
        all.sort();
        all.dedup();
        let mut plan = Plan {
            text,
            parts: Vec::new(),
            notes: Vec::new(),
            strays: Vec::new(),
            mended: Vec::new(),
            sends_manifest: !is_there(record, mirror, &listed, MANIFEST)?.0,
            listed,
            remote,
            mirror,
        };
        for file in all {
            let (same, damage) = is_there(record, mirror, &plan.listed, &file)?;
            plan.mended.extend(damage);
            if !same {
                let to = if notes.contains(file.as_str()) { &mut plan.notes } else { &mut plan.parts };
                to.push(file);
            }
        }
        let stray =
            |file: &&String| (remote.kind.is_part)(file) && !named.contains(*file) || file.starts_with(PROBE);
        plan.strays = plan.listed.keys().filter(stray).cloned().collect();
        Ok(plan)
    }

    fn has_work(&self) -> bool {
        self.sends_manifest || !(self.parts.is_empty() && self.notes.is_empty() && self.strays.is_empty())
    }
}

impl Sending<'_> {
    fn put(&mut self) -> Result<(), PublishError> {
        let (plan, remote) = (self.plan, self.plan.remote);
        // Another may have published before the lock was ours.
        let there = remote.manifest_tag()?;
        if there != self.record.manifest || there != *remote.began_from() {
            return Err(remote.overtaken());
        }
        self.record.manifest = there;
        let is_written_over = |file: &String| plan.listed.contains_key(file);
        let over = plan.parts.iter().any(is_written_over) || !plan.strays.is_empty();
        let without = remote.kind.without.filter(|_| over);
        if let Some(without) = without {
            self.name_less(without)?;
            self.sweep()?;
        }
        self.send_files(&plan.parts)?;
        if plan.sends_manifest || without.is_some() {
            self.put_manifest(&plan.text, Stage::Published)?;
            let manifest = self.record.manifest.clone().unwrap_or_default();
            self.record.note(plan.mirror, MANIFEST, manifest)?;
            self.record.save(&remote.folder)?;
        } else {
            // What is mended is of what is published.
            self.stage = Stage::Published;
        }
        self.send_files(&plan.notes)?;
        if without.is_none() {
            self.sweep()?;
        }
        self.record.files.retain(|file, _| !plan.strays.contains(file));
        Ok(())
    }

    /// Names only what stays as it is, before anything is written over, and takes away the notes that tell of more.
    fn name_less(&mut self, without: super::Without) -> Result<(), PublishError> {
        let (plan, remote) = (self.plan, self.plan.remote);
        let Some((tag, before)) = remote.objects.read_tagged(&remote.url_of(MANIFEST))? else {
            return Ok(());
        };
        if Some(tag) != self.record.manifest {
            return Err(remote.overtaken());
        }
        let goes: HashSet<&str> = plan.parts.iter().chain(&plan.strays).map(String::as_str).collect();
        let text = without(&before, &|file| !goes.contains(file)).map_err(PublishError::Other)?;
        if text != before {
            self.put_manifest(&text, Stage::Less)?;
            self.record.save(&remote.folder)?;
        }
        let notes = plan.notes.iter().filter(|note| plan.listed.contains_key(*note));
        self.delete(&notes.map(|note| remote.url_of(note)).collect::<Vec<_>>())
    }

    /// An error where the lock is another's, or the run was told to stop: what was not begun is not begun any more.
    fn may_go_on(&self) -> Result<(), PublishError> {
        let remote = self.plan.remote;
        if remote.objects.is_stopped() {
            return Err(PublishError::Stopped { url: remote.shown() });
        }
        self.claim.check()
    }

    /// Writes the manifest where it is the one that is known. `then` is how far that leads.
    fn put_manifest(&mut self, text: &[u8], then: Stage) -> Result<(), PublishError> {
        let remote = self.plan.remote;
        self.may_go_on()?;
        let when = self.record.manifest.as_ref().map_or(PutIf::Absent, PutIf::Is);
        let before = std::mem::replace(&mut self.stage, Stage::Unsure);
        match remote.objects.put_seen(&remote.url_of(MANIFEST), text, when) {
            Ok(tag) => {
                self.has_put(tag, text, then);
                Ok(())
            }
            Err(error) if matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone) => {
                // It was looked at, and is another's.
                self.stage = before;
                Err(remote.overtaken())
            }
            Err(error) => {
                // What is there already is known. What is not may still come.
                let looked = || remote.objects.read_tagged(&remote.url_of(MANIFEST));
                match remote.objects.insisting(looked) {
                    Ok(Some((tag, there))) if there == text => {
                        self.has_put(tag, text, then);
                        Ok(())
                    }
                    _ => Err(error.into()),
                }
            }
        }
    }

    fn has_put(&mut self, tag: Tag, text: &[u8], then: Stage) {
        self.record.manifest = Some(tag);
        self.stage = then;
        self.sent.files += 1;
        self.sent.bytes += text.len() as u64;
    }

    /// Deletes what no manifest names any more.
    fn sweep(&mut self) -> Result<(), PublishError> {
        let urls: Vec<ObjectUrl> =
            self.plan.strays.iter().map(|file| self.plan.remote.url_of(file)).collect();
        self.delete(&urls)?;
        self.sent.deleted += urls.len();
        Ok(())
    }

    /// Deletes objects, each time only while the lock and the manifest are ours: another writer's parts may have the same names.
    fn delete(&self, urls: &[ObjectUrl]) -> Result<(), PublishError> {
        let remote = self.plan.remote;
        for attempt in 1.. {
            if urls.is_empty() {
                break;
            }
            self.claim.renew()?;
            if remote.manifest_tag()? != self.record.manifest {
                return Err(remote.overtaken());
            }
            match remote.objects.delete_once(urls) {
                Ok(()) => break,
                Err(error) if error.failure == ObjectFailure::Failed && attempt < MOST_SWEEPS => {
                    crate::note!("{error}; trying again ({attempt} of {})", MOST_SWEEPS - 1);
                    rest(Duration::from_secs(u64::from(attempt)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Under which condition a file is sent. Names with digests need none: whoever writes such a name writes the same bytes.
    fn condition(&self, file: &str) -> Result<Option<Option<Tag>>, PublishError> {
        let (plan, remote) = (self.plan, self.plan.remote);
        // No manifest names notes.
        if remote.kind.without.is_none() || plan.notes.iter().any(|note| note == file) {
            return Ok(None);
        }
        let Some(listed) = plan.listed.get(file) else { return Ok(Some(None)) };
        let tag = remote.objects.tag(&remote.url_of(file))?;
        let etag = listed.version.as_ref().and_then(|version| version.etag.as_deref());
        match tag {
            Some(tag) if tag.is_of(etag) => Ok(Some(Some(tag))),
            _ => Err(remote.overtaken()),
        }
    }

    fn send_one(&self, file: &str) -> Result<InBucket, PublishError> {
        let (plan, remote) = (self.plan, self.plan.remote);
        self.may_go_on()?;
        let condition = self.condition(file)?;
        let when = match &condition {
            None => PutIf::Always,
            Some(None) => PutIf::Absent,
            Some(Some(tag)) => PutIf::Is(tag),
        };
        let is_ours = || self.claim.check().is_ok();
        let (url, path) = (remote.url_of(file), plan.mirror.join(file));
        let tag =
            remote.objects.put_file(&url, &path, when, &is_ours).map_err(|error| match error.failure {
                ObjectFailure::Changed => remote.overtaken(),
                ObjectFailure::Stopped if !is_ours() => PublishError::LockLost { url: remote.shown() },
                _ => error.into(),
            })?;
        InBucket::of(plan.mirror, file, tag)
    }

    /// Sends files, small ones several at a time.
    fn send_files(&mut self, files: &[String]) -> Result<(), PublishError> {
        let (mirror, url) = (self.plan.mirror, self.plan.remote.shown());
        let bytes = |file: &str| fs::metadata(mirror.join(file)).map_or(0, |meta| meta.len());
        let files = files.iter().map(String::as_str);
        let (large, small): (Vec<&str>, Vec<&str>) = files.partition(|file| bytes(file) > LARGE);
        let all: u64 = large.iter().chain(&small).map(|file| bytes(file)).sum();
        let (next, count) = (AtomicUsize::new(0), AtomicU64::new(0));
        let (known, said) = (Mutex::new(Vec::new()), Mutex::new(Instant::now()));
        let send = |file: &str| {
            let one = self.send_one(file)?;
            let done = count.fetch_add(one.bytes, Ordering::Relaxed) + one.bytes;
            known.lock().unwrap_or_else(PoisonError::into_inner).push((file.to_owned(), one));
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.elapsed() > SAY_EVERY {
                *said = Instant::now();
                crate::note!("{url}: {:.0} of {:.0} MB were sent", done as f64 / 1e6, all as f64 / 1e6);
            }
            Ok::<(), PublishError>(())
        };
        let work = || {
            while let Some(file) = small.get(next.fetch_add(1, Ordering::Relaxed)) {
                send(file).inspect_err(|_| next.store(small.len(), Ordering::Relaxed))?;
            }
            Ok(())
        };
        let done: Result<(), PublishError> = side_by_side(AT_ONCE.min(small.len()).max(1), work)
            .into_iter()
            .collect::<Result<(), _>>()
            .and_then(|()| large.iter().try_for_each(|file| send(file)));
        // Also of what came through before something failed.
        for (file, one) in known.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.sent.files += 1;
            self.sent.bytes += one.bytes;
            self.record.files.insert(file, one);
        }
        done
    }

    /// Deletes what was sent and is named by nobody, as far as that is possible: a pattern would find it. What the manifest names that is there
    /// stays, whoever wrote it.
    fn take_back(&self) {
        let (plan, remote) = (self.plan, self.plan.remote);
        if self.claim.renew().is_err() {
            return;
        }
        let named = match remote.objects.read_tagged(&remote.url_of(MANIFEST)) {
            Ok(None) => HashSet::new(),
            Ok(Some((_, text))) => match (remote.kind.named)(&text) {
                Ok(named) => named,
                Err(_) => return,
            },
            Err(_) => return,
        };
        // Also what came through without an answer.
        let is_new = |file: &&String| !plan.listed.contains_key(*file) && !named.contains(*file);
        let new = plan.parts.iter().filter(is_new).map(|file| remote.url_of(file));
        let _ = remote.objects.delete_once(&new.collect::<Vec<_>>());
    }
}

/// Whether the mirror's file is in the bucket as it was sent; and what is wrong with it there, where it was sent and is not.
fn is_there(
    record: &Record,
    mirror: &Path,
    listed: &BTreeMap<String, Object>,
    file: &str,
) -> Result<(bool, Option<Mended>), PublishError> {
    if !record.is_same(mirror, file)? {
        return Ok((false, None));
    }
    let known = &record.files[file];
    let there = listed.get(file).and_then(|object| object.version.as_ref());
    let why = match there {
        None => "it is missing",
        Some(there) if !known.tag.is_of(there.etag.as_deref()) => "it is another object than was sent",
        Some(_) => return Ok((true, None)),
    };
    Ok((false, Some(Mended { file: file.to_owned(), why: why.to_owned() })))
}

//! From the mirror to the bucket.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Remote;
use super::bring::listed;
use super::claim::Claim;
use super::record::Record;
use crate::limits::side_by_side;
use crate::object::{Object, ObjectFailure, ObjectUrl, PutIf, Tag};
use crate::publish::PublishError;
use crate::publish::manifest::MANIFEST;
use crate::publish::seen::Mended;

const AT_ONCE: usize = 8;
/// Files above this go one after the other, each in parts of which several go at once.
const LARGE: u64 = 16 << 20;
const SAY_EVERY: Duration = Duration::from_secs(10);

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

pub(super) fn send(remote: &Remote) -> Result<Sent, PublishError> {
    let mut record = Record::read(&remote.folder);
    let mirror = remote.mirror();
    let plan = Plan::of(remote, &mirror, &record)?;
    if !plan.has_work() {
        return Ok(Sent { url: remote.shown(), ..Sent::default() });
    }
    let claim = Claim::take(remote, &record.writer)?;
    let done = plan.put(&claim, &mut record);
    if done.is_err() {
        plan.take_back(&claim, &record);
    }
    claim.release();
    *remote.began_from() = record.manifest.clone();
    let saved = record.save(&remote.folder);
    let done = done?;
    saved.map(|()| done)
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
            sends_manifest: !plan_same(record, mirror, &listed, MANIFEST)?.0,
            listed,
            remote,
            mirror,
        };
        for file in all {
            let (same, damage) = plan_same(record, mirror, &plan.listed, &file)?;
            plan.mended.extend(damage);
            if !same {
                let to = if notes.contains(file.as_str()) { &mut plan.notes } else { &mut plan.parts };
                to.push(file);
            }
        }
        let stray = |file: &&String| (remote.kind.is_part)(file) && !named.contains(*file);
        plan.strays = plan.listed.keys().filter(stray).cloned().collect();
        Ok(plan)
    }

    fn has_work(&self) -> bool {
        self.sends_manifest || !(self.parts.is_empty() && self.notes.is_empty() && self.strays.is_empty())
    }

    fn put(&self, claim: &Claim<'_>, record: &mut Record) -> Result<Sent, PublishError> {
        let remote = self.remote;
        // Another may have published before the lock was ours.
        if remote.manifest_tag()? != record.manifest {
            return Err(remote.overtaken());
        }
        let mut sent = Sent { url: remote.shown(), mended: self.mended.clone(), ..Sent::default() };
        let is_written_over = |file: &String| self.listed.contains_key(file);
        let over = self.parts.iter().any(is_written_over);
        if let Some(without) = remote.kind.without.filter(|_| over || !self.strays.is_empty()) {
            self.name_less(claim, record, without)?;
            self.delete_strays(claim, &mut sent)?;
        }
        let parts: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        self.send_files(&parts, claim, record, &mut sent)?;
        claim.check()?;
        if self.sends_manifest || record.manifest != *remote.began_from() {
            record.manifest = Some(self.put_manifest(&self.text, record)?);
            sent.files += 1;
            sent.bytes += self.text.len() as u64;
            record.note(self.mirror, MANIFEST, record.manifest.clone().unwrap_or_default())?;
            // From here on it is published, whatever comes.
            record.save(&remote.folder)?;
        }
        let notes: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        self.send_files(&notes, claim, record, &mut sent)?;
        if remote.kind.without.is_none() {
            self.delete_strays(claim, &mut sent)?;
        }
        record.files.retain(|file, _| !self.strays.contains(file));
        Ok(sent)
    }

    /// Names only what stays as it is, before anything is written over, and takes away the notes that tell of more.
    fn name_less(
        &self,
        claim: &Claim<'_>,
        record: &mut Record,
        without: super::Without,
    ) -> Result<(), PublishError> {
        let url = self.remote.url_of(MANIFEST);
        let Some((_, before)) = self.remote.objects.read_tagged(&url)? else { return Ok(()) };
        let goes: HashSet<&str> = self.parts.iter().chain(&self.strays).map(String::as_str).collect();
        let text = without(&before, &|file| !goes.contains(file)).map_err(PublishError::Other)?;
        claim.check()?;
        if text != before {
            record.manifest = Some(self.put_manifest(&text, record)?);
            record.save(&self.remote.folder)?;
        }
        let notes = self.notes.iter().filter(|note| self.listed.contains_key(*note));
        let notes: Vec<ObjectUrl> = notes.map(|note| self.remote.url_of(note)).collect();
        Ok(self.remote.objects.delete(&notes)?)
    }

    fn put_manifest(&self, text: &[u8], record: &Record) -> Result<Tag, PublishError> {
        let (remote, url) = (self.remote, self.remote.url_of(MANIFEST));
        let when = record.manifest.as_ref().map_or(PutIf::Absent, PutIf::Is);
        match remote.objects.put(&url, text, when) {
            Ok(tag) => Ok(tag),
            Err(error) if matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone) => {
                // Its first attempt may have come through, and its answer not.
                match remote.objects.read_tagged(&url)? {
                    Some((tag, there)) if there == text => Ok(tag),
                    _ => Err(remote.overtaken()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn delete_strays(&self, claim: &Claim<'_>, sent: &mut Sent) -> Result<(), PublishError> {
        claim.check()?;
        let strays: Vec<ObjectUrl> = self.strays.iter().map(|file| self.remote.url_of(file)).collect();
        self.remote.objects.delete(&strays)?;
        sent.deleted += strays.len();
        Ok(())
    }

    /// Sends files, small ones several at a time.
    fn send_files(
        &self,
        files: &[&str],
        claim: &Claim<'_>,
        record: &mut Record,
        sent: &mut Sent,
    ) -> Result<(), PublishError> {
        let bytes = |file: &str| fs::metadata(self.mirror.join(file)).map_or(0, |meta| meta.len());
        let (large, small): (Vec<&str>, Vec<&str>) = files.iter().partition(|file| bytes(file) > LARGE);
        let all: u64 = files.iter().map(|file| bytes(file)).sum();
        let (next, count) = (AtomicUsize::new(0), AtomicU64::new(0));
        let (tags, said) = (Mutex::new(Vec::new()), Mutex::new(Instant::now()));
        let send = |file: &str| {
            claim.check()?;
            let tag = self.remote.objects.put_file(&self.remote.url_of(file), &self.mirror.join(file))?;
            tags.lock().unwrap_or_else(PoisonError::into_inner).push((file.to_owned(), tag));
            let done = count.fetch_add(bytes(file), Ordering::Relaxed) + bytes(file);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.elapsed() > SAY_EVERY {
                *said = Instant::now();
                let (done, all) = (done as f64 / 1e6, all as f64 / 1e6);
                crate::note!("{}: {done:.0} of {all:.0} MB were sent", self.remote.shown());
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
        for (file, tag) in tags.into_inner().unwrap_or_else(PoisonError::into_inner) {
            sent.files += 1;
            sent.bytes += bytes(&file);
            record.note(self.mirror, &file, tag)?;
        }
        done
    }

    /// Deletes what was sent and is named by no manifest, as far as that is possible: a pattern would find it.
    fn take_back(&self, claim: &Claim<'_>, record: &Record) {
        if record.manifest != *self.remote.began_from() || claim.check().is_err() {
            // Published, or another's by now.
            return;
        }
        let new = |file: &&String| record.files.contains_key(*file) && !self.listed.contains_key(*file);
        let new: Vec<ObjectUrl> =
            self.parts.iter().filter(new).map(|file| self.remote.url_of(file)).collect();
        self.remote.objects.delete_once(&new);
    }
}

/// Whether the mirror's file is in the bucket as it was sent; and what is wrong with it there, where it was sent and is not.
fn plan_same(
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

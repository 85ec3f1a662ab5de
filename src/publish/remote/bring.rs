//! From the bucket to the mirror.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Component, Path};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::claim::{LOCK, is_marked};
use super::record::Record;
use super::{Remote, RemoteKind};
use crate::limits::side_by_side;
use crate::object::{Object, ObjectFailure, Tag, Version};
use crate::publish::manifest::MANIFEST;
use crate::publish::{PublishError, seal_holds};

/// How often a set that changes under the reader's hands is begun anew.
const MOST_BEGINNINGS: usize = 5;
/// Bytes that are read at once.
const STEP: u64 = 8 << 20;
const AT_ONCE: usize = 8;
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What lies in the bucket, by path below the folder. Only what can be a file of this folder.
pub(super) fn listed(remote: &Remote) -> Result<BTreeMap<String, Object>, PublishError> {
    let below = remote.url.key();
    let all = remote.objects.list(&remote.url, true)?;
    let named = all.into_iter().filter_map(|object| {
        let file = object.url.key().strip_prefix(below)?.to_owned();
        let plain = Path::new(&file).components().all(|part| matches!(part, Component::Normal(_)));
        (plain && !file.is_empty() && !file.ends_with('/')).then_some((file, object))
    });
    Ok(named.collect())
}

/// Makes the mirror what the bucket holds; gives the bucket's manifest.
pub(super) fn bring(remote: &Remote) -> Result<Option<Tag>, PublishError> {
    let mut record = Record::read(&remote.folder);
    let mirror = remote.mirror();
    for _ in 0..MOST_BEGINNINGS {
        let tag = remote.manifest_tag()?;
        if tag.is_none() {
            refuse_foreign(remote)?;
        }
        if record.is_in_step(&mirror, tag.as_ref()) {
            // Also where nothing was ever sent: the writer has its name from now on.
            record.save(&remote.folder)?;
            return Ok(tag);
        }
        let Some(tag) = tag else {
            fs::remove_dir_all(&mirror).or_else(gone_already).map_err(PublishError::io("delete", &mirror))?;
            record = Record { manifest: None, files: BTreeMap::new(), ..record };
            record.save(&remote.folder)?;
            return Ok(None);
        };
        match filled(remote, &mirror, &mut record, &tag) {
            Err(PublishError::Object(error)) if error.failure == ObjectFailure::Changed => {}
            Err(error) => return Err(error),
            Ok(()) => {
                record.manifest = Some(tag.clone());
                record.save(&remote.folder)?;
                return Ok(Some(tag));
            }
        }
    }
    Err(keeps_changing(remote))
}

/// The same into a folder that is empty, without a record.
pub(super) fn bring_to(remote: &Remote, folder: &Path) -> Result<(), PublishError> {
    for _ in 0..MOST_BEGINNINGS {
        let Some(tag) = remote.manifest_tag()? else { return refuse_foreign(remote) };
        match filled(remote, folder, &mut Record::default(), &tag) {
            Err(PublishError::Object(error)) if error.failure == ObjectFailure::Changed => {}
            done => return done,
        }
    }
    Err(keeps_changing(remote))
}

fn keeps_changing(remote: &Remote) -> PublishError {
    PublishError::Other(format!(
        "{} changes again and again while it is read: wait until whoever writes it has ended, and run again",
        remote.shown()
    ))
}

fn gone_already(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// An error where there is no manifest, and something that we did not write.
fn refuse_foreign(remote: &Remote) -> Result<(), PublishError> {
    let listed = listed(remote)?;
    let foreign = |file: &&String| {
        !(remote.kind.is_part)(file) && !remote.kind.notes.contains(&file.as_str()) && *file != LOCK
    };
    // What could be ours is, where the lock says so.
    let is_marked = is_marked(remote)?;
    let found = listed.keys().find(foreign).or_else(|| listed.keys().find(|_| !is_marked));
    match found {
        None => Ok(()),
        Some(found) => Err(not_ours(remote, found)),
    }
}

fn not_ours(remote: &Remote, found: &str) -> PublishError {
    PublishError::NotOurs {
        path: remote.shown().into(),
        found: found.to_owned(),
        format: remote.kind.format.to_owned(),
    }
}

/// Fills a folder with what the manifest of that tag names: what it has already stays, what is not named goes.
fn filled(remote: &Remote, folder: &Path, record: &mut Record, tag: &Tag) -> Result<(), PublishError> {
    let listed = listed(remote)?;
    let Some(manifest) = listed.get(MANIFEST) else { return Err(changed(remote)) };
    let version = manifest.version()?;
    if !tag.is_of(version.etag.as_deref()) {
        return Err(changed(remote));
    }
    let text = remote.objects.read(&manifest.url, &version, 0, version.len)?;
    check_manifest(remote, &text)?;
    let named = (remote.kind.named)(&text).map_err(|why| damaged(remote, &why))?;
    let wanted: Vec<(&String, &Object)> =
        listed.iter().filter(|(file, _)| is_of_the_set(remote.kind, &named, file)).collect();
    let is_here = |(file, object): &(&String, &Object)| {
        let known = record.files.get(*file);
        let etag = object.version.as_ref().and_then(|version| version.etag.as_deref());
        known.is_some_and(|known| known.tag.is_of(etag)) && record.is_same(folder, file).unwrap_or(false)
    };
    let (here, missing): (Vec<_>, Vec<_>) = wanted.iter().copied().partition(is_here);
    fetch(remote, folder, &missing)?;
    let stays: HashSet<&str> = wanted.iter().map(|(file, _)| file.as_str()).chain([MANIFEST]).collect();
    sweep(folder, &stays)?;
    // Last: until then the folder is none that can be read.
    let path = folder.join(MANIFEST);
    fs::create_dir_all(folder).map_err(PublishError::io("make", folder))?;
    fs::write(&path, &text).map_err(PublishError::io("write", &path))?;
    record.files.retain(|file, _| here.iter().any(|(here, _)| *here == file));
    for (file, object) in missing {
        record.note(folder, file, tag_of(&object.version()?))?;
    }
    record.note(folder, MANIFEST, tag.clone())
}

/// Whether a file in the bucket belongs to what this manifest names.
fn is_of_the_set(kind: &RemoteKind, named: &HashSet<String>, file: &str) -> bool {
    named.contains(file) || kind.notes.contains(&file)
}

/// For a comparison with what a list says later.
fn tag_of(version: &Version) -> Tag {
    Tag { etag: version.etag.clone(), version: None }
}

fn changed(remote: &Remote) -> PublishError {
    PublishError::Object(crate::object::ObjectError {
        url: remote.shown(),
        failure: ObjectFailure::Changed,
        why: "its manifest changed while it was read".to_owned(),
    })
}

fn damaged(remote: &Remote, why: &str) -> PublishError {
    PublishError::DamagedManifest { path: remote.url_of(MANIFEST).to_string().into(), why: why.to_owned() }
}

/// Before anything that it names is fetched: whether it is of this kind, and whole.
fn check_manifest(remote: &Remote, text: &[u8]) -> Result<(), PublishError> {
    #[derive(serde::Deserialize)]
    struct Header {
        format: String,
    }
    match serde_json::from_slice::<Header>(text) {
        Ok(header) if header.format != remote.kind.format => Err(not_ours(remote, MANIFEST)),
        Err(error) => Err(damaged(remote, &error.to_string())),
        Ok(_) if !seal_holds(text) => Err(damaged(remote, "its bytes are not those that were written")),
        Ok(_) => Ok(()),
    }
}

/// Fetches files, several at a time.
fn fetch(remote: &Remote, folder: &Path, missing: &[(&String, &Object)]) -> Result<(), PublishError> {
    let bytes = |object: &Object| object.version.as_ref().map_or(0, |version| version.len);
    let all: u64 = missing.iter().map(|(_, object)| bytes(object)).sum();
    if missing.is_empty() {
        return Ok(());
    }
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let said = Mutex::new(Instant::now());
    let work = || {
        while let Some((file, object)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            let fetched = fetch_one(folder, file, object, &mut |bytes| {
                let done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.elapsed() > SAY_EVERY {
                    *said = Instant::now();
                    let (done, all) = (done as f64 / 1e6, all as f64 / 1e6);
                    crate::note!("{}: {done:.0} of {all:.0} MB of what is published came", remote.shown());
                }
            });
            fetched.inspect_err(|_| next.store(missing.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    side_by_side(AT_ONCE.min(missing.len()), work).into_iter().collect()
}

fn fetch_one(
    folder: &Path,
    file: &str,
    object: &Object,
    tell: &mut dyn FnMut(u64),
) -> Result<(), PublishError> {
    let path = folder.join(file);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(PublishError::io("make", parent))?;
    let version = object.version()?;
    let mut to = BufWriter::new(File::create(&path).map_err(PublishError::io("make", &path))?);
    let mut at = 0;
    while at < version.len {
        let bytes = object.objects.read(&object.url, &version, at, STEP.min(version.len - at))?;
        to.write_all(&bytes).map_err(PublishError::io("write", &path))?;
        at += bytes.len() as u64;
        tell(bytes.len() as u64);
    }
    to.into_inner().map_err(|error| error.into_error()).map(drop).map_err(PublishError::io("write", &path))
}

/// Deletes all files of a mirror that do not stay; its own dot-files do.
fn sweep(folder: &Path, stays: &HashSet<&str>) -> Result<(), PublishError> {
    if !folder.exists() {
        return Ok(());
    }
    for file in crate::publish::verify::others(folder)? {
        if !stays.contains(file.as_str()) {
            let path = folder.join(&file);
            fs::remove_file(&path).map_err(PublishError::io("delete", &path))?;
        }
    }
    Ok(())
}

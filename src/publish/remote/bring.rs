//! From the bucket to the mirror.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::claim::{LOCK, is_marked};
use super::record::{InBucket, Record};
use super::{PROBE, Remote, RemoteKind, locked};
use crate::limits::{Locked, side_by_side};
use crate::object::{Object, ObjectError, ObjectFailure, Tag, Version};
use crate::publish::manifest::MANIFEST;
use crate::publish::{PublishError, seal_holds};

/// How often a set that changes under the reader's hands is begun anew.
const MOST_BEGINNINGS: usize = 5;
/// Bytes that are read at once.
const STEP: u64 = 8 << 20;
const AT_ONCE: usize = 8;
const SAY_EVERY: Duration = Duration::from_secs(10);
/// What is on its way to the mirror.
const INCOMING: &str = ".incoming";

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
            // Also where nothing was ever sent: the writer has its name from now on. A condition may need more of the tag than was known.
            record.manifest = tag.clone();
            record.save(&remote.folder)?;
            return Ok(tag);
        }
        // Whatever ends this: until it is done, the mirror is nothing that was brought.
        record.manifest = None;
        record.save(&remote.folder)?;
        let Some(tag) = tag else {
            let held = hold(remote)?;
            fs::remove_dir_all(&mirror).map_err(PublishError::io("delete", &mirror))?;
            drop(held);
            record.files.clear();
            record.save(&remote.folder)?;
            return Ok(None);
        };
        let held = hold(remote)?;
        let filled = filled(remote, &mirror, &mut record, &tag);
        drop(held);
        match filled {
            Err(error) if is_of_a_change(&error) => {}
            Err(error) => return Err(error),
            Ok(_) => {
                record.manifest = Some(tag.clone());
                record.save(&remote.folder)?;
                return Ok(Some(tag));
            }
        }
    }
    Err(keeps_changing(remote))
}

/// The same into a folder that is empty, without a record. All that is named is to be there.
pub(super) fn bring_to(remote: &Remote, folder: &Path) -> Result<(), PublishError> {
    for _ in 0..MOST_BEGINNINGS {
        let Some(tag) = remote.manifest_tag()? else { return refuse_foreign(remote) };
        match filled(remote, folder, &mut Record::default(), &tag) {
            Err(error) if is_of_a_change(&error) => {}
            Err(error) => return Err(error),
            Ok(missing) => {
                return match missing.first() {
                    None => Ok(()),
                    Some(first) => Err(PublishError::Other(format!(
                        "{} misses {} files that its manifest names, such as {first}: run again what published there; it sends them anew",
                        remote.shown(),
                        missing.len()
                    ))),
                };
            }
        }
    }
    Err(keeps_changing(remote))
}

/// Another writer published in between: what is there now is another set.
fn is_of_a_change(error: &PublishError) -> bool {
    matches!(error, PublishError::Object(error)
        if matches!(error.failure, ObjectFailure::Changed | ObjectFailure::Gone))
}

fn keeps_changing(remote: &Remote) -> PublishError {
    PublishError::Other(format!(
        "{} changes again and again while it is read: wait until whoever writes it has ended, and run again",
        remote.shown()
    ))
}

/// Keeps everybody away from the mirror that reads or writes it as a folder.
fn hold(remote: &Remote) -> Result<Locked, PublishError> {
    let mirror = remote.mirror();
    fs::create_dir_all(&mirror).map_err(PublishError::io("make", &mirror))?;
    remote.waited(|| locked(&mirror.join(".lock")))
}

/// An error where the place is not free, and what is there is not of this kind.
pub(super) fn check_ours(remote: &Remote) -> Result<(), PublishError> {
    match remote.objects.read_tagged(&remote.url_of(MANIFEST))? {
        None => refuse_foreign(remote),
        Some((_, text)) => check_manifest(remote, &text),
    }
}

/// An error where there is no manifest, and something that we did not write.
fn refuse_foreign(remote: &Remote) -> Result<(), PublishError> {
    let mut listed = listed(remote)?;
    listed.retain(|file, _| !file.starts_with(PROBE));
    let may_be_ours =
        |file: &str| file == LOCK || (remote.kind.is_part)(file) || remote.kind.notes.contains(&file);
    // What may be ours is, where the lock says so.
    let is_marked = is_marked(remote)?;
    let foreign = listed.keys().find(|file| !may_be_ours(file));
    match foreign.or_else(|| listed.keys().find(|_| !is_marked)) {
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

/// Fills a folder with what the manifest of that tag names: what it has already stays, what is not named goes. Gives what is named and is not there.
fn filled(
    remote: &Remote,
    folder: &Path,
    record: &mut Record,
    tag: &Tag,
) -> Result<Vec<String>, PublishError> {
    let listed = listed(remote)?;
    let etag = |object: &Object| object.version.as_ref().and_then(|version| version.etag.clone());
    let Some(manifest) = listed.get(MANIFEST) else { return Err(changed(remote)) };
    if !tag.is_of(etag(manifest).as_deref()) {
        return Err(changed(remote));
    }
    let text = remote.objects.read_all(&manifest.url, &manifest.version()?)?;
    check_manifest(remote, &text)?;
    let named = (remote.kind.named)(&text).map_err(|why| damaged(remote, &why))?;
    // What of the mirror is not brought is made again perhaps, and found as it was sent.
    record.files.retain(|file, known| {
        listed.get(file).is_some_and(|object| known.tag.is_of(etag(object).as_deref()))
    });
    let wanted: Vec<(&String, &Object)> =
        listed.iter().filter(|(file, _)| is_of_the_set(remote.kind, &named, file)).collect();
    let mut missing = Vec::new();
    for (file, object) in &wanted {
        if !record.is_same(folder, file)? {
            missing.push((*file, *object));
        }
    }
    fs::create_dir_all(folder).map_err(PublishError::io("make", folder))?;
    clear_incoming(folder);
    if remote.kind.without.is_some() {
        // Files are written over whose names stay: until all are here, the folder is no set.
        fs::remove_file(folder.join(MANIFEST))
            .or_else(gone_already)
            .map_err(PublishError::io("delete", &folder.join(MANIFEST)))?;
    }
    record.files.extend(fetch(remote, folder, &missing)?);
    put(folder, MANIFEST, |to| {
        to.write_all(&text).map_err(PublishError::io("write", &folder.join(MANIFEST)))
    })?;
    record.note(folder, MANIFEST, tag.clone())?;
    let stays: HashSet<&str> = wanted.iter().map(|(file, _)| file.as_str()).chain([MANIFEST]).collect();
    sweep(folder, &stays)?;
    Ok(named.into_iter().filter(|file| !listed.contains_key(file)).collect())
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
    PublishError::Object(ObjectError {
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
fn fetch(
    remote: &Remote,
    folder: &Path,
    missing: &[(&String, &Object)],
) -> Result<Vec<(String, InBucket)>, PublishError> {
    let bytes = |object: &Object| object.version.as_ref().map_or(0, |version| version.len);
    let all: u64 = missing.iter().map(|(_, object)| bytes(object)).sum();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let (url, megabytes) = (remote.shown(), |bytes: u64| bytes as f64 / 1e6);
    crate::note!("{url}: fetches {} files of what is published, {:.1} MB", missing.len(), megabytes(all));
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let said = Mutex::new(Instant::now());
    let work = || {
        let mut fetched = Vec::new();
        while let Some((file, object)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = fetch_one(folder, file, object, &mut |bytes| {
                let done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.elapsed() > SAY_EVERY {
                    *said = Instant::now();
                    crate::note!("{url}: {:.0} of {:.0} MB came", megabytes(done), megabytes(all));
                }
            });
            one.inspect_err(|_| next.store(missing.len(), Ordering::Relaxed))?;
            let known = InBucket::of(folder, file, tag_of(&object.version()?))?;
            fetched.push(((*file).clone(), known));
        }
        Ok(fetched)
    };
    let fetched: Result<Vec<Vec<_>>, PublishError> =
        side_by_side(AT_ONCE.min(missing.len()), work).into_iter().collect();
    Ok(fetched?.into_iter().flatten().collect())
}

fn fetch_one(
    folder: &Path,
    file: &str,
    object: &Object,
    tell: &mut dyn FnMut(u64),
) -> Result<(), PublishError> {
    let version = object.version()?;
    put(folder, file, |to| {
        let mut at = 0;
        while at < version.len {
            let bytes = object.objects.read(&object.url, &version, at, STEP.min(version.len - at))?;
            to.write_all(&bytes).map_err(PublishError::io("write", &folder.join(file)))?;
            at += bytes.len() as u64;
            tell(bytes.len() as u64);
        }
        Ok(())
    })
}

/// Makes the file hold what `write` writes, at once or not at all.
fn put(
    folder: &Path,
    file: &str,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), PublishError>,
) -> Result<(), PublishError> {
    let path = folder.join(file);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(PublishError::io("make", parent))?;
    let incoming = tempfile::Builder::new().prefix(INCOMING).tempfile_in(folder);
    let incoming = incoming.map_err(PublishError::io("make", &path))?;
    let mut to = BufWriter::new(incoming.as_file());
    write(&mut to)?;
    to.flush().map_err(PublishError::io("write", &path))?;
    drop(to);
    // As files are that a user makes, and not as temporary ones.
    let others = fs::Permissions::from_mode(0o644);
    incoming.as_file().set_permissions(others).map_err(PublishError::io("write", &path))?;
    incoming.persist(&path).map(drop).map_err(|error| PublishError::io("rename to", &path)(error.error))
}

/// What an earlier attempt left.
fn clear_incoming(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn gone_already(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Deletes all files of a mirror that do not stay; its own dot-files do.
fn sweep(folder: &Path, stays: &HashSet<&str>) -> Result<(), PublishError> {
    for file in crate::publish::verify::others(folder)? {
        if !stays.contains(file.as_str()) {
            let path = folder.join(&file);
            fs::remove_file(&path).map_err(PublishError::io("delete", &path))?;
        }
    }
    Ok(())
}

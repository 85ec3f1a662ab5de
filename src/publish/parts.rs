//! A folder of parts under a manifest. This is the only way in which this room writes, for `out` and for exports.
//!
//! A commit has these steps. New parts go to `.writing/`, and each is synced. They are renamed to their own names, which contain the digest
//! of their contents, so that a name never changes its meaning. The manifest is renamed over the old one. The notes (card, summary) follow.
//! Then the parts that the manifest does not name are deleted. So at any moment the manifest names a complete set, the old or the new one.
//! The next commit removes what a crash leaves behind. A reader that uses a glob sees old and new parts of a shard side by side while a
//! commit runs, or after a crash during one. After an error (a full disk) the commit removes the new parts that no manifest names.
//!
//! Only files that are named as parts ([`super::names`]) are ever deleted. `.lock` stays: it is the lock of the only committer, and its
//! text marks the folder as ours before the first manifest is there. It says nothing about the set, and so it does not count for "the same
//! bytes"; neither does any other dot-file. A part that stays is checked as [`super::seen`] says, and is written again if it is damaged.

mod staged;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Deserialize;

use staged::Written;
pub(super) use staged::{Staged, StagedFile};

use super::manifest::{MANIFEST, Note, Part, PartKind};
use super::names::is_part_name;
use super::seen::{Mended, Named, Seen};
use super::steps::step;
use super::writable::writable;
use super::{Committed, PublishError, manifest};
use crate::limits::Locked;

const LOCK: &str = ".lock";
const WRITING: &str = ".writing";
/// Each writer holds a row group, so that more of them cost memory for little: the disk is busy by then.
const MOST_WRITERS: usize = 8;

/// How a kind of folder is laid out.
pub(super) struct Layout {
    /// What its manifest's `format` says.
    pub format: &'static str,
    /// The newest version that is known.
    pub version: u32,
    /// What parts it may hold: each kind has a folder of its own.
    pub kinds: &'static [PartKind],
}

/// A part that is wanted, and what is needed to write it.
pub(super) struct Planned<P> {
    /// `bytes` is not known before it is written.
    pub part: Part,
    pub recipe: P,
}

/// What is written beside the parts.
pub(super) struct Notes {
    pub manifest: Vec<u8>,
    pub others: Vec<(&'static str, Vec<u8>)>,
}

/// Where a recipe writes its part.
pub(super) type PartFile = BufWriter<StagedFile>;

/// A folder that is ours, locked for as long as this lives.
pub(super) struct Folder {
    root: PathBuf,
    layout: &'static Layout,
    /// What the manifest named when the folder was opened, by file.
    before: HashMap<String, Part>,
    /// And of what was written beside them.
    notes_before: Vec<Note>,
    /// The version of the format that these are of.
    version: u32,
    _lock: Option<Locked>,
}

impl Folder {
    /// The folder as another process has it open, which holds its lock: to stage parts for it.
    pub(super) fn beside(root: &Path, layout: &'static Layout) -> Result<Self, PublishError> {
        let NamedParts { version, parts, notes } = read_named(root, layout)?;
        let before = parts.into_iter().map(|part| (part.file.clone(), part)).collect();
        Ok(Folder { root: root.to_owned(), layout, before, notes_before: notes, version, _lock: None })
    }

    /// Makes the folder if need be, refuses one that holds anything else, and locks it.
    pub(super) fn open(root: &Path, layout: &'static Layout) -> Result<Self, PublishError> {
        step("make the folder").map_err(PublishError::io("make", root))?;
        fs::create_dir_all(root).map_err(PublishError::io("make", root))?;
        check_ours(root, layout)?;
        let lock = lock(root, layout)?;
        // Only now: another run may have written the manifest until the lock was ours.
        let NamedParts { version, parts, notes } = read_named(root, layout)?;
        let before = parts.into_iter().map(|part| (part.file.clone(), part)).collect();
        let notes_before = notes;
        let _lock = Some(Locked(lock));
        let folder = Folder { root: root.to_owned(), layout, before, notes_before, version, _lock };
        folder.remove_writing()?;
        Ok(folder)
    }

    /// The parts that the manifest named when the folder was opened, if there are files of their length. None where they
    /// are of an earlier version of the format: whoever goes by something else than their digests would take them for today's.
    pub(super) fn whole_parts(&self) -> impl Iterator<Item = &Part> {
        let of_today = self.version == self.layout.version;
        self.before.values().filter(move |part| of_today && self.is_whole(part))
    }

    fn is_whole(&self, part: &Part) -> bool {
        fs::symlink_metadata(self.root.join(&part.file))
            .is_ok_and(|it| it.is_file() && it.len() == part.bytes)
    }

    /// Makes the folder hold exactly `planned`: see the head of this file.
    pub(super) fn commit<P: Sync>(
        &self,
        planned: Vec<Planned<P>>,
        write: impl Fn(&P, &mut PartFile) -> Result<(), PublishError> + Sync,
        notes: impl FnOnce(&[Part]) -> Result<Notes, PublishError>,
    ) -> Result<Committed, PublishError> {
        self.or_clean(|| self.put(self.stage_changed(planned, write)?, notes))
    }

    /// Does this, and leaves nothing behind where it fails.
    pub(super) fn or_clean<T>(
        &self,
        work: impl FnOnce() -> Result<T, PublishError>,
    ) -> Result<T, PublishError> {
        let done = work();
        if done.is_err() {
            // Half a part on a full disk is in the way, and whole parts that no manifest names mislead a glob.
            // A crash leaves them; the next commit sweeps them then.
            let _ = self.remove_writing();
            let _ = read_named(&self.root, self.layout).and_then(|named| self.sweep(&named.parts));
        }
        done
    }

    /// Writes what differs of `planned` into `.writing/`.
    pub(super) fn stage_changed<P: Sync>(
        &self,
        mut planned: Vec<Planned<P>>,
        write: impl Fn(&P, &mut PartFile) -> Result<(), PublishError> + Sync,
    ) -> Result<Staged, PublishError> {
        let mut seen = Seen::read(&self.root);
        let (changed, mended) = self.changed(&mut planned, &mut seen);
        self.make_folders(&planned)?;
        let written = self.stage(&planned, &changed, &write)?;
        for (&place, written) in changed.iter().zip(written) {
            written.tell(&mut planned[place].part);
        }
        let parts: Vec<Part> = planned.into_iter().map(|planned| planned.part).collect();
        seen.retain(parts.iter().map(|part| part.file.as_str()));
        Ok(Staged { parts, changed, mended, seen })
    }

    /// Makes the folder hold exactly what was staged.
    pub(super) fn put(
        &self,
        Staged { parts, changed, mended, mut seen }: Staged,
        notes: impl FnOnce(&[Part]) -> Result<Notes, PublishError>,
    ) -> Result<Committed, PublishError> {
        let mut committed = Committed { parts_written: changed.len(), mended, ..Committed::default() };
        committed.parts_unchanged = parts.len() - changed.len();
        committed.bytes_written = changed.iter().map(|place| parts[*place].bytes).sum();
        for &place in &changed {
            self.put_in_place(&parts[place].file)?;
        }
        if !changed.is_empty() {
            for (_, folder) in self.folders_there() {
                sync_folder(&folder)?;
            }
        }
        let notes = notes(&parts)?;
        self.replace(MANIFEST, &notes.manifest)?;
        for (name, bytes) in &notes.others {
            let is_new = self.replace(name, bytes)?;
            let note = Note::of(&(*name, bytes.clone()));
            if is_new && self.notes_before.contains(&note) {
                let why = "it is missing, or its bytes are not those that were written".to_owned();
                committed.mended.push(Mended { file: note.file, why });
            }
        }
        self.sweep(&parts)?;
        self.remove_writing()?;
        committed.parts_removed = self.count_removed(&parts);
        changed.iter().for_each(|&place| seen.note(&self.root, &Named::from(&parts[place])));
        seen.write(&self.root, parts.iter().map(|part| part.file.as_str()));
        Ok(committed)
    }

    /// The places of the parts that are to be written, and those among them that were published and are damaged; the others
    /// are given their length, their hash and their counts.
    fn changed<P>(&self, planned: &mut [Planned<P>], seen: &mut Seen) -> (Vec<usize>, Vec<Mended>) {
        let before = |part: &Part| self.before.get(&part.file).filter(|old| old.digest == part.digest);
        let known: Vec<(usize, &Part)> = planned
            .iter()
            .enumerate()
            .filter_map(|(place, planned)| Some((place, before(&planned.part)?)))
            // What was published before there were hashes is written anew, once.
            .filter(|(_, old)| old.hash.is_some())
            .collect();
        let olds: Vec<Named> = known.iter().map(|(_, old)| Named::from(*old)).collect();
        let damages = seen.damages(&self.root, &olds);
        let (mut kept, mut mended) = (HashSet::new(), Vec::new());
        for ((place, old), damage) in known.into_iter().zip(damages) {
            match damage {
                Some(why) => mended.push(Mended { file: old.file.clone(), why }),
                None => {
                    kept.insert(place);
                    planned[place].part.bytes = old.bytes;
                    planned[place].part.hash.clone_from(&old.hash);
                    planned[place].part.origins.clone_from(&old.origins);
                }
            }
        }
        ((0..planned.len()).filter(|place| !kept.contains(place)).collect(), mended)
    }

    /// Makes the folders that parts are planned for.
    fn make_folders<P>(&self, planned: &[Planned<P>]) -> Result<(), PublishError> {
        let kinds: HashSet<PartKind> = planned.iter().map(|planned| planned.part.kind).collect();
        for kind in kinds {
            let path = self.folder_of(kind);
            fs::create_dir_all(&path).map_err(PublishError::io("make", &path))?;
        }
        sync_folder(&self.root)
    }

    fn folder_of(&self, kind: PartKind) -> PathBuf {
        match kind.folder() {
            // Not `join("")`: it would end the paths' spelling with a slash.
            "" => self.root.clone(),
            below => self.root.join(below),
        }
    }

    /// The folders that are there, of all that parts may lie in.
    fn folders_there(&self) -> impl Iterator<Item = (PartKind, PathBuf)> {
        let folders = self.layout.kinds.iter().map(|&kind| (kind, self.folder_of(kind)));
        folders.filter(|(_, folder)| folder.is_dir())
    }

    /// Writes the changed parts into `.writing/`, several at a time; gives what is known of them in the order of `changed`.
    fn stage<P: Sync>(
        &self,
        planned: &[Planned<P>],
        changed: &[usize],
        write: &(impl Fn(&P, &mut PartFile) -> Result<(), PublishError> + Sync),
    ) -> Result<Vec<Written>, PublishError> {
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        self.make_writing()?;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        #[cfg(test)]
        let inherit = super::steps::injected::inherit();
        let work = || {
            #[cfg(test)]
            inherit();
            let mut written = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(&place) = changed.get(at) else { break };
                match self.stage_one(&planned[place], write) {
                    Ok(one) => written.push((at, one)),
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            Ok(written)
        };
        let writers =
            std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WRITERS).min(changed.len());
        let mut written = vec![Written::default(); changed.len()];
        for ended in crate::limits::side_by_side(writers, work) {
            for (at, one) in ended? {
                written[at] = one;
            }
        }
        Ok(written)
    }

    fn stage_one<P>(
        &self,
        planned: &Planned<P>,
        write: &impl Fn(&P, &mut PartFile) -> Result<(), PublishError>,
    ) -> Result<Written, PublishError> {
        // What is told of is the file that is wanted, not where it lies until it is whole.
        let path = self.root.join(&planned.part.file);
        step("make a part").map_err(PublishError::io("make", &path))?;
        let file = File::create(self.staged(&planned.part.file)).map_err(PublishError::io("make", &path))?;
        let mut file = BufWriter::with_capacity(1 << 20, StagedFile::new(file, path.clone()));
        write(&planned.recipe, &mut file)?;
        let file = file.into_inner().map_err(|error| PublishError::io("write", &path)(error.into_error()))?;
        file.finish()
    }

    /// Where `file` lies until it is renamed: its own name, in `.writing/`, with its folder before it.
    fn staged(&self, file: &str) -> PathBuf {
        self.root.join(WRITING).join(file.replace('/', "+"))
    }

    fn put_in_place(&self, file: &str) -> Result<(), PublishError> {
        let path = self.root.join(file);
        step("rename into place").map_err(PublishError::io("rename to", &path))?;
        fs::rename(self.staged(file), &path).map_err(PublishError::io("rename to", &path))
    }

    /// Makes the file `name` hold `bytes`, at once or not at all; one that does already is left alone. Gives whether it was written.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<bool, PublishError> {
        let path = self.root.join(name);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(false);
        }
        self.make_writing()?;
        step("write a note").map_err(PublishError::io("write", &path))?;
        let mut file = File::create(self.staged(name)).map_err(PublishError::io("make", &path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(PublishError::io("write", &path))?;
        self.put_in_place(name)?;
        step("sync the folder").map_err(PublishError::io("sync", &self.root))?;
        sync_folder(&self.root)?;
        Ok(true)
    }

    /// Deletes the files that are named as parts but are none of `parts`.
    fn sweep(&self, parts: &[Part]) -> Result<(), PublishError> {
        let named: HashSet<PathBuf> = parts.iter().map(|part| self.root.join(&part.file)).collect();
        for (kind, folder) in self.folders_there() {
            for entry in fs::read_dir(&folder).map_err(PublishError::io("list", &folder))? {
                let entry = entry.map_err(PublishError::io("list", &folder))?;
                let ours =
                    entry.file_name().to_str().is_some_and(|name| is_part_name(name, kind.extension()));
                let is_file = entry.file_type().is_ok_and(|it| it.is_file());
                let path = entry.path();
                if ours && is_file && !named.contains(&path) {
                    step("delete a part").map_err(PublishError::io("delete", &path))?;
                    fs::remove_file(&path).map_err(PublishError::io("delete", &path))?;
                }
            }
        }
        Ok(())
    }

    /// How many shards' parts the set had before and has no more: a part that was written anew is not gone.
    fn count_removed(&self, parts: &[Part]) -> usize {
        let now: HashSet<(&str, PartKind)> =
            parts.iter().map(|part| (part.shard.as_str(), part.kind)).collect();
        self.before.values().filter(|part| !now.contains(&(part.shard.as_str(), part.kind))).count()
    }

    fn make_writing(&self) -> Result<(), PublishError> {
        let path = self.root.join(WRITING);
        fs::create_dir_all(&path).map_err(PublishError::io("make", &path))
    }

    fn remove_writing(&self) -> Result<(), PublishError> {
        let path = self.root.join(WRITING);
        step("delete .writing").map_err(PublishError::io("delete", &path))?;
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(PublishError::io("delete", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Keeps committers away while `root` is read, where that can be had; a copy without `.lock` has no committer.
pub(super) fn lock_for_reading(root: &Path) -> Result<Option<Locked>, PublishError> {
    let Ok(file) = File::open(root.join(LOCK)) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(Locked(file))),
        Err(TryLockError::WouldBlock) => Err(PublishError::Busy { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(PublishError::io("lock", &root.join(LOCK))(error)),
    }
}

/// Whether the folder's `.lock` says that it is of that format.
pub(super) fn is_marked(root: &Path, format: &str) -> bool {
    fs::read(root.join(LOCK)).is_ok_and(|text| text == format!("{format}\n").into_bytes())
}

fn marker(layout: &Layout) -> String {
    format!("{}\n", layout.format)
}

/// Whether `root` is of that layout, or free for it, and can be written to. Leaves everything as it is.
pub(super) fn check(root: &Path, layout: &Layout) -> Result<(), PublishError> {
    writable(root).map_err(PublishError::io("write to", root))?;
    if !root.exists() {
        return Ok(());
    }
    check_ours(root, layout)?;
    let folders = layout.kinds.iter().map(|kind| kind.folder()).chain([WRITING]);
    for folder in folders.map(|folder| root.join(folder)) {
        if fs::symlink_metadata(&folder).is_ok() {
            writable(&folder).map_err(PublishError::io("write to", &folder))?;
        }
    }
    Ok(())
}

fn check_ours(root: &Path, layout: &Layout) -> Result<(), PublishError> {
    let mut names = HashMap::new();
    for entry in fs::read_dir(root).map_err(PublishError::io("list", root))? {
        let entry = entry.map_err(PublishError::io("list", root))?;
        names.insert(entry.file_name(), entry.path());
    }
    let mark = names.remove(LOCK.as_ref() as &std::ffi::OsStr).map(fs::read);
    if names.contains_key(MANIFEST.as_ref() as &std::ffi::OsStr) {
        // Whose it is, is said there.
        return read_named(root, layout).map(drop);
    }
    let marked = matches!(&mark, Some(Ok(text)) if *text == marker(layout).into_bytes());
    match names.into_keys().min() {
        // An empty `.lock`: the run that made it was stopped before it could mark the folder.
        None if mark.is_none() || marked || matches!(&mark, Some(Ok(text)) if text.is_empty()) => Ok(()),
        Some(_) if marked => Ok(()),
        found => Err(PublishError::NotOurs {
            path: root.to_owned(),
            found: found.map_or(LOCK.to_owned(), |name| name.to_string_lossy().into_owned()),
            format: layout.format.to_owned(),
        }),
    }
}

fn lock(root: &Path, layout: &Layout) -> Result<File, PublishError> {
    let path = root.join(LOCK);
    step("make .lock").map_err(PublishError::io("make", &path))?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(PublishError::io("make", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(PublishError::Busy { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(PublishError::io("lock", &path)(error)),
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(PublishError::io("read", &path))?;
    if text.is_empty() {
        step("mark the folder").map_err(PublishError::io("write", &path))?;
        file.write_all(marker(layout).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(PublishError::io("write", &path))?;
    }
    Ok(file)
}

/// What a manifest says of its parts.
#[derive(Deserialize)]
struct NamedParts {
    version: u32,
    parts: Vec<Part>,
    #[serde(default)]
    notes: Vec<Note>,
}

fn read_named(root: &Path, layout: &Layout) -> Result<NamedParts, PublishError> {
    let nothing = NamedParts { version: layout.version, parts: Vec::new(), notes: Vec::new() };
    Ok(manifest::read::<NamedParts>(root, layout.format, layout.version)?.unwrap_or(nothing))
}

fn sync_folder(path: &Path) -> Result<(), PublishError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(PublishError::io("sync", path))
}

//! The folder of a release: locked, staged in `.writing/`, put in place by renames, and named by a manifest.
//!
//! ImgEdit's names contain no digest, so a changed part takes the place of the old one. A release has these steps. Everything new goes to
//! `.writing/`, and is synced. A manifest is written that names only what stays as it is. The old files of changed parts are deleted, and
//! the new ones are renamed into their places. Then the manifest of everything is written. An error before the second step leaves what was
//! there. A crash after it leaves a manifest that names less than there is. The next release writes again what the manifest does not name.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use threshflow::publish::{Damaged, Named, PublishError, Seen, Verified, seal_holds, sealed, verify_files};

use super::card::CARD;
use super::croissant::CROISSANT;
use super::error::ReleaseError;
use super::names::{FOLDERS, SCORES, is_ours};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const FORMAT: &str = "threshflow released edits";
/// Of the layout and the bytes of the files: raised where either changes, and everything is then written anew.
pub(crate) const VERSION: u32 = 3;
const LOCK: &str = ".lock";
const WRITING: &str = ".writing";

/// What a released folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    pub version: u32,
    /// The file ends in a hash of all the rest of it; not so before there were such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// In the order of types and numbers.
    pub parts: Vec<Part>,
    /// One a type that has parts.
    pub details: Vec<Details>,
    pub scores: Option<NamedFile>,
}

/// The edits of one type from one source shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// `remove_part3`.
    pub part: String,
    pub edit_type: String,
    /// The source shard's name.
    pub shard: String,
    pub edits: usize,
    /// Of all that its files are a function of.
    pub digest: String,
    /// The pieces of the tar, in order, and the parquet file.
    pub files: Vec<NamedFile>,
}

/// The file of a type's details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    pub edit_type: String,
    pub file: NamedFile,
}

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamedFile {
    /// Below the folder of the manifest.
    pub path: String,
    pub bytes: u64,
    /// BLAKE3 of its bytes, the first 16, as 32 hex digits.
    pub hash: String,
    /// SHA-256, in hex: not there in what was written before it was noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

impl Manifest {
    pub(crate) fn empty() -> Self {
        let (format, version) = (FORMAT.to_owned(), VERSION);
        Manifest { format, version, sealed: true, parts: Vec::new(), details: Vec::new(), scores: None }
    }

    /// Every file that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &NamedFile> {
        let of_parts = self.parts.iter().flat_map(|part| &part.files);
        of_parts.chain(self.details.iter().map(|details| &details.file)).chain(&self.scores)
    }
}

/// The manifest in `root`; `None` where there is none, or another's.
pub(crate) fn read_manifest(root: &Path) -> Result<Option<Manifest>, ReleaseError> {
    #[derive(Deserialize)]
    struct Header {
        format: String,
        version: u32,
    }
    let path = root.join(MANIFEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ReleaseError::io("read", &path)(error)),
    };
    let refused = |why: String| ReleaseError::Manifest { path: path.clone(), why };
    match serde_json::from_slice::<Header>(&text) {
        Ok(header) if header.format != FORMAT && !is_marked(root) => Ok(None),
        Ok(header) if header.version > VERSION => Err(refused(format!(
            "is of version {}, and this program knows versions up to {VERSION}: use the newer program, or choose another \
             folder",
            header.version
        ))),
        // Cut by a failing disk it still begins as ours do; another's does not.
        Err(_) if !String::from_utf8_lossy(&text).contains(FORMAT) && !is_marked(root) => Ok(None),
        Ok(header) if header.format != FORMAT => Err(refused(NOT_OURS.to_owned())),
        Err(_) if !String::from_utf8_lossy(&text).contains(FORMAT) => Err(refused(NOT_OURS.to_owned())),
        _ if !seal_holds(&text) => Err(refused(
            "is damaged (its bytes are not those that were written): delete it and the files beside it, and export again".to_owned(),
        )),
        _ => serde_json::from_slice(&text).map(Some).map_err(|error| {
            refused(format!("is damaged ({error}): delete it and the files beside it, and export again"))
        }),
    }
}

impl NamedFile {
    fn named(&self) -> Named {
        Named { file: self.path.clone(), bytes: self.bytes, hash: Some(self.hash.clone()) }
    }

    /// Notes that it is as it was written.
    pub(crate) fn note(&self, root: &Path, seen: &mut Seen) {
        seen.note(root, &self.named());
    }
}

/// Reads all of a released folder; `None` where it is none.
pub fn verify(root: &Path) -> Result<Option<Verified>, ReleaseError> {
    let manifest = match read_manifest(root) {
        Ok(Some(manifest)) => manifest,
        Ok(None) if is_marked(root) => {
            let next = "release again: everything is then written anew".to_owned();
            let damaged = Damaged { file: MANIFEST.to_owned(), why: "it is missing".to_owned(), next };
            let format = FORMAT.to_owned();
            return Ok(Some(Verified { format, damaged: vec![damaged], ..Verified::default() }));
        }
        Ok(None) => return Ok(None),
        Err(ReleaseError::Manifest { why, .. }) => {
            let next = "delete it and the files beside it, and release again".to_owned();
            let damaged = Damaged { file: MANIFEST.to_owned(), why: format!("it {why}"), next };
            let format = FORMAT.to_owned();
            return Ok(Some(Verified { format, files: 1, damaged: vec![damaged], ..Verified::default() }));
        }
        Err(error) => return Err(error),
    };
    let lock = File::open(root.join(LOCK)).ok();
    if matches!(lock.as_ref().map(File::try_lock_shared), Some(Err(TryLockError::WouldBlock))) {
        return Err(ReleaseError::Busy { path: root.to_owned() });
    }
    let files: Vec<Named> = manifest.files().map(NamedFile::named).collect();
    let failed =
        |error: PublishError| ReleaseError::Manifest { path: root.to_owned(), why: error.to_string() };
    // They are the user's to change: see `write_note`.
    verify_files(root, FORMAT, &files, is_part, |file| [CARD, CROISSANT].contains(&file))
        .map(Some)
        .map_err(failed)
}

/// Whether a file, below the folder, is named as one of a release's.
pub(crate) fn is_part(file: &str) -> bool {
    let below = file.split_once('/');
    file == SCORES || below.is_some_and(|(below, name)| FOLDERS.contains(&below) && is_ours(below, name))
}

/// Of a manifest that another's file took the place of.
const NOT_OURS: &str =
    "is damaged (it is none of a released set): delete it and the files beside it, and export again";

fn is_marked(root: &Path) -> bool {
    fs::read(root.join(LOCK)).is_ok_and(|text| text == marker())
}

/// A folder that is ours, locked for as long as this lives.
pub(crate) struct Folder {
    pub root: PathBuf,
    pub before: Manifest,
    /// The manifest that is there is of an earlier version: nothing that it names is kept.
    is_outdated: bool,
    _lock: File,
}

/// A file in `.writing/` that is to be renamed into its place.
pub(crate) struct StagedFile {
    pub staged: PathBuf,
    pub file: NamedFile,
}

impl Folder {
    /// Makes the folder if need be, refuses one that holds anything else, and locks it.
    pub(crate) fn open(root: &Path) -> Result<Self, ReleaseError> {
        fs::create_dir_all(root).map_err(ReleaseError::io("make", root))?;
        check_ours(root)?;
        let lock = lock(root)?;
        // Only now: another export may have written it until the lock was ours.
        let mut before = read_manifest(root)?.unwrap_or_else(Manifest::empty);
        let is_outdated = before.version < VERSION;
        if is_outdated {
            before = Manifest::empty();
        }
        let folder = Folder { root: root.to_owned(), before, is_outdated, _lock: lock };
        folder.remove_writing()?;
        Ok(folder)
    }

    /// The files of the manifest that are not as they were written, each with what is wrong. Files that look as they did are not all
    /// read: see [`Seen`].
    pub(crate) fn damages(&self, seen: &mut Seen) -> HashMap<String, String> {
        let files: Vec<Named> = self.before.files().map(NamedFile::named).collect();
        let damages = seen.damages(&self.root, &files);
        files.into_iter().zip(damages).filter_map(|(named, why)| Some((named.file, why?))).collect()
    }

    /// Where the file `path` is written before it is put into its place.
    pub(crate) fn staged(&self, path: &str) -> Result<PathBuf, ReleaseError> {
        let writing = self.root.join(WRITING);
        fs::create_dir_all(&writing).map_err(ReleaseError::io("make", &writing))?;
        Ok(writing.join(path.replace('/', "+")))
    }

    /// Puts the staged files into their places; `kept` names what stays as it is, `after` everything.
    pub(crate) fn put_in_place(
        &self,
        staged: &[StagedFile],
        kept: &Manifest,
        after: &Manifest,
    ) -> Result<(), ReleaseError> {
        if self.is_outdated || self.before != *kept {
            self.write_manifest(kept)?;
        }
        // It has the hashes of what is replaced, and is written anew at the end.
        match fs::remove_file(self.root.join(CROISSANT)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ReleaseError::io("delete", &self.root.join(CROISSANT))(error));
            }
            _ => {}
        }
        for folder in FOLDERS.iter().map(|folder| self.root.join(folder)) {
            fs::create_dir_all(&folder).map_err(ReleaseError::io("make", &folder))?;
        }
        // What is gone and what is to be replaced: a piece too many would be taken for the tar's.
        self.sweep(kept)?;
        for StagedFile { staged, file } in staged {
            let path = self.root.join(&file.path);
            fs::rename(staged, &path).map_err(ReleaseError::io("rename to", &path))?;
        }
        for folder in FOLDERS.iter().map(|folder| self.root.join(folder)) {
            sync_folder(&folder)?;
            // Only an empty one goes.
            let _ = fs::remove_dir(&folder);
        }
        sync_folder(&self.root)?;
        if kept != after {
            self.write_manifest(after)?;
        }
        self.remove_writing()
    }

    /// Whether files that are named as ours lie about and `manifest` does not name them.
    pub(crate) fn has_strays(&self, manifest: &Manifest) -> Result<bool, ReleaseError> {
        Ok(!self.strays(manifest)?.is_empty())
    }

    fn sweep(&self, kept: &Manifest) -> Result<(), ReleaseError> {
        for path in self.strays(kept)? {
            fs::remove_file(&path).map_err(ReleaseError::io("delete", &path))?;
        }
        Ok(())
    }

    fn strays(&self, manifest: &Manifest) -> Result<Vec<PathBuf>, ReleaseError> {
        let named: HashSet<PathBuf> = manifest.files().map(|file| self.root.join(&file.path)).collect();
        let mut strays = Vec::new();
        for name in FOLDERS {
            let folder = self.root.join(name);
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&folder).map_err(ReleaseError::io("list", &folder))? {
                let entry = entry.map_err(ReleaseError::io("list", &folder))?;
                let ours = entry.file_name().to_str().is_some_and(|file| is_ours(name, file));
                let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                strays.extend(Some(entry.path()).filter(|path| ours && is_file && !named.contains(path)));
            }
        }
        let scores = self.root.join(SCORES);
        strays.extend(Some(scores).filter(|path| path.is_file() && !named.contains(path)));
        Ok(strays)
    }

    /// Makes the file `name` hold `text`: the card, or what is beside it. No manifest names them: users change them, and a change of
    /// theirs is no damage.
    pub(crate) fn write_note(&self, name: &str, text: &str) -> Result<(), ReleaseError> {
        if fs::read(self.root.join(name)).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        self.replace(name, text.as_bytes())?;
        self.remove_writing()
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<(), ReleaseError> {
        let path = self.root.join(MANIFEST);
        let text =
            sealed(manifest).map_err(|error| ReleaseError::Manifest { path, why: error.to_string() })?;
        self.replace(MANIFEST, &text)
    }

    /// Makes the file `name` hold `bytes`, at once or not at all.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), ReleaseError> {
        let (path, staged) = (self.root.join(name), self.staged(name)?);
        let mut file = File::create(&staged).map_err(ReleaseError::io("write", &path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(ReleaseError::io("write", &path))?;
        fs::rename(&staged, &path).map_err(ReleaseError::io("rename to", &path))?;
        sync_folder(&self.root)
    }

    pub(crate) fn remove_writing(&self) -> Result<(), ReleaseError> {
        let path = self.root.join(WRITING);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ReleaseError::io("delete", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `root` is ours or free for us. Writes nothing.
pub(crate) fn check_ours(root: &Path) -> Result<(), ReleaseError> {
    if !root.exists() || read_manifest(root)?.is_some() {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(ReleaseError::io("list", root))? {
        names.push(entry.map_err(ReleaseError::io("list", root))?.file_name());
    }
    let locked = names.iter().any(|name| name == LOCK);
    let marked = locked && is_marked(root);
    // An empty lock: the export that made it was stopped before it could mark the folder.
    let unmarked = locked && fs::metadata(root.join(LOCK)).is_ok_and(|lock| lock.len() == 0);
    match names.iter().filter(|name| *name != LOCK || !(marked || unmarked)).min() {
        Some(found) if !marked => {
            Err(ReleaseError::NotOurs { path: root.to_owned(), found: found.to_string_lossy().into_owned() })
        }
        _ => Ok(()),
    }
}

fn marker() -> Vec<u8> {
    format!("{FORMAT}\n").into_bytes()
}

fn lock(root: &Path) -> Result<File, ReleaseError> {
    let path = root.join(LOCK);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(ReleaseError::io("make", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ReleaseError::Busy { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(ReleaseError::io("lock", &path)(error)),
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(ReleaseError::io("read", &path))?;
    if text.is_empty() {
        let marked = file.write_all(&marker()).and_then(|()| file.sync_all());
        marked.map_err(ReleaseError::io("write", &path))?;
    }
    Ok(file)
}

fn sync_folder(path: &Path) -> Result<(), ReleaseError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(ReleaseError::io("sync", path))
}

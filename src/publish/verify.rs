//! `verify`: reads every file that a manifest names, and compares it with what was written.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::{self, MANIFEST, Note, Part};
use super::names::is_part_name;
use super::parts::{Layout, lock_for_reading};
use super::seen::{Named, damage_of};
use super::{PUBLISHED, PublishError, export};

/// What is wrong with a folder, and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// Below the folder.
    pub file: String,
    pub why: String,
    /// What to do.
    pub next: String,
}

/// What came of reading all of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// What the manifest's `format` says.
    pub format: String,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    pub damaged: Vec<Damaged>,
    /// Files that are written without a hash: they were published before there was one, and only their lengths were compared.
    pub without_hash: u64,
    /// Files that are nobody's of the set: left alone, and no damage.
    pub foreign: Vec<String>,
}

/// Reads all that `folder` publishes or exports, and writes nothing. `None`: its manifest is another's.
pub fn verify(folder: &Path) -> Result<Option<Verified>, PublishError> {
    let _no_committer = lock_for_reading(folder)?;
    for layout in [&PUBLISHED, &export::EXPORT] {
        match named(folder, layout) {
            Ok(Some(named)) => return verify_named(folder, layout, &named).map(Some),
            Ok(None) => return Err(PublishError::NothingPublished { path: folder.to_owned() }),
            Err(PublishError::NotOurs { .. }) => {}
            Err(PublishError::DamagedManifest { why, .. }) => {
                let damaged = Damaged {
                    file: MANIFEST.to_owned(),
                    why: format!("it is damaged ({why})"),
                    next: "delete it and run again: what it named is then written anew".to_owned(),
                };
                let format = layout.format.to_owned();
                return Ok(Some(Verified {
                    format,
                    files: 1,
                    damaged: vec![damaged],
                    ..Verified::default()
                }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[derive(Deserialize)]
struct NamedFiles {
    #[serde(default)]
    notes: Vec<Note>,
    parts: Vec<Part>,
}

fn named(folder: &Path, layout: &Layout) -> Result<Option<NamedFiles>, PublishError> {
    manifest::read(folder, layout.format, layout.version)
}

fn verify_named(folder: &Path, layout: &Layout, named: &NamedFiles) -> Result<Verified, PublishError> {
    let parts = named.parts.iter().map(Named::from);
    let notes = named.notes.iter().map(|note| Named {
        file: note.file.clone(),
        bytes: note.bytes,
        hash: Some(note.hash.clone()),
    });
    let files: Vec<Named> = parts.chain(notes).collect();
    let is_part = |file: &str| {
        let (below, name) = file.rsplit_once('/').unwrap_or(("", file));
        layout.kinds.iter().any(|kind| kind.folder() == below && is_part_name(name, kind.extension()))
    };
    // Written before there were hashes of them.
    let known = |file: &str| matches!(file, "summary.json" | "README.md") && named.notes.is_empty();
    verify_files(folder, layout.format, &files, is_part, known)
}

/// Reads all of `files`, and lists what else lies in `folder`: what `is_part` says is named as parts are misleads who reads by a glob,
/// what is `known` is passed over, the rest is foreign.
pub fn verify_files(
    folder: &Path,
    format: &str,
    files: &[Named],
    is_part: impl Fn(&str) -> bool,
    known: impl Fn(&str) -> bool,
) -> Result<Verified, PublishError> {
    let mut verified = Verified { format: format.to_owned(), files: 1, ..Verified::default() };
    let again = || "run again what wrote it: it is then written anew".to_owned();
    for named in files {
        let path = folder.join(&named.file);
        let why = match &named.hash {
            Some(hash) => damage_of(&path, named.bytes, hash),
            None => {
                verified.without_hash += 1;
                let length = fs::symlink_metadata(&path).ok().map(|meta| meta.len());
                (length != Some(named.bytes)).then(|| "it is missing, or has another length".to_owned())
            }
        };
        verified.files += 1;
        verified.bytes += named.bytes;
        verified.damaged.extend(why.map(|why| Damaged { file: named.file.clone(), why, next: again() }));
    }
    let named: HashSet<&str> = files.iter().map(|named| named.file.as_str()).chain([MANIFEST]).collect();
    for file in others(folder)? {
        if named.contains(file.as_str()) || known(&file) {
            continue;
        }
        if is_part(&file) {
            verified.damaged.push(Damaged {
                file,
                why: "it is named as a part, and the manifest names no such part: who reads by a pattern takes it for one"
                    .to_owned(),
                next: "run again what wrote the folder: it is then deleted".to_owned(),
            });
        } else {
            verified.foreign.push(file);
        }
    }
    Ok(verified)
}

/// Every file below the folder but its own dot-files.
pub(super) fn others(folder: &Path) -> Result<Vec<String>, PublishError> {
    let (mut files, mut left) = (Vec::new(), vec![String::new()]);
    while let Some(below) = left.pop() {
        let path = folder.join(&below);
        for entry in fs::read_dir(&path).map_err(PublishError::io("list", &path))? {
            let entry = entry.map_err(PublishError::io("list", &path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if below.is_empty() && name.starts_with('.') {
                continue;
            }
            let file = format!("{below}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => left.push(format!("{file}/")),
                _ => files.push(file),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// An error where a part is not as it was written: for who reads it, since what a damaged file says may look sound.
pub fn check_part(folder: &Path, part: &Part) -> Result<(), PublishError> {
    let path = folder.join(&part.file);
    let Some(hash) = &part.hash else { return Ok(()) };
    // A part that a commit swept meanwhile is no damage.
    if let Err(error) = fs::symlink_metadata(&path) {
        return Err(PublishError::io("read", &path)(error));
    }
    match damage_of(&path, part.bytes, hash) {
        None => Ok(()),
        Some(why) => Err(PublishError::Part {
            path,
            why: format!("the part is damaged: {why}"),
            next: "run the pipeline again: it is then written anew",
        }),
    }
}

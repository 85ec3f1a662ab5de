//! Finds shards: files, folders and globs become a sorted list of named shards, with their chunks in order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::find_objects::find_objects;
use super::listing::{
    Kind, entries_of, files_beneath, is_absent, is_file, is_glob, kind_of, matches_of_glob, refused,
};
use super::{ShardError, ShardSource};
use crate::object::{Objects, is_url};

/// Missing chunks are listed one by one up to this many in a row: the reader stops at the first anyway,
/// and `X.tar.split.4000000000` alone must not make a list of four milliards.
const MOST_MISSING_LISTED: u64 = 1_000;

const SPLIT: &str = ".tar.split.";

/// Finds the shards that `patterns` name (files, folders, globs), sorted by name.
///
/// A file is taken as it is, whatever it is called; a folder gives every `*.tar` and split tar beneath it,
/// at any depth (links to folders are followed, each folder once); a glob gives the `*.tar` files and split tars
/// that it matches and passes over everything else (`laion/*` may hold parquet and JSON beside the tars). One chunk
/// of a split tar stands for all the chunks in its folder.
///
/// What is named and cannot be looked at is an error: a link that leads nowhere, a folder that may not be read, a pipe
/// that is called `*.tar`. A disk that is not mounted is seen by its links only: an empty folder in its place holds no
/// shards, and whoever published some of it before has to look (see `publish::removed_rows`).
pub fn find(patterns: &[String]) -> Result<Vec<ShardSource>, ShardError> {
    find_with(patterns, &Objects::default())
}

/// As [`find`]; patterns that are URLs are looked up by `objects`.
pub fn find_with(patterns: &[String], objects: &Objects) -> Result<Vec<ShardSource>, ShardError> {
    if patterns.is_empty() {
        return Err(usage(
            "no shards were named; give at least one file, folder or glob, for example 'laion/*.tar'",
        ));
    }
    // By place (canonical folder and file name), so that a shard named twice counts once.
    let mut found: BTreeMap<PathBuf, ShardSource> = BTreeMap::new();
    for pattern in patterns {
        if is_url(pattern) {
            let shards = find_objects(pattern, objects)?;
            for shard in shards {
                found.entry(shard.place()).or_insert(shard);
            }
            continue;
        }
        for (base, path) in matches_of(pattern)? {
            add(&mut found, &base, &path)?;
        }
    }
    sorted_by_name(found.into_values().collect())
}

/// Shards of several kinds as one list, sorted; an error where two have one name.
pub fn sorted_by_name(mut shards: Vec<ShardSource>) -> Result<Vec<ShardSource>, ShardError> {
    shards.sort();
    check_names(&shards)?;
    Ok(shards)
}

/// An error where two of the shards, which are sorted, have one name.
fn check_names(shards: &[ShardSource]) -> Result<(), ShardError> {
    for pair in shards.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            return Err(usage(format!(
                "two shards have the same name {:?}: {} and {}; name them through a folder above both, so that the \
                 folders' names become part of the shards' names",
                a.name,
                a.place().display(),
                b.place().display()
            )));
        }
    }
    Ok(())
}

/// The files that a pattern names, each with the fixed part of the pattern that names are relative to.
fn matches_of(pattern: &str) -> Result<Vec<(PathBuf, PathBuf)>, ShardError> {
    let path = Path::new(pattern);
    // What exists is meant literally, even with a bracket in its name.
    if lies_there(path, pattern)? {
        if kind_of(path)? != Kind::Folder {
            return Ok(vec![(path.parent().unwrap_or(Path::new("")).to_path_buf(), path.to_path_buf())]);
        }
        let files = files_beneath(path, is_shard_name)?;
        if files.is_empty() {
            return Err(usage(format!(
                "the folder {pattern:?} holds no shards; it must hold files called *.tar or *.tar.split.000 (at any depth); for pictures that lie \
                 loose use --pictures"
            )));
        }
        return Ok(files.into_iter().map(|file| (path.to_path_buf(), file)).collect());
    }
    if !is_glob(pattern) {
        return Err(usage(format!(
            "{pattern:?} does not exist; give a tar file, a folder of them, or a quoted glob"
        )));
    }
    let base = fixed_part(path);
    let matches = matches_of_glob(pattern)?.map_err(|e| {
        usage(format!("{pattern:?} is not a glob that can be read: {e}; use *, ?, [abc] and ** (any depth)"))
    })?;
    let all = matches.len();
    let mut files = Vec::new();
    for file in matches {
        if is_shard_name(&file) && is_file(&file)? {
            files.push((base.clone(), file));
        }
    }
    match (files.is_empty(), all) {
        (false, _) => Ok(files),
        (true, 0) => Err(usage(format!(
            "nothing matches {pattern:?}; check the path, or name a folder to take every *.tar beneath it"
        ))),
        (true, n) => Err(usage(format!(
            "{pattern:?} matches {n} files or folders, but none is called *.tar or *.tar.split.000; name a folder to \
             take every tar beneath it, and decompress compressed tars first (they can't be read in place)"
        ))),
    }
}

/// Whether there is something at a path that is named, be it a link that leads nowhere.
fn lies_there(path: &Path, pattern: &str) -> Result<bool, ShardError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) || is_glob(pattern) => Ok(false),
        Err(error) => Err(refused(path, error)),
    }
}

/// The leading parts of a glob that hold no wildcard.
fn fixed_part(pattern: &Path) -> PathBuf {
    pattern
        .components()
        .take_while(|part| match part {
            Component::Normal(text) => !is_glob(&text.to_string_lossy()),
            _ => true,
        })
        .collect()
}

fn add(found: &mut BTreeMap<PathBuf, ShardSource>, base: &Path, path: &Path) -> Result<(), ShardError> {
    let own_name = path.file_name().unwrap_or(path.as_os_str());
    let file_name = file_name(path);
    let (stem, is_chunk) = match chunk_of(&file_name) {
        Some((stem, _)) => (stem, true),
        None => (file_name.strip_suffix(".tar").filter(|s| !s.is_empty()).unwrap_or(&file_name), false),
    };
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let place = std::fs::canonicalize(folder).map_err(|source| refused(folder, source))?.join(if is_chunk {
        OsString::from(format!("{stem}{SPLIT}"))
    } else {
        own_name.to_owned()
    });
    if let Entry::Vacant(slot) = found.entry(place) {
        let chunks = if is_chunk { chunks_of(folder, stem)? } else { vec![Ok(path.to_path_buf())] };
        slot.insert(ShardSource::of_tar(name_of(base, path, stem), chunks));
    }
    Ok(())
}

/// The shard's path relative to `base`, its last part replaced by `stem`, parts joined by `/`.
fn name_of(base: &Path, path: &Path, stem: &str) -> String {
    let relative = path.strip_prefix(base).unwrap_or(path);
    let mut parts: Vec<String> = relative
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .filter_map(|part| match part {
            Component::Normal(text) => Some(text.to_string_lossy().into_owned()),
            Component::ParentDir => Some("..".to_owned()),
            _ => None,
        })
        .collect();
    parts.push(stem.to_owned());
    parts.join("/")
}

/// All the chunks of `stem` in `folder`, in order, with the missing ones named.
fn chunks_of(folder: &Path, stem: &str) -> Result<Vec<Result<PathBuf, PathBuf>>, ShardError> {
    let mut numbered: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let mut width = 3;
    for path in entries_of(folder)?.into_iter().map(|entry| entry.path) {
        let name = file_name(&path);
        let Some((of, digits)) = chunk_of(&name) else { continue };
        if of != stem {
            continue;
        }
        let Ok(number) = digits.parse::<u64>() else { continue };
        width = width.max(digits.len());
        if let Some(other) = numbered.insert(number, path.clone()) {
            return Err(usage(format!(
                "two files are chunk {number} of the same tar: {} and {}; keep one of them",
                other.display(),
                path.display()
            )));
        }
    }
    Ok(listed_chunks(numbered, |missing| folder.join(format!("{stem}{SPLIT}{missing:0width$}"))))
}

/// Numbered chunks in a row, with those that are missing between them as `named`.
pub(super) fn listed_chunks<T, M>(
    numbered: impl IntoIterator<Item = (u64, T)>,
    named: impl Fn(u64) -> M,
) -> Vec<Result<T, M>> {
    let mut chunks = Vec::new();
    let mut next = 0_u64;
    for (number, chunk) in numbered {
        let missing = next..number.min(next.saturating_add(MOST_MISSING_LISTED));
        chunks.extend(missing.map(|missing| Err(named(missing))));
        chunks.push(Ok(chunk));
        next = number.saturating_add(1);
    }
    chunks
}

/// Splits `X.tar.split.012` into `X` and `012`.
pub(super) fn chunk_of(file_name: &str) -> Option<(&str, &str)> {
    let (stem, digits) = file_name.rsplit_once(SPLIT)?;
    let is_number =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u64>().is_ok();
    (is_number && !stem.is_empty()).then_some((stem, digits))
}

pub(super) fn is_shard_name(path: &Path) -> bool {
    let name = file_name(path);
    // macOS puts a `._00000.tar` beside `00000.tar` where the file system is not its own.
    if super::names::is_litter(name.as_bytes()) {
        return false;
    }
    name.strip_suffix(".tar").is_some_and(|stem| !stem.is_empty()) || chunk_of(&name).is_some()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn usage(message: impl Into<String>) -> ShardError {
    ShardError::Usage(message.into())
}

//! What a folder or a glob names: every file of it, or an error that says what could not be looked at. Nothing that may be a shard is left
//! out without a message: neither what is behind a link that leads nowhere, nor a folder that may not be read.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{FileType, Metadata};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use super::ShardError;

const NEXT: &str = "check that it is there and may be read, and that its disk is mounted";

/// What lies at a path, behind links, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A pipe, a socket, a device.
    Other,
}

/// What lies at a path that is named or listed: what cannot be looked at is an error.
pub(super) fn kind_of(path: &Path) -> Result<Kind, ShardError> {
    metadata(path).map(|it| match () {
        () if it.is_file() => Kind::File,
        () if it.is_dir() => Kind::Folder,
        () => Kind::Other,
    })
}

/// Whether a path that may be a shard is a file; an error where it is neither that nor a folder.
pub(super) fn is_file(path: &Path) -> Result<bool, ShardError> {
    match kind_of(path)? {
        Kind::Other => {
            let source = Error::other("it is called as a shard is, and is a pipe, a socket or a device");
            let next = "rename it, or take it out of the folder";
            Err(ShardError::Io { path: path.to_path_buf(), source, next })
        }
        kind => Ok(kind == Kind::File),
    }
}

/// That there is nothing of that name, where names are only tried.
pub(super) fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn metadata(path: &Path) -> Result<Metadata, ShardError> {
    std::fs::metadata(path).map_err(|source| refused(path, source))
}

/// The error about a path that cannot be looked at, with where it leads to, if it is a link.
pub(super) fn refused(path: &Path, source: Error) -> ShardError {
    let path = path.to_path_buf();
    match std::fs::read_link(&path) {
        Ok(target) => {
            let source =
                Error::new(source.kind(), format!("it is a link to {}, and {source}", target.display()));
            let next = "mount the disk that it leads to, or mend the link, or remove it if it is not wanted";
            ShardError::Io { path, source, next }
        }
        Err(_) => ShardError::Io { path, source, next: NEXT },
    }
}

/// An entry of a folder.
pub(super) struct Listed {
    name: OsString,
    pub(super) path: PathBuf,
    /// Of the entry itself, not of what a link leads to.
    own: FileType,
}

impl Listed {
    fn is_folder(&self) -> Result<bool, ShardError> {
        Ok(self.own.is_dir() || self.own.is_symlink() && kind_of(&self.path)? == Kind::Folder)
    }
}

/// What a folder holds, by name.
pub(super) fn entries_of(folder: &Path) -> Result<Vec<Listed>, ShardError> {
    let here = if folder == Path::new("") { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(here).map_err(|source| refused(here, source))?;
    let listed = |entry: Result<std::fs::DirEntry, Error>| {
        let entry = entry.map_err(|source| refused(here, source))?;
        let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
        let own = entry.file_type().map_err(|source| refused(&path, source))?;
        Ok(Listed { name, path, own })
    };
    let mut entries = entries.map(listed).collect::<Result<Vec<_>, ShardError>>()?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Which folder it is, by whatever path.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The files beneath a folder whose names `wanted` takes, at any depth. Links to folders are followed after all that lies there
/// without them, each folder once: no loop goes on, and what can be reached without a link bears the name of that way.
pub(super) fn files_beneath(root: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<PathBuf>, ShardError> {
    let mut files = Vec::new();
    let take = |path: PathBuf| {
        if wanted(&path) && is_file(&path)? {
            files.push(path);
        }
        Ok(())
    };
    beneath(root, take, |_| false)?;
    Ok(files)
}

/// Shows `take` the files beneath a folder by the same rules, whatever they are called and whether or not they can be read. A link that
/// leads nowhere is taken for a file if it is called as one, with a dot; another may be of a folder that is not mounted.
pub(super) fn loose_files_beneath(root: &Path, mut take: impl FnMut(&Path)) -> Result<(), ShardError> {
    let take = |path: PathBuf| {
        take(&path);
        Ok(())
    };
    beneath(root, take, |path| path.extension().is_some())
}

/// `is_file`: whether what cannot be looked at is taken for a file.
fn beneath(
    root: &Path,
    take: impl FnMut(PathBuf) -> Result<(), ShardError>,
    is_file: fn(&Path) -> bool,
) -> Result<(), ShardError> {
    let mut beneath = Beneath { take, is_file, seen: HashSet::new(), links: VecDeque::new() };
    // A link back up leads to what is being looked through.
    let whole = std::fs::canonicalize(root).map_err(|source| refused(root, source))?;
    for above in whole.ancestors().skip(1) {
        beneath.seen.extend(std::fs::metadata(above).ok().as_ref().map(identity));
    }
    beneath.look_through(root)?;
    while let Some(link) = beneath.links.pop_front() {
        beneath.look_through(&link)?;
    }
    Ok(())
}

struct Beneath<T> {
    take: T,
    is_file: fn(&Path) -> bool,
    seen: HashSet<(u64, u64)>,
    /// To folders.
    links: VecDeque<PathBuf>,
}

impl<T: FnMut(PathBuf) -> Result<(), ShardError>> Beneath<T> {
    fn look_through(&mut self, folder: &Path) -> Result<(), ShardError> {
        if !self.seen.insert(identity(&metadata(folder)?)) {
            return Ok(());
        }
        for entry in entries_of(folder)? {
            let is_folder = match entry.is_folder() {
                Err(_) if (self.is_file)(&entry.path) => false,
                is_folder => is_folder?,
            };
            if entry.own.is_dir() {
                self.look_through(&entry.path)?;
            } else if is_folder {
                self.links.push_back(entry.path);
            } else {
                (self.take)(entry.path)?;
            }
        }
        Ok(())
    }
}

/// A part of a glob, between two slashes.
enum Part {
    Named(OsString),
    Any(Pattern),
    /// `**`: any folders, or none.
    Depth,
}

/// The paths that a glob matches, by name; why it is none, where it is none. An error where a folder that it leads through cannot
/// be looked at. What it matches need not be readable.
pub(super) fn matches_of_glob(pattern: &str) -> Result<Result<Vec<PathBuf>, glob::PatternError>, ShardError> {
    let parts = match parts_of(pattern) {
        Ok(parts) => parts,
        Err(error) => return Ok(Err(error)),
    };
    let mut found = Vec::new();
    follow(Path::new(""), &parts, &mut Vec::new(), &mut found)?;
    if pattern.ends_with('/') {
        found.retain(|path| path.is_dir());
    }
    Ok(Ok(found))
}

fn parts_of(pattern: &str) -> Result<Vec<Part>, glob::PatternError> {
    Pattern::new(pattern)?;
    let part = |part: Component<'_>| {
        let text = part.as_os_str().to_string_lossy();
        Ok(match &*text {
            "**" => Part::Depth,
            wild if is_glob(wild) => Part::Any(Pattern::new(wild)?),
            _ => Part::Named(part.as_os_str().to_owned()),
        })
    };
    let mut parts = Path::new(pattern).components().map(part).collect::<Result<Vec<_>, _>>()?;
    parts.dedup_by(|next, part| matches!((part, next), (Part::Depth, Part::Depth)));
    Ok(parts)
}

/// Whether a text has what only globs have.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// `above` are the folders that a `**` leads through, against links in a circle.
fn follow(
    at: &Path,
    parts: &[Part],
    above: &mut Vec<(u64, u64)>,
    found: &mut Vec<PathBuf>,
) -> Result<(), ShardError> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(at.to_path_buf());
        return Ok(());
    };
    // What the pattern goes on below must be a folder; what it ends with may be anything.
    match part {
        Part::Named(name) => {
            let path = at.join(name);
            match std::fs::symlink_metadata(&path) {
                Err(error) if is_absent(&error) => Ok(()),
                Err(error) => Err(refused(&path, error)),
                Ok(_) if rest.is_empty() || kind_of(&path)? == Kind::Folder => {
                    follow(&path, rest, above, found)
                }
                Ok(_) => Ok(()),
            }
        }
        Part::Any(pattern) => {
            for entry in entries_of(at)? {
                if pattern.matches(&entry.name.to_string_lossy()) && (rest.is_empty() || entry.is_folder()?) {
                    follow(&entry.path, rest, above, found)?;
                }
            }
            Ok(())
        }
        Part::Depth => {
            let here = identity(&metadata(if at == Path::new("") { Path::new(".") } else { at })?);
            if above.contains(&here) {
                return Ok(());
            }
            above.push(here);
            follow(at, rest, &mut Vec::new(), found)?;
            for entry in entries_of(at)? {
                if entry.is_folder()? {
                    follow(&entry.path, parts, above, found)?;
                }
            }
            above.pop();
            Ok(())
        }
    }
}

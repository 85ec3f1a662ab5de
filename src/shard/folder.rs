//! Finds pictures that lie loose: folders become shards of loose files, with the sidecars that lie beside the pictures.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::find::{is_shard_name, sorted_by_name, usage};
use super::listing::{Kind, kind_of, loose_files_beneath, refused};
use super::loose::{FileBytes, FileMember};
use super::names::is_litter;
use super::sample::PICTURES;
use super::{ShardError, ShardSource};

/// The shards of folders of pictures, and what else lies in the folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPictures {
    /// Sorted by name.
    pub shards: Vec<ShardSource>,
    /// How many files are neither pictures nor beside one of the same key.
    pub left_aside: u64,
    /// How many files are such as systems leave beside a user's files: `._*`, `.DS_Store`, `Thumbs.db`.
    pub passed_over: u64,
}

/// Finds the pictures in `folders`, at any depth; links to folders are followed, each folder once.
///
/// The files of one key (see [`Sample::key`](super::Sample::key)) make a sample, as they would in a tar, and the key is relative to the
/// folder: `cats/001`. Files of a key that no picture has are left aside. A folder is a shard of its own name, or several: see
/// [`ShardSource::in_parts`].
///
/// A folder that cannot be read is an error. A file that cannot be read is a refused row.
pub fn find_pictures(folders: &[String]) -> Result<FoundPictures, ShardError> {
    let mut found = FoundPictures::default();
    let mut roots: Vec<(PathBuf, &str)> = Vec::new();
    for folder in folders {
        let path = Path::new(folder);
        let root = root_of(path, folder)?;
        if roots.iter().any(|(known, _)| *known == root) {
            continue;
        }
        let within = |(known, _): &&(PathBuf, &str)| known.starts_with(&root) || root.starts_with(known);
        if let Some((_, other)) = roots.iter().find(within) {
            return Err(usage(format!(
                "one of the folders {other:?} and {folder:?} lies in the other, and its pictures would be there twice; name the outer one alone"
            )));
        }
        let name = name_of(path, &root);
        roots.push((root, folder));
        let members = members_of(path, folder, &mut found)?;
        found.shards.extend(ShardSource::in_parts(&name, path, members));
    }
    found.shards = sorted_by_name(found.shards)?;
    Ok(found)
}

/// Which folder it is, by whatever path.
fn root_of(path: &Path, named: &str) -> Result<PathBuf, ShardError> {
    if std::fs::symlink_metadata(path).is_err_and(|error| super::listing::is_absent(&error)) {
        return Err(usage(format!("{named:?} does not exist; --pictures takes a folder of pictures")));
    }
    if kind_of(path)? != Kind::Folder {
        let next =
            if is_shard_name(path) { "for a tar use --shards" } else { "name the folder that it lies in" };
        return Err(usage(format!(
            "{named:?} is no folder, and --pictures takes folders of pictures; {next}"
        )));
    }
    std::fs::canonicalize(path).map_err(|source| refused(path, source))
}

/// The last part of the folder as it was named, or of what it is really called: `.` has no name of its own.
fn name_of(path: &Path, root: &Path) -> String {
    let last = path.file_name().or(root.file_name()).unwrap_or(OsStr::new("pictures"));
    last.to_string_lossy().into_owned()
}

/// The files of a folder that make samples, those of one key side by side.
fn members_of(path: &Path, named: &str, found: &mut FoundPictures) -> Result<Vec<FileMember>, ShardError> {
    // Relative to the folder.
    let mut files: Vec<Box<[u8]>> = Vec::new();
    let mut tars = 0;
    loose_files_beneath(path, |file| {
        let relative = file.strip_prefix(path).unwrap_or(file).as_os_str().as_bytes();
        if is_litter(relative) {
            found.passed_over += 1;
        } else {
            tars += u64::from(is_shard_name(file));
            files.push(relative.into());
        }
    })?;
    // By key first: between `a.jpg` and `a.txt`, a sort of paths would put `a.b/c.jpg`.
    files.sort_unstable_by(|one, other| key_bytes(one).cmp(key_bytes(other)).then_with(|| one.cmp(other)));
    let mut members = Vec::with_capacity(files.len());
    for sample in files.chunk_by(|one, other| key_bytes(one) == key_bytes(other)) {
        if sample.iter().any(|path| is_picture(path)) {
            members.extend(sample.iter().map(|path| FileMember::new(path.clone(), FileBytes::InFolder)));
        } else {
            found.left_aside += sample.len() as u64;
        }
    }
    if members.is_empty() {
        let next = match tars {
            0 => format!("it must hold files called *.{} (at any depth)", PICTURES.join(", *.")),
            tars => format!("it holds {tars} tars, which --shards takes: --shards {named}"),
        };
        return Err(usage(format!("the folder {named:?} holds no pictures; {next}")));
    }
    Ok(members)
}

/// A path up to the first dot of its last part: its key, but for names that are no text.
fn key_bytes(path: &[u8]) -> &[u8] {
    let last = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = path[last..].iter().position(|byte| *byte == b'.');
    &path[..dot.map_or(path.len(), |dot| last + dot)]
}

/// Whether a file is called as a picture is.
fn is_picture(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let ending = last.iter().rposition(|byte| *byte == b'.').map(|dot| &last[dot + 1..]);
    ending.is_some_and(|ending| PICTURES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(ending)))
}

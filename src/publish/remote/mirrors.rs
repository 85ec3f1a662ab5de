//! The mirrors of a store, to be listed. What they hold lies in buckets, too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{MIRRORS, SET};
use crate::publish::PublishError;

/// A mirror of a set in a bucket.
pub struct Mirror {
    /// Its name is made of the URL, and of its hash.
    pub folder: PathBuf,
    /// Of all files of the set.
    pub bytes: u64,
}

impl Mirror {
    /// All that a store has, by name.
    ///
    /// # Errors
    /// Where a folder of them cannot be listed.
    pub fn all(store: &Path) -> Result<Vec<Mirror>, PublishError> {
        let mirrors = store.join(MIRRORS);
        let mut found = Vec::new();
        for folder in entries(&mirrors).map_err(PublishError::io("list", &mirrors))? {
            let set = folder.join(SET);
            if set.is_dir() {
                let bytes = bytes_below(&set).map_err(PublishError::io("list", &set))?;
                found.push(Mirror { folder, bytes });
            }
        }
        found.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(found)
    }
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for path in entries(folder)? {
        bytes += match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => bytes_below(&path)?,
            Ok(meta) => meta.len(),
            // A run beside this one took it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}

/// None of a folder that is not there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

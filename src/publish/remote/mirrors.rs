//! The mirrors of a store, to be listed and taken away. What they hold lies in buckets, too, and the next command fetches it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::record::Record;
use super::{MIRRORS, SET, locked};
use crate::publish::PublishError;

/// A mirror of a set in a bucket.
pub struct Mirror {
    folder: PathBuf,
    /// Of all files of the set.
    pub bytes: u64,
}

impl Mirror {
    /// All that a store has, by name.
    pub fn all(store: &Path) -> Result<Vec<Mirror>, PublishError> {
        let folder = store.join(MIRRORS);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(PublishError::io("list", &folder))?,
        };
        let mut mirrors = Vec::new();
        for entry in entries {
            let folder = entry.map_err(PublishError::io("list", &folder))?.path();
            let set = folder.join(SET);
            if set.is_dir() {
                let bytes = bytes_below(&set).map_err(PublishError::io("list", &set))?;
                mirrors.push(Mirror { folder, bytes });
            }
        }
        mirrors.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(mirrors)
    }

    /// The name of its folder: of the URL, and of its hash.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Takes it away: false where another command uses it.
    pub fn remove(&self) -> Result<bool, PublishError> {
        // The file of the lock stays: another command may wait for it.
        let Some(_lock) = locked(&self.folder.join("lock"))? else { return Ok(false) };
        // First what says that the mirror is as the bucket.
        Record::forget(&self.folder)?;
        let set = self.folder.join(SET);
        fs::remove_dir_all(&set).map_err(PublishError::io("remove", &set))?;
        Ok(true)
    }
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { bytes_below(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

//! The errors that can prevent a set from being released. What was released before stays complete, except after a crash while files are put
//! in place, which the next release repairs.

use std::io;
use std::path::{Path, PathBuf};

use threshflow::publish::TableError;

/// Why a set could not be released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The file system refused something.
    #[error("cannot {doing} {path}: {source}; put this right and export again, only what is missing is written", path = path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// Another process holds the lock.
    #[error("{path} is in use by another export (it holds .lock): wait until that ends, or choose another folder", path = path.display())]
    Busy { path: PathBuf },
    /// The folder holds what we did not write.
    #[error("{path} holds {found}, which is not of a released set: choose an empty folder, or empty this one yourself", path = path.display())]
    NotOurs { path: PathBuf, found: String },
    /// The manifest is of a version that this program does not know, or damaged.
    #[error("{path}: {why}", path = path.display())]
    Manifest { path: PathBuf, why: String },
    /// An edit, or a picture of it, could not be had.
    #[error(
        "shard {shard}, {key}, {edit_type}: {why}; nothing was released: run the pipeline again, so that what changed is \
         seen, and then export"
    )]
    Edit { shard: String, key: String, edit_type: &'static str, why: String },
    /// The list of edits contradicts itself.
    #[error("{0}; nothing was released (this is a mistake of the pipeline: please report it)")]
    Listing(String),
    /// A table could not be written or read back.
    #[error("{path}: {source}; nothing was released: delete the file, if it is there, and export again", path = path.display())]
    Table { path: PathBuf, source: TableError },
}

impl ReleaseError {
    /// For `map_err`: that `path` could not be read, written, renamed.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| ReleaseError::Io { doing, path, source }
    }

    pub(super) fn table(path: &Path) -> impl FnOnce(TableError) -> Self + use<> {
        let path = path.to_owned();
        move |source| ReleaseError::Table { path, source }
    }
}

//! The errors that can prevent a set from being published, exported or explained. In each case the set that was published before stays
//! complete.

use std::io;
use std::path::{Path, PathBuf};

use super::Rival;
use crate::object::ObjectError;
use crate::shard::{ShardError, Unreadable};

/// Why a set could not be published, exported or read.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A shard could not be opened.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The file system refused something.
    #[error("cannot {doing} {path}: {source}; {next}", path = path.display(), next = next_step(source))]
    Io {
        /// The verb: `write`, `rename`.
        doing: &'static str,
        /// Of what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Two things that are published would have one name.
    #[error(
        "two columns would be named {0}; a score, a dial and a column of a record each need a name of their own"
    )]
    SameName(String),
    /// Another process holds the lock.
    #[error(
        "{path} is in use by another run or export (it holds .lock): wait until that ends, or choose another folder",
        path = path.display()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds what we did not write.
    #[error(
        "{path} holds {found}, which is not of a {format}: choose an empty folder, or empty this one yourself",
        path = path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of the things that were found.
        found: String,
        /// What the folder was to hold.
        format: String,
    },
    /// The manifest is of a version that this program does not know.
    #[error(
        "{path} is of format version {version}, and this program knows versions up to {known}: use the newer program, \
         or choose another folder",
        path = path.display()
    )]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        version: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The manifest cannot be read as what it should be.
    #[error("{path} is damaged ({why}): delete it and run again; what it named is then written anew", path = path.display())]
    DamagedManifest {
        /// The manifest.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// A part cannot be read or encoded.
    #[error("{path}: {why}; {next}", path = path.display())]
    Part {
        /// The part.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        next: &'static str,
    },
    /// What is wanted contradicts itself: a mistake of the pipeline or of the engine, never of the data.
    #[error(
        "the verdicts do not add up: {0}; nothing was published (this is a mistake in the pipeline: please report it)"
    )]
    Verdicts(String),
    /// The pipeline could not write down what it knows of a picture.
    #[error(
        "shard {shard}, {key}: its record could not be made: {why}; nothing was published, what was published before is \
         still whole (if running again does not help, this is a mistake in the pipeline: please report it)"
    )]
    Record {
        /// The shard's name.
        shard: String,
        /// The picture's key in it.
        key: String,
        /// What failed.
        why: String,
    },
    /// A sidecar could not be read: what it says would be missing for good.
    #[error(
        "shard {shard}, {key}: its sidecar cannot be read: {why}; nothing was published, what was published before is still \
         whole: restore the shard's files, then run again"
    )]
    Sidecar {
        /// The shard's name.
        shard: String,
        /// The picture's key in it.
        key: String,
        /// What failed.
        why: Unreadable,
    },
    /// A picture's bytes are no longer those that were curated.
    #[error(
        "shard {shard}, {member}: {why}; nothing was exported: restore the shard's files, or run the pipeline again \
         so that it sees the change, and then export"
    )]
    Changed {
        /// The shard's name.
        shard: String,
        /// The member that was being copied.
        member: String,
        /// What does not fit.
        why: String,
    },
    /// A bucket, or its server, failed.
    #[error("{0}; what was published before is still whole")]
    Object(#[from] ObjectError),
    /// Another writer has published in the bucket since this one read it.
    #[error(
        "{url} was published to by another writer since this one read what is there; nothing of that was replaced, and nothing of this was \
         published: run again, so that it goes by what is there now. What was answered is kept"
    )]
    Overtaken {
        /// The folder in the bucket.
        url: String,
    },
    /// The lock of a set in a bucket is another's by now, or may be.
    #[error(
        "{url} could not be kept locked: its server was not reached for too long, or another writer took over; nothing was published by this \
         run. Run again: it goes by what is there then, and what was answered is kept"
    )]
    LockLost {
        /// The folder in the bucket.
        url: String,
    },
    /// The run was told to stop before anything was published.
    #[error(
        "stopped while {url} was sent; what was published before is still whole, and what was answered is kept"
    )]
    Stopped {
        /// The folder in the bucket.
        url: String,
    },
    /// A set whose files are written over was begun and not ended.
    #[error(
        "{url} is not complete: {why}. Its manifest names only what did not change; the files that it names are whole. Run again: the rest is sent"
    )]
    Incomplete {
        /// The folder in the bucket.
        url: String,
        /// What failed.
        why: String,
    },
    /// The manifest may have been written.
    #[error(
        "nobody knows whether {url} was published: {why}. The set that is there is complete, be it the one before or the new one. Run again: that is \
         looked at first, and what was answered is kept"
    )]
    Unsure {
        /// The folder in the bucket.
        url: String,
        /// What failed.
        why: String,
    },
    /// Another writer is at work in the bucket.
    #[error(
        "{url} is being written by process {} on {}: wait until that ends, or choose another place; what was answered is kept",
        rival.process, rival.host
    )]
    Rival {
        /// The folder in the bucket.
        url: String,
        /// Who writes.
        rival: Rival,
    },
    /// Nothing has been published in the folder.
    #[error("{path} holds no published set: run the pipeline with --out {path} first", path = path.display())]
    NothingPublished {
        /// The folder.
        path: PathBuf,
    },
    /// A bare key that several shards have, or a name that can be parted into a shard and a key in several ways.
    #[error("{key} is a key in {count} shards: say which, as in {}", candidates.join(", "))]
    AmbiguousKey {
        /// The key that was asked for.
        key: String,
        /// How many rows have it.
        count: usize,
        /// A few ways to say which.
        candidates: Vec<String>,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl PublishError {
    /// Whether a shard was written over, moved or removed while it was read: then the same may well be possible a moment later.
    pub fn is_of_a_changed_shard(&self) -> bool {
        matches!(
            self,
            PublishError::Sidecar { .. }
                | PublishError::Changed { .. }
                | PublishError::Shard(ShardError::Io { .. })
        )
    }

    /// For `map_err`: that `path` could not be read, written, renamed.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| PublishError::Io { doing, path, source }
    }
}

fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and run again: what was published before is still whole, and nothing is asked twice"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "allow this user to write there, or choose another folder; what was published before is still whole"
        }
        io::ErrorKind::NotFound => "run the pipeline again: what is missing is written anew",
        _ => "what was published before is still whole: run again once this is put right",
    }
}

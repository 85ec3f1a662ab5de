//! What of a mirror is in its bucket.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::object::Tag;
use crate::publish::PublishError;
use crate::publish::manifest::MANIFEST;
use crate::publish::seen::Look;
use crate::publish::split::hash_of_file;
use crate::row::ContentHash;

const RECORD: &str = "sent.json";

/// Where it cannot be read, nothing is known, and the mirror is brought anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Drawn once: tells this mirror from every other that goes to the same place.
    pub(super) writer: String,
    /// The inode of the mirror's folder: a store that was copied is another writer.
    place: u64,
    /// The store was seen to write under conditions, and to delete.
    #[serde(default)]
    pub(super) is_checked: bool,
    /// The bucket's manifest, as it was brought or sent last; `None` while the mirror is changed.
    pub(super) manifest: Option<Tag>,
    /// By path below the folder.
    pub(super) files: BTreeMap<String, InBucket>,
}

/// A file that is in the bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct InBucket {
    pub(super) tag: Tag,
    pub(super) bytes: u64,
    /// BLAKE3 of its bytes, the first 16, as 32 hex digits.
    hash: String,
    /// How the mirror's file looked when it was the same.
    look: Look,
}

impl InBucket {
    /// Of a mirror's file that is in the bucket as this.
    pub(super) fn of(mirror: &Path, file: &str, tag: Tag) -> Result<Self, PublishError> {
        let path = mirror.join(file);
        let meta = fs::symlink_metadata(&path).map_err(PublishError::io("look at", &path))?;
        let hash = hash_of_file(&path).map_err(PublishError::io("read", &path))?.to_string();
        Ok(InBucket { tag, bytes: meta.len(), hash, look: Look::of(&meta) })
    }
}

impl Record {
    pub(super) fn read(folder: &Path) -> Self {
        let read = fs::read(folder.join(RECORD)).ok();
        let read: Option<Record> = read.and_then(|text| serde_json::from_slice(&text).ok());
        let place = fs::metadata(folder).map(|meta| meta.ino()).unwrap_or_default();
        match read {
            Some(record) if record.place == place => record,
            read => Record { writer: drawn(), place, ..read.unwrap_or_default() },
        }
    }

    pub(super) fn save(&self, folder: &Path) -> Result<(), PublishError> {
        let path = folder.join(RECORD);
        let text = serde_json::to_vec_pretty(self).map_err(|error| PublishError::Other(error.to_string()))?;
        let file = tempfile::NamedTempFile::new_in(folder);
        let saved = file.and_then(|file| {
            fs::write(file.path(), text)?;
            file.as_file().sync_all()?;
            Ok(file.persist(&path)?)
        });
        saved.map(drop).map_err(PublishError::io("write", &path))
    }

    /// Whether the mirror is what the bucket holds, whose manifest is that.
    pub(super) fn is_in_step(&self, mirror: &Path, manifest: Option<&Tag>) -> bool {
        match (&self.manifest, manifest) {
            (Some(known), Some(there)) => {
                known == there && self.is_same(mirror, MANIFEST).is_ok_and(|same| same)
            }
            (None, None) => !mirror.exists(),
            _ => false,
        }
    }

    /// Whether the mirror's file is the one in the bucket. One that looks otherwise is read.
    pub(super) fn is_same(&self, mirror: &Path, file: &str) -> Result<bool, PublishError> {
        let Some(known) = self.files.get(file) else { return Ok(false) };
        let path = mirror.join(file);
        let meta = match fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(PublishError::io("look at", &path)(error)),
        };
        if Look::of(&meta) == known.look {
            return Ok(true);
        }
        let hash = || hash_of_file(&path).map_err(PublishError::io("read", &path));
        Ok(meta.len() == known.bytes && hash()?.to_string() == known.hash)
    }

    /// Notes that the mirror's file is in the bucket.
    pub(super) fn note(&mut self, mirror: &Path, file: &str, tag: Tag) -> Result<(), PublishError> {
        self.files.insert(file.to_owned(), InBucket::of(mirror, file, tag)?);
        Ok(())
    }
}

/// A name that nobody else has.
pub(super) fn drawn() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (host, number) = (crate::cluster::host_name(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let text = format!("{host} {} {number} {}", std::process::id(), time.as_nanos());
    ContentHash::of(text.as_bytes()).to_string()
}

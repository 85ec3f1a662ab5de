//! The record of a segment: what is known of its memos, and of the part of an array that writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failed;
use crate::cli::Failure;
use crate::publish::seal_holds;

/// What is known of a memo beside its answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StampRecord {
    pub stage: String,
    pub model: String,
    /// The pipelines that used it in their latest run.
    pub used_by: Vec<String>,
    /// Questions asked so far by runs of this store, and the seconds that they took.
    pub asked: u64,
    pub seconds: f64,
    /// In USD, of stages that are paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Of the memo's file, when the last run that used it ended: a shorter one has lost answers.
    #[serde(default)]
    pub bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoreRecord {
    /// The file ends in a hash of all the rest of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// An earlier record was damaged: of stamps that are not in this one nobody knows who uses them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_lost: bool,
    /// Raised by `--retry`: refusals of an earlier generation are asked again.
    pub generation: u32,
    pub stamps: BTreeMap<String, StampRecord>,
    /// The other segments that its answers may rest on, since they were read when it was written.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reads: BTreeSet<u16>,
    /// What the part of an array that writes this segment did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartRecord>,
}

/// How the part of an array stands that writes a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub pipeline: String,
    pub index: u16,
    pub of: u16,
    /// Its shards.
    pub shards: usize,
    /// Whether it asked all that was to be asked.
    pub ended: bool,
}

/// Writes the record of a segment.
pub(super) fn save(folder: &Path, record: &StoreRecord) -> Result<(), Failure> {
    let path = record_path(folder);
    let write = || -> io::Result<()> {
        // A store may be shared: as open as the user's umask says, not private as temporary files are.
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let mut file = tempfile::Builder::new().prefix(".store-").permissions(shared).tempfile_in(folder)?;
        let record = StoreRecord { sealed: true, ..record.clone() };
        file.write_all(&crate::publish::sealed(&record)?)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| failed("the store's record", &path, &error, "check that the disk has room"))
}

pub(super) fn record_path(folder: &Path) -> PathBuf {
    folder.join("store.json")
}

/// The record, and a word where it is damaged: a run does without it.
pub(super) fn told_record(folder: &Path) -> Result<StoreRecord, Failure> {
    let (record, damaged) = read_record(folder)?;
    if damaged {
        crate::note!(
            "warning: {} is damaged: names and rates of stages are lost, and what --retry gave up is remembered again; no answer is \
             lost",
            record_path(folder).display()
        );
    }
    Ok(record)
}

/// The record; with it, whether it is damaged, and nothing is known of what it said.
pub(in crate::cli) fn read_record(folder: &Path) -> Result<(StoreRecord, bool), Failure> {
    let path = record_path(folder);
    match fs::read(&path) {
        Ok(bytes) => {
            let record = serde_json::from_slice(&bytes).ok().filter(|_| seal_holds(&bytes));
            let damaged = record.is_none();
            Ok((
                record.unwrap_or_else(|| StoreRecord { names_lost: true, ..StoreRecord::default() }),
                damaged,
            ))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((StoreRecord::default(), false)),
        Err(error) => Err(failed("the store's record", &path, &error, "check that it can be read")),
    }
}

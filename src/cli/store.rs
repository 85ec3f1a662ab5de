//! The store: one folder that holds the catalogue, the indexes, the memos, and a small record of earlier runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::lane::StageStatus;
use crate::limits::Locked;
use crate::publish::seal_holds;
use crate::row::Stamp;

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
}

/// An open store. Holds the lock where it may be written.
pub(crate) struct Store {
    folder: PathBuf,
    record: StoreRecord,
    /// Memos that are shorter than they were when the last run ended: stamp, bytes then and now.
    shrunk: Vec<(String, u64, u64)>,
    _lock: Option<Locked>,
}

fn failed(what: &str, path: &Path, error: &io::Error, next: &str) -> Failure {
    Failure::Failed(format!("{what} {}: {error}; {next}", path.display()))
}

impl Store {
    /// Opens a store for a run, making the folder if need be. One process at a time.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let next = "choose another --store, or check that this one may be written";
        fs::create_dir_all(folder).map_err(|error| failed("the store", folder, &error, next))?;
        let path = folder.join(".lock");
        let lock = File::create(&path).map_err(|error| failed("the store's lock", &path, &error, next))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Failure::Failed(format!(
                    "the store {} is in use by another run; wait for it to end, or use another --store",
                    folder.display()
                )));
            }
            Err(std::fs::TryLockError::Error(error)) => {
                let next = "its file system may know no locks: put the --store on a local disk";
                return Err(failed("the store's lock", &path, &error, next));
            }
        }
        let record = told_record(folder)?;
        let mut store =
            Store { record, shrunk: Vec::new(), folder: folder.to_owned(), _lock: Some(Locked(lock)) };
        store.shrunk = store.shrunk_now();
        Ok(store)
    }

    /// Opens a store to look at: nothing is written, and a run may go on beside it.
    pub(crate) fn look(folder: &Path) -> Result<Self, Failure> {
        let record = told_record(folder)?;
        Ok(Store { record, shrunk: Vec::new(), folder: folder.to_owned(), _lock: None })
    }

    /// The same without a word; with it, whether its record is damaged.
    pub(crate) fn peek(folder: &Path) -> Result<(Self, bool), Failure> {
        let (record, damaged) = read_record(folder)?;
        Ok((Store { record, shrunk: Vec::new(), folder: folder.to_owned(), _lock: None }, damaged))
    }

    fn shrunk_now(&self) -> Vec<(String, u64, u64)> {
        let now = |stamp: &str| {
            fs::metadata(self.memos().join(format!("{stamp}.memo"))).map_or(0, |meta| meta.len())
        };
        let stamps =
            self.record.stamps.iter().map(|(stamp, record)| (stamp.clone(), record.bytes, now(stamp)));
        stamps.filter(|(_, before, now)| now < before).collect()
    }

    /// What a run that uses these stages is told of memos that lost answers since the last run ended.
    pub(crate) fn lost_of(&self, stages: &[StageStatus]) -> Vec<String> {
        let mut lost = Vec::new();
        for (stamp, before, now) in &self.shrunk {
            let Some(stage) = stages.iter().find(|stage| stage.stamp.to_string() == *stamp) else { continue };
            lost.push(format!(
                "the memo of {} ({}) is {now} bytes long, and was {before} when the last run ended: what it lost is asked again",
                stage.name,
                self.memos().join(format!("{stamp}.memo")).display()
            ));
        }
        lost
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn memos(&self) -> PathBuf {
        self.folder.join("memo")
    }

    pub(crate) fn record(&self) -> &StoreRecord {
        &self.record
    }

    pub(crate) fn generation(&self) -> u32 {
        self.record.generation
    }

    /// From now on, refusals remembered so far are asked again.
    pub(crate) fn next_generation(&mut self) -> Result<u32, Failure> {
        // By the clock, so that it rises even where this record was lost.
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = clock.map_or(0, |since| since.as_secs() as u32);
        self.record.generation = (self.record.generation + 1).max(seconds);
        self.save()?;
        Ok(self.record.generation)
    }

    /// Notes what a run of `pipeline` used and how long its questions took.
    pub(crate) fn note_run(
        &mut self,
        pipeline: &str,
        stages: &[StageStatus],
        lengths: &[(Stamp, u64)],
    ) -> Result<(), Failure> {
        for record in self.record.stamps.values_mut() {
            record.used_by.retain(|user| user != pipeline);
        }
        for stage in stages {
            let record = self.record.stamps.entry(stage.stamp.to_string()).or_default();
            record.stage = stage.name.to_owned();
            record.model.clone_from(&stage.model);
            let length = lengths.iter().find(|(stamp, _)| *stamp == stage.stamp);
            record.bytes = length.map_or(0, |(_, bytes)| *bytes);
            // Two caches may share a stamp.
            if !record.used_by.iter().any(|user| user == pipeline) {
                record.used_by.push(pipeline.to_owned());
            }
            // Too few to tell a rate from: the session's opening would be most of it.
            if stage.asked.asked >= 16 || record.asked == 0 && stage.asked.asked > 0 {
                record.asked += stage.asked.asked;
                record.seconds += stage.wall_seconds;
                if let Some(cost) = stage.cost {
                    record.cost = Some(record.cost.unwrap_or(0.0) + cost);
                }
            }
        }
        self.save()
    }

    /// Forgets the memo of a stamp.
    pub(crate) fn drop_stamp(&mut self, stamp: &str) -> Result<(), Failure> {
        let path = self.memos().join(format!("{stamp}.memo"));
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(failed("the memo", &path, &error, "check that the store may be written"));
            }
        }
        self.record.stamps.remove(stamp);
        self.save()
    }

    fn save(&self) -> Result<(), Failure> {
        let path = record_path(&self.folder);
        let write = || -> io::Result<()> {
            // A store may be shared: as open as the user's umask says, not private as temporary files are.
            let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            let mut file =
                tempfile::Builder::new().prefix(".store-").permissions(shared).tempfile_in(&self.folder)?;
            let record = StoreRecord { sealed: true, ..self.record.clone() };
            file.write_all(&crate::publish::sealed(&record)?)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| failed("the store's record", &path, &error, "check that the disk has room"))
    }
}

fn record_path(folder: &Path) -> PathBuf {
    folder.join("store.json")
}

/// The record, and a word where it is damaged: a run does without it.
fn told_record(folder: &Path) -> Result<StoreRecord, Failure> {
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
fn read_record(folder: &Path) -> Result<(StoreRecord, bool), Failure> {
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

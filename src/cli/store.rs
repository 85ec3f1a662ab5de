//! The store: one folder that holds the catalogue, the indexes, the memos, and a small record of earlier runs. The parts of a job array write
//! segments of their own in it, each of which has the same.

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Failure;
use super::segments::Segments;
use crate::lane::StageStatus;
use crate::limits::Locked;
use crate::memo::{Places, Segment};
use crate::row::Stamp;
pub(super) use record::read_record;
pub(crate) use record::{PartRecord, StampRecord, StoreRecord};
use record::{record_path, save, told_record};

/// A memo that is shorter than it was when the last run that wrote it ended.
struct Shrunk {
    stamp: String,
    path: PathBuf,
    before: u64,
    now: u64,
}

const LOCK_NEXT: &str = "check that the store may be written";

/// Keeps the segments of a store as they are; see [`Segment::keep_all`].
fn kept(folder: &Path) -> Result<Option<Locked>, Failure> {
    patiently(|| Segment::keep_all(folder)).map_err(|error| not_held(folder, &error))
}

fn not_held(folder: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock => Failure::Failed(format!("the store {}: {error}", folder.display())),
        _ => failed("the store's lock", folder, error, "check that this user may read it"),
    }
}

/// Tries for a moment: who only looks whether somebody holds a lock holds it, too.
fn patiently<T>(mut take: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begin = std::time::Instant::now();
    loop {
        match take() {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    && begin.elapsed() < std::time::Duration::from_secs(1) =>
            {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the thread that opens the store, which may wait"
                )]
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            taken => return taken,
        }
    }
}

/// An open store. Holds the lock where it may be written.
pub(crate) struct Store {
    folder: PathBuf,
    segments: Segments,
    record: StoreRecord,
    /// Memos that are shorter than they were when the last run ended.
    shrunk: Vec<Shrunk>,
    /// The locks of the other segments, where they may be written, and the one that keeps all as they are.
    _others: Vec<Locked>,
    /// Which segments its answers rested on before this process opened it.
    rested_on: BTreeSet<u16>,
    _lock: Option<Locked>,
}

fn failed(what: &str, path: &Path, error: &io::Error, next: &str) -> Failure {
    Failure::Failed(format!("{what} {}: {error}; {next}", path.display()))
}

impl Store {
    /// Opens a store for a run, making the folder if need be. One process at a time.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let mut store = Store::open_first(folder)?;
        store._others.extend(kept(folder)?);
        store.take_reads();
        if store.record.reads != store.rested_on {
            store.save()?;
        }
        Ok(store)
    }

    fn open_first(folder: &Path) -> Result<Self, Failure> {
        let lock = locked(&Segment::of(folder, 0))?;
        Segment::make_lock(folder).map_err(|error| failed("the store's lock", folder, &error, LOCK_NEXT))?;
        Store::of(folder, Segments::all(folder)?, Some(lock))
    }

    /// Which segments are read: to be saved before the first answer that may rest on them.
    fn take_reads(&mut self) {
        let reads = self.segments.others.iter().map(|other| other.segment.number);
        self.record.reads.extend(reads);
    }

    /// Opens a segment of a store for a process that asks about these shards alone: a part of an array, or one of the processes of a run. One
    /// process at a time.
    pub(crate) fn open_segment(
        folder: &Path,
        number: u16,
        part: Option<PartRecord>,
        shards: Option<&[&str]>,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(folder)
            .and_then(|()| Segment::make_lock(folder))
            .map_err(|error| failed("the store's lock", folder, &error, LOCK_NEXT))?;
        // First of all: what is merged at this moment is not to be looked at.
        let kept = kept(folder)?;
        let lock = locked(&Segment::of(folder, number))?;
        let mut store = Store::of(folder, Segments::of_shards(folder, number, shards)?, Some(lock))?;
        store._others.extend(kept);
        // What is known of a part of an array stays, where one of a run's processes takes its segment.
        store.record.part = part.or(store.record.part.take());
        store.take_reads();
        store.save()?;
        Ok(store)
    }

    /// Opens a store to look at: nothing is written, and a run may go on beside it.
    pub(crate) fn look(folder: &Path) -> Result<Self, Failure> {
        let kept = kept(folder)?;
        let mut store = Store::of(folder, Segments::all(folder)?, None)?;
        store._others.extend(kept);
        Ok(store)
    }

    fn of(folder: &Path, segments: Segments, lock: Option<Locked>) -> Result<Self, Failure> {
        let record = told_record(&segments.own.folder)?;
        let (folder, _others, rested_on) = (folder.to_owned(), Vec::new(), record.reads.clone());
        let mut store =
            Store { record, segments, shrunk: Vec::new(), folder, _others, rested_on, _lock: lock };
        if store._lock.is_some() {
            store.shrunk = store.shrunk_now();
        }
        for damaged in store.segments.others.iter().filter(|other| other.damaged) {
            crate::note!(
                "warning: {} is damaged: what it said of that segment is lost; no answer is",
                record_path(&damaged.segment.folder).display()
            );
        }
        Ok(store)
    }

    /// The same without a word, of one segment alone; with it, whether its record is damaged.
    pub(crate) fn peek(folder: &Path) -> Result<(Self, bool), Failure> {
        let (record, damaged) = read_record(folder)?;
        let (segments, shrunk, _others) = (Segments::alone(folder), Vec::new(), Vec::new());
        let (folder, rested_on) = (folder.to_owned(), BTreeSet::new());
        Ok((Store { record, segments, shrunk, folder, _others, rested_on, _lock: None }, damaged))
    }

    /// Takes the first segment, too, for what has one writer of the whole store.
    pub(crate) fn hold_the_first(&mut self) -> Result<(), Failure> {
        self._others.push(locked(&Segment::of(&self.folder, 0))?);
        Ok(())
    }

    /// Takes every segment for this process alone: no run and no part of an array writes or begins meanwhile.
    pub(crate) fn open_whole(folder: &Path) -> Result<Self, Failure> {
        let mut store = Store::open_first(folder)?;
        for other in &store.segments.others {
            store._others.push(locked(&other.segment)?);
        }
        let changing = Segment::change_all(folder).map_err(|error| not_held(folder, &error))?;
        store._others.extend(changing);
        Ok(store)
    }

    fn shrunk_now(&self) -> Vec<Shrunk> {
        let own = std::iter::once((&self.segments.own, &self.record));
        let others = self.segments.others.iter().map(|other| (&other.segment, &other.record));
        let shrunk = own.chain(others).flat_map(|(segment, record)| {
            record.stamps.iter().map(|(stamp, record)| {
                let path = segment.memos().join(format!("{stamp}.memo"));
                let now = fs::metadata(&path).map_or(0, |meta| meta.len());
                Shrunk { stamp: stamp.clone(), path, before: record.bytes, now }
            })
        });
        shrunk.filter(|memo| memo.now < memo.before).collect()
    }

    /// What a run that uses these stages is told of memos that lost answers since the last run ended.
    pub(crate) fn lost_of(&self, stages: &[StageStatus]) -> Vec<String> {
        let mut lost = Vec::new();
        for Shrunk { stamp, path, before, now } in &self.shrunk {
            let Some(stage) = stages.iter().find(|stage| stage.stamp.to_string() == *stamp) else { continue };
            lost.push(format!(
                "the memo of {} ({}) is {now} bytes long, and was {before} when the last run ended: what it lost is asked again",
                stage.name,
                path.display()
            ));
        }
        lost
    }

    /// The folder of all of it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Where memos are written.
    pub(crate) fn memos(&self) -> PathBuf {
        self.segments.own.memos()
    }

    /// Where memos lie, its own and those of the other segments.
    pub(crate) fn places(&self, generation: u32) -> Places {
        self.segments.places(generation)
    }

    pub(crate) fn record(&self) -> &StoreRecord {
        &self.record
    }

    /// What is known of memos in all segments that are read: one of a stamp may come several times.
    pub(crate) fn stamps(&self) -> impl Iterator<Item = &StampRecord> {
        let others = self.segments.others.iter().map(|other| &other.record);
        std::iter::once(&self.record).chain(others).flat_map(|record| record.stamps.values())
    }

    /// What is known of the memos of all segments, added up.
    pub(crate) fn all_stamps(&self) -> BTreeMap<String, StampRecord> {
        let mut all = self.record.stamps.clone();
        for (stamp, record) in self.segments.others.iter().flat_map(|other| &other.record.stamps) {
            let known = all.entry(stamp.clone()).or_default();
            if known.stage.is_empty() {
                (known.stage, known.model) = (record.stage.clone(), record.model.clone());
            }
            let users = record.used_by.iter().filter(|user| !known.used_by.contains(user));
            known.used_by.extend(users.cloned().collect::<Vec<_>>());
            known.asked += record.asked;
            known.seconds += record.seconds;
            known.bytes += record.bytes;
            if let Some(cost) = record.cost {
                *known.cost.get_or_insert(0.0) += cost;
            }
        }
        all
    }

    /// Refusals of an earlier one are asked again: of this segment, or of the first.
    pub(crate) fn generation(&self) -> u32 {
        let first = self.segments.others.iter().filter(|other| other.segment.number == 0);
        first.map(|other| other.record.generation).max().unwrap_or(0).max(self.record.generation)
    }

    /// From now on, refusals remembered so far are asked again.
    pub(crate) fn next_generation(&mut self) -> Result<u32, Failure> {
        // By the clock, so that it rises even where this record was lost.
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = clock.map_or(0, |since| since.as_secs() as u32);
        // Above those of all segments: what a part refused when it was last told to ask again counts as refused then.
        let others = self.segments.others.iter().map(|other| other.record.generation);
        self.record.generation = (others.fold(self.record.generation, u32::max) + 1).max(seconds);
        self.save()?;
        Ok(self.record.generation)
    }

    /// Says on stderr how the parts stand that this run reads: which are asked at this moment, which ended short, and which never ran. What they
    /// have not asked, a run without `--part` asks itself.
    pub(crate) fn tell_of_parts(&self, pipeline: &str) {
        if self.segments.own.number == 0 {
            self.segments.parts(pipeline).into_iter().for_each(|told| crate::note!("{told}"));
        } else if let (Some(part), Some(of)) = (&self.record.part, self.segments.largest_array(pipeline))
            && of > part.of
        {
            crate::note!("this is part {} of {}; an earlier array had {of} parts", part.index, part.of);
        }
    }

    /// Before memos are merged: a file that is then shorter, or gone, has lost nothing.
    pub(crate) fn forget_lengths(&mut self) -> Result<(), Failure> {
        self.record.stamps.values_mut().for_each(|record| record.bytes = 0);
        self.save()?;
        for other in &mut self.segments.others {
            other.record.stamps.values_mut().for_each(|record| record.bytes = 0);
            save(&other.segment.folder, &other.record)?;
        }
        Ok(())
    }

    /// The memos of the others lie in the first segment now: what is known of them is noted there.
    pub(crate) fn take_over_records(&mut self) -> Result<(), Failure> {
        self.record.stamps = self.all_stamps();
        for (stamp, record) in &mut self.record.stamps {
            let path = self.segments.own.memos().join(format!("{stamp}.memo"));
            record.bytes = fs::metadata(path).map_or(0, |meta| meta.len());
        }
        self.save()?;
        for other in &mut self.segments.others {
            other.record.stamps.clear();
            save(&other.segment.folder, &other.record)?;
        }
        Ok(())
    }

    /// Notes how the part of an array ended.
    pub(crate) fn note_part(&mut self, part: PartRecord) -> Result<(), Failure> {
        self.record.part = Some(part);
        self.save()
    }

    /// Notes what a run of `pipeline` used and how long its questions took.
    pub(crate) fn note_run(
        &mut self,
        pipeline: &str,
        stages: &[StageStatus],
        lengths: &[(Stamp, u64)],
    ) -> Result<(), Failure> {
        // What asked nothing rests on nothing more than before.
        if stages.iter().all(|stage| stage.asked.asked == 0) {
            self.record.reads.clone_from(&self.rested_on);
        }
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
        for memos in self.segments.memos() {
            let path = memos.join(format!("{stamp}.memo"));
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(failed("the memo", &path, &error, "check that the store may be written"));
                }
            }
        }
        for other in &mut self.segments.others {
            if other.record.stamps.remove(stamp).is_some() {
                save(&other.segment.folder, &other.record)?;
            }
        }
        self.record.stamps.remove(stamp);
        self.save()
    }

    fn save(&self) -> Result<(), Failure> {
        save(&self.segments.own.folder, &self.record)
    }
}

/// Takes the lock of a segment, making its folder if need be.
fn locked(segment: &Segment) -> Result<Locked, Failure> {
    let next = "choose another --store, or check that this one may be written";
    let folder = &segment.folder;
    fs::create_dir_all(folder).map_err(|error| failed("the store", folder, &error, next))?;
    let path = folder.join(".lock");
    let lock = File::create(&path).map_err(|error| failed("the store's lock", &path, &error, next))?;
    let take = || match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(std::fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    };
    // Whoever runs looks whether parts are at work; nobody looks so at the first.
    let taken = if segment.number == 0 { take() } else { patiently(take) };
    match taken {
        Ok(()) => Ok(Locked(lock)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(Failure::Failed(match segment.number {
                0 => format!(
                    "the store {} is in use by another run; wait for it to end, or use another --store",
                    folder.display()
                ),
                part => format!(
                    "{} is in use: another process asks about part {part}, or is process {} of a run, or verifies it; wait for it to end",
                    folder.display(),
                    part - 1
                ),
            }))
        }
        Err(error) => {
            let next = "its file system may know no locks: mount it with locks (Lustre: -o flock), or put the --store on another";
            Err(failed("the store's lock", &path, &error, next))
        }
    }
}

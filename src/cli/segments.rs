//! The segments of a store, as a process opens them: which one it writes, and which of the others it reads.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use super::store::{StoreRecord, read_record};
use crate::memo::{FromShard, Place, Places, Segment};
use crate::shard::named_in;

/// The segments that a process has to do with.
pub(crate) struct Segments {
    pub(super) own: Segment,
    pub(super) others: Vec<Other>,
    /// The shards whose answers it reads of the others; all where it is `None`.
    only_from: Option<Arc<HashSet<FromShard>>>,
}

/// A segment that another process writes, or wrote.
pub(super) struct Other {
    pub(super) segment: Segment,
    pub(super) record: StoreRecord,
    /// Whether its record is damaged.
    pub(super) damaged: bool,
}

impl Segments {
    /// All of a store, for who writes its first.
    pub(super) fn all(store: &Path) -> Result<Self, Failure> {
        let mut all = found(store)?.into_iter();
        let own = all.next().unwrap_or_else(|| Segment::of(store, 0));
        let others = all.map(Other::read).collect::<Result<_, _>>()?;
        Ok(Segments { own, others, only_from: None })
    }

    /// The first alone.
    pub(super) fn alone(store: &Path) -> Self {
        Segments { own: Segment::of(store, 0), others: Vec::new(), only_from: None }
    }

    /// Those that a process needs that writes the segment `number` and asks about these shards: the first, those that know one of the shards,
    /// and those that the answers of these rest on. So memory does not grow with the number of segments: answers about other shards are
    /// passed over. Where it cannot know the shards beforehand, it needs all.
    pub(super) fn of_shards(store: &Path, number: u16, shards: Option<&[&str]>) -> Result<Self, Failure> {
        let own = Segment::of(store, number);
        let mut others: Vec<Other> = Vec::new();
        for segment in found(store)? {
            if segment.number != number {
                others.push(Other::read(segment)?);
            }
        }
        let Some(shards) = shards else { return Ok(Segments { own, others, only_from: None }) };
        let shards: HashSet<&str> = shards.iter().copied().collect();
        let mut needed = BTreeSet::from([0]);
        needed.extend(read_record(&own.folder)?.0.reads);
        for other in &others {
            let names = named_in(&other.segment.folder).map_err(|error| unreadable(store, &error))?;
            if names.iter().any(|name| shards.contains(&**name)) {
                needed.insert(other.segment.number);
            }
        }
        // What those read, too: their answers may rest on it.
        loop {
            let before = needed.len();
            let of_needed = others.iter().filter(|other| needed.contains(&other.segment.number));
            let reads: Vec<u16> = of_needed.flat_map(|other| other.record.reads.iter().copied()).collect();
            needed.extend(reads);
            if needed.len() == before {
                break;
            }
        }
        others.retain(|other| needed.contains(&other.segment.number));
        let only_from = shards.iter().map(|name| FromShard::named(name)).collect();
        Ok(Segments { own, others, only_from: Some(Arc::new(only_from)) })
    }

    /// Where memos lie. Refusals below `generation` are forgotten.
    pub(super) fn places(&self, generation: u32) -> Places {
        let own = Place { folder: self.own.memos(), generation };
        let other =
            |other: &Other| Place { folder: other.segment.memos(), generation: other.record.generation };
        Places { own, others: self.others.iter().map(other).collect(), only_from: self.only_from.clone() }
    }

    /// What there is to say of the parts of an array that asked for this pipeline.
    pub(super) fn parts(&self, pipeline: &str) -> Vec<String> {
        let mut told = Vec::new();
        let mut of: BTreeMap<u16, (BTreeSet<u16>, BTreeSet<u16>)> = BTreeMap::new();
        for other in &self.others {
            let Some(part) = other.record.part.as_ref().filter(|part| part.pipeline == pipeline) else {
                if other.record.part.is_none() && is_in_use(&other.segment) {
                    told.push(format!(
                        "another process is at work in segment {}: what it has answered so far is read",
                        other.segment.number
                    ));
                }
                continue;
            };
            if is_in_use(&other.segment) {
                let number = other.segment.number;
                told.push(format!(
                    "another process asks about part {number}: what it has answered so far is read"
                ));
                continue;
            }
            let (ended, short) = of.entry(part.of).or_default();
            if part.ended {
                ended.insert(part.index)
            } else {
                short.insert(part.index)
            };
        }
        let listed = |parts: &BTreeSet<u16>| parts.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let is_whole =
            |(of, (ended, _)): (&u16, &(BTreeSet<u16>, BTreeSet<u16>))| ended.len() == usize::from(*of);
        if told.is_empty() && of.iter().any(is_whole) {
            return told;
        }
        // Of arrays of several sizes, that which has most of its parts.
        let Some((of, (ended, short))) =
            of.into_iter().max_by_key(|(_, (ended, short))| ended.len() + short.len())
        else {
            return told;
        };
        if !short.is_empty() {
            told.push(format!("parts that failed or did not end, of {of}: {}", listed(&short)));
        }
        let never: BTreeSet<u16> =
            (1..=of).filter(|part| !ended.contains(part) && !short.contains(part)).collect();
        if told.is_empty() && !never.is_empty() {
            told.push(format!("parts that never ran, of {of}: {}", listed(&never)));
        }
        if !told.is_empty() {
            told.push(
                "what they have not asked is asked here, unless you stop, and run them again first"
                    .to_owned(),
            );
        }
        told
    }

    /// The size of the largest array that asked for this pipeline.
    pub(super) fn largest_array(&self, pipeline: &str) -> Option<u16> {
        let parts = self.others.iter().filter_map(|other| other.record.part.as_ref());
        parts.filter(|part| part.pipeline == pipeline).map(|part| part.of).max()
    }

    /// The folders of all memos that are read.
    pub(super) fn memos(&self) -> impl Iterator<Item = PathBuf> {
        std::iter::once(&self.own).chain(self.others.iter().map(|other| &other.segment)).map(Segment::memos)
    }

    pub(super) fn folders_of_others(&self) -> Vec<PathBuf> {
        self.others.iter().map(|other| other.segment.folder.clone()).collect()
    }
}

impl Other {
    fn read(segment: Segment) -> Result<Self, Failure> {
        let (record, damaged) = read_record(&segment.folder)?;
        Ok(Other { segment, record, damaged })
    }
}

pub(super) fn found(store: &Path) -> Result<Vec<Segment>, Failure> {
    Segment::all(store).map_err(|error| unreadable(store, &error))
}

/// Whether a process holds the segment's lock.
fn is_in_use(segment: &Segment) -> bool {
    let lock = File::open(segment.folder.join(".lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn unreadable(store: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("the store {} cannot be read: {error}; check its disk", store.display()))
}

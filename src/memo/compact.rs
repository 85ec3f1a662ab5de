//! Merges the memos of all segments of a store into its first: one log for each stamp, with the answers that count, in the order in which they are
//! read. Whoever calls this keeps all other processes away from the store.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::admit::{Admission, Counting, place_of};
use super::log::{self, Log, Record};
use super::{Access, Damage, FromShard, Index, Memo, MemoError, Places};
use crate::row::{ContentHash, Stamp};

/// So many bytes are laid up before they are written.
const AT_ONCE: usize = 8 << 20;

/// What was merged.
#[derive(Debug, Default)]
pub struct Merged {
    /// Answers and refusals of the new log.
    pub answers: u64,
    /// What was damaged of the old ones, and is not in it.
    pub damaged: Vec<(PathBuf, Damage)>,
}

/// Puts one log in the place of those of all `places`, and gives how many answers and refusals it has. What others wrote is removed when the
/// new log is safe on the disk: a process that is killed in between leaves answers that stand twice, and say the same.
pub fn compact(places: &Places, stamp: Stamp) -> Result<Merged, MemoError> {
    let paths: Vec<_> = std::iter::once(&places.own)
        .chain(&places.others)
        .map(|place| Memo::path(&place.folder, stamp))
        .collect();
    let io_error = |path: &Path, source: io::Error| MemoError::Io {
        path: path.to_owned(),
        source,
        next: "make room on the store's disk and compact it again: nothing is lost",
    };
    let generation = |log: usize| match log.checked_sub(1) {
        None => places.own.generation,
        Some(other) => places.others[other].generation.max(places.own.generation),
    };
    // In the order in which an opening reads them: the others, then its own.
    let order: Vec<usize> = (1..paths.len()).chain([0]).collect();
    let (mut index, mut damaged) = (Index::default(), Vec::new());
    let mut admission = Admission::of(&mut index, None).noting_winners();
    for &log in &order {
        admission.begin(log as u64, generation(log));
        let read = |at: u64, record: Record<'_>| admission.take_in(at, &record);
        let (_, damage) = log::replay(&paths[log], stamp, Access::ReadOnly, &mut { read })?;
        if damage.is_new() {
            damaged.push((paths[log].clone(), damage));
        }
    }
    let counting = admission.end();
    let own = &paths[0];
    let new = own.with_extension("memo.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&new, error)),
        _ => {}
    }
    let (written, _) = log::replay(&new, stamp, Access::ReadWrite, &mut |_, _| ())?;
    let Some(mut written) = written else { return Ok(Merged::default()) };
    let mut failed = None;
    for &log in &order {
        // What was written before there were marks has none.
        let (mut now, mut told) = ((0, FromShard::default()), None);
        let mut copy = |at: u64, record: Record<'_>| {
            if let Some(mark) = record.mark() {
                now = mark;
                return;
            }
            if failed.is_some() || !counting.has(record.content, place_of(log as u64, at)) {
                return;
            }
            // Once for each shard that asked: a part reads what its shards asked.
            let several = counting.from.get(&record.content);
            for from in several.map_or(&[now.1][..], Vec::as_slice) {
                if told != Some((now.0, *from)) {
                    written.mark_of(now.0, *from);
                    told = Some((now.0, *from));
                }
                written.push(record.kind, record.generation, record.content, record.payload);
            }
            failed = flush(&mut written, AT_ONCE).err();
        };
        log::replay(&paths[log], stamp, Access::ReadOnly, &mut copy)?;
    }
    failed.map_or(Ok(()), Err)?;
    flush(&mut written, 1)?;
    written.sync()?;
    drop(written);
    fs::rename(&new, own).map_err(|error| io_error(own, error))?;
    let folder = File::open(&places.own.folder).and_then(|folder| folder.sync_all());
    folder.map_err(|error| io_error(&places.own.folder, error))?;
    for path in &paths[1..] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(path, error)),
            _ => {}
        }
    }
    Ok(Merged { answers: counting.winners.len() as u64, damaged })
}

impl Counting {
    /// Whether the record there goes into the merged log. What was forgotten stays noted: a merging that is killed leaves logs in which it stands.
    fn has(&self, content: ContentHash, place: u64) -> bool {
        self.winners.get(&content) == Some(&place) || self.forgotten.contains(&place)
    }
}

/// Writes what is laid up, if it is as much as that.
fn flush(log: &mut Log, least: usize) -> Result<(), MemoError> {
    if log.staged() >= least { log.write_staged() } else { Ok(()) }
}

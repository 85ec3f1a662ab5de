//! The bytes of loose files, one behind the other. Each file is opened when it is read and closed again, since there may be thousands. What
//! is read of a file that does not look as it did when it was listed is refused.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::{Arc, Mutex, PoisonError};

use super::bytes::{ChunkStamp, sampled};
use super::loose::{FileBytes, FileMember, LooseFiles};
use super::names::{hostile, is_litter, quoted};
use super::walk::{Entry, Walk};
use crate::row::{ContentHash, Refusal};

/// The class of the refusal of a file that cannot be read.
pub(super) const UNREADABLE: &str = "unreadable";
/// The class of the refusal of a file that looks otherwise than it did.
pub(super) const CHANGED: &str = "changed_while_read";

/// The files of a shard, none of them open.
pub(super) struct LooseBytes {
    files: Arc<LooseFiles>,
    /// Where each member ends in the joined bytes.
    ends: Vec<u64>,
    stamps: Vec<ChunkStamp>,
    /// Later looks of the same bytes: see [`LooseBytes::accept`].
    accepted: Mutex<Vec<ChunkStamp>>,
    max_copy: u64,
}

/// How a file that is read is held against what it looked like.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    ByItsLooks,
    /// Whoever reads it hashes it.
    ByItsLength,
    /// For a sample, in which zeros stand for what could not be looked at: its stamp says so.
    ForASample,
}

impl LooseBytes {
    /// Looks at every file; opens none. What cannot be looked at is refused when it is read.
    pub(super) fn open(files: Arc<LooseFiles>, max_copy: u64) -> Self {
        let stamps = look_at(&files);
        LooseBytes::known(files, stamps, max_copy)
    }

    /// Files that looked so when they were last looked at.
    pub(super) fn known(files: Arc<LooseFiles>, stamps: Vec<ChunkStamp>, max_copy: u64) -> Self {
        let end = |end: &mut u64, stamp: &ChunkStamp| {
            *end = end.saturating_add(stamp.len());
            Some(*end)
        };
        let ends = stamps.iter().scan(0, end).collect();
        LooseBytes { files, ends, stamps, accepted: Mutex::default(), max_copy }
    }

    pub(super) fn files(&self) -> &Arc<LooseFiles> {
        &self.files
    }

    pub(super) fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(super) fn stamps(&self) -> &[ChunkStamp] {
        &self.stamps
    }

    pub(super) fn look_now(&self) -> Vec<ChunkStamp> {
        look_at(&self.files)
    }

    /// Takes these looks for those of the same bytes, as somebody found out who read them all.
    pub(super) fn accept(&self, stamps: Vec<ChunkStamp>) {
        // A panic elsewhere leaves it whole: each change of it is one assignment.
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
    }

    /// The members, by the rules for those of a tar.
    pub(super) fn walk(&self) -> Walk {
        let mut walk = Walk { entries: Vec::with_capacity(self.ends.len()), passed_over: 0, damage: None };
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        for ((member, stamp), offset) in self.files.members.iter().zip(&self.stamps).zip(starts) {
            let path = member.path();
            if is_litter(path) {
                walk.passed_over += 1;
                continue;
            }
            let refusal = refusal_of(path);
            walk.entries.push(Entry { path: path.to_vec(), offset, len: stamp.len(), refusal });
        }
        walk
    }

    /// Whether a file could not even be looked at: it is refused until it looks otherwise, which its stamp tells.
    pub(super) fn is_gone(&self, offset: u64) -> bool {
        self.stamps.get(self.place_at(offset)) == Some(&ChunkStamp::GONE)
    }

    /// The member that has the byte at `offset`.
    pub(super) fn member_at(&self, offset: u64) -> Option<&FileMember> {
        self.files.members.get(self.place_at(offset))
    }

    /// Of the names, of all texts, and of eight blocks of the joined bytes. Eight of each file would be all of thousands of small ones, at
    /// every start; so a file that was changed under its looks is seldom noticed here, and is when it is read.
    pub(super) fn sample(&self) -> Result<ContentHash, Refusal> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.files.names().0).update(&self.len().to_le_bytes());
        for member in &self.files.members {
            if let FileBytes::Text(text) = member.bytes() {
                hasher.update(&(text.len() as u64).to_le_bytes()).update(text);
            }
        }
        for (at, len) in sampled(self.len()) {
            self.pass_held(at, len, Held::ForASample, &mut |part| {
                hasher.update(part);
            })?;
        }
        Ok(ContentHash::from_hasher(&hasher))
    }

    pub(super) fn copy(&self, offset: u64, len: u64) -> Result<Vec<u8>, Refusal> {
        self.copy_held(offset, len, Held::ByItsLooks)
    }

    /// For a reader who hashes what he is given.
    pub(super) fn copy_to_hash(&self, offset: u64, len: u64) -> Result<Vec<u8>, Refusal> {
        self.copy_held(offset, len, Held::ByItsLength)
    }

    fn copy_held(&self, offset: u64, len: u64, held: Held) -> Result<Vec<u8>, Refusal> {
        self.check_range(offset, len)?;
        if len > self.max_copy {
            let message =
                format!("{len} bytes, at most {} are read at once; raise --max-bytes", self.max_copy);
            return Err(Refusal::permanent("too_many_bytes", message));
        }
        // Bounded by the length of files that are there: `check_range`.
        let mut copy = Vec::with_capacity(len as usize);
        self.pass_held(offset, len, held, &mut |part| copy.extend_from_slice(part))?;
        Ok(copy)
    }

    pub(super) fn pass(&self, offset: u64, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        self.pass_held(offset, len, Held::ByItsLooks, see)
    }

    fn pass_held(
        &self,
        offset: u64,
        len: u64,
        held: Held,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        self.check_range(offset, len)?;
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let place = self.place_at(at);
            let until = end.min(self.ends[place]);
            let start = self.ends[place] - self.stamps[place].len();
            self.read(place, at - start, until - at, held, see)?;
            at = until;
        }
        Ok(())
    }

    fn read(
        &self,
        place: usize,
        at: u64,
        len: u64,
        held: Held,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        const STEP: u64 = 256 << 10;
        if held == Held::ForASample && self.stamps[place] == ChunkStamp::GONE {
            see(&[0]);
            return Ok(());
        }
        let member = &self.files.members[place];
        let path = match (member.bytes(), self.files.file_of(member)) {
            (FileBytes::Text(text), _) => {
                see(text.get(at as usize..(at + len) as usize).unwrap_or_default());
                return Ok(());
            }
            (_, path) => path.unwrap_or_default(),
        };
        let failed = |error: std::io::Error| {
            let next = "check that it is there and may be read, and run again";
            Refusal::transient(UNREADABLE, format!("the file {}: {error}; {next}", self.named(place)))
        };
        // A pipe would wait for who writes to it.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).map_err(failed)?;
        let check = || self.check(place, &file.metadata().map_err(failed)?, held);
        check()?;
        let mut buffer = vec![0; STEP.min(len) as usize];
        let mut done = 0;
        while done < len {
            let step = &mut buffer[..STEP.min(len - done) as usize];
            file.read_exact_at(step, at + done).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => self.changed(place),
                _ => failed(error),
            })?;
            see(step);
            done += step.len() as u64;
        }
        // What was written over while it was read is neither what was there before nor what is there now.
        check()
    }

    fn check(&self, place: usize, metadata: &std::fs::Metadata, held: Held) -> Result<(), Refusal> {
        if !metadata.is_file() {
            let message = format!(
                "the file {} is a folder, a pipe, a socket or a device; move it out of the folder, or put a file in its place",
                self.named(place)
            );
            return Err(Refusal::transient(UNREADABLE, message));
        }
        let (known, now) = (self.stamps[place], ChunkStamp::of(metadata));
        let accepted = || {
            let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted.get(place) == Some(&now)
        };
        let fits = match held {
            Held::ByItsLength => known.len() == now.len(),
            Held::ByItsLooks | Held::ForASample => known == now || accepted(),
        };
        if fits { Ok(()) } else { Err(self.changed(place)) }
    }

    /// A member's file for a message, which says the same by whatever path the folder was named.
    fn named(&self, place: usize) -> String {
        quoted(self.files.shown(&self.files.members[place]).as_bytes())
    }

    fn changed(&self, place: usize) -> Refusal {
        let message = format!(
            "the file {} changed while the shard was read; leave pictures alone while they are read, then run again",
            self.named(place)
        );
        Refusal::transient(CHANGED, message)
    }

    /// The place of the member that has the byte at `offset`.
    fn place_at(&self, offset: u64) -> usize {
        self.ends.partition_point(|end| *end <= offset)
    }

    fn check_range(&self, offset: u64, len: u64) -> Result<(), Refusal> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(Refusal::transient(
                CHANGED,
                format!(
                    "{len} bytes at byte {offset} reach over the end of the files, which is byte {}",
                    self.len()
                ),
            )),
        }
    }
}

fn look_at(files: &LooseFiles) -> Vec<ChunkStamp> {
    let look = |member: &FileMember| match (member.bytes(), files.file_of(member)) {
        (FileBytes::Text(text), _) => ChunkStamp::of_text(text),
        (_, None) => ChunkStamp::GONE,
        (_, Some(path)) => match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => ChunkStamp::of(&metadata),
            _ => ChunkStamp::GONE,
        },
    };
    files.members.iter().map(look).collect()
}

fn refusal_of(path: &[u8]) -> Option<Refusal> {
    if std::str::from_utf8(path).is_err() {
        let message = format!("{} is not UTF-8, which every name must be; rename the file", quoted(path));
        return Some(Refusal::permanent("hostile_name", message));
    }
    hostile(path)
}

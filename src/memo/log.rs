//! The log under a memo: a header, then records, each with its own CRC. Records are appended and never changed.
//!
//! ```text
//! header  "TFMEMO1\n"  stamp:16  crc32:4                              (28 bytes)
//! record  length:4  kind:1  generation:4  content:16  payload  crc32:4 (29 bytes and the payload)
//! ```
//! Integers are little-endian. The CRC covers everything of the record before it. The payload of a mark is
//! a time in milliseconds (8 bytes) and the hash of a shard's name (8 bytes): what follows was written then, and its questions came from there.
//! The payload of an answer with a blob is the length of the
//! inline part (1 byte), the inline part, whether the blob is compressed (1 byte), and the blob.
//!
//! Damage on the disk costs the records that it touches, and is repaired once. A header is written anew if the records after it are sound,
//! since the name of the file says what the header was. Damaged bytes between sound records become a record of their own, whose payload is
//! passed over. The repair writes only where nothing sound is, so that a crash during it loses nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::scan::{Scanned, parse, scan};
use super::{Access, COMPRESS_FROM, Damage, FromShard, INLINE, MemoError, Written};
use crate::row::{ContentHash, Refusal, Stamp};

const MAGIC: &[u8; 8] = b"TFMEMO1\n";
pub(super) const HEADER: usize = 8 + 16 + 4;
/// Of a record, before its payload ...
pub(super) const HEAD: usize = 4 + 1 + 4 + 16;
/// ... and behind it.
pub(super) const CRC: usize = 4;
/// A record that holds a score.
pub(super) const SMALL_RECORD: u64 = (HEAD + 4 + CRC) as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An inline part alone.
    Inline = 0,
    InlineAndBlob = 1,
    Refusal = 2,
    /// No answer: what rotted here, under a head and a CRC that lead over it.
    Rotten = 3,
    /// What was answered before this counts no more; without a payload.
    Forgotten = 4,
    /// No answer: when what follows was written, and which shard its questions came from.
    Mark = 5,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        [Kind::Inline, Kind::InlineAndBlob, Kind::Refusal, Kind::Rotten, Kind::Forgotten, Kind::Mark]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

pub(super) struct Record<'a> {
    pub kind: Kind,
    pub generation: u32,
    pub content: ContentHash,
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// Of a mark: when what follows was written, in milliseconds since 1970, and which shard its questions came from.
    pub(super) fn mark(&self) -> Option<(u64, FromShard)> {
        let (at, from) = self.payload.split_first_chunk().filter(|_| self.kind == Kind::Mark)?;
        Some((u64::from_le_bytes(*at), FromShard(u64::from_le_bytes(*from.first_chunk()?))))
    }
}

fn header(stamp: Stamp) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(stamp.0.0);
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header
}

fn failed(path: &Path, source: io::Error, next: &'static str) -> MemoError {
    MemoError::Io { path: path.to_owned(), source, next }
}

/// The log, open for appending.
pub(super) struct Log {
    file: File,
    path: PathBuf,
    /// Where the next record will lie.
    end: u64,
    staged: Vec<u8>,
    /// What the last mark says.
    marked: Option<(u64, FromShard)>,
    /// Nothing is written earlier than this.
    not_before: u64,
}

/// Shows every sound record to `admit`, in order, mends what is damaged and opens the log for appending, where `access` allows it.
pub(super) fn replay(
    path: &Path,
    stamp: Stamp,
    access: Access,
    admit: &mut dyn FnMut(u64, Record<'_>),
) -> Result<(Option<Log>, Damage), MemoError> {
    let read = match File::open(path) {
        Ok(file) => read(path, &file, stamp, admit)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Read::default(),
        Err(error) => return Err(failed(path, error, "check that it can be read")),
    };
    let damage = read.damage();
    if access == Access::ReadOnly {
        return Ok((None, damage));
    }
    let next = "check that the store's disk has room and may be written";
    let open = || -> io::Result<Log> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).read(true).open(path)?;
        if !read.has_header || read.header_is_damaged {
            file.write_all_at(&header(stamp), 0)?;
        }
        let sound = read.scanned.sound.max(HEADER);
        let tail =
            (read.has_header && read.length > sound).then(|| sound..read.length.max(sound + HEAD + CRC));
        for rotten in read.scanned.rotten.iter().chain(&tail) {
            mark(&file, rotten.clone())?;
        }
        let end = tail.map_or(sound, |tail| tail.end) as u64;
        if damage != Damage::default() {
            file.sync_data()?;
        }
        Ok(Log { file, path: path.to_owned(), end, staged: Vec::new(), marked: None, not_before: 0 })
    };
    open().map(|log| (Some(log), damage)).map_err(|error| failed(path, error, next))
}

/// What a log was found to hold.
#[derive(Default)]
struct Read {
    length: usize,
    has_header: bool,
    header_is_damaged: bool,
    scanned: Scanned,
}

impl Read {
    fn damage(&self) -> Damage {
        let rotten = self.scanned.rotten.iter();
        Damage {
            header: self.header_is_damaged || (self.length > 0 && !self.has_header),
            places: self.scanned.rotten.len(),
            bytes: rotten.map(|rotten| rotten.len() as u64).sum(),
            tail: if self.has_header {
                self.length.saturating_sub(self.scanned.sound.max(HEADER)) as u64
            } else {
                0
            },
            marked: self.scanned.marked,
            records: self.scanned.records,
        }
    }
}

fn read(
    path: &Path,
    file: &File,
    stamp: Stamp,
    admit: &mut dyn FnMut(u64, Record<'_>),
) -> Result<Read, MemoError> {
    let length =
        file.metadata().map_err(|error| failed(path, error, "check the store's disk"))?.len() as usize;
    if length < HEADER {
        return Ok(Read { length, ..Read::default() });
    }
    // SAFETY: a log has one writer, which its lock sees to, never becomes shorter, and a sound record in it is never changed. What a reader beside
    // that writer sees of the tail being written, or of a place that is being marked, is parsed by its CRC.
    let map = unsafe { memmap2::Mmap::map(file) }
        .map_err(|error| failed(path, error, "check that the store lies on a disk that can be mapped"))?;
    let _ = map.advise(memmap2::Advice::Sequential);
    let foreign = || {
        let found = String::from_utf8_lossy(&map[..8]).into_owned();
        MemoError::Foreign { path: path.to_owned(), stamp, found: format!("it starts with {found:?}") }
    };
    let header_is_damaged = map[..HEADER] != header(stamp);
    if header_is_damaged && is_of_another(&map[..HEADER], stamp) {
        return Err(foreign());
    }
    let scanned = scan(&map, HEADER, admit);
    // Nothing in it is ours to the letter.
    if header_is_damaged && scanned.records == 0 {
        return Err(foreign());
    }
    Ok(Read { length, has_header: true, header_is_damaged, scanned })
}

/// Whether a header that is not the stamp's is another stamp's, and not damaged.
fn is_of_another(found: &[u8], stamp: Stamp) -> bool {
    let (before, crc) = found.split_at(HEADER - 4);
    let (magic, other) = before.split_at(MAGIC.len());
    if crc == crc32fast::hash(before).to_le_bytes() {
        return magic == MAGIC;
    }
    // Damage leaves some of the stamp as it was, or makes one byte of all; two stamps have next to nothing in common.
    let differing: Vec<u8> = other
        .iter()
        .zip(stamp.0.0)
        .filter(|(found, wanted)| **found != *wanted)
        .map(|(found, _)| *found)
        .collect();
    differing.len() > other.len() / 2 && differing.iter().any(|byte| *byte != differing[0])
}

/// Makes one record, or several, of what lies there and is none: the next opening passes over it. A torn tail is marked too, and not cut off:
/// a process that reads the log has it mapped, and may not find it shorter.
fn mark(file: &File, rotten: Range<usize>) -> io::Result<()> {
    const LEAST: usize = HEAD + CRC;
    let mut at = rotten.start;
    while rotten.end - at >= LEAST {
        let left = rotten.end - at;
        let most = u32::MAX as usize;
        // Not so long that too little for a mark would be left.
        let length = if left <= most { left } else { most - LEAST };
        let mut bytes = vec![0; length];
        let there = (file.metadata()?.len().saturating_sub(at as u64) as usize).min(length);
        file.read_exact_at(&mut bytes[..there], at as u64)?;
        bytes[..4].copy_from_slice(&((length - LEAST) as u32).to_le_bytes());
        bytes[4] = Kind::Rotten as u8;
        bytes[5..HEAD].fill(0);
        let crc = crc32fast::hash(&bytes[..length - CRC]).to_le_bytes();
        file.write_all_at(&crc, (at + length - CRC) as u64)?;
        // Between them is what was there; where nothing was, zeros are, as the CRC has it.
        file.write_all_at(&bytes[..HEAD], at as u64)?;
        at += length;
    }
    Ok(())
}

/// Reads all of the memo of a stamp, blobs included; writes nothing. Gives how many answers and refusals it holds, and what is
/// damaged.
pub(super) fn check(path: &Path, stamp: Stamp) -> Result<(u64, Damage), MemoError> {
    let file = File::open(path).map_err(|error| failed(path, error, "check that it can be read"))?;
    let mut unreadable = 0;
    let read = read(path, &file, stamp, &mut |_, record| {
        let sound = record.kind != Kind::InlineAndBlob
            || split_inline(record.payload).is_some_and(|(_, blob)| unpacked(blob).is_ok());
        unreadable += u64::from(!sound);
    })?;
    Ok((unreadable, read.damage()))
}

/// The inline part of an answer with a blob, and the rest of the payload.
pub(super) fn split_inline(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_first()?;
    rest.split_at_checked(usize::from(*length)).filter(|(head, _)| head.len() <= INLINE)
}

/// A blob as it was put, of what lies behind the inline part.
fn unpacked(rest: &[u8]) -> io::Result<Vec<u8>> {
    match rest.split_first() {
        Some((0, blob)) => Ok(blob.to_vec()),
        Some((_, blob)) => zstd::decode_all(blob),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The blob of the answer whose record lies at `offset`.
pub(super) fn blob_at(
    file: &File,
    path: &Path,
    (content, offset): (&ContentHash, u64),
) -> Result<Vec<u8>, MemoError> {
    let unread = |error| failed(path, error, "check the store's disk");
    let mut head = [0; 4];
    file.read_exact_at(&mut head, offset).map_err(unread)?;
    let length = HEAD + u32::from_le_bytes(head) as usize + CRC;
    let damaged = || MemoError::Damaged { path: path.to_owned(), offset };
    // A length that rotted is no reason to ask for gigabytes.
    if file.metadata().map_err(unread)?.len().saturating_sub(offset) < length as u64 {
        return Err(damaged());
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).map_err(unread)?;
    let record = parse(&bytes).filter(|record| record.content == *content).ok_or_else(damaged)?;
    let (_, rest) = split_inline(record.payload).ok_or_else(damaged)?;
    unpacked(rest).map_err(|_| damaged())
}

fn payload_of(answer: &Written) -> (Kind, Vec<u8>) {
    let head = answer.inline.bytes();
    let Some(blob) = &answer.blob else { return (Kind::Inline, head.to_vec()) };
    let mut payload = vec![head.len() as u8];
    payload.extend(head);
    let packed = (blob.len() >= COMPRESS_FROM).then(|| zstd::encode_all(blob.as_slice(), 3).ok()).flatten();
    match packed.filter(|packed| packed.len() < blob.len()) {
        Some(packed) => {
            payload.push(1);
            payload.extend(packed);
        }
        None => {
            payload.push(0);
            payload.extend(blob);
        }
    }
    (Kind::InlineAndBlob, payload)
}

impl Log {
    /// Lays a record up to be written; returns the offset that it will have.
    pub(super) fn stage(
        &mut self,
        content: ContentHash,
        generation: u32,
        answer: &Result<Written, Refusal>,
    ) -> u64 {
        let (kind, payload) = match answer {
            Ok(answer) => payload_of(answer),
            Err(refusal) => (Kind::Refusal, postcard::to_stdvec(refusal).unwrap_or_default()),
        };
        self.push(kind, generation, content, &payload)
    }

    /// Lays a record up; returns the offset that it will have.
    pub(super) fn push(&mut self, kind: Kind, generation: u32, content: ContentHash, payload: &[u8]) -> u64 {
        let start = self.staged.len();
        self.staged.extend((payload.len() as u32).to_le_bytes());
        self.staged.push(kind as u8);
        self.staged.extend(generation.to_le_bytes());
        self.staged.extend(content.0);
        self.staged.extend(payload);
        let crc = crc32fast::hash(&self.staged[start..]);
        self.staged.extend(crc.to_le_bytes());
        self.end + start as u64
    }

    /// What is written from here on is later than all that was read, whatever the clock says: a clock may go back, and another machine's may be
    /// ahead.
    pub(super) fn not_before(&mut self, at: u64) {
        self.not_before = self.not_before.max(at);
    }

    /// Lays up when what follows is written, once a second, and which shard its questions came from, where that is another.
    pub(super) fn mark(&mut self, from: FromShard) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis() as u64).max(self.not_before);
        if self.marked.is_some_and(|(at, known)| known == from && at / 1000 == now / 1000) {
            return;
        }
        self.mark_of(now, from);
    }

    /// Lays up when what follows was written, and which shard its questions came from.
    pub(super) fn mark_of(&mut self, now: u64, from: FromShard) {
        self.marked = Some((now, from));
        let payload = [now.to_le_bytes(), from.0.to_le_bytes()].concat();
        self.push(Kind::Mark, 0, ContentHash::of(&payload), &payload);
    }

    /// Lays up that nothing counts that was remembered of `content`.
    pub(super) fn stage_forgotten(&mut self, content: ContentHash, generation: u32) {
        self.push(Kind::Forgotten, generation, content, &[]);
    }

    /// Hands all that is laid up to the operating system.
    pub(super) fn write_staged(&mut self) -> Result<(), MemoError> {
        let written = self.file.write_all_at(&self.staged, self.end);
        match written {
            Ok(()) => {
                self.end += self.staged.len() as u64;
                self.staged.clear();
                Ok(())
            }
            Err(error) => {
                // What was half written is a torn tail; the next write goes over it.
                self.staged.clear();
                self.marked = None;
                Err(failed(
                    &self.path,
                    error,
                    "make room on the store's disk and run again: nothing asked is lost",
                ))
            }
        }
    }

    /// Bytes that are laid up.
    pub(super) fn staged(&self) -> usize {
        self.staged.len()
    }

    pub(super) fn length(&self) -> u64 {
        self.end
    }

    pub(super) fn sync(&mut self) -> Result<(), MemoError> {
        self.file
            .flush()
            .and_then(|()| self.file.sync_data())
            .map_err(|error| failed(&self.path, error, "check the store's disk"))
    }
}

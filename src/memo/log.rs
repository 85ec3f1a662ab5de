//! The log under a memo: a header, then records, each with its own CRC, appended and never changed.
//!
//! ```text
//! header  "TFMEMO1\n"  stamp:16  crc32:4                              (28 bytes)
//! record  length:4  kind:1  generation:4  content:16  payload  crc32:4 (29 bytes and the payload)
//! ```
//! Integers are little-endian. The CRC covers all of the record before it. The payload of an answer with a body is
//! the length of the head (1 byte), the head, whether the body is compressed (1 byte), and the body.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Access, COMPRESS_FROM, INLINE, MemoError, Written};
use crate::row::{ContentHash, Refusal, Stamp};

const MAGIC: &[u8; 8] = b"TFMEMO1\n";
const HEADER: u64 = 8 + 16 + 4;
const HEAD: usize = 4 + 1 + 4 + 16;
/// A record that holds a score.
pub(super) const SMALL_RECORD: u64 = (HEAD + 4 + 4) as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A head alone.
    Head = 0,
    HeadAndBody = 1,
    Refusal = 2,
}

pub(super) struct Record<'a> {
    pub kind: Kind,
    pub generation: u32,
    pub content: ContentHash,
    pub payload: &'a [u8],
}

/// Reads the record at the start of `bytes`; with it, how long it is.
fn parse(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    // Looked at before the CRC is worked out: a search for the next sound record tries every byte.
    if *bytes.get(4)? > Kind::Refusal as u8 {
        return None;
    }
    let end = HEAD.checked_add(length)?;
    let crc = u32::from_le_bytes(bytes.get(end..end + 4)?.try_into().ok()?);
    if crc32fast::hash(&bytes[..end]) != crc {
        return None;
    }
    let kind = match bytes[4] {
        0 => Kind::Head,
        1 => Kind::HeadAndBody,
        2 => Kind::Refusal,
        _ => return None,
    };
    let generation = u32::from_le_bytes(bytes[5..9].try_into().ok()?);
    let content = ContentHash(bytes[9..HEAD].try_into().ok()?);
    Some((Record { kind, generation, content, payload: &bytes[HEAD..end] }, end + 4))
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
}

/// Shows every sound record to `admit`, in order, and opens the log for appending where `access` allows it.
pub(super) fn replay(
    path: &Path,
    stamp: Stamp,
    access: Access,
    admit: &mut dyn FnMut(u64, Record<'_>),
) -> Result<Option<Log>, MemoError> {
    let sound = match File::open(path) {
        Ok(file) => replay_file(path, &file, stamp, admit)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(path, error, "check that it can be read")),
    };
    if access == Access::ReadOnly {
        return Ok(None);
    }
    let next = "check that the store's disk has room and may be written";
    let open = || -> io::Result<Log> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).read(true).open(path)?;
        file.set_len(sound)?;
        let mut log = Log { file, path: path.to_owned(), end: sound, staged: Vec::new() };
        if sound == 0 {
            log.file.write_all_at(&header(stamp), 0)?;
            log.end = HEADER;
        }
        Ok(log)
    };
    open().map(Some).map_err(|error| failed(path, error, next))
}

/// The length of the sound part; 0 if not even the header is whole.
fn replay_file(
    path: &Path,
    file: &File,
    stamp: Stamp,
    admit: &mut dyn FnMut(u64, Record<'_>),
) -> Result<u64, MemoError> {
    let length = file.metadata().map_err(|error| failed(path, error, "check the store's disk"))?.len();
    if length < HEADER {
        return Ok(0);
    }
    // SAFETY: the store's lock keeps other writers away, and a record once written is never changed; what a reader
    // beside a run sees of the tail being written is parsed by its CRC.
    let map = unsafe { memmap2::Mmap::map(file) }
        .map_err(|error| failed(path, error, "check that the store lies on a disk that can be mapped"))?;
    let _ = map.advise(memmap2::Advice::Sequential);
    if map[..HEADER as usize] != header(stamp) {
        let found = String::from_utf8_lossy(&map[..8]).into_owned();
        return Err(MemoError::Foreign {
            path: path.to_owned(),
            stamp,
            found: format!("it starts with {found:?}"),
        });
    }
    let (mut at, mut sound) = (HEADER as usize, HEADER as usize);
    while at < map.len() {
        match parse(&map[at..]) {
            Some((record, length)) => {
                admit(at as u64, record);
                at += length;
                sound = at;
            }
            // What rotted on disk must not cost the records behind it; a torn tail has nothing sound behind.
            None => match (at + 1..map.len()).find(|next| parse(&map[*next..]).is_some()) {
                Some(next) => at = next,
                None => break,
            },
        }
    }
    Ok(sound as u64)
}

/// The head of an answer with a body, and the rest of the payload.
pub(super) fn split_head(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_first()?;
    rest.split_at_checked(usize::from(*length)).filter(|(head, _)| head.len() <= INLINE)
}

/// The body of the answer whose record lies at `offset`.
pub(super) fn body_at(file: &File, path: &Path, offset: u64) -> Result<Vec<u8>, MemoError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut head = [0; 4];
        file.read_exact_at(&mut head, offset)?;
        let mut bytes = vec![0; HEAD + u32::from_le_bytes(head) as usize + 4];
        file.read_exact_at(&mut bytes, offset)?;
        let damaged =
            || io::Error::new(io::ErrorKind::InvalidData, format!("the record at {offset} is damaged"));
        let (record, _) = parse(&bytes).ok_or_else(damaged)?;
        let (_, rest) = split_head(record.payload).ok_or_else(damaged)?;
        match rest.split_first().ok_or_else(damaged)? {
            (0, body) => Ok(body.to_vec()),
            (_, body) => zstd::decode_all(body),
        }
    };
    read().map_err(|error| failed(path, error, "check the store's disk; a damaged memo may be removed"))
}

fn payload_of(answer: &Written) -> (Kind, Vec<u8>) {
    let head = answer.head.bytes();
    let Some(body) = &answer.body else { return (Kind::Head, head.to_vec()) };
    let mut payload = vec![head.len() as u8];
    payload.extend(head);
    let packed = (body.len() >= COMPRESS_FROM).then(|| zstd::encode_all(body.as_slice(), 3).ok()).flatten();
    match packed.filter(|packed| packed.len() < body.len()) {
        Some(packed) => {
            payload.push(1);
            payload.extend(packed);
        }
        None => {
            payload.push(0);
            payload.extend(body);
        }
    }
    (Kind::HeadAndBody, payload)
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
                Err(failed(
                    &self.path,
                    error,
                    "make room on the store's disk and run again: nothing asked is lost",
                ))
            }
        }
    }

    pub(super) fn sync(&mut self) -> Result<(), MemoError> {
        self.file
            .flush()
            .and_then(|()| self.file.sync_data())
            .map_err(|error| failed(&self.path, error, "check the store's disk"))
    }
}

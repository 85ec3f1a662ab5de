//! The sidecars of a shard that lies in a store, kept beside its index: who publishes reads them of every kept row, and must not fetch the
//! shard again for them.
//!
//! ```text
//! header  "TFTXT1\r\n"  identity:16  members:8  crc32 of the table and of what is before it:4
//! table   of each member, by offset: offset in the shard:8  length:8  crc32 of its bytes:4
//! bytes   of the members, one behind the other
//! ```
//! Integers are little-endian. The identity is that of the versions of the shard's objects. A file that does not fit, or is damaged, is none.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::bytes::Bytes;
use super::{ShardError, ShardIndex};
use crate::row::{ContentHash, Refusal};

/// What the file's name ends with.
pub(super) const ENDING: &str = "texts";
const MAGIC: &[u8; 8] = b"TFTXT1\r\n";
const HEADER: usize = 8 + 16 + 8 + 4;
const ENTRY: usize = 8 + 8 + 4;

/// Whether a member is kept so.
fn is_text(extension: &str) -> bool {
    matches!(extension, "json" | "txt")
}

/// Where the sidecars of a shard may be kept; read when the first is needed.
pub(super) struct Texts {
    paths: Vec<PathBuf>,
    identity: ContentHash,
    /// Once it is there: a shard that is being walked has none yet.
    read: OnceLock<Table>,
}

struct Table {
    path: PathBuf,
    /// By offset: where it begins in the shard, how long it is, its CRC, and where it begins in the file.
    members: Vec<(u64, u64, u32, u64)>,
}

impl Texts {
    pub(super) fn at(paths: Vec<PathBuf>, identity: ContentHash) -> Self {
        Texts { paths, identity, read: OnceLock::new() }
    }

    /// The bytes of a sidecar; none where they are not kept, or not sound.
    pub(super) fn get(&self, offset: u64, len: u64) -> Option<Vec<u8>> {
        let table = match self.read.get() {
            Some(table) => table,
            None => {
                let table = self.paths.iter().find_map(|path| table_of(path, self.identity))?;
                self.read.get_or_init(|| table)
            }
        };
        let place = table.members.binary_search_by_key(&offset, |(offset, ..)| *offset).ok()?;
        let (_, of, crc, at) = table.members[place];
        if of != len {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        File::open(&table.path).ok()?.read_exact_at(&mut bytes, at).ok()?;
        (crc32fast::hash(&bytes) == crc).then_some(bytes)
    }
}

fn table_of(path: &Path, identity: ContentHash) -> Option<Table> {
    let file = File::open(path).ok()?;
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).ok()?;
    if !header.starts_with(MAGIC) || header[8..24] != identity.0 {
        return None;
    }
    let count = u64::from_le_bytes(header[24..32].try_into().ok()?);
    let length = usize::try_from(count).ok()?.checked_mul(ENTRY)?;
    if file.metadata().ok()?.len() < (HEADER + length) as u64 {
        return None;
    }
    let mut table = vec![0; length];
    file.read_exact_at(&mut table, HEADER as u64).ok()?;
    if header[32..] != crc_of(&header[..32], &table).to_le_bytes() {
        return None;
    }
    let mut at = (HEADER + length) as u64;
    let members = table.chunks_exact(ENTRY).map(|entry| {
        let number = |range: std::ops::Range<usize>| {
            entry[range].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let (offset, len, crc) = (number(0..8), number(8..16), number(16..20) as u32);
        let begin = at;
        at = at.saturating_add(len);
        (offset, len, crc, begin)
    });
    Some(Table { path: path.to_owned(), members: members.collect() })
}

fn crc_of(header: &[u8], table: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(table);
    crc.finalize()
}

/// Keeps the sidecars of a shard that was walked just now, whole or not at all.
pub(super) fn keep(
    path: &Path,
    identity: ContentHash,
    bytes: &Bytes,
    (index, max_bytes): (&ShardIndex, u64),
) -> Result<(), ShardError> {
    // Longer ones are refused by everybody.
    let most = super::sidecar::MOST_BYTES.min(max_bytes);
    let refused = |source| ShardError::Io {
        path: path.to_path_buf(),
        source,
        next: "check that the store's disk has room and may be written to",
    };
    let mut members: Vec<(u64, u64)> = index
        .samples
        .iter()
        .flat_map(|sample| &sample.members)
        .filter(|member| is_text(&member.extension) && member.len <= most)
        .map(|member| (member.offset, member.len))
        .collect();
    members.sort_unstable();
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(refused)?;
    let shared = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut builder = tempfile::Builder::new();
    let temporary = builder.prefix(".texts-").permissions(shared).tempfile_in(folder).map_err(refused)?;
    let mut writer = io::BufWriter::new(temporary);
    let mut table = Vec::with_capacity(members.len() * ENTRY);
    writer.write_all(&vec![0; HEADER + members.len() * ENTRY]).map_err(refused)?;
    for (offset, len) in members {
        // What could not be read just now has no place here; the index will not stay either.
        let text = bytes
            .slice(offset, len)
            .map_err(|refusal: Refusal| refused(io::Error::other(refusal.to_string())))?;
        table.extend(offset.to_le_bytes());
        table.extend(len.to_le_bytes());
        table.extend(crc32fast::hash(&text).to_le_bytes());
        writer.write_all(&text).map_err(refused)?;
    }
    let mut header = MAGIC.to_vec();
    header.extend(identity.0);
    header.extend(((table.len() / ENTRY) as u64).to_le_bytes());
    header.extend(crc_of(&header, &table).to_le_bytes());
    let temporary = writer.into_inner().map_err(|error| refused(error.into_error()))?;
    temporary.as_file().write_all_at(&[header, table].concat(), 0).map_err(refused)?;
    temporary.as_file().sync_data().map_err(refused)?;
    temporary.persist(path).map_err(|error| refused(error.error))?;
    Ok(())
}

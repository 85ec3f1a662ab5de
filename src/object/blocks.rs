//! A file of the cache: the bytes of an object, and behind them what tells whether they are still those.
//!
//! ```text
//! bytes of the object
//! table   crc32:4 for each block of 64 KiB, the last one may be shorter
//! footer  "TFOBJ1\r\n"  length of the object:8  crc32 of the table and of the length:4   (20 bytes)
//! ```
//! Integers are little-endian. A read checks the blocks that it touches, so that it costs about what it reads, whatever the file's length.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crc32fast::Hasher;

pub(super) const BLOCK: u64 = 64 << 10;
const MAGIC: &[u8; 8] = b"TFOBJ1\r\n";
const FOOTER: u64 = 8 + 8 + 4;

/// How long the file of an object of so many bytes is.
pub(super) fn file_len(len: u64) -> u64 {
    len + len.div_ceil(BLOCK) * 4 + FOOTER
}

/// The CRCs of the blocks of `bytes`, which begin at a block.
pub(super) fn sums(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(BLOCK as usize).map(crc32fast::hash).collect()
}

/// Writes what stands behind the bytes.
pub(super) fn close(file: &File, len: u64, sums: &[u32]) -> io::Result<()> {
    let mut end: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    let crc = crc_of(&end, len);
    end.extend(MAGIC);
    end.extend(len.to_le_bytes());
    end.extend(crc.to_le_bytes());
    file.write_all_at(&end, len)
}

fn crc_of(table: &[u8], len: u64) -> u32 {
    let mut crc = Hasher::new();
    crc.update(table);
    crc.update(&len.to_le_bytes());
    crc.finalize()
}

/// Whether a file is that of an object of so many bytes, by its length and its footer.
pub(super) fn is_whole(file: &File, len: u64) -> io::Result<bool> {
    if file.metadata()?.len() != file_len(len) {
        return Ok(false);
    }
    let mut footer = [0; FOOTER as usize];
    file.read_exact_at(&mut footer, file_len(len) - FOOTER)?;
    Ok(footer.starts_with(MAGIC) && footer[8..16] == len.to_le_bytes())
}

/// Whether the table is as it was written. Read where all of the bytes will be.
pub(super) fn has_sound_table(file: &File, len: u64) -> io::Result<bool> {
    let mut end = vec![0; (file_len(len) - len) as usize];
    file.read_exact_at(&mut end, len)?;
    let (table, footer) = end.split_at(end.len() - FOOTER as usize);
    Ok(footer[16..] == crc_of(table, len).to_le_bytes())
}

/// `count` bytes at `at` of an object of `len` bytes; `None` where a block is not as it was written.
pub(super) fn read(file: &File, len: u64, at: u64, count: u64) -> io::Result<Option<Vec<u8>>> {
    if count == 0 {
        return Ok(Some(Vec::new()));
    }
    let end = at.checked_add(count).filter(|end| *end <= len);
    let end = end.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let (first, last) = (at / BLOCK, (end - 1) / BLOCK);
    let from = first * BLOCK;
    let until = ((last + 1) * BLOCK).min(len);
    let mut bytes = vec![0; (until - from) as usize];
    file.read_exact_at(&mut bytes, from)?;
    let mut table = vec![0; (last - first + 1) as usize * 4];
    file.read_exact_at(&mut table, len + first * 4)?;
    let written = table.chunks_exact(4).map(|sum| sum.try_into().map_or(0, u32::from_le_bytes));
    if !sums(&bytes).into_iter().eq(written) {
        return Ok(None);
    }
    bytes.truncate((end - from) as usize);
    bytes.drain(..(at - from) as usize);
    Ok(Some(bytes))
}

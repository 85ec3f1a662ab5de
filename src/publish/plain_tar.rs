//! Tars whose bytes are a function of what is put into them: names, contents and their order, nothing else.

use std::io::{self, Read, Write};

use crate::row::ContentHash;

/// A tar being written: plain files of mode 0644, of user and group 0, from the first second of 1970.
///
/// ```
/// use threshflow::publish::PlainTar;
/// let write = || {
///     let mut tar = PlainTar::new(Vec::new());
///     tar.append("jsons/cat.json", b"{}")?;
///     tar.finish()
/// };
/// assert_eq!(write()?, write()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PlainTar<W: Write> {
    tar: tar::Builder<W>,
}

impl<W: Write> PlainTar<W> {
    /// Starts a tar at the end of `out`.
    pub fn new(out: W) -> Self {
        PlainTar { tar: tar::Builder::new(out) }
    }

    /// Puts a file in; gives the hash of the bytes that were written. An error where `name` is absolute or has `..`.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<ContentHash> {
        // Set by hand: what `tar` calls deterministic is a time in 2006.
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        // Hashed as they are read: mapped bytes may change between two looks at them.
        let mut bytes = Hashing { bytes, hasher: blake3::Hasher::new() };
        self.tar.append_data(&mut header, name, &mut bytes)?;
        Ok(ContentHash::from_hasher(&bytes.hasher))
    }

    /// Writes the end-of-archive mark and gives `out` back, not flushed.
    pub fn finish(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

struct Hashing<'a> {
    bytes: &'a [u8],
    hasher: blake3::Hasher,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

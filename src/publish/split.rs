//! A file in chunks. It can be cut anywhere; plain concatenation in the order of the numbers joins the chunks.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::row::ContentHash;

/// A chunk that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub bytes: u64,
    /// Of its bytes.
    pub hash: ContentHash,
    /// The SHA-256 of its bytes, in hex: what other people's tools compare.
    pub sha256: String,
}

/// Writes `STEM.000`, `STEM.001`, and so on, each of `most` bytes but the last, which is never empty unless nothing was
/// written at all.
///
/// ```
/// use std::io::Write;
/// use threshflow::publish::SplitFile;
/// let folder = tempfile::tempdir()?;
/// let mut file = SplitFile::create(folder.path().join("cats.tar.split"), 4);
/// file.write_all(b"meow meow")?;
/// let chunks = file.finish()?;
/// assert_eq!(chunks.iter().map(|chunk| chunk.bytes).collect::<Vec<_>>(), [4, 4, 1]);
/// assert!(chunks[2].path.ends_with("cats.tar.split.002"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SplitFile {
    stem: PathBuf,
    most: u64,
    chunks: Vec<Chunk>,
    open: Option<HashedFile>,
}

/// A file that is hashed as it is written.
pub struct HashedFile {
    file: BufWriter<File>,
    path: PathBuf,
    bytes: u64,
    hasher: blake3::Hasher,
    sha256: ring::digest::Context,
}

impl HashedFile {
    /// Makes the file, or empties it.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        Ok(HashedFile {
            file,
            path,
            bytes: 0,
            hasher: blake3::Hasher::new(),
            sha256: ring::digest::Context::new(&ring::digest::SHA256),
        })
    }

    /// Syncs it and tells of it.
    pub fn finish(self) -> io::Result<Chunk> {
        self.file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        let sha256 = self.sha256.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = ContentHash::from_hasher(&self.hasher);
        Ok(Chunk { path: self.path, bytes: self.bytes, hash, sha256 })
    }
}

/// The hash that [`HashedFile`] would tell of a file that is there, in bounded memory.
pub fn hash_of_file(path: &Path) -> io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(ContentHash::from_hasher(&hasher))
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.sha256.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SplitFile {
    /// Chunks of at most `most` bytes (of 1, where that is 0), whose names are `stem`, a dot, and three digits or more.
    pub fn create(stem: PathBuf, most: u64) -> Self {
        SplitFile { stem, most: most.max(1), chunks: Vec::new(), open: None }
    }

    /// Syncs the last chunk and tells of all of them, in order.
    pub fn finish(mut self) -> io::Result<Vec<Chunk>> {
        if self.chunks.is_empty() && self.open.is_none() {
            self.open = Some(self.next()?);
        }
        self.end()?;
        Ok(self.chunks)
    }

    fn next(&self) -> io::Result<HashedFile> {
        let mut path = self.stem.clone().into_os_string();
        path.push(format!(".{:03}", self.chunks.len()));
        HashedFile::create(path.into())
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(open) = self.open.take() {
            self.chunks.push(open.finish()?);
        }
        Ok(())
    }
}

impl Write for SplitFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.open.as_ref().is_some_and(|open| open.bytes >= self.most) {
            self.end()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.next()?,
        };
        let open = self.open.insert(open);
        let room = usize::try_from(self.most - open.bytes).unwrap_or(usize::MAX);
        open.write(&bytes[..bytes.len().min(room)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_join_to_what_was_written_wherever_they_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..1_000_u32).map(|at| (at % 251) as u8).collect();
        for most in [1, 7, 250, 999, 1_000, 1_001] {
            let mut file = SplitFile::create(folder.path().join(format!("{most}.split")), most);
            text.chunks(33).for_each(|chunk| file.write_all(chunk).unwrap());
            let chunks = file.finish().unwrap();
            assert_eq!(chunks.len() as u64, 1_000_u64.div_ceil(most));
            let mut joined = Vec::new();
            for (number, chunk) in chunks.iter().enumerate() {
                assert!(chunk.path.to_str().unwrap().ends_with(&format!("{most}.split.{number:03}")));
                let bytes = std::fs::read(&chunk.path).unwrap();
                assert_eq!((bytes.len() as u64, ContentHash::of(&bytes)), (chunk.bytes, chunk.hash));
                assert_eq!(hash_of_file(&chunk.path).unwrap(), chunk.hash);
                joined.extend(bytes);
            }
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn nothing_is_one_empty_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let chunks = SplitFile::create(folder.path().join("a"), 10).finish().unwrap();
        assert_eq!((chunks.len(), chunks[0].bytes), (1, 0));
        // As FIPS 180-4 has it, of no byte at all.
        assert_eq!(chunks[0].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

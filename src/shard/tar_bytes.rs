//! The bytes of a tar: its chunks, mapped (or read plainly) and joined.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

use super::ShardError;
use super::bytes::{ChunkStamp, sampled};
use crate::limits;
use crate::row::{ContentHash, Refusal};

/// About how many bytes a look at a picture's header brings into memory (the kernel maps around a fault).
const PEEKED: u64 = 64 << 10;

/// Most bytes of a mapped chunk that stay in this process's own count of memory.
const MOST_TOUCHED: u64 = 16 << 20;

struct Chunk {
    /// Where the chunk begins in the joined tar.
    start: u64,
    len: u64,
    name: String,
    file: File,
    /// `None` with plain reads, and for an empty chunk (nothing can be mapped of it).
    map: Option<Mapped>,
    /// Bytes that came into memory through the map since it last let go of its pages.
    touched: AtomicU64,
}

/// A map, counted for as long as it stands.
struct Mapped(Mmap);

/// Bytes that all maps of shards have now.
static MAPPED: AtomicU64 = AtomicU64::new(0);

impl Mapped {
    /// Whether so many bytes more may be mapped: where the address space is bounded, maps have a quarter of it, and what doesn't fit
    /// is read plainly. Else a few large shards would leave none for anything else.
    fn may(bytes: u64) -> bool {
        static MOST: OnceLock<u64> = OnceLock::new();
        let most = *MOST.get_or_init(|| limits::address_space().map_or(u64::MAX, |bytes| bytes / 4));
        MAPPED.load(Ordering::Relaxed).saturating_add(bytes) <= most
    }

    fn new(map: Mmap) -> Self {
        MAPPED.fetch_add(map.len() as u64, Ordering::Relaxed);
        Mapped(map)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        MAPPED.fetch_sub(self.0.len() as u64, Ordering::Relaxed);
    }
}

impl std::ops::Deref for Mapped {
    type Target = Mmap;
    fn deref(&self) -> &Mmap {
        &self.0
    }
}

/// The joined chunks of a shard, up to the first one that is missing.
pub(super) struct TarBytes {
    chunks: Vec<Chunk>,
    stamps: Vec<ChunkStamp>,
    len: u64,
    missing: Option<PathBuf>,
    max_copy: u64,
}

impl TarBytes {
    /// Opens the chunks of a tar. With plain reads and across chunks, at most `max_copy` bytes are copied at once.
    pub(super) fn open(
        chunks: &[Result<PathBuf, PathBuf>],
        mmap: bool,
        max_copy: u64,
    ) -> Result<Self, ShardError> {
        let mut bytes = TarBytes { chunks: Vec::new(), stamps: Vec::new(), len: 0, missing: None, max_copy };
        for chunk in chunks {
            match chunk {
                Ok(path) => bytes.push(path, mmap)?,
                Err(path) => {
                    bytes.missing = Some(path.clone());
                    break;
                }
            }
        }
        Ok(bytes)
    }

    fn push(&mut self, path: &Path, mmap: bool) -> Result<(), ShardError> {
        let refused = |source| ShardError::Io {
            path: path.to_path_buf(),
            source,
            next: "check that the file is there and may be read",
        };
        // Asked before opening: opening a fifo would wait for a writer.
        if !std::fs::metadata(path).map_err(refused)?.is_file() {
            return Err(refused(std::io::Error::other("is not a file")));
        }
        let file = File::open(path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        let len = metadata.len();
        // A file system that can't map (some network ones) is read plainly instead: same bytes, slower.
        let map = (mmap && len > 0 && Mapped::may(len)).then(|| {
            // SAFETY: the map is only read. A file that shrinks under it would end the process with SIGBUS, so every
            // slice asks for the file's length and has the kernel fetch its pages first (`Chunk::slice`); a file that
            // is rewritten in place shows other bytes, which are read as plain `u8`s wherever they come from.
            unsafe { Mmap::map(&file) }.ok().map(Mapped::new)
        });
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.chunks.push(Chunk {
            start: self.len,
            len,
            name,
            file,
            map: map.flatten(),
            touched: AtomicU64::new(0),
        });
        self.stamps.push(ChunkStamp::of(&metadata));
        self.len = self.len.checked_add(len).ok_or_else(|| refused(std::io::Error::other("is too long")))?;
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Of a few bytes of every chunk, at places that follow from its length: see [`Chunk::sample`].
    pub(super) fn sample(&self) -> Result<ContentHash, Refusal> {
        let mut hasher = blake3::Hasher::new();
        for chunk in &self.chunks {
            chunk.sample(&mut hasher)?;
        }
        Ok(ContentHash::from_hasher(&hasher))
    }

    pub(super) fn stamps(&self) -> &[ChunkStamp] {
        &self.stamps
    }

    /// How many files this holds open.
    pub(super) fn files(&self) -> usize {
        self.chunks.len()
    }

    /// What the files that are open look like now, whatever lies under their names by now.
    pub(super) fn look_now(&self) -> std::io::Result<Vec<ChunkStamp>> {
        self.chunks
            .iter()
            .map(|chunk| chunk.file.metadata().map(|metadata| ChunkStamp::of(&metadata)))
            .collect()
    }

    /// The file name of the first chunk that is missing, where one is known to be.
    pub(super) fn missing(&self) -> Option<String> {
        let path = self.missing.as_ref()?;
        Some(path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
    }

    /// For a tar in chunks: what the chunk after the last one that is here would be called.
    pub(super) fn next_chunk(&self) -> Option<String> {
        let (stem, digits) = super::find::chunk_of(&self.chunks.last()?.name)?;
        let next = digits.parse::<u64>().ok()?.checked_add(1)?;
        Some(format!("{stem}.tar.split.{next:0width$}", width = digits.len()))
    }

    /// For a tar in chunks: which byte of which chunk a byte of the joined tar is; else nothing.
    pub(super) fn place(&self, at: u64) -> String {
        match self.chunk_at(at).or(self.chunks.last()) {
            Some(chunk) if self.next_chunk().is_some() => {
                format!(" (byte {} of {})", at.saturating_sub(chunk.start), chunk.name)
            }
            _ => String::new(),
        }
    }

    /// `len` bytes from `offset` of the joined tar: borrowed from the map where they lie in one mapped chunk.
    pub(super) fn slice(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Refusal> {
        self.check_range(offset, len)?;
        let Some(first) = self.chunk_at(offset) else { return Ok(Cow::Borrowed(&[])) };
        if first.map.is_some() && offset + len <= first.start + first.len {
            let slice = first.slice(offset - first.start, len)?;
            first.fetch(offset - first.start, slice)?;
            return Ok(Cow::Borrowed(slice));
        }
        self.copy(offset, len).map(Cow::Owned)
    }

    /// Like [`TarBytes::slice`], for a reader who will look at the first pages only: nothing is fetched beforehand.
    pub(super) fn peek(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>, Refusal> {
        self.check_range(offset, len)?;
        match self.chunk_at(offset) {
            Some(first) if first.map.is_some() && offset + len <= first.start + first.len => {
                first.note_touched(len.min(PEEKED));
                first.slice(offset - first.start, len).map(Cow::Borrowed)
            }
            _ => self.copy(offset, len).map(Cow::Owned),
        }
    }

    fn copy(&self, offset: u64, len: u64) -> Result<Vec<u8>, Refusal> {
        if len > self.max_copy {
            return Err(Refusal::permanent(
                "too_many_bytes",
                format!(
                    "{len} bytes would have to be copied, at most {} are allowed; raise --max-bytes",
                    self.max_copy
                ),
            ));
        }
        // Bounded by the length of files that are there: `check_range`.
        let mut copy = Vec::with_capacity(len as usize);
        self.pass(offset, len, &mut |part| copy.extend_from_slice(part))?;
        Ok(copy)
    }

    /// Shows `see` the bytes of a range chunk by chunk, whatever their number, in bounded memory.
    ///
    /// By plain reads, mapped or not: to pass once over a file that way was measured faster than through a map
    /// (5.9 against 4.9 GB/s with hashing), and it leaves no pages of it in this process.
    pub(super) fn pass(&self, offset: u64, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        self.check_range(offset, len)?;
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let Some(chunk) = self.chunk_at(at) else { break };
            let until = end.min(chunk.start + chunk.len);
            chunk.pass(at - chunk.start, until - at, see)?;
            at = until;
        }
        Ok(())
    }

    /// The chunk that holds the byte at `offset`.
    fn chunk_at(&self, offset: u64) -> Option<&Chunk> {
        let after = self.chunks.partition_point(|chunk| chunk.start + chunk.len <= offset);
        self.chunks.get(after)
    }

    fn check_range(&self, offset: u64, len: u64) -> Result<(), Refusal> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(Refusal::permanent(
                "damaged_tar",
                format!(
                    "{len} bytes at byte {offset} reach over the end of the tar, which is {} bytes long",
                    self.len
                ),
            )),
        }
    }
}

impl Chunk {
    /// Hashes its first block, its last one and six between, one somewhere in each sixth of the chunk; all of a chunk of 128 KiB
    /// or less. So another tar of the same length (tars are padded) is told from this one where times and numbers tell nothing,
    /// unless it differs in a few places only. That costs eight reads a chunk and run: 0.7 ms where they are in memory (as measured on
    /// a busy machine), a seek each on a disk that turns.
    fn sample(&self, hasher: &mut blake3::Hasher) -> Result<(), Refusal> {
        hasher.update(&self.len.to_le_bytes());
        for (at, len) in sampled(self.len) {
            self.pass(at, len, &mut |part| {
                hasher.update(part);
            })?;
        }
        Ok(())
    }

    fn slice(&self, at: u64, len: u64) -> Result<&[u8], Refusal> {
        self.check_length(at + len)?;
        let map = self.map.as_ref().map_or(&[][..], |map| &map[..]);
        usize::try_from(at)
            .ok()
            .and_then(|at| map.get(at..)?.get(..usize::try_from(len).ok()?))
            .ok_or_else(|| self.cut(at + len))
    }

    /// Has the pages of `slice` in memory before it is used, so that no later reader of it waits for the disk.
    fn fetch(&self, at: u64, slice: &[u8]) -> Result<(), Refusal> {
        self.note_touched(slice.len() as u64);
        #[cfg(target_os = "linux")]
        if let Some(map) = &self.map {
            match map.advise_range(memmap2::Advice::PopulateRead, at as usize, slice.len()) {
                Ok(()) => return Ok(()),
                // The kernel says so, where touching would have been a SIGBUS: the file was cut, or the disk failed.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EFAULT | libc::EHWPOISON)) => {
                    return Err(self.cut(at + slice.len() as u64));
                }
                // A kernel before 5.14 does not know the advice.
                Err(_) => {}
            }
        }
        let touched = slice.iter().step_by(4096).fold(0_u8, |sum, byte| sum ^ byte);
        std::hint::black_box(touched);
        Ok(())
    }

    /// Counts pages that come into this process, and lets go of the chunk's when they are many: without it, a run
    /// over a terabyte would seem to hold as much of it as the machine has memory. The bytes stay in the page
    /// cache, and a slice that is still in use finds them there again.
    fn note_touched(&self, bytes: u64) {
        let before = self.touched.fetch_add(bytes, Ordering::Relaxed);
        if before <= MOST_TOUCHED && before + bytes > MOST_TOUCHED {
            self.touched.store(bytes, Ordering::Relaxed);
            #[cfg(target_os = "linux")]
            if let Some(map) = &self.map {
                // SAFETY: the map is shared, read-only and of a file, so that letting go of its pages changes no
                // byte that is read through it: the next touch reads the same page of the file.
                let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            }
        }
    }

    fn pass(&self, at: u64, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
        const STEP: u64 = 256 << 10;
        let mut buffer = vec![0; STEP.min(len) as usize];
        let mut done = 0;
        while done < len {
            let step = STEP.min(len - done);
            let Some(buffer) = buffer.get_mut(..step as usize) else { break };
            self.file.read_exact_at(buffer, at + done).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => self.cut(at + done + step),
                _ => {
                    let message = format!("{} at byte {}: {e}; check the disk", self.name, at + done);
                    Refusal::transient("unreadable", message)
                }
            })?;
            see(buffer);
            done += step;
        }
        Ok(())
    }

    fn check_length(&self, needed: u64) -> Result<(), Refusal> {
        match self.file.metadata() {
            Ok(metadata) if metadata.len() >= needed => Ok(()),
            _ => Err(self.cut(needed)),
        }
    }

    fn cut(&self, needed: u64) -> Refusal {
        Refusal::transient(
            "cut_while_read",
            format!(
                "{} was {} bytes long when it was opened and no longer reaches to byte {needed}; leave shards alone \
                 while they are read, then run again",
                self.name, self.len
            ),
        )
    }
}

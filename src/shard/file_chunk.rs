//! A chunk of a tar that is a file: mapped, or read plainly.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

use super::ShardError;
use super::bytes::{ChunkStamp, sampled};
use crate::limits;
use crate::row::Refusal;

/// About how many bytes a look at a picture's header brings into memory (the kernel maps around a fault).
const PEEKED: u64 = 64 << 10;

/// Most bytes of a mapped chunk that stay in this process's own count of memory.
const MOST_TOUCHED: u64 = 16 << 20;

pub(super) struct FileChunk {
    pub(super) len: u64,
    pub(super) name: String,
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

impl FileChunk {
    /// Opens a file, with what it looks like.
    pub(super) fn open(path: &Path, mmap: bool) -> Result<(Self, ChunkStamp), ShardError> {
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
            // slice asks for the file's length and has the kernel fetch its pages first (`FileChunk::slice`); a file that
            // is rewritten in place shows other bytes, which are read as plain `u8`s wherever they come from.
            unsafe { Mmap::map(&file) }.ok().map(Mapped::new)
        });
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let map = map.flatten();
        let chunk = FileChunk { len, name, file, map, touched: AtomicU64::new(0) };
        Ok((chunk, ChunkStamp::of(&metadata)))
    }

    /// Whether its bytes are mapped, so that a slice of them can be lent.
    pub(super) fn is_mapped(&self) -> bool {
        self.map.is_some()
    }

    /// What the file that is open looks like now, whatever lies under its name by now.
    pub(super) fn look_now(&self) -> std::io::Result<ChunkStamp> {
        self.file.metadata().map(|metadata| ChunkStamp::of(&metadata))
    }

    /// Hashes its first block, its last one and six between, one somewhere in each sixth of the chunk; all of a chunk of 128 KiB
    /// or less. So another tar of the same length (tars are padded) is told from this one where times and numbers tell nothing,
    /// unless it differs in a few places only. That costs eight reads a chunk and run: 0.7 ms where they are in memory (as measured on
    /// a busy machine), a seek each on a disk that turns.
    pub(super) fn sample(&self, hasher: &mut blake3::Hasher) -> Result<(), Refusal> {
        hasher.update(&self.len.to_le_bytes());
        for (at, len) in sampled(self.len) {
            self.pass(at, len, &mut |part| {
                hasher.update(part);
            })?;
        }
        Ok(())
    }

    pub(super) fn slice(&self, at: u64, len: u64) -> Result<&[u8], Refusal> {
        self.check_length(at + len)?;
        let map = self.map.as_ref().map_or(&[][..], |map| &map[..]);
        usize::try_from(at)
            .ok()
            .and_then(|at| map.get(at..)?.get(..usize::try_from(len).ok()?))
            .ok_or_else(|| self.cut(at + len))
    }

    /// A slice for a reader who will look at its first pages only.
    pub(super) fn peek(&self, at: u64, len: u64) -> Result<&[u8], Refusal> {
        self.note_touched(len.min(PEEKED));
        self.slice(at, len)
    }

    /// Has the pages of `slice` in memory before it is used, so that no later reader of it waits for the disk.
    pub(super) fn fetch(&self, at: u64, slice: &[u8]) -> Result<(), Refusal> {
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

    pub(super) fn pass(&self, at: u64, len: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Refusal> {
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

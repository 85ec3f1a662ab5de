//! That a model's files are still those that were hashed: a stamp says which model answered.
//!
//! Files are compared by length, times, inode and device; where those differ, their content is hashed again, so that a file that was
//! only touched, linked or put back is no other.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use threshflow::row::ContentHash;

use super::OnnxError;

/// What tells that a file was written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds: of what it holds, and of what is said of it.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    fn of(file: &Metadata) -> Self {
        Mark {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// A file that is read: held open, so that it can be told from another of its name.
#[derive(Debug)]
struct Watched {
    /// As the graph names it.
    name: String,
    path: PathBuf,
    file: File,
    mark: Mutex<Mark>,
}

/// The files of a model, and what they hold.
#[derive(Debug, Default)]
pub(super) struct Witness {
    files: Vec<Watched>,
    pub(super) content: ContentHash,
    /// Of all files, in bytes.
    pub(super) bytes: u64,
}

impl Witness {
    /// Opens and hashes the files, each by a name of its own. `Err` names the file that can't be read, or that was written meanwhile.
    pub(super) fn of(files: Vec<(String, PathBuf)>) -> Result<Self, (String, std::io::Error)> {
        let open = |(name, path): (String, PathBuf)| {
            let opened = || -> std::io::Result<Watched> {
                let file = File::open(&path)?;
                let mark = Mutex::new(Mark::of(&file.metadata()?));
                Ok(Watched { name: name.clone(), path: path.clone(), file, mark })
            };
            opened().map_err(|error| (name.clone(), error))
        };
        let files: Vec<Watched> = files.into_iter().map(open).collect::<Result<_, _>>()?;
        let mut witness = Witness { files, ..Witness::default() };
        let unread = |error| (String::new(), error);
        (witness.content, witness.bytes) = witness.hashed(|it| it.file.try_clone()).map_err(unread)?;
        if let Some(written) = witness.files.iter().find(|it| !it.is_unwritten()) {
            let why = std::io::Error::other("it was written while it was read; run again");
            return Err((written.name.clone(), why));
        }
        Ok(witness)
    }

    fn hashed(
        &self,
        open: impl Fn(&Watched) -> std::io::Result<File>,
    ) -> std::io::Result<(ContentHash, u64)> {
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        for watched in &self.files {
            let mut file = open(watched)?;
            std::io::Seek::rewind(&mut file)?;
            let length = file.metadata()?.len();
            hasher.update(&(watched.name.len() as u64).to_le_bytes()).update(watched.name.as_bytes());
            hasher.update(&length.to_le_bytes()).update_reader(file)?;
            bytes += length;
        }
        Ok((ContentHash::from_hasher(&hasher), bytes))
    }

    /// Whether the paths lead to what was hashed.
    pub(super) fn is_still_there(&self) -> Result<(), OnnxError> {
        self.look(|it| std::fs::metadata(&it.path).is_ok_and(|found| Mark::of(&found) == it.mark()))
    }

    /// Whether nobody wrote into the files that were hashed.
    pub(super) fn is_unwritten(&self) -> Result<(), OnnxError> {
        self.look(Watched::is_unwritten)
    }

    fn look(&self, is_same: impl Fn(&Watched) -> bool) -> Result<(), OnnxError> {
        let Some(other) = self.files.iter().find(|it| !is_same(it)) else { return Ok(()) };
        let changed = || OnnxError::Changed { path: other.path.clone() };
        // The same file with another time, or the same bytes in another file, are the same model.
        let marks: Vec<Mark> = self
            .files
            .iter()
            .map(|it| std::fs::metadata(&it.path).map(|found| Mark::of(&found)))
            .collect::<Result<_, _>>()
            .map_err(|_| changed())?;
        let in_place = self.files.iter().zip(&marks).all(|(it, mark)| mark.inode == it.mark().inode);
        let (content, _) = self.hashed(|it| File::open(&it.path)).map_err(|_| changed())?;
        if content != self.content {
            return Err(changed());
        }
        if in_place {
            self.files.iter().zip(marks).for_each(|(it, mark)| *it.lock() = mark);
        }
        Ok(())
    }
}

impl Watched {
    fn lock(&self) -> std::sync::MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self) -> Mark {
        *self.lock()
    }

    fn is_unwritten(&self) -> bool {
        self.file.metadata().is_ok_and(|found| Mark::of(&found) == self.mark())
    }
}

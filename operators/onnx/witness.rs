//! Checks that a model's files are still those that were hashed. A stamp says which model answered.
//!
//! Files are compared by length, times, inode and device. If those differ, the content is hashed again, so that a file that was only
//! touched, linked or put back counts as the same.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use threshflow::row::ContentHash;

use super::OnnxError;
use super::demonstration::length_before_mark;

/// The name of the graph's own file among those of a model.
pub(super) const GRAPH: &str = "graph";

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

/// Opens a file, and tells what is said of it.
type Opens = for<'w> fn(&'w Watched) -> std::io::Result<(Opened<'w>, Metadata)>;

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
        (witness.content, witness.bytes) =
            witness.hashed(Watched::held).map_err(|error| (String::new(), error))?;
        if let Some(written) = witness.files.iter().find(|it| !it.is_unwritten()) {
            let why = std::io::Error::other("it was written while it was read; run again");
            return Err((written.name.clone(), why));
        }
        Ok(witness)
    }

    fn hashed(&self, open: Opens) -> std::io::Result<(ContentHash, u64)> {
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        for watched in &self.files {
            let (file, told) = open(watched)?;
            let length = match watched.name.as_str() {
                GRAPH => length_before_mark(file.file(), told.len())?,
                _ => told.len(),
            };
            hasher.update(&(watched.name.len() as u64).to_le_bytes()).update(watched.name.as_bytes());
            hasher.update(&length.to_le_bytes()).update_reader(Read::take(file, length))?;
            bytes += told.len();
        }
        Ok((ContentHash::from_hasher(&hasher), bytes))
    }

    /// Whether the paths lead to what was hashed.
    pub(super) fn is_still_there(&self) -> Result<(), OnnxError> {
        self.look(|it| std::fs::metadata(&it.path), Watched::named)
    }

    /// Whether nobody wrote into the files that were hashed, wherever their names lead by now.
    pub(super) fn is_unwritten(&self) -> Result<(), OnnxError> {
        self.look(|it| it.file.metadata(), Watched::held)
    }

    fn look(
        &self,
        told: impl Fn(&Watched) -> std::io::Result<Metadata>,
        open: Opens,
    ) -> Result<(), OnnxError> {
        let marks: Vec<Option<Mark>> =
            self.files.iter().map(|it| told(it).ok().map(|found| Mark::of(&found))).collect();
        let other = self.files.iter().zip(&marks).find(|(it, mark)| **mark != Some(it.mark()));
        let Some((other, _)) = other else { return Ok(()) };
        // The same file with another time, or the same bytes in another file, are the same model.
        match self.hashed(open) {
            Ok((content, _)) if content == self.content => {}
            _ => return Err(OnnxError::Changed { path: other.path.clone() }),
        }
        for (it, mark) in self.files.iter().zip(marks) {
            let held = it.mark();
            if let Some(mark) = mark.filter(|mark| (mark.device, mark.inode) == (held.device, held.inode)) {
                *it.lock() = mark;
            }
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

    /// The file that is held, from its start.
    fn held(&self) -> std::io::Result<(Opened<'_>, Metadata)> {
        Ok((Opened::Held { file: &self.file, at: 0 }, self.file.metadata()?))
    }

    /// The file that its name leads to.
    fn named(&self) -> std::io::Result<(Opened<'_>, Metadata)> {
        let file = File::open(&self.path)?;
        let told = file.metadata()?;
        Ok((Opened::Named(file), told))
    }

    fn is_unwritten(&self) -> bool {
        self.file.metadata().is_ok_and(|found| Mark::of(&found) == self.mark())
    }
}

/// A file that is read from its start.
enum Opened<'a> {
    /// Several threads may read it, each with a place of its own.
    Held {
        file: &'a File,
        at: u64,
    },
    Named(File),
}

impl Opened<'_> {
    fn file(&self) -> &File {
        match self {
            Opened::Held { file, .. } => file,
            Opened::Named(file) => file,
        }
    }
}

impl Read for Opened<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Opened::Held { file, at } => {
                let read = file.read_at(buffer, *at)?;
                *at += read as u64;
                Ok(read)
            }
            Opened::Named(file) => file.read(buffer),
        }
    }
}

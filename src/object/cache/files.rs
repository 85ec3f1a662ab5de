//! The files of the cache on their disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Cache, PARTIAL, WHOLE};

/// What was taken away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Emptied {
    /// Whole objects.
    pub(crate) files: u64,
    /// Of these, and of parts that a killed process left behind.
    pub(crate) bytes: u64,
    /// Files that stay: somebody holds them, or they may not be written to.
    pub(crate) held: u64,
}

impl Cache {
    /// How many whole objects are there, and the bytes of all files.
    pub(crate) fn size(&self) -> io::Result<(u64, u64)> {
        let files = if self.folder.is_dir() { self.files()? } else { Vec::new() };
        let whole = files.iter().filter(|(path, ..)| is_whole(path)).count();
        Ok((whole as u64, files.iter().map(|(_, len, _)| len).sum()))
    }

    /// Takes away all that nobody holds.
    pub(crate) fn empty(&self) -> io::Result<Emptied> {
        let mut emptied = Emptied::default();
        if self.folder.is_dir() {
            let _counting = self.counting()?;
            for (path, len, _) in self.files()? {
                let Some(_file) = unheld(&path) else {
                    emptied.held += 1;
                    continue;
                };
                gone(fs::remove_file(&path))?;
                emptied.files += u64::from(is_whole(&path));
                emptied.bytes += len;
            }
        }
        Ok(emptied)
    }

    /// The files of the cache, each with its length and when it was used last. Others in its folder are nobody's business.
    pub(super) fn files(&self) -> io::Result<Vec<(PathBuf, u64, SystemTime)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (hash, ending) = name.split_once('.').unwrap_or((&name, ""));
            let is_ours = hash.len() == 32
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && (ending == WHOLE || ending.ends_with(&format!(".{PARTIAL}")));
            match fs::metadata(&path) {
                Ok(meta) if is_ours && meta.is_file() => {
                    files.push((path, meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
                }
                _ => {}
            }
        }
        Ok(files)
    }
}

pub(super) fn is_whole(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == WHOLE)
}

/// A file that nobody holds, locked. A lock that cannot be had, for whatever reason, is somebody's.
pub(super) fn unheld(path: &Path) -> Option<File> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Of a file that is to be gone, it is well where it is.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Bytes of a file that have their place on the disk.
pub(super) fn on_disk(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.blocks().saturating_mul(512))
}

/// Bytes that the disk of a folder has for who is not its master.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let path = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes())?;
    // SAFETY: all zeros are a valid `statvfs` to be written over.
    let mut said: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: it reads a text that ends with a zero, and writes what is known of the disk to `said`.
    match unsafe { libc::statvfs(path.as_ptr(), &raw mut said) } {
        0 => Ok(said.f_bavail.saturating_mul(said.f_frsize)),
        _ => Err(io::Error::last_os_error()),
    }
}

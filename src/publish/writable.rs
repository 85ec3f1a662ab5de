//! Checks that a folder can be written to, before anything is asked and not after.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Whether files can be made in `folder`, or, where it is not there yet, whether it can be made. Leaves nothing behind.
///
/// # Errors
/// What the system says, and what is in the way.
pub fn writable(folder: &Path) -> io::Result<()> {
    let nearest = nearest(folder)?;
    // It has no name: a crash leaves none behind. Not empty, for that a full disk takes.
    let mut probe = tempfile::tempfile_in(nearest)?;
    probe.write_all(&[0])?;
    probe.flush()
}

/// The folder itself, or the nearest one above it that is there.
fn nearest(folder: &Path) -> io::Result<&Path> {
    for above in folder.ancestors() {
        let path = if above == Path::new("") { Path::new(".") } else { above };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Ok(path),
            Ok(_) => {
                let what = format!("{} is no folder", path.display());
                return Err(io::Error::new(ErrorKind::NotADirectory, what));
            }
            Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) => {
                let what = format!("{} is a link that leads nowhere", path.display());
                return Err(io::Error::new(ErrorKind::NotADirectory, what));
            }
            // Of what lies below a file the system says this, too.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_there_or_can_be_made_is_writable_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["", "a", "a/b/c"] {
            writable(&folder.path().join(path)).unwrap();
        }
        writable(Path::new("not-there-yet")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        for (path, words) in
            [("file", "file is no folder"), ("file/a/b", "file is no folder"), ("link", "leads nowhere")]
        {
            let error = writable(&folder.path().join(path)).unwrap_err().to_string();
            assert!(error.contains(words), "{path}: {error}");
        }
        // Not even root makes a folder there.
        assert!(writable(Path::new("/proc/self/fdinfo/a")).is_err());
    }
}

//! How a commit checks the parts that it keeps: cheaply, and to the byte where a cheap check cannot tell.
//!
//! `.seen` records for every part how its file looked (length, times, inode) when its bytes were last known to be those of the manifest. A
//! part that looks different is read in full. Of the parts that look the same, those that were read longest ago are read too, up to
//! [`MOST_READ`] bytes for each commit. So every commit reads the whole of a folder of that size. Of a larger folder, each part has its
//! turn, except for files that are larger by themselves. This check, or [`verify`](super::verify()), finds bytes that a disk changed
//! without touching the times of a file.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::manifest::Part;
use super::split::hash_of_file;

/// A file as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Below the folder of the manifest.
    pub file: String,
    pub bytes: u64,
    /// BLAKE3 of its bytes, the first 16, as 32 hex digits; `None` in manifests that were written before there was one.
    pub hash: Option<String>,
}

impl From<&Part> for Named {
    fn from(part: &Part) -> Self {
        Named { file: part.file.clone(), bytes: part.bytes, hash: part.hash.clone() }
    }
}

const SEEN: &str = ".seen";
/// Bytes that a commit reads of parts which look as they did.
const MOST_READ: u64 = 1 << 30;
/// A disk is busy by then.
const MOST_READERS: usize = 8;

/// A published file that was not as it was written, and was written again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mended {
    /// Below the folder of the manifest.
    pub file: String,
    /// What was wrong with it.
    pub why: String,
}

/// How a file looks without being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Look {
    pub(super) fn of(meta: &Metadata) -> Self {
        Look {
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }
}

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    hash: String,
    look: Look,
    /// The commit that read or wrote it.
    read: u64,
}

/// What the files of a folder looked like when they were last known to be as they were written. Where that can't be read, nothing is
/// known, and all of them are read.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    commits: u64,
    files: BTreeMap<String, Known>,
}

/// What is wrong with a file, without reading it; its look, where nothing is.
fn looked(path: &Path, bytes: u64) -> Result<Look, String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("it is missing".to_owned()),
        Err(error) => Err(format!("it cannot be looked at: {error}")),
        Ok(meta) if !meta.is_file() => Err("it is no plain file".to_owned()),
        Ok(meta) if meta.len() != bytes => {
            Err(format!("it is {} bytes long, and {bytes} were written", meta.len()))
        }
        Ok(meta) => Ok(Look::of(&meta)),
    }
}

/// What is wrong with a file that was written with these many bytes, of this hash: reads all of it.
pub(super) fn damage_of(path: &Path, bytes: u64, hash: &str) -> Option<String> {
    if let Err(why) = looked(path, bytes) {
        return Some(why);
    }
    match hash_of_file(path) {
        Ok(found) if found.to_string() == hash => None,
        Ok(found) => Some(format!("its bytes are not those that were written: they hash to {found}")),
        Err(error) => Some(format!("it cannot be read: {error}")),
    }
}

impl Seen {
    /// Reads what the last commit to the folder noted.
    pub fn read(root: &Path) -> Self {
        let text = fs::read(root.join(SEEN)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// What is wrong with each of the files, `None` where it may be kept. Without a hash none may.
    pub fn damages(&mut self, root: &Path, parts: &[Named]) -> Vec<Option<String>> {
        self.damages_within(root, parts, MOST_READ)
    }

    fn damages_within(&mut self, root: &Path, parts: &[Named], most: u64) -> Vec<Option<String>> {
        self.commits += 1;
        let mut damages: Vec<Option<String>> = vec![None; parts.len()];
        let (mut to_read, mut same) = (Vec::new(), Vec::new());
        for (place, part) in parts.iter().enumerate() {
            match looked(&root.join(&part.file), part.bytes) {
                Err(why) => damages[place] = Some(why),
                Ok(look) => match self.files.get(&part.file) {
                    Some(known) if known.look == look && Some(&known.hash) == part.hash.as_ref() => {
                        same.push((known.read, place));
                    }
                    _ => to_read.push(place),
                },
            }
        }
        same.sort_unstable();
        let mut left = most;
        to_read.extend(same.into_iter().map(|(_, place)| place).filter(|place| {
            let rest = left.checked_sub(parts[*place].bytes);
            left = rest.unwrap_or(left);
            rest.is_some()
        }));
        for (place, damage) in read_all(root, parts, &to_read) {
            if damage.is_none() {
                self.note(root, &parts[place]);
            }
            damages[place] = damage;
        }
        damages
    }

    /// Notes how a file looks whose bytes are known to be right.
    pub fn note(&mut self, root: &Path, part: &Named) {
        let (Ok(look), Some(hash)) = (looked(&root.join(&part.file), part.bytes), part.hash.clone()) else {
            return;
        };
        self.files.insert(part.file.clone(), Known { hash, look, read: self.commits });
    }

    /// What several processes know, each of parts of its own.
    pub(super) fn of_all(all: impl IntoIterator<Item = Seen>) -> Seen {
        let mut one = Seen::default();
        for seen in all {
            one.commits = one.commits.max(seen.commits);
            for (file, known) in seen.files {
                let is_news = one.files.get(&file).is_none_or(|there| there.read < known.read);
                if is_news {
                    one.files.insert(file, known);
                }
            }
        }
        one
    }

    /// Forgets all files but these.
    pub(super) fn retain<'a>(&mut self, named: impl IntoIterator<Item = &'a str>) {
        let named: HashSet<&str> = named.into_iter().collect();
        self.files.retain(|file, _| named.contains(file.as_str()));
    }

    /// Writes it down, for the files that are `named`. Where that fails, the next commit reads more, and no harm is done.
    pub fn write<'a>(mut self, root: &Path, named: impl IntoIterator<Item = &'a str>) {
        self.retain(named);
        let new = root.join(format!("{SEEN}.new"));
        let text = serde_json::to_vec(&self).unwrap_or_default();
        let _ = fs::write(&new, text).and_then(|()| fs::rename(&new, root.join(SEEN)));
    }
}

/// Reads these parts in full, several at a time.
fn read_all(root: &Path, parts: &[Named], places: &[usize]) -> Vec<(usize, Option<String>)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(&place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let part = &parts[place];
            let hash = part.hash.as_deref().unwrap_or_default();
            done.push((place, damage_of(&root.join(&part.file), part.bytes, hash)));
        }
        done
    };
    let readers =
        std::thread::available_parallelism().map_or(1, usize::from).min(MOST_READERS).min(places.len());
    crate::limits::side_by_side(readers, work).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ContentHash;

    /// A folder of three files, each of ten bytes, all known.
    fn known() -> (tempfile::TempDir, Seen, Vec<Named>) {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::default();
        let named = ["a", "b", "c"].map(|file| {
            let bytes = file.repeat(10);
            fs::write(folder.path().join(file), &bytes).unwrap();
            let hash = Some(ContentHash::of(bytes.as_bytes()).to_string());
            Named { file: file.to_owned(), bytes: 10, hash }
        });
        named.iter().for_each(|named| seen.note(folder.path(), named));
        (folder, seen, named.into())
    }

    fn rot(folder: &Path, seen: &mut Seen, file: &str) {
        fs::write(folder.join(file), [b'x'; 10]).unwrap();
        // As a disk does it, which touches no times.
        let look = looked(&folder.join(file), 10).unwrap();
        seen.files.get_mut(file).unwrap().look = look;
    }

    #[test]
    fn what_looks_the_same_is_read_in_turn_within_the_bound() {
        let (folder, mut seen, named) = known();
        rot(folder.path(), &mut seen, "c");
        // Ten bytes a commit: `c` is the third.
        let found: Vec<Vec<bool>> = (0..3)
            .map(|_| {
                let damages = seen.damages_within(folder.path(), &named, 19);
                damages.iter().map(Option::is_some).collect()
            })
            .collect();
        assert_eq!(found, [[false; 3].to_vec(), [false; 3].to_vec(), vec![false, false, true]]);
        assert!(seen.damages(folder.path(), &named)[2].is_some(), "small folders are read whole");
        // What is larger than the bound by itself holds up no other.
        let (folder, mut seen, mut named) = known();
        let large = b"large".repeat(10);
        fs::write(folder.path().join("a"), &large).unwrap();
        named[0] = Named { bytes: 50, hash: Some(ContentHash::of(&large).to_string()), ..named[0].clone() };
        seen.note(folder.path(), &named[0]);
        rot(folder.path(), &mut seen, "c");
        let found = [0, 1].map(|_| seen.damages_within(folder.path(), &named, 10)[2].is_some());
        assert_eq!(found, [false, true]);
    }

    #[test]
    fn what_looks_otherwise_is_read_whatever_the_bound() {
        let (folder, mut seen, named) = known();
        fs::write(folder.path().join("b"), [b'x'; 10]).unwrap();
        let damages = seen.damages_within(folder.path(), &named, 0);
        assert_eq!(damages.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
        // A copy looks otherwise, and holds the same: it is read once.
        let copy = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), [b'b'; 10]).unwrap();
        for it in &named {
            fs::copy(folder.path().join(&it.file), copy.path().join(&it.file)).unwrap();
        }
        assert_eq!(seen.damages_within(copy.path(), &named, 0), [const { None }; 3]);
        seen.write(copy.path(), named.iter().map(|named| named.file.as_str()));
        let seen = Seen::read(copy.path());
        assert!(
            named
                .iter()
                .all(|it| seen.files[&it.file].look == looked(&copy.path().join(&it.file), 10).unwrap())
        );
    }
}

//! Harm done to files, as disks, copying tools and hands do it: at places that a seed chooses.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Rng;

/// What can be done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// One bit, or a few.
    Flip,
    /// A run of bytes, up to a block, becomes zeroes.
    Zero,
    /// A run of bytes becomes noise.
    Noise,
    Cut,
    Emptied,
    Deleted,
    /// Garbage behind the end.
    Appended,
    /// It changes places with another file.
    Swapped,
}

pub const HARMS: [Harm; 8] = [
    Harm::Flip,
    Harm::Zero,
    Harm::Noise,
    Harm::Cut,
    Harm::Emptied,
    Harm::Deleted,
    Harm::Appended,
    Harm::Swapped,
];

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    pub harm: Harm,
    /// Below the folder.
    pub file: String,
    /// The other one of a swap.
    pub other: Option<String>,
}

/// Every file below `folder` but those in folders and of names that `skip` names.
pub fn files(folder: &Path, skip: &dyn Fn(&str) -> bool) -> Vec<String> {
    let (mut files, mut left) = (Vec::new(), vec![String::new()]);
    while let Some(below) = left.pop() {
        for entry in fs::read_dir(folder.join(&below)).into_iter().flatten().flatten() {
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => left.push(format!("{name}/")),
                false if !skip(&name) => files.push(name),
                false => {}
            }
        }
    }
    files.sort();
    files
}

/// Harms one of `files` below `folder`, which is then another than before.
pub fn harm(folder: &Path, files: &[String], rng: &mut Rng) -> Done {
    loop {
        let harm = HARMS[rng.below(HARMS.len())];
        let file = files[rng.below(files.len())].clone();
        let path = folder.join(&file);
        let before = fs::read(&path).expect("reads");
        let other = match harm {
            Harm::Swapped => {
                let other = files[rng.below(files.len())].clone();
                let bytes = fs::read(folder.join(&other)).expect("reads");
                if bytes == before {
                    continue;
                }
                fs::write(&path, &bytes).expect("writes");
                fs::write(folder.join(&other), &before).expect("writes");
                Some(other)
            }
            Harm::Deleted => {
                fs::remove_file(&path).expect("deletes");
                None
            }
            harm => {
                let after = harmed(harm, before.clone(), rng);
                if after == before {
                    continue;
                }
                write_in_place(&path, &after);
                None
            }
        };
        return Done { harm, file, other };
    }
}

fn harmed(harm: Harm, mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let from = rng.below(bytes.len());
    let to = (from + 1 + rng.below(4096)).min(bytes.len());
    match harm {
        Harm::Flip if !bytes.is_empty() => {
            for _ in 0..1 + rng.below(3) {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
            }
        }
        Harm::Zero if !bytes.is_empty() => bytes[from..to].fill(0),
        Harm::Noise if !bytes.is_empty() => {
            bytes[from..to].iter_mut().for_each(|byte| *byte = rng.next() as u8)
        }
        Harm::Cut => bytes.truncate(from),
        Harm::Emptied => bytes.clear(),
        Harm::Appended => (0..1 + rng.below(2000)).for_each(|_| bytes.push(rng.next() as u8)),
        _ => {}
    }
    bytes
}

/// Over the file itself, as a disk does it, and with the time of writing that it had.
fn write_in_place(path: &Path, bytes: &[u8]) {
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).expect("has a time");
    fs::write(path, bytes).expect("writes");
    let file = fs::File::options().write(true).open(path).expect("opens");
    file.set_modified(modified).expect("sets the time");
}

/// A folder's files, to be put back.
pub struct Kept(PathBuf, Vec<(String, Vec<u8>)>);

impl Kept {
    pub fn of(folder: &Path) -> Self {
        let read = |name: String| {
            let bytes = fs::read(folder.join(&name)).expect("reads");
            (name, bytes)
        };
        Kept(folder.to_owned(), files(folder, &|_| false).into_iter().map(read).collect())
    }

    /// Makes the folder what it was.
    pub fn put_back(&self) {
        let _ = fs::remove_dir_all(&self.0);
        for (name, bytes) in &self.1 {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("makes");
            fs::write(path, bytes).expect("writes");
        }
    }
}

/// How many damages a campaign does: `few`, or what `THRESHFLOW_DAMAGES` says.
pub fn damages(few: u64) -> u64 {
    std::env::var("THRESHFLOW_DAMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

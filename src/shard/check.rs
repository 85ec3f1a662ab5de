//! Finds out which shard files of a store are damaged. They are read, and never written.

use std::io;
use std::path::{Path, PathBuf};

use super::{file_lists, index_file, numbers, sources};

/// A file of the store that is not as it was written; nothing that was answered is in one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDamage {
    /// Below the store.
    pub file: String,
    pub why: String,
    /// What the next run does.
    pub next: &'static str,
}

const LOST_NUMBERS: &str =
    "the next run gives those shards other numbers, and asks again what it asked of their sidecars";

/// Whether a line is as it was written.
type IsLine = fn(&[u8]) -> bool;

/// Whether a file is as it was written, by its name and its bytes.
type IsFile = fn(&str, &[u8]) -> bool;

/// Looks at the catalogue, the sightings, the index files and the lists of files of a store.
pub(crate) fn check_store(store: &Path) -> io::Result<Vec<StoreDamage>> {
    let mut damaged = Vec::new();
    let logs: [(&str, IsLine, &str); 2] = [
        ("shards.log", numbers::is_line, LOST_NUMBERS),
        (
            "sources.log",
            sources::is_line,
            "the next run notes again where its shards lie; `export` and `release` of other shards may ask for a run first",
        ),
    ];
    for (file, is_line, next) in logs {
        let text = match std::fs::read(store.join(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        let broken = lines.filter(|line| *line != b"\n" && !is_line(line)).count();
        if broken > 0 {
            damaged.push(StoreDamage {
                file: file.to_owned(),
                why: format!("{broken} of its lines are damaged"),
                next,
            });
        }
    }
    let lost = numbers::without_number(store)?;
    if lost > 0 && damaged.iter().all(|found| found.file != "shards.log") {
        damaged.push(StoreDamage {
            file: "shards.log".to_owned(),
            why: format!("the lines of {lost} shards that were seen are gone"),
            next: LOST_NUMBERS,
        });
    }
    let folders: [(&str, &str, IsFile, &str); 2] = [
        ("index", ".idx", |_, file| index_file::is_whole(file), "the next run walks that shard again"),
        (
            "files",
            ".list",
            file_lists::is_whole,
            "the next run over that folder of pictures writes it again; `export` and `release` may ask for that run first",
        ),
    ];
    for (folder, ending, is_whole, next) in folders {
        for (name, path) in files_in(&store.join(folder))? {
            if name.ends_with(ending) && !is_whole(&name, &std::fs::read(path)?) {
                let (file, why) = (format!("{folder}/{name}"), "it is damaged".to_owned());
                damaged.push(StoreDamage { file, why, next });
            }
        }
    }
    damaged.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(damaged)
}

/// The files in a folder of the store by their names; none where it is not there.
pub(super) fn files_in(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries
        .map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())))
        .collect()
}

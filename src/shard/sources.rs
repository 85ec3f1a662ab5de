//! Where the files of each shard were last seen. `export` finds the pictures of an earlier set by this.
//!
//! `store/sources.log` has one line for each sighting: a CRC-32, a tab, and a JSON object. Lines are only added. The last complete line of
//! a shard counts. If some are lost, `export` ends with an error that says to run again, and nothing worse happens. The line of a shard of
//! loose files names the list of its members, which is a file of its own.

use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::loose::Holds;
use super::{ShardSource, file_lists};
use crate::object::{Object, ObjectUrl, Objects, is_url};
use crate::row::ContentHash;

#[derive(Serialize, Deserialize)]
struct Sighting {
    name: String,
    fingerprint: String,
    /// Absolute, or URLs of objects; a chunk that was missing stands as `{"Err": path}`.
    #[serde(rename = "pieces")]
    chunks: Vec<Result<PathBuf, PathBuf>>,
    /// Of loose files: the hash that names their list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<String>,
    /// Of loose files: the folder, for who reads the log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    folder: String,
}

/// Where a shard was seen.
#[derive(Clone, PartialEq)]
enum Place {
    Tar(Vec<Result<PathBuf, PathBuf>>),
    Files { list: ContentHash, folder: String },
}

#[derive(Default)]
pub(super) struct Sources {
    seen: HashMap<(String, ContentHash), Place>,
    /// The list that each shard of loose files was seen with last, by the shard's name and its folder.
    last: HashMap<(String, String), ContentHash>,
}

fn log_path(store: &Path) -> PathBuf {
    store.join("sources.log")
}

fn absolute(chunks: &[Result<PathBuf, PathBuf>]) -> Vec<Result<PathBuf, PathBuf>> {
    let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    chunks.iter().map(|chunk| chunk.as_ref().map(whole).map_err(whole)).collect()
}

fn urls(chunks: &[Result<Object, String>]) -> Vec<Result<PathBuf, PathBuf>> {
    let url = |chunk: &Result<Object, String>| match chunk {
        Ok(object) => Ok(object.url.to_string().into()),
        Err(url) => Err(url.into()),
    };
    chunks.iter().map(url).collect()
}

/// Files, which have absolute paths, or objects, which have URLs.
fn of_chunks(chunks: &[Result<PathBuf, PathBuf>], objects: &Objects) -> Option<Holds> {
    let is_object = |chunk: &Result<PathBuf, PathBuf>| match chunk {
        Ok(path) | Err(path) => path.to_str().is_some_and(is_url),
    };
    if !chunks.first().is_some_and(is_object) {
        return Some(Holds::Tar(chunks.to_vec()));
    }
    let object = |chunk: &Result<PathBuf, PathBuf>| match chunk {
        Ok(url) => {
            let url = ObjectUrl::parse(url.to_str()?).ok()?;
            Some(Ok(Object { url, version: None, objects: objects.clone() }))
        }
        Err(url) => Some(Err(url.to_str()?.to_owned())),
    };
    chunks.iter().map(object).collect::<Option<Vec<_>>>().map(Holds::Objects)
}

impl Sources {
    /// Reads the log; damaged lines are passed over, and taken out where the store may be written.
    pub(super) fn open(store: &Path, read_only: bool) -> std::io::Result<Self> {
        let mut sources = Sources::default();
        let text = match std::fs::read(log_path(store)) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(sources),
            Err(e) => return Err(e),
        };
        let mut sound = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            if let Some((key, place)) = read_line(line) {
                sources.insert(key, place);
                sound.extend(line);
            } else if line == b"\n" {
                sound.extend(line);
            }
        }
        if !read_only && sound != text {
            super::numbers::replace(store, &log_path(store), &sound)?;
        }
        Ok(sources)
    }

    /// Every shard that was ever seen.
    pub(super) fn shards(&self) -> impl Iterator<Item = &(String, ContentHash)> {
        self.seen.keys()
    }

    /// Notes where a shard lies; written down where `store` is given and that is news.
    pub(super) fn see(
        &mut self,
        source: &ShardSource,
        fingerprint: ContentHash,
        store: Option<&Path>,
    ) -> std::io::Result<()> {
        let key = (source.name.clone(), fingerprint);
        let (place, list) = match &source.holds {
            Holds::Tar(chunks) => (Place::Tar(absolute(chunks)), None),
            Holds::Objects(chunks) => (Place::Tar(urls(chunks)), None),
            Holds::Files(files) => {
                let (list, file) = file_lists::encode(files)?;
                let folder = files.absolute().folder.display().to_string();
                (Place::Files { list, folder }, Some((list, file)))
            }
        };
        if let (Some((hash, file)), Some(store)) = (&list, store) {
            file_lists::keep(store, *hash, file)?;
        }
        if self.seen.get(&key) == Some(&place) && self.is_last(&key.0, &place) {
            return Ok(());
        }
        if let Some(store) = store {
            let (chunks, files, folder) = match &place {
                Place::Tar(chunks) => (chunks.clone(), None, String::new()),
                Place::Files { list, folder } => (Vec::new(), Some(list.to_string()), folder.clone()),
            };
            let (name, fingerprint) = (key.0.clone(), fingerprint.to_string());
            let sighting = Sighting { name, fingerprint, chunks, files, folder };
            let json = serde_json::to_string(&sighting)?;
            let mut log = OpenOptions::new().append(true).create(true).open(log_path(store))?;
            // A line break first: a torn line before this one must not swallow it.
            log.write_all(format!("\n{:08x}\t{json}\n", crc32fast::hash(json.as_bytes())).as_bytes())?;
        }
        self.insert(key, place);
        Ok(())
    }

    fn insert(&mut self, key: (String, ContentHash), place: Place) {
        if let Place::Files { list, folder } = &place {
            self.last.insert((key.0.clone(), folder.clone()), *list);
        }
        self.seen.insert(key, place);
    }

    /// Whether a shard of that name was seen there last, if it is of loose files.
    fn is_last(&self, name: &str, place: &Place) -> bool {
        match place {
            Place::Tar(_) => true,
            Place::Files { list, folder } => self.last.get(&(name.to_owned(), folder.clone())) == Some(list),
        }
    }

    /// Where a shard was seen last; none where that is not known, or where the list of its files is lost or damaged.
    pub(super) fn find(
        &self,
        store: &Path,
        (name, fingerprint): (&str, ContentHash),
        objects: &Objects,
    ) -> Option<ShardSource> {
        let holds = match self.seen.get(&(name.to_owned(), fingerprint))? {
            Place::Tar(chunks) => of_chunks(chunks, objects)?,
            Place::Files { list, .. } => Holds::Files(file_lists::read(store, *list)?),
        };
        Some(ShardSource { name: name.to_owned(), holds })
    }
}

/// A list of what a folder held before, which no shard as it was seen last needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StaleList {
    /// Its file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// The stale lists of a store.
pub(crate) fn stale_lists(store: &Path) -> std::io::Result<Vec<StaleList>> {
    let sources = Sources::open(store, true)?;
    let in_use: HashSet<String> = sources.last.values().map(|hash| format!("{hash}.list")).collect();
    let mut stale = Vec::new();
    for (name, path) in super::check::files_in(&file_lists::folder_of(store))? {
        if name.ends_with(".list") && !in_use.contains(&name) {
            let bytes = std::fs::metadata(&path)?.len();
            stale.push(StaleList { path, bytes });
        }
    }
    Ok(stale)
}

/// Whether a line of `sources.log` is whole.
pub(super) fn is_line(line: &[u8]) -> bool {
    read_line(line).is_some()
}

fn read_line(line: &[u8]) -> Option<((String, ContentHash), Place)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, json) = line.split_once('\t')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(json.as_bytes()) {
        return None;
    }
    let sighting: Sighting = serde_json::from_str(json).ok()?;
    let place = match sighting.files {
        None => Place::Tar(sighting.chunks),
        Some(hash) => Place::Files { list: hash_of(&hash)?, folder: sighting.folder },
    };
    Some(((sighting.name, hash_of(&sighting.fingerprint)?), place))
}

fn hash_of(hex: &str) -> Option<ContentHash> {
    u128::from_str_radix(hex, 16).ok().map(|hash| ContentHash(hash.to_be_bytes()))
}

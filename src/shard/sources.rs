//! Where the files of each shard were last seen. `export` finds the pictures of an earlier set by this.
//!
//! `store/sources.log` has one line for each sighting: a CRC-32, a tab, and a JSON object. Lines are only added. The last complete line of
//! a shard counts. If some are lost, `export` ends with an error that says to run again, and nothing worse happens.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ShardSource;
use crate::row::ContentHash;

#[derive(Serialize, Deserialize)]
struct Sighting {
    name: String,
    fingerprint: String,
    /// Absolute; a chunk that was missing stands as `{"Err": path}`.
    #[serde(rename = "pieces")]
    chunks: Vec<Result<PathBuf, PathBuf>>,
}

#[derive(Default)]
pub(super) struct Sources {
    seen: HashMap<(String, ContentHash), Vec<Result<PathBuf, PathBuf>>>,
}

fn log_path(store: &Path) -> PathBuf {
    store.join("sources.log")
}

fn absolute(source: &ShardSource) -> Vec<Result<PathBuf, PathBuf>> {
    let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    source.chunks.iter().map(|chunk| chunk.as_ref().map(whole).map_err(whole)).collect()
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
            if let Some((key, chunks)) = read_line(line) {
                sources.seen.insert(key, chunks);
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
        let chunks = absolute(source);
        if self.seen.get(&key) == Some(&chunks) {
            return Ok(());
        }
        if let Some(store) = store {
            let sighting = Sighting {
                name: key.0.clone(),
                fingerprint: fingerprint.to_string(),
                chunks: chunks.clone(),
            };
            let json = serde_json::to_string(&sighting)?;
            let mut log = OpenOptions::new().append(true).create(true).open(log_path(store))?;
            // A line break first: a torn line before this one must not swallow it.
            log.write_all(format!("\n{:08x}\t{json}\n", crc32fast::hash(json.as_bytes())).as_bytes())?;
        }
        self.seen.insert(key, chunks);
        Ok(())
    }

    pub(super) fn find(&self, name: &str, fingerprint: ContentHash) -> Option<ShardSource> {
        let chunks = self.seen.get(&(name.to_owned(), fingerprint))?.clone();
        Some(ShardSource { name: name.to_owned(), chunks })
    }
}

/// Whether a line of `sources.log` is whole.
pub(super) fn is_line(line: &[u8]) -> bool {
    read_line(line).is_some()
}

type Line = ((String, ContentHash), Vec<Result<PathBuf, PathBuf>>);

fn read_line(line: &[u8]) -> Option<Line> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, json) = line.split_once('\t')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(json.as_bytes()) {
        return None;
    }
    let sighting: Sighting = serde_json::from_str(json).ok()?;
    let fingerprint = u128::from_str_radix(&sighting.fingerprint, 16).ok()?;
    Some(((sighting.name, ContentHash(fingerprint.to_be_bytes())), sighting.chunks))
}

//! What a store holds beside answers, as copies of what lies in object stores: shards, and sets that are published in buckets. `clean` lists both,
//! and frees the shards. A mirror is read by commands that hold no lock of the store, and what is removed from a set is counted by it: it is left
//! to people, who know that nothing runs.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use crate::object::{Cache, CacheOptions, Emptied};
use crate::publish::Mirror;

/// The word that `--drop` takes for the shards.
pub(super) const CACHE: &str = "cache";

/// The store's own cache; `--cache` may name another one, which is not looked at.
fn cache_of(store: &Path) -> Option<Arc<Cache>> {
    Cache::of(&CacheOptions::default().or_in(store, false))
}

/// Says what is there. `clean` is the command without a `--drop`.
pub(super) fn list(store: &Path, clean: &str) -> Result<(), Failure> {
    let size = cache_of(store).map_or(Ok((0, 0)), |cache| cache.size());
    let (count, bytes) = size.map_err(|error| failed(store, &error))?;
    if count > 0 {
        crate::say!(
            "shards of object stores in cache/: {count}, {}; `{clean} --drop {CACHE}` frees them",
            megabytes(bytes)
        );
    }
    let mirrors = Mirror::all(store).map_err(|error| Failure::Failed(error.to_string()))?;
    for mirror in &mirrors {
        let (folder, size) = (mirror.folder.display(), megabytes(mirror.bytes));
        crate::say!("mirror of what is published in a bucket: {folder}, {size}");
    }
    if !mirrors.is_empty() {
        crate::say!(
            "a mirror may be deleted while nothing runs; the next command fetches what it needs from the bucket"
        );
    }
    Ok(())
}

/// Takes away the shards that nobody holds.
pub(super) fn drop_shards(store: &Path) -> Result<Emptied, Failure> {
    let emptied = cache_of(store).map_or(Ok(Emptied::default()), |cache| cache.empty());
    emptied.map_err(|error| failed(store, &error))
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn failed(store: &Path, error: &std::io::Error) -> Failure {
    let cache = store.join("cache");
    Failure::Failed(format!(
        "{} cannot be read or written: {error}; check its disk, and that you may write there",
        cache.display()
    ))
}

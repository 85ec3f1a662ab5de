//! What a store holds beside answers and may lose at any time: shards of object stores, and mirrors of sets that lie in buckets. `clean` lists and
//! drops it.

use std::path::Path;

use super::Failure;
use crate::object::{Cache, CacheOptions};
use crate::publish::{Mirror, PublishError};

/// The words that `--drop` takes for it.
pub(super) const CACHE: &str = "cache";
pub(super) const MIRRORS: &str = "mirrors";

pub(super) struct Fetched {
    cache: Option<std::sync::Arc<Cache>>,
    /// Files of the cache, and their bytes.
    shards: (u64, u64),
    mirrors: Vec<Mirror>,
}

impl Fetched {
    pub(super) fn of(store: &Path) -> Result<Self, Failure> {
        let cache = Cache::of(&CacheOptions::default().or_in(store, true));
        let size = cache.as_ref().map_or(Ok((0, 0)), |cache| cache.size());
        let shards = size.map_err(|error| unread(store, &error))?;
        Ok(Fetched { cache, shards, mirrors: Mirror::all(store).map_err(failed)? })
    }

    /// What is there, a line for each kind, with what frees it. `clean` is the command without a `--drop`.
    pub(super) fn list(&self, clean: &str) {
        let (count, bytes) = self.shards;
        if count > 0 {
            let size = megabytes(bytes);
            crate::say!("shards of object stores: {count}, {size}; `{clean} --drop {CACHE}` frees them");
        }
        for mirror in &self.mirrors {
            crate::say!(
                "mirror of what is published in a bucket: {}, {}",
                mirror.name(),
                megabytes(mirror.bytes)
            );
        }
        if !self.mirrors.is_empty() {
            crate::say!(
                "`{clean} --drop {MIRRORS}` frees them; the next command fetches what it needs of it"
            );
        }
    }

    /// Takes away the shards: their bytes.
    pub(super) fn drop_shards(&self, store: &Path) -> Result<u64, Failure> {
        self.cache.as_ref().map_or(Ok(0), |cache| cache.empty()).map_err(|error| unread(store, &error))
    }

    /// Takes away the mirrors that no command uses: their bytes.
    pub(super) fn drop_mirrors(&self) -> Result<u64, Failure> {
        let mut bytes = 0;
        for mirror in &self.mirrors {
            match mirror.remove().map_err(failed)? {
                true => bytes += mirror.bytes,
                false => crate::note!("{}: another command uses it, and it stays", mirror.name()),
            }
        }
        Ok(bytes)
    }
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn unread(store: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!(
        "the cache in {} cannot be read or written: {error}; check its disk",
        store.display()
    ))
}

fn failed(error: PublishError) -> Failure {
    Failure::Failed(error.to_string())
}

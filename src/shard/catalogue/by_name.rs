//! Shards that were published earlier, by what a manifest knows of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Catalogue, lock, still_so};
use crate::row::ContentHash;
use crate::shard::sources::Sources;
use crate::shard::{Shard, ShardError, ShardSource, index_file};

impl Catalogue {
    /// The shard that this store has indexed under that name and fingerprint, at its paths as last seen.
    /// An error that names the paths where its files have changed since, or are gone.
    pub fn by_name(&self, name: &str, fingerprint: ContentHash) -> Result<Arc<Shard>, ShardError> {
        let found = lock(&self.sources).find(&self.store, (name, fingerprint), &self.options.objects);
        let found = found.map(|source| self.at_source(&source, name, fingerprint));
        if let Some(Ok(shard)) = found {
            return Ok(shard);
        }
        // Another process of a run may have seen it, or seen it elsewhere.
        let mut failed = found.and_then(Result::err);
        let others = self.sources_of_others.get_or_init(|| {
            let read = |segment: &PathBuf| Sources::open(segment, true).unwrap_or_default();
            self.others.iter().map(read).collect()
        });
        for (segment, sources) in self.others.iter().zip(others) {
            let source = sources.find(segment, (name, fingerprint), &self.options.objects);
            match source.map(|source| self.at_source(&source, name, fingerprint)) {
                Some(Ok(shard)) => return Ok(shard),
                Some(Err(error)) => failed = failed.or(Some(error)),
                None => {}
            }
        }
        Err(failed.unwrap_or_else(|| {
            ShardError::Usage(format!(
                "the store {} knows no shard {name:?} of that content; name the store that it was published with, \
                 or run again with its shards first",
                self.store.display()
            ))
        }))
    }

    /// The shard of that name and fingerprint, if that is what lies there.
    fn at_source(
        &self,
        source: &ShardSource,
        name: &str,
        fingerprint: ContentHash,
    ) -> Result<Arc<Shard>, ShardError> {
        // Made with the options of the run that published: limits and orientation are part of a fingerprint, and
        // whoever exports need not know them.
        let bytes = self.open_bytes(source)?;
        let read = |(_, file): (PathBuf, Vec<u8>)| index_file::decode_of_any_options(&file, bytes.stamps());
        let mut indexes =
            self.index_files(source).filter_map(read).filter_map(|dated| still_so(dated, &bytes));
        if let Some(index) = indexes.find(|index| index.fingerprint == fingerprint) {
            let seq = self.number_of(name, fingerprint)?;
            return Ok(Arc::new(self.shard_of(seq, name, index, bytes)));
        }
        let shard = self.load(source)?;
        if shard.index.fingerprint == fingerprint {
            return Ok(shard);
        }
        Err(ShardError::Io {
            path: source.place(),
            source: std::io::Error::other(format!(
                "the shard {name:?} is not what was published from it any more"
            )),
            next: "run again to publish what it holds now",
        })
    }
}

//! The names of shards by their numbers. Rows that are otherwise equal are ordered by them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The name of every shard that this process has loaded. A number never comes to mean another shard, so what is in here
/// never changes. Shared: a clone is the same table.
///
/// A shard's number depends on the history of its store, and no order that what is published rests on may be taken from
/// it; its name does not.
#[derive(Clone, Debug, Default)]
pub struct ShardNames(Arc<RwLock<HashMap<u32, Arc<str>>>>);

impl ShardNames {
    /// The name of the shard of this number; empty for a number that was not given to any.
    pub fn name(&self, shard: u32) -> Arc<str> {
        // Held for one look or one insertion: nobody who reads waits.
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&shard).cloned().unwrap_or_default()
    }

    /// Says what the shard of this number is called, before its rows go in.
    pub fn insert(&self, shard: u32, name: &str) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.entry(shard).or_insert_with(|| name.into());
    }
}

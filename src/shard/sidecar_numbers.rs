//! The numbers that sidecars have in one field, for every sample that was loaded: what an answer that a sample brought along is made
//! of, at hand for a worker that may not wait for a disk.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::Shard;
use crate::row::RowId;

/// The numbers of one field: 4 bytes a sample. See [`Catalogue::sidecar_numbers`](super::Catalogue::sidecar_numbers).
pub struct SidecarNumbers {
    field: String,
    /// By shard, one a sample; NaN stands for none, for a sidecar's number is finite.
    shards: RwLock<HashMap<u32, Box<[f32]>>>,
}

impl SidecarNumbers {
    pub(super) fn new(field: &str) -> Self {
        SidecarNumbers { field: field.to_owned(), shards: RwLock::default() }
    }

    /// The field's name: `aes`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The number that a sample's sidecar has in the field; `None` where it has none, or the shard was not loaded.
    pub fn of(&self, id: RowId) -> Option<f32> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let number = *shards.get(&id.shard)?.get(id.member as usize)?;
        (!number.is_nan()).then_some(number)
    }

    pub(super) fn take_in(&self, shard: &Shard) {
        let of_sample = |numbers: &[(String, f32)]| {
            numbers.iter().find(|(name, _)| *name == self.field).map_or(f32::NAN, |(_, number)| *number)
        };
        let numbers = shard.index.samples.iter().map(|sample| of_sample(&sample.numbers)).collect();
        self.shards.write().unwrap_or_else(PoisonError::into_inner).insert(shard.seq, numbers);
    }
}

//! The small part of the shards that publishing needs. Tests replace it by shards of their own.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use crate::row::{ContentHash, Refusal};
use crate::shard::{Catalogue, Member, Shard, ShardError, ShardIndex, Sidecar, Unreadable};

/// A shard that is open.
pub(super) trait OpenShard: Send + Sync {
    fn index(&self) -> &ShardIndex;
    /// What the sample's sidecars say; an error where that cannot be told.
    fn sidecar(&self, sample: u32) -> Result<Sidecar, Unreadable>;
    fn member_bytes(&self, member: &Member) -> Result<Cow<'_, [u8]>, Refusal>;
    /// The member's file, where the shard is of loose files.
    fn file_of(&self, _member: &Member) -> Option<String> {
        None
    }
    /// The folder that they lie in, as it was named.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// Where shards are opened.
pub(super) trait Shards: Sync {
    type Open: OpenShard;
    /// By the number that this store gave it, which nothing published may depend on.
    fn numbered(&self, seq: u32) -> Result<Arc<Self::Open>, ShardError>;
    /// By what a manifest knows of it.
    fn named(&self, name: &str, fingerprint: ContentHash) -> Result<Arc<Self::Open>, ShardError>;
}

impl OpenShard for Shard {
    fn index(&self) -> &ShardIndex {
        &self.index
    }
    fn sidecar(&self, sample: u32) -> Result<Sidecar, Unreadable> {
        Shard::sidecar(self, sample)
    }
    fn member_bytes(&self, member: &Member) -> Result<Cow<'_, [u8]>, Refusal> {
        Shard::member_bytes(self, member)
    }
    fn file_of(&self, member: &Member) -> Option<String> {
        Shard::file_of(self, member)
    }
    fn folder(&self) -> Option<&Path> {
        Shard::folder(self)
    }
}

impl Shards for Catalogue {
    type Open = Shard;
    fn numbered(&self, seq: u32) -> Result<Arc<Shard>, ShardError> {
        self.shard(seq)
    }
    fn named(&self, name: &str, fingerprint: ContentHash) -> Result<Arc<Shard>, ShardError> {
        self.by_name(name, fingerprint)
    }
}

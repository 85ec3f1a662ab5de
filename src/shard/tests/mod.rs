//! Tests of the shard room.

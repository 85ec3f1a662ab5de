//! Threshflow: an incremental dataflow engine for curating image-edit datasets.
//!
//! A user moves a threshold; only what that move changes is recomputed. ARCHITECTURE.md walks through the
//! rooms and states the invariants.

pub mod publish;
pub mod row;
pub mod shard;

//! Threshflow: an incremental dataflow engine for curating image-edit datasets.
//!
//! When a user moves a threshold, only what that move changes is computed again. ARCHITECTURE.md states the invariants and describes the
//! rooms.

pub mod cli;
pub mod cluster;
pub mod dial;
pub mod flow;
pub mod label;
pub mod lane;
pub mod limits;
pub mod memo;
pub mod object;
pub mod pipeline;
pub mod publish;
pub mod report;
pub mod row;
pub mod say;
pub mod shard;
pub mod web;

/// What a pipeline file needs.
pub mod prelude {
    pub use crate::dial::DialSet;
    pub use crate::dials;
    pub use crate::flow::{Dial, DialBy, Flow};
    pub use crate::lane::{Operator, Stage};
    pub use crate::pipeline::Pipeline;
    pub use crate::row::{Group, Image, In, Row, Score, Scored, Unit, With};
    pub use std::sync::Arc;
}

//! Pipelines: one Rust file or folder for each pipeline, and the register of those that the program `threshflow` has.

pub mod distinct;
pub mod prepare;
pub mod recap_mask;
mod register;

pub use imgedit;
pub use kit::{demo, edit_record, ground, illustrate, released};
pub use register::PROGRAM;

//! The register of the pipelines that the program `threshflow` has. Each is a crate of its own, so that a changed line builds one again.

mod register;

pub use kit::{demo, edit_record, ground, illustrate, released};
pub use register::PROGRAM;
pub use {benchmarks, distinct, edit_bench, edit_bench_stages, imgedit, imgedit_stages, prepare, recap_mask};

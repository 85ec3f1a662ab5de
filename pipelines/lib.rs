//! Pipelines: one Rust file a pipeline, and what their programs show and measure.

mod candidates;
pub mod demo;
mod demo_run;
pub mod distinct;
pub mod edit_record;
pub mod ground;
pub mod illustrate;
pub mod imgedit;
pub mod prepare;
pub mod recap_mask;
pub mod released;

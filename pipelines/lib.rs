//! Pipelines: one Rust file a pipeline, the register of those that the program `threshflow` has, and what they show and measure.

mod bench;
pub mod demo;
mod demo_run;
pub mod distinct;
pub mod edit_record;
pub mod ground;
pub mod illustrate;
pub mod imgedit;
mod imgedit_args;
mod imgedit_demo;
mod imgedit_flags;
mod imgedit_open;
mod imgedit_record;
pub mod imgedit_release;
pub mod imgedit_verbs;
pub mod prepare;
mod prepare_demo;
mod recap_demo;
pub mod recap_mask;
mod recap_record;
mod register;
pub mod released;

pub use register::PROGRAM;

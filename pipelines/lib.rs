//! Pipelines: one Rust file or folder for each pipeline, the register of those that the program `threshflow` has, and what they show and
//! measure.

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
mod register;
pub mod released;

pub use register::PROGRAM;

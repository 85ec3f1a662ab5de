//! What the pipelines share: flags and stages of regions, the rules for candidates, records, the released layout, the pages' pictures, and
//! the demos.
//!
//! The pipelines are in crates of their own above this one. A changed line of a pipeline does not compile this again.

pub mod candidates;
pub mod demo;
pub mod demo_run;
pub mod edit_record;
pub mod ground;
pub mod illustrate;
pub mod models;
pub mod region_record;
pub mod released;
pub mod scorers;
pub mod servers;

#[doc(hidden)]
pub use clap;

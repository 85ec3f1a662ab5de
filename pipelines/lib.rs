//! Pipelines.
pub mod demo;

//! A pipeline for tests that does without a stage where a flag says so: of the pictures, and of their regions.

use threshflow::cli::{App, Failure, Workbench};

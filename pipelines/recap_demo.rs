//! `recap_mask demo`.

use std::path::Path;

use threshflow::cli::{Failure, Output};

/// Makes data, runs, turns dials, and says what happened.
pub fn run(_folder: &Path, _output: Output) -> Result<(), Failure> {
    Err(Failure::Failed("not yet".into()))
}

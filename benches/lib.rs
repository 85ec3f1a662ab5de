//! What the benches share: rows without pictures, a question that costs nothing, and pictures like photos.

pub mod photos;
pub mod questions;
pub mod rows;

use threshflow::flow::{Progress, Verdicts};

/// For [`threshflow::flow::Tick`]: never stops a run.
pub fn go_on(_: &Progress, _: &Verdicts) -> Result<(), String> {
    Ok(())
}

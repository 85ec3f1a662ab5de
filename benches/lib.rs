//! What the benches share: rows without pictures, a question that costs nothing, pictures like photos, and the demo's
//! scenes with its models.

pub mod photos;
pub mod questions;
pub mod rows;
pub mod scenes;

use threshflow::flow::{Progress, Verdicts};

/// For [`threshflow::flow::Tick`]: never stops a run.
pub fn go_on(_: &Progress, _: &Verdicts) -> Result<(), String> {
    Ok(())
}

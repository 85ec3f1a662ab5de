//! What the benches share: rows without pictures, a question that costs nothing, pictures like photos, and the demo's
//! scenes with its models; and how a turn is timed.

pub mod photos;
pub mod questions;
pub mod rows;
pub mod scenes;
pub mod turns;

use threshflow::flow::{Progress, Verdicts};

/// For [`threshflow::flow::Tick`]: never stops a run.
pub fn go_on(_: &Progress, _: &Verdicts) -> Result<(), String> {
    Ok(())
}

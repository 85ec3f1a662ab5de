//! What the benches share: pictures like photos, and the demo's scenes with its models; and how a turn is timed.

pub mod photos;
pub mod scenes;
pub mod turns;

pub use tests::live::go_on;
pub use tests::{questions, rows};

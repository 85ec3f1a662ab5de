//! The embedded editor: classical, deterministic, needs no model and no server. It is plain.

pub mod names;

pub use names::{COLOURS, drawable, grounds, looks, styles};

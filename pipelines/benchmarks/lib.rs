//! Benchmarks of image editing. A benchmark is a definition, one file each: where its items come from, what a judge is asked about them,
//! how an answer is read, the formula of an item, and the groups and totals of its table.
//!
//! All of this is pure: nothing here asks a judge. [`Judged`] items, with the raw answers that a run collected, become a table.

mod ask;
mod definition;
mod item;
mod judged;

pub use ask::{Ask, Part};
pub use definition::{Benchmark, all, by_name};
pub use item::{Item, Items, ItemsError};
pub use judged::{Answer, Judged, Lacks, Said};

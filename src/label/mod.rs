//! Labels by people, and what they say about a dial's cut.
//!
//! A person is shown rows around a dial's cut and calls each good or bad. From some 30 to 100 such labels this room estimates for every
//! threshold of the dial its *precision* (the share of good rows among those that pass) and its *recall* (the share of the good rows that
//! pass), with intervals of 95 %. [`Draw`] says which rows to show, [`Estimates`] computes, and [`Labels`] keeps the labels in the store.
//!
//! A label is by content. Rows without a score (NaN) never pass, and are neither drawn nor counted.

use std::io;
use std::path::PathBuf;

mod design;
mod estimate;
mod interval;
mod log;
mod scale;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use design::{Candidate, Draw, Drawn, Stratum, rank};
pub use estimate::{At, By, Estimate, Estimates, Labelled};
pub use interval::{CONFIDENCE, clopper_pearson};
pub use log::DamagedLine;
pub use scale::{BUCKETS, Passing, Population, Scale};
pub use store::{Label, Labels};
pub use table::Imported;

/// Why labels could not be used, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A value of the caller's is not allowed: which, what is, and the next step.
    #[error("{0}")]
    Wrong(String),
    /// The file system refused something.
    #[error("cannot {doing} {path}: {source}; check that the store's disk has room and may be written", path = path.display())]
    Io {
        /// The verb: `read`, `write`.
        doing: &'static str,
        /// Of what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is of a version that this program does not know.
    #[error(
        "{path} is of version {version}, and this program knows versions up to {known}: use the newer program that wrote it",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The file holds something else.
    #[error("{path} is no file of labels: move it to another place, and run again", path = .0.display())]
    NotLabels(PathBuf),
}

//! Labels by people, and what they say about a dial's cut.
//!
//! A person is shown rows around a dial's cut and calls each good or bad. From some 30 to 100 such labels this room estimates for every
//! threshold of the dial its *precision* (the share of good rows among those that pass) and its *recall* (the share of the good rows that
//! pass), with intervals of 95 %. [`Draw`] says which rows to show, [`Estimates`] computes, and [`Labels`] keeps the labels in the store.

mod design;
mod estimate;
mod interval;
mod scale;
#[cfg(test)]
mod tests;

pub use design::{Candidate, Draw, Drawn, Stratum, rank};
pub use estimate::{At, By, Estimate, Estimates, Labelled};
pub use interval::{CONFIDENCE, clopper_pearson};
pub use scale::{BUCKETS, Passing, Population, Scale};

/// Why labels could not be used, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A value of the caller's is not allowed: which, what is, and the next step.
    #[error("{0}")]
    Wrong(String),
}

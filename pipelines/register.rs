//! The register: one line for each pipeline of the program `threshflow`.

use threshflow::cli::{Entry, Program};

use crate::distinct::Distinct;
use crate::prepare::Prepare;
use crate::recap_mask::RecapMask;

/// The program `threshflow`.
pub static PROGRAM: Program = Program {
    name: "threshflow",
    about: "Curates image-edit datasets by pipelines whose thresholds can be moved at little cost",
    pipelines: &[
        // The first is the default: `threshflow run` is `threshflow imgedit run`.
        &imgedit::ENTRY,
        &Entry::of::<RecapMask>(),
        &Entry::of::<Prepare>(),
        &Entry::of::<Distinct>(),
    ],
};

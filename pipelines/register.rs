//! The register: one line for each pipeline of the program `threshflow`.

use threshflow::cli::{Entry, Program};

/// The program `threshflow`.
pub static PROGRAM: Program = Program {
    name: "threshflow",
    about: "Curates image-edit datasets by pipelines whose thresholds can be moved at little cost",
    pipelines: &PIPELINES,
};

static PIPELINES: [&Entry; 5] = [
    // The first is the default: `threshflow run` is `threshflow imgedit run`.
    &imgedit::ENTRY,
    &recap_mask::ENTRY,
    &prepare::ENTRY,
    &distinct::ENTRY,
    &edit_bench::ENTRY,
];

//! The register: one line for each pipeline of the program `threshflow`.

use threshflow::cli::Program;

/// The program `threshflow`.
pub static PROGRAM: Program = Program {
    name: "threshflow",
    about: "Curates image-edit datasets by pipelines whose thresholds can be moved at little cost",
    // The first is the default: `threshflow run` is `threshflow imgedit run`.
    pipelines: &[&imgedit::ENTRY, &recap_mask::ENTRY, &prepare::ENTRY, &distinct::ENTRY],
};

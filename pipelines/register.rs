//! The register: the pipelines that the program `threshflow` has, each by a line.

use threshflow::cli::{Entry, Program};

use crate::distinct::Distinct;
use crate::imgedit::ImgEdit;
use crate::prepare::Prepare;
use crate::recap_mask::RecapMask;

/// The program `threshflow`.
pub static PROGRAM: Program = Program {
    name: "threshflow",
    about: "Curates image-edit datasets by pipelines whose thresholds can be moved at little cost",
    pipelines: &[
        // The first is the default: `threshflow run` is `threshflow imgedit run`.
        Entry::of::<ImgEdit>(),
        Entry::of::<RecapMask>(),
        Entry::of::<Prepare>(),
        Entry::of::<Distinct>(),
    ],
};

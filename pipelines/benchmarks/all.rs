//! The benchmarks that there are.

use crate::Benchmark;

static ALL: [&Benchmark; 7] = [
    &crate::imgedit_basic::IMGEDIT_BASIC,
    &crate::imgedit_uge::IMGEDIT_UGE,
    &crate::imgedit_multiturn::IMGEDIT_MULTITURN,
    &crate::gedit::GEDIT,
    &crate::kris::KRIS,
    &crate::rise::RISE,
    &crate::complex_edit::COMPLEX_EDIT,
];

/// All that there are, in the order of `--help`.
pub fn all() -> &'static [&'static Benchmark] {
    &ALL
}

/// By its name.
pub fn by_name(name: &str) -> Option<&'static Benchmark> {
    all().iter().copied().find(|benchmark| benchmark.name == name)
}

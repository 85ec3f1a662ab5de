//! The `recap_mask` program: see `pipelines/recap_mask/mod.rs`.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<pipelines::recap_mask::RecapMask>()
}

//! The `distinct` program: see `pipelines/distinct.rs`.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<pipelines::distinct::Distinct>()
}

//! The `prepare` program: see `pipelines/prepare/mod.rs`.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<pipelines::prepare::Prepare>()
}

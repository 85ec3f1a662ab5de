//! The `imgedit` program: see `pipelines/imgedit/mod.rs`.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<pipelines::imgedit::ImgEdit>()
}

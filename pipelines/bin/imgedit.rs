//! The `imgedit` program: see `pipelines/imgedit.rs`.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<pipelines::imgedit::ImgEdit>()
}

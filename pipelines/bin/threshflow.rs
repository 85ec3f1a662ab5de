//! The program `threshflow`: every pipeline of the register as a subcommand.

fn main() -> std::process::ExitCode {
    threshflow::cli::main_of(&pipelines::PROGRAM)
}

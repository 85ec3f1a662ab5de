//! The tests' pipeline with regions as a program: for what only a process can show, such as being killed.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<tests::ground::Ground>()
}

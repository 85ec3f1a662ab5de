//! The tests' pipeline with groups, shares and named scorers as a program: for what only a process can show, such as being killed.

fn main() -> std::process::ExitCode {
    threshflow::cli::main::<tests::grouped::Grouped>()
}

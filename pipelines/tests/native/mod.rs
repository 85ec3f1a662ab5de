//! The back-end that not every machine has.

use operators::onnx::{Backend, BackendChoice, Device};

/// ONNX Runtime on the CPU, where its library is there; it must be where THRESHFLOW_REQUIRE_ORT=1 says so.
#[expect(clippy::print_stdout, reason = "a part of tests, whose words are captured")]
pub(crate) fn native() -> Option<Backend> {
    match Backend::find(BackendChoice::OnnxRuntime, Device::Cpu) {
        Ok(backend) => Some(backend),
        Err(error) if std::env::var_os("THRESHFLOW_REQUIRE_ORT").is_some_and(|v| v == "1") => {
            panic!("{error}")
        }
        Err(error) => {
            println!("SKIPPED the part with ONNX Runtime: {error}");
            None
        }
    }
}

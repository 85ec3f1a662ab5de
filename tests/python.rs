//! References in Python: Pillow, tarfile, webdataset, ONNX Runtime. Pinned in `tests/requirements.txt`.

use std::process::{Command, Stdio};

/// The `python3` of the PATH, if it can import all of `modules`, ready for arguments.
///
/// Where it cannot, a line on stderr says that the test is passed over; with `THRESHFLOW_REQUIRE_PYTHON=1`, as in CI, this panics.
pub fn python_with(modules: &[&str]) -> Option<Command> {
    let imports = modules.iter().map(|module| format!("import {module}\n")).collect::<String>();
    let outcome = Command::new("python3").args(["-c", &imports]).stdin(Stdio::null()).output();
    let why = match outcome {
        Ok(output) if output.status.success() => return Some(Command::new("python3")),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    let message = format!("python3 with {modules:?}: {why}; pip install -r tests/requirements.txt");
    assert!(std::env::var_os("THRESHFLOW_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{message}");
    eprintln!("passed over: {message}");
    None
}

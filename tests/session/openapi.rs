//! The session's OpenAPI file against what the session really answers.

use std::path::Path;

use tests::python::python_with;
use tests::resident::Resident;

use crate::desk;

#[test]
fn every_answer_is_as_the_openapi_file_describes_it() {
    let Some(mut python) = python_with(&["jsonschema", "openapi_spec_validator"]) else { return };
    let desk = desk();
    let session = Resident::start(&desk, "--cores 2 --slow 20");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("session/openapi.py");
    let held = python.arg(script).args([&session.base, &session.token]).output().expect("python3 starts");
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stderr));
}

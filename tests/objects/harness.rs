//! The server of these tests does what it is told to: a small client in Python meets each kind of harm.

use std::path::Path;

use tests::program::ended;
use tests::python::python_with;

#[test]
fn the_server_checks_signatures_counts_and_does_each_kind_of_harm() {
    let Some(mut python) = python_with(&["moto.server", "boto3"]) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects/harness.py");
    let said = ended(python.arg(script)).expect(0, &[]);
    assert!(said.stdout.contains("good"), "{said:#?}");
}

//! References in Python: Pillow, tarfile, webdataset, ONNX Runtime, Hugging Face `datasets`. Pinned in `tests/requirements.txt`
//! and `tests/requirements-no-deps.txt`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

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
    let message = format!("python3 with {modules:?}: {why}; pip install as CONTRIBUTING.md says");
    assert!(std::env::var_os("THRESHFLOW_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{message}");
    eprintln!("passed over: {message}");
    None
}

/// The Python that `variable` names, for what is too large for CI to install. Where it names none, a line on stderr says that the test is
/// passed over.
pub fn python_named_by(variable: &str, needs: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    if named.is_none() {
        eprintln!("passed over: {variable} names no python3 with {needs}");
    }
    named
}

/// A file of a tar: its name and its bytes.
pub type TarFile = (String, Vec<u8>);

/// A sample as webdataset groups it: its key and its extensions.
pub type Grouped = (String, Vec<String>);

/// What Python makes of a tar in these pieces: its files as `tarfile` and webdataset agree on them, and webdataset's samples.
/// Panics where the two don't agree. `None` where Python has no webdataset.
pub fn read_tar(pieces: &[impl AsRef<Path>]) -> Option<(Vec<TarFile>, Vec<Grouped>)> {
    let mut python = python_with(&["webdataset"])?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("read_tars.py");
    python.arg(script).args(pieces.iter().map(AsRef::as_ref)).stdin(Stdio::null());
    let output = python.output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for other in ["stream", "webdataset"] {
        assert_eq!(said["files"], said[other], "tarfile lists other files than {other} gives");
    }
    let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect();
    let files: Vec<(String, String)> =
        serde_json::from_value(said["files"].clone()).expect("names and bytes");
    let files = files.into_iter().map(|(name, hex)| (name, bytes(&hex))).collect();
    Some((files, serde_json::from_value(said["samples"].clone()).expect("keys and extensions")))
}

/// What Hugging Face `datasets` makes of a folder with a card, offline: by configuration the `columns` with their types and the
/// `rows`, which are the same loaded and streamed. Panics where one does not load. `None` where Python has no `datasets`.
pub fn load_datasets(folder: &Path) -> Option<Value> {
    reads(&["datasets"], "load_datasets.py", folder)
}

/// What it makes of a folder whose card tells of pictures: see `load_pictures.py`. `None` where Python has no `datasets`.
pub fn load_pictures(folder: &Path) -> Option<Value> {
    reads(&["datasets"], "load_pictures.py", folder)
}

/// What `mlcroissant` reads of a folder by its `croissant.json`: see `read_croissant.py`. `None` where Python has no `mlcroissant`.
pub fn read_croissant(folder: &Path) -> Option<Value> {
    reads(&["mlcroissant", "pyarrow"], "read_croissant.py", folder)
}

fn reads(modules: &[&str], script: &str, folder: &Path) -> Option<Value> {
    let mut python = python_with(modules)?;
    let cache = crate::scratch();
    python.envs([
        ("HF_HUB_OFFLINE", "1"),
        ("HF_DATASETS_OFFLINE", "1"),
        ("HF_DATASETS_DISABLE_PROGRESS_BARS", "1"),
    ]);
    python.env("HF_HOME", cache.path()).env("CROISSANT_CACHE", cache.path()).stdin(Stdio::null());
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script)).arg(folder);
    let output = python.output().expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("one JSON object"))
}

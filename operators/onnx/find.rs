//! Where a library of ONNX Runtime may be on this machine: what the user named, the active Python's wheel, the system.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the library by hand, as in every program that uses the ort crate.
pub(super) const NAMED_BY: &str = "ORT_DYLIB_PATH";

/// Where to look, in this order; `tried` says it in words for when nothing was there.
pub(super) struct Candidates {
    pub(super) paths: Vec<PathBuf>,
    pub(super) tried: String,
}

/// The library that the user named, if so.
pub(super) fn named() -> Option<PathBuf> {
    env::var_os(NAMED_BY).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Every library that there is, best first. One that is named rules out all others.
pub(super) fn candidates() -> Candidates {
    if let Some(path) = named() {
        return Candidates { tried: format!("{NAMED_BY}={}", path.display()), paths: vec![path] };
    }
    let mut paths = Vec::new();
    let mut tried = vec![format!("{NAMED_BY} is not set")];
    let python = python();
    match package_folder(&python) {
        Some(folder) => {
            let libraries = libraries_in(&folder.join("capi"));
            if libraries.is_empty() {
                tried.push(format!("no library in {}", folder.join("capi").display()));
            }
            paths.extend(libraries);
        }
        None => tried.push(format!("{} has no onnxruntime package", python.display())),
    }
    let folders = system_folders();
    paths.extend(folders.iter().flat_map(|folder| libraries_in(folder)));
    tried.push(format!("nor is one in LD_LIBRARY_PATH or in {}", SYSTEM_FOLDERS.join(", ")));
    Candidates { paths, tried: tried.join("; ") }
}

/// The interpreter of the active environment, else whichever `python3` the PATH gives (pyenv's shims included).
fn python() -> PathBuf {
    ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .iter()
        .filter_map(env::var_os)
        .map(|root| Path::new(&root).join("bin/python3"))
        .find(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// Asks Python where the `onnxruntime` package lies, without importing it (which takes a second).
fn package_folder(python: &Path) -> Option<PathBuf> {
    const ASK: &str = "import importlib.util as u; s = u.find_spec('onnxruntime'); \
                       print(list(s.submodule_search_locations)[0] if s else '')";
    let answer =
        Command::new(python).args(["-c", ASK]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let folder = String::from_utf8(answer.stdout).ok()?;
    let folder = folder.lines().last().unwrap_or_default().trim();
    (answer.status.success() && !folder.is_empty()).then(|| PathBuf::from(folder))
}

const SYSTEM_FOLDERS: [&str; 7] = [
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/opt/homebrew/lib",
];

fn system_folders() -> Vec<PathBuf> {
    let listed = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].iter().filter_map(env::var_os);
    let mut folders: Vec<PathBuf> = listed
        .flat_map(|list| env::split_paths(&list).collect::<Vec<_>>())
        .filter(|p| p.is_absolute())
        .collect();
    folders.extend(SYSTEM_FOLDERS.map(PathBuf::from));
    folders
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib`: newest name first, without the
/// providers' libraries, which can't be loaded by themselves.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_library = |name: &str| {
        let rest = name.strip_prefix("libonnxruntime.");
        rest.is_some_and(|rest| rest == "so" || rest.starts_with("so.1") || rest.ends_with("dylib"))
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_library))
        .map(|entry| entry.path())
        .collect();
    // By length first: 1.10 is newer than 1.9.
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    found.reverse();
    found
}

//! Folders compared byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

/// Every file below `folder` but dot-files, by relative path.
pub fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    walk(folder, "", &mut files);
    files
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{relative}/"), files);
        } else {
            files.insert(relative, std::fs::read(entry.path()).expect("reads"));
        }
    }
}

/// Panics, naming the files that differ, unless both folders hold the same.
pub fn assert_same(left: &Path, right: &Path, context: &str) {
    let (left, right) = (read(left), read(right));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&left), names(&right), "{context}: other files");
    for (name, bytes) in &left {
        assert!(bytes == &right[name], "{context}: {name} differs");
    }
}

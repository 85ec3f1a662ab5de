//! Names of members: which can't name a sample, and how all of them are shown to a person.

use crate::row::Refusal;

/// Most bytes that a member's path may have (Linux's own limit).
const MOST_PATH: usize = 4096;

/// The refusal of a sparse file, whose payload is not its content.
pub(super) fn sparse(named: &str) -> Refusal {
    Refusal::new(
        "sparse_file",
        format!("{named} is stored as a sparse file; write the tar again without --sparse"),
    )
}

/// What a member that is no file is, in words.
pub(super) fn kind_name(kind: u8) -> String {
    match kind {
        b'1' => "a hard link".to_owned(),
        b'2' => "a symbolic link".to_owned(),
        b'3' | b'4' => "a device".to_owned(),
        b'6' => "a fifo".to_owned(),
        other => format!("a member of the unknown type {}", shown(&[other])),
    }
}

/// Why a path can't name a sample, if it can't.
pub(super) fn hostile(path: &[u8]) -> Option<Refusal> {
    let refuse = |why: &str| Some(Refusal::new("hostile_name", format!("{} {why}", quoted(path))));
    if path.is_empty() {
        return refuse("is an empty name");
    }
    if path.len() > MOST_PATH {
        return refuse(&format!("has {} bytes, at most {MOST_PATH} are allowed", path.len()));
    }
    let Ok(text) = std::str::from_utf8(path) else { return refuse("is not UTF-8") };
    if text.contains('\0') {
        return refuse("holds a NUL");
    }
    if text.starts_with('/') {
        return refuse("is an absolute path");
    }
    if text.split('/').any(|part| part == "..") {
        return refuse("climbs out of its folder with `..`");
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    if last.is_empty() || last.starts_with('.') {
        return refuse("has no key: nothing stands before the first dot of its last part");
    }
    None
}

/// A path for a message: lossy, escaped (no control characters reach a terminal), not too long.
pub(super) fn quoted(path: &[u8]) -> String {
    const MOST: usize = 200;
    match path.get(..MOST) {
        Some(start) if path.len() > MOST => format!("{:?}...", String::from_utf8_lossy(start)),
        _ => format!("{:?}", String::from_utf8_lossy(path)),
    }
}

/// Bytes of a header for a message.
pub(super) fn shown(field: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(field))
}

//! Names of members: which of them cannot name a sample, and how all of them are shown to a person.

use crate::row::Refusal;

/// Most bytes that a member's path may have (Linux's own limit).
const MOST_PATH: usize = 4096;

/// The refusal of a sparse file, whose payload is not its content.
pub(super) fn sparse(named: &str) -> Refusal {
    Refusal::permanent(
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
    let refuse = |why: &str| Some(Refusal::permanent("hostile_name", format!("{} {why}", quoted(path))));
    if path.is_empty() {
        return refuse("is an empty name");
    }
    if path.len() > MOST_PATH {
        return refuse(&format!("has {} bytes, at most {MOST_PATH} are allowed", path.len()));
    }
    let Ok(text) = std::str::from_utf8(path) else {
        return refuse("is not UTF-8, which every name must be; write the tar again with UTF-8 names");
    };
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

/// Whether a path is of what systems leave beside a user's files: macOS' `._*`, `.DS_Store` and `__MACOSX/`, Windows' `Thumbs.db` and
/// `desktop.ini`, the extended headers of tars that were unpacked by a program that took them for files.
pub(super) fn is_litter(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 7] = [
        b"__MACOSX",
        b".AppleDouble",
        b".Spotlight-V100",
        b".Trashes",
        b".fseventsd",
        b"@eaDir",
        b"$RECYCLE.BIN",
    ];
    const FILES: [&[u8]; 7] = [
        b".DS_Store",
        b".localized",
        b"Icon\r",
        b"Thumbs.db",
        b"ehthumbs.db",
        b"desktop.ini",
        b"pax_global_header",
    ];
    let is_folder = |part: &[u8]| {
        FOLDERS.contains(&part)
            || part == b"PaxHeader"
            || part.strip_prefix(b"PaxHeaders").is_some_and(is_number_of)
    };
    // A folder's own entry may end with a slash.
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let mut parts = path.rsplit(|&byte| byte == b'/');
    let last = parts.next().unwrap_or_default();
    let is_file = last.starts_with(b"._") || FILES.iter().any(|known| known.eq_ignore_ascii_case(last));
    is_file || FOLDERS.contains(&last) || parts.any(is_folder)
}

/// What follows `PaxHeaders`: nothing, or a dot and the number of a process.
fn is_number_of(rest: &[u8]) -> bool {
    match rest.split_first() {
        None => true,
        Some((b'.', digits)) => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

/// A path for a message: escaped (no control characters reach a terminal), not too long.
pub(super) fn quoted(path: &[u8]) -> String {
    const MOST: usize = 200;
    let start = path.get(..MOST).unwrap_or(path);
    let ellipsis = if path.len() > MOST { "..." } else { "" };
    let escaped = |text: &str| text.escape_debug().to_string();
    format!("\"{}\"{ellipsis}", with_bytes(start, escaped))
}

/// A path as text: what is not UTF-8 of it stands as `\xe9`, so that two paths are seldom one text.
pub(super) fn readable(path: &[u8]) -> String {
    with_bytes(path, str::to_owned)
}

fn with_bytes(path: &[u8], of_text: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for chunk in path.utf8_chunks() {
        out.push_str(&of_text(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// Bytes of a header for a message.
pub(super) fn shown(field: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(field))
}

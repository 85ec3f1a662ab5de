//! File names of parts: a shard's name in a form that is safe for every file system, and the digest of what the part holds.
//!
//! `/` becomes `__`. Letters, digits, `.`, `-` and a single `_` stay. Everything else becomes `%XX`, byte by byte. So names are ASCII (no
//! file system normalises them) and never hidden (readers of parquet skip files that begin with `.` or `_`). A name that would be too long
//! is cut, and ends in `~` and its hash.

use crate::row::ContentHash;

/// File systems allow 255 bytes; the digest, the extension and a temporary file's suffix need some.
const LONGEST_STEM: usize = 180;
const DIGEST_DIGITS: usize = 32;

/// `laion/00012` and its digest as `laion__00012-<32 hex digits>.parquet`.
pub(super) fn part_name(shard: &str, digest: ContentHash, extension: &str) -> String {
    format!("{}-{digest}.{extension}", stem(shard))
}

/// Is `name` one that [`part_name`] could have given? Only such files are ever swept.
pub(super) fn is_part_name(name: &str, extension: &str) -> bool {
    name.strip_suffix(extension)
        .and_then(|rest| rest.strip_suffix('.'))
        .and_then(|rest| rest.rsplit_once('-'))
        .is_some_and(|(_, digest)| {
            digest.len() == DIGEST_DIGITS && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
}

fn stem(shard: &str) -> String {
    let bytes = shard.as_bytes();
    let mut stem = String::with_capacity(bytes.len() + 8);
    for (at, &byte) in bytes.iter().enumerate() {
        // A `_` or `/` beside another would make `__` mean two things.
        let separates = |other: Option<&u8>| matches!(other, Some(b'_' | b'/'));
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let lone = !separates(before) && !separates(bytes.get(at + 1));
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => stem.push(char::from(byte)),
            b'.' if at > 0 => stem.push('.'),
            b'_' if at > 0 && lone => stem.push('_'),
            b'/' if at > 0 && lone => stem.push_str("__"),
            _ => stem.push_str(&format!("%{byte:02X}")),
        }
    }
    if stem.len() > LONGEST_STEM {
        stem.truncate(LONGEST_STEM - DIGEST_DIGITS - 1);
        stem.push_str(&format!("~{}", ContentHash::of(bytes)));
    }
    stem
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn read_back(stem: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = stem.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else if first == b'_' && after.first() == Some(&b'_') {
                bytes.push(b'/');
                rest = &after[1..];
            } else {
                bytes.push(first);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn stems_are_reversible_safe_and_distinct() {
        let alphabet = ["a", "_", "/", ".", "%", "-", "é", " ", "~", "*", "\n"];
        let mut seen = HashSet::new();
        for code in 0..alphabet.len().pow(4) {
            let name: String =
                (0..4).map(|digit| alphabet[code / alphabet.len().pow(digit) % alphabet.len()]).collect();
            let stem = stem(&name);
            assert_eq!(read_back(&stem), name, "{stem}");
            assert!(!stem.starts_with(['.', '_']), "{stem} would be skipped by readers");
            assert!(stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-%".contains(&b)), "{stem}");
            assert!(seen.insert(stem));
        }
    }

    #[test]
    fn plain_names_stay_readable() {
        let digest = ContentHash([0xab; 16]);
        assert_eq!(stem("laion/00012"), "laion__00012");
        assert_eq!(stem("laion_aes-6.5/00012"), "laion_aes-6.5__00012");
        assert_eq!(part_name("00012", digest, "tar"), format!("00012-{}.tar", "ab".repeat(16)));
    }

    #[test]
    fn long_names_are_cut_and_stay_distinct() {
        let (one, two) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
        let digest = ContentHash([7; 16]);
        let name = part_name(&one, digest, "parquet");
        assert!(name.len() < 240 && is_part_name(&name, "parquet"), "{name}");
        assert_ne!(name, part_name(&two, digest, "parquet"));
    }

    #[test]
    fn only_our_own_names_are_ours() {
        let digest = ContentHash([7; 16]);
        assert!(is_part_name(&part_name("a-b", digest, "tar"), "tar"));
        for foreign in
            ["notes.txt", "a.tar", "a-0123.tar", "a-0123456789abcdef0123456789ABCDEF.tar", "-.tar", ".tar"]
        {
            assert!(!is_part_name(foreign, "tar"), "{foreign}");
        }
        assert!(!is_part_name(&part_name("a", digest, "tar"), "parquet"));
    }
}

//! Sealed JSON files: the last field of the object is the hash of everything else, so that a flipped bit is detected.

use serde::Serialize;

use crate::row::ContentHash;

/// What stands between the rest and the hash.
const BEFORE: &str = ",\n  \"check\": \"";
const BEHIND: &str = "\"\n}\n";
const DIGITS: usize = 32;
/// Says near the beginning that there is a seal at the end.
const SEALED: &[u8] = b"\n  \"sealed\": true";

/// As our JSON files are laid out, indented and with a newline at the end, and sealed where the object has the field `sealed: true`.
pub fn sealed(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    if !is_sealed(&text) || !text.ends_with(b"\n}") {
        text.push(b'\n');
        return Ok(text);
    }
    let hash = ContentHash::of(&text);
    text.truncate(text.len() - 2);
    text.extend(format!("{BEFORE}{hash}{BEHIND}").into_bytes());
    Ok(text)
}

/// Whether a file that says it is sealed is as it was written. One that doesn't say so was written before there were seals.
pub fn seal_holds(text: &[u8]) -> bool {
    let seal = BEFORE.len() + DIGITS + BEHIND.len();
    let Some((rest, seal)) = text.len().checked_sub(seal).map(|at| text.split_at(at)) else {
        return !is_sealed(text);
    };
    let hash = seal.strip_prefix(BEFORE.as_bytes()).and_then(|seal| seal.strip_suffix(BEHIND.as_bytes()));
    match hash {
        Some(hash) => ContentHash::of(&[rest, b"\n}"].concat()).to_string().as_bytes() == hash,
        None => !is_sealed(text),
    }
}

fn is_sealed(text: &[u8]) -> bool {
    text.windows(SEALED.len()).any(|part| part == SEALED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_shows() {
        #[derive(Serialize)]
        struct Told<'a> {
            format: &'a str,
            sealed: bool,
            parts: [u32; 3],
        }
        let text = sealed(&Told { format: "told", sealed: true, parts: [1, 2, 3] }).unwrap();
        assert!(seal_holds(&text) && serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        for at in 0..text.len() * 8 {
            let mut text = text.clone();
            text[at / 8] ^= 1 << (at % 8);
            assert!(!seal_holds(&text), "bit {at}");
        }
        assert!((1..text.len() - 1).all(|cut| cut < 40 || !seal_holds(&text[..cut])));
        let plain = sealed(&Told { format: "told", sealed: false, parts: [1, 2, 3] }).unwrap();
        assert!(plain.ends_with(b"]\n}\n") && seal_holds(&plain));
    }
}

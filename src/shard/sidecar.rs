//! The sidecars of a sample: its `.json` member and its caption.
//!
//! A sidecar is read as a stream and only what is wanted is kept: a tree of 16 MiB of `[0,0,...` would be a
//! gigabyte. What is handed on is the sidecar's own text without its white space, so no number loses digits.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::row::Refusal;

/// Most bytes of a `.json` or `.txt` member that are read.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// Most numbers that are kept of one sidecar.
const MOST_NUMBERS: usize = 32;

/// Deepest nesting that is taken: what other readers of JSON take too.
const MOST_DEEP: usize = 128;

/// What a `.json` member that holds one object says.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// The top-level numbers, in the order of the file; those that a 32-bit float can't hold are left out.
    pub(super) numbers: Vec<(String, f32)>,
    caption: Option<String>,
    cap: Option<String>,
}

impl Object {
    /// The caption that the object holds: `caption`, else the first string of `cap`.
    pub(super) fn into_caption(self) -> Option<String> {
        self.caption.or(self.cap).map(|text| text.trim().to_owned())
    }

    fn take(&mut self, name: String, value: &RawValue) {
        let text = value.get();
        let number = match text.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => text.parse::<f64>().ok().map(|n| n as f32).filter(|n| n.is_finite()),
            _ => None,
        };
        match name.as_str() {
            "caption" => self.caption = string(text),
            "cap" => self.cap = string(text).or_else(|| first_string(text)),
            _ => {}
        }
        // Of a name that stands twice, the last value counts, as everywhere in JSON.
        match (self.numbers.iter().position(|(known, _)| *known == name), number) {
            (Some(place), Some(number)) => self.numbers[place].1 = number,
            (Some(place), None) => drop(self.numbers.remove(place)),
            (None, Some(number)) if self.numbers.len() < MOST_NUMBERS => self.numbers.push((name, number)),
            (None, _) => {}
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taking;
        impl<'de> Visitor<'de> for Taking {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    object.take(name, value);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Taking)
    }
}

/// Reads a `.json` member: one object.
pub(super) fn parse(bytes: &[u8]) -> Result<Object, Refusal> {
    let refuse = |why: String| Refusal::new("bad_sidecar", format!("the .json member is not usable: {why}"));
    let text =
        std::str::from_utf8(without_mark(bytes)).map_err(|e| refuse(format!("it is not UTF-8 ({e})")))?;
    let object = serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
    let mut deepest = 0;
    see_text(text.as_bytes(), &mut |_, depth| deepest = deepest.max(depth));
    if deepest > MOST_DEEP {
        return Err(refuse(format!("it is nested {deepest} deep, at most {MOST_DEEP} is read")));
    }
    Ok(object)
}

/// The text of a `.json` member that [`parse`] takes, without its white space.
pub(super) fn compact(bytes: &[u8]) -> Option<String> {
    let text = without_mark(bytes);
    let mut out = Vec::with_capacity(text.len());
    see_text(text, &mut |byte, _| out.push(byte));
    String::from_utf8(out).ok()
}

/// The refusal of a `.json` member that is too long to be read.
pub(super) fn too_long(len: u64) -> Refusal {
    Refusal::new("bad_sidecar", format!("the .json member has {len} bytes, at most {MOST_BYTES} are read"))
}

/// Shows `see` every byte of a JSON text that is not white space between tokens, and how deep it is nested.
fn see_text(text: &[u8], see: &mut dyn FnMut(u8, usize)) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in text {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
        } else {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        see(byte, depth);
    }
}

/// A byte order mark is no JSON, but common in files from Windows.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn string(text: &str) -> Option<String> {
    text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten()
}

fn first_string(text: &str) -> Option<String> {
    let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    list.into_iter().find_map(|value| string(value.get()))
}

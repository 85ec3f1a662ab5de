//! The leaves of a record. Each keeps its own text: a number its digits, a string its escapes.

use std::fmt;
use std::ops::Deref;

use serde_json::value::RawValue;

/// A JSON number, finite as a 32-bit float, kept as its text so that no digit is lost.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// The shortest text that reads back as `value`; `None` for NaN and infinities, which JSON lacks.
    ///
    /// ```
    /// use operators::record::Number;
    /// assert_eq!(Number::of(0.1).unwrap().text(), "0.1");
    /// assert_eq!(Number::of(2000.0).unwrap().text(), "2000.0");
    /// assert!(Number::of(f32::NAN).is_none());
    /// ```
    pub fn of(value: f32) -> Option<Self> {
        value.is_finite().then(|| Number(format!("{value:?}").into()))
    }

    /// A number by its JSON text, without white space; `None` if it is no number, or too large for a 32-bit float.
    pub fn of_text(text: &str) -> Option<Self> {
        let begins_as_one = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let is_json =
            begins_as_one && serde_json::from_str::<&RawValue>(text).is_ok_and(|it| it.get() == text);
        let is_finite = || text.parse::<f32>().is_ok_and(f32::is_finite);
        (is_json && is_finite()).then(|| Number(text.into()))
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The nearest 32-bit float: finite.
    pub fn as_f32(&self) -> f32 {
        self.0.parse().unwrap_or_default()
    }

    /// The nearest 64-bit float: finite.
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or_default()
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string, and the way it was escaped where that was not the usual one (Python writes `caf\u00e9`).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    value: String,
    escaped: Option<Box<str>>,
}

impl Text {
    /// A string by its JSON text, quotes and escapes included; `None` if it is no string that Unicode can hold.
    pub(super) fn of_json(json: &str) -> Option<Self> {
        let value: String = json.starts_with('"').then(|| serde_json::from_str(json).ok())??;
        let escaped = (quoted(&value) != json).then(|| json.into());
        Some(Text { value, escaped })
    }

    /// The string itself.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    pub(super) fn write(&self, out: &mut String) {
        match &self.escaped {
            Some(escaped) => out.push_str(escaped),
            None => out.push_str(&quoted(&self.value)),
        }
    }
}

/// A string as JSON, escaped no more than it has to be.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Text { value: value.to_owned(), escaped: None }
    }
}

impl From<String> for Text {
    fn from(value: String) -> Self {
        Text { value, escaped: None }
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.value
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.value == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.value == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.value, f)
    }
}

/// Any JSON value that nobody looks into, kept as its text without white space.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// A value by its JSON text; `None` if that is not JSON.
    pub fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str::<&RawValue>(text).ok().map(|raw| Json(compact(raw.get()).into()))
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A measured number, and whether it stood alone or as a list of one: upstream writes its scores either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    pub value: Number,
    pub form: Form,
}

/// How a [`Measure`] is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `0.5`
    Alone,
    /// `[0.5]`
    Listed,
}

/// Valid JSON without the white space between its tokens.
pub(super) fn compact(json: &str) -> String {
    let mut out = Vec::with_capacity(json.len());
    see_tokens(json.as_bytes(), |byte, _, _| out.push(byte));
    // Nothing but ASCII white space was left out.
    String::from_utf8(out).unwrap_or_default()
}

/// Shows `see` every byte of a JSON text that is not white space between tokens, its place, and how deep it is nested
/// (`None` inside a string).
pub(super) fn see_tokens(json: &[u8], mut see: impl FnMut(u8, usize, Option<usize>)) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, &byte) in json.iter().enumerate() {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            see(byte, at, None);
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        see(byte, at, Some(depth));
    }
}

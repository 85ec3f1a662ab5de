//! Turns JSON as Python's `json` module writes and reads it into JSON that every reader takes.
//!
//! Python writes `NaN` and `Infinity`, and escapes of single surrogates. With `strict=False` it reads control characters inside strings.
//! `serde_json` reads none of these, and we found no crate that does and also says what it changed. So tokens are repaired here before
//! `serde_json` reads the text. `serde_json` decides whether the text is JSON at all.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Most changes that are noted of one text: a text with more is not worth its memory, and should be refused.
pub const MOST_CHANGES: usize = 65_536;

/// A text whose tokens are those of JSON. It may still be no JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictJson<'a> {
    pub text: Cow<'a, str>,
    /// What had to be put in the place of something else, in order, up to one more than [`MOST_CHANGES`]. Control characters that
    /// are now escaped are not among them, since nothing is lost by it.
    pub changes: Vec<Change>,
}

/// A token that JSON does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The byte of [`StrictJson::text`] at which its substitute begins.
    pub at: usize,
    pub what: Changed,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// `NaN`, `Infinity` or `-Infinity`: `null` stands for it.
    NotANumber(&'static str),
    /// A number beyond what a 64-bit float holds, by its first digits: `null` stands for it.
    TooLarge(String),
    /// An escaped surrogate without its other half: U+FFFD stands for it.
    LoneSurrogate,
}

/// Mends the tokens of `text` that Python's JSON has and JSON has not.
///
/// ```
/// use threshflow::shard::strict_json;
/// let strict = strict_json(r#"{"similarity": NaN, "caption": "a \ud83d\ude00 and half a \ud83d"}"#);
/// assert_eq!(strict.text, "{\"similarity\": null, \"caption\": \"a \\ud83d\\ude00 and half a \u{fffd}\"}");
/// assert_eq!(strict.changes.len(), 2);
/// ```
pub fn strict_json(text: &str) -> StrictJson<'_> {
    let mut mending = Mending { text, out: String::new(), copied: 0, changes: Vec::new() };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'"' => mending.string(at + 1),
            b'-' | b'+' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => mending.word(at),
            _ => at + 1,
        };
    }
    mending.done()
}

struct Mending<'a> {
    text: &'a str,
    out: String,
    /// Up to where `text` is in `out`.
    copied: usize,
    changes: Vec<Change>,
}

impl<'a> Mending<'a> {
    /// Puts `with` in the place of the bytes `from..to`, which are whole characters.
    fn replace(&mut self, from: usize, to: usize, with: &str, what: Option<Changed>) {
        self.out.push_str(self.text.get(self.copied..from).unwrap_or_default());
        if let Some(what) = what.filter(|_| self.changes.len() <= MOST_CHANGES) {
            self.changes.push(Change { at: self.out.len(), what });
        }
        self.out.push_str(with);
        self.copied = to;
    }

    /// Goes over what stands between punctuation; gives its end.
    fn word(&mut self, start: usize) -> usize {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte) || !byte.is_ascii();
        let rest = &self.text.as_bytes()[start..];
        let end = start + rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let word = &self.text[start..end];
        let not_a_number = ["NaN", "Infinity", "-Infinity"].into_iter().find(|known| *known == word);
        if let Some(known) = not_a_number {
            self.replace(start, end, "null", Some(Changed::NotANumber(known)));
        } else if is_too_large(word) {
            let shown = word.chars().take(24).collect();
            self.replace(start, end, "null", Some(Changed::TooLarge(shown)));
        }
        end
    }

    /// Goes over a string that begins at `at`, behind its quote; gives the place behind its other quote.
    fn string(&mut self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => return at + 1,
                b'\\' if bytes.get(at + 1) == Some(&b'u') => at = self.escape(at),
                // The character that follows may have several bytes, of which none but the first is looked at.
                b'\\' => at += 2,
                0..0x20 => {
                    let escaped = match byte {
                        b'\n' => "\\n".to_owned(),
                        b'\r' => "\\r".to_owned(),
                        b'\t' => "\\t".to_owned(),
                        other => format!("\\u{other:04x}"),
                    };
                    self.replace(at, at + 1, &escaped, None);
                    at += 1;
                }
                _ => at += 1,
            }
        }
        at
    }

    /// Goes over an escape `\uXXXX` at `at`, and the one behind it where they are a pair; gives its end.
    fn escape(&mut self, at: usize) -> usize {
        match (unit(self.text, at), unit(self.text, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at + 12,
            (Some(0xd800..=0xdfff), _) => {
                self.replace(at, at + 6, "\u{fffd}", Some(Changed::LoneSurrogate));
                at + 6
            }
            (Some(_), _) => at + 6,
            // Not an escape, as the reader will say.
            (None, _) => at + 2,
        }
    }

    fn done(mut self) -> StrictJson<'a> {
        if self.copied == 0 {
            return StrictJson { text: Cow::Borrowed(self.text), changes: self.changes };
        }
        self.out.push_str(self.text.get(self.copied..).unwrap_or_default());
        StrictJson { text: Cow::Owned(self.out), changes: self.changes }
    }
}

/// The number of an escape `\uXXXX` that stands at `at`.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Whether a word is a number that a 64-bit float can't hold: Python makes an infinity of it, others refuse it.
fn is_too_large(word: &str) -> bool {
    let may_be = word.len() > 300 || word.contains(['e', 'E']);
    let is_json = || serde_json::from_str::<&RawValue>(word).is_ok();
    may_be && word.parse::<f64>().is_ok_and(f64::is_infinite) && is_json()
}

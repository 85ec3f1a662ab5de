//! JSON as models write it: strictly where it is JSON; else with line breaks within strings, comments, commas before a closing
//! bracket, names without quotes and strings in single ones (read by `jsonc-parser`), and Python's `True`, `False` and `None`.
//!
//! A missing comma or quote is not made up: `"the "red" car"` could be read in more than one way.

use std::sync::LazyLock;

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::Value;

use super::once::Once;

static AS_MODELS_WRITE: LazyLock<ParseOptions> = LazyLock::new(|| ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: true,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: true,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: true,
    allow_bare_decimal_point_numbers: true,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: true,
});

/// The value that a text is. The error is that of the strict reading.
pub(in crate::words::chat) fn value(text: &str) -> Result<Value, String> {
    let strict = match serde_json::from_str::<Once>(text) {
        Ok(Once(value)) => return Ok(value),
        Err(error) => error,
    };
    // What is JSON and says a thing twice is not repaired.
    if strict.is_data() {
        return Err(strict.to_string());
    }
    let repaired = |text: &str| parse_to_serde_value::<Once>(text, &AS_MODELS_WRITE).ok();
    let value = repaired(text).or_else(|| repaired(&without_python(text)?));
    value.map(|Once(value)| value).ok_or_else(|| strict.to_string())
}

/// With JSON's words for Python's, outside of strings; nothing where there are none of those.
fn without_python(text: &str) -> Option<String> {
    const WORDS: [(&str, &str); 3] = [("True", "true"), ("False", "false"), ("None", "null")];
    let (mut json, mut from, mut quote) = (String::with_capacity(text.len()), 0, None);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            Some(_) if letter == '\\' => {
                letters.next();
            }
            Some(open) if letter == open => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if text[..at].ends_with(|letter: char| !letter.is_alphanumeric()) => {
                let word = WORDS.iter().find(|(python, _)| {
                    let rest = text[at..].strip_prefix(python);
                    rest.is_some_and(|rest| {
                        !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
                    })
                });
                if let Some((python, word)) = word {
                    json.push_str(&text[from..at]);
                    json.push_str(word);
                    from = at + python.len();
                }
            }
            _ => {}
        }
    }
    if from == 0 {
        return None;
    }
    json.push_str(&text[from..]);
    Some(json)
}

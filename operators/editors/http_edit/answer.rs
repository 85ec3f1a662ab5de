//! What an endpoint answered: the picture in it, or the place of the picture; and whether it is a picture.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use threshflow::row::Refusal;

use crate::editors::made;

/// Some servers leave out what base64 fills up with.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A picture as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Picture {
    Here(Vec<u8>),
    /// The URL that it is said to lie at.
    There(String),
}

/// Finds the picture in an answer. Refused as `content_filter` where the answer says that it holds none for that reason, else as `bad_answer`.
///
/// Words of the answer are not repeated: a server may echo what it was sent.
pub(super) fn picture(body: &[u8]) -> Result<Picture, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| bad(format!("{} bytes that are no JSON ({error})", body.len())))?;
    let data =
        value.get("data").and_then(Value::as_array).ok_or_else(|| bad("no list `data`".to_string()))?;
    let first = data.first();
    let text = |key: &str| first?.get(key)?.as_str().filter(|text| !text.is_empty());
    match (text("b64_json"), text("url")) {
        (Some(text), _) => from_base64(text).map(Picture::Here),
        (None, Some(url)) => match url.split_once(',').filter(|(head, _)| head.starts_with("data:")) {
            Some((head, text)) if head.ends_with(";base64") => from_base64(text).map(Picture::Here),
            Some(_) => Err(bad("a data URL that isn't base64".to_string())),
            None => Ok(Picture::There(url.to_string())),
        },
        (None, None) if first.is_some_and(was_filtered) => {
            let message = "the endpoint made a picture and kept it back, for what it shows";
            Err(Refusal::permanent("content_filter", message))
        }
        (None, None) => {
            Err(bad(format!("{} entries in `data`, the first without b64_json and url", data.len())))
        }
    }
}

/// xAI's servers answer so: a success without a picture.
fn was_filtered(entry: &Value) -> bool {
    entry.get("respect_moderation") == Some(&Value::Bool(false))
}

fn from_base64(text: &str) -> Result<Vec<u8>, Refusal> {
    // Some servers wrap its lines, or put the head of a data URL before it.
    let text = text.split_once(";base64,").map_or(text, |(_, text)| text);
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&text).map_err(|error| bad(format!("a picture in broken base64 ({error})")))
}

/// Checks that the bytes are a whole PNG, JPEG or WebP of a sensible size, by decoding them; else refused as `bad_answer`. Gives them
/// without metadata.
pub(super) fn taken(bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    made::taken(bytes).map_err(bad)
}

fn bad(what: String) -> Refusal {
    Refusal::transient("bad_answer", format!("the editing endpoint answered with {what}"))
}

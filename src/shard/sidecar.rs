//! The sidecars of a sample: its `.json` member and its caption.

use serde_json::{Map, Value};

use crate::row::Refusal;

/// Most bytes of a `.json` or `.txt` member that are read.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// Most numbers that are kept of one sidecar.
const MOST_NUMBERS: usize = 32;

/// Reads a `.json` member: one object.
pub(super) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let refuse = |why: String| Refusal::new("bad_sidecar", format!("the .json member is not usable: {why}"));
    // A byte order mark is no JSON, but common in files from Windows.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| refuse(format!("it is not UTF-8 ({e})")))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(refuse(format!("it holds {}, one object is needed", kind(&other)))),
        Err(e) => Err(refuse(format!("{e}; it must hold one JSON object"))),
    }
}

/// The refusal of a `.json` member that is too long to be read.
pub(super) fn too_long(len: u64) -> Refusal {
    Refusal::new("bad_sidecar", format!("the .json member has {len} bytes, at most {MOST_BYTES} are read"))
}

/// The top-level numbers, in the order of the file; those that a 32-bit float can't hold are left out.
pub(super) fn numbers(object: &Map<String, Value>) -> Vec<(String, f32)> {
    object
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Number(number) => Some((name.clone(), number.as_f64()? as f32)),
            _ => None,
        })
        .filter(|(_, number)| number.is_finite())
        .take(MOST_NUMBERS)
        .collect()
}

/// The caption that an object holds: `caption`, else the first string of `cap`.
pub(super) fn caption(object: &Map<String, Value>) -> Option<String> {
    let first = match (object.get("caption"), object.get("cap")) {
        (Some(Value::String(text)), _) => Some(text),
        (_, Some(Value::String(text))) => Some(text),
        (_, Some(Value::Array(list))) => list.iter().find_map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        }),
        _ => None,
    };
    first.map(|text| text.trim().to_owned())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

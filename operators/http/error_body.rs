//! What a server means by an error: its status, and a body of one of the shapes that servers write.
//!
//! `{"error": {"message", "type", "code", "param"}}`, `{"error": "text"}`, `{"detail": "text"}`,
//! `{"detail": [{"loc", "msg"}]}`, `{"message"}`, plain text, or nothing at all.

use serde_json::Value;

use super::CallClass;

/// As much of a server's words as an error repeats.
const MOST_WORDS: usize = 300;
/// Of them, and of the blanks between.
const MOST_LOOKED_AT: usize = 4_000;

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// For a person; empty where the server said nothing.
    pub words: String,
    /// All that it said of the kind of error, in small letters: type, code and words.
    hints: String,
}

impl Said {
    pub(crate) fn of(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Said::of_json(&value),
            Err(_) => Said::new(String::from_utf8_lossy(body).trim().to_owned(), ""),
        }
    }

    /// Of an answer that calls itself a success: `None` where it is no error.
    pub(crate) fn error_in(value: &Value) -> Option<(Self, Option<u16>)> {
        let error = value.get("error").filter(|error| !error.is_null())?;
        let code = error.get("code").and_then(number);
        Some((Said::of_json(value), code))
    }

    fn of_json(value: &Value) -> Self {
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let kinds: Vec<String> = [error, error.get("innererror").unwrap_or(&Value::Null)]
            .iter()
            .flat_map(|at| ["type", "code", "param"].map(|key| at.get(key)))
            .flatten()
            .map(text)
            .collect();
        let words = match (error, error.get("message"), value.get("detail")) {
            (_, Some(message), _) => text(message),
            (Value::String(error), ..) => error.clone(),
            (_, _, Some(Value::Array(faults))) => faults.iter().map(fault).collect::<Vec<_>>().join("; "),
            (_, _, Some(detail)) => text(detail),
            (other, ..) => other.to_string(),
        };
        Said::new(words, &kinds.join(" "))
    }

    fn new(words: String, kinds: &str) -> Self {
        Said { hints: format!("{kinds} {words}").to_lowercase(), words: shortened(&words) }
    }

    /// The class of an error of this status, and whether it may heal.
    pub(crate) fn class(&self, status: u16) -> (CallClass, bool) {
        let heals = |class| (class, true);
        let stays = |class| (class, false);
        match status {
            300..=399 => stays(CallClass::Redirected),
            // The words of a gateway that passes on its server's refusal are as good as the server's own.
            400 | 403 | 413 | 422 | 500 if self.hints_at(&CONTENT_FILTER) => stays(CallClass::ContentFilter),
            400 | 413 | 422 | 500 if self.hints_at(&CONTEXT) => stays(CallClass::ContextTooLong),
            400 | 403 | 422 if self.hints_at(&MODEL) => stays(CallClass::NotFound),
            400 if self.hints_at(&KEY) => stays(CallClass::Unauthorised),
            401 | 403 => stays(CallClass::Unauthorised),
            402 => stays(CallClass::OutOfQuota),
            404 | 405 | 410 => stays(CallClass::NotFound),
            408 => heals(CallClass::Timeout),
            409 | 425 => heals(CallClass::Busy),
            413 => stays(CallClass::RequestTooLarge),
            429 if self.hints_at(&QUOTA) => stays(CallClass::OutOfQuota),
            429 => heals(CallClass::RateLimited),
            400 | 422 if self.hints_at(&INPUT) && !self.hints_at(&SETTINGS) => stays(CallClass::BadInput),
            501 | 505 => stays(CallClass::ServerError),
            500.. => heals(CallClass::ServerError),
            _ => stays(CallClass::BadRequest),
        }
    }

    fn hints_at(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.hints.contains(word))
    }
}

const CONTENT_FILTER: [&str; 8] = [
    "content_filter",
    "content_policy",
    "contentpolicy",
    "content policy",
    "content management policy",
    "moderation_blocked",
    "responsibleai",
    "safety system",
];
const CONTEXT: [&str; 10] = [
    "maximum model length",
    "max_model_len",
    "context_length",
    "context length",
    "contextwindow",
    "context window",
    "maximum number of tokens",
    "too many tokens",
    "prompt is too long",
    "string_above_max_length",
];
/// OpenAI's code, and LiteLLM's words.
const MODEL: [&str; 2] = ["model_not_found", "invalid model name passed in model"];
/// LiteLLM without a database knows one key, and says this of every other.
const KEY: [&str; 1] = ["no_db_connection"];
/// Codes only: the words of a bound a minute speak of quotas and billing as well.
const QUOTA: [&str; 3] = ["insufficient_quota", "billing_hard_limit", "billing_not_active"];
/// Of the picture: what is wrong with a request's form would be wrong with every request.
const INPUT: [&str; 14] = [
    "invalid_image",
    "image_parse",
    "unsupported_image",
    "image_too",
    "invalid image",
    "invalid_base64",
    "unsupported image",
    "corrupt",
    "decode image",
    "decode the image",
    "process image",
    "load image",
    "identify image",
    "image is too",
];
const SETTINGS: [&str; 4] = ["unexpected field", "does not support", "multimodal model", "not a vision"];

fn fault(fault: &Value) -> String {
    let words = fault.get("msg").map_or_else(|| text(fault), text);
    match fault.get("loc").and_then(Value::as_array) {
        Some(place) => format!("{}: {words}", place.iter().map(text).collect::<Vec<_>>().join(".")),
        None => words,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Codes are numbers, or text that is one.
fn number(value: &Value) -> Option<u16> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    }
}

/// A server's words as they stand in messages: on one line, not for ever, and without what commands a terminal or hides letters.
pub(crate) fn shortened(words: &str) -> String {
    // No more than can be shown is looked at.
    let looked_at = words.char_indices().nth(MOST_LOOKED_AT).map_or(words, |(end, _)| &words[..end]);
    let line = looked_at.split_whitespace().collect::<Vec<_>>().join(" ");
    let harmless: String =
        line.chars().map(|letter| if is_harmful(letter) { '\u{fffd}' } else { letter }).collect();
    match harmless.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &harmless[..end]),
        None if looked_at.len() < words.len() => format!("{harmless}…"),
        None => harmless,
    }
}

/// Control characters, and those that turn the direction of writing.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

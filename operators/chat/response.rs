//! Reading what `chat/completions` answered: its text, or why there is none.
//!
//! Refusal classes: `content_filter` (a filter stopped it), `model_declined` (the model said that it won't), `answer_cut` (it
//! needed more tokens than it may have), `empty_answer`, `bad_response` (not in the protocol's form).

use serde_json::Value;
use threshflow::row::Refusal;

use crate::http::{self, Tokens};

/// Whether a refusal of this class says something of the question, and would come again for the same question to the same model.
/// Of the classes of this module, of [`ask`](super::ask()) and of the transport.
pub fn is_of_the_content(class: &str) -> bool {
    const OF_THE_CONTENT: [&str; 5] =
        ["content_filter", "model_declined", "answer_cut", "empty_answer", "unparsable_answer"];
    OF_THE_CONTENT.contains(&class) || http::is_of_the_content(class)
}

/// The text of the first choice: as one string, or in parts of text.
pub fn read(response: &Value) -> Result<String, Refusal> {
    let Some(choice) = response.pointer("/choices/0") else {
        // Azure answers a filtered question so, where it doesn't answer 400.
        let filtered = response.get("prompt_filter_results").is_some();
        let class = if filtered { "content_filter" } else { "bad_response" };
        let beginning = beginning(&response.to_string());
        return Err(Refusal::new(class, format!("the answer has no choices: {beginning}")));
    };
    let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
    let message = choice.get("message").unwrap_or(&Value::Null);
    if reason == "content_filter" {
        return Err(Refusal::new("content_filter", "the server's content filter stopped the answer"));
    }
    let declined = [message.get("refusal"), message.pointer("/provider_specific_fields/refusal")];
    if let Some(words) =
        declined.into_iter().flatten().filter_map(Value::as_str).find(|words| !words.is_empty())
    {
        return Err(Refusal::new("model_declined", format!("the model declined: {}", beginning(words))));
    }
    let text = text(message.get("content"))?;
    match (reason, text.trim()) {
        ("length", cut) => Err(Refusal::new(
            "answer_cut",
            format!(
                "the answer was cut at the most tokens that it may have, allow more or shorten what is asked for: {}",
                beginning(cut)
            ),
        )),
        (_, "") => {
            Err(Refusal::new("empty_answer", format!("the answer is empty, finish reason {reason:?}")))
        }
        (_, text) => Ok(text.to_owned()),
    }
}

fn text(content: Option<&Value>) -> Result<String, Refusal> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| match part {
                Value::String(text) => Some(text.as_str()),
                // Of several kinds, such as `thinking`, only what is said counts.
                part if part.get("type").is_none_or(|kind| kind == "text" || kind == "output_text") => {
                    part.get("text").and_then(Value::as_str)
                }
                _ => None,
            });
            Ok(texts.collect())
        }
        Some(other) => {
            let message =
                format!("the answer's content is neither text nor parts: {}", beginning(&other.to_string()));
            Err(Refusal::new("bad_response", message))
        }
    }
}

/// What it came to by its own `usage`; `None` where it doesn't say.
pub fn tokens(response: &Value) -> Option<Tokens> {
    let count = |name: &str| response.pointer(&format!("/usage/{name}")).and_then(Value::as_u64);
    Some(Tokens { prompt: count("prompt_tokens")?, completion: count("completion_tokens").unwrap_or(0) })
}

/// Whether a text is nothing but the model's word that it won't: short, no JSON in it, opening with one of the usual phrases.
/// Anything else counts as an answer.
pub fn declines(text: &str) -> bool {
    const LONGEST: usize = 400;
    const APOLOGIES: [&str; 8] = [
        "i'm sorry, but ",
        "i'm sorry, ",
        "i am sorry, but ",
        "i am sorry, ",
        "sorry, but ",
        "sorry, ",
        "i apologize, but ",
        "unfortunately, ",
    ];
    const UNABLE: [&str; 6] =
        ["i can't ", "i cannot ", "i can not ", "i'm unable to ", "i am unable to ", "i'm not able to "];
    const TO: [&str; 16] = [
        "assist",
        "help",
        "comply",
        "fulfill",
        "fulfil",
        "process this",
        "process that",
        "provide",
        "identify",
        "do that",
        "discuss",
        "continue",
        "engage",
        "analyze",
        "describe",
        "create",
    ];
    let text = text.trim().replace('\u{2019}', "'").to_lowercase();
    if text.len() > LONGEST || text.contains('{') {
        return false;
    }
    let rest = APOLOGIES.iter().find_map(|opening| text.strip_prefix(opening)).unwrap_or(&text);
    let Some(rest) = UNABLE.iter().find_map(|unable| rest.strip_prefix(unable)) else { return false };
    TO.iter().any(|verb| rest.starts_with(verb))
}

/// As much of an answer as a refusal quotes, on one line.
pub(super) fn beginning(text: &str) -> String {
    const MOST: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

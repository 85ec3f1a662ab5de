//! The body of a question, as `chat/completions` takes it.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::reader::{said, without_control_tokens};
use super::{ChatModel, ChatRequest, JsonAnswers, Part};
use crate::http::Tokens;

/// What differs from server to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub json: JsonAnswers,
    pub tokens_key: TokensKey,
}

/// The name of the bound on an answer's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokensKey {
    /// `max_tokens`: known to nearly all.
    Usual,
    /// `max_completion_tokens`: OpenAI's models that reason take no other.
    Newer,
}

/// What servers say, in lower case, that take no schemas: by name, or that a field is unknown.
pub(super) const SAID_OF_SCHEMAS: [&str; 11] = [
    "response_format",
    "json_schema",
    "json schema",
    "structured output",
    "guided",
    "grammar",
    "unexpected field",
    "unknown field",
    "unrecognized",
    "unsupported parameter",
    "extra inputs",
];

pub(super) fn body(model: &ChatModel, request: &ChatRequest, form: Form) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(model.model));
    body.insert("messages".into(), Value::Array(messages(request)));
    let tokens = match form.tokens_key {
        TokensKey::Usual => "max_tokens",
        TokensKey::Newer => "max_completion_tokens",
    };
    body.insert(tokens.into(), json!(model.max_tokens));
    if let Some(temperature) = model.temperature {
        // As it is written, not as the next double: 0.7 and not 0.699999988.
        let written = temperature.to_string().parse().unwrap_or(f64::from(temperature));
        body.insert("temperature".into(), json!(written));
    }
    if let Some(seed) = model.seed {
        body.insert("seed".into(), json!(seed));
    }
    if let (Some((name, schema)), JsonAnswers::AsSchema) = (&request.schema, form.json) {
        let schema = json!({"name": name, "strict": true, "schema": schema});
        body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": schema}));
    }
    Value::Object(body)
}

/// What is said. A control token in a caption, a noun or an answer would be one for the model as well: none is sent.
fn messages(request: &ChatRequest) -> Vec<Value> {
    let mut messages = Vec::new();
    if !request.system.is_empty() {
        messages.push(json!({"role": "system", "content": without_control_tokens(&request.system)}));
    }
    // Plain text where that is all: servers of text models take no lists.
    let content = match request.parts.as_slice() {
        [Part::Text(text)] => json!(without_control_tokens(text)),
        parts => Value::Array(parts.iter().map(part).collect()),
    };
    messages.push(json!({"role": "user", "content": content}));
    if let Some(again) = &request.again {
        // Thinking is not sent back either. Servers take no empty message, and templates want an answer between two questions.
        let answer = said(&again.answer).unwrap_or_else(|_| "(no answer)".to_owned());
        messages.push(json!({"role": "assistant", "content": answer}));
        messages.push(json!({"role": "user", "content": without_control_tokens(&again.complaint)}));
    }
    messages
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": without_control_tokens(text)}),
        Part::Picture { bytes, mime } => {
            let mut uri = format!("data:{mime};base64,");
            base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut uri);
            json!({"type": "image_url", "image_url": {"url": uri}})
        }
    }
}

/// What a question may come to: four letters a token, a picture of the most pixels (28 x 28 a token), and an answer that is
/// as long as it may be.
pub(super) fn estimate(model: &ChatModel, request: &ChatRequest) -> Tokens {
    const A_PICTURE: u64 = 1728;
    let again = request.again.as_ref().map_or(0, |again| again.answer.len() + again.complaint.len());
    let (mut letters, mut pictures) = (request.system.len() + again, 0);
    for part in &request.parts {
        match part {
            Part::Text(text) => letters += text.len(),
            Part::Picture { .. } => pictures += 1,
        }
    }
    let prompt = letters as u64 / 4 + pictures * A_PICTURE;
    Tokens { prompt, completion: model.max_tokens.into() }
}

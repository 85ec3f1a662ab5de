//! Chat models with pictures, behind the OpenAI-compatible `chat/completions`: what is sent, what comes back, and what is asked.
//!
//! A question is a [`ChatRequest`], which a task builds ([`caption`], [`noun_finder`], [`instruct`], [`judge`]). A [`Raw`] has its raw
//! answer: [`Chat`] asks the server, and a durable answer cache may stand in front of it. [`ask()`] puts the two together. The raw answer
//! is what is paid for and remembered. Parsing it is a pure step of its own, so that a better parser asks nothing again. All tasks parse by
//! the one [`reader`].
//!
//! Answers of JSON are asked for by schema. A server that cannot do this answers 400 or 422, and is asked in text from then on: the prompts
//! state the form of the answer as well.

pub mod ask;
mod body;
pub mod caption;
pub mod instruct;
pub mod judge;
pub mod noun_finder;
pub mod picture;
mod prompt;
pub mod reader;
pub mod response;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use threshflow::row::{ContentHash, Refusal};

pub use ask::{Raw, ask, declined};
pub use picture::{PixelRange, encode};

use body::{Form, TokensKey};

use crate::http::{CallClass, CallError, Host, Tokens};

/// Pictures that wait to be sent, encoded: those of one question, roughly.
pub(crate) const BYTES_OF_A_REQUEST: u64 = 2 << 20;

/// Which of the dialects of the protocol a server speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// `BASE/chat/completions`; the base URL ends in `/v1`. Also vLLM, SGLang, LiteLLM, Azure's newer `/openai/v1`.
    OpenAi,
    /// `BASE/openai/deployments/MODEL/chat/completions?api-version=…`; the key goes in the header `api-key`.
    Azure { api_version: String },
}

/// How JSON is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonAnswers {
    /// By `response_format`; in text from the moment that the server turns that down.
    AsSchema,
    /// By the prompt's words alone.
    AsText,
}

/// A model and the way that it is sampled. Not where it is served, nor by which key.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatModel {
    /// As the server names it; the deployment's name with Azure.
    pub model: String,
    /// 0 to 2; `None` leaves it to the server, for models that take none.
    pub temperature: Option<f32>,
    /// `None` leaves it out, for servers that take none.
    pub seed: Option<u64>,
    /// Of an answer, at most. An answer that needs more is refused as `answer_cut`.
    pub max_tokens: u32,
    pub json: JsonAnswers,
    pub style: Style,
}

impl ChatModel {
    /// Temperature 0, seed 0, 1024 tokens, JSON by schema, OpenAI's style.
    pub fn new(model: impl Into<String>) -> Self {
        ChatModel {
            model: model.into(),
            temperature: Some(0.0),
            seed: Some(0),
            max_tokens: 1024,
            json: JsonAnswers::AsSchema,
            style: Style::OpenAi,
        }
    }

    /// What of it shapes an answer: model, temperature, seed, the bound on tokens, and the form of pictures. The form in which
    /// JSON is asked for is left out, since the server decides on it: what is taken for an answer is the same either way.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let temperature = self.temperature.map_or(Vec::new(), |value| value.to_le_bytes().to_vec());
        let seed = self.seed.map_or(Vec::new(), |value| value.to_le_bytes().to_vec());
        vec![
            ("model", self.model.as_bytes().to_vec()),
            ("temperature", temperature),
            ("seed", seed),
            ("max_tokens", self.max_tokens.to_le_bytes().to_vec()),
            ("pictures", picture::VERSION.as_bytes().to_vec()),
        ]
    }

    /// Behind the base URL, with a slash at its start.
    pub fn path(&self) -> String {
        match &self.style {
            Style::OpenAi => "/chat/completions".to_owned(),
            Style::Azure { api_version } => {
                format!("/openai/deployments/{}/chat/completions?api-version={api_version}", self.model)
            }
        }
    }
}

/// A piece of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// A picture file, and its type such as `image/jpeg`.
    Picture {
        bytes: Vec<u8>,
        mime: &'static str,
    },
}

/// An answer that could not be used, and why: what a question asked again repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub answer: String,
    pub complaint: String,
}

/// A question to a chat model.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    pub system: String,
    pub parts: Vec<Part>,
    /// A JSON schema of the answer, and its name; `None` where free text is wanted.
    pub schema: Option<(&'static str, Value)>,
    /// Where this is the second time of asking.
    pub again: Option<Complaint>,
}

impl ChatRequest {
    /// What its raw answer is remembered under. Of a question asked again the first answer counts and the complaint's words
    /// don't: a parser that complains in other words than the one before it finds the second answer all the same.
    pub fn content(&self) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        let mut feed = |kind: &[u8], bytes: &[u8]| {
            for part in [kind, bytes] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        };
        feed(b"system", self.system.as_bytes());
        for part in &self.parts {
            match part {
                Part::Text(text) => feed(b"text", text.as_bytes()),
                Part::Picture { bytes, mime } => {
                    feed(mime.as_bytes(), bytes);
                }
            }
        }
        if let Some((name, schema)) = &self.schema {
            feed(b"schema", name.as_bytes());
            feed(b"of", schema.to_string().as_bytes());
        }
        if let Some(Complaint { answer, .. }) = &self.again {
            feed(b"again", answer.as_bytes());
        }
        ContentHash::from_hasher(&hasher)
    }
}

/// What sends a question and waits for the answer, within all bounds of rate and budget.
pub trait Endpoint: Send + Sync {
    /// Posts `body` to `path` behind the base URL. `estimated` is what it may come to beforehand; `used` reads from the answer
    /// what it came to.
    fn post_json(
        &self,
        path: &str,
        body: &Value,
        estimated: Tokens,
        used: &dyn Fn(&Value) -> Option<Tokens>,
    ) -> Result<Value, CallError>;
}

impl Endpoint for Host {
    fn post_json(
        &self,
        path: &str,
        body: &Value,
        estimated: Tokens,
        used: &dyn Fn(&Value) -> Option<Tokens>,
    ) -> Result<Value, CallError> {
        let answered = Host::post_json(self, path, body, estimated)?;
        let (status, attempts) = (answered.status, answered.attempts);
        let read: Result<Value, serde_json::Error> = serde_json::from_slice(&answered.body);
        let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
        // A server that doesn't count is taken to have needed what was expected.
        let tokens = read.as_ref().ok().and_then(used).unwrap_or(estimated);
        self.spent(answered, model, tokens);
        read.map_err(|error| CallError {
            class: CallClass::NotJson,
            message: format!("the endpoint {} answered what is no JSON: {error}", self.name()),
            status: Some(status),
            retry: false,
            attempts,
        })
    }
}

/// A model at an endpoint: asks, and remembers nothing but what the server can't take.
pub struct Chat {
    model: ChatModel,
    endpoint: Arc<dyn Endpoint>,
    /// The server turned `response_format` down.
    without_schema: AtomicBool,
    /// The server wants the bound on tokens under its newer name.
    newer_tokens_key: AtomicBool,
}

impl Chat {
    pub fn new(model: ChatModel, endpoint: Arc<dyn Endpoint>) -> Self {
        let without_schema = AtomicBool::new(model.json == JsonAnswers::AsText);
        Chat { model, endpoint, without_schema, newer_tokens_key: AtomicBool::new(false) }
    }

    pub fn model(&self) -> &ChatModel {
        &self.model
    }

    /// As of now: what was turned down once is not sent again.
    fn form(&self) -> Form {
        let newer = self.newer_tokens_key.load(Ordering::Relaxed);
        Form {
            json: match self.without_schema.load(Ordering::Relaxed) {
                true => JsonAnswers::AsText,
                false => JsonAnswers::AsSchema,
            },
            tokens_key: if newer { TokensKey::Newer } else { TokensKey::Usual },
        }
    }

    /// Whether the server turned this form down, so that another may do; it is used from then on.
    fn gives_way(&self, request: &ChatRequest, form: Form, error: &CallError) -> bool {
        if !matches!(error.status, Some(400 | 422)) {
            return false;
        }
        let words = error.message.to_lowercase();
        let says = |known: &[&str]| known.iter().any(|known| words.contains(known));
        if form.tokens_key == TokensKey::Usual && says(&["max_completion_tokens"]) {
            self.newer_tokens_key.store(true, Ordering::Relaxed);
            return true;
        }
        let sent_schema = form.json == JsonAnswers::AsSchema && request.schema.is_some();
        if sent_schema && says(&body::SAID_OF_SCHEMAS) {
            self.without_schema.store(true, Ordering::Relaxed);
            return true;
        }
        false
    }
}

impl Raw for Chat {
    fn answer(&self, request: &ChatRequest) -> Result<String, Refusal> {
        let estimated = body::estimate(&self.model, request);
        loop {
            let form = self.form();
            let body = body::body(&self.model, request, form);
            match self.endpoint.post_json(&self.model.path(), &body, estimated, &response::tokens) {
                Ok(answer) => return response::read(&answer, self.model.max_tokens),
                // Each form gives way once, so that this ends.
                Err(error) if self.gives_way(request, form, &error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests;

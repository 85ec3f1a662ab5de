//! The durable side of chat models. Every raw answer that was paid for is kept under the hash of its question, and never asked for again.
//! Each reader parses it anew.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use threshflow::lane::{AnswerCache, Lanes, Limits};
use threshflow::memo::MemoError;
use threshflow::row::{ContentHash, Lasts, Refusal, Stamp};

use crate::http::{CallClass, CallError, Host, Tokens};
use crate::words::chat::{Chat, ChatModel, ChatRequest, Endpoint, Raw};

/// A chat model behind a cache of its answers.
pub struct ChatCache {
    name: &'static str,
    chat: Chat,
    host: Arc<Host>,
    cache: Arc<AnswerCache>,
}

/// A raw answer, and the day on which it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// By UTC: `2026-11-29`.
    pub day: String,
    pub text: String,
}

/// A chat model behind a cache that keeps the day of each answer beside it.
pub struct DatedChatCache(ChatCache);

/// A host whose answers are charged to a cache.
struct Metered {
    host: Arc<Host>,
    cache: Arc<AnswerCache>,
}

impl Endpoint for Metered {
    fn post_json(
        &self,
        path: &str,
        body: &Value,
        estimated: Tokens,
        used: &dyn Fn(&Value) -> Option<Tokens>,
    ) -> Result<Value, CallError> {
        self.host.first_word()?;
        let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
        let used = |answer: &Value| {
            let tokens = used(answer);
            let cost = self.host.settings().prices.cost(model, tokens.unwrap_or(estimated));
            self.cache.charge(cost.unwrap_or(0.0));
            tokens
        };
        Endpoint::post_json(&*self.host, path, body, estimated, &used)
    }
}

impl ChatCache {
    /// `name` is the cache's in summaries: `caption_chat`. Answers are kept by model, seed and sampling, not by where the model is
    /// served.
    pub fn open(
        name: &'static str,
        model: ChatModel,
        host: Arc<Host>,
        lanes: &Arc<Lanes>,
    ) -> Result<Arc<Self>, MemoError> {
        let stamp = stamp_of(name, &model);
        Self::open_under(stamp, (name, model), host, lanes).map(Arc::new)
    }

    fn open_under(
        stamp: Stamp,
        (name, model): (&'static str, ChatModel),
        host: Arc<Host>,
        lanes: &Arc<Lanes>,
    ) -> Result<Self, MemoError> {
        let described = format!("{} at {}", model.model, host.settings().base_url);
        let cache = AnswerCache::open(name, stamp, described, lanes)?;
        cache.charge(0.0);
        let metered = Metered { host: host.clone(), cache: cache.clone() };
        let chat = Chat::new(model, Arc::new(metered));
        Ok(ChatCache { name, chat, host, cache })
    }

    pub fn stamp(&self) -> Stamp {
        stamp_of(self.name, self.chat.model())
    }

    /// Of its cache.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether this was answered before: no request would be sent for it.
    pub fn knows(&self, request: &ChatRequest) -> bool {
        self.cache.knows(&request.content())
    }

    /// The same of a question by its [content](ChatRequest::content).
    pub fn knows_of(&self, question: &ContentHash) -> bool {
        self.cache.knows(question)
    }

    /// For people.
    pub fn description(&self) -> String {
        self.chat.model().model.clone()
    }

    /// Of an operator that asks this model, for one of its own answers, for so many of the model's, one after the other. Each may be
    /// asked for twice, if it does not parse.
    pub fn limits(&self, answers: u32) -> Limits {
        let settings = self.host.settings();
        let deadline = settings.deadline * 2 + Duration::from_secs(30);
        Limits::of_server(settings.most_in_flight, deadline * answers)
    }
}

/// With the cache's name: operators that ask the same model have a cache each, so that each can be told of and cleaned away.
/// Its part is named as in the stores that there are.
fn stamp_of(cache: &str, model: &ChatModel) -> Stamp {
    let mut parts = model.stamp_parts();
    parts.push(("book", cache.as_bytes().to_vec()));
    Stamp::of_gathered(&parts)
}

impl Raw for ChatCache {
    fn answer(&self, request: &ChatRequest) -> Result<String, Refusal> {
        let answer = self
            .cache
            .look_up_one(request.content(), || self.chat.answer(request).map(String::into_bytes))?;
        String::from_utf8(answer.to_vec()).map_err(|error| {
            Refusal::transient("foreign_answer", format!("a remembered answer is no text: {error}"))
        })
    }
}

impl DatedChatCache {
    /// As [`ChatCache::open`]. An answer that a [`ChatCache`] keeps has no day, and is not known here.
    pub fn open(
        name: &'static str,
        model: ChatModel,
        host: Arc<Host>,
        lanes: &Arc<Lanes>,
    ) -> Result<Arc<Self>, MemoError> {
        let stamp = Stamp::of(&[("dated", b"1"), ("chat", &stamp_of(name, &model).0.0)]);
        ChatCache::open_under(stamp, (name, model), host, lanes).map(|chat| Arc::new(DatedChatCache(chat)))
    }

    /// The answer and its day; both are asked for once. Refusals as of [`Chat`], but that `context_too_long` is not remembered: the length
    /// is a setting of the server, which may be raised until the next run, and a request that is turned away costs nothing.
    pub fn answer(&self, request: &ChatRequest) -> Result<Dated, Refusal> {
        let ChatCache { chat, cache, .. } = &self.0;
        let ask = || {
            let for_now = |refusal: Refusal| match refusal.class == CallClass::ContextTooLong.name() {
                true => Refusal { lasts: Lasts::Process, ..refusal },
                false => refusal,
            };
            let dated = Dated { text: chat.answer(request).map_err(for_now)?, day: today() };
            serde_json::to_vec(&dated)
                .map_err(|error| Refusal::transient("foreign_answer", error.to_string()))
        };
        let kept = cache.look_up_one(request.content(), ask)?;
        serde_json::from_slice(&kept).map_err(|error| {
            Refusal::transient("foreign_answer", format!("a remembered answer cannot be read: {error}"))
        })
    }

    /// The cache that has no days.
    pub fn undated(&self) -> &ChatCache {
        &self.0
    }
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_timestamp(since.as_secs().cast_signed(), 0)
        .map(|now| now.date_naive().to_string())
        .unwrap_or_default()
}

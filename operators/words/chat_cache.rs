//! The durable side of chat models. Every raw answer that was paid for is kept under the hash of its question, and never asked for again.
//! Each reader parses it anew.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use threshflow::lane::{AnswerCache, Lanes, Limits};
use threshflow::memo::MemoError;
use threshflow::row::{Refusal, Stamp};

use crate::http::{CallError, Host, Tokens};
use crate::words::chat::{Chat, ChatModel, ChatRequest, Endpoint, Raw};

/// A chat model behind a cache of its answers.
pub struct ChatCache {
    name: &'static str,
    chat: Chat,
    host: Arc<Host>,
    cache: Arc<AnswerCache>,
}

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
        let described = format!("{} at {}", model.model, host.settings().base_url);
        let cache = AnswerCache::open(name, stamp, described, lanes)?;
        cache.charge(0.0);
        let metered = Metered { host: host.clone(), cache: cache.clone() };
        let chat = Chat::new(model, Arc::new(metered));
        Ok(Arc::new(ChatCache { name, chat, host, cache }))
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

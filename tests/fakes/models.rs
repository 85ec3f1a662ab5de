//! A chat model and an image editor behind one address: they answer sensibly, always the same to the same request, and fail as
//! often as they are told to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use base64::Engine;
use serde_json::{Value, json};

use super::http::{Action, Asked, FakeServer};
use super::writer;
use crate::Rng;

/// How many of a hundred requests fail, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// 429, every second one with `Retry-After`.
    pub too_many: usize,
    /// 500, 502, 503.
    pub broken: usize,
    /// No answer until the client goes.
    pub hang: usize,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    Caption,
    Nouns,
    Instruct,
    Judge,
    Edit,
}

/// A script that has the first word; where it has none, the models answer as they do.
pub type Before = Box<dyn Fn(&Asked, Task) -> Option<Action> + Send + Sync>;

#[derive(Default)]
struct Counts {
    injected: AtomicUsize,
    answers: AtomicUsize,
}

/// The running models.
pub struct Models {
    server: FakeServer,
    counts: Arc<Counts>,
}

impl Models {
    pub fn start() -> Self {
        Models::with(Faults::default(), Box::new(|_, _| None))
    }

    pub fn failing(faults: Faults) -> Self {
        Models::with(faults, Box::new(|_, _| None))
    }

    pub fn with(faults: Faults, before: Before) -> Self {
        let counts = Arc::new(Counts::default());
        let counted = counts.clone();
        let server = FakeServer::start(move |asked| {
            if let Some(action) = fault(faults, asked.number) {
                counted.injected.fetch_add(1, SeqCst);
                return action;
            }
            counted.answers.fetch_add(1, SeqCst);
            let task = task(asked);
            before(asked, task).unwrap_or_else(|| answer(asked, task))
        });
        Models { server, counts }
    }

    pub fn url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    pub fn server(&self) -> &FakeServer {
        &self.server
    }

    /// Requests that failed as they were told to.
    pub fn injected(&self) -> usize {
        self.counts.injected.load(SeqCst)
    }

    /// Requests that were given an answer.
    pub fn answers(&self) -> usize {
        self.counts.answers.load(SeqCst)
    }

    /// What each request since number `first` was for, and its [`key`].
    pub fn asked_since(&self, first: usize) -> Vec<(Task, u64)> {
        self.server.asked()[first..].iter().map(|asked| (task(asked), key(asked))).collect()
    }
}

/// The same for the same request, whatever its form's boundary is.
pub fn key(asked: &Asked) -> u64 {
    let mut hasher = DefaultHasher::new();
    asked.path.hash(&mut hasher);
    let boundary = asked.header("content-type").and_then(|kind| kind.split_once("boundary="));
    match boundary {
        Some((_, boundary)) => {
            let boundary = boundary.trim_matches('"').as_bytes();
            let mut rest = asked.body.as_slice();
            while let Some(at) = rest.windows(boundary.len()).position(|some| some == boundary) {
                hasher.write(&rest[..at]);
                rest = &rest[at + boundary.len()..];
            }
            hasher.write(rest);
        }
        None => hasher.write(&asked.body),
    }
    hasher.finish()
}

fn fault(faults: Faults, number: usize) -> Option<Action> {
    let mut dice = Rng(number as u64 ^ 0x5eed);
    // Neighbouring seeds are alike at first.
    dice.next();
    let drawn = dice.below(100);
    let Faults { too_many, broken, hang } = faults;
    if drawn < too_many {
        let refused =
            Action::json(429, &json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}));
        return Some(if drawn.is_multiple_of(2) { refused.with("retry-after", "0.05") } else { refused });
    }
    if drawn < too_many + broken {
        return Some(Action::text([500, 502, 503][drawn % 3], "something went wrong"));
    }
    (drawn < too_many + broken + hang).then_some(Action::Hang)
}

fn task(asked: &Asked) -> Task {
    if asked.path.ends_with("/images/edits") {
        return Task::Edit;
    }
    match asked.json().pointer("/response_format/json_schema/name").and_then(Value::as_str) {
        None => Task::Caption,
        Some("nouns") => Task::Nouns,
        Some("instruction") => Task::Instruct,
        Some(_) => Task::Judge,
    }
}

/// What the models answer.
pub fn answer(asked: &Asked, task: Task) -> Action {
    let hash = key(asked);
    match task {
        Task::Edit => edited(hash),
        Task::Caption => said(&writer::caption(hash)),
        Task::Nouns => said(&writer::nouns(&last_text(&asked.json())).to_string()),
        Task::Instruct => said(&writer::instruction(&last_text(&asked.json()), hash).to_string()),
        Task::Judge => said(&judgement(hash).to_string()),
    }
}

/// A chat model's answer of these words.
pub fn said(words: &str) -> Action {
    let message = json!({"role": "assistant", "content": words});
    Action::json(
        200,
        &json!({
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20}
        }),
    )
}

/// The last text of the user's first message: what is asked.
fn last_text(body: &Value) -> String {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let user = messages.iter().find(|message| message["role"] == "user").map(|message| &message["content"]);
    match user {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part["text"].as_str()).next_back().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

fn judgement(hash: u64) -> Value {
    json!({
        "reason": "as it was asked for", "follows": 1 + hash % 5, "natural": 1 + hash / 5 % 5,
        "match": !(hash / 25).is_multiple_of(4)
    })
}

/// A picture of one colour, which follows from the request.
fn edited(hash: u64) -> Action {
    edited_at(hash, 48, 48)
}

/// The editing model's answer: a picture of this size, all of one colour.
pub fn edited_at(hash: u64, width: u32, height: u32) -> Action {
    let [red, green, blue, ..] = hash.to_le_bytes();
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb([red, green, blue]));
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).expect("encodes");
    let text = base64::engine::general_purpose::STANDARD.encode(png.into_inner());
    Action::json(200, &json!({"created": 1, "data": [{"b64_json": text}]}))
}

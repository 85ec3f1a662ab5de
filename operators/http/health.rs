//! The state of an endpoint, for everyone who waits for it: whether there is any hope of an answer, and what its trouble is now.
//!
//! Before the first question a list of models is asked for, which costs nothing. So an endpoint that nobody reaches, or that does not know
//! the key, is reported within seconds, and not after all retries of a paid call. An endpoint without such a list is taken to be well.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::header::CONNECTION;
use ureq::http::{HeaderValue, Method};

use super::afresh::Afresh;
use super::attempts::Call;
use super::gate::Went;
use super::send::{self, Expected, Payload, shown};
use super::{CallClass, CallError, Host, KeyHeader, Tokens};

/// For an answer to the first word. A server that is busy may need longer: that is told, and no error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of the list of models.
const MOST_BYTES: u64 = 4 << 20;

/// Models that an error names.
const MOST_NAMED: usize = 8;

/// Failures are told when they have lasted for so long: one that the next try heals is no news.
pub(crate) const NEWS_AFTER: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(super) struct Health {
    /// What came of the first word: the models that are served.
    first_word: Afresh<Result<Vec<String>, CallError>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The kinds of calls that were answered: by path and model, as in `Host::hopeless`.
    answered: BTreeSet<String>,
    hopeless: Option<String>,
    ails: Option<Ails>,
}

struct Ails {
    words: String,
    tries: u32,
    since: Instant,
    next: Option<Instant>,
    /// It did worse than to ask for patience: other requests that are under way may get no answer either.
    ceased: bool,
}

impl Ails {
    fn since(now: Instant) -> Self {
        Ails { words: String::new(), tries: 0, since: now, next: None, ceased: false }
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It gave what it was asked for, by a call of this kind.
    pub(super) fn answered(&self, kind: String) {
        let mut state = self.lock();
        state.ails = None;
        state.answered.insert(kind);
    }

    /// A request failed in that way, and the next one is sent after this pause; `None` where none is.
    pub(super) fn failed(&self, went: Went, words: &str, pause: Option<Duration>) {
        let now = Instant::now();
        let next = pause.map(|pause| now + pause);
        let mut state = self.lock();
        let ails = state.ails.get_or_insert_with(|| Ails::since(now));
        ails.tries += 1;
        ails.ceased |= went == Went::Badly;
        words.clone_into(&mut ails.words);
        ails.next = next;
    }

    /// No call of the kind can go well; an empty kind is all of them. Where none of these was ever answered, that is the end: what
    /// fails later fails its rows.
    pub(super) fn despaired(&self, kind: &str, why: &str) {
        let mut state = self.lock();
        let never = if kind.is_empty() { state.answered.is_empty() } else { !state.answered.contains(kind) };
        if never {
            state.hopeless.get_or_insert_with(|| why.to_owned());
        }
    }

    /// What made it hopeless may be over: it is asked for its models again.
    pub(super) fn try_again(&self) {
        self.first_word.forget_if(Result::is_err);
        self.lock().hopeless = None;
    }

    pub(super) fn hopeless(&self) -> Option<String> {
        self.lock().hopeless.clone()
    }

    /// Whether requests fail, one after the other. A server that asks for patience does answer.
    pub(super) fn has_ceased(&self) -> bool {
        self.lock().ails.as_ref().is_some_and(|ails| ails.ceased)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        let ails = state.ails.as_ref().filter(|ails| ails.since.elapsed() >= NEWS_AFTER)?;
        Some(trouble(&ails.words, ails.tries, ails.next))
    }

    /// The models that it serves, as far as it said.
    pub(super) fn models(&self) -> String {
        let Some(Ok(models)) = self.first_word.get() else { return String::new() };
        if models.is_empty() {
            return String::new();
        }
        let named: Vec<&str> = models.iter().take(MOST_NAMED).map(String::as_str).collect();
        let more = if models.len() > named.len() { ", …" } else { "" };
        format!("; it serves {}{more}", named.join(", "))
    }
}

/// `refuses connections, 12 tries, next in 8 s`.
pub(crate) fn trouble(words: &str, tries: u32, next: Option<Instant>) -> String {
    let tries = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
    let next =
        next.map(|next| next.saturating_duration_since(Instant::now()).as_secs()).filter(|next| *next > 0);
    let next = next.map_or(String::new(), |seconds| format!(", next in {seconds} s"));
    format!("{words}, {tries}{next}")
}

impl Host {
    /// Before a question is asked: that the endpoint can be reached and knows the key. It is asked once a process; who comes
    /// meanwhile waits for the answer.
    ///
    /// # Errors
    /// Nobody is reached, or the key isn't taken: no question can be answered.
    pub fn first_word(&self) -> Result<(), CallError> {
        self.health.first_word.get_or_init(|| self.list_of_models()).map(drop)
    }

    fn list_of_models(&self) -> Result<Vec<String>, CallError> {
        let call = Call {
            method: Method::GET,
            path: "/models",
            payload: Payload::Nothing,
            expected: Expected::Bytes,
            model: None,
            tokens: Tokens::default(),
        };
        let Ok(mut request) = self.request(&call) else { return Ok(Vec::new()) };
        // A server that has no such list may fail over it and then end the connection without a word (uvicorn): no question goes by that.
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let _beat = self.pulse.asked();
        match send::send(&self.agent, request, call.payload, call.expected, PATIENCE, MOST_BYTES) {
            Ok(received) => Ok(names(&received.body)),
            Err(fault) => {
                let error = self.error(&call, &fault, 1);
                let is_the_end = match fault.class {
                    CallClass::Unreachable => fault.status.is_none(),
                    // Where Azure has no list, it may blame the key: there the first question tells.
                    CallClass::Unauthorised => {
                        fault.status != Some(403) && self.settings.key_header == KeyHeader::Bearer
                    }
                    _ => false,
                };
                if is_the_end {
                    self.health.despaired("", &error.message);
                    return Err(CallError { retry: false, ..error });
                }
                if fault.class == CallClass::Timeout {
                    let words = format!("no answer to a list of models within {}", shown(PATIENCE));
                    self.health.failed(Went::Badly, &words, None);
                }
                Ok(Vec::new())
            }
        }
    }
}

/// `{"data": [{"id": "…"}]}`.
fn names(body: &[u8]) -> Vec<String> {
    let list: Value = serde_json::from_slice(body).unwrap_or_default();
    let models = list["data"].as_array().into_iter().flatten();
    models.filter_map(|model| model["id"].as_str()).map(super::error_body::shortened).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_when_it_lasts_and_ends_with_an_answer() {
        let health = Health::default();
        health.failed(Went::Badly, "refuses connections", Some(Duration::from_secs(8)));
        assert_eq!(health.trouble(), None, "one failure is no news");
        if let Some(ails) = &mut health.lock().ails {
            ails.since -= NEWS_AFTER;
        }
        health.failed(Went::Badly, "refuses connections", Some(Duration::from_millis(8_500)));
        assert_eq!(health.trouble().as_deref(), Some("refuses connections, 2 tries, next in 8 s"));
        health.answered("POST a".to_owned());
        assert_eq!(health.trouble(), None);
        health.despaired("POST a", "the model is gone");
        health.despaired("", "the key is gone");
        assert_eq!(health.hopeless(), None, "it has answered before");
        health.despaired("POST b", "there is no such model");
        assert_eq!(
            health.hopeless().as_deref(),
            Some("there is no such model"),
            "another was never answered"
        );
    }

    #[test]
    fn a_server_that_asks_for_patience_has_not_ceased_to_answer() {
        let health = Health::default();
        health.failed(Went::Unsaid, "slow down", None);
        assert!(!health.has_ceased());
        health.failed(Went::Badly, "refuses connections", None);
        health.failed(Went::Unsaid, "slow down", None);
        assert!(health.has_ceased());
        health.answered("POST a".to_owned());
        assert!(!health.has_ceased());
    }

    #[test]
    fn models_are_named() {
        assert_eq!(
            names(br#"{"object": "list", "data": [{"id": "a/b"}, {"no": 1}, {"id": "c"}]}"#),
            ["a/b", "c"]
        );
        assert!(names(b"<html>").is_empty() && names(b"[]").is_empty());
    }
}

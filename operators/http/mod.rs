//! Endpoints over HTTP: one [`Host`] for each, shared by the threads that ask it. Calls block.
//!
//! A host lets through no more calls than it may. It follows the pauses that the server asks for, repeats calls that may succeed, leaves a
//! failing server alone for a while, keeps to the run's budget, and counts. Other failures come back as a [`CallError`], whose class says
//! whether the same question would fail in the same way again.
//!
//! Connections, TLS and proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) are ureq's. backon computes the growth of the
//! pauses. The token buckets are governor's.

mod afresh;
mod attempts;
mod call_error;
mod error_body;
mod gate;
mod health;
mod key;
mod prices;
mod pulse;
mod report;
mod retry_after;
mod send;
mod settings;
mod spending;
mod trust;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use threshflow::lane::Endpoint;
use ureq::http::{HeaderMap, Method};

pub use afresh::Afresh;
pub use call_error::{CallClass, CallError};
pub(crate) use error_body::shortened;
pub use gate::Breaker;
pub(crate) use health::{NEWS_AFTER, trouble};
pub use key::{ApiKey, KeyHeader};
pub use prices::{Price, Prices};
pub(crate) use pulse::Pulse;
pub use report::{HostReport, Latency};
pub(crate) use send::LONGEST_CONNECT;
pub use settings::{HostSettings, HttpError};
pub use spending::{OverBudget, Reservation, Spending};
pub(crate) use trust::{ADVICE, Roots, is_distrust, is_loopback};

use attempts::Call;
use gate::Gate;
use health::Health;
use report::Counters;
use send::{Expected, Payload};

/// An answer may take longer than this, but whoever waits is told.
pub(crate) const SILENCE_IS_NEWS_AFTER: Duration = Duration::from_secs(6);

/// Tokens of a question and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub prompt: u64,
    pub completion: u64,
}

/// A field of a form.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Text {
        name: &'a str,
        text: &'a str,
    },
    /// `file_name` holds neither quotes nor line breaks; `mime` is such as `image/png`.
    File {
        name: &'a str,
        file_name: &'a str,
        mime: &'a str,
        bytes: &'a [u8],
    },
}

/// A success.
#[derive(Debug)]
pub struct Answered {
    /// 200 to 299.
    pub status: u16,
    pub headers: HeaderMap,
    /// Of [`Host::post_json`] and [`Host::post_multipart`] it is JSON.
    pub body: Vec<u8>,
    /// Requests that were sent for it.
    pub attempts: u32,
    /// What it was taken to cost beforehand, until [`Host::spent`] says better.
    reservation: Reservation,
}

/// One endpoint.
pub struct Host {
    settings: HostSettings,
    agent: ureq::Agent,
    gate: Gate,
    counters: Counters,
    health: Health,
    pulse: Pulse,
    /// What no call of the kind can hope for, and until when nobody tries: by path and model, or by nothing for the whole
    /// endpoint.
    hopeless: Mutex<HashMap<String, (Instant, CallError)>>,
}

impl Host {
    /// # Errors
    /// [`HttpError`] where a setting is none: the base URL, a header, a bound of 0.
    pub fn open(settings: HostSettings) -> Result<Arc<Self>, HttpError> {
        let settings = settings.checked()?;
        Ok(Arc::new(Host {
            agent: send::agent(&settings)?,
            gate: Gate::new(
                settings.most_in_flight,
                settings.requests_a_minute,
                settings.tokens_a_minute,
                settings.breaker,
            )
            .with_patience(settings.deadline),
            counters: Counters::new(&settings.name, &settings.base_url),
            health: Health::default(),
            pulse: Pulse::new(SILENCE_IS_NEWS_AFTER),
            hopeless: Mutex::default(),
            settings,
        }))
    }

    /// Posts JSON to `path`, which is put behind the base URL, and gets JSON. `estimated` is what it may come to: the
    /// token buckets and the budget take it beforehand; its model is the body's `model`.
    pub fn post_json(&self, path: &str, body: &Value, estimated: Tokens) -> Result<Answered, CallError> {
        let bytes = body.to_string().into_bytes();
        let model = body.get("model").and_then(Value::as_str);
        let payload = Payload::Json(&bytes);
        let method = Method::POST;
        self.call(&Call { method, path, payload, expected: Expected::Json, model, tokens: estimated })
    }

    /// Posts a form to `path` and gets JSON; its model is the text part `model`.
    pub fn post_multipart(
        &self,
        path: &str,
        parts: &[Part<'_>],
        estimated: Tokens,
    ) -> Result<Answered, CallError> {
        let model = parts.iter().find_map(|part| match part {
            Part::Text { name: "model", text } => Some(*text),
            _ => None,
        });
        let payload = Payload::Parts(parts);
        let method = Method::POST;
        self.call(&Call { method, path, payload, expected: Expected::Json, model, tokens: estimated })
    }

    /// Gets whatever stands at `path`.
    pub fn get_bytes(&self, path: &str) -> Result<Answered, CallError> {
        let (method, payload) = (Method::GET, Payload::Nothing);
        let tokens = Tokens::default();
        self.call(&Call { method, path, payload, expected: Expected::Bytes, model: None, tokens })
    }

    /// What an answer came to in the end, by its own `usage`.
    pub fn spent(&self, answered: Answered, model: &str, tokens: Tokens) {
        let cost = self.settings.prices.cost(model, tokens);
        self.counters.spent(model, tokens, cost);
        answered.reservation.settle(cost.unwrap_or(0.0));
    }

    /// Calls that wait end at once, with the class `stopped`, and new ones don't start; requests under way are waited for,
    /// since they are paid for.
    pub fn stop(&self) {
        self.gate.stop();
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    pub fn settings(&self) -> &HostSettings {
        &self.settings
    }

    pub fn report(&self) -> HostReport {
        HostReport { most_in_flight: self.gate.most_seen(), ..self.counters.report() }
    }
}

impl Endpoint for Host {
    fn name(&self) -> String {
        self.settings.base_url.clone()
    }
    fn stop(&self) {
        Host::stop(self);
    }
    fn report(&self) -> Value {
        serde_json::to_value(Host::report(self)).unwrap_or_default()
    }
    fn line(&self) -> String {
        Host::report(self).to_string()
    }
    fn hopeless(&self) -> Option<String> {
        self.health.hopeless()
    }
    fn try_again(&self) {
        self.health.try_again();
    }
    fn in_vain(&self) -> usize {
        if self.health.has_ceased() { self.gate.in_flight() } else { 0 }
    }
    fn trouble(&self) -> Option<String> {
        self.health.trouble().or_else(|| self.pulse.silence())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("settings", &self.settings).finish_non_exhaustive()
    }
}

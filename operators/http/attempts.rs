//! A call through all its attempts: the gate of the endpoint, the budget, the request, and the pause before the next attempt.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, header};

use super::error_body::shortened;
use super::gate::{NotLetIn, Went};
use super::send::{self, Expected, Fault, Payload, Received, shown};
use super::{Answered, CallClass, CallError, Host, KeyHeader, Tokens};

/// For how long an endpoint that doesn't know the key, the path or the model is not asked again.
const HOPELESS_FOR: Duration = Duration::from_secs(60);

/// Answers of one call that came with a success, were paid for and can't be read, at most: one more is asked for, since a gateway may
/// have stumbled, and then no more.
const MOST_PAID_IN_VAIN: usize = 2;

/// What a call is for, through all its attempts.
pub(super) struct Call<'a> {
    pub method: Method,
    pub path: &'a str,
    pub payload: Payload<'a>,
    pub expected: Expected,
    pub model: Option<&'a str>,
    pub tokens: Tokens,
}

/// Why an attempt brought nothing.
enum Failed {
    /// Nothing was sent.
    Unsent(CallClass, String),
    Sent(Box<Fault>),
}

impl Host {
    pub(super) fn call(&self, call: &Call<'_>) -> Result<Answered, CallError> {
        let outcome = self.all_attempts(call);
        if let Err(error) = &outcome {
            self.counters.gave_up(error.class);
        }
        outcome
    }

    fn all_attempts(&self, call: &Call<'_>) -> Result<Answered, CallError> {
        if let Some(error) = self.known_hopeless(call) {
            return Err(error);
        }
        let deadline = Instant::now() + self.settings.deadline;
        let mut pauses = self.pauses();
        let mut attempt = 1;
        let mut last: Option<CallError> = None;
        let mut paid_in_vain = 0;
        loop {
            let fault = match self.attempt(call, attempt, deadline) {
                Ok(answered) => return Ok(answered),
                Err(Failed::Unsent(class, words)) => {
                    return Err(self.unsent(class, words, attempt - 1, last));
                }
                Err(Failed::Sent(fault)) => fault,
            };
            let error = self.error(call, &fault, attempt);
            self.note_hopeless(call, &error);
            // The whole of it is drawn: who failed together does not come back together.
            let drawn = pauses.next().unwrap_or(self.settings.longest_pause).mul_f64(fastrand::f64());
            let pause = drawn.max(fault.pause.unwrap_or_default());
            let left = deadline.saturating_duration_since(Instant::now());
            if matches!(fault.went, Went::Badly) || error.class == CallClass::RateLimited {
                let words = self.scrubbed(&fault.words);
                self.health.failed(fault.went, &words, error.retry.then_some(pause));
            }
            paid_in_vain += usize::from(fault.is_paid_in_vain());
            let spent = paid_in_vain >= MOST_PAID_IN_VAIN;
            if !error.retry || spent || attempt > self.settings.most_retries || pause >= left {
                return Err(error);
            }
            if self.gate.sleep(pause).is_err() {
                let words = self.waiting_ended(NotLetIn::Stopped);
                return Err(self.unsent(CallClass::Stopped, words, attempt, Some(error)));
            }
            last = Some(error);
            attempt += 1;
        }
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.settings.first_pause)
            .with_max_delay(self.settings.longest_pause)
            .without_max_times()
            .build()
    }

    fn attempt(&self, call: &Call<'_>, attempt: u32, deadline: Instant) -> Result<Answered, Failed> {
        let tokens = call.tokens.prompt.saturating_add(call.tokens.completion);
        let permit = self
            .gate
            .enter(tokens, deadline)
            .map_err(|reason| Failed::Unsent(class_of(reason), self.waiting_ended(reason)))?;
        let request = self.request(call).map_err(|words| Failed::Unsent(CallClass::BadRequest, words))?;
        let estimate = call.model.and_then(|model| self.settings.prices.cost(model, call.tokens));
        let reservation = self
            .settings
            .spending
            .reserve(estimate.unwrap_or(0.0))
            .map_err(|over| Failed::Unsent(CallClass::OverBudget, over.to_string()))?;
        self.counters.sent(attempt);
        let began = Instant::now();
        let timeout = self.settings.call_timeout.min(deadline.saturating_duration_since(began));
        let most_bytes = self.settings.most_body_bytes;
        let beat = self.pulse.asked();
        let sent = send::send(&self.agent, request, call.payload, call.expected, timeout, most_bytes);
        if sent.is_ok() {
            beat.heard();
        }
        drop(beat);
        match sent {
            Ok(received) => {
                permit.went(Went::Well);
                // Files have a path each, and are no kind of their own.
                self.health.answered(if call.method == Method::POST { kind(call) } else { String::new() });
                self.counters.answered(began.elapsed());
                let Received { status, headers, body } = self.without_key(received, call.expected);
                Ok(Answered { status, headers, body, attempts: attempt, reservation })
            }
            Err(fault) => {
                self.counters.failed(fault.class);
                if let (Some(pause), Some(429 | 503)) = (fault.pause, fault.status) {
                    self.gate.pause(pause);
                }
                permit.went(fault.went);
                if fault.may_have_cost {
                    self.counters.lost(reservation.estimate());
                } else {
                    reservation.release();
                }
                Err(Failed::Sent(Box::new(fault)))
            }
        }
    }

    pub(super) fn request(&self, call: &Call<'_>) -> Result<Request<()>, String> {
        let settings = &self.settings;
        let mut request = Request::builder().method(call.method.clone()).uri(self.url(call.path));
        for (name, value) in &settings.headers {
            request = request.header(name, value);
        }
        if call.expected == Expected::Json {
            request = request.header(header::ACCEPT, "application/json");
        }
        if matches!(call.payload, Payload::Json(_)) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &settings.key {
            let (name, value) = match &settings.key_header {
                KeyHeader::Bearer => ("authorization", format!("Bearer {}", key.secret())),
                KeyHeader::Named(name) => (name.as_str(), key.secret().to_owned()),
            };
            // A key was found to be visible ASCII when it was read.
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        request.body(()).map_err(|error| format!("{} can't be asked: {error}", self.place(call.path)))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{}", self.settings.base_url, path.trim_start_matches('/'))
    }

    /// For errors: the name, and what was asked without its query.
    fn place(&self, path: &str) -> String {
        let url = self.url(path);
        // Answers name files by paths of their own.
        format!("{} ({})", self.settings.name, shortened(url.split('?').next().unwrap_or_default()))
    }

    /// A server may repeat what it was sent, and answers are kept.
    fn without_key(&self, received: Received, expected: Expected) -> Received {
        let Some(key) = &self.settings.key else { return received };
        let mut headers = HeaderMap::new();
        for (name, value) in &received.headers {
            let shows = String::from_utf8_lossy(value.as_bytes()).contains(key.secret());
            if !shows {
                headers.append(name, value.clone());
            }
        }
        let body = match expected {
            Expected::Json => key.scrub_bytes(received.body),
            Expected::Bytes => received.body,
        };
        Received { status: received.status, headers, body }
    }

    pub(super) fn error(&self, call: &Call<'_>, fault: &Fault, attempts: u32) -> CallError {
        let place = self.place(call.path);
        let words = self.scrubbed(&fault.words);
        let said = match (fault.status, words.as_str()) {
            (None, words) => format!("{place}: {words}"),
            (Some(status), "") => format!("{place} answered {status} and said nothing"),
            (Some(status), words) => format!("{place} answered {status}: {words}"),
        };
        let next = self.next_step(call, fault);
        let times = if attempts > 1 { format!("; asked {attempts} times") } else { String::new() };
        CallError {
            class: fault.class,
            message: match (fault.class, fault.status) {
                // Servers show parts of a key that they don't accept.
                (CallClass::Unauthorised, Some(401)) => format!("{place} answered 401; {next}"),
                _ if next.is_empty() => format!("{said}{times}"),
                _ => format!("{said}{times}; {next}"),
            },
            status: fault.status,
            retry: fault.retry,
            attempts,
        }
    }

    fn scrubbed(&self, words: &str) -> String {
        self.settings.key.as_ref().map_or_else(|| words.to_owned(), |key| key.scrub(words))
    }

    /// What a person can do about it.
    fn next_step(&self, call: &Call<'_>, fault: &Fault) -> String {
        match (fault.class, &self.settings.key) {
            (CallClass::Unauthorised, Some(key)) => format!(
                "it takes no request with {key}, so all will fail: check that it is valid and may use the model"
            ),
            (CallClass::Unauthorised, None) => {
                "it wants a key and none is set, so all will fail: name the environment variable or file that holds it"
                    .to_owned()
            }
            (CallClass::NotFound, _) => format!(
                "all such requests will fail: check the base URL {} and the model {}{}",
                self.settings.base_url,
                call.model.unwrap_or("(none)"),
                self.health.models()
            ),
            (CallClass::OutOfQuota, _) => "all requests will fail until the account is topped up".to_owned(),
            (CallClass::Redirected, _) => {
                "redirects are not followed: give that as the base URL if you trust it".to_owned()
            }
            (CallClass::Unreachable, _) if fault.status.is_none() => {
                "check that it runs, the base URL and the proxy variables".to_owned()
            }
            (CallClass::Timeout, _) if fault.status.is_none() => {
                "allow more time, or have fewer requests under way at once: a server that answers one after the other lets the rest wait"
                    .to_owned()
            }
            (CallClass::TooLarge, _) => "raise the cap if such answers are right".to_owned(),
            _ => String::new(),
        }
    }

    fn unsent(&self, class: CallClass, words: String, attempts: u32, last: Option<CallError>) -> CallError {
        let status = last.as_ref().and_then(|last| last.status);
        let message = match last {
            Some(last) => format!("{words}; before that: {}", last.message),
            None => words,
        };
        let stays = matches!(class, CallClass::BadRequest | CallClass::OverBudget | CallClass::Stopped);
        CallError { class, message, status, retry: !stays, attempts }
    }

    fn waiting_ended(&self, reason: NotLetIn) -> String {
        let settings = &self.settings;
        let (name, deadline) = (&settings.name, shown(settings.deadline));
        match reason {
            NotLetIn::Stopped => format!("{name} was not asked: the run is ending"),
            NotLetIn::Full => format!(
                "{name} was not asked within {deadline}: {} requests, as many as may be, were under way; raise the \
                 deadline, or the requests under way at once",
                settings.most_in_flight
            ),
            NotLetIn::Paused => format!(
                "{name} was not asked within {deadline}: the server had asked for a longer pause; raise the deadline, \
                 or run again later"
            ),
            NotLetIn::Bucket => format!(
                "{name} was not asked within {deadline}: {} requests and {} tokens a minute are its bounds; raise \
                 them, or the deadline",
                bound(settings.requests_a_minute),
                bound(settings.tokens_a_minute)
            ),
            NotLetIn::Open => format!(
                "{name} was not asked: {} requests in a row had failed, it was not well within {deadline}, and it is tried again \
                 once every {}; check that it runs",
                settings.breaker.failures,
                shown(settings.breaker.pause)
            ),
        }
    }

    /// An endpoint that refuses the key refuses everything; one that has no such path or model refuses those.
    fn known_hopeless(&self, call: &Call<'_>) -> Option<CallError> {
        let mut hopeless = self.hopeless.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        hopeless.retain(|_, (until, _)| *until > now);
        let (_, error) = hopeless.get("").or_else(|| hopeless.get(&kind(call)))?;
        Some(CallError { attempts: 0, ..error.clone() })
    }

    fn note_hopeless(&self, call: &Call<'_>, error: &CallError) {
        let about = match (error.class, error.status) {
            (CallClass::Unauthorised, Some(400 | 401)) | (CallClass::OutOfQuota, _) => String::new(),
            (CallClass::NotFound, _) if call.method == Method::POST => kind(call),
            _ => return,
        };
        let mut hopeless = self.hopeless.lock().unwrap_or_else(PoisonError::into_inner);
        self.health.despaired(&about, &error.message);
        hopeless.insert(about, (Instant::now() + HOPELESS_FOR, error.clone()));
    }
}

fn kind(call: &Call<'_>) -> String {
    format!("{} {} {}", call.method, call.path, call.model.unwrap_or_default())
}

fn class_of(reason: NotLetIn) -> CallClass {
    match reason {
        NotLetIn::Stopped => CallClass::Stopped,
        NotLetIn::Full => CallClass::Timeout,
        NotLetIn::Paused | NotLetIn::Bucket => CallClass::RateLimited,
        NotLetIn::Open => CallClass::CircuitOpen,
    }
}

fn bound(a_minute: Option<std::num::NonZeroU32>) -> String {
    a_minute.map_or_else(|| "any number of".to_owned(), |bound| bound.to_string())
}

//! The settings of an endpoint, checked once.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Uri};

use super::{ApiKey, Breaker, KeyHeader, Prices, Spending};

/// Headers that carry secrets: those come by [`ApiKey`] only.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-goog-api-key"];

/// How an endpoint is reached, and how hard.
#[derive(Clone)]
pub struct HostSettings {
    /// For reports and errors: `judge`, `localhost:8000`.
    pub name: String,
    /// `https://api.openai.com/v1`: `http` or `https`, no user or password, no query.
    pub base_url: String,
    pub key: Option<ApiKey>,
    pub key_header: KeyHeader,
    /// Sent with every request; no secrets.
    pub headers: Vec<(String, String)>,
    /// Requests under way at once, at most: 1 or more.
    pub most_in_flight: usize,
    pub requests_a_minute: Option<NonZeroU32>,
    pub tokens_a_minute: Option<NonZeroU32>,
    /// Of one request, from connecting to the last byte.
    pub call_timeout: Duration,
    /// Of a call, with all its waits and attempts.
    pub deadline: Duration,
    /// Attempts after the first.
    pub most_retries: u32,
    /// The mean of the pause before the first retry is half of this; it doubles with every retry, up to `longest_pause`.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// Of an answer's body.
    pub most_body_bytes: u64,
    pub breaker: Breaker,
    pub spending: Arc<Spending>,
    pub prices: Arc<Prices>,
}

/// A setting that is none.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(
        "the endpoint {name} has the base URL {url:?}, {wrong}; give one such as https://api.openai.com/v1"
    )]
    BadUrl { name: String, url: String, wrong: &'static str },
    #[error(
        "the base URL of the endpoint {name} has a user or a password in it; leave them out, and give the key by an \
         environment variable or a file"
    )]
    SecretInUrl { name: String },
    #[error("the endpoint {name} can't be sent the header {header:?}: {wrong}")]
    BadHeader { name: String, header: String, wrong: &'static str },
    #[error("the endpoint {name} has {setting} at 0; give 1 or more")]
    Zero { name: String, setting: &'static str },
    #[error("SSL_CERT_FILE names {path}, which gives no roots of trust: {why}; name a PEM file, or unset it", path = path.display())]
    Certificates { path: PathBuf, why: String },
    #[error("there is no key in {place}: {why}; set it, or name another variable or file")]
    NoKey { place: String, why: String },
    #[error("{place} holds no key: it {wrong}; it must hold the key alone")]
    BadKey { place: String, wrong: &'static str },
    #[error(
        "the prices of {path} can't be used: {why}; write {{\"MODEL\": {{\"prompt\": 2.5, \"completion\": 10.0}}}}, in \
         USD per million tokens", path = path.display()
    )]
    Prices { path: PathBuf, why: String },
}

impl HostSettings {
    /// With no key, four requests under way, no bounds a minute, two minutes a request and ten a call, five retries from
    /// half a second up to half a minute, 64 MiB a body, a breaker that opens for 15 s after 10 failures, no budget, and
    /// the embedded prices.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        HostSettings {
            name: name.into(),
            base_url: base_url.into(),
            key: None,
            key_header: KeyHeader::default(),
            headers: Vec::new(),
            most_in_flight: 4,
            requests_a_minute: None,
            tokens_a_minute: None,
            call_timeout: Duration::from_secs(120),
            deadline: Duration::from_secs(600),
            most_retries: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            most_body_bytes: 64 << 20,
            breaker: Breaker { failures: 10, pause: Duration::from_secs(15) },
            spending: Spending::unlimited(),
            prices: Arc::new(Prices::embedded()),
        }
    }

    /// The same, its URL without a slash at the end.
    pub(super) fn checked(mut self) -> Result<Self, HttpError> {
        self.base_url = self.checked_url()?;
        let names = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (header, value) in names {
            let wrong = if HeaderName::from_bytes(header.as_bytes()).is_err() {
                "its name is none"
            } else if HeaderValue::from_str(value).is_err() {
                "its value has a control character"
            } else if SECRET_HEADERS.contains(&header.to_lowercase().as_str()) {
                "it carries a secret, which comes from an environment variable or a file only: name that as the key"
            } else {
                continue;
            };
            return Err(self.bad_header(header, wrong));
        }
        if let KeyHeader::Named(header) = &self.key_header
            && HeaderName::from_bytes(header.as_bytes()).is_err()
        {
            return Err(self.bad_header(header, "its name is none"));
        }
        let zeros = [
            ("most_in_flight", self.most_in_flight == 0),
            ("call_timeout", self.call_timeout.is_zero()),
            ("deadline", self.deadline.is_zero()),
            ("most_body_bytes", self.most_body_bytes == 0),
        ];
        match zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((setting, _)) => Err(HttpError::Zero { name: self.name, setting }),
            None => Ok(self),
        }
    }

    fn checked_url(&self) -> Result<String, HttpError> {
        let url = self.base_url.trim();
        // Before anything that would repeat it.
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        if authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(HttpError::SecretInUrl { name: self.name.clone() });
        }
        let bad = |wrong| HttpError::BadUrl {
            name: self.name.clone(),
            // A query may hold a secret.
            url: url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            wrong,
        };
        if url.contains(['?', '#']) {
            return Err(bad("with a query or a fragment behind it, which it may not have"));
        }
        let uri: Uri = url.parse().map_err(|_| bad("which is no URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad("which starts with neither http:// nor https://"));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(bad("which names no host"));
        }
        // The scheme in small letters, as whoever looks at it expects.
        let scheme = uri.scheme_str().unwrap_or_default();
        Ok(format!("{scheme}{}", url.trim_end_matches('/').get(scheme.len()..).unwrap_or_default()))
    }

    fn bad_header(&self, header: &str, wrong: &'static str) -> HttpError {
        HttpError::BadHeader { name: self.name.clone(), header: header.to_owned(), wrong }
    }
}

impl fmt::Debug for HostSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSettings")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

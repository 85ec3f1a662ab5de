//! Why a call failed: a class for counting, words for a person, and whether another attempt may help.

use std::fmt;

use threshflow::row::{Lasts, Refusal};

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallClass {
    /// The server asked for patience (429), or the user's own bounds a minute left no room before the deadline.
    RateLimited,
    /// The account is empty (402, or a 429 that says so).
    OutOfQuota,
    /// 5xx.
    ServerError,
    /// 409, 425: the server is in the middle of something.
    Busy,
    /// No answer in time, or 408.
    Timeout,
    /// No connection, or one that broke before the answer was whole.
    Unreachable,
    /// The request's form or settings are not this server's: would fail for every question.
    BadRequest,
    /// The server can't take this very text or picture.
    BadInput,
    /// 413: more bytes than the server takes.
    RequestTooLarge,
    /// 401, 403.
    Unauthorised,
    /// 404, 405, 410: no such endpoint or model.
    NotFound,
    /// 3xx: redirects are not followed.
    Redirected,
    ContextTooLong,
    ContentFilter,
    /// An answer beyond the cap on bodies.
    TooLarge,
    /// Success that is no JSON.
    NotJson,
    /// The run's budget is used up; nothing was sent.
    OverBudget,
    /// The endpoint failed so often that it was left alone until the call's deadline; nothing was sent.
    CircuitOpen,
    /// The run is ending; nothing was sent.
    Stopped,
}

impl CallClass {
    pub const ALL: [CallClass; 19] = [
        CallClass::RateLimited,
        CallClass::OutOfQuota,
        CallClass::ServerError,
        CallClass::Busy,
        CallClass::Timeout,
        CallClass::Unreachable,
        CallClass::BadRequest,
        CallClass::BadInput,
        CallClass::RequestTooLarge,
        CallClass::Unauthorised,
        CallClass::NotFound,
        CallClass::Redirected,
        CallClass::ContextTooLong,
        CallClass::ContentFilter,
        CallClass::TooLarge,
        CallClass::NotJson,
        CallClass::OverBudget,
        CallClass::CircuitOpen,
        CallClass::Stopped,
    ];

    /// As reports and refusals name it: `rate_limited`.
    pub fn name(self) -> &'static str {
        match self {
            CallClass::RateLimited => "rate_limited",
            CallClass::OutOfQuota => "out_of_quota",
            CallClass::ServerError => "server_error",
            CallClass::Busy => "busy",
            CallClass::Timeout => "timeout",
            CallClass::Unreachable => "unreachable",
            CallClass::BadRequest => "bad_request",
            CallClass::BadInput => "bad_input",
            CallClass::RequestTooLarge => "request_too_large",
            CallClass::Unauthorised => "unauthorised",
            CallClass::NotFound => "not_found",
            CallClass::Redirected => "redirected",
            CallClass::ContextTooLong => "context_too_long",
            CallClass::ContentFilter => "content_filter",
            CallClass::TooLarge => "too_large",
            CallClass::NotJson => "not_json",
            CallClass::OverBudget => "over_budget",
            CallClass::CircuitOpen => "circuit_open",
            CallClass::Stopped => "stopped",
        }
    }

    /// Whether the same question would come to the same end for as long as the endpoint stays what it is: then a refusal
    /// is remembered. All others last as long as the process.
    pub(crate) fn is_of_the_content(self) -> bool {
        matches!(self, CallClass::BadInput | CallClass::ContextTooLong | CallClass::ContentFilter)
    }
}

/// A call that came to nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    pub class: CallClass,
    /// What failed, where, and the next step; the key is never in it.
    pub message: String,
    /// As the server answered the last time that it was asked; `None` where it didn't.
    pub status: Option<u16>,
    /// Whether asking again may help. Of a call that came back it says no more than that: it was asked again as often as
    /// the settings allow.
    pub retry: bool,
    /// Requests that were sent for this call.
    pub attempts: u32,
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        let lasts = match error.class {
            CallClass::OverBudget => Lasts::Budget,
            class if class.is_of_the_content() => Lasts::Content,
            _ => Lasts::Process,
        };
        Refusal { lasts, ..Refusal::transient(error.class.name(), error.message) }
    }
}

impl fmt::Display for CallClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

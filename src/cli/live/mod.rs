//! `live`: a run that stays. Dials turn in a page or over HTTP, and show at once; what would have to be asked is asked when the user says so,
//! and published when the user says so.
//!
//! One thread owns the [session](session::Session) and does one thing after the other. The threads that serve requests ask it by a desk.

mod apply;
mod drawing;
mod history;
mod noted;
mod publish;
mod rows;
mod session;
mod site;
mod turn;
mod view;

use std::time::SystemTime;

use serde_json::Value;

use super::Failure;

/// Who is told of what happens in a session.
pub(in crate::cli) trait Events: Send + Sync {
    fn tell(&self, event: &'static str, data: &Value);
}

/// Why a request is not done: an HTTP status, and what failed, what is allowed, and the next step.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Problem {
    /// The request cannot be meant like this.
    pub(super) fn bad(text: String) -> Self {
        Problem { status: 400, text }
    }

    /// There is no such thing.
    pub(super) fn unknown(text: String) -> Self {
        Problem { status: 404, text }
    }

    /// It is not possible as things stand.
    pub(super) fn not_now(text: String) -> Self {
        Problem { status: 409, text }
    }

    pub(super) fn failed(text: String) -> Self {
        Problem { status: 500, text }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Usage(text) => Problem::bad(text),
            Failure::Failed(text) => Problem::failed(text),
        }
    }
}

/// As RFC 3339 writes it, in UTC.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    chrono::DateTime::from_timestamp(seconds as i64, 0).map_or(String::new(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

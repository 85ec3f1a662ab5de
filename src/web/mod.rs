//! The HTTP stack of the live session: it listens, checks who asks, hands requests to a [`Site`], and streams events to many listeners.
//!
//! It knows nothing of the engine. HTTP/1.1 is spoken by hyper on one thread (`web`); a site answers on threads of its own
//! (`web-site`), which may block. [`Hub`] carries server-sent events.
//!
//! What is checked, in this order, before a site sees a request:
//!
//! | checked | else |
//! |---|---|
//! | `Host` is a loopback name or address with the port of this server, or one of [`Options::names`] (DNS rebinding) | 403 |
//! | the method is GET, HEAD or POST | 405 |
//! | `Origin`, where present, is the same host | 403 |
//! | the path and the query are UTF-8, without control characters; no part of the path is `.` or `..` | 400 |
//! | the token is right: `Authorization: Bearer TOKEN`, or `?token=TOKEN` ([`Site::needs_token`] exempts GETs) | 401 |
//! | the body of a POST is `application/json` or `text/csv` | 415 |
//! | the body is at most [`Options::most_body`] bytes long, and comes within [`Options::patience`] | 413, 408 |
//!
//! Errors are JSON: `{"error": "what failed, the value, what is allowed, the next step"}`.

mod admission;
mod connection;
mod error;
mod exchange;
mod hub;
mod pool;
mod request;
mod response;
mod server;
mod stalls;
mod token;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::WebError;
pub use hub::Hub;
pub use request::{Method, Request};
pub use response::Response;
pub use server::{Options, Server, serve};
pub use token::Token;

/// What answers requests.
pub trait Site: Send + Sync + 'static {
    /// The answer. It is called on several threads at once, which may block. Where it panics, the client gets status 500.
    ///
    /// `GET /api/events` never comes here: the server answers it from the [`Hub`].
    fn answer(&self, request: &Request) -> Response;

    /// Whether a GET of the path, decoded, is answered only to those who have the token. It must not block. `/api/events` always needs it,
    /// and so does every POST.
    fn needs_token(&self, path: &str) -> bool {
        path != "/healthz"
    }
}

/// Locks, also where another thread panicked while it held the lock: what is behind our locks is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

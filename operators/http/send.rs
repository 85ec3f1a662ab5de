//! Sends one request, and says what came of it.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use threshflow::shard::guarded;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderMap, HeaderValue, Request, Response};
use ureq::unversioned::multipart::{self, Form};
use ureq::{Agent, AsSendBody, Body, Error};

use super::error_body::{Said, shortened};
use super::gate::Went;
use super::retry_after::retry_after;
use super::trust::{ADVICE, Roots, is_distrust, is_loopback};
use super::{CallClass, HostSettings, HttpError, Part};

/// A connection that isn't there after this long won't be.
pub(crate) const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// Servers close what is idle, many after five seconds: a connection that is about to be closed is not sent by.
const LONGEST_IDLE: Duration = Duration::from_secs(4);

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    Nothing,
    Json(&'a [u8]),
    Parts(&'a [Part<'a>]),
}

/// What must come back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Json,
    Bytes,
}

/// A success.
pub(super) struct Received {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A failure of one request; the words are not scrubbed yet.
pub(super) struct Fault {
    pub class: CallClass,
    pub words: String,
    pub status: Option<u16>,
    pub retry: bool,
    pub pause: Option<Duration>,
    pub went: Went,
    /// Whether the server may have done, and charged for, what was asked.
    pub may_have_cost: bool,
}

impl Fault {
    /// Whether the server called it a success, and nothing can be made of it: a body that is no JSON, or that broke off.
    pub(crate) fn is_paid_in_vain(&self) -> bool {
        self.may_have_cost && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// The agent of an endpoint: keeps connections, follows no redirect, takes its proxy from the environment, and its roots of
/// trust from `SSL_CERT_FILE` where that is set.
///
/// What runs on this machine is never asked through a proxy.
pub(super) fn agent(settings: &HostSettings) -> Result<Agent, HttpError> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(LONGEST_CONNECT))
        .max_idle_age(LONGEST_IDLE)
        .max_idle_connections(settings.most_in_flight)
        .max_idle_connections_per_host(settings.most_in_flight)
        .user_agent(concat!("threshflow/", env!("CARGO_PKG_VERSION")));
    if is_loopback(&settings.base_url) {
        config = config.proxy(None);
    }
    if let Some(roots) = Roots::of(&settings.base_url)? {
        config = config.tls_config(roots.for_http());
    }
    Ok(config.build().new_agent())
}

pub(super) fn send(
    agent: &Agent,
    request: Request<()>,
    payload: Payload<'_>,
    expected: Expected,
    timeout: Duration,
    most_bytes: u64,
) -> Result<Received, Fault> {
    let answered = match payload {
        Payload::Nothing => run(agent, request, timeout),
        Payload::Json(bytes) => run(agent, request.map(|()| bytes), timeout),
        Payload::Parts(parts) => form(parts).and_then(|form| run_form(agent, request, form, timeout)),
    };
    let mut response = answered.map_err(|error| broken(&error, timeout, most_bytes))?;
    let status = response.status().as_u16();
    let pause = retry_after(response.headers(), SystemTime::now());
    let body = body_of(&mut response, most_bytes);
    if !(200..300).contains(&status) {
        // Half an error's body tells as much as the whole.
        return Err(refused(&response, &body.unwrap_or_default(), pause));
    }
    let mut body =
        body.map_err(|error| Fault { status: Some(status), ..broken(&error, timeout, most_bytes) })?;
    if expected == Expected::Json {
        // A byte-order mark is none of JSON's signs, and some servers write one.
        if body.starts_with(b"\xef\xbb\xbf") {
            body.drain(..3);
        }
        check_json(&response, &body)?;
    }
    Ok(Received { status, headers: response.headers().clone(), body })
}

fn run(agent: &Agent, request: Request<impl AsSendBody>, timeout: Duration) -> Result<Response<Body>, Error> {
    let request = agent.configure_request(request).timeout_global(Some(timeout)).build();
    // The client looks names up on a thread, and panics where none can be started: that says nothing of the question.
    guarded(|| agent.run(request)).unwrap_or_else(|panic| Err(Error::Io(std::io::Error::other(panic))))
}

fn run_form(
    agent: &Agent,
    mut request: Request<()>,
    form: Form<'_>,
    timeout: Duration,
) -> Result<Response<Body>, Error> {
    let kind = format!("multipart/form-data; boundary={}", form.boundary());
    let kind = HeaderValue::from_str(&kind).map_err(|error| Error::Http(error.into()))?;
    request.headers_mut().insert(CONTENT_TYPE, kind);
    run(agent, request.map(|()| form), timeout)
}

fn form<'a>(parts: &'a [Part<'a>]) -> Result<Form<'a>, Error> {
    parts.iter().try_fold(Form::new(), |form, part| {
        Ok(match part {
            Part::Text { name, text } => form.text(name, text),
            Part::File { name, file_name, mime, bytes } => {
                form.part(name, multipart::Part::bytes(bytes).file_name(file_name).mime_str(mime)?)
            }
        })
    })
}

fn body_of(response: &mut Response<Body>, most_bytes: u64) -> Result<Vec<u8>, Error> {
    if response.body().content_length().is_some_and(|length| length > most_bytes) {
        return Err(Error::BodyExceedsLimit(most_bytes));
    }
    // One more: what is exactly as long as the cap must pass.
    let body = response.body_mut().with_config().limit(most_bytes.saturating_add(1)).read_to_vec()?;
    if body.len() as u64 > most_bytes { Err(Error::BodyExceedsLimit(most_bytes)) } else { Ok(body) }
}

/// Success that is not what was promised.
fn check_json(response: &Response<Body>, body: &[u8]) -> Result<(), Fault> {
    let status = response.status().as_u16();
    let fault = |class, words, retry, may_have_cost| Fault {
        class,
        words,
        status: Some(status),
        retry,
        pause: None,
        went: if retry { Went::Badly } else { Went::Well },
        may_have_cost,
    };
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let kind = response.body().mime_type().unwrap_or("no content type");
        let start = shortened(&String::from_utf8_lossy(&body[..body.len().min(200)]));
        let words = format!("no JSON came back, but {} bytes of {kind}: {start:?}", body.len());
        return Err(fault(CallClass::NotJson, words, true, true));
    };
    // Some gateways call an error a success.
    if let Some((said, code)) = Said::error_in(&value)
        && value.get("choices").or(value.get("data")).is_none()
    {
        let (class, retry) = said.class(code.filter(|code| *code >= 400).unwrap_or(500));
        return Err(fault(class, said.words, retry, false));
    }
    Ok(())
}

/// An answer that is no success.
fn refused(response: &Response<Body>, body: &[u8], pause: Option<Duration>) -> Fault {
    let status = response.status().as_u16();
    let said = Said::of(body);
    let (class, retry) = said.class(status);
    let mut words = said.words;
    if class == CallClass::Redirected {
        let to = response.headers().get("location").and_then(|to| to.to_str().ok());
        words = format!("it sends on to {}", shortened(to.unwrap_or("nowhere")));
    }
    let went = match class {
        CallClass::ServerError | CallClass::Timeout => Went::Badly,
        CallClass::RateLimited | CallClass::Busy => Went::Unsaid,
        _ => Went::Well,
    };
    Fault { class, words, status: Some(status), retry, pause, went, may_have_cost: false }
}

/// No whole answer.
fn broken(error: &Error, timeout: Duration, most_bytes: u64) -> Fault {
    use ureq::Timeout;
    let (class, words, retry) = match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => (
            CallClass::Unreachable,
            format!("no connection within {}", shown(timeout.min(LONGEST_CONNECT))),
            true,
        ),
        Error::Timeout(_) => (CallClass::Timeout, format!("no whole answer within {}", shown(timeout)), true),
        Error::BodyExceedsLimit(_) => (
            CallClass::TooLarge,
            format!("the answer is larger than {most_bytes} bytes, the cap on bodies"),
            false,
        ),
        _ if is_distrust(error) => {
            (CallClass::Unreachable, format!("{}; {ADVICE}", shortened(&error.to_string())), false)
        }
        Error::Io(_)
        | Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Protocol(_)
        | Error::BodyStalled => (CallClass::Unreachable, shortened(&error.to_string()), true),
        // TLS, proxies, headers: as wrong the next time.
        other => (CallClass::Unreachable, shortened(&other.to_string()), false),
    };
    // Nothing was asked of a server that nobody reached.
    let unasked = match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect)
        | Error::HostNotFound
        | Error::ConnectionFailed => true,
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => !retry && class == CallClass::Unreachable,
    };
    let went = if class == CallClass::TooLarge { Went::Well } else { Went::Badly };
    Fault { class, words, status: None, retry, pause: None, went, may_have_cost: !unasked }
}

/// `1.5 s`.
pub(super) fn shown(time: Duration) -> String {
    format!("{} s", (time.as_secs_f64() * 1e3).round() / 1e3)
}

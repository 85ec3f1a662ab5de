//! Carries the requests of `object_store` by `ureq`, on the thread that waits for them, and counts them.

use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::ObjectFailure;
use super::reads::ObjectSettings;
use super::tries::Trouble;
use super::trust::{BadRoots, TRUST_ADVICE, is_distrust, is_loopback, named_roots};

const LONGEST_CONNECT: Duration = Duration::from_secs(10);
const MOST_REDIRECTS: u32 = 5;
/// Bytes in a millisecond (16 KiB a second) below which a body is too slow, beside the time that a server may give nothing.
const LEAST_SPEED: u64 = 16;
/// So many times the patience an answer may take whose server says all the while that it is at work.
const SLOWER: u32 = 20;
const LONGEST_ROLE: Duration = Duration::from_secs(3);
const LONGEST_IDLE: Duration = Duration::from_secs(15);
/// As many ranges as all threads together may be reading.
const MOST_IDLE: usize = 64;
/// Most bytes that one answer may have. Ranges are asked for in smaller parts; a list has a thousand names a page.
const MOST_BYTES: u64 = 64 << 20;
/// Of an error's text, so much is looked at.
const MOST_ERROR: u64 = 64 << 10;

/// What went over the wire, each request as often as it was tried.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) lists: AtomicU64,
    pub(super) heads: AtomicU64,
    pub(super) gets: AtomicU64,
    /// Objects, and parts of objects, that were written.
    pub(super) puts: AtomicU64,
    pub(super) deletes: AtomicU64,
    /// For credentials.
    pub(super) others: AtomicU64,
    /// Of objects.
    pub(super) bytes: AtomicU64,
    pub(super) sent: AtomicU64,
    /// Whether whoever waits is to give up: what it is for has failed.
    pub(super) ended: AtomicBool,
}

#[derive(Clone, Debug)]
pub(super) struct Connector {
    agent: Agent,
    /// For what is on this machine: never through a proxy.
    near: Agent,
    /// For what is not encrypted.
    plain: Agent,
    /// For what tells a machine of a cloud its role, which hardly any other machine has.
    role: Agent,
    wire: Arc<Wire>,
    patience: Duration,
    is_stopped: fn() -> bool,
}

thread_local!(static INSISTS: Cell<bool> = const { Cell::new(false) });

/// Does this on a thread that was told to stop, or may be: a lock is let go, and what was begun is taken back.
pub(super) fn insisting<T>(work: impl FnOnce() -> T) -> T {
    let before = INSISTS.replace(true);
    let done = work();
    INSISTS.set(before);
    done
}

/// How an answer is read.
struct Reading {
    /// As it says itself.
    length: Option<u64>,
    patience: Duration,
    /// Whether it is an object's.
    counts: bool,
    /// Whether it ends where the run does.
    stops: bool,
}

/// A body on its way: it is counted, and ends where the run does.
struct Sending<'a> {
    left: &'a [u8],
    connector: &'a Connector,
    counts: bool,
}

impl Read for Sending<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.connector.is_over() {
            return Err(std::io::Error::other(STOPPED));
        }
        let taken = self.left.read(to)?;
        if self.counts {
            self.connector.wire.sent.fetch_add(taken as u64, Ordering::Relaxed);
        }
        Ok(taken)
    }
}

impl Connector {
    /// A read that gives nothing for `patience` ends. Redirects are followed only where `follows` says so, by web servers and the hub: a
    /// store's mean another region, and what is signed for one host is not sent to another.
    pub(super) fn new(settings: &ObjectSettings, wire: Arc<Wire>, follows: bool) -> Result<Self, Trouble> {
        let (patience, is_stopped) = (settings.patience, settings.is_stopped);
        let config = |patience: Duration| {
            Agent::config_builder()
                .http_status_as_error(false)
                .timeout_connect(Some(LONGEST_CONNECT.min(patience)))
                .timeout_recv_response(Some(patience))
                .timeout_per_read(Some(patience))
                .timeout_per_write(Some(patience))
                .max_redirects(if follows { MOST_REDIRECTS } else { 0 })
                .max_redirects_will_error(false)
                .max_idle_age(LONGEST_IDLE)
                .max_idle_connections(MOST_IDLE)
                .max_idle_connections_per_host(MOST_IDLE)
                .accept_encoding("identity")
                .user_agent(concat!("threshflow/", env!("CARGO_PKG_VERSION")))
        };
        let roots = named_roots("https:").map_err(|BadRoots { path, why }| {
            let why = format!("SSL_CERT_FILE is {}: {why}", path.display());
            Trouble::lasting(ObjectFailure::Unfit, why)
        })?;
        let trust = |roots: Vec<_>| TlsConfig::builder().root_certs(RootCerts::from(roots)).build();
        let trust = roots.map_or_else(TlsConfig::default, trust);
        Ok(Connector {
            agent: config(patience).tls_config(trust.clone()).https_only(true).build().new_agent(),
            plain: config(patience).tls_config(trust.clone()).build().new_agent(),
            near: config(patience).tls_config(trust).proxy(None).build().new_agent(),
            role: config(patience.min(LONGEST_ROLE)).proxy(None).build().new_agent(),
            wire,
            patience,
            is_stopped,
        })
    }

    fn agent(&self, uri: &http::Uri) -> &Agent {
        match uri.host() {
            Some(host) if is_of_the_machine(host) => &self.role,
            _ if is_loopback(&uri.to_string()) => &self.near,
            _ if uri.scheme_str() == Some("http") => &self.plain,
            _ => &self.agent,
        }
    }
}

/// Where machines of Amazon, Azure and Google, and containers of Amazon, learn of their roles.
fn is_of_the_machine(host: &str) -> bool {
    matches!(host, "169.254.169.254" | "169.254.170.2" | "169.254.170.23" | "metadata.google.internal")
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        // All of it is here already, in one piece: see `writes.rs`.
        let body = body.collect().await?.to_bytes();
        // Not tried again by `object_store`, which would do so in silence: see `tries.rs`.
        let failed = |trouble: Trouble| HttpError::new(HttpErrorKind::Unknown, trouble);
        let response = self.send(http::Request::from_parts(parts, body)).map_err(failed)?;
        Ok(response.map(HttpResponseBody::from))
    }
}

impl Connector {
    /// Sends a request, once, and reads its answer. One that is none is an error, where something is read.
    pub(super) fn send(
        &self,
        request: http::Request<impl AsRef<[u8]>>,
    ) -> Result<http::Response<Vec<u8>>, Trouble> {
        let (parts, body) = request.into_parts();
        let (method, is_range) = (parts.method.clone(), parts.headers.contains_key(header::RANGE));
        let uri = parts.uri.clone();
        let asks_for_a_role = uri.host().is_some_and(is_of_the_machine);
        let counter = match method {
            _ if asks_for_a_role => &self.wire.others,
            Method::HEAD => &self.wire.heads,
            Method::GET if is_range => &self.wire.gets,
            Method::GET => &self.wire.lists,
            Method::DELETE => &self.wire.deletes,
            Method::POST if is_deletion(uri.query()) => &self.wire.deletes,
            Method::PUT => &self.wire.puts,
            // Of an object in parts; the others are for credentials.
            Method::POST if uri.query().is_some_and(|query| query.contains("upload")) => &self.wire.puts,
            _ => &self.wire.others,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let sends = !matches!(method, Method::GET | Method::HEAD);
        let response = match sends {
            false => self.agent(&uri).run(http::Request::from_parts(parts, ())),
            true => {
                let counts = std::ptr::eq(counter, &self.wire.puts);
                self.send_body(http::Request::from_parts(parts, ()), body.as_ref(), counts)
            }
        };
        let response = response.map_err(|error| match asks_for_a_role {
            true => no_role(&why(&error)),
            false if self.is_over() => stopped("sent"),
            false => of_the_wire(&uri, &error),
        })?;
        let (parts, body) = response.into_parts();
        // An older way of asking for a role may be tried where the newer is not there.
        if asks_for_a_role && !sends && !parts.status.is_success() {
            return Err(no_role(&format!("it says {}", parts.status)));
        }
        let is_refused = !parts.status.is_success() && parts.status != StatusCode::NOT_MODIFIED;
        if is_refused && !(asks_for_a_role && sends) {
            let region = parts.headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
            return Err(refused(parts.status, &text_of(body), region));
        }
        if is_range && parts.status != StatusCode::PARTIAL_CONTENT {
            let status = parts.status.as_u16();
            let why = format!("the server answers {status} to a range, and not 206: it reads no ranges");
            return Err(Trouble::lasting(ObjectFailure::Unfit, why));
        }
        let length =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let reading = match method {
            Method::HEAD => return Ok(http::Response::from_parts(parts, Vec::new())),
            Method::GET => Reading { length, patience: self.patience, counts: is_range, stops: true },
            // What was done is to be known. An object of many parts is put together for minutes.
            _ => Reading { length, patience: self.patience * SLOWER, counts: false, stops: false },
        };
        let bytes = self.read(body, &reading)?;
        Ok(http::Response::from_parts(parts, bytes))
    }

    /// With its length, also where that is none.
    fn send_body(
        &self,
        request: http::Request<()>,
        body: &[u8],
        counts: bool,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let agent = self.agent(request.uri());
        let mut sending = Sending { left: body, connector: self, counts };
        let mut request = request.map(|()| ureq::SendBody::from_reader(&mut sending));
        request.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        let most = self.patience + Duration::from_millis(body.len() as u64 / LEAST_SPEED);
        agent.run(agent.configure_request(request).timeout_send_body(Some(most)).build())
    }

    /// Whether nobody waits for an answer any more.
    fn is_over(&self) -> bool {
        !INSISTS.get() && ((self.is_stopped)() || self.wire.ended.load(Ordering::Relaxed))
    }

    fn read(&self, body: ureq::Body, reading: &Reading) -> Result<Vec<u8>, Trouble> {
        let Reading { length, patience, counts, stops } = *reading;
        let mut bytes = Vec::with_capacity(length.unwrap_or(0).min(MOST_BYTES) as usize);
        let mut body = body.into_reader().take(MOST_BYTES + 1);
        let mut step = vec![0; 64 << 10];
        // Drop by drop would take for ever, and look like work.
        let most = patience + Duration::from_millis(length.unwrap_or(0) / LEAST_SPEED);
        let begin = Instant::now();
        loop {
            if stops && self.is_over() {
                return Err(stopped("read"));
            }
            if begin.elapsed() > most {
                let why = format!("timed out: {} bytes came in {:.0} s", bytes.len(), most.as_secs_f64());
                return Err(Trouble::passing(why));
            }
            let read = body.read(&mut step).map_err(|error| {
                let (done, all) =
                    (bytes.len(), length.map_or(String::new(), |length| format!(" of {length}")));
                Trouble::passing(format!("cut off after {done}{all} bytes: {error}"))
            })?;
            if read == 0 {
                break;
            }
            if counts {
                self.wire.bytes.fetch_add(read as u64, Ordering::Relaxed);
            }
            bytes.extend_from_slice(&step[..read]);
        }
        if bytes.len() as u64 > MOST_BYTES {
            let why = format!("an answer has more than {MOST_BYTES} bytes");
            return Err(Trouble::lasting(ObjectFailure::Unfit, why));
        }
        if length.is_some_and(|length| length != bytes.len() as u64) {
            let why = format!("cut off after {} of {} bytes", bytes.len(), length.unwrap_or(0));
            return Err(Trouble::passing(why));
        }
        Ok(bytes)
    }
}

pub(super) fn no_role(why: &str) -> Trouble {
    let why = format!(
        "there are no credentials in the environment, and this machine has no role in a cloud ({why})"
    );
    Trouble::lasting(ObjectFailure::Denied, why)
}

/// Of many objects at once, as S3 and Azure take it.
fn is_deletion(query: Option<&str>) -> bool {
    query
        .is_some_and(|query| query.split('&').any(|pair| matches!(pair, "delete" | "delete=" | "comp=batch")))
}

fn of_the_wire(uri: &http::Uri, error: &ureq::Error) -> Trouble {
    // Without a name and a password.
    let server = uri.host().unwrap_or_default();
    let server = uri.port().map_or(server.to_owned(), |port| format!("{server}:{port}"));
    if is_distrust(error) {
        let why = format!("{server}: {}; {TRUST_ADVICE}", why(error));
        return Trouble::lasting(ObjectFailure::Denied, why);
    }
    Trouble::passing(format!("{server}: {}", why(error)))
}

/// Why a request was not answered.
fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(timeout) => format!("timed out ({timeout})"),
        other => other.to_string(),
    }
}

fn text_of(body: ureq::Body) -> String {
    let mut text = Vec::new();
    // An error whose text is cut off is the error that its status says.
    let _ = body.into_reader().take(MOST_ERROR).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// What is written in place of an object's bytes when the run was stopped; nobody sees it.
const STOPPED: &str = "stopped";

fn stopped(doing: &str) -> Trouble {
    Trouble::lasting(ObjectFailure::Stopped, format!("stopped while it was {doing}"))
}

/// What an answer that is none means. Of its text the code and the message alone are shown: an answer about a wrong signature repeats
/// what was signed.
fn refused(status: StatusCode, text: &str, region: Option<&str>) -> Trouble {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        // Azure's message has more lines: what was asked, and when.
        rest.split_once('<').and_then(|(inside, _)| inside.trim().lines().next())
    };
    let said = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!(" ({code}: {message})"),
        (Some(code), None) => format!(" ({code})"),
        _ => String::new(),
    };
    let why =
        format!("the server says {} {}{said}", status.as_u16(), status.canonical_reason().unwrap_or(""));
    match status.as_u16() {
        400 if said.contains("(RequestTimeout") => Trouble::passing(why),
        400 if [
            "Token",
            "Authorization",
            "Signature",
            "AccessKey",
            "RequestTimeTooSkewed",
            "invalid_grant",
        ]
        .iter()
        .any(|word| said.contains(word)) =>
        {
            Trouble::lasting(ObjectFailure::Denied, why)
        }
        // The server does not know what is asked of it, and won't.
        501 => Trouble::lasting(ObjectFailure::Unfit, why),
        408 | 429 | 500.. => Trouble::passing(why),
        401 | 403 => Trouble::lasting(ObjectFailure::Denied, why),
        // Two writers at once, as S3 says it: one of them is tried again, and then finds what the other wrote.
        409 if said.contains("ConditionalRequestConflict") || said.contains("OperationAborted") => {
            Trouble::passing(why)
        }
        // As Azure says that it is there already.
        409 if said.contains("BlobAlreadyExists") => Trouble::lasting(ObjectFailure::Changed, why),
        404 | 410 => Trouble::lasting(ObjectFailure::Gone, why),
        // A range that is not there any more, too.
        412 | 416 => {
            Trouble::lasting(ObjectFailure::Changed, format!("it changed after it was looked at: {why}"))
        }
        301 | 302 | 307 | 308 => {
            let region = region.map_or(String::new(), |region| {
                format!("; the bucket lies in the region {region}: set AWS_REGION")
            });
            Trouble::lasting(ObjectFailure::Denied, format!("{why}{region}"))
        }
        _ => Trouble::lasting(ObjectFailure::Unfit, why),
    }
}

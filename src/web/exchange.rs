//! One request and its answer.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::admission::{Admission, of_our_page, only};
use super::pool::Pool;
use super::request::{self, Query};
use super::response::{Body, outgoing, streaming};
use super::{Hub, Method, Request, Response, Site};

/// Where the events are.
const EVENTS: &str = "/api/events";
/// When nothing has come for so long, a client that is refused has most likely sent all that it had.
const LULL: Duration = Duration::from_millis(300);
const MEDIA_TYPES: [&str; 2] = ["application/json", "text/csv"];

/// What all requests share.
pub(super) struct Shared {
    pub(super) admission: Admission,
    pub(super) site: Arc<dyn Site>,
    pub(super) pool: Pool,
    pub(super) hub: Arc<Hub>,
    pub(super) most_body: usize,
    pub(super) most_listeners: usize,
    pub(super) patience: Duration,
    pub(super) heartbeat: Duration,
}

/// A request's head that was let in.
struct Head {
    method: Method,
    path: String,
    query: Query,
    has_token: bool,
    media_type: Option<String>,
}

/// The answer to a request.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let deadline = Instant::now() + shared.patience;
    let has_body = !body.is_end_stream();
    let head = match let_in(&shared, &parts, has_body) {
        Ok(head) => head,
        Err(response) => {
            return Ok(refused(response, &parts.headers, &mut body, shared.most_body, deadline).await);
        }
    };
    if head.path == EVENTS && head.method == Method::Get {
        return Ok(match shared.hub.listen(shared.most_listeners, shared.heartbeat) {
            Some(events) => streaming(events),
            None => outgoing(too_many_listeners(shared.most_listeners)),
        });
    }
    let body = match head.method {
        // A body of a GET means nothing (RFC 9110, section 9.3.1).
        Method::Get => Vec::new(),
        Method::Post => match received(&mut body, shared.most_body, deadline).await {
            Ok(received) => received,
            Err(response) => {
                return Ok(refused(response, &parts.headers, &mut body, shared.most_body, deadline).await);
            }
        },
    };
    let Head { method, path, query, has_token, media_type } = head;
    Ok(outgoing(shared.pool.answer(Request { method, path, query, has_token, media_type, body }).await))
}

/// The head of a request, where it passes all checks; the module's page has their order.
fn let_in(shared: &Shared, parts: &hyper::http::request::Parts, has_body: bool) -> Result<Head, Response> {
    let host = shared.admission.host(&parts.headers)?;
    let method = match parts.method {
        hyper::Method::GET | hyper::Method::HEAD => Method::Get,
        hyper::Method::POST => Method::Post,
        ref other => {
            let text = format!("{other} is not understood here; send GET, HEAD or POST");
            return Err(Response::error(405, text).with_header(ALLOW.as_str(), "GET, HEAD, POST"));
        }
    };
    if !of_our_page(&parts.headers, &host) {
        let text = format!(
            "`Origin` is not `http://{host}`: only this server's own pages may ask it; open the page by the URL that the server printed"
        );
        return Err(Response::error(403, text));
    }
    if parts.uri.authority().is_some() {
        return Err(bad("the request names a host in its path, as one to a proxy does; ask without a proxy"));
    }
    let path = request::path(parts.uri.path()).map_err(bad)?;
    let (query, token) = request::query(parts.uri.query().unwrap_or_default()).map_err(bad)?;
    // A site that panics here lets nobody in without the token.
    let exempt = || catch_unwind(AssertUnwindSafe(|| !shared.site.needs_token(&path))).unwrap_or(false);
    let right = shared.admission.token_is_right(&parts.headers, token.as_deref());
    let has_token = right.is_ok();
    if path == EVENTS || method == Method::Post || !exempt() {
        right?;
    }
    let media_type = if method == Method::Post { media_type(&parts.headers, has_body)? } else { None };
    Ok(Head { method, path, query, has_token, media_type })
}

fn bad(text: impl Into<String>) -> Response {
    Response::error(400, text)
}

/// The media type of a POST. A form of a foreign page could be sent without asking; none of these types can.
fn media_type(headers: &HeaderMap, has_body: bool) -> Result<Option<String>, Response> {
    let bare = |text: &str| text.split(';').next().map(str::trim).unwrap_or_default().to_ascii_lowercase();
    let media_type = only(headers, &CONTENT_TYPE).map(bare);
    match media_type {
        Some(known) if MEDIA_TYPES.contains(&known.as_str()) => Ok(Some(known)),
        None if !has_body && !headers.contains_key(CONTENT_TYPE) => Ok(None),
        other => {
            let its = other.map_or("one that can't be read, or none".to_owned(), |its| format!("{its:?}"));
            let text = format!(
                "the media type of the body is {its}; send `Content-Type: {}`",
                MEDIA_TYPES.join("` or `")
            );
            Err(Response::error(415, text))
        }
    }
}

fn too_many_listeners(most: usize) -> Response {
    let text =
        format!("{most} listen to events already, which is the most; close pages that nobody looks at");
    Response::error(503, text)
}

/// The whole body; or why not.
async fn received(body: &mut Incoming, most: usize, deadline: Instant) -> Result<Vec<u8>, Response> {
    let too_large = || {
        Response::error(
            413,
            format!("the body is larger than {most} bytes, which are the most; send less at once"),
        )
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    match timeout_at(deadline, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Response::error(
            400,
            "the body broke off, or its chunks are not as HTTP has them; send it again",
        )),
        Err(_) => Err(Response::error(408, "the body did not come in time; send it again, or less at once")),
    }
}

/// A refusal. The rest of the body is read first, and not kept, so that a client that still sends gets to read why it is refused: a
/// connection that is closed with bytes unread is reset. This gives up after four times what is allowed, at the deadline, and when
/// nothing comes.
async fn refused(
    response: Response,
    headers: &HeaderMap,
    body: &mut Incoming,
    most: usize,
    deadline: Instant,
) -> hyper::Response<Body> {
    let mut left = most.saturating_mul(4);
    // Who waits to be told to send is told not to.
    while left > 0 && !headers.contains_key(EXPECT) {
        let soon = deadline.min(Instant::now() + LULL);
        let Ok(Some(Ok(frame))) = timeout_at(soon, body.frame()).await else { break };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
    let mut response = outgoing(response);
    if !body.is_end_stream() {
        // What is left of the body would be read as the next request.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

//! An answer of a site, and what the server adds to each: headers that bind the browser.

use std::borrow::Cow;

use http_body_util::{Either, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use serde::Serialize;

use super::hub::Events;

/// On every response, whatever a site says. The page may load what this server sends, and nothing else.
pub(super) const ALWAYS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];
const JSON: &str = "application/json";
/// What the server itself says of a body and a connection.
const OWN: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING];

/// What is sent back. `Cache-Control` is `no-store` unless [`cached`](Response::cached) says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status of HTTP, 200 to 599.
    pub status: u16,
    /// The media type of the body, with its parameters.
    pub media_type: Cow<'static, str>,
    /// The body.
    pub body: Vec<u8>,
    /// More headers. The server sets those that bind the browser, such as `Content-Security-Policy`, whatever is said here; and those of
    /// the body and the connection, such as `Content-Length`, which are an error here (status 500).
    pub headers: Vec<(Cow<'static, str>, String)>,
}

impl Response {
    /// Status 200 with that value as JSON; status 500 where it can't be written as JSON.
    ///
    /// ```
    /// use threshflow::web::Response;
    /// let response = Response::json(&serde_json::json!({"labelled": 31}));
    /// assert_eq!((response.status, response.body.as_slice()), (200, br#"{"labelled":31}"#.as_slice()));
    /// ```
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::bytes(JSON, body),
            Err(error) => {
                Self::error(500, format!("the answer cannot be written as JSON: {error}; report this"))
            }
        }
    }

    /// An error: `{"error": text}`. The text says what failed, the value, what is allowed, and the next step.
    ///
    /// ```
    /// use threshflow::web::Response;
    /// let response = Response::error(404, "no dial `size`; there is `aesthetic`");
    /// assert_eq!(response.status, 404);
    /// assert_eq!(response.body, br#"{"error":"no dial `size`; there is `aesthetic`"}"#);
    /// ```
    pub fn error(status: u16, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let body = serde_json::json!({ "error": text }).to_string();
        Self::bytes(JSON, body.into_bytes()).with_status(status)
    }

    /// Status 200 with these bytes.
    pub fn bytes(media_type: impl Into<Cow<'static, str>>, body: Vec<u8>) -> Self {
        Response { status: 200, media_type: media_type.into(), body, headers: Vec::new() }
    }

    /// Status 200 with plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes("text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// Status 200 with a page.
    pub fn html(page: String) -> Self {
        Self::bytes("text/html; charset=utf-8", page.into_bytes())
    }

    /// The same with another status, such as 202.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, and the browser may keep it for so many seconds: for what never changes under its URL.
    ///
    /// ```
    /// use threshflow::web::Response;
    /// let response = Response::bytes("image/png", Vec::new()).cached(3600);
    /// assert_eq!(response.headers[0].1, "private, max-age=3600");
    /// ```
    #[must_use]
    pub fn cached(self, seconds: u32) -> Self {
        // Of the browser alone: a proxy between does not know the token.
        self.with_header("cache-control", format!("private, max-age={seconds}"))
    }
}

/// A body on its way: whole, or a stream of events.
pub(super) type Body = Either<Full<Bytes>, Events>;

/// What goes out for an answer of a site or of the server itself.
pub(super) fn outgoing(response: Response) -> hyper::Response<Body> {
    match headed(&response) {
        Ok((status, headers)) => built(status, headers, Either::Left(Full::new(Bytes::from(response.body)))),
        Err(what) => {
            // Of literals alone: this can't fail again.
            let failed = Response::error(500, format!("the answer has {what}; report this"));
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(JSON))]);
            let body = Either::Left(Full::new(Bytes::from(failed.body)));
            built(StatusCode::INTERNAL_SERVER_ERROR, headers, body)
        }
    }
}

/// What goes out for a listener.
pub(super) fn streaming(events: Events) -> hyper::Response<Body> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // nginx would hold events back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    built(StatusCode::OK, headers, Either::Right(events))
}

/// Status and headers of a site; or what of them HTTP does not allow.
fn headed(response: &Response) -> Result<(StatusCode, HeaderMap), String> {
    let status = StatusCode::from_u16(response.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| format!("status {}, which HTTP does not have", response.status))?;
    let mut headers = HeaderMap::new();
    let value = |name: &str, value: &str| {
        HeaderValue::try_from(value).map_err(|_| format!("a header {name} that is no line of text"))
    };
    headers.insert(CONTENT_TYPE, value("content-type", &response.media_type)?);
    for (name, text) in &response.headers {
        let known = HeaderName::try_from(name.as_ref()).map_err(|_| format!("a header named {name:?}"))?;
        if OWN.contains(&known) {
            return Err(format!("a header {known}, which is the server's"));
        }
        headers.append(known, value(name, text)?);
    }
    Ok((status, headers))
}

fn built(status: StatusCode, mut headers: HeaderMap, body: Body) -> hyper::Response<Body> {
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let mut response = hyper::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

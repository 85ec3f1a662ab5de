//! A request as a site sees it: the path and the query decoded, the token taken out.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The name of the token in a query.
const TOKEN: &str = "token";

/// What is asked for. A HEAD comes to a site as a GET; all other methods are answered with 405.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes something.
    Post,
}

/// A request that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The path, decoded, without the query: `/api/histogram/follows[remove]`. It starts with `/`, has no control characters, and none
    /// of its parts is `.` or `..`.
    pub path: String,
    /// Names and values of the query, decoded, in their order, without the token.
    pub query: Vec<(String, String)>,
    /// Whether the request bears the token: it need not where [`Site::needs_token`](super::Site::needs_token) says so.
    pub has_token: bool,
    /// The media type of the body in lower case, without parameters; `None` where there is no body.
    pub media_type: Option<String>,
    /// The body; empty for a GET.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of that name in the query.
    ///
    /// ```
    /// use threshflow::web::{Method, Request};
    /// let query = vec![("most".to_owned(), "12".to_owned())];
    /// let request =
    ///     Request { method: Method::Get, path: "/api/cut".to_owned(), query, has_token: true, media_type: None, body: Vec::new() };
    /// assert_eq!(request.value("most"), Some("12"));
    /// assert_eq!(request.value("dial"), None);
    /// ```
    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }
}

/// The path, decoded; or what is wrong with it.
pub(super) fn path(raw: &str) -> Result<String, String> {
    let path = decoded(raw).map_err(|problem| format!("the path {problem}"))?;
    if !path.starts_with('/') {
        return Err("the path does not start with `/`".to_owned());
    }
    if path.split(['/', '\\']).any(|part| part == "." || part == "..") {
        return Err("a part of the path is `.` or `..`; name what is meant without them".to_owned());
    }
    Ok(path)
}

/// Names and values.
pub(super) type Query = Vec<(String, String)>;

/// The query, decoded, and the token in it; or what is wrong with it.
pub(super) fn query(raw: &str) -> Result<(Query, Option<String>), String> {
    let (mut query, mut token) = (Query::new(), None);
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let part = |text: &str| {
            let spaced = text.replace('+', " ");
            // Nothing of the query is repeated: it may hold the token.
            decoded(&spaced).map_err(|problem| format!("the query {problem}"))
        };
        let (name, value) = (part(name)?, part(value)?);
        if name == TOKEN {
            token.get_or_insert(value);
        } else {
            query.push((name, value));
        }
    }
    Ok((query, token))
}

/// Escapes undone. A `%` that starts none stands for itself, as people type it: `top:30%`.
fn decoded(raw: &str) -> Result<String, &'static str> {
    let text: Cow<'_, str> = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| "is no UTF-8 once its escapes are undone; escape the bytes of UTF-8, as in `%C3%A4`")?;
    if text.chars().any(char::is_control) {
        return Err("has control characters, such as `%00`; leave them out");
    }
    Ok(text.into_owned())
}

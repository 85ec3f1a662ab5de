//! Who is let in: the host that a request names, the page that it comes from, the token that it bears.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use hyper::http::uri::Authority;

use super::{Response, Token, WebError};

/// What requests are checked against.
pub(super) struct Admission {
    token: Token,
    address: SocketAddr,
    names: Vec<Authority>,
}

impl Admission {
    /// For a server that listens on `address`, and is known by `names` besides.
    ///
    /// # Errors
    ///
    /// One of the names is none.
    pub(super) fn new(token: Token, address: SocketAddr, names: &[String]) -> Result<Self, WebError> {
        let parsed = |name: &String| authority(name).ok_or_else(|| WebError::Name(name.clone()));
        let names = names.iter().map(parsed).collect::<Result<_, _>>()?;
        Ok(Admission { token, address, names })
    }

    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// The host that the request names, if this server goes by it. A page of another server that had its own name resolved to this machine
    /// (DNS rebinding) names another.
    pub(super) fn host(&self, headers: &HeaderMap) -> Result<Authority, Response> {
        let text = only(headers, &HOST).ok_or_else(|| {
            Response::error(403, "the request has no `Host`, or several; send one, with the name in the URL")
        })?;
        let Some(host) = authority(text).filter(|host| self.goes_by(host)) else {
            return Err(Response::error(
                403,
                format!(
                    "this server does not go by the name {text:?}: open it by the URL that it printed (127.0.0.1, localhost or [::1] at \
                     port {}), or start it with that name as one of its own",
                    self.address.port()
                ),
            ));
        };
        Ok(host)
    }

    fn goes_by(&self, host: &Authority) -> bool {
        let name = host.host();
        let of_loopback = ["127.0.0.1", "localhost", "[::1]"].iter().any(|it| it.eq_ignore_ascii_case(name));
        let own = || {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            IpAddr::from_str(bare).is_ok_and(|ip| ip == self.address.ip() && !ip.is_unspecified())
        };
        // A URL without a port means 80.
        let port = host.port_u16().unwrap_or(80);
        if port == self.address.port() && (of_loopback || own()) {
            return true;
        }
        // Behind a proxy or a tunnel the port is another.
        self.names.iter().any(|it| {
            it.host().eq_ignore_ascii_case(name)
                && it.port_u16().is_none_or(|port| host.port_u16() == Some(port))
        })
    }

    /// Whether the request bears the token: in `Authorization`, or else in the query.
    pub(super) fn token_is_right(&self, headers: &HeaderMap, in_query: Option<&str>) -> Result<(), Response> {
        let bearer = || {
            let (scheme, token) = only(headers, &AUTHORIZATION)?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        };
        let what = match bearer().or(in_query) {
            Some(token) if self.token.is(token) => return Ok(()),
            Some(_) => "the token is wrong",
            None => "the request has no token",
        };
        let text = format!(
            "{what}: open the URL that the server printed, or send its token as `Authorization: Bearer TOKEN` or `?token=TOKEN`"
        );
        Err(Response::error(401, text).with_header(WWW_AUTHENTICATE.as_str(), "Bearer"))
    }
}

/// Whether the page that asks is one of this server. Programs that are no browsers send no `Origin`.
pub(super) fn of_our_page(headers: &HeaderMap, host: &Authority) -> bool {
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    // `null` is that of a page in a sandbox, a file, or a redirect.
    let ours = |origin: &str| {
        let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        named.is_some_and(|named| named.eq_ignore_ascii_case(host.as_str()))
    };
    only(headers, &ORIGIN).is_some_and(ours)
}

/// A host with its port, and nothing else.
fn authority(text: &str) -> Option<Authority> {
    let authority = Authority::from_str(text).ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let whole = port.is_empty() || authority.port_u16().is_some();
    // No patterns: a `*` would seem to be one.
    (whole && !authority.host().is_empty() && !text.contains('*')).then_some(authority)
}

/// The value of a header that comes once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

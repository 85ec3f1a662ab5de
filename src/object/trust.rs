//! Which certificates a connection trusts, and what is asked without a proxy. Servers of models are asked by the same rules.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, parse_pem};

/// What to do where a certificate is not trusted.
pub const TRUST_ADVICE: &str = "name the PEM file of its authority in SSL_CERT_FILE if you trust it";

/// The file of `SSL_CERT_FILE` has no certificates that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRoots {
    pub path: PathBuf,
    pub why: String,
}

/// The roots that the environment names, in `SSL_CERT_FILE`, for a server at `url`; `None` where nothing is named, or nothing is encrypted:
/// then those of the web are trusted.
pub fn named_roots(url: &str) -> Result<Option<Vec<Certificate<'static>>>, BadRoots> {
    let path = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
    let path = path.filter(|_| !url.starts_with("http:"));
    path.map(|path| certificates(Path::new(&path))).transpose()
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, BadRoots> {
    let fail = |why: String| BadRoots { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| fail(error.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(fail("there is no certificate in it".to_owned())) } else { Ok(found) }
}

/// What runs on this machine is never asked through a proxy.
pub fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the other side's certificate is not trusted: it won't be the next time. Certificates come as errors of input.
pub fn is_distrust(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(inner) if inner.kind() == std::io::ErrorKind::InvalidData
        && inner.to_string().contains("certificate"))
}

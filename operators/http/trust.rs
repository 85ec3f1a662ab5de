//! Which certificates a connection trusts: the roots of `SSL_CERT_FILE` if that is set, otherwise those of the web.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use ureq::Error;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::HttpError;

/// What to do where a certificate is not trusted.
pub(crate) const ADVICE: &str = "name the PEM file of its authority in SSL_CERT_FILE if you trust it";

/// Whom to trust, beside those whom everybody trusts.
pub(crate) struct Roots(Vec<Certificate<'static>>);

impl Roots {
    /// Of the environment, for an endpoint at `url`; `None` where nothing is set, or nothing is encrypted.
    pub(crate) fn of(url: &str) -> Result<Option<Self>, HttpError> {
        let path = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
        let path = path.filter(|_| !url.starts_with("http:"));
        path.map(|path| certificates(&PathBuf::from(path)).map(Roots)).transpose()
    }

    /// For HTTP.
    pub(crate) fn for_http(&self) -> TlsConfig {
        TlsConfig::builder().root_certs(RootCerts::from(self.0.clone())).build()
    }

    /// For a websocket. What can't be a root is none, as for HTTP.
    pub(crate) fn for_websockets(&self) -> Arc<ClientConfig> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(
            self.0.iter().map(|root| CertificateDer::from_slice(root.der()).into_owned()),
        );
        Arc::new(ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, HttpError> {
    let fail = |why: String| HttpError::Certificates { path: path.to_owned(), why };
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
pub(crate) fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the other side's certificate is not trusted: it won't be the next time. Certificates come as errors of input.
pub(crate) fn is_distrust(error: &Error) -> bool {
    matches!(error, Error::Io(inner) if inner.kind() == std::io::ErrorKind::InvalidData
        && inner.to_string().contains("certificate"))
}

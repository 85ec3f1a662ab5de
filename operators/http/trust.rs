//! Which certificates a connection trusts: the roots of `SSL_CERT_FILE` if that is set, otherwise those of the web.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use threshflow::object::{BadRoots, named_roots};
pub(crate) use threshflow::object::{TRUST_ADVICE as ADVICE, is_distrust, is_loopback};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::HttpError;

/// Whom to trust, beside those whom everybody trusts.
pub(crate) struct Roots(Vec<Certificate<'static>>);

impl Roots {
    /// Of the environment, for an endpoint at `url`; `None` where nothing is set, or nothing is encrypted.
    pub(crate) fn of(url: &str) -> Result<Option<Self>, HttpError> {
        let named = named_roots(url);
        named
            .map(|roots| roots.map(Roots))
            .map_err(|BadRoots { path, why }| HttpError::Certificates { path, why })
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

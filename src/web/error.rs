//! Why a server could not be started. No error contains a token.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a server could not be started, or its token could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The system refused the address.
    #[error("cannot listen on {address}: {source}; {}", next_step(*address, source))]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address can be reached from other machines, and nobody said that it may.
    #[error(
        "{0} can be reached from other machines, and what is sent there is not encrypted: listen on 127.0.0.1 or [::1] and reach it by \
         an SSH tunnel (`ssh -L`), or say that other machines may connect"
    )]
    BeyondLoopback(SocketAddr),
    /// A name of this server is none.
    #[error(
        "{0:?} is no name of a host: give a name or an address, with a port where only that port is meant, such as \
         `curation.example.org` or `localhost:9000`"
    )]
    Name(String),
    /// The event loop of the system could not be set up, or a thread could not be started.
    #[error("the server cannot start: {0}")]
    Start(String),
    /// The system gave no random bits.
    #[error("the system gave no random bits for a token: {0}; give the token by a file")]
    Random(String),
    /// The file of the token cannot be read.
    #[error("cannot read the token from {path}: {source}; check the file, or do without it: a token is then made up", path = path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read the file of the token.
    #[error(
        "others may read the token in {path} (its mode is {mode:04o}): take that right away, by `chmod 600 {path}`",
        path = path.display()
    )]
    TokenIsOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The first line of the file is no token.
    #[error("the first line of {path} is no token: {what}; `openssl rand -hex 32 > {path}` makes one", path = path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what is allowed.
        what: String,
    },
}

impl WebError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> WebError {
        let path = path.to_owned();
        move |source| WebError::TokenFile { path, source }
    }
}

fn next_step(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens on port {}, perhaps an earlier session: end that, or take another port (0 takes a free one)",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are the administrator's: take another port (0 takes a free one)".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no address {}: listen on 127.0.0.1", address.ip())
        }
        _ => crate::limits::advice(&error.to_string())
            .unwrap_or_else(|| "take another address or port".to_owned()),
    }
}

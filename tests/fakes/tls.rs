//! TLS in front of a server that speaks none, under a certificate that nobody signed but itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use base64::Engine;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long either side is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(2);

/// A port that speaks TLS; its threads end with the tests.
pub struct Tls {
    address: SocketAddr,
    certificate: String,
    connections: Arc<AtomicUsize>,
}

impl Tls {
    /// In front of `http://HOST:PORT`.
    pub fn before(url: &str) -> Self {
        let behind = url.strip_prefix("http://").expect("a server that speaks no TLS").to_owned();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a key of this certificate");
        let (config, connections) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("bound");
        let counted = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, SeqCst);
                let (config, behind) = (config.clone(), behind.clone());
                std::thread::spawn(move || carry(stream, config, &behind));
            }
        });
        let text = base64::engine::general_purpose::STANDARD.encode(made.cert.der());
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        Tls { address, certificate, connections }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A PEM file for who trusts it.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Connections that were begun.
    pub fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

/// Carries bytes to and fro until either side ends.
fn carry(stream: TcpStream, config: Arc<ServerConfig>, behind: &str) {
    let Ok(connection) = ServerConnection::new(config) else { return };
    let Ok(mut server) = TcpStream::connect(behind) else { return };
    let mut client = StreamOwned::new(connection, stream);
    let mut buffer = vec![0; 1 << 16];
    // Before the turns: nothing of a handshake is repeated.
    if client.conn.complete_io(&mut client.sock).is_err() {
        return;
    }
    if client.sock.set_read_timeout(Some(TURN)).is_err() || server.set_read_timeout(Some(TURN)).is_err() {
        return;
    }
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => drop(server.write_all(&buffer[..count])),
            Err(error) if is_silence(&error) => {}
            Err(_) => return,
        }
        match server.read(&mut buffer) {
            Ok(0) => {
                client.conn.send_close_notify();
                let _ = client.flush();
                return;
            }
            Ok(count) => {
                if client.write_all(&buffer[..count]).and_then(|()| client.flush()).is_err() {
                    return;
                }
            }
            Err(error) if is_silence(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

//! The websocket that reports the end of a prompt. It only saves waiting; the history decides.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Connector, Error, Message, WebSocket, client_tls_with_config};

use crate::http::LONGEST_CONNECT;

/// A connection under a client's id, of which the server tells how that client's prompts get on.
pub(super) struct Socket {
    socket: WebSocket<MaybeTlsStream<Timed>>,
}

/// A connection on which nothing waits beyond a moment, however slowly bytes trickle in.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_millis(1))) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What was heard of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It has ended, well or badly.
    Over,
    Nothing,
    /// Nothing will be heard any more.
    Gone,
}

impl Socket {
    /// Connects to the endpoint at `address` (`http://host:8188`), within `timeout`; `tls` where others than the usual roots are
    /// trusted. `None` where it can't: then the history is asked instead.
    pub(super) fn connect(
        address: &str,
        client_id: &str,
        tls: Option<Arc<ClientConfig>>,
        timeout: Duration,
    ) -> Option<Self> {
        let until = Instant::now() + timeout;
        let request = format!("ws{}/ws?clientId={client_id}", address.strip_prefix("http")?);
        let request = request.into_client_request().ok()?;
        let uri = request.uri();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
        // Names of version 6 stand in brackets.
        let host = uri.host()?.trim_matches(['[', ']']);
        let connect = |address| {
            let left = until.saturating_duration_since(Instant::now()).min(LONGEST_CONNECT);
            TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))).ok()
        };
        let stream = Timed { stream: (host, port).to_socket_addrs().ok()?.find_map(connect)?, until };
        let connector = tls.map(Connector::Rustls);
        let (socket, _) = client_tls_with_config(request, stream, None, connector).ok()?;
        Some(Socket { socket })
    }

    fn wait_no_longer_than(&mut self, until: Instant) {
        match self.socket.get_mut() {
            MaybeTlsStream::Plain(stream) => stream.until = until,
            MaybeTlsStream::Rustls(stream) => stream.sock.until = until,
            _ => {}
        }
    }

    /// Listens until the prompt is over, but no longer than `until`.
    pub(super) fn listen(&mut self, prompt_id: &str, until: Instant) -> Heard {
        self.wait_no_longer_than(until);
        loop {
            if Instant::now() >= until {
                return Heard::Nothing;
            }
            match self.socket.read() {
                Ok(Message::Text(text)) if says_over(&text, prompt_id) => return Heard::Over,
                Ok(Message::Close(_)) => return Heard::Gone,
                // Progress, previews, other prompts, and what nobody understands.
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Heard::Gone,
            }
        }
    }
}

fn says_over(text: &str, prompt_id: &str) -> bool {
    let Ok(message) = serde_json::from_str::<Value>(text) else { return false };
    let data = &message["data"];
    let over = match message["type"].as_str() {
        Some("execution_success" | "execution_error" | "execution_interrupted") => true,
        Some("executing") => data.get("node").is_some_and(Value::is_null),
        _ => false,
    };
    over && data["prompt_id"].as_str() == Some(prompt_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_ones_own_prompt_is_heard() {
        let over = |text: &str| says_over(text, "p");
        assert!(over(r#"{"type": "execution_success", "data": {"prompt_id": "p", "timestamp": 1}}"#));
        assert!(over(r#"{"type": "executing", "data": {"node": null, "prompt_id": "p"}}"#));
        assert!(over(r#"{"type": "execution_interrupted", "data": {"prompt_id": "p"}}"#));
        assert!(!over(r#"{"type": "executing", "data": {"node": "9", "prompt_id": "p"}}"#));
        assert!(!over(r#"{"type": "execution_success", "data": {"prompt_id": "q"}}"#));
        assert!(!over(r#"{"type": "status", "data": {"status": {}}}"#));
        assert!(!over("{"));
    }
}

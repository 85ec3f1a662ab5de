//! The websocket that tells when a prompt has ended. It only saves waiting: the history is what counts.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Error, Message, WebSocket, client_tls};

/// A connection under a client's id, of which the server tells how that client's prompts get on.
pub(super) struct Socket {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    /// The same connection, whose timeouts are set here.
    stream: TcpStream,
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
    /// Connects to the endpoint at `address` (`http://host:8188`). `None` where it can't: then the history is asked instead.
    pub(super) fn connect(address: &str, client_id: &str, timeout: Duration) -> Option<Self> {
        let request = format!("ws{}/ws?clientId={client_id}", address.strip_prefix("http")?);
        let request = request.into_client_request().ok()?;
        let uri = request.uri();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
        // Names of version 6 stand in brackets.
        let host = uri.host()?.trim_matches(['[', ']']);
        let stream = (host, port)
            .to_socket_addrs()
            .ok()?
            .find_map(|address| TcpStream::connect_timeout(&address, timeout).ok())?;
        stream.set_read_timeout(Some(timeout)).ok()?;
        stream.set_write_timeout(Some(timeout)).ok()?;
        let timeouts = stream.try_clone().ok()?;
        let (socket, _) = client_tls(request, stream).ok()?;
        Some(Socket { socket, stream: timeouts })
    }

    /// Listens until the prompt is over, but no longer than `until`.
    pub(super) fn listen(&mut self, prompt_id: &str, until: Instant) -> Heard {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Nothing;
            }
            if self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).is_err() {
                return Heard::Gone;
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

//! A site made up for tests, a client that writes raw bytes to a socket, and the tests of the whole room.

mod admission;
mod bodies;
mod events;
mod life;
mod speed;
mod token;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::{Hub, Method, Options, Request, Response, Server, Site, Token, lock, serve};

/// A client waits no longer for anything: a test that hangs says so.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with what it was asked, and does what the path says.
#[derive(Default)]
struct Echo {
    answered: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Echo {
    /// Lets `/wait` go on.
    fn open(&self) {
        *lock(&self.open) = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let open = self.opened.wait_timeout_while(lock(&self.open), PATIENCE, |open| !*open);
        assert!(!open.expect("not poisoned").1.timed_out(), "nobody opened");
    }
}

impl Site for Echo {
    fn answer(&self, request: &Request) -> Response {
        self.answered.fetch_add(1, Ordering::SeqCst);
        match request.path.as_str() {
            "/healthz" => Response::text("ok"),
            "/panic" => panic!("as it was asked to"),
            "/large" => Response::bytes("application/octet-stream", vec![7; 64 << 20]),
            "/thread" => Response::text(std::thread::current().name().unwrap_or_default()),
            "/kept" => Response::bytes("image/png", vec![1, 2, 3]).cached(60),
            "/split" => Response::text("no").with_header("x-a", "b\r\nset-cookie: c"),
            "/length" => Response::text("no").with_header("content-length", "1"),
            "/status" => Response::text("no").with_status(101),
            "/policy" => Response::text("no").with_header("content-security-policy", "default-src *"),
            "/wait" => {
                self.wait();
                Response::text("waited")
            }
            _ => Response::json(&serde_json::json!({
                "method": if request.method == Method::Get { "get" } else { "post" },
                "path": request.path,
                "query": request.query,
                "media_type": request.media_type,
                "body": String::from_utf8_lossy(&request.body),
            })),
        }
    }

    fn needs_token(&self, path: &str) -> bool {
        assert!(path != "/panic/token", "as it was asked to");
        path != "/healthz"
    }
}

/// A server of [`Echo`], and all there is around it.
struct Running {
    server: Server,
    site: Arc<Echo>,
    hub: Arc<Hub>,
    token: String,
}

fn running() -> Running {
    running_with(|_| {})
}

fn running_with(change: impl FnOnce(&mut Options)) -> Running {
    let mut options = Options::new(Token::random().expect("random bits"));
    change(&mut options);
    let (site, hub) = (Arc::new(Echo::default()), Arc::new(Hub::new(&["published"])));
    let same_site: Arc<Echo> = Arc::clone(&site);
    let server = serve(options, same_site, Arc::clone(&hub)).expect("starts");
    let token = server.url().split_once("token=").expect("a token").1.to_owned();
    Running { server, site, hub, token }
}

impl Running {
    fn port(&self) -> u16 {
        self.server.address().port()
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(self.server.address()).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("sets");
        stream.set_write_timeout(Some(PATIENCE)).expect("sets");
        stream.set_nodelay(true).expect("sets");
        Client { stream, ahead: Vec::new() }
    }

    /// The first lines of a request that passes all checks; more headers and an empty line are to follow.
    fn head(&self, method: &str, target: &str) -> String {
        let (port, token) = (self.port(), &self.token);
        format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n")
    }

    /// The answer to a GET on a connection of its own.
    fn get(&self, target: &str) -> Answer {
        let mut client = self.client();
        client.send(&format!("{}\r\n", self.head("GET", target)));
        client.answer()
    }

    /// The answer to a POST on a connection of its own.
    fn post(&self, target: &str, media_type: &str, body: &str) -> Answer {
        let mut client = self.client();
        client.send(&self.posted(target, media_type, body));
        client.answer()
    }

    fn posted(&self, target: &str, media_type: &str, body: &str) -> String {
        let head = self.head("POST", target);
        format!("{head}Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// The answer to these bytes on a connection of its own.
    fn raw(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.send(request);
        client.answer()
    }

    /// Waits until a new client is served. One that is turned away may find its connection reset.
    fn serves(&self) {
        until("a new client is served", || {
            let mut client = self.client();
            let asked = format!("{}Connection: close\r\n\r\n", self.head("GET", "/a"));
            let mut start = [0; 12];
            client.stream.write_all(asked.as_bytes()).is_ok()
                && client.stream.read_exact(&mut start).is_ok()
                && start == *b"HTTP/1.1 200"
        });
    }

    /// Waits until the hub has so many listeners.
    fn listeners(&self, count: usize) {
        until(&format!("{count} listen"), || self.hub.listeners() == count);
    }
}

/// Waits until something holds.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        pause(Duration::from_millis(2));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// One connection.
struct Client {
    stream: TcpStream,
    /// Bytes that were read and not yet looked at.
    ahead: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The status, and the text of its error, which must be one.
    fn error(&self) -> (u16, String) {
        let text = self.json()["error"].as_str().expect("an error").to_owned();
        assert!(self.status >= 400 && text.len() > 20, "{self:?}");
        (self.status, text)
    }
}

impl Client {
    fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).expect("sends");
    }

    /// Reads more; false at the end.
    fn more(&mut self) -> bool {
        let mut some = [0; 16 * 1024];
        let read = self.stream.read(&mut some).expect("something comes, or the connection is closed");
        self.ahead.extend_from_slice(&some[..read]);
        read > 0
    }

    /// Takes what stands before these bytes, and them.
    fn up_to(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|it| it == end) {
                return self.ahead.drain(..at + end.len()).take(at).collect();
            }
            assert!(self.more(), "closed after {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    fn head(&mut self) -> Answer {
        let head = String::from_utf8(self.up_to(b"\r\n\r\n")).expect("a head in UTF-8");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Answer {
            status: status[..3].parse().expect("a status"),
            headers: lines.map(header).collect(),
            body: Vec::new(),
        }
    }

    fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let length = answer.header("content-length").expect("a length").parse().expect("a number");
        while self.ahead.len() < length {
            assert!(self.more(), "closed in the middle of the body");
        }
        answer.body = self.ahead.drain(..length).collect();
        answer
    }

    /// Asks for the events; the head is read.
    fn listen(&mut self, running: &Running) {
        self.send(&format!("{}\r\n", running.head("GET", "/api/events")));
        let head = self.head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    }

    /// The next chunk of a stream; `None` at its end.
    fn chunk(&mut self) -> Option<String> {
        let length = String::from_utf8(self.up_to(b"\r\n")).expect("a length");
        let length = usize::from_str_radix(&length, 16).expect("a hexadecimal number");
        while self.ahead.len() < length + 2 {
            assert!(self.more(), "closed in the middle of a chunk");
        }
        let chunk: Vec<u8> = self.ahead.drain(..length + 2).take(length).collect();
        (length > 0).then(|| String::from_utf8(chunk).expect("UTF-8"))
    }

    /// The next event of a stream, beside comments and the greeting; `None` at the end of the stream.
    fn event(&mut self) -> Option<String> {
        loop {
            let chunk = self.chunk()?;
            if chunk.starts_with("event: ") {
                return Some(chunk);
            }
        }
    }

    /// Whether the server closes this connection, without sending more.
    fn is_closed(&mut self) -> bool {
        let mut some = [0; 1024];
        match self.stream.read(&mut some) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn leave(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

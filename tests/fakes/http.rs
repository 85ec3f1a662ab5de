//! An HTTP/1.1 server on a thread, whose every answer is a closure's: well, badly, late, or not at all.

use std::io::ErrorKind::{TimedOut, WouldBlock};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How many requests came before it.
    pub number: usize,
    /// How many connections were made before the one that it came by.
    pub connection: usize,
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Action {
    Respond {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The same, after a while.
    After(Duration, Box<Action>),
    /// No answer for as long as the client stays.
    Hang,
    /// An answer, byte by byte.
    SlowDrip {
        body: Vec<u8>,
        every: Duration,
    },
    /// The connection ends before an answer.
    CutConnection,
    /// The connection ends within the answer: this much of it came, and one byte more was promised.
    CutBody(Vec<u8>),
    /// As many bytes, in chunks: no length is announced.
    HugeBody(usize),
    Redirect {
        status: u16,
        to: String,
    },
}

impl Action {
    pub fn json(status: u16, body: &Value) -> Self {
        Action::respond(status, "application/json", body.to_string())
    }

    pub fn text(status: u16, body: &str) -> Self {
        Action::respond(status, "text/plain; charset=utf-8", body)
    }

    pub fn respond(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Action::Respond { status, headers, body: body.into() }
    }

    /// With one more header, where there are any.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Action::Respond { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// A running server; it ends with this value.
pub struct FakeServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<dyn Fn(&Asked) -> Action + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    sent: Mutex<Vec<usize>>,
    connections: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    ending: AtomicBool,
    /// What a list of models is answered with.
    models: Mutex<Action>,
}

impl FakeServer {
    pub fn start(script: impl Fn(&Asked) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked: Mutex::default(),
            sent: Mutex::default(),
            connections: AtomicUsize::default(),
            at_once: AtomicUsize::default(),
            most_at_once: AtomicUsize::default(),
            ending: AtomicBool::default(),
            models: Mutex::new(Action::text(404, "no such page")),
        });
        let server = FakeServer { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.ending.load(SeqCst) {
                    return;
                }
                let connection = shared.connections.fetch_add(1, SeqCst);
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&stream, connection));
            }
        });
        server
    }

    /// Answers the first requests with these, and all that follow with the last one.
    pub fn with_answers(answers: impl Into<Vec<Action>>) -> Self {
        let answers = answers.into();
        assert!(!answers.is_empty(), "one answer at least");
        FakeServer::start(move |asked| answers[asked.number.min(answers.len() - 1)].clone())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A list of models is answered so from now on. It is no request: the script isn't asked, and nobody counts it.
    pub fn list_models(&self, answer: Action) {
        *self.shared.models.lock().expect("no one panicked") = answer;
    }

    /// All that came, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no one panicked").clone()
    }

    pub fn count(&self) -> usize {
        self.shared.asked.lock().expect("no one panicked").len()
    }

    /// The numbers of the requests whose answer the system took whole, in the order of the answers.
    pub fn sent(&self) -> Vec<usize> {
        self.shared.sent.lock().expect("no one panicked").clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// The most requests that waited for an answer side by side.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(SeqCst)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.shared.ending.store(true, SeqCst);
        // Wakes the listener up.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream, connection: usize) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        while let Some(mut asked) = read(&mut reader, connection) {
            if asked.method == "GET" && asked.path.ends_with("/models") {
                self.at_once.fetch_add(1, SeqCst);
                let answer = self.models.lock().expect("no one panicked").clone();
                match self.act(stream, &answer) {
                    Some(()) => continue,
                    None => return,
                }
            }
            let at_once = self.at_once.fetch_add(1, SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, SeqCst);
            {
                let mut all = self.asked.lock().expect("no one panicked");
                asked.number = all.len();
                all.push(asked.clone());
            }
            let action = (self.script)(&asked);
            let stays = self.act(stream, &action);
            if stays.is_some() {
                self.sent.lock().expect("no one panicked").push(asked.number);
            }
            if stays.is_none() {
                return;
            }
        }
    }

    /// `None` where the connection is over. The request counts as under way until its answer is about to end: a client
    /// that has read it may send the next at once.
    fn act(&self, mut stream: &TcpStream, action: &Action) -> Option<()> {
        if let Action::After(time, action) = action {
            thread::sleep(*time);
            return self.act(stream, action);
        }
        if matches!(action, Action::Hang) {
            self.hang(stream);
        }
        if let Action::SlowDrip { body, every } = action {
            stream.write_all(&head(200, &[], body.len())).ok()?;
            for byte in body {
                thread::sleep(*every);
                if stream.write_all(&[*byte]).is_err() || self.ending.load(SeqCst) {
                    break;
                }
            }
        }
        self.at_once.fetch_sub(1, SeqCst);
        match action {
            Action::Respond { status, headers, body } => {
                let mut answer = head(*status, headers, body.len());
                answer.extend(body);
                stream.write_all(&answer).ok()
            }
            Action::Redirect { status, to } => {
                stream.write_all(&head(*status, &[("location".to_owned(), to.clone())], 0)).ok()
            }
            Action::CutBody(body) => {
                let mut answer = head(200, &[], body.len() + 1);
                answer.extend(body);
                stream.write_all(&answer).ok()?;
                None
            }
            Action::HugeBody(bytes) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").ok()?;
                let chunk = vec![b' '; 1 << 14];
                for start in (0..*bytes).step_by(chunk.len()) {
                    let part = &chunk[..chunk.len().min(bytes - start)];
                    write!(stream, "{:x}\r\n", part.len()).ok()?;
                    stream.write_all(part).ok()?;
                    stream.write_all(b"\r\n").ok()?;
                }
                stream.write_all(b"0\r\n\r\n").ok()
            }
            Action::Hang | Action::SlowDrip { .. } | Action::CutConnection | Action::After(..) => None,
        }
    }

    /// Until the client goes, or the server.
    fn hang(&self, mut stream: &TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
        while !self.ending.load(SeqCst) {
            // Zero is the end; an error is that nothing came yet, or that the connection broke.
            match stream.read(&mut [0]) {
                Ok(1..) => {}
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {}
                _ => return,
            }
        }
    }
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// The next request of a connection; `None` where there is none, or none that can be read.
fn read(reader: &mut BufReader<&TcpStream>, connection: usize) -> Option<Asked> {
    let first = line(reader)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { number: 0, connection, method, path, headers, body: Vec::new() };
    if asked.header("transfer-encoding") == Some("chunked") {
        loop {
            let length = usize::from_str_radix(&line(reader)?, 16).ok()?;
            let start = asked.body.len();
            asked.body.resize(start + length, 0);
            reader.read_exact(&mut asked.body[start..]).ok()?;
            line(reader)?;
            if length == 0 {
                break;
            }
        }
    } else {
        let length = asked.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        asked.body.resize(length, 0);
        reader.read_exact(&mut asked.body).ok()?;
    }
    Some(asked)
}

fn line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    let length = reader.read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

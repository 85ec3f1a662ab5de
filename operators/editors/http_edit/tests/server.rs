//! A server that gives the answers that it is told to give, in order, and keeps what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// An answer that will be given.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
    /// Whole lines.
    pub header: String,
}

impl Answer {
    pub fn bytes(status: u16, kind: &'static str, body: Vec<u8>) -> Self {
        Answer { status, kind, body, header: String::new() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Answer::bytes(status, "application/json", body.to_string().into_bytes())
    }
}

/// What was asked.
#[derive(Clone)]
pub struct Request {
    pub line: String,
    boundary: String,
    body: Vec<u8>,
}

impl Request {
    /// The one part of a form of this name.
    #[track_caller]
    pub fn part(&self, name: &str) -> Vec<u8> {
        let mut parts = self.parts(name);
        assert_eq!(parts.len(), 1, "parts named {name}");
        parts.remove(0)
    }

    pub fn parts(&self, name: &str) -> Vec<Vec<u8>> {
        self.all().into_iter().filter(|(theirs, _)| theirs == name).map(|(_, bytes)| bytes).collect()
    }

    pub fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|(name, _)| name).collect()
    }

    /// Names and contents of all parts, by RFC 7578.
    fn all(&self) -> Vec<(String, Vec<u8>)> {
        let boundary = format!("--{}", self.boundary).into_bytes();
        let found =
            |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).position(|window| window == wanted);
        let (mut parts, mut rest) = (Vec::new(), &self.body[..]);
        while let Some(at) = found(rest, &boundary) {
            rest = &rest[at + boundary.len()..];
            let Some(end) = found(rest, &boundary) else { break };
            let head_end = found(rest, b"\r\n\r\n").expect("a head");
            let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
            let name =
                head.split("; name=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a name");
            parts.push((name.to_string(), rest[head_end + 4..end - 2].to_vec()));
        }
        parts
    }
}

#[derive(Default)]
struct Kept {
    answers: VecDeque<Answer>,
    requests: Vec<Request>,
}

/// Listens on a port of its own until the process ends.
pub struct Server {
    port: u16,
    kept: Arc<Mutex<Kept>>,
}

impl Server {
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Kept { answers: answers.into(), requests: Vec::new() }));
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that hangs up while it is answered has had enough.
                let _ = serve(stream, &shared);
            }
        });
        Server { port, kept }
    }

    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Answers from now on.
    pub fn then(&self, answers: Vec<Answer>) {
        self.kept.lock().unwrap().answers = answers.into();
    }

    /// Answers that nobody fetched.
    pub fn left(&self) -> usize {
        self.kept.lock().unwrap().answers.len()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.kept.lock().unwrap().requests.clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_string());
    }
    let header = |name: &str| {
        let lines = head.iter().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(theirs, _)| theirs.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_string())
            .next()
    };
    let mut body = Vec::new();
    match header("content-length") {
        Some(length) => drop(reader.by_ref().take(length.parse().unwrap()).read_to_end(&mut body)?),
        None if header("transfer-encoding").is_some() => chunks(&mut reader, &mut body)?,
        None => {}
    }
    let kind = header("content-type").unwrap_or_default();
    let boundary = kind.split("boundary=").nth(1).unwrap_or_default().trim_matches('"').to_string();
    let request = Request { line: head.first().cloned().unwrap_or_default(), boundary, body };
    let answer = if request.line.starts_with("GET ") && request.line.contains("/models ") {
        // The first word with an endpoint is none of what was planned.
        Answer::bytes(404, "text/plain", b"no such page".to_vec())
    } else {
        let mut kept = kept.lock().unwrap();
        kept.requests.push(request);
        let answer = kept.answers.pop_front();
        answer.unwrap_or_else(|| Answer::bytes(418, "text/plain", b"nothing more was planned".to_vec()))
    };
    let Answer { status, kind, body, header } = answer;
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} Told\r\nContent-Type: {kind}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

fn chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).unwrap();
        reader.by_ref().take(length).read_to_end(body)?;
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}

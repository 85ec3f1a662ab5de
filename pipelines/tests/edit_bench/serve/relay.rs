//! `transformers serve` with a judge that is made on the spot, and a relay before it that keeps what was asked and answered.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::fakes::http::{Action, Asked, FakeServer};
use tests::python::python_named_by;

/// For Python, which imports much.
const LONG: Duration = Duration::from_secs(180);

/// The Python to serve with.
pub(super) fn python() -> Option<PathBuf> {
    python_named_by("THRESHFLOW_TEST_TRANSFORMERS", "torch, torchvision and transformers[serving]")
}

fn quiet(command: &mut Command) -> &mut Command {
    for (name, value) in [("HF_HUB_OFFLINE", "1"), ("CUDA_VISIBLE_DEVICES", ""), ("OMP_NUM_THREADS", "2")] {
        command.env(name, value);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null())
}

/// Makes a judge that `says` lines, or noise, into `folder`.
pub(super) fn make(python: &Path, folder: &Path, says: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edit_bench/make_judge.py");
    let made = quiet(Command::new(python).arg(script).arg(folder.join(says)).arg(says)).output();
    let made = made.expect("python3 starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A server of one judge; its name there is what it says.
pub(super) struct Served {
    child: Child,
    pub port: u16,
}

impl Served {
    pub(super) fn start(python: &Path, folder: &Path, says: &str) -> Self {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let begins = "from transformers.cli.transformers import main; main()";
        let mut command = Command::new(python);
        command.args(["-c", begins, "serve", "--host", "127.0.0.1", "--device", "cpu", "--port"]);
        command.arg(port.to_string()).arg(says).current_dir(folder).env("HF_HOME", folder.join("home"));
        let child = quiet(&mut command).stderr(Stdio::null()).spawn().expect("python3 starts");
        Served { child, port }
    }

    /// Waits until it answers.
    pub(super) fn awaited(mut self) -> Self {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().expect("can be waited for");
            assert!(ended.is_none() && begin.elapsed() < LONG, "the server does not start: {ended:?}");
            #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
            std::thread::sleep(Duration::from_millis(50));
        }
        self
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was asked, and the status and body of the answer.
pub(super) type Exchange = (Asked, u16, String);

/// Passes requests on to a port, which may change, and keeps all that came back whole.
pub(super) struct Relay {
    server: FakeServer,
    port: Arc<AtomicU16>,
    kept: Arc<Mutex<Vec<Exchange>>>,
}

impl Relay {
    pub(super) fn to(port: u16) -> Self {
        let (port, kept) = (Arc::new(AtomicU16::new(port)), Arc::<Mutex<Vec<Exchange>>>::default());
        let (to, keeps) = (port.clone(), kept.clone());
        let server = FakeServer::start(move |asked| match passed_on(to.load(SeqCst), asked) {
            Some((status, kind, body)) => {
                let mut keeps = keeps.lock().expect("no one panicked");
                keeps.push((asked.clone(), status, String::from_utf8_lossy(&body).into_owned()));
                Action::respond(status, &kind, body)
            }
            None => Action::CutConnection,
        });
        Relay { server, port, kept }
    }

    pub(super) fn turn_to(&self, port: u16) {
        self.port.store(port, SeqCst);
    }

    pub(super) fn url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    pub(super) fn kept(&self) -> Vec<Exchange> {
        self.kept.lock().expect("no one panicked").clone()
    }

    /// The good answers so far.
    pub(super) fn good(&self) -> usize {
        self.kept.lock().expect("no one panicked").iter().filter(|(_, status, _)| *status == 200).count()
    }

    /// Waits for so many good answers.
    pub(super) fn wait_for(&self, good: usize) {
        let begin = Instant::now();
        while self.good() < good {
            assert!(begin.elapsed() < LONG, "{good} answers never came");
            #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Status, type and body of the answer; `None` where no whole one came.
fn passed_on(port: u16, asked: &Asked) -> Option<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let head = format!(
        "{} {} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        asked.method,
        asked.path,
        asked.header("content-type").unwrap_or_default(),
        asked.body.len()
    );
    stream.write_all(&[head.as_bytes(), &asked.body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let body = answer[end + 4..].to_vec();
    let length: usize = field("content-length:")?.parse().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() == length).then(|| (status, field("content-type:").unwrap_or_default().to_owned(), body))
}

/// What it says it came to, and how it ended: tokens of the prompt, tokens of the answer, the finish reason, the text.
pub(super) fn told(body: &str) -> (u64, u64, String, String) {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let tokens = |name: &str| body["usage"][name].as_u64().expect("is counted");
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    (
        tokens("prompt_tokens"),
        tokens("completion_tokens"),
        text("/choices/0/finish_reason"),
        text("/choices/0/message/content"),
    )
}

//! A resident session, driven as a notebook would: the program's `live`, over HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Desk, Ended, ended, ended_within, signal};

/// What a session may take to come to rest, in a test.
const PATIENCE: Duration = Duration::from_secs(120);

/// A session that is served.
pub struct Resident {
    child: Option<Child>,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    pub token: String,
    agent: ureq::Agent,
    stderr: Arc<Mutex<String>>,
    /// Hears what it says on stderr, up to its last word.
    listener: JoinHandle<()>,
}

impl Resident {
    /// Starts `live` on the shards of the desk, and waits until it is served.
    pub fn start(desk: &Desk, more: &str) -> Self {
        Resident::of(&mut desk.command("live", &format!("--port 0 {more}")))
    }

    /// Starts this command, which is `live`, and waits until it is served.
    pub fn of(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("is piped")).read_line(&mut url).expect("says its URL");
        let said: Arc<Mutex<String>> = Arc::default();
        let (stderr, heard) = (child.stderr.take().expect("is piped"), said.clone());
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let Some((base, token)) = url.trim().split_once("/?token=") else {
            std::thread::sleep(Duration::from_millis(300));
            panic!("no URL, but {url:?}; {}", said.lock().unwrap());
        };
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        Resident {
            child: Some(child),
            base: base.to_owned(),
            token: token.to_owned(),
            agent: config.build().into(),
            stderr: said,
            listener,
        }
    }

    pub fn url(&self) -> String {
        format!("{}/?token={}", self.base, self.token)
    }

    pub fn process(&self) -> u32 {
        self.child.as_ref().expect("runs").id()
    }

    /// The status, and the answer as JSON.
    pub fn try_get(&self, path: &str) -> (u16, Value) {
        let (status, bytes) = self.get_bytes(path);
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub fn get_bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let request = self.agent.get(format!("{}{path}", self.base));
        let mut response = request
            .header("Authorization", format!("Bearer {}", self.token))
            .call()
            .unwrap_or_else(|error| panic!("{path}: {error}; {}", self.said()));
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().expect("is whole");
        (response.status().as_u16(), body)
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, value) = self.try_get(path);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub fn try_post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut response =
            request.send_json(body).unwrap_or_else(|error| panic!("{path}: {error}; {}", self.said()));
        let value = response.body_mut().read_json().unwrap_or_default();
        (response.status().as_u16(), value)
    }

    pub fn try_post_text(&self, path: &str, media_type: &str, body: &str) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.base)).header("Content-Type", media_type);
        let request = request.header("Authorization", format!("Bearer {}", self.token));
        let mut response =
            request.send(body).unwrap_or_else(|error| panic!("{path}: {error}; {}", self.said()));
        let value = response.body_mut().read_json().unwrap_or_default();
        (response.status().as_u16(), value)
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let (status, value) = self.try_post(path, body);
        assert!((200..300).contains(&status), "{path} {body}: {status} {value}");
        value
    }

    /// Puts a dial there, and gives back the counts.
    pub fn turn(&self, dial: &str, to: &str) -> Value {
        self.post("/api/turn", &json!({ "dials": { dial: to } }))
    }

    /// Asks what is held back, and waits until all of it is asked. The counts then.
    pub fn apply(&self) -> Value {
        self.post("/api/apply", &json!({}));
        self.rest()
    }

    /// Waits until nothing is asked.
    pub fn rest(&self) -> Value {
        let begin = Instant::now();
        loop {
            let state = self.get("/api/state");
            if state["applying"].is_null() {
                return state;
            }
            assert!(begin.elapsed() < PATIENCE, "it asks for ever: {state}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the state is so.
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let state = self.get("/api/state");
            if is_so(&state) {
                return state;
            }
            assert!(begin.elapsed() < PATIENCE, "{what} never came: {state}; {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Looks at these rows in turn for as long as it asks, and panics where one is not there: how often it looked.
    pub fn look_while_it_asks<'a>(&self, ids: impl Iterator<Item = &'a str>) -> usize {
        let mut looks = 0;
        for id in ids {
            for path in [format!("/api/row/{id}"), format!("/api/drawing/{id}")] {
                let (status, answer) = self.try_get(&path);
                assert_eq!(status, 200, "look {looks}, {path}: {answer}");
            }
            looks += 1;
            if looks % 10 == 0 && self.get("/api/state")["applying"].is_null() {
                break;
            }
        }
        looks
    }

    /// What it said on stderr so far.
    pub fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Ends it as Ctrl-C does.
    pub fn end(self) -> Ended {
        signal(self.child.as_ref().expect("runs"), libc::SIGINT);
        self.ended(60)
    }

    /// Waits for its end, whatever brings it about, and for its last words; panics where it takes longer than `seconds`.
    pub fn ended(mut self, seconds: u64) -> Ended {
        let ended = ended_within(self.child.take().expect("runs"), seconds);
        let begin = Instant::now();
        while !self.listener.is_finished() && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ended { stderr: self.said(), ..ended }
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("is killed");
        child.wait().expect("is reaped");
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Panics unless the desk's output is what a fresh run publishes with these flags: of the same shards, with a store of its own.
pub fn assert_published(desk: &Desk, flags: &str, context: &str) {
    let folder = crate::scratch();
    let mut command = desk.bare("run --json --max-error-rate 1 --shards");
    command.arg(desk.path("shards")).arg("--store").arg(folder.path().join("store"));
    command.arg("--out").arg(folder.path().join("out")).args(flags.split_whitespace());
    let ended = ended(&mut command);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    crate::trees::assert_same(&desk.path("out"), &folder.path().join("out"), context);
    assert!(desk.path("out/manifest.json").exists(), "{context}: there is no manifest");
}

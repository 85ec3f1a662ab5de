//! A bucket of a test's own, on one server for all tests of this program, beside a desk whose folder holds the same tars.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tests::program::{Desk, Ended, ended_within, start};
use tests::python::python_with;
use tests::resident::assert_published;

use crate::PATIENCE;

pub const KEY_ID: &str = "AKIAOBJECTSOFTESTS";
pub const SECRET: &str = "canary/9f2a77+c0de/of/a/secret";
/// What a user's shell may hold that would lead elsewhere.
const UNSET: [&str; 16] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
];

struct Server {
    /// Ends when this process does: its stdin is closed then.
    _child: Child,
    port: u16,
}

/// Started once. `None`, and a line that says so, where Python has no moto.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let begin = || {
        let mut python = python_with(&["moto.server"])?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects/s3.py");
        python.arg(script).args([KEY_ID, SECRET]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("is piped")).read_line(&mut line).expect("says its port");
        Some(Server { _child: child, port: line.trim().parse().expect("a port") })
    };
    SERVER.get_or_init(begin).as_ref()
}

/// What the server counted since it was last told to count from zero.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Counts {
    pub lists: u64,
    pub heads: u64,
    pub gets: u64,
    pub puts: u64,
    pub posts: u64,
    pub deletes: u64,
    /// Of objects, that were sent.
    pub bytes: u64,
    /// Of objects, that came.
    pub sent: u64,
    /// Requests that harm was done to.
    pub harmed: u64,
    /// Answers that are held up at this moment.
    pub waiting: u64,
    pub objects: BTreeMap<String, OfObject>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct OfObject {
    pub gets: u64,
    pub bytes: u64,
}

pub struct Bucket {
    pub desk: Desk,
    pub name: String,
    port: u16,
    agent: ureq::Agent,
}

impl Bucket {
    /// Holds, below `laion/`, the tars that the desk has.
    pub fn of(desk: Desk) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let port = server()?.port;
        let name = format!("bucket-{}", NUMBER.fetch_add(1, Relaxed));
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let bucket = Bucket { desk, name, port, agent: config.build().into() };
        bucket.upload("shards", "laion/");
        Some(bucket)
    }

    /// Puts what lies in a folder of the desk there; the size of every object of it.
    pub fn upload(&self, folder: &str, prefix: &str) -> BTreeMap<String, u64> {
        let told = self.control("upload", &json!({ "folder": self.desk.path(folder), "prefix": prefix }));
        serde_json::from_value(told).expect("sizes by key")
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Of all that lies below `laion/`.
    pub fn url(&self) -> String {
        self.url_of("laion/*.tar")
    }

    pub fn url_of(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    pub fn size(&self, shard: &str) -> u64 {
        std::fs::metadata(self.desk.path("shards").join(format!("{shard}.tar"))).expect("is there").len()
    }

    /// Of all shards of the desk.
    pub fn sizes(&self) -> BTreeMap<String, u64> {
        let files = std::fs::read_dir(self.desk.path("shards")).expect("is there").flatten();
        let size = |file: std::fs::DirEntry| {
            let key = format!("laion/{}", file.file_name().to_string_lossy());
            (key, file.metadata().expect("is there").len())
        };
        files.map(size).collect()
    }

    pub fn control(&self, verb: &str, said: &Value) -> Value {
        let url = format!("{}/_control/{}/{verb}", self.endpoint(), self.name);
        let mut answer = self.agent.post(url).send(said.to_string()).expect("the server answers");
        let told = answer.body_mut().read_to_string().expect("JSON");
        assert_eq!(answer.status().as_u16(), 200, "{verb} {said}: {told}");
        serde_json::from_str(&told).expect("JSON")
    }

    /// Writes the shard, here and in the desk's folder.
    pub fn put(&self, shard: &str, tar: &[u8]) {
        crate::put(&self.desk, shard, tar);
        let file = self.desk.path("shards").join(format!("{shard}.tar"));
        self.control("put", &json!({ "key": format!("laion/{shard}.tar"), "file": file }));
    }

    /// A file beside the shards, for a rule that swaps.
    pub fn aside(&self, name: &str, tar: &[u8]) -> std::path::PathBuf {
        let path = self.desk.path(name);
        std::fs::write(&path, tar).expect("writes");
        path
    }

    /// From now on this harm is done, and no other; counts begin at zero.
    pub fn rules(&self, rules: &Value) {
        self.control("rules", rules);
        self.control("reset", &json!({}));
    }

    pub fn counts(&self) -> Counts {
        serde_json::from_value(self.control("counts", &json!({}))).expect("counts")
    }

    /// Each request since counts began at zero.
    pub fn requests(&self) -> Vec<Value> {
        let url = format!("{}/_control/{}/requests", self.endpoint(), self.name);
        let mut answer = self.agent.get(&url).call().expect("the server answers");
        serde_json::from_str(&answer.body_mut().read_to_string().expect("JSON")).expect("JSON")
    }

    /// Waits until the server counts so.
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&Counts) -> bool) -> Counts {
        let begin = Instant::now();
        loop {
            let counts = self.counts();
            if is_so(&counts) {
                return counts;
            }
            assert!(begin.elapsed() < Duration::from_secs(PATIENCE), "{what} never came: {counts:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The program, led to this server and to nothing else.
    pub fn led(&self, mut command: Command) -> Command {
        for name in UNSET {
            command.env_remove(name);
        }
        command.env("AWS_ENDPOINT_URL", self.endpoint()).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
        // No files of a user, no addresses of a cloud's machines.
        command.env("HOME", self.desk.folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command
    }

    pub fn command(&self, subcommand: &str, more: &str) -> Command {
        self.over(&self.url(), subcommand, more)
    }

    /// The same over other shards. `more` may name another store or output.
    pub fn over(&self, shards: &str, subcommand: &str, more: &str) -> Command {
        let mut command = self.led(self.desk.bare(&format!("{subcommand} --shards")));
        command.arg(shards).args(more.split_whitespace());
        for (flag, folder) in [("--store", "store"), ("--out", "out")] {
            if !more.contains(flag) {
                command.args([flag, folder]);
            }
        }
        command.args(["--max-error-rate", "1"]);
        command
    }

    pub fn run(&self, more: &str) -> Ended {
        self.run_over(&self.url(), more)
    }

    pub fn run_over(&self, shards: &str, more: &str) -> Ended {
        ended_within(start(&mut self.over(shards, "run", more)), PATIENCE)
    }

    pub fn done(&self, more: &str) -> Value {
        self.run(&format!("--json {more}")).expect(0, &[]).json()
    }

    pub fn start(&self, more: &str) -> Child {
        start(&mut self.command("run", more))
    }

    /// A run that nothing disturbs: its summary, and what the server counted. Panics where the two tell of other numbers.
    pub fn counted(&self, more: &str) -> (Value, Counts) {
        self.rules(&json!([]));
        let summary = self.done(more);
        let counts = self.counts();
        self.assert_told(&summary, &counts, more);
        (summary, counts)
    }

    pub fn assert_told(&self, summary: &Value, counts: &Counts, context: &str) {
        let told = |name: &str| summary["objects"][name].as_u64().unwrap_or(0);
        assert_eq!(
            [told("lists"), told("heads"), told("gets"), told("bytes")],
            [counts.lists, counts.heads, counts.gets, counts.bytes],
            "{context}: lists, heads, gets and bytes: {summary}"
        );
        assert_eq!(
            [told("puts"), told("deletes"), told("sent")],
            [counts.puts + counts.posts, counts.deletes, counts.sent],
            "{context}: writes, deletions, and bytes of writes: {summary}"
        );
    }

    /// The same, with these dials; panics where a folder with these tars would come to anything else.
    pub fn step(&self, dials: &str, more: &str) -> (Value, Counts) {
        let done = self.counted(&format!("{dials} {more}"));
        assert_published(&self.desk, dials, &format!("{dials} {more}"));
        done
    }

    /// As if nothing had ever run.
    pub fn afresh(&self) {
        for folder in ["store", "out"] {
            let _ = std::fs::remove_dir_all(self.desk.path(folder));
        }
    }

    /// Takes every shard out of the cache.
    pub fn evict(&self) {
        let _ = std::fs::remove_dir_all(self.desk.path("store/cache"));
    }
}

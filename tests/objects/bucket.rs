//! A bucket of a test's own, on one server for all tests of this program, beside a desk whose folder holds the same tars.

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
pub use tests::buckets::{Counts, SECRET};
use tests::buckets::{Store, TestBucket};
use tests::program::{Desk, Ended, ended_within, start};
use tests::resident::assert_published;

use crate::PATIENCE;

pub struct Bucket {
    pub desk: Desk,
    pub name: String,
    server: TestBucket,
}

impl Bucket {
    /// Holds, below `laion/`, the tars that the desk has.
    pub fn of(desk: Desk) -> Option<Self> {
        Bucket::of_store(Store::Amazon, desk)
    }

    pub fn of_store(store: Store, desk: Desk) -> Option<Self> {
        let server = TestBucket::of(store)?;
        let bucket = Bucket { desk, name: server.bucket.clone(), server };
        bucket.upload("shards", "laion/");
        Some(bucket)
    }

    /// Puts what lies in a folder of the desk there; the size of every object of it.
    pub fn upload(&self, folder: &str, prefix: &str) -> BTreeMap<String, u64> {
        let told = self.control("upload", &json!({ "folder": self.desk.path(folder), "prefix": prefix }));
        serde_json::from_value(told).expect("sizes by key")
    }

    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Of all that lies below `laion/`.
    pub fn url(&self) -> String {
        self.url_of("laion/*.tar")
    }

    pub fn url_of(&self, key: &str) -> String {
        self.server.url_of(key)
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
        self.server.control(verb, said)
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
        self.server.rules(rules);
    }

    pub fn counts(&self) -> Counts {
        self.server.counts()
    }

    /// All that lies below `prefix`, in a folder of the desk.
    pub fn download(&self, prefix: &str, folder: &str) {
        self.server.download(prefix, &self.desk.path(folder));
    }

    /// Each request since counts began at zero.
    pub fn requests(&self) -> Vec<Value> {
        self.server.requests()
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
    pub fn led(&self, command: Command) -> Command {
        self.server.led(command, self.desk.folder.path())
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

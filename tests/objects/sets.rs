//! Published sets that lie in a bucket: whatever happens on the way, its manifest names a complete set, and when a run has ended well it holds the
//! bytes that a folder would hold. What is sent is what changed, as numbers.

use std::collections::BTreeMap;
use std::process::{Child, Command};

use serde_json::{Value, json};
use tests::buckets::Store;
use tests::program::{Ended, ended_within, start};
use tests::resident::{Resident, assert_published};
use tests::trees;
use threshflow::row::ContentHash;

use crate::bucket::Bucket;
use crate::{PATIENCE, desk};

/// What is said of another writer.
pub const OVERTAKEN: &str = "was published to by another writer";
pub const RIVAL: &str = "is being written by process";
/// Short, so that a dead writer is known for one in two seconds.
const TIMES: &str = "--object-timeout 1 --object-retries 6";

type Tree = BTreeMap<String, Vec<u8>>;

/// A bucket, and a set in it.
pub struct Set {
    pub bucket: Bucket,
    place: &'static str,
}

impl Set {
    pub fn of(shards: u64, each: u64) -> Option<Self> {
        Set::of_store(Store::Amazon, shards, each)
    }

    pub fn of_store(store: Store, shards: u64, each: u64) -> Option<Self> {
        Bucket::of_store(store, desk(shards, each, 0)).map(|bucket| Set { bucket, place: "sets/first" })
    }

    pub fn url(&self) -> String {
        self.bucket.url_of(self.place)
    }

    /// A command about the desk's shards with this store, that publishes here.
    pub fn command(&self, subcommand: &str, store: &str, more: &str) -> Command {
        let mut command = self.bucket.led(self.bucket.desk.bare(&format!("{subcommand} --shards shards")));
        command.args(["--store", store, "--out", &self.url(), "--max-error-rate", "1"]);
        if !more.contains("--object-timeout") {
            command.args(TIMES.split(' '));
        }
        command.args(more.split_whitespace());
        command
    }

    pub fn run(&self, store: &str, more: &str) -> Ended {
        ended_within(start(&mut self.command("run", store, more)), PATIENCE)
    }

    pub fn start(&self, store: &str, more: &str) -> Child {
        start(&mut self.command("run", store, more))
    }

    /// A run with this store that is on its way, and stands before a write of such a key until the rules change.
    pub fn held(&self, key: &str, store: &str, more: &str) -> Child {
        self.bucket.rules(&json!([{ "on": "put", "key": key, "times": 1, "do": { "hold": 60 } }]));
        let run = self.start(store, more);
        self.bucket.wait_for("a write is on its way", |counts| counts.waiting > 0);
        run
    }

    /// Kills the run as soon as an answer is held up, unless it ended before: says whether it did. Then nothing is held up any more.
    pub fn killed_when_held(&self, mut run: Child) -> bool {
        let mut ended = false;
        while self.bucket.counts().waiting == 0 && !ended {
            ended = run.try_wait().expect("can be waited for").is_some();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        run.kill().expect("is killed, or has ended");
        run.wait().expect("is reaped");
        self.bucket.rules(&json!([]));
        ended
    }

    /// A session that has asked all and published.
    pub fn session(&self, more: &str) -> Resident {
        let session = Resident::of(&mut self.command("live", "store", &format!("--port 0 {more}")));
        session.apply();
        session.post("/api/publish", &json!({}));
        self.assert_is("", more);
        session
    }

    /// All that lies there, in the desk's folder `out`.
    pub fn tree(&self) -> Tree {
        self.bucket.download(&format!("{}/", self.place), "out");
        trees::read(&self.bucket.desk.path("out"))
    }

    /// Panics unless the bucket holds what a fresh run with these flags publishes in a folder.
    pub fn assert_is(&self, flags: &str, context: &str) {
        self.tree();
        assert_published(&self.bucket.desk, flags, context);
    }

    /// A run that nothing disturbs, and the bytes that were sent for anything but the lock.
    pub fn sent(&self, store: &str, flags: &str) -> (Value, u64) {
        self.bucket.rules(&json!([]));
        let summary = self.run(store, &format!("--json {flags}")).expect(0, &[]).json();
        self.bucket.assert_told(&summary, &self.bucket.counts(), flags);
        let asked = self.bucket.requests();
        let is_of_the_set = |asked: &&Value| {
            asked["kind"] == "put" && !asked["key"].as_str().is_some_and(|key| key.contains("/."))
        };
        let sent = asked.iter().filter(is_of_the_set).map(|asked| asked["sent"].as_u64().expect("a number"));
        (summary, sent.sum())
    }

    /// Panics where the manifest that is there names a file that is not, or is not what it says.
    pub fn assert_complete(&self, context: &str) -> bool {
        let tree = self.tree();
        let Some(manifest) = tree.get("manifest.json") else { return false };
        let manifest: Value = serde_json::from_slice(manifest).expect("JSON");
        for part in manifest["parts"].as_array().expect("parts") {
            let file = part["file"].as_str().expect("a name");
            let bytes = tree.get(file).unwrap_or_else(|| panic!("{context}: {file} is named and missing"));
            assert_eq!(Some(bytes.len() as u64), part["bytes"].as_u64(), "{context}: {file}");
            let hash = ContentHash::of(bytes).to_string();
            assert_eq!(part["hash"].as_str(), Some(&*hash), "{context}: {file}");
        }
        true
    }
}

/// The bytes of files that are new, or hold something else.
fn changed(before: &Tree, after: &Tree) -> u64 {
    let differs = |(name, bytes): &(&String, &Vec<u8>)| before.get(*name) != Some(*bytes);
    after.iter().filter(differs).map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn what_is_published_in_a_bucket_is_what_a_folder_would_hold_and_only_what_changed_is_sent() {
    only_what_changed_is_sent(Store::Amazon);
}

pub fn only_what_changed_is_sent(store: Store) {
    let Some(set) = Set::of_store(store, 4, 24) else { return };
    let mut before = Tree::new();
    for dials in ["", "--set short_side=9", "--set short_side=9", "--set short_side=7", ""] {
        let (summary, sent) = set.sent("store", dials);
        set.assert_is(dials, dials);
        let after = set.tree();
        assert_eq!(sent, changed(&before, &after), "{dials}: {summary}");
        // All that is gone, at once, but for Google, who deletes one by one; and in the first run a probe.
        let gone = before.keys().filter(|name| !after.contains_key(*name)).count() as u64;
        let requests = if store == Store::Google { gone } else { gone.min(1) };
        assert_eq!(
            summary["objects"]["deletes"],
            requests + u64::from(before.is_empty()),
            "{dials}: {summary}"
        );
        // Where nothing changed, nothing is fetched, and the lock alone is written: to see that it can be.
        if before == after {
            assert_eq!(summary["objects"]["gets"], 1, "{summary}");
            assert_eq!(summary["objects"]["puts"], 2, "{summary}");
        }
        before = after;
    }
}

/// On another machine, or with a store that is lost, a run goes by what the bucket holds.
#[test]
fn another_store_goes_on_from_what_is_published() {
    let Some(set) = Set::of(3, 24) else { return };
    set.run("store", "").expect(0, &[]);
    let before = set.tree();
    // Nothing is removed by somebody who has not all shards, and none of it goes.
    std::fs::rename(set.bucket.desk.path("shards/s2.tar"), set.bucket.desk.path("s2.tar")).expect("moves");
    set.run("other", "").expect(1, &["--max-removed", &set.url()]);
    assert!(set.tree() == before);
    std::fs::rename(set.bucket.desk.path("s2.tar"), set.bucket.desk.path("shards/s2.tar")).expect("moves");
    let (summary, sent) = set.sent("other", "--set short_side=9");
    set.assert_is("--set short_side=9", "another store");
    // The first run of this store has brought what was there, and sends no more of it than had to change.
    assert_eq!(sent, changed(&before, &set.tree()), "{summary}");
    // The first store sees that, and goes on from there.
    let (summary, sent) = set.sent("store", "--set short_side=9");
    assert_eq!(sent, 0, "{summary}");
    set.assert_is("--set short_side=9", "the first store");
}

#[test]
fn what_somebody_changes_in_the_bucket_is_seen_and_sent_anew() {
    let Some(set) = Set::of(2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    let tree = set.tree();
    let parts: Vec<&String> = tree.keys().filter(|name| name.ends_with(".parquet")).collect();
    let junk = set.bucket.aside("junk", b"junk");
    set.bucket.control("delete", &json!({ "key": format!("sets/first/{}", parts[0]) }));
    set.bucket.control("put", &json!({ "key": format!("sets/first/{}", parts[1]), "file": junk }));
    set.bucket.control("put", &json!({ "key": "sets/first/README.md", "file": junk }));
    let said = set.run("store", "").expect(0, &["it is missing", "it is another object"]);
    assert!(said.stdout.contains("sent to s3://") && said.stdout.contains("3 files"), "{said:#?}");
    set.assert_is("", "mended");
    // A manifest that is gone, or is none: said with what to do, which helps.
    set.bucket.control("put", &json!({ "key": "sets/first/manifest.json", "file": junk }));
    set.run("store", "").expect(1, &["manifest.json is damaged", "delete it and run again", &set.url()]);
    set.bucket.control("delete", &json!({ "key": "sets/first/manifest.json" }));
    set.run("store", "").expect(0, &[]);
    set.assert_is("", "after the manifest was gone");
}

#[test]
fn places_that_cannot_be_meant_are_refused() {
    let Some(set) = Set::of(1, 6) else { return };
    for (place, words) in [
        ("hf://datasets/me/mine/out", "nothing can be written there"),
        ("https://example.com/out", "nothing can be written there"),
        ("s3://bucket", "no folder in it"),
        ("s3://bucket/a//b", "empty"),
        ("s3://bucket/*/b", "no pattern"),
        ("ftp://bucket/b", "s3://BUCKET"),
    ] {
        let mut run = set.bucket.led(set.bucket.desk.bare("run --shards shards --out"));
        run.arg(place);
        ended_within(start(&mut run), PATIENCE).expect(2, &[words]);
    }
    for flag in ["--report", "--cache"] {
        set.run("store", &format!("{flag} s3://bucket/place")).expect(2, &["a place on a disk"]);
    }
    set.run("s3://bucket/store", "").expect(2, &["a place on a disk"]);
    let export = format!("--export {}/tars", set.url());
    set.run("store", &export).expect(2, &["a folder of its own"]);
    let verify = set.bucket.desk.bare("verify");
    let mut verify = set.bucket.led(verify);
    ended_within(start(verify.arg(set.url())), PATIENCE).expect(2, &["copy it to a folder"]);
}

/// Every command that reads or writes what is published does it there, too.
#[test]
fn all_commands_know_the_place() {
    let Some(set) = Set::of(3, 24) else { return };
    let ended = |command: &mut Command| ended_within(start(command), PATIENCE).expect(0, &[]);
    let export = format!("--export {}", set.bucket.url_of("tars"));
    set.run("store", &export).expect(0, &[]);
    set.assert_is("", "the run with an export");
    let plan = |store: &str| {
        let said = ended(&mut set.command("plan", store, "--json --set short_side=14"));
        let total = said.json()["total"].clone();
        ["enter", "leave", "undecided"].map(|count| total[count].as_u64().expect("a number"))
    };
    // With its mirror, and without: that is brought for the time being.
    let planned = plan("store");
    assert!(planned[1] > 0, "{planned:?}");
    let mut run = set.bucket.led(set.bucket.desk.bare("run --shards shards --store plain --out plain-out"));
    ended(run.args(["--max-error-rate", "1"]));
    assert_eq!(plan("plain"), planned);
    assert!(!set.bucket.desk.path("plain/buckets").exists(), "a plan writes nothing");

    let explain = |out: &str, key: &str| {
        let mut explain = set.bucket.led(set.bucket.desk.bare("explain --json --out"));
        ended(explain.args([out, key])).stdout
    };
    let (key, _) = kept_row(&set);
    assert_eq!(explain(&set.url(), &key), explain("plain-out", &key));

    // From a bucket, to a bucket and to a folder: the same tars.
    let exported = |to: &str, out: &str| {
        let mut export = set.bucket.led(set.bucket.desk.bare("export --store store --to"));
        ended(export.args([to, "--out", out, "--json"])).json()
    };
    let again = exported(&set.bucket.url_of("tars"), &set.url());
    assert_eq!((&again["parts_written"], &again["sent"]["files"]), (&json!(0), &json!(0)), "{again}");
    exported("tars-here", &set.url());
    let tars = set.bucket.desk.path("tars-there");
    set.bucket.download("tars/", "tars-there");
    trees::assert_same(&tars, &set.bucket.desk.path("tars-here"), "exports");
    assert!(trees::read(&tars).len() > 1);

    // Several processes, and an array.
    set.run("many", "--processes 2 --set short_side=9").expect(0, &[]);
    set.assert_is("--set short_side=9", "two processes");
    for part in ["1/2", "2/2"] {
        set.run("array", &format!("--part {part} --set short_side=7")).expect(0, &[]);
        set.assert_is("--set short_side=9", "a part publishes nothing");
    }
    set.run("array", "--set short_side=7").expect(0, &[]);
    set.assert_is("--set short_side=7", "an array");
}

/// A kept row, and its shard's name.
fn kept_row(set: &Set) -> (String, String) {
    let out = set.bucket.desk.path("plain-out/data");
    let part = std::fs::read_dir(out).expect("is there").flatten().next().expect("a part").path();
    let table = threshflow::publish::Table::open(&part).expect("opens");
    let mut found = None;
    let _ = table.read(&["shard", "key"], |_, row| {
        found =
            Some((row[0].as_str().expect("a name").to_owned(), row[1].as_str().expect("a key").to_owned()));
        std::ops::ControlFlow::Break(())
    });
    let (shard, key) = found.expect("a row");
    (format!("{shard}/{key}"), shard)
}

/// A file of many megabytes goes in parts; where one of them cannot be sent, nothing of it stays.
#[test]
fn large_files_go_in_parts() {
    large_files(Store::Amazon, "AWS_ACCESS_KEY_ID");
}

/// `key` is the variable that an error about rights names.
pub fn large_files(store: Store, key: &str) {
    let Some(bucket) = Bucket::of_store(store, desk(1, 12, 40 << 20)) else { return };
    let set = Set { bucket, place: "sets/first" };
    set.run("store", "").expect(0, &[]);
    let exported = |to: &str| {
        let mut export = set.bucket.led(set.bucket.desk.bare("export --store store --to"));
        export.args([to, "--out", &set.url(), "--json"]).args(TIMES.split(' '));
        ended_within(start(&mut export), PATIENCE)
    };
    let to = set.bucket.url_of("tars");
    set.bucket.rules(&json!([{ "on": "put", "key": "tars/*.tar", "skip": 1, "do": { "status": 403 } }]));
    exported(&to).expect(1, &[key]);
    let counts = set.bucket.counts();
    // Azure knows no uploads that are begun: what is not put together goes by itself.
    let uploads = u64::from(store != Store::Azure);
    assert_eq!(
        (counts.posts, counts.deletes),
        (uploads, 2 + uploads),
        "begun and given up, taken back, and the probe: {counts:?}"
    );
    set.bucket.rules(&json!([{ "on": "put", "key": "tars/*.tar", "times": 2, "do": { "status": 503 } }]));
    let told = exported(&to).expect(0, &["trying again"]).json();
    let counts = set.bucket.counts();
    assert_eq!(counts.posts, 2 * uploads, "begun and completed: {counts:?}");
    exported("here").expect(0, &[]);
    let there = set.bucket.desk.path("there");
    set.bucket.download("tars/", "there");
    trees::assert_same(&there, &set.bucket.desk.path("here"), "in parts");
    assert!(told["sent"]["bytes"].as_u64() > Some(16 << 20), "{told}");
}

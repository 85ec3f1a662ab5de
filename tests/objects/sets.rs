//! Published sets that lie in a bucket: whatever happens on the way, its manifest names a complete set, and when a run has ended well it holds the
//! bytes that a folder would hold. What is sent is what changed, as numbers.

use std::collections::BTreeMap;
use std::process::{Child, Command};

use serde_json::{Value, json};
use tests::program::{Ended, asked, ended_within, start};
use tests::resident::assert_published;
use tests::trees;
use threshflow::row::ContentHash;

use crate::bucket::Bucket;
use crate::words::says_any;
use crate::{PATIENCE, desk};

/// What another writer says and does, and what is said of it.
const OVERTAKEN: &str = "was published to by another writer";
const RIVAL: &str = "is being written by process";
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
        Bucket::of(desk(shards, each, 0)).map(|bucket| Set { bucket, place: "sets/first" })
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
    fn sent(&self, store: &str, flags: &str) -> (Value, u64) {
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
    fn assert_complete(&self, context: &str) -> bool {
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
    let Some(set) = Set::of(4, 24) else { return };
    let mut before = Tree::new();
    for dials in ["", "--set short_side=9", "--set short_side=9", "--set short_side=7", ""] {
        let (summary, sent) = set.sent("store", dials);
        set.assert_is(dials, dials);
        let after = set.tree();
        assert_eq!(sent, changed(&before, &after), "{dials}: {summary}");
        // All that is gone, at once; and in the first run a probe.
        let gone = before.keys().any(|name| !after.contains_key(name));
        assert_eq!(
            summary["objects"]["deletes"],
            u64::from(gone) + u64::from(before.is_empty()),
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
fn a_kill_at_any_write_leaves_a_complete_set_and_the_next_run_goes_on_at_once() {
    let Some(set) = Set::of(3, 12) else { return };
    set.run("store", "").expect(0, &[]);
    let mut reached = 0;
    for skip in 0.. {
        let (from, to) = if skip % 2 == 0 { ("", "--set short_side=9") } else { ("--set short_side=9", "") };
        let context = format!("killed at write {skip}");
        set.bucket.rules(&json!([
            { "on": "put", "skip": skip, "do": { "hold": 60 } },
            // Also between writes.
            { "on": "delete", "key": if skip % 3 == 0 { "*" } else { "-" }, "do": { "hold": 60 } },
        ]));
        let mut run = set.start("store", to);
        let mut ended = false;
        while set.bucket.counts().waiting == 0 && !ended {
            ended = run.try_wait().expect("can be waited for").is_some();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        run.kill().expect("is killed, or has ended");
        run.wait().expect("is reaped");
        set.bucket.rules(&json!([]));
        assert!(set.assert_complete(&context), "{context}: there is no manifest");
        if ended {
            break;
        }
        reached += 1;
        let said = set.run("store", to).expect(0, &[]);
        // Not by waiting for the lease of its own dead run.
        assert!(!said.stderr.contains("whether it lives"), "{context}: {said:#?}");
        set.assert_is(to, &format!("{context}, from {from:?}"));
    }
    assert!(reached > 8, "{reached}");
}

/// Two stores, as of two machines: what one published is never replaced by what the other began before.
#[test]
fn of_two_writers_the_slower_is_told_and_goes_on_from_what_the_other_published() {
    let Some(set) = Set::of(2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    let slow = set.start("slow", "--slow 400 --set short_side=7");
    set.bucket.wait_for("the slow one has looked", |counts| counts.puts > 0);
    set.run("store", "--set short_side=9").expect(0, &[]);
    let before = set.tree();
    let said = ended_within(slow, PATIENCE).expect(1, &[OVERTAKEN, &set.url(), "run again"]);
    assert!(set.tree() == before, "{said:#?}");
    set.assert_is("--set short_side=9", "the faster one");
    let (summary, _) = set.sent("slow", "--set short_side=7");
    assert_eq!(asked(&summary), 0, "what was answered is kept: {summary}");
    set.assert_is("--set short_side=7", "the slower one, again");
}

#[test]
fn a_writer_who_lives_is_not_disturbed() {
    let Some(set) = Set::of(2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    set.bucket.rules(&json!([{ "on": "put", "key": "*/manifest.json", "do": { "hold": 60 } }]));
    let first = set.start("store", "--set short_side=9 --object-timeout 3");
    set.bucket.wait_for("the manifest is on its way", |counts| counts.waiting > 0);
    set.run("other", "--set short_side=7").expect(1, &[RIVAL, &set.url()]);
    set.bucket.rules(&json!([]));
    ended_within(first, PATIENCE).expect(0, &[]);
    set.assert_is("--set short_side=9", "the first");
}

/// A writer that stands still for longer than its lease is taken for dead. When it wakes, what the other published stands.
#[test]
fn a_writer_that_stood_still_finds_the_place_taken() {
    let Some(set) = Set::of(2, 24) else { return };
    set.run("store", "").expect(0, &[]);
    for held in ["*/manifest.json", "*/data/*"] {
        set.bucket.rules(&json!([{ "on": "put", "key": held, "times": 1, "do": { "hold": 60 } }]));
        let first = set.start("store", "--set short_side=9");
        set.bucket.wait_for("a write is on its way", |counts| counts.waiting > 0);
        tests::program::kill(first.id(), libc::SIGSTOP);
        let said =
            set.run("other", "--set short_side=7").expect(0, &["to see whether it lives", "was taken over"]);
        set.assert_is("--set short_side=7", held);
        // What it had sent before it was stopped comes through now.
        set.bucket.rules(&json!([]));
        tests::program::kill(first.id(), libc::SIGCONT);
        let first = ended_within(first, PATIENCE);
        assert_eq!(first.code, Some(1), "{held}: {first:#?} {said:#?}");
        assert!(says_any(&first.stderr, &[OVERTAKEN, "could not be kept locked"]), "{held}: {first:#?}");
        let tree = set.tree();
        assert!(set.assert_complete(held));
        let manifest: Value = serde_json::from_slice(&tree["manifest.json"]).expect("JSON");
        assert!(manifest["dials"].to_string().contains("7.0"), "{held}: {manifest}");
        // A part that came late is deleted by the next one.
        set.run("other", "--set short_side=7").expect(0, &[]);
        set.assert_is("--set short_side=7", held);
        set.run("store", "").expect(0, &[]);
    }
}

#[test]
fn an_answer_that_is_lost_is_no_failure() {
    let Some(set) = Set::of(2, 12) else { return };
    let kinds = ["*/.lock", "*/manifest.json", "*/data/*", "*"];
    for (round, key) in kinds.into_iter().enumerate() {
        let dials = format!("--set short_side={}", 7 + round % 3);
        for (on, does) in [("put", json!({ "lose": true })), ("any", json!({ "status": 503 }))] {
            set.bucket.rules(
                &json!([{ "on": on, "key": key, "share": 0.5, "seed": round, "times": 2, "do": does }]),
            );
            set.run("store", &dials).expect(0, &[]);
            set.bucket.rules(&json!([]));
            set.assert_is(&dials, &format!("{key}, {does}"));
        }
        set.run("store", "").expect(0, &[]);
    }
}

/// What cannot be written is known before anything is asked.
#[test]
fn a_place_that_cannot_be_written_is_told_before_the_first_question() {
    let Some(set) = Set::of(2, 12) else { return };
    let untouched = |context: &str| {
        let asked = set.bucket.desk.path("asks.log");
        assert!(tests::program::asks(&asked).is_empty(), "{context}: something was asked");
    };
    let log = "--log-asks asks.log";
    set.bucket.rules(&json!([{ "on": "put", "do": { "status": 403 } }]));
    set.run("store", log).expect(1, &["AWS_ACCESS_KEY_ID", &set.url()]);
    untouched("no right to write");
    for header in ["if-none-match", "if-match"] {
        set.bucket.rules(&json!([{ "on": "put", "do": { "drop": [header] } }]));
        set.run("store", log).expect(1, &["could not be told apart", &set.url()]);
        untouched(header);
    }
    set.bucket.rules(&json!([]));
    assert!(set.tree().is_empty());
    // What somebody else keeps there is not written between.
    let theirs = set.bucket.aside("theirs", b"mine");
    set.bucket.control("put", &json!({ "key": "sets/first/a/picture.png", "file": theirs }));
    set.run("store", log).expect(1, &["a/picture.png", "choose an empty folder"]);
    untouched("a foreign file");
    set.bucket.control("delete", &json!({ "key": "sets/first/a/picture.png" }));
    set.run("store", log).expect(0, &[]);
    // Beside a set it stays where it is.
    set.bucket.control("put", &json!({ "key": "sets/first/a/picture.png", "file": theirs }));
    set.run("other", "--set short_side=9").expect(0, &[]);
    let mut tree = set.tree();
    assert_eq!(tree.remove("a/picture.png").as_deref(), Some(&b"mine"[..]));
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

/// The last attempt may be the one that came through: nothing that a manifest may name is taken back.
#[test]
fn where_nobody_knows_whether_it_was_published_nothing_is_taken_back() {
    let Some(set) = Set::of(2, 12) else { return };
    let once = "--object-timeout 1 --object-retries 0";
    set.run("store", "").expect(0, &[]);
    for (round, does) in [json!({ "lose": true }), json!({ "refuse": true })].into_iter().enumerate() {
        let dials = format!("--set short_side={}", 8 + round);
        set.bucket.rules(&json!([{ "on": "put", "key": "*/manifest.json", "times": 1, "do": does }]));
        let said = set.run("store", &format!("{once} {dials}"));
        set.bucket.rules(&json!([]));
        assert!(set.assert_complete(&dials));
        said.expect(1, &["nobody knows whether", "Run again", &set.url()]);
        set.run("store", &dials).expect(0, &[]);
        set.assert_is(&dials, &dials);
    }
}

#[test]
fn what_fails_behind_the_manifest_is_said_and_is_published_all_the_same() {
    let Some(set) = Set::of(2, 12) else { return };
    // Who may not delete is told so before anything is asked.
    set.bucket.rules(&json!([{ "on": "delete", "do": { "status": 403 } }]));
    set.run("store", "--log-asks asks.log").expect(1, &["AWS_ACCESS_KEY_ID"]);
    assert!(tests::program::asks(&set.bucket.desk.path("asks.log")).is_empty());
    set.bucket.rules(&json!([]));
    set.run("store", "").expect(0, &[]);
    for (rule, dials) in [
        (json!({ "on": "delete", "do": { "status": 403 } }), "--set short_side=9"),
        (json!({ "on": "put", "key": "*/README.md", "do": { "status": 403 } }), "--set short_side=8"),
    ] {
        set.bucket.rules(&json!([rule]));
        set.run("store", dials).expect(1, &["published in s3://", "but not all", "Run again"]);
        set.bucket.rules(&json!([]));
        assert!(set.assert_complete(dials));
        set.run("store", dials).expect(0, &[]);
        set.assert_is(dials, dials);
    }
    set.bucket.rules(&json!([{ "on": "delete", "times": 1, "do": { "status": 503 } }]));
    set.run("store", "").expect(0, &["trying again"]);
    set.assert_is("", "a deletion that is tried again");
}

#[test]
fn a_signal_while_it_is_sent_takes_back_what_was_and_lets_the_lock_go() {
    let Some(set) = Set::of(3, 12) else { return };
    set.run("store", "").expect(0, &[]);
    let before = set.tree();
    set.bucket.rules(&json!([{ "on": "put", "key": "*/data/*", "skip": 1, "do": { "hold": 60 } }]));
    let run = set.start("store", "--set short_side=9");
    set.bucket.wait_for("parts are on their way", |counts| counts.waiting > 0);
    tests::program::kill(run.id(), libc::SIGINT);
    std::thread::sleep(std::time::Duration::from_millis(100));
    set.bucket.rules(&json!([]));
    let said = ended_within(run, PATIENCE).expect(1, &["stopping"]);
    assert!(set.tree() == before, "{said:#?}");
    let lock = std::fs::read_to_string(set.bucket.desk.path("out/.lock")).expect("is there");
    assert!(lock.contains("\"held\": false"), "{lock}");
    set.run("store", "--set short_side=9").expect(0, &[]);
    set.assert_is("--set short_side=9", "after a signal");
}

/// Each looks whether it may write there, all at the same time.
#[test]
fn many_parts_at_once_do_not_stand_in_each_others_way() {
    let Some(set) = Set::of(4, 6) else { return };
    let parts: Vec<Child> = (1..=6).map(|part| set.start("store", &format!("--part {part}/6"))).collect();
    for part in parts {
        ended_within(part, PATIENCE).expect(0, &[]);
    }
    set.run("store", "").expect(0, &[]);
    set.assert_is("", "six parts");
}

#[test]
fn a_kill_while_a_set_is_fetched_leaves_none_that_is_taken_for_whole() {
    let Some(set) = Set::of(3, 12) else { return };
    set.run("store", "").expect(0, &[]);
    set.run("other", "").expect(0, &[]);
    for skip in [0, 1, 3] {
        // The other store has another set, which goes for this.
        set.run("other", "--set short_side=9").expect(0, &[]);
        set.bucket.rules(&json!([{ "on": "get", "key": "*/data/*", "skip": skip, "do": { "stall": 0.5 } }]));
        let mut run = set.start("store", "--set short_side=8");
        let mut ended = false;
        while set.bucket.counts().waiting == 0 && !ended {
            ended = run.try_wait().expect("can be waited for").is_some();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        run.kill().expect("is killed, or has ended");
        run.wait().expect("is reaped");
        set.bucket.rules(&json!([]));
        set.run("store", "--set short_side=8").expect(0, &[]);
        set.assert_is("--set short_side=8", &format!("killed at read {skip}"));
    }
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

#[test]
fn a_session_publishes_there() {
    let Some(set) = Set::of(2, 24) else { return };
    let mut command = set.command("live", "store", "--port 0");
    let session = tests::resident::Resident::of(&mut command);
    session.apply();
    session.rest();
    session.post("/api/publish", &json!({}));
    set.assert_is("", "a session");
    // What could not be sent is not published, and is judged by nobody.
    session.turn("short_side", "14");
    session.rest();
    set.bucket.rules(&json!([{ "on": "put", "key": "*/data/*", "do": { "status": 403 } }]));
    let (status, told) = session.try_post("/api/publish", &json!({}));
    assert!(status != 200 && told.to_string().contains("AWS_ACCESS_KEY_ID"), "{status} {told}");
    set.bucket.rules(&json!([]));
    set.assert_is("", "a session that could not send");
    session.post("/api/publish", &json!({}));
    set.assert_is("--set short_side=14", "the session, again");
    // Another writer publishes; the session is told, and stays.
    set.run("other", "--set short_side=9").expect(0, &[]);
    let (status, told) = session.try_post("/api/publish", &json!({}));
    assert!(status != 200 && told.to_string().contains(OVERTAKEN), "{status} {told}");
    set.assert_is("--set short_side=9", "another writer");
    session.end();
}

/// A file of many megabytes goes in parts; where one of them cannot be sent, nothing of it stays.
#[test]
fn large_files_go_in_parts() {
    let Some(bucket) = Bucket::of(desk(1, 12, 40 << 20)) else { return };
    let set = Set { bucket, place: "sets/first" };
    set.run("store", "").expect(0, &[]);
    let exported = |to: &str| {
        let mut export = set.bucket.led(set.bucket.desk.bare("export --store store --to"));
        export.args([to, "--out", &set.url(), "--json"]).args(TIMES.split(' '));
        ended_within(start(&mut export), PATIENCE)
    };
    let to = set.bucket.url_of("tars");
    set.bucket.rules(&json!([{ "on": "put", "key": "tars/*.tar", "skip": 1, "do": { "status": 403 } }]));
    exported(&to).expect(1, &["AWS_ACCESS_KEY_ID"]);
    let counts = set.bucket.counts();
    assert_eq!(
        (counts.posts, counts.deletes),
        (1, 3),
        "begun and given up, taken back, and the probe: {counts:?}"
    );
    set.bucket.rules(&json!([{ "on": "put", "key": "tars/*.tar", "times": 2, "do": { "status": 503 } }]));
    let told = exported(&to).expect(0, &["trying again"]).json();
    let counts = set.bucket.counts();
    assert_eq!(counts.posts, 2, "begun and completed: {counts:?}");
    exported("here").expect(0, &[]);
    let there = set.bucket.desk.path("there");
    set.bucket.download("tars/", "there");
    trees::assert_same(&there, &set.bucket.desk.path("here"), "in parts");
    assert!(told["sent"]["bytes"].as_u64() > Some(16 << 20), "{told}");
}

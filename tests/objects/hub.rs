//! Data sets on a hub: the API of Hugging Face's, as far as it lists and reads, with commits, pages, and bytes on another server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::program::{Desk, Ended, asked, ended_within, start};
use tests::python::python_with;
use tests::resident::assert_published;

use crate::{PATIENCE, desk, put, samples, tar};

const TOKEN: &str = "hf_canary9f2a77";

struct Hub {
    desk: Desk,
    child: Child,
    api: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Its stdin is closed: it ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What was asked: of which server, which path, which range, with which token.
type Log = Vec<(String, String, Option<String>, Option<String>)>;

impl Hub {
    fn of(desk: Desk) -> Option<Self> {
        let mut python = python_with(&[])?;
        let commits = desk.path("commits");
        fs::create_dir(&commits).expect("makes");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("objects/hub.py");
        python.arg(script).arg(&commits).arg(TOKEN).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("is piped"))
            .read_line(&mut line)
            .expect("says its ports");
        let port = line.split_whitespace().next().expect("a port");
        let hub = Hub { desk, api: format!("http://127.0.0.1:{port}"), child };
        hub.commit("aaaaaaa1");
        Some(hub)
    }

    /// What lies in the desk's folder becomes a commit, and the newest.
    fn commit(&self, name: &str) {
        let commit = self.desk.path("commits").join(name);
        fs::create_dir_all(commit.join("data/train")).expect("makes");
        fs::write(commit.join("README.md"), name).expect("writes");
        fs::write(commit.join("data/notes.txt"), "beside").expect("writes");
        for shard in fs::read_dir(self.desk.path("shards")).expect("is read").flatten() {
            fs::copy(shard.path(), commit.join("data/train").join(shard.file_name())).expect("copies");
        }
        fs::write(self.desk.path("commits/main"), name).expect("writes");
    }

    fn command(&self, subcommand: &str, shards: &str, more: &str) -> Command {
        let flags = format!("--shards {shards} --store store --max-error-rate 1 {more}");
        let mut command = self.desk.bare(&format!("{subcommand} {flags}"));
        command.env("HF_ENDPOINT", &self.api).env("HF_TOKEN", TOKEN);
        command
    }

    fn run(&self, shards: &str, more: &str) -> Ended {
        self.run_to("out", shards, more)
    }

    fn run_to(&self, out: &str, shards: &str, more: &str) -> Ended {
        let more = format!("--out {out} {more}");
        ended_within(start(&mut self.command("run", shards, &more)), PATIENCE)
    }

    /// Since the last look.
    fn log(&self) -> Log {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut answer = agent.get(format!("{}/_log", self.api)).call().expect("the hub answers");
        serde_json::from_str(&answer.body_mut().read_to_string().expect("text")).expect("JSON")
    }
}

/// Bytes of files that ranges asked for, each range once to the server that has them.
fn bytes(log: &Log) -> u64 {
    let of = |range: &str| {
        let (first, last) =
            range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range");
        last.parse::<u64>().expect("a number") - first.parse::<u64>().expect("a number") + 1
    };
    log.iter()
        .filter(|(server, ..)| server == "files")
        .filter_map(|(_, _, range, _)| range.as_deref().map(of))
        .sum()
}

fn size(hub: &Hub, shard: &str) -> u64 {
    fs::metadata(hub.desk.path("shards").join(shard)).expect("is there").len()
}

#[test]
fn a_data_set_on_the_hub_is_read_as_a_folder_is() {
    let Some(hub) = Hub::of(desk(5, 30, 60 << 10)) else { return };
    let all: u64 = (0..5).map(|n| size(&hub, &format!("s{n}.tar"))).sum();
    let url = "hf://datasets/team/set/data/train/*.tar";
    let said: Value = hub.run(url, "--json").expect(0, &[]).json();
    let log = hub.log();
    assert_eq!((bytes(&log), said["objects"]["bytes"].as_u64()), (all, Some(all)), "{said}");
    assert!(log.iter().all(|(server, .., token)| (server == "api") == token.is_some()), "{log:?}");
    assert_published(&hub.desk, "", "of the hub");

    // A moved dial lists, and reads nothing; also where what was fetched is gone.
    fs::remove_dir_all(hub.desk.path("store/cache")).expect("is there");
    let said = hub.run(url, "--json --set taste=6").expect(0, &[]).json();
    assert_eq!((asked(&said), bytes(&hub.log())), (0, 0), "{said}");
    assert_published(&hub.desk, "--set taste=6", "a moved dial");

    // A commit that changes one file.
    let before = size(&hub, "s3.tar");
    put(&hub.desk, "s3", &tar(&samples(9, 30), 60 << 10));
    hub.commit("bbbbbbb2");
    hub.run(url, "--max-removed 1").expect(0, &[]);
    assert_eq!(bytes(&hub.log()), size(&hub, "s3.tar"));
    assert_published(&hub.desk, "", "another commit");

    // The one before is still there, by its name; of what is the same in both, nothing is fetched again.
    hub.run_to("before", "hf://datasets/team/set@aaaaaaa1/data/train/", "").expect(0, &[]);
    assert_eq!(bytes(&hub.log()), before);
    hub.log();
    hub.run_to("braces", "hf://datasets/team/set/data/train/s{0..4}.tar", "").expect(0, &[]);
    assert_eq!(bytes(&hub.log()), 0, "it is in the cache");
    // Deeper names are other names, of the same rows.
    let rows = hub.run_to("stars", "hf://datasets/team/set/**/*.tar", "--json").expect(0, &[]).json();
    assert_eq!(rows["rows"], 150);
    let out = |name: &str| fs::read(hub.desk.path(name).join("manifest.json")).expect("is there");
    assert_eq!(out("braces"), out("out"));
    for (file, bytes) in tests::trees::read(&hub.desk.path(".")) {
        assert!(!bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "the token is in {file}");
    }
}

/// Reads name the commit that was listed: one that comes while they are made mixes nothing.
#[test]
fn a_commit_that_comes_while_the_one_before_is_read_changes_nothing() {
    let Some(hub) = Hub::of(desk(3, 30, 60 << 10)) else { return };
    let mut run =
        start(&mut hub.command("run", "hf://datasets/team/set/data/train/*.tar", "--slow 20 --json"));
    let begin = std::time::Instant::now();
    while !hub.log().iter().any(|(server, ..)| server == "files") {
        assert!(begin.elapsed().as_secs() < PATIENCE && run.try_wait().expect("waits").is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let before: Vec<_> =
        (0..3).map(|n| fs::read(hub.desk.path(&format!("shards/s{n}.tar"))).expect("is read")).collect();
    for n in 0..3 {
        put(&hub.desk, &format!("s{n}"), &tar(&samples(20 + n, 30), 60 << 10));
    }
    hub.commit("ccccccc3");
    ended_within(run, PATIENCE).expect(0, &[]);
    for (n, tar) in before.iter().enumerate() {
        put(&hub.desk, &format!("s{n}"), tar);
    }
    assert_published(&hub.desk, "", "the commit that was listed");
}

#[test]
fn what_the_hub_has_not_is_told_of() {
    let Some(hub) = Hub::of(desk(1, 12, 0)) else { return };
    for (url, words) in [
        ("hf://datasets/team/set/data/none.tar", &["data/none.tar", "no such file"][..]),
        ("hf://datasets/team/set@no-branch/data/*.tar", &["team/set@no-branch", "404"]),
        ("hf://datasets/team/other/data/*.tar", &["team/other", "404"]),
        ("hf://datasets/team", &["hf://datasets/OWNER/NAME"]),
        ("hf://models/team/set/x.tar", &["hf://datasets/OWNER/NAME"]),
        ("hf://datasets/team/set/data/nothing*.tar", &["nothing*.tar"]),
    ] {
        hub.run(url, "").expect(2, words);
    }
    let mut command = hub.command("run", "hf://datasets/team/set/data/train/*.tar", "");
    command.env("HF_TOKEN", "hf_wrong");
    let said = ended_within(start(&mut command), PATIENCE).expect(1, &["401", "HF_TOKEN"]);
    assert!(!said.stderr.contains("hf_wrong"), "{said:#?}");
    let mut command = hub.command("run", "hf://datasets/team/set/data/train/*.tar", "");
    command.env("HF_ENDPOINT", "hub.local");
    ended_within(start(&mut command), PATIENCE).expect(2, &["HF_ENDPOINT"]);
}

//! All commands that know shards, over a bucket: each gives what it gives over the folder.

use std::fs;

use serde_json::{Value, json};
use tests::fakes::tls::Tls;
use tests::program::{Ended, asked, ended, ended_within, start};
use tests::resident::assert_published;
use tests::trees;
use threshflow::publish::published_keys;

use crate::bucket::Bucket;
use crate::{PATIENCE, desk, samples, tar};

/// The same command over the folder, with another store and output.
fn local(bucket: &Bucket, subcommand: &str, more: &str) -> Ended {
    let flags = "--shards shards --store local --out local-out --max-error-rate 1";
    ended(&mut bucket.desk.bare(&format!("{subcommand} {flags} {more}"))).expect(0, &[])
}

#[test]
fn a_plan_fetches_nothing_and_says_what_it_says_of_the_folder() {
    let Some(bucket) = Bucket::of(desk(3, 60, 100 << 10)) else { return };
    let plan =
        |more: &str| ended(&mut bucket.command("plan", &format!("--json {more}"))).expect(0, &[]).json();
    // Before anything was walked it cannot know what the shards hold, and fetches none of it all the same.
    ended(&mut bucket.command("plan", ""));
    assert_eq!((bucket.counts().gets, bucket.counts().bytes), (0, 0));
    assert!(!bucket.desk.path("store").exists(), "a plan writes nothing");

    bucket.step("", "");
    local(&bucket, "run", "");
    bucket.evict();
    bucket.rules(&json!([]));
    for dials in ["", "--set taste=7", "--set short_side=9", "--set short_side=8 --set taste=2"] {
        let [planned, wanted] = [plan(dials), local(&bucket, "plan", &format!("--json {dials}")).json()];
        for part in ["rows", "from", "to"] {
            assert_eq!(planned[part], wanted[part], "{dials}: {part}");
        }
        for part in ["enter", "leave", "undecided", "asks", "calls"] {
            assert_eq!(planned["total"][part], wanted["total"][part], "{dials}: {part} of {planned}");
        }
    }
    let counts = bucket.counts();
    assert_eq!((counts.gets, counts.bytes), (0, 0), "{counts:?}");
    assert!(counts.lists >= 4, "{counts:?}");
    assert!(!bucket.desk.path("store/cache").exists(), "a plan writes nothing");
}

#[test]
fn rows_are_explained_and_exported_out_of_the_bucket() {
    let Some(bucket) = Bucket::of(desk(3, 60, 100 << 10)) else { return };
    bucket.step("", "");
    local(&bucket, "run", "--export local-tars");
    let keys = published_keys(&bucket.desk.path("out")).expect("keys");
    assert!(keys.len() > 20);
    let explain =
        |out: &str, key: &str| bucket.desk.ask(&format!("explain --out {out} {key}")).expect(0, &[]).stdout;
    for key in keys.iter().step_by(7).map(ToString::to_string) {
        assert_eq!(explain("out", &key), explain("local-out", &key));
    }
    let export = |to: &str| {
        let line = format!("export --store store --out out --to {to}");
        ended_within(start(&mut bucket.led(bucket.desk.bare(&line))), PATIENCE).expect(0, &[])
    };
    // Out of the cache, and out of the bucket: the pictures that are published, and no whole shard.
    bucket.rules(&json!([]));
    export("tars");
    assert_eq!(bucket.counts().bytes, 0);
    bucket.evict();
    export("tars-again");
    let (counts, smallest) = (bucket.counts(), bucket.sizes().into_values().min().expect("shards"));
    let every: Vec<_> = (0..3).flat_map(|shard| samples(shard, 60)).collect();
    let of =
        |key: &str| every.iter().find(|sample| key.ends_with(&sample.key)).expect("a sample").picture.len();
    let pictures: usize = keys.iter().map(|row| of(&row.key)).sum();
    assert!(counts.bytes >= pictures as u64, "{pictures} needed: {counts:?}");
    assert!(counts.bytes < 3 * smallest, "{counts:?}");
    for tars in ["tars", "tars-again"] {
        trees::assert_same(&bucket.desk.path(tars), &bucket.desk.path("local-tars"), tars);
    }
    // What is published says where its pictures lie.
    let manifest = fs::read_to_string(bucket.desk.path("out/manifest.json")).expect("a manifest");
    assert_eq!(
        manifest,
        fs::read_to_string(bucket.desk.path("local-out/manifest.json")).expect("a manifest")
    );
    let verified = bucket.desk.ask("verify out --store store");
    assert_eq!(verified.code, Some(0), "{verified:#?}");
}

#[test]
fn parts_ask_and_a_run_publishes() {
    let Some(bucket) = Bucket::of(desk(6, 30, 50 << 10)) else { return };
    let total: u64 = bucket.sizes().values().sum();
    let part = |number: usize| {
        let said = bucket.run(&format!("--json --part {number}/2")).expect(0, &[]).json();
        (said["shards"].as_u64().expect("a number"), asked(&said))
    };
    let (one, other) = (part(1), part(2));
    assert_eq!(one.0 + other.0, 6);
    assert_eq!(bucket.counts().bytes, total, "each part fetches its own shards");
    let (summary, counts) = bucket.step("", "");
    assert_eq!(asked(&summary), 0);
    assert_eq!((counts.gets, counts.bytes), (0, 0), "{counts:?}");
}

#[test]
fn a_job_file_runs_over_a_bucket() {
    let Some(bucket) = Bucket::of(desk(5, 20, 0)) else { return };
    let flags = "--store store --out out --max-error-rate 1 --log-asks asks.log --set taste=3";
    let line = format!("script local --parts 3 -- --shards {} {flags}", bucket.url());
    let said = ended(&mut bucket.led(bucket.desk.bare(&line))).expect(0, &[]);
    let file = bucket.aside("local.sh", said.stdout.as_bytes());
    let mut bash = std::process::Command::new("bash");
    bash.arg(file).current_dir("/").stdin(std::process::Stdio::null());
    let said = ended_within(start(&mut bucket.led(bash)), PATIENCE).expect(0, &[]);
    assert!(said.stdout.contains("published in out"), "{said:#?}");
    assert_published(&bucket.desk, "--set taste=3", "by a job file");
}

#[test]
fn several_processes_run_over_a_bucket() {
    let Some(bucket) = Bucket::of(desk(6, 30, 50 << 10)) else { return };
    let total: u64 = bucket.sizes().values().sum();
    let (_, counts) = bucket.step("", "--processes 2");
    assert_eq!(counts.bytes, total, "each shard by one process: {counts:?}");
    let (summary, counts) = bucket.step("--set taste=7", "--processes 2");
    assert_eq!((asked(&summary), counts.gets, counts.bytes), (0, 0, 0), "{counts:?}");
    bucket.evict();
    let (_, counts) = bucket.step("--set short_side=9", "--processes 2");
    assert!(counts.bytes > 0 && counts.bytes < total, "{counts:?}");
}

/// The names that a run over these shards gives to them, as its rows say.
fn shards_of(bucket: &Bucket, shards: &str) -> Vec<String> {
    bucket.afresh();
    bucket.run_over(shards, "--set short_side=0 --set taste=0").expect(0, &[]);
    let mut names: Vec<String> = published_keys(&bucket.desk.path("out"))
        .expect("keys")
        .into_iter()
        .map(|row| row.shard.to_string())
        .collect();
    names.dedup();
    names
}

/// Globs over keys, folders and single objects name what they name in a folder, also where the server cuts its list into pages.
#[test]
fn patterns_name_what_they_name_in_a_folder() {
    let Some(bucket) = Bucket::of(desk(0, 0, 0)) else { return };
    let names = ["a0", "a1", "b0", "deep/a0", "deep/er/c9", "odd name+é&=%41"];
    for (number, name) in names.iter().enumerate() {
        let path = bucket.desk.path("tree/set").join(format!("{name}.tar"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        fs::write(path, tar(&samples(number as u64, 6), 0)).expect("writes");
    }
    fs::write(bucket.desk.path("tree/set/readme.md"), "no tar").expect("writes");
    bucket.upload("tree", "");
    let patterns = [
        "set/*.tar",
        "set/a?.tar",
        "set/[ab]0.tar",
        "set/**/*.tar",
        "set/*/*.tar",
        "set/deep/**/*.tar",
        "*/a0.tar",
        "**/a*.tar",
        "set/",
        "set/deep/",
        "set/*",
        "set/a1.tar",
        "set/odd name+é&=%41.tar",
    ];
    for pattern in patterns {
        let in_folder = shards_of(&bucket, &format!("tree/{pattern}"));
        assert!(!in_folder.is_empty(), "{pattern}");
        assert_eq!(shards_of(&bucket, &bucket.url_of(pattern)), in_folder, "{pattern}");
        if pattern.starts_with("set/*") {
            bucket.rules(&json!([{ "on": "list", "do": { "page": 2 } }]));
            assert_eq!(shards_of(&bucket, &bucket.url_of(pattern)), in_folder, "{pattern}, in pages");
            assert!(bucket.counts().lists > 1, "{:?}", bucket.counts());
            bucket.rules(&json!([]));
        }
    }
}

/// Two halves of a tar, in the form that `split` leaves.
#[test]
fn a_split_tar_is_one_shard() {
    let Some(bucket) = Bucket::of(desk(0, 0, 0)) else { return };
    let whole = tar(&samples(0, 30), 40 << 10);
    let (one, other) = whole.split_at(whole.len() / 3);
    for (number, half) in [one, other].iter().enumerate() {
        fs::write(bucket.desk.path(&format!("shards/s0.tar.split.00{number}")), half).expect("writes");
    }
    bucket.upload("shards", "laion/");
    bucket.rules(&json!([]));
    bucket.run_over(&bucket.url_of("laion/"), "").expect(0, &[]);
    assert_eq!(bucket.counts().bytes, whole.len() as u64);
    assert_published(&bucket.desk, "", "a split tar");
}

/// All chunks are in the cache together or none: two that hold one each and wait for another would wait for ever.
#[test]
fn split_tars_wait_for_no_chunk_that_others_hold() {
    let Some(bucket) = Bucket::of(desk(0, 0, 0)) else { return };
    let mut whole = 0;
    for shard in 0..4 {
        let tar = tar(&samples(shard, 30), 40 << 10);
        whole = whole.max(tar.len());
        let (one, other) = tar.split_at(tar.len() / 2);
        for (number, half) in [one, other].iter().enumerate() {
            let name = format!("shards/s{shard}.tar.split.00{number}");
            fs::write(bucket.desk.path(&name), half).expect("writes");
        }
    }
    bucket.upload("shards", "laion/");
    let url = bucket.url_of("laion/");
    // One chunk fits, and not both: it is said before a byte is fetched.
    bucket.rules(&json!([]));
    let too_few = whole * 3 / 4;
    let said = bucket.run_over(&url, &format!("--cache-bytes {too_few}"));
    said.expect(1, &["--cache-bytes", &too_few.to_string()]);
    assert_eq!(bucket.counts().bytes, 0);
    // One shard and a half: four threads want it.
    bucket.rules(&json!([{ "do": { "dribble": 20_000, "pause": 0.001 } }]));
    bucket.run_over(&url, &format!("--cache-bytes {}", whole * 3 / 2)).expect(0, &[]);
    bucket.rules(&json!([]));
    assert_published(&bucket.desk, "", "in little room");
    // One chunk of a glob stands for all.
    bucket.run_over(&bucket.url_of("laion/*.split.001"), "").expect(0, &[]);
    assert_published(&bucket.desk, "", "named by their second halves");
}

#[test]
fn buckets_and_folders_are_mixed() {
    let Some(bucket) = Bucket::of(desk(2, 30, 0)) else { return };
    fs::create_dir(bucket.desk.path("beside")).expect("makes");
    fs::write(bucket.desk.path("beside/t0.tar"), tar(&samples(7, 30), 0)).expect("writes");
    let mut command = bucket.over(&bucket.url(), "run", "--shards beside --json");
    let said: Value = ended(&mut command).expect(0, &[]).json();
    assert_eq!(said["rows"], 90);
    fs::copy(bucket.desk.path("beside/t0.tar"), bucket.desk.path("shards/t0.tar")).expect("copies");
    assert_published(&bucket.desk, "", "both");
}

#[test]
fn shards_of_a_web_server_are_read_by_their_urls() {
    let Some(bucket) = Bucket::of(desk(3, 30, 50 << 10)) else { return };
    bucket.control("anonymous", &json!({ "is": true }));
    let tls = Tls::before(&bucket.endpoint());
    let certificate = bucket.aside("authority.pem", tls.certificate().as_bytes());
    let base = format!("{}/{}/laion", tls.url(), bucket.name);
    let run = |shards: &str, more: &str| {
        let mut command = bucket.over(shards, "run", more);
        command.env("SSL_CERT_FILE", &certificate);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        ended_within(start(&mut command), PATIENCE)
    };
    let all = format!("{base}/s{{0..2}}.tar");
    bucket.rules(&json!([]));
    run(&all, "").expect(0, &[]);
    assert_eq!(bucket.counts().bytes, bucket.sizes().values().sum::<u64>());
    assert_eq!(bucket.counts().lists, 0);
    assert_published(&bucket.desk, "", "by URL");
    bucket.rules(&json!([]));
    let said = run(&all, "--json --set taste=6").expect(0, &[]).json();
    assert_eq!((asked(&said), bucket.counts().gets, bucket.counts().bytes), (0, 0, 0));
    run(&format!("{base}/s1.tar"), "--out one --json").expect(0, &[]);
    run(&format!("{base}/s{{0..3}}.tar"), "--out more").expect(2, &[&format!("{base}/s3.tar"), "404"]);
}

#[test]
fn a_run_over_a_folder_tells_of_no_objects() {
    let said = desk(1, 12, 0).done("");
    let objects = &said["objects"];
    assert!(objects.is_null() || objects["bytes"] == 0 && objects["lists"] == 0, "{said}");
}

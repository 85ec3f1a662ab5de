//! Keys are sent to the server, and show nowhere else, whatever goes wrong.

use serde_json::json;
use tests::program::{Ended, ended_within, start};

use crate::bucket::{Bucket, SECRET};
use crate::words::AGAIN;
use crate::{PATIENCE, desk};

const SESSION: &str = "canary-session-5b1e77c0ffee";
/// A wrong one is as secret.
const WRONG: &str = "canary/wrong/secret/of/somebody";

#[track_caller]
fn assert_hidden(what: &str, bytes: &[u8]) {
    for secret in [SECRET, SESSION, WRONG, "canary", "Signature=", "X-Amz-Signature"] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{what} holds {secret:?}");
    }
}

fn assert_all_hidden(bucket: &Bucket, said: &Ended) {
    assert_hidden("stdout", said.stdout.as_bytes());
    assert_hidden("stderr", said.stderr.as_bytes());
    let mut folders = vec![bucket.desk.folder.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_hidden(&path.display().to_string(), &std::fs::read(&path).expect("reads"));
                files += 1;
            }
        }
    }
    assert!(files > 0);
}

fn with_secret(bucket: &Bucket, secret: &str, more: &str) -> Ended {
    let mut command = bucket.command("run", more);
    command.env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_SESSION_TOKEN", SESSION).env("RUST_LOG", "trace");
    ended_within(start(&mut command), PATIENCE)
}

#[test]
fn keys_show_in_nothing_that_is_said_or_written() {
    let Some(bucket) = Bucket::of(desk(2, 24, 0)) else { return };
    let said = with_secret(&bucket, WRONG, "").expect(1, &["403", &bucket.name]);
    assert_all_hidden(&bucket, &said);
    bucket.rules(&json!([{ "times": 2, "do": { "status": 503 } }, { "times": 2, "do": { "cut": 0.5 } }]));
    let said = with_secret(&bucket, SECRET, "--verbose --report page.html --export tars").expect(0, &[AGAIN]);
    assert_all_hidden(&bucket, &said);
    for harm in [json!({ "status": 403 }), json!({ "status": 503 }), json!({ "refuse": true })] {
        bucket.afresh();
        bucket.rules(&json!([{ "do": harm }]));
        let said = with_secret(&bucket, SECRET, "--object-retries 1").expect(1, &[&bucket.name]);
        assert_all_hidden(&bucket, &said);
    }
}

/// A job file is read by others, and lies about for long: it tells the tasks nothing of keys.
#[test]
fn keys_are_not_written_into_job_files() {
    let Some(bucket) = Bucket::of(desk(1, 12, 0)) else { return };
    for scheduler in ["slurm", "k8s", "k8s-publish", "local"] {
        let line =
            format!("script {scheduler} --parts 2 -- --shards {} --store store --out out", bucket.url());
        let said = tests::program::ended(&mut bucket.led(bucket.desk.bare(&line))).expect(0, &[]);
        assert!(said.stdout.contains(&bucket.url()), "{said:#?}");
        assert_hidden(scheduler, said.stdout.as_bytes());
    }
}

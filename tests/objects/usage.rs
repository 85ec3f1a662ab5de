//! What is wrong with a command, said at once and with the next step, instead of after minutes of trying.

use std::time::Instant;

use serde_json::json;
use tests::program::{Ended, ended_within, start};
use tests::resident::assert_published;

use crate::bucket::Bucket;
use crate::words::{KEY_VARIABLE, says_any};
use crate::{PATIENCE, desk};

fn bucket() -> Option<Bucket> {
    Bucket::of(desk(1, 12, 0))
}

/// Ends within seconds, with a code of use or of failure, and leaves neither store nor output that was published.
#[track_caller]
fn refused(bucket: &Bucket, shards: &str, codes: &[i32], words: &[&str]) -> Ended {
    let begin = Instant::now();
    let said = bucket.run_over(shards, "");
    assert!(begin.elapsed().as_secs() < 20, "{shards}: after {:?}", begin.elapsed());
    assert!(said.code.is_some_and(|code| codes.contains(&code)), "{shards}: {said:#?}");
    for word in words {
        assert!(said.stderr.contains(word), "{shards}: {word:?} is not said: {said:#?}");
    }
    assert!(said.stderr.lines().count() < 12, "{shards}: a page of it: {said:#?}");
    assert!(!bucket.desk.path("out/manifest.json").exists());
    said
}

#[test]
fn urls_that_are_none_are_refused_as_wrong_use() {
    let Some(bucket) = bucket() else { return };
    for (shards, words) in [
        ("s3://", &["s3://", "s3://BUCKET"][..]),
        ("s3:///laion/*.tar", &["s3:///laion/*.tar", "s3://BUCKET"]),
        ("ftp://host/laion/0.tar", &["ftp://", "s3://"]),
        ("s4://bucket/laion/0.tar", &["s4://", "s3://"]),
        ("https://", &["https://"]),
        ("https://host/laion/*.tar", &["https://host/laion/*.tar", "{"]),
        ("https://host/laion/{7..0}.tar", &["{7..0}"]),
        ("https://host/laion/{0..9.tar", &["{0..9.tar"]),
        ("https://user:canary@host/0.tar", &["host/0.tar"]),
        ("s3://bucket/la[ion/*.tar", &["la[ion"]),
    ] {
        let said = refused(&bucket, shards, &[2], words);
        assert!(!said.stderr.contains("canary"), "{said:#?}");
    }
    assert_eq!(bucket.counts().lists, 0);
}

#[test]
fn what_is_not_there_is_told_of() {
    let Some(bucket) = bucket() else { return };
    let url = |key: &str| bucket.url_of(key);
    for shards in ["s3://no-such-bucket-here/laion/*.tar", "s3://no-such-bucket-here/0.tar"] {
        refused(&bucket, shards, &[1, 2], &["no-such-bucket-here"]);
    }
    for (shards, word) in [
        (url("laion/none.tar"), "laion/none.tar"),
        (url("nowhere/*.tar"), "nowhere/*.tar"),
        (url("laion/x*.tar"), "laion/x*.tar"),
        (url("nowhere/"), "nowhere/"),
    ] {
        refused(&bucket, &shards, &[1, 2], &[word]);
    }
    // A folder that is none, without the slash at its end.
    refused(&bucket, &url("nowhere"), &[1, 2], &["nowhere"]);
    // Nothing of this was tried again.
    assert!(bucket.counts().lists + bucket.counts().heads <= 12, "{:?}", bucket.counts());
}

/// Refused as a file of a folder is, and passed over where a glob finds other files beside tars.
#[test]
fn what_lies_there_and_is_no_tar_is_told_of_as_in_a_folder() {
    let Some(bucket) = bucket() else { return };
    bucket.put("text", &b"no tar at all".repeat(100));
    let (summary, _) = bucket.step("", "");
    assert_eq!(summary["refused"]["probe"]["damaged_tar"], 1, "{summary}");
    let text = bucket.aside("text", b"no tar");
    bucket.control("put", &json!({ "key": "laion/readme.md", "file": text }));
    bucket.rules(&json!([]));
    bucket.run_over(&bucket.url_of("laion/*"), "").expect(0, &[]);
    bucket.run_over(&bucket.url_of("laion/"), "").expect(0, &[]);
    // As a folder of files, without the slash at its end.
    bucket.run_over(&bucket.url_of("laion"), "").expect(0, &[]);
    assert_eq!(bucket.counts().bytes, 0, "nothing is new: {:?}", bucket.counts());
    assert_published(&bucket.desk, "", "beside other files");
}

#[test]
fn a_server_that_is_not_there_is_told_of_within_seconds() {
    let Some(bucket) = bucket() else { return };
    // Bound and let go: nobody listens there.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let endpoint = format!("127.0.0.1:{port}");
    let begin = Instant::now();
    let mut command = bucket.command("run", "--object-retries 2");
    command.env("AWS_ENDPOINT_URL", format!("http://{endpoint}"));
    let said = ended_within(start(&mut command), PATIENCE).expect(1, &[&endpoint]);
    assert!(begin.elapsed().as_secs() < 20, "{said:#?}");
    assert!(says_any(&said.stderr, &["refused"]), "{said:#?}");
    // With the retries that it has by default it says soon that it tries.
    let mut command = bucket.command("run", "");
    command.env("AWS_ENDPOINT_URL", format!("http://{endpoint}"));
    let mut run = start(&mut command);
    let mut first = String::new();
    let begin = Instant::now();
    let mut stderr = std::io::BufReader::new(run.stderr.take().expect("is piped"));
    std::io::BufRead::read_line(&mut stderr, &mut first).expect("says something");
    assert!(begin.elapsed().as_secs() < 10 && first.contains(&endpoint), "{first}");
    let _ = run.kill();
    run.wait().expect("is reaped");
}

#[test]
fn an_endpoint_that_is_none_is_wrong_use() {
    let Some(bucket) = bucket() else { return };
    for endpoint in ["127.0.0.1:9000", "ftp://127.0.0.1", "http://"] {
        let mut command = bucket.command("run", "");
        command.env("AWS_ENDPOINT_URL", endpoint);
        let said = ended_within(start(&mut command), PATIENCE);
        assert!(matches!(said.code, Some(1 | 2)) && said.stderr.contains("AWS_ENDPOINT_URL"), "{said:#?}");
    }
}

#[test]
fn a_run_without_keys_says_which_variables_it_looked_at() {
    let Some(bucket) = bucket() else { return };
    for gone in [&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"][..], &["AWS_SECRET_ACCESS_KEY"]] {
        let begin = Instant::now();
        let mut command = bucket.command("run", "");
        for name in gone {
            command.env_remove(name);
        }
        let said = ended_within(start(&mut command), PATIENCE);
        assert!(matches!(said.code, Some(1 | 2)), "{said:#?}");
        assert!(begin.elapsed().as_secs() < 20, "{said:#?}");
        assert!(said.stderr.contains(KEY_VARIABLE) || said.stderr.contains(gone[0]), "{said:#?}");
    }
    assert_eq!(bucket.counts().bytes, 0);
}

#[test]
fn flags_of_objects_are_checked() {
    let Some(bucket) = bucket() else { return };
    for (flags, word) in [
        ("--object-retries -1", "--object-retries"),
        ("--object-retries many", "--object-retries"),
        ("--object-timeout 0", "--object-timeout"),
        ("--object-timeout -3", "--object-timeout"),
        ("--object-timeout nan", "--object-timeout"),
        ("--cache-bytes 1.5", "--cache-bytes"),
    ] {
        let said = bucket.run(flags).expect(2, &[word]);
        assert!(!said.stderr.contains("unexpected argument"), "{said:#?}");
    }
}

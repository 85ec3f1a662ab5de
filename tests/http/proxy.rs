//! The proxy variables, which only a process of its own can be given.

use std::process::Command;

use operators::http::{ApiKey, HostSettings};
use tests::fakes::http::{Action, FakeServer};

use super::{ask, good, open, settings};

const URL: &str = "TESTS_HTTP_URL";

/// Asks `url` in another process with these variables; whether an answer came.
fn asked_with(url: &str, variables: &[(&str, &str)]) -> bool {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        child.env_remove(name).env_remove(name.to_lowercase());
    }
    child.args(["--exact", "proxy::child", "--ignored"]).env(URL, url).envs(variables.iter().copied());
    let output = child.output().expect("runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("running 1 test"), "{output:?}");
    println!("{variables:?}: {}", String::from_utf8_lossy(&output.stdout));
    output.status.success()
}

#[test]
#[ignore = "asks from a process of its own, which the other tests here start"]
fn child() {
    let Ok(base_url) = std::env::var(URL) else { return };
    let nobody = FakeServer::with_answers([good()]);
    let key = ApiKey::from_environment("TESTS_HTTP_KEY").ok();
    let host = open(HostSettings { base_url, key, most_retries: 0, ..settings(&nobody) });
    ask(&host).expect("an answer");
}

#[test]
fn proxies_are_those_of_the_environment() {
    // `.invalid` is no name that anybody has (RFC 2606).
    let far = "http://judge.invalid/v1";
    // A tunnel to the place that it was asked for, where it answers itself.
    let proxy = FakeServer::start(|asked| match asked.method.as_str() {
        "CONNECT" => Action::Respond { status: 200, headers: Vec::new(), body: Vec::new() },
        _ => good(),
    });
    assert!(!asked_with(far, &[]), "there is no such host");
    assert!(asked_with(far, &[("HTTP_PROXY", &proxy.url())]));
    let asked = proxy.asked();
    assert!(asked.iter().any(|asked| asked.path.contains("judge.invalid")), "{asked:?}");
    assert!(!asked_with(far, &[("HTTP_PROXY", &proxy.url()), ("NO_PROXY", "judge.invalid")]));
    assert_eq!(proxy.count(), asked.len());
}

#[test]
fn what_runs_on_this_machine_is_asked_directly() {
    let (server, proxy) = (FakeServer::with_answers([good()]), FakeServer::with_answers([good()]));
    for url in [server.url(), server.url().replace("127.0.0.1", "localhost")] {
        assert!(asked_with(&url, &[("ALL_PROXY", &proxy.url())]));
    }
    assert_eq!((server.count(), proxy.count()), (2, 0));
}

#[test]
fn keys_come_from_the_environment() {
    let server = FakeServer::with_answers([good()]);
    assert!(asked_with(&server.url(), &[("TESTS_HTTP_KEY", "sk-canary")]));
    assert_eq!(server.asked()[0].header("authorization"), Some("Bearer sk-canary"));
}

//! A key is sent where it belongs, and shows nowhere else: not even where a server repeats it.

use operators::http::{ApiKey, Host, HostSettings, HttpError, KeyHeader};
use serde_json::json;
use tests::fakes::http::{Action, FakeServer};

use super::{ask, open, question, settings};

const CANARY: &str = "sk-canary/9f2a77\"c0de";

fn key() -> ApiKey {
    let folder = tests::scratch();
    let path = folder.path().join("key");
    std::fs::write(&path, format!("{CANARY}\n")).expect("writes");
    ApiKey::from_file(&path).expect("a key")
}

#[track_caller]
fn hidden(text: &str) {
    for part in [CANARY, "canary", "c0de"] {
        assert!(!text.contains(part), "{text}");
    }
}

#[test]
fn a_key_shows_in_nothing_that_comes_back() {
    let echo = |status| {
        FakeServer::start(move |asked| {
            let header = asked.header("authorization").expect("a key").to_owned();
            let raw = format!("no: {header}");
            let body = json!({ "error": { "message": raw, "type": header }, "choices": [header] });
            match (asked.number, status) {
                (0, _) => Action::json(status, &body).with("x-echo", &header),
                (_, 200) => Action::respond(200, "image/png", raw),
                _ => Action::text(status, &raw),
            }
        })
    };
    for status in [307, 400, 401, 403, 404, 429, 500] {
        let server = echo(status);
        let host = open(HostSettings { key: Some(key()), ..settings(&server) });
        for error in [ask(&host).expect_err("no"), host.get_bytes("/x?y").expect_err("no")] {
            hidden(&format!("{error} {error:?}"));
        }
        hidden(&format!("{host:?} {:?} {}", host.report(), json!(host.report())));
    }
    let server = echo(200);
    let host = open(HostSettings { key: Some(key()), ..settings(&server) });
    let answered = ask(&host).expect("an answer");
    hidden(&format!("{answered:?} {}", String::from_utf8_lossy(&answered.body)));
    let body: serde_json::Value = serde_json::from_slice(&answered.body).expect("still JSON");
    assert_eq!(body["choices"][0], "Bearer [key]");
    hidden(&format!("{:?} {}", key(), key()));
}

#[test]
fn a_key_goes_into_its_header_and_nowhere_else() {
    let bearer = (KeyHeader::Bearer, "authorization", format!("Bearer {CANARY}"));
    let named = (KeyHeader::Named("api-key".to_owned()), "api-key", CANARY.to_owned());
    for (key_header, name, value) in [bearer, named] {
        let server = FakeServer::with_answers([super::good()]);
        let host = open(HostSettings { key: Some(key()), key_header, ..settings(&server) });
        ask(&host).expect("an answer");
        let asked = &server.asked()[0];
        assert_eq!(asked.header(name), Some(&*value));
        let others = asked.headers.iter().filter(|(other, _)| other != name);
        hidden(&format!("{:?} {} {}", others.collect::<Vec<_>>(), asked.path, asked.json()));
        assert_eq!(asked.json(), question());
    }
}

#[test]
fn keys_that_are_none_are_refused_without_showing_them() {
    let folder = tests::scratch();
    let path = folder.path().join("key");
    for (text, word) in
        [(" \n", "empty"), ("sk-canary c0de", "space"), ("abc", "shorter"), ("sk-canäry", "ASCII")]
    {
        std::fs::write(&path, text).expect("writes");
        let error = ApiKey::from_file(&path).expect_err("no key").to_string();
        hidden(&error);
        assert!(error.contains(word) && error.contains(&path.display().to_string()), "{error}");
    }
    let error = ApiKey::from_file(&folder.path().join("none")).expect_err("no file").to_string();
    assert!(error.contains("none") && error.contains("name another"), "{error}");
    let error = ApiKey::from_environment("THRESHFLOW_TEST_NO_SUCH_KEY").expect_err("not set").to_string();
    assert!(error.contains("$THRESHFLOW_TEST_NO_SUCH_KEY") && error.contains("isn't set"), "{error}");
}

#[test]
fn settings_that_are_none_are_refused() {
    let wrong = |settings: HostSettings| {
        let error = Host::open(settings).map(|_| ()).expect_err("not to be opened");
        hidden(&format!("{error} {error:?}"));
        error
    };
    for (url, word) in [
        ("ftp://host/v1", "neither http"),
        ("host/v1", "no URL"),
        ("host", "neither http"),
        ("", "no URL"),
        ("http://", "no URL"),
        ("https://host/v1?key=canary", "a query"),
        ("https://host/v1#canary", "a fragment"),
        ("http://a host/", "no URL"),
    ] {
        let error = wrong(HostSettings::new("judge", url)).to_string();
        assert!(error.contains(word) && error.contains("judge"), "{url}: {error}");
    }
    for url in ["https://user:canary@host/v1", "https://canary@host", "user:canary@host/v1"] {
        let error = wrong(HostSettings::new("judge", url));
        assert!(matches!(error, HttpError::SecretInUrl { .. }), "{url}: {error}");
    }
    let headers = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for (name, value, word) in [
        ("Authorization", "canary", "a secret"),
        ("a b", "canary", "its name"),
        ("a", "canary\r\nb: c", "control"),
    ] {
        let settings = HostSettings::new("judge", "http://localhost");
        let error = wrong(HostSettings { headers: headers(name, value), ..settings }).to_string();
        assert!(error.contains(word), "{error}");
    }
    let settings = HostSettings::new("judge", "http://localhost");
    let error = wrong(HostSettings { most_in_flight: 0, ..settings }).to_string();
    assert!(error.contains("most_in_flight"), "{error}");
}

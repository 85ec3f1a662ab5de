//! Servers that answer late, in part, too much, or not at all.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use operators::http::{Breaker, CallClass, HostSettings, Part, Tokens};
use serde_json::json;
use tests::fakes::http::{Action, FakeServer};

use super::{ask, good, open, settings};

/// Longer than any answer that comes takes, and short enough to be waited for.
const SOON: Duration = Duration::from_millis(400);
const LATE: Duration = Duration::from_secs(10);

/// After one such answer, a good one is asked for and had.
#[track_caller]
fn is_asked_again(answer: Action, class: CallClass) {
    let server = FakeServer::with_answers([answer, good()]);
    let host = open(HostSettings { call_timeout: SOON, ..settings(&server) });
    let answered = ask(&host).expect("the second time");
    assert_eq!(answered.attempts, 2);
    let report = host.report();
    assert_eq!((report.requests, report.answers, report.retries), (2, 1, 1));
    assert_eq!(report.failures, [(class.name(), 1)].into(), "{report:?}");
    assert!(report.given_up.is_empty());
}

#[test]
fn a_server_that_hangs_drips_or_breaks_off_is_asked_again() {
    is_asked_again(Action::Hang, CallClass::Timeout);
    is_asked_again(
        Action::SlowDrip { body: vec![b' '; 1000], every: Duration::from_millis(20) },
        CallClass::Timeout,
    );
    is_asked_again(Action::CutConnection, CallClass::Unreachable);
    is_asked_again(Action::CutBody(b"{\"choices\": [".to_vec()), CallClass::Unreachable);
    is_asked_again(Action::respond(200, "application/json", "{{{"), CallClass::NotJson);
}

#[test]
fn nobody_at_the_address_is_said_so() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let server = FakeServer::with_answers([good()]);
    let base_url = format!("http://127.0.0.1:{port}/v1");
    let error = ask(&open(HostSettings { base_url, ..settings(&server) })).expect_err("nobody");
    assert_eq!(
        (error.class, error.attempts, error.status, error.retry),
        (CallClass::Unreachable, 4, None, true)
    );
    assert!(error.message.contains(&port.to_string()) && error.message.contains("proxy"), "{error}");
}

#[test]
fn a_body_beyond_the_cap_is_not_taken() {
    let announced = Action::respond(200, "application/json", vec![b' '; (1 << 16) + 1]);
    for huge in [announced, Action::HugeBody(64 << 20)] {
        let server = FakeServer::with_answers([huge]);
        let error = ask(&open(settings(&server))).expect_err("too large");
        assert_eq!((error.class, server.count()), (CallClass::TooLarge, 1), "{error}");
        assert!(error.message.contains("65536"), "{error}");
    }
    let just = format!("{{}}{}", " ".repeat((1 << 16) - 2));
    let server = FakeServer::with_answers([Action::respond(200, "application/json", just)]);
    assert_eq!(ask(&open(settings(&server))).expect("as long as may be").body.len(), 1 << 16);
}

#[test]
fn redirects_are_refused_and_the_key_does_not_follow_them() {
    let elsewhere = FakeServer::with_answers([good()]);
    for status in [301, 302, 303, 307, 308] {
        let server = FakeServer::with_answers([Action::Redirect { status, to: elsewhere.url() }]);
        let host = open(settings(&server));
        for error in [ask(&host).expect_err("elsewhere"), host.get_bytes("/x").expect_err("elsewhere")] {
            assert_eq!(
                (error.class, error.status, error.retry),
                (CallClass::Redirected, Some(status), false)
            );
            assert!(error.message.contains(&elsewhere.url()), "{error}");
        }
    }
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn the_deadline_is_over_everything() {
    let server = FakeServer::with_answers([Action::Hang]);
    let deadline = Duration::from_millis(200);
    let host = open(HostSettings { deadline, most_retries: 1000, ..settings(&server) });
    let began = Instant::now();
    let error = ask(&host).expect_err("no answer");
    assert_eq!(error.class, CallClass::Timeout);
    assert!(began.elapsed() >= deadline && began.elapsed() < LATE, "{:?}", began.elapsed());
}

#[test]
fn a_failing_server_is_left_alone_and_tried_by_one_call() {
    let server = FakeServer::start(|asked| if asked.number < 4 { Action::text(500, "") } else { good() });
    let breaker = Breaker { failures: 3, pause: Duration::from_millis(100) };
    let host = open(HostSettings { breaker, most_in_flight: 1, most_retries: 10, ..settings(&server) });
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ask(&host).expect("it healed"));
        }
    });
    // Three failures open it, the probe fails, the next one closes it: each of the two pauses was kept.
    assert_eq!(server.count(), 4 + 8);
    assert!(began.elapsed() >= 2 * breaker.pause, "{:?}", began.elapsed());

    // Who has no time to wait is told what it waited for.
    let server = FakeServer::with_answers([Action::text(500, "")]);
    let breaker = Breaker { failures: 2, pause: LATE };
    let deadline = Duration::from_secs(1);
    let host = open(HostSettings { breaker, deadline, most_retries: 10, ..settings(&server) });
    let error = ask(&host).expect_err("it stays open");
    assert_eq!((error.class, error.attempts, server.count()), (CallClass::CircuitOpen, 2, 2), "{error}");
    assert!(error.message.contains("2 requests in a row") && error.message.contains("500"), "{error}");
}

#[test]
fn no_question_goes_by_the_connection_of_the_list_of_models() {
    for list in [Action::text(500, "Internal Server Error"), Action::json(200, &json!({ "data": [] }))] {
        let server = FakeServer::start(|_| good());
        server.list_models(list);
        let host = open(settings(&server));
        host.first_word().expect("an endpoint without a list is well");
        ask(&host).expect("an answer");
        ask(&host).expect("an answer");
        assert_eq!((server.connections(), server.count()), (2, 2));
    }
}

#[test]
fn connections_are_kept_and_questions_arrive_whole() {
    let server = FakeServer::start(|asked| match asked.method.as_str() {
        "GET" => Action::respond(200, "image/png", b"\x89PNG".to_vec()),
        _ => good(),
    });
    let base_url = format!("{}/v1/", server.url());
    let headers = vec![("X-Team".to_owned(), "curation".to_owned())];
    let host = open(HostSettings { base_url, headers, ..settings(&server) });
    ask(&host).expect("an answer");
    assert_eq!(host.get_bytes("view?name=a.png").expect("a file").body, b"\x89PNG");
    let parts = [
        Part::Text { name: "model", text: "gpt-image-1" },
        Part::File { name: "image[]", file_name: "a.png", mime: "image/png", bytes: b"\0\xff\r\n--" },
    ];
    host.post_multipart("/images/edits", &parts, Tokens::default()).expect("an answer");
    assert_eq!(server.connections(), 1);

    let asked = server.asked();
    let lines: Vec<(&str, &str)> = asked.iter().map(|asked| (&*asked.method, &*asked.path)).collect();
    let paths =
        [("POST", "/v1/chat/completions"), ("GET", "/v1/view?name=a.png"), ("POST", "/v1/images/edits")];
    assert_eq!(lines, paths);
    assert!(asked.iter().all(|asked| asked.header("x-team") == Some("curation")));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[0].json()["messages"], json!([{ "role": "user", "content": "How many?" }]));
    let kind = asked[2].header("content-type").expect("a type");
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect(kind);
    let body = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-image-1\r\n")
            .into_bytes(),
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\n\
             Content-Type: image/png\r\n\r\n"
        )
        .into_bytes(),
        b"\0\xff\r\n--".to_vec(),
        format!("\r\n--{boundary}--\r\n").into_bytes(),
    ]
    .concat();
    assert_eq!(asked[2].body, body, "{}", String::from_utf8_lossy(&asked[2].body));
}

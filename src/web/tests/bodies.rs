//! Bodies, heads and connections: what is taken, what is too much, and what goes on after it.

use super::*;

#[test]
fn a_post_comes_whole_to_the_site() {
    let running = running();
    let answer = running.post("/api/turn?a=b", "application/json; charset=utf-8", r#"{"dials":{}}"#);
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "method": "post", "path": "/api/turn", "query": [["a", "b"]], "media_type": "application/json", "body": r#"{"dials":{}}"#
        })
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(running.post("/a", "Text/CSV", "a,b").json()["media_type"], "text/csv");
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
    let answer = running.raw(&format!("{}{chunked}", running.head("POST", "/a")));
    assert_eq!(answer.json()["body"], r#"{"a":1}"#);
    // As curl sends what is large.
    let mut client = running.client();
    let asks = "Content-Type: text/csv\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    client.send(&format!("{}{asks}", running.head("POST", "/a")));
    assert_eq!(client.up_to(b"\r\n\r\n"), b"HTTP/1.1 100 Continue");
    client.send("a,b");
    assert_eq!(client.answer().json()["body"], "a,b");
}

#[test]
fn what_a_foreign_form_can_send_is_refused() {
    let running = running();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "json",
        "application/jsonp",
    ] {
        assert_eq!(running.post("/a", media_type, "{}").error().0, 415, "{media_type}");
    }
    let post = running.head("POST", "/a");
    let json = "Content-Type: application/json\r\n";
    assert_eq!(running.raw(&format!("{post}Content-Length: 2\r\n\r\n{{}}")).error().0, 415);
    let two = format!("{post}{json}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(running.raw(&two).error().0, 415);
    // No body has no type.
    for empty in ["\r\n", "Content-Length: 0\r\n\r\n"] {
        let answer = running.raw(&format!("{post}{empty}"));
        assert_eq!((answer.status, &answer.json()["media_type"]), (200, &serde_json::Value::Null));
    }
}

#[test]
fn the_body_of_a_get_is_passed_over() {
    let running = running();
    let mut client = running.client();
    for _ in 0..3 {
        client.send(&format!(
            "{}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nGET /",
            running.head("GET", "/a")
        ));
        let answer = client.answer().json();
        assert_eq!((&answer["body"], &answer["media_type"]), (&"".into(), &serde_json::Value::Null));
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_and_the_refusal_is_read() {
    let running = running();
    let most = 4 << 20;
    let fits = "x".repeat(most);
    let answer = running.post("/a", "text/csv", &fits);
    assert_eq!(answer.json()["body"].as_str().map(str::len), Some(most));
    for beyond in [1, 3 << 20] {
        let answer = running.post("/a", "text/csv", &"x".repeat(most + beyond));
        assert_eq!(answer.error().0, 413);
    }
    let mut client = running.client();
    client.send(&format!(
        "{}Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n",
        running.head("POST", "/a")
    ));
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    for _ in 0..5 {
        client.send(&chunk);
    }
    let answer = client.answer();
    assert_eq!((answer.error().0, answer.header("connection")), (413, Some("close")));
    assert!(client.is_closed(), "the rest would be read as the next request");
    // Who asks first whether to send is told not to, before a byte is sent.
    let mut client = running.client();
    let asks = "Content-Type: text/csv\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n";
    client.send(&format!("{}{asks}", running.head("POST", "/a")));
    assert_eq!(client.answer().error().0, 413);
    assert_eq!(running.site.answered.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refused_post_with_a_body_is_told_so() {
    let running = running();
    let port = running.port();
    let body = "x".repeat(1 << 20);
    let mut client = running.client();
    client.send(&format!(
        "POST /a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.answer().error().0, 401);
    // And the connection is good for the next.
    client.send(&running.posted("/a", "text/csv", "y"));
    assert_eq!(client.answer().json()["body"], "y");
}

#[test]
fn heads_are_bounded() {
    let running = running();
    let status = |headers: &str| {
        let mut client = running.client();
        client.send(&format!("{}{headers}\r\n", running.head("GET", "/a")));
        client.head().status
    };
    assert_eq!(status(&format!("X-A: {}\r\n", "a".repeat(32 << 10))), 200);
    assert_eq!(status(&format!("X-A: {}\r\n", "a".repeat(70 << 10))), 431);
    assert_eq!(status(&"X-A: a\r\n".repeat(50)), 200);
    assert_eq!(status(&"X-A: a\r\n".repeat(70)), 431);
    assert_eq!(status("X A: a\r\n"), 400);
    let long = running.head("GET", &format!("/{}", "a".repeat(70 << 10)));
    let mut client = running.client();
    client.send(&format!("{long}\r\n"));
    assert!(matches!(client.head().status, 414 | 431));
    assert_eq!(running.get("/a").status, 200);
}

#[test]
fn a_connection_serves_many_requests() {
    let running = running();
    let mut client = running.client();
    for number in 0..20 {
        client.send(&running.posted("/a", "application/json", &format!("{number}")));
        assert_eq!(client.answer().json()["body"], format!("{number}"));
        client.send(&format!("{}\r\n", running.head("GET", &format!("/{number}"))));
        assert_eq!(client.answer().json()["path"], format!("/{number}"));
    }
    // Two at once are answered in their order.
    client.send(&format!("{}\r\n{}\r\n", running.head("GET", "/one"), running.head("GET", "/two")));
    assert_eq!(client.answer().json()["path"], "/one");
    assert_eq!(client.answer().json()["path"], "/two");
    client.send(&format!("{}Connection: close\r\n\r\n", running.head("GET", "/last")));
    assert_eq!(client.answer().json()["path"], "/last");
    assert!(client.is_closed());
}

#[test]
fn a_head_is_a_get_without_a_body() {
    let running = running();
    let mut client = running.client();
    client.send(&format!("{}\r\n", running.head("HEAD", "/a")));
    let head = client.head();
    let length = running.get("/a").body.len();
    assert_eq!((head.status, head.header("content-length")), (200, Some(length.to_string().as_str())));
    // Nothing of a body stands before the next answer.
    client.send(&format!("{}\r\n", running.head("HEAD", "/api/events")));
    let events = client.head();
    assert_eq!((events.status, events.header("content-type")), (200, Some("text/event-stream")));
    client.send(&format!("{}\r\n", running.head("GET", "/b")));
    assert_eq!(client.answer().json()["path"], "/b");
    assert_eq!(running.hub.listeners(), 0);
}

#[test]
fn an_answer_that_http_cannot_carry_is_an_error() {
    let running = running();
    for path in ["/split", "/length", "/status"] {
        let answer = running.get(path);
        assert_eq!(answer.error().0, 500, "{path}");
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[test]
fn a_client_that_does_not_finish_its_request_is_dropped() {
    let running = running_with(|options| options.patience = Duration::from_millis(300));
    let whole = running.posted("/a", "text/csv", "0123456789");
    // Nothing; half a line; half a head.
    for sent in ["", "GET /a HT", &whole[..whole.len() - 30]] {
        let mut client = running.client();
        client.send(sent);
        assert!(client.is_closed(), "{sent:?}");
    }
    // A byte now and then is no request either.
    let mut client = running.client();
    let start = std::time::Instant::now();
    let dripped = whole.bytes().take_while(|byte| {
        pause(Duration::from_millis(50));
        client.stream.write_all(&[*byte]).is_ok()
    });
    let dripped = dripped.count();
    assert!(dripped < 40, "{dripped} bytes were taken in {:?}", start.elapsed());
    // Half a body is told so.
    let mut client = running.client();
    client.send(&whole[..whole.len() - 5]);
    let answer = client.answer();
    assert_eq!((answer.error().0, answer.header("connection")), (408, Some("close")));
    assert!(client.is_closed());
    assert_eq!(running.site.answered.load(Ordering::SeqCst), 0);
    // Who listens has sent a whole request, and may be silent.
    let mut listener = running.client();
    listener.listen(&running);
    pause(Duration::from_millis(700));
    running.hub.send("counts", "1".to_owned());
    assert_eq!(listener.event().as_deref(), Some("event: counts\ndata: 1\n\n"));
}

#[test]
fn a_client_that_takes_no_answer_is_dropped() {
    let running = running_with(|options| {
        options.patience = Duration::from_millis(200);
        options.most_connections = 1;
    });
    let mut client = running.client();
    client.send(&format!("{}\r\n", running.head("GET", "/large")));
    // It reads nothing, and holds the only connection.
    running.serves();
}

//! Who is let in, and what the browser is told.

use super::*;

#[test]
fn a_foreign_host_is_refused_before_anything_else() {
    let running = running();
    let (port, token) = (running.port(), running.token.clone());
    let asked =
        |host: &str| running.raw(&format!("GET /a HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\n\r\n"));
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        assert_eq!(asked(&format!("Host: {host}:{port}\r\n")).status, 200, "{host}");
    }
    let foreign = [
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: localhost.evil.example:{port}\r\n"),
        format!("Host: evil.example@localhost:{port}\r\n"),
        format!("Host: localhost:{}\r\n", port - 1),
        format!("Host: localhost:{port}0\r\n"),
        "Host: localhost\r\n".to_owned(),
        "Host: localhost:\r\n".to_owned(),
        "Host: \r\n".to_owned(),
        format!("Host: 0.0.0.0:{port}\r\n"),
        format!("Host: [::ffff:127.0.0.1]:{port}\r\n"),
        format!("Host: localhost:{port}\r\nHost: evil.example:{port}\r\n"),
        String::new(),
    ];
    for host in foreign {
        assert_eq!(asked(&host).error().0, 403, "{host:?}");
    }
    assert_eq!(running.site.answered.load(Ordering::SeqCst), 4);
    // Not even what needs no token is told to a page that had its name resolved to this machine.
    let health = running.raw(&format!("GET /healthz HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"));
    assert_eq!(health.status, 403);
}

#[test]
fn a_server_goes_by_the_names_that_it_was_given() {
    let running = running_with(|options| {
        options.names = vec!["curation.example.org".to_owned(), "localhost:9000".to_owned()];
    });
    let asked = |host: &str| {
        let token = &running.token;
        running
            .raw(&format!("GET /a HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"))
            .status
    };
    assert_eq!(asked("curation.example.org"), 200);
    assert_eq!(asked("Curation.Example.Org:8443"), 200);
    assert_eq!(asked("localhost:9000"), 200);
    assert_eq!(asked("localhost:9001"), 403);
    assert_eq!(asked("example.org"), 403);
    for name in ["a b", "", "http://curation.example.org", "a@b", "a:b", "*"] {
        let mut options = Options::new(Token::random().expect("random bits"));
        options.names = vec![name.to_owned()];
        let refused = serve(options, Arc::new(Echo::default()), Arc::new(Hub::new(&[])));
        let error = refused.expect_err(name).to_string();
        assert!(error.contains("no name of a host"), "{error}");
    }
}

#[test]
fn a_request_to_a_proxy_is_refused() {
    let running = running();
    let (port, token) = (running.port(), &running.token);
    let answer = running.raw(&format!(
        "GET http://evil.example/a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ));
    assert_eq!(answer.error().0, 400);
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let running = running();
    let port = running.port();
    let asked = |method: &str, target: &str, origins: &str| {
        let body = if method == "POST" {
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        } else {
            "\r\n"
        };
        let mut client = running.client();
        client.send(&format!("{}{origins}{body}", running.head(method, target)));
        client.head().status
    };
    let own = format!("Origin: http://127.0.0.1:{port}\r\n");
    let foreign = [
        "Origin: null\r\n".to_owned(),
        "Origin: http://evil.example\r\n".to_owned(),
        // The same machine under another name, or another server on it.
        format!("Origin: http://localhost:{port}\r\n"),
        "Origin: http://127.0.0.1:1\r\n".to_owned(),
        "Origin: http://127.0.0.1\r\n".to_owned(),
        format!("Origin: http://127.0.0.1:{port}.evil.example\r\n"),
        format!("Origin: file://127.0.0.1:{port}\r\n"),
        "Origin: \r\n".to_owned(),
        format!("{own}Origin: http://evil.example\r\n"),
    ];
    for (method, target) in [("POST", "/a"), ("GET", "/api/events"), ("GET", "/a")] {
        assert_eq!(asked(method, target, &own), 200, "{method} {target}");
        assert_eq!(asked(method, target, ""), 200, "{method} {target}");
        for origin in &foreign {
            assert_eq!(asked(method, target, origin), 403, "{method} {target} {origin}");
        }
    }
    let proxied = running_with(|options| options.names = vec!["curation.example.org".to_owned()]);
    let answer = proxied.raw(&format!(
        "GET /a HTTP/1.1\r\nHost: curation.example.org\r\nOrigin: https://curation.example.org\r\nAuthorization: Bearer {}\r\n\r\n",
        proxied.token
    ));
    assert_eq!(answer.status, 200);
}

#[test]
fn every_request_bears_the_token() {
    let running = running();
    let (port, token) = (running.port(), running.token.clone());
    let asked = |target: &str, headers: &str| {
        let mut client = running.client();
        client.send(&format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"));
        client.head()
    };
    let shorter = &token[..token.len() - 1];
    for (target, headers) in [
        ("/a".to_owned(), String::new()),
        ("/".to_owned(), String::new()),
        ("/api/events".to_owned(), String::new()),
        ("/healthz/".to_owned(), String::new()),
        ("/panic/token".to_owned(), String::new()),
        ("/a?token=".to_owned(), String::new()),
        (format!("/a?token={shorter}"), String::new()),
        (format!("/a?token={token}x"), String::new()),
        (format!("/a?Token={token}"), String::new()),
        (format!("/a?token=x&token={token}"), String::new()),
        ("/a".to_owned(), format!("Authorization: Bearer {shorter}\r\n")),
        ("/a".to_owned(), format!("Authorization: Basic {token}\r\n")),
        ("/a".to_owned(), format!("Authorization: {token}\r\n")),
        ("/a".to_owned(), format!("Authorization: Bearer x\r\nAuthorization: Bearer {token}\r\n")),
        // What the header says is not made good by the query.
        (format!("/a?token={token}"), "Authorization: Bearer wrong\r\n".to_owned()),
    ] {
        let answer = asked(&target, &headers);
        assert_eq!(answer.status, 401, "{target} {headers}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    // What is told to everybody is changed by nobody.
    let posted = format!(
        "POST /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/csv\r\nContent-Length: 1\r\n\r\nx"
    );
    assert_eq!(running.raw(&posted).error().0, 401);
    assert_eq!(running.site.answered.load(Ordering::SeqCst), 0);
    assert_eq!(asked(&format!("/a?token={token}"), "").status, 200);
    assert_eq!(asked("/a", &format!("authorization: bearer {token}\r\n")).status, 200);
    assert_eq!(asked(&format!("/api/events?token={token}"), "").status, 200);
    assert_eq!(asked("/healthz", "").status, 200);
}

#[test]
fn nothing_repeats_the_token() {
    let running = running();
    let token = running.token.clone();
    let seen = running.get(&format!("/a?x=1&token={token}&y=2"));
    assert_eq!(seen.json()["query"], serde_json::json!([["x", "1"], ["y", "2"]]));
    for target in ["/%00", "/..", "/a?x=%FF", "/panic", "/split"] {
        let join = if target.contains('?') { '&' } else { '?' };
        let answer = running.get(&format!("{target}{join}token={token}"));
        assert!(answer.status >= 400, "{target}");
        assert!(!format!("{answer:?}{}", answer.text()).contains(&token), "{target}: {answer:?}");
    }
    assert!(!format!("{:?}", running.server).contains(&token));
}

#[test]
fn every_response_binds_the_browser() {
    let running = running();
    let answers = [
        running.get("/a"),
        running.get("/healthz"),
        running.get("/%00"),
        running.get("/panic"),
        running.get("/policy"),
        running.post("/a", "text/plain", "x"),
        running.raw("GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        running.raw(&format!("GET /a HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", running.port())),
        running.raw(&format!("{}\r\n", running.head("PUT", "/a"))),
        {
            let mut client = running.client();
            client.send(&format!("{}\r\n", running.head("GET", "/api/events")));
            client.head()
        },
    ];
    for answer in &answers {
        let all = |name: &str| answer.headers.iter().filter(|(its, _)| its == name).count();
        assert_eq!(
            answer.header("content-security-policy"),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            )
        );
        assert_eq!(all("content-security-policy"), 1);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{answer:?}");
    }
    let statuses: Vec<u16> = answers.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [200, 200, 400, 500, 200, 415, 403, 401, 405, 200]);
    let kept = running.get("/kept");
    assert_eq!(kept.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(kept.header("content-type"), Some("image/png"));
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let running = running();
    for target in [
        "/%00",
        "/a%00b",
        "/..",
        "/../etc/passwd",
        "/a/../b",
        "/%2e%2e/etc",
        "/a/%2E%2e",
        "/a%2f..%2fb",
        "/./a",
        "/a\\..\\b",
        "/a%5c..%5cb",
        "/%ff",
        "/%c3",
        "/a%0d%0ab",
        "/a?x=%00",
        "/a?x=%FF",
        "/a?%c3=1",
    ] {
        let answer = running.get(target);
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
    assert_eq!(running.site.answered.load(Ordering::SeqCst), 0);
    let asked = |target: &str| {
        let answer = running.get(target).json();
        (answer["path"].as_str().expect("a path").to_owned(), answer["query"].clone())
    };
    assert_eq!(asked("/histogram/follows%5Bremove%5D").0, "/histogram/follows[remove]");
    assert_eq!(asked("/%C3%A4//...").0, "/ä//...");
    let query = serde_json::json!([["a", "top:30%"], ["b c", "d=e+f"], ["b c", "ä"], ["none", ""]]);
    assert_eq!(asked("/a?a=top:30%&b+c=d=e%2Bf&b%20c=%c3%a4&&none").1, query);
}

#[test]
fn other_methods_are_refused() {
    let running = running();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "FROB"] {
        let answer = running.raw(&format!("{}\r\n", running.head(method, "/a")));
        assert_eq!((answer.error().0, answer.header("allow")), (405, Some("GET, HEAD, POST")), "{method}");
    }
    assert_eq!(running.site.answered.load(Ordering::SeqCst), 0);
}

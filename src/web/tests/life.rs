//! How a server starts, what it survives, and how it stops.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Instant;

use super::super::pool::Pool;
use super::*;

fn refused(change: impl FnOnce(&mut Options)) -> String {
    let mut options = Options::new(Token::random().expect("random bits"));
    change(&mut options);
    serve(options, Arc::new(Echo::default()), Arc::new(Hub::new(&[]))).expect_err("refused").to_string()
}

#[test]
fn a_port_that_is_taken_is_an_error_with_the_next_step() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address");
    let error = refused(|options| options.listen = address);
    assert!(error.contains(&address.to_string()) && error.contains("take another port"), "{error}");
    let error = refused(|options| {
        options.listen = "192.0.2.1:0".parse().expect("an address");
        options.beyond_loopback = true;
    });
    assert!(error.contains("has no address 192.0.2.1"), "{error}");
}

#[test]
fn a_server_stays_on_this_machine_unless_told_otherwise() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = refused(|options| options.listen = address.parse().expect("an address"));
        assert!(error.contains("reached from other machines"), "{error}");
    }
    let running = running_with(|options| {
        options.listen = "0.0.0.0:0".parse().expect("an address");
        options.beyond_loopback = true;
    });
    assert!(running.server.url().starts_with(&format!("http://127.0.0.1:{}/?token=", running.port())));
    assert_eq!(running.get("/a").status, 200);
}

#[test]
fn the_url_leads_here() {
    let running = running();
    let url = running.server.url();
    let target = url.strip_prefix(&format!("http://127.0.0.1:{}", running.port())).expect("this server");
    let answer = running.raw(&format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", running.port()));
    assert_eq!((answer.status, &answer.json()["path"]), (200, &"/".into()));
    let named = |name: &str| {
        let running = running_with(|options| {
            options.listen = "0.0.0.0:0".parse().expect("an address");
            options.beyond_loopback = true;
            options.names = vec![name.to_owned()];
        });
        running.server.url().replace(&format!(":{}/", running.port()), ":PORT/")
    };
    assert!(named("there.example").starts_with("http://there.example:PORT/?token="));
    assert!(named("there.example:9000").starts_with("http://there.example:9000/?token="));
}

#[test]
fn a_site_that_panics_costs_its_request() {
    let running = running_with(|options| options.threads = 2);
    let mut client = running.client();
    for _ in 0..10 {
        client.send(&format!("{}\r\n", running.head("GET", "/panic")));
        assert_eq!(client.answer().error().0, 500);
        client.send(&running.posted("/a", "text/csv", "x"));
        assert_eq!(client.answer().json()["body"], "x");
    }
    // A panic of the other method lets nobody in without the token, and costs those who have it nothing.
    assert_eq!(running.get("/panic/token").status, 200);
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nothing() {
    let running = running_with(|options| options.most_connections = 8);
    let whole = running.posted("/a", "text/csv", &"x".repeat(1000));
    for part in [0, 1, 10, 60, whole.len() - 1100, whole.len() - 500, whole.len()] {
        for _ in 0..8 {
            let mut client = running.client();
            // It may have been turned away by then.
            let _ = client.stream.write_all(&whole.as_bytes()[..part]);
            client.leave();
        }
    }
    for _ in 0..8 {
        let mut client = running.client();
        let _ = client.stream.write_all(format!("{}\r\n", running.head("GET", "/large")).as_bytes());
        let _ = client.stream.read(&mut [0; 100]);
        client.leave();
    }
    running.serves();
}

#[test]
fn what_was_sent_is_done_also_for_a_client_that_left() {
    let (echo, request) = (Arc::new(Echo::default()), |method: Method, path: &str| {
        let path = path.to_owned();
        Request { method, path, query: Vec::new(), has_token: true, media_type: None, body: Vec::new() }
    });
    let site: Arc<dyn Site> = Arc::<Echo>::clone(&echo);
    let (pool, threads) = Pool::start(1, &site).expect("starts");
    let mut context = Context::from_waker(Waker::noop());
    // The one thread waits; then come those who leave.
    for (method, path) in
        [(Method::Get, "/wait"), (Method::Get, "/a"), (Method::Post, "/a"), (Method::Get, "/b")]
    {
        let mut answer = pin!(pool.answer(request(method, path)));
        assert!(answer.as_mut().poll(&mut context).is_pending());
        if path == "/wait" {
            until("it waits", || echo.answered.load(Ordering::SeqCst) == 1);
        }
    }
    echo.open();
    drop(pool);
    threads.wait(Instant::now() + PATIENCE);
    // The first, and the one that changes something.
    assert_eq!(echo.answered.load(Ordering::SeqCst), 2);
}

#[test]
fn what_is_no_http_harms_nothing() {
    let running = running();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200 {
        let mut client = running.client();
        let noise: Vec<u8> = (0..round * 7)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.to_le_bytes()[0]
            })
            .collect();
        let _ = client.stream.write_all(&noise);
        let _ = client.stream.write_all(b"\r\n\r\n");
        client.leave();
    }
    let smuggled = "Content-Type: text/csv\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n";
    let mut client = running.client();
    client.send(&format!("{}{smuggled}", running.head("POST", "/a")));
    // The chunks say where the body ends (RFC 9112, section 6.3), or the whole is refused; the length is not believed.
    let first = client.answer();
    assert!(first.status == 400 || first.json()["body"] == "", "{first:?}");
    assert_eq!(running.get("/a").status, 200);
}

#[test]
fn a_site_that_blocks_holds_up_neither_events_nor_others() {
    let running = running_with(|options| options.threads = 3);
    let mut waiting: Vec<Client> = (0..2).map(|_| running.client()).collect();
    for client in &mut waiting {
        client.send(&format!("{}\r\n", running.head("GET", "/wait")));
    }
    until("both wait", || running.site.answered.load(Ordering::SeqCst) == 2);
    let mut listener = running.client();
    listener.listen(&running);
    running.hub.send("counts", "1".to_owned());
    assert!(listener.event().is_some());
    assert_eq!(running.get("/a").status, 200);
    running.site.open();
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "waited");
    }
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let running = running();
    std::thread::scope(|scope| {
        for name in 0..32 {
            let running = &running;
            scope.spawn(move || {
                let mut client = running.client();
                for number in 0..30 {
                    client.send(&running.posted("/a", "text/csv", &format!("{name} {number}")));
                    assert_eq!(client.answer().json()["body"], format!("{name} {number}"));
                }
            });
        }
    });
    assert_eq!(running.get("/thread").text(), "web-site");
}

#[test]
fn more_connections_than_allowed_are_turned_away_until_there_is_room() {
    let running = running_with(|options| options.most_connections = 4);
    let held: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = running.client();
            client.send(&format!("{}\r\n", running.head("GET", "/a")));
            assert_eq!(client.answer().status, 200);
            client
        })
        .collect();
    let mut fifth = running.client();
    let answer = fifth.answer();
    assert!(answer.error().1.starts_with("4 connections are open"), "{answer:?}");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(fifth.is_closed());
    held.into_iter().for_each(Client::leave);
    running.serves();
}

fn connects(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[test]
fn stopping_ends_streams_and_idle_connections_at_once() {
    let running = running();
    let address = running.server.address();
    let mut listener = running.client();
    listener.listen(&running);
    let mut idle = running.client();
    idle.send(&format!("{}\r\n", running.head("GET", "/a")));
    assert_eq!(idle.answer().status, 200);
    running.hub.send("counts", "last".to_owned());
    let site = Arc::downgrade(&running.site);
    let start = Instant::now();
    let Running { server, site: strong, .. } = running;
    drop(strong);
    server.stop();
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    // Its threads have ended: nothing holds the site any more.
    assert!(site.upgrade().is_none());
    assert_eq!(listener.event().as_deref(), Some("event: counts\ndata: last\n\n"));
    assert_eq!(listener.event(), None);
    assert!(listener.is_closed() && idle.is_closed());
    assert!(!connects(address));
}

#[test]
fn a_request_that_is_being_answered_is_answered_before_the_stop() {
    let running = running();
    let mut client = running.client();
    client.send(&format!("{}\r\n", running.head("GET", "/wait")));
    until("it waits", || running.site.answered.load(Ordering::SeqCst) == 1);
    let site = Arc::clone(&running.site);
    let opener = std::thread::spawn(move || {
        pause(Duration::from_millis(200));
        site.open();
    });
    running.server.stop();
    assert_eq!(client.answer().text(), "waited");
    assert!(client.is_closed());
    opener.join().expect("opens");
}

#[test]
fn a_site_that_never_returns_holds_a_stop_up_for_two_seconds() {
    let running = running();
    let mut client = running.client();
    client.send(&format!("{}\r\n", running.head("GET", "/wait")));
    until("it waits", || running.site.answered.load(Ordering::SeqCst) == 1);
    let start = Instant::now();
    running.server.stop();
    let took = start.elapsed();
    assert!((1500..6000).contains(&took.as_millis()), "{took:?}");
    assert!(client.is_closed());
    running.site.open();
}

#[test]
fn a_port_is_free_again_after_a_stop() {
    let running = running();
    let address = running.server.address();
    assert_eq!(running.get("/a").status, 200);
    running.server.stop();
    let again = running_with(|options| options.listen = address);
    assert_eq!(again.get("/a").status, 200);
}

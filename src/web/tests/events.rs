//! Server-sent events.

use super::*;

#[test]
fn everybody_who_listens_gets_every_event() {
    let running = running();
    let mut listeners: Vec<Client> = (0..40).map(|_| running.client()).collect();
    listeners.iter_mut().for_each(|client| client.listen(&running));
    running.listeners(40);
    running.hub.send("counts", r#"{"version":1}"#.to_owned());
    for client in &mut listeners {
        assert_eq!(client.event().as_deref(), Some("event: counts\ndata: {\"version\":1}\n\n"));
    }
    running.hub.send("published", "a\nb\r\nc\rd".to_owned());
    for client in &mut listeners {
        assert_eq!(
            client.event().as_deref(),
            Some("event: published\ndata: a\ndata: b\ndata: c\ndata: d\n\n")
        );
    }
    for client in listeners.drain(..30) {
        client.leave();
    }
    running.listeners(10);
    running.hub.send("counts", String::new());
    for client in &mut listeners {
        assert_eq!(client.event().as_deref(), Some("event: counts\ndata: \n\n"));
    }
}

#[test]
fn a_slow_listener_gets_the_newest_of_each_name_and_all_of_some() {
    let running = running();
    let mut slow = running.client();
    slow.listen(&running);
    running.listeners(1);
    // Far more than the system holds for a client that does not read.
    let large = "x".repeat(64 << 10);
    for version in 1..=500 {
        running.hub.send("counts", format!("{version} {large}"));
        if version % 50 == 0 {
            running.hub.send("published", version.to_string());
        }
    }
    running.hub.send("progress", "null".to_owned());
    let (mut counts, mut published) = (Vec::new(), Vec::new());
    loop {
        let event = slow.event().expect("the stream goes on");
        let (name, data) = event["event: ".len()..].split_once("\ndata: ").expect("data");
        let number = || data.split_whitespace().next().expect("a number").parse::<usize>().expect("a number");
        match name {
            "counts" => counts.push(number()),
            "published" => published.push(number()),
            _ => break,
        }
    }
    assert_eq!(published, (50..=500).step_by(50).collect::<Vec<_>>());
    assert_eq!(counts.last(), Some(&500));
    assert!(counts.is_sorted() && counts.len() < 300, "{} of 500 came", counts.len());
}

#[test]
fn a_sender_waits_for_nobody() {
    let running = running();
    let mut stuck: Vec<Client> = (0..10).map(|_| running.client()).collect();
    stuck.iter_mut().for_each(|client| client.listen(&running));
    let mut reads = running.client();
    reads.listen(&running);
    running.listeners(11);
    let large = "x".repeat(256 << 10);
    let start = std::time::Instant::now();
    for _ in 0..60 {
        running.hub.send("counts", large.clone());
    }
    running.hub.send("progress", "last".to_owned());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    while reads.event().expect("the stream goes on") != "event: progress\ndata: last\n\n" {}
}

#[test]
fn a_listener_that_falls_too_far_behind_is_cut_off() {
    let running = running();
    let mut slow = running.client();
    slow.listen(&running);
    running.listeners(1);
    let large = "x".repeat(8 << 10);
    for _ in 0..3000 {
        running.hub.send("published", large.clone());
    }
    assert_eq!(running.hub.listeners(), 0);
    while slow.event().is_some() {}
    // A browser connects again.
    slow.listen(&running);
    running.hub.send("counts", "1".to_owned());
    assert_eq!(slow.event().as_deref(), Some("event: counts\ndata: 1\n\n"));
}

#[test]
fn a_stream_begins_at_once_and_shows_that_it_lives() {
    let running = running_with(|options| options.heartbeat = Duration::from_millis(100));
    let mut client = running.client();
    client.listen(&running);
    assert_eq!(client.chunk().as_deref(), Some("retry: 1000\n\n"));
    for _ in 0..3 {
        assert_eq!(client.chunk().as_deref(), Some(": still here\n\n"));
    }
    running.hub.send("counts", "1".to_owned());
    assert!(client.event().is_some());
}

#[test]
fn listeners_leave_room_for_requests() {
    let running = running_with(|options| options.most_connections = 8);
    let mut listeners: Vec<Client> = (0..6).map(|_| running.client()).collect();
    listeners.iter_mut().for_each(|client| client.listen(&running));
    let seventh = running.get("/api/events");
    assert!(seventh.error().1.starts_with("6 listen"), "{seventh:?}");
    assert_eq!(running.get("/a").status, 200);
    listeners.pop().expect("one").leave();
    running.listeners(5);
    running.client().listen(&running);
}

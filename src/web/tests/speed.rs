//! How long a request takes. It measures and judges nothing: `cargo test --lib web::tests::speed -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "measures"]
fn how_long_a_post_takes() {
    let running = running();
    let mut listeners: Vec<Client> = (0..4).map(|_| running.client()).collect();
    listeners.iter_mut().for_each(|client| client.listen(&running));
    let mut client = running.client();
    let post = running.posted("/api/turn", "application/json", r#"{"dials":{"aesthetic":"5.1"}}"#);
    let mut times: Vec<Duration> = (0..12_000)
        .map(|_| {
            let start = Instant::now();
            client.send(&post);
            assert_eq!(client.answer().status, 200);
            start.elapsed()
        })
        .collect();
    let mut times = times.split_off(2_000);
    times.sort_unstable();
    let part = |part: f64| times[(times.len() as f64 * part) as usize].as_micros();
    println!(
        "a POST over keep-alive: median {} µs, p99 {} µs, worst {} µs",
        part(0.5),
        part(0.99),
        part(0.9999)
    );
    let mut times: Vec<Duration> = (0..2_000)
        .map(|number| {
            let start = Instant::now();
            running.hub.send("counts", number.to_string());
            for listener in &mut listeners {
                assert!(listener.event().is_some());
            }
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let part = |part: f64| times[(times.len() as f64 * part) as usize].as_micros();
    println!("an event to four listeners: median {} µs, p99 {} µs", part(0.5), part(0.99));
}

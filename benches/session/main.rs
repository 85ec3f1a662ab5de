//! A session that stays, over a million rows and HTTP, as the page uses it: a handle that is dragged, the pictures at its cut, and the memory that the
//! session holds.
//!
//! Steps of a drag are due sixty times a second. What is measured is the time from when a step is due to its counts on the wire: a step that waits for
//! the one before counts its waiting. The program is a process of its own, on the same cores.

mod rated;

use std::io::{BufRead, BufReader};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::program::Desk;
use tests::resident::Resident;

/// A sixtieth of a second.
const APART: Duration = Duration::from_nanos(1_000_000_000 / 60);
const STEPS: u32 = 600;
/// A strip of the page is about so many pixels wide.
const PIXELS: f32 = 600.0;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == "rated") {
        return threshflow::cli::main_of(&rated::PROGRAM);
    }
    // `cargo bench -- NAME` shows its filter to every bench.
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if filters.is_empty() || filters.iter().any(|filter| "session".contains(filter.as_str())) {
        let rows =
            std::env::var("THRESHFLOW_BENCH_ROWS").map_or(1_000_000, |rows| rows.parse().expect("a number"));
        bench(rows);
    }
    ExitCode::SUCCESS
}

fn bench(rows: u32) {
    let program = std::env::current_exe().expect("this program has a path");
    let desk = Desk::of_pipeline(program.to_str().expect("UTF-8").to_owned().leak(), "rated");
    rated::write_shards(&desk.path("shards"), rows);
    let begin = Instant::now();
    desk.done("");
    println!("session/{rows} rows: run and published in {:.1} s", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    let session = Resident::start(&desk, "");
    println!("session/{rows} rows: open in {:.1} s; {}", begin.elapsed().as_secs_f64(), memory(&session));
    listen(&session);

    for pixels in [1.0, 5.0, 20.0] {
        print(&format!("a step of a drag by {pixels} pixels"), drag(&session, pixels));
    }
    let dragging = AtomicBool::new(true);
    let (steps, cuts) = std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut cuts = Vec::new();
            while dragging.load(Ordering::Relaxed) {
                cuts.push(timed(|| drop(session.get("/api/cut?dial=taste&most=12"))));
                // As the page does.
                std::thread::sleep(Duration::from_millis(50));
            }
            cuts
        });
        let steps = drag(&session, 5.0);
        dragging.store(false, Ordering::Relaxed);
        (steps, looks.join().expect("looks"))
    });
    print("a step of a drag, 5 pixels, beside the pictures at the cut", steps);
    print("the rows at the cut meanwhile", cuts);
    print("the pictures at the cut, drawn", (0..20).map(|n| timed(|| pictures(&session, n))).collect());
    for path in [
        "state",
        "histogram/taste",
        "plan",
        "changes?side=leave",
        "labels?dial=taste",
        "precision?dial=taste",
    ] {
        let times = (0..10).map(|_| timed(|| drop(session.get(&format!("/api/{path}")))));
        print(&format!("/api/{path}"), times.collect());
    }
    println!("session/afterwards: {}", memory(&session));
    session.end();
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "session/{name}: {:.1} ms at the median, {:.1} at p99, {:.1} at most, of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

/// Where a handle is that is dragged to and fro by so many pixels a step, with the step of each moment.
fn handle(pixels: f32, begin: Instant) -> (usize, String) {
    let step = (begin.elapsed().as_secs_f64() / APART.as_secs_f64()) as usize;
    let phase = (step as f32 * pixels / PIXELS * 10.0) % 16.0;
    (step, format!("{:.4}", 1.0 + if phase < 8.0 { phase } else { 16.0 - phase }))
}

fn turn(session: &Resident, at: &str) {
    let turn = json!({ "dials": { "taste": at }, "gesture": "bench" });
    let counts = session.post("/api/turn", &turn);
    assert!(counts["kept"].as_u64().is_some_and(|kept| kept > 0), "{counts}");
}

/// Drags as the page does: one turn is under way at a time, and the next one is to where the handle is by then. From each request to its counts.
fn drag(session: &Resident, pixels: f32) -> Vec<Duration> {
    let (begin, mut times, mut last) = (Instant::now(), Vec::new(), usize::MAX);
    while begin.elapsed() < APART * STEPS {
        let (step, at) = handle(pixels, begin);
        if step == last {
            std::thread::sleep((begin + APART * (step + 1) as u32).saturating_duration_since(Instant::now()));
            continue;
        }
        last = step;
        times.push(timed(|| turn(session, &at)));
    }
    times
}

/// Turns to among the photos, and gets the pictures on both sides of the cut, six at a time, as a browser does.
fn pictures(session: &Resident, n: u32) {
    session.turn("taste", &format!("{:.5}", rated::PHOTOS_AT + (n as f32 - 10.0) / 2000.0));
    let cut = session.get("/api/cut?dial=taste&most=12");
    let rows: Vec<&Value> =
        ["above", "below"].iter().flat_map(|side| cut[*side].as_array().expect("rows")).collect();
    assert_eq!(rows.len(), 24);
    let next = AtomicUsize::new(0);
    let get = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            assert_eq!(row["width"], rated::PHOTO, "{row}");
            let drawing = session.get(&format!("/api/drawing/{}", row["id"].as_str().expect("an id")));
            let image = drawing["panels"][0]["image"].as_str().expect("a picture").to_owned();
            assert!(session.get_bytes(&image).1.len() > 1000);
        }
    };
    std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(get))));
}

/// Hears the session's events, as an open page does.
fn listen(session: &Resident) {
    let address = session.base.trim_start_matches("http://").to_owned();
    let request = format!(
        "GET /api/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        session.token
    );
    let mut stream = std::net::TcpStream::connect(address).expect("connects");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("asks");
    std::thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).count());
}

fn memory(session: &Resident) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", session.process())).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let megabytes = |name| field(name).map_or("?".to_owned(), |kib| format!("{:.0}", kib * 1024.0 / 1e6));
    format!(
        "{} MB of its own, {} MB with mapped files, {} MB at most",
        megabytes("RssAnon"),
        megabytes("VmRSS"),
        megabytes("VmHWM")
    )
}

//! Every bound as a number: requests under way, requests and tokens a minute, pauses that servers ask for.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use operators::http::{CallClass, CallError, Host, HostSettings, Tokens};
use tests::fakes::http::{Action, FakeServer};

use super::{ask, good, open, question, settings};

const LATE: Duration = Duration::from_secs(10);

#[test]
fn no_more_requests_are_under_way_than_may_be() {
    let server = FakeServer::start(|_| Action::After(Duration::from_millis(5), Box::new(good())));
    let host = open(HostSettings { most_in_flight: 3, ..settings(&server) });
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..4).for_each(|_| drop(ask(&host).expect("an answer"))));
        }
    });
    assert_eq!((server.most_at_once(), host.report().most_in_flight), (3, 3));
    assert_eq!((server.count(), host.report().answers), (64, 64));
    assert!(server.connections() <= 3, "{}", server.connections());
}

/// Asks thirty times, with little patience, for `tokens` each; of a bucket that holds `holds` calls, one more passes in
/// every `again`.
fn holds_back(server: &FakeServer, host: &Host, tokens: u64, holds: usize, again: Duration) {
    let estimated = Tokens { prompt: tokens, completion: 0 };
    let began = Instant::now();
    let errors: Vec<CallError> =
        (0..30).filter_map(|_| host.post_json("/x", &question(), estimated).err()).collect();
    let more = (began.elapsed().as_secs_f64() / again.as_secs_f64()).ceil() as usize;
    // Some were given up before the server had read them.
    let sent = host.report().requests as usize;
    assert!((holds..=holds + more).contains(&sent) && server.count() <= sent, "{sent} of {holds} and {more}");
    let unsent: Vec<&CallError> = errors.iter().filter(|error| error.attempts == 0).collect();
    assert_eq!(unsent.len(), 30 - sent);
    for error in unsent {
        assert_eq!((error.class, error.retry), (CallClass::RateLimited, true), "{error}");
        assert!(error.message.contains("a minute are its bounds"), "{error}");
    }
}

#[test]
fn no_more_pass_in_a_minute_than_may() {
    // A bucket holds ten seconds' worth: ten requests of sixty a minute, or a hundred tokens of six hundred.
    let deadline = Duration::from_millis(20);
    let server = FakeServer::with_answers([good()]);
    let requests_a_minute = NonZeroU32::new(60);
    let host = open(HostSettings { requests_a_minute, deadline, ..settings(&server) });
    holds_back(&server, &host, 1000, 10, Duration::from_secs(1));
    let server = FakeServer::with_answers([good()]);
    let tokens_a_minute = NonZeroU32::new(600);
    let host = open(HostSettings { tokens_a_minute, deadline, ..settings(&server) });
    holds_back(&server, &host, 20, 5, Duration::from_secs(2));
}

#[test]
fn who_must_wait_for_the_bucket_gets_its_turn() {
    let server = FakeServer::with_answers([good()]);
    // 50 tokens a second, of which 500 are there; more than a bucket holds is waited for as well.
    let host = open(HostSettings { tokens_a_minute: NonZeroU32::new(3000), ..settings(&server) });
    let began = Instant::now();
    host.post_json("/x", &question(), Tokens { prompt: 400, completion: 105 }).expect("after a while");
    assert!(began.elapsed() >= Duration::from_millis(95), "{:?}", began.elapsed());
}

#[test]
fn a_pause_that_a_server_asks_for_is_kept_by_all() {
    let short = || "0.2".to_owned();
    let date = || httpdate(SystemTime::now() + Duration::from_secs(2));
    let asked_for: [(&str, &dyn Fn() -> String, Duration); 3] = [
        ("retry-after", &short, Duration::from_millis(200)),
        ("llm_provider-retry-after", &short, Duration::from_millis(200)),
        // Dates are whole seconds: of the two, one is left at least.
        ("retry-after", &date, Duration::from_millis(900)),
    ];
    for (name, value, pause) in asked_for {
        let value = value();
        let server = FakeServer::with_answers([Action::text(429, "").with(name, &value), good()]);
        let host = open(settings(&server));
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(ask(&host).expect("healed").attempts, 2));
            while server.count() == 0 || host.report().failures.is_empty() {
                thread::yield_now();
            }
            // It was never refused, and waits all the same. Its failure is counted just before the pause begins.
            thread::sleep(Duration::from_millis(20));
            assert_eq!(ask(&host).expect("let in").attempts, 1);
            assert!(began.elapsed() >= pause, "{name}: {:?}", began.elapsed());
        });
    }
}

#[test]
fn a_pause_beyond_the_deadline_is_waited_for_until_then() {
    let server = FakeServer::with_answers([Action::text(429, "").with("retry-after", "60")]);
    let deadline = Duration::from_secs(1);
    let host = open(HostSettings { deadline, ..settings(&server) });
    let error = ask(&host).expect_err("a minute is long");
    assert_eq!((error.class, error.status, error.attempts), (CallClass::RateLimited, Some(429), 1));
    let began = Instant::now();
    let error = ask(&host).expect_err("a minute is long");
    assert_eq!((error.class, error.status, error.attempts), (CallClass::RateLimited, None, 0), "{error}");
    assert!(began.elapsed() >= deadline, "rows are not used up while the server rests");
    assert_eq!(server.count(), 1);
}

#[test]
fn who_waits_leaves_at_once_when_the_run_ends() {
    let server = FakeServer::with_answers([Action::text(429, "").with("retry-after", "60")]);
    let deadline = Duration::from_secs(60);
    let host = open(HostSettings { deadline: deadline * 2, ..settings(&server) });
    let began = Instant::now();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| ask(&host).expect_err("stopped"))).collect();
        while host.report().failures.is_empty() {
            thread::yield_now();
        }
        host.stop();
        for call in waiting {
            assert_eq!(call.join().expect("no panic").class, CallClass::Stopped);
        }
    });
    assert_eq!(ask(&host).expect_err("stopped").class, CallClass::Stopped);
    assert!(began.elapsed() < LATE);
    assert_eq!(host.report().given_up["stopped"], 5);
}

/// With three in ten refused, one in ten failing and one in twenty hanging, every call comes to an answer, and nothing is
/// asked more often than it failed.
#[test]
fn nothing_is_lost_and_nothing_is_asked_too_often() {
    let injected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&injected);
    let server = FakeServer::start(move |asked| {
        let action = match asked.number * 7 % 20 {
            0..6 => Action::text(429, "").with("retry-after", "0.002"),
            6..8 => Action::text(500, "Internal Server Error"),
            8 => Action::Hang,
            _ => return good(),
        };
        count.fetch_add(1, SeqCst);
        action
    });
    let call_timeout = Duration::from_millis(600);
    let host = open(HostSettings { call_timeout, most_in_flight: 16, most_retries: 50, ..settings(&server) });
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..20).for_each(|_| drop(ask(&host).expect("an answer"))));
        }
    });
    let (report, injected) = (host.report(), injected.load(SeqCst));
    assert_eq!(report.answers, 320);
    // A machine that is busy for so long that an answer comes too late costs a request more.
    let sent = report.requests as usize;
    assert!(server.count() <= sent && sent <= injected + 336, "{sent} of {injected}: {report:?}");
    assert_eq!(report.requests, report.answers + report.failures.values().sum::<u64>());
}

/// As RFC 9110 writes dates; the test's own arithmetic (days since 1970, by the civil calendar).
fn httpdate(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", left + 1, names[month])
}

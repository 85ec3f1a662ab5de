//! Signals at any moment, once and twice, with and without being ignored at the start: a run says at once that it stops, ends soon, leaves
//! what was published as it was or publishes all of it, and the next run goes on.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use tests::program::{Desk, asks, signal, start};
use tests::shards::corpus;
use tests::trees;

const SHARDS: u64 = 24;
const FLAGS: &str = "--cores 2 --slow 4 --slow-prepare 1 --log-asks asks.log";
/// Longer than anything takes here; on a busy machine too.
const SOON: Duration = Duration::from_secs(10);

/// Where a run stands when the signal comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// Milliseconds after the program started.
    Opening(u64),
    Indexing,
    Asking,
    Publishing,
    /// A batch that never ends.
    Hanging,
}

/// How a run takes a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    /// It stops, with exit code 1.
    Stops,
    /// It ends there and then, as programs do.
    Dies,
    /// It goes on to the end.
    GoesOn,
}

struct Case {
    moment: Moment,
    signals: &'static [i32],
    takes: Takes,
    /// Whether the signal is ignored when the program starts.
    ignored: bool,
}

fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_curate"));
    for n in 0..SHARDS {
        desk.shard(&format!("{n:02}"), &corpus(23, n * 12..n * 12 + 12));
    }
    desk
}

fn cases() -> Vec<Case> {
    use Moment::{Asking, Hanging, Indexing, Opening, Publishing};
    let case = |moment, signals, takes| Case { moment, signals, takes, ignored: false };
    let mut cases = Vec::new();
    for signals in [&[libc::SIGINT], &[libc::SIGTERM], &[libc::SIGHUP], &[libc::SIGXCPU]] {
        for moment in [Opening(60), Indexing, Asking, Publishing] {
            cases.push(case(moment, signals, Takes::Stops));
        }
    }
    cases.push(case(Opening(5), &[libc::SIGINT], Takes::Stops));
    for moment in [Indexing, Asking, Publishing] {
        cases.push(case(moment, &[libc::SIGQUIT], Takes::Dies));
        cases.push(case(moment, &[libc::SIGTSTP, libc::SIGCONT], Takes::GoesOn));
        cases.push(case(moment, &[libc::SIGPIPE], Takes::GoesOn));
    }
    for signals in
        [&[libc::SIGINT, libc::SIGINT], &[libc::SIGTERM, libc::SIGTERM], &[libc::SIGHUP, libc::SIGTERM]]
    {
        cases.push(case(Hanging, signals, Takes::Stops));
        cases.push(case(Asking, signals, Takes::Stops));
    }
    for signals in [&[libc::SIGINT], &[libc::SIGTERM], &[libc::SIGHUP]] {
        for moment in [Opening(60), Asking] {
            cases.push(Case { moment, signals, takes: Takes::GoesOn, ignored: true });
        }
    }
    cases
}

fn wait_until(child: &mut Child, what: Moment, now: impl Fn() -> bool) {
    let begin = Instant::now();
    while !now() && child.try_wait().expect("can be waited for").is_none() {
        assert!(begin.elapsed() < SOON * 6, "{what:?} never came");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn wait_for(moment: Moment, desk: &Desk, child: &mut Child) {
    let files = |folder: &str| std::fs::read_dir(desk.path(folder)).map_or(0, Iterator::count);
    match moment {
        Moment::Opening(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
        Moment::Indexing => wait_until(child, moment, || files("store/index") > 0),
        Moment::Asking | Moment::Hanging => {
            wait_until(child, moment, || asks(&desk.path("asks.log")).len() > 30);
        }
        Moment::Publishing => wait_until(child, moment, || desk.path("out/.writing").exists()),
    }
}

/// How a run ended, and when it had its first word to the signal.
struct Ended {
    status: ExitStatus,
    told: Option<Duration>,
    took: Duration,
    words: String,
}

/// Sends the signals, the second as soon as the first is heard, and waits for the end.
fn play(desk: &Desk, case: &Case) -> Ended {
    let trouble = if case.moment == Moment::Hanging { "--trouble hang-answering:" } else { "" };
    let mut command = desk.command("run", &format!("{FLAGS} {trouble}"));
    let (signals, ignored) = (case.signals, case.ignored);
    let ignore = move || {
        for signal in signals.iter().filter(|_| ignored) {
            // SAFETY: a plain system call, allowed between fork and exec.
            unsafe { libc::signal(*signal, libc::SIG_IGN) };
        }
        Ok(())
    };
    // SAFETY: `ignore` calls one system call and allocates nothing.
    let mut child = start(unsafe { command.pre_exec(ignore) });
    let words = child.stderr.take().expect("it is piped");
    let (heard, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(words).lines().map_while(Result::ok) {
            if heard.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    wait_for(case.moment, desk, &mut child);
    let begin = Instant::now();
    let (mut told, mut words) = (None, String::new());
    if child.try_wait().expect("can be waited for").is_none() {
        signal(&child, case.signals[0]);
    }
    let mut take_in = |(at, line): (Instant, String), words: &mut String| {
        if line.contains("stop") {
            told.get_or_insert(at.saturating_duration_since(begin));
        }
        words.push_str(&line);
        words.push('\n');
        told.is_some()
    };
    let (mut left, mut heard) = (&case.signals[1..], false);
    let status = loop {
        while let Ok(line) = hears.try_recv() {
            heard = take_in(line, &mut words);
        }
        if let Some(status) = child.try_wait().expect("can be waited for") {
            break status;
        }
        let stands_still = case.takes == Takes::GoesOn && begin.elapsed() > Duration::from_millis(100);
        if let Some((next, rest)) = left.split_first()
            && (heard || stands_still)
        {
            signal(&child, *next);
            left = rest;
        }
        assert!(begin.elapsed() < SOON * 3, "{:?}: it does not end: {words}", case.moment);
        std::thread::sleep(Duration::from_millis(1));
    };
    let took = begin.elapsed();
    for line in hears.iter() {
        take_in(line, &mut words);
    }
    Ended { status, told, took, words }
}

/// Plays a case over what was published before, or over nothing, and then a run to the end.
fn check(case: &Case, old: Option<&Path>, whole: &Path) -> (Option<Duration>, Duration) {
    let desk = desk();
    if let Some(old) = old {
        for (name, bytes) in trees::read(old) {
            let path = desk.path("out").join(name);
            std::fs::create_dir_all(path.parent().expect("below the desk")).expect("makes");
            std::fs::write(path, bytes).expect("writes");
        }
    }
    let ended = play(&desk, case);
    let context = format!(
        "{:?} {:?}{}: {:?} {}",
        case.moment,
        case.signals,
        if case.ignored { ", ignored" } else { "" },
        ended.status,
        ended.words
    );
    // Before its handlers stand, and after it began to publish, a run takes signals in other ways too.
    let early = matches!(case.moment, Moment::Opening(_)) && ended.status.signal() == Some(case.signals[0]);
    let done = ended.status.code() == Some(0);
    match case.takes {
        Takes::GoesOn => assert!(done, "{context}"),
        Takes::Stops if done => assert_eq!(case.moment, Moment::Publishing, "{context}"),
        Takes::Stops => assert!(early || ended.status.code() == Some(1), "{context}"),
        Takes::Dies => assert!(done || ended.status.signal() == Some(case.signals[0]), "{context}"),
    }
    if case.takes == Takes::Stops && !done && !early {
        assert!(ended.told.is_some(), "no word: {context}");
        assert!(!ended.words.contains("panicked"), "{context}");
    }
    assert!(ended.told.unwrap_or_default() < SOON, "{context}");
    assert!(ended.took < SOON, "{context}");
    if ended.status.code() == Some(1) {
        let untouched = old.map(trees::read).unwrap_or_default();
        assert!(trees::read(&desk.path("out")) == untouched, "out was touched: {context}");
    } else if done {
        trees::assert_same(&desk.path("out"), whole, &context);
    }
    desk.done(FLAGS);
    trees::assert_same(&desk.path("out"), whole, &context);
    (ended.told, ended.took)
}

#[test]
fn a_signal_ends_a_run_soon_and_leaves_the_old_set_or_the_new() {
    let old = desk();
    old.done("--cores 2 --set taste=8");
    let whole = desk();
    whole.done(FLAGS);
    let cases = cases();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let play = || {
        let mut longest = (Duration::ZERO, Duration::ZERO);
        while let Some(case) = {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            cases.get(n).map(|case| (n, case))
        } {
            let (n, case) = case;
            let old = (n % 2 == 0).then(|| old.path("out"));
            let (told, took) = check(case, old.as_deref(), &whole.path("out"));
            println!("{:?} {:?} ignored {}: {told:?}, {took:?}", case.moment, case.signals, case.ignored);
            longest = (longest.0.max(told.unwrap_or_default()), longest.1.max(took));
        }
        longest
    };
    let longest = threshflow::limits::side_by_side(3, play);
    println!("{} signals; the longest to the first word and to the end: {longest:?}", cases.len());
    assert!(cases.len() >= 36);
}

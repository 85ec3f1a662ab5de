//! Dead, hanging, lying, slow and refusing servers, at the start and in the middle of a run, at each of the three kinds of
//! endpoint: the first word comes within seconds, the exit code is right, and what was published is not replaced by less.
//!
//! `THRESHFLOW_SERVERS=all cargo test -p pipelines --test imgedit_servers table -- --nocapture` looks at all of them and prints the
//! table; without it some of each are looked at.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStderr, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::fakes::comfy::{Ending, Fake, Reply};
use tests::fakes::front::Front;
use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task, answer};
use tests::program::ended_within;
use tests::trees;

use crate::comfyui::workflows;
use crate::dead::nowhere;
use crate::desk::Desk;

/// Of the first word after the fault began.
const SOON: Duration = Duration::from_secs(10);

/// Of a whole run, whatever ails the server.
const LONG: u64 = 300;

/// Answers that come before what begins in the middle.
const GOOD_ONES: usize = 2;

/// Slow answers, each of which is shorter than `--call-timeout`; those that follow take no time, so that the test ends.
const SLOW_ONES: usize = 2;
const SLOW: Duration = Duration::from_millis(9_500);

const BOUNDS: &str = "--call-timeout=12 --call-deadline=14 --max-error-rate=0.35";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Chat,
    Edits,
    ComfyUi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing listens.
    Dead,
    /// It accepts, and never answers.
    Hanging,
    /// It answers 200, and a page.
    Lying,
    Slow,
    /// This status, for ever.
    Refusing(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Start,
    Middle,
}

type Case = (Kind, Fault, When);

fn all() -> Vec<Case> {
    let faults = [Fault::Dead, Fault::Hanging, Fault::Lying, Fault::Slow]
        .into_iter()
        .chain([401, 403, 404, 429].map(Fault::Refusing));
    let kinds = [Kind::Chat, Kind::Edits, Kind::ComfyUi];
    let whens = [When::Start, When::Middle];
    faults
        .flat_map(|fault| kinds.into_iter().flat_map(move |kind| whens.map(|when| (kind, fault, when))))
        .collect()
}

/// A few, those that take longest first: every kind, every fault, start and middle.
fn some() -> Vec<Case> {
    use {Fault::*, Kind::*, When::*};
    vec![
        (Chat, Hanging, Start),
        (ComfyUi, Refusing(401), Middle),
        (ComfyUi, Dead, Middle),
        (Edits, Refusing(429), Start),
        (Chat, Dead, Middle),
        (Chat, Lying, Middle),
        (Edits, Hanging, Middle),
        (ComfyUi, Hanging, Start),
        (Edits, Slow, Middle),
        (Edits, Dead, Start),
        (ComfyUi, Lying, Start),
        (Chat, Refusing(403), Start),
    ]
}

/// A server that begins to fail.
#[derive(Clone)]
struct Failing {
    fault: Fault,
    good_ones: usize,
    asked: Arc<AtomicUsize>,
    began: Arc<Mutex<Option<Instant>>>,
    front: Arc<Mutex<Option<Front>>>,
    is_dead: Arc<AtomicBool>,
}

impl Failing {
    fn new(fault: Fault, when: When) -> Self {
        Failing {
            fault,
            good_ones: if when == When::Start { 0 } else { GOOD_ONES },
            asked: Arc::default(),
            began: Arc::default(),
            front: Arc::default(),
            is_dead: Arc::default(),
        }
    }

    /// Whether this question, one of those that count, or another word, is answered badly.
    fn fails(&self, counts: bool) -> bool {
        let before = if counts { self.asked.fetch_add(1, SeqCst) } else { self.asked.load(SeqCst) };
        let fails = before >= self.good_ones
            && !(self.fault == Fault::Slow && (!counts || before >= self.good_ones + SLOW_ONES));
        if fails {
            self.began.lock().expect("no one panicked").get_or_insert_with(Instant::now);
            if self.fault == Fault::Dead && !self.is_dead.swap(true, SeqCst) {
                self.front.lock().expect("no one panicked").as_ref().expect("stands before it").die();
            }
        }
        fails
    }

    fn action(&self, good: impl FnOnce() -> Action) -> Action {
        match self.fault {
            Fault::Dead => Action::CutConnection,
            Fault::Hanging => Action::Hang,
            Fault::Lying => {
                Action::respond(200, "text/html", "<html>Welcome to the portal. Please log in.</html>")
            }
            Fault::Slow => Action::After(SLOW, Box::new(good())),
            Fault::Refusing(status) => {
                Action::json(status, &json!({"error": {"message": "not for you", "code": status}}))
            }
        }
    }

    fn reply(&self) -> Option<Reply> {
        let page = |status: u16| Reply::Raw {
            status,
            headers: "content-type: text/html".to_owned(),
            body: b"<html>Please log in.</html>".to_vec(),
        };
        Some(match self.fault {
            Fault::Dead => Reply::Cut,
            Fault::Hanging => Reply::Hang,
            Fault::Lying => page(200),
            Fault::Slow => return None,
            Fault::Refusing(status) => page(status),
        })
    }

    /// The address to ask, of a server at this one.
    fn address(&self, url: &str, when: When) -> String {
        if self.fault == Fault::Dead && when == When::Start {
            return nowhere();
        }
        let front = Front::before(url);
        let address = front.url();
        *self.front.lock().expect("no one panicked") = Some(front);
        address
    }
}

/// What a run came to.
struct Outcome {
    code: Option<i32>,
    /// From the fault's beginning to the first line that tells of it.
    first_word: Option<(Duration, String)>,
    took: Duration,
    is_kept: bool,
    stderr: String,
}

/// A desk like another, so that what the fault is not about is remembered and published already.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("is made");
    for entry in std::fs::read_dir(from).expect("is there") {
        let entry = entry.expect("is there");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("is known").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("is copied")),
        }
    }
}

/// Lines as they come, and when.
fn listen(stderr: ChildStderr) -> Vec<(Instant, String)> {
    BufReader::new(stderr).lines().map_while(Result::ok).map(|line| (Instant::now(), line)).collect()
}

fn run(good: &Desk, (kind, fault, when): Case) -> Outcome {
    let desk = Desk::copied(|to| copy(good.folder(), to));
    let before = trees::read(&desk.path("out"));
    let failing = Failing::new(fault, when);
    let of_models = failing.clone();
    let models = Models::with(
        Faults::default(),
        Box::new(move |asked, task| {
            let is_it = if kind == Kind::Chat { task == Task::Judge } else { task == Task::Edit };
            (is_it && of_models.fails(true)).then(|| of_models.action(|| answer(asked, task)))
        }),
    );
    if when == When::Start && fault != Fault::Slow {
        models.server().list_models(failing.action(|| Action::text(404, "")));
    }
    let of_comfy = failing.clone();
    let comfy = Fake::scripted(Ending::Picture, move |request, _| {
        let counts = request.is("POST", "/prompt");
        if of_comfy.fault == Fault::Slow {
            // Its prompts take long: that much of its answer does.
            let slow = request.is("GET", "/view") && of_comfy.fails(true);
            return slow.then(|| {
                let picture = tests::fakes::comfy::png(48, 32);
                let headers = "content-type: image/png".to_owned();
                Reply::After(SLOW, Box::new(Reply::Raw { status: 200, headers, body: picture }))
            });
        }
        of_comfy.fails(counts).then(|| of_comfy.reply()).flatten()
    });
    let (address, flags) = match kind {
        Kind::Chat => {
            let address = failing.address(&models.server().url(), when);
            let flags = format!("--judge-model=other --judge-url={address}/v1");
            (address, flags)
        }
        Kind::Edits => {
            let address = failing.address(&models.server().url(), when);
            let flags = format!("--edit-model=other --edit-url={address}/v1");
            (address, flags)
        }
        Kind::ComfyUi => {
            let address = failing.address(&comfy.address, when);
            let flags = format!("--comfyui={address} --workflows={}", workflows(&desk).display());
            (address, flags)
        }
    };
    // Where others are asked, they are well.
    let others = Models::start();
    let mut command = desk.program(&others, &format!("--edits=remove {BOUNDS} {flags}"));
    let begin = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let stderr = child.stderr.take().expect("piped");
    let lines = std::thread::spawn(move || listen(stderr));
    let ended = ended_within(child, LONG);
    let took = begin.elapsed();
    let lines = lines.join().expect("is read to its end");
    let front = failing.front.lock().expect("no one panicked");
    let began = match when {
        When::Start => front.as_ref().and_then(Front::first),
        When::Middle => *failing.began.lock().expect("no one panicked"),
    };
    let began = began.unwrap_or(begin);
    let tells = |line: &str| {
        line.contains(address.trim_start_matches("http://")) && !line.contains("calls")
            || line.contains("failed at")
            || line.contains("in a row")
    };
    let first = lines.iter().find(|(at, line)| *at >= began && tells(line));
    let after = trees::read(&desk.path("out"));
    Outcome {
        code: ended.code,
        first_word: first.map(|(at, line)| (at.duration_since(began), line.clone())),
        took,
        is_kept: before == after,
        stderr: lines.into_iter().map(|(_, line)| line + "\n").collect(),
    }
}

#[test]
fn servers_that_fail_are_told_of_and_nothing_is_lost() {
    let (good, models) = (Desk::of(10, 8), Models::start());
    good.run(&models, "--edits=remove --max-error-rate=0.35");
    let cases = if std::env::var_os("THRESHFLOW_SERVERS").is_some() { all() } else { some() };
    let wrong = Mutex::new(Vec::new());
    println!("| server | fault | when | first word after | exit code | ended after | what was published |");
    println!("|---|---|---|---|---|---|---|");
    // Most of the time is waited.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, SeqCst)) {
                    let outcome = run(&good, *case);
                    println!("{}", row(*case, &outcome));
                    if let Err(why) = judge(case.1, &outcome) {
                        let words = format!("{case:?}: {why}\n{}", outcome.stderr);
                        wrong.lock().expect("no one panicked").push(words);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no one panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A row of the table.
fn row((kind, fault, when): Case, outcome: &Outcome) -> String {
    let Outcome { code, first_word, took, is_kept, .. } = outcome;
    let first =
        first_word.as_ref().map_or("-".to_owned(), |(after, _)| format!("{:.1} s", after.as_secs_f64()));
    let code = code.map_or("-".to_owned(), |code| code.to_string());
    let stands = if *is_kept { "stands" } else { "is made anew" };
    format!("| {kind:?} | {fault:?} | {when:?} | {first} | {code} | {:.0} s | {stands} |", took.as_secs_f64())
}

fn judge(fault: Fault, outcome: &Outcome) -> Result<(), String> {
    let Outcome { code, first_word, took, is_kept, .. } = outcome;
    // Of one that is slow, and answers others meanwhile, there is nothing to tell before the run is over.
    let is_over = fault == Fault::Slow && first_word.is_none() && *took < SOON * 2;
    if !is_over && first_word.as_ref().is_none_or(|(after, _)| *after > SOON) {
        return Err(format!("no word within {SOON:?}: {first_word:?}"));
    }
    match (fault, code, is_kept) {
        // It was made anew, and whole: other pictures, or other words of the judge.
        (Fault::Slow, Some(0), _) => Ok(()),
        (Fault::Slow, _, _) => Err("what is merely slow was not waited for".to_owned()),
        (_, Some(1), true) => Ok(()),
        (_, _, false) => Err("what was published was replaced".to_owned()),
        _ => Err(format!("exit code {code:?}")),
    }
}

//! Signals while a server is at work on what is paid for: the first one waits for its answer and keeps it, the second waits for nothing.

use std::time::{Duration, Instant};

use tests::fakes::http::Action;
use tests::fakes::models::{Before, Faults, Models, Task, answer};
use tests::program::{Ended, ended, ended_within, signal, start};
use tests::trees;

use crate::desk::Desk;

const FLAGS: &str =
    "--in-flight=2 --caption-model=writer --nouns-model=writer --instruct-model=writer --edits=remove";
/// How long an edit takes.
const SLOW: Duration = Duration::from_millis(1500);

fn slow() -> Models {
    let slow: Before = Box::new(|asked, task| {
        (task == Task::Edit).then(|| Action::After(SLOW, Box::new(answer(asked, task))))
    });
    Models::with(Faults::default(), slow)
}

fn edits(models: &Models) -> usize {
    models.asked_since(0).iter().filter(|(task, _)| *task == Task::Edit).count()
}

/// Starts a run, sends the signals as soon as one more edit is asked for, and waits for the end.
fn signalled(desk: &Desk, models: &Models, signals: &[i32]) -> (Ended, Duration) {
    let before = edits(models);
    let mut child = start(&mut desk.program(models, FLAGS));
    let begin = Instant::now();
    while edits(models) == before {
        assert!(begin.elapsed() < Duration::from_secs(240), "the edits never came");
        assert!(child.try_wait().expect("can be waited for").is_none(), "it ended before the signal");
        #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
        std::thread::sleep(Duration::from_millis(5));
    }
    let begin = Instant::now();
    for number in signals {
        signal(&child, *number);
        // Signals that come at once are one.
        #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
        std::thread::sleep(Duration::from_millis(300));
    }
    let ended = ended_within(child, 60);
    (ended, begin.elapsed())
}

/// Requests for what had been answered before.
fn again(models: &Models) -> usize {
    let sent = models.server().sent();
    let asked = models.asked_since(0);
    let answered_before = |number: usize| {
        asked[..number].iter().enumerate().any(|(n, it)| it == &asked[number] && sent.contains(&n))
    };
    (0..asked.len()).filter(|number| answered_before(*number)).count()
}

#[test]
fn a_signal_waits_for_what_is_paid_for_and_a_second_one_for_nothing() {
    let (whole, models) = (Desk::of(6, 8), Models::start());
    assert_eq!(ended(&mut whole.program(&models, FLAGS)).code, Some(0));
    let (desk, models) = (Desk::of(6, 8), slow());
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let (ended, took) = signalled(&desk, &models, &[number]);
        println!("signal {number}: {took:?}");
        ended
            .expect(1, &["stopping", "waits for what is under way", "of edit", "Run the same command again"]);
        assert!(!desk.path("out/manifest.json").exists(), "nothing is published");
        assert!(took < SLOW + Duration::from_secs(15), "{took:?}");
    }
    assert_eq!(again(&models), 0, "what was paid for was kept");
    let (ended, took) = signalled(&desk, &models, &[libc::SIGTERM, libc::SIGTERM]);
    println!("twice: {took:?}");
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(took < SLOW, "{took:?}: the second signal waited");
    // What was under way then is lost, and asked for once more.
    assert_eq!(tests::program::ended(&mut desk.program(&models, FLAGS)).code, Some(0));
    assert!(again(&models) <= 2, "{} were paid for again", again(&models));
    trees::assert_same(&desk.path("out"), &whole.path("out"), "with and without signals");
}

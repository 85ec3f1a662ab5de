//! Several processes over servers that are paid for: they pay what one pays, and share what a run may spend.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task, answer};
use tests::program::{ended, ended_within, kill, processes_of, start};
use tests::trees;

use crate::desk::Desk;

const IN_FLIGHT: usize = 4;
const FLAGS: &str = "--edits=remove,replace,content_memory --in-flight=4 --caption-model=writer --nouns-model=writer \
    --instruct-model=writer";

#[test]
fn several_processes_pay_what_one_pays_though_one_is_killed() {
    let slow: tests::fakes::models::Before = Box::new(|asked, task| {
        (task == Task::Edit).then(|| Action::After(Duration::from_millis(40), Box::new(answer(asked, task))))
    });
    let models = Models::with(Faults::default(), slow);
    let whole = Desk::new();
    ended(&mut whole.program(&models, &format!("{FLAGS} --export={}", whole.path("tars").display())))
        .expect(0, &[]);
    let needed: HashSet<_> = models.asked_since(0).into_iter().map(|(_, key)| key).collect();
    let first = models.server().count();

    let desk = Desk::new();
    let edits = || models.asked_since(first).iter().filter(|(task, _)| *task == Task::Edit).count();
    let flags = format!("{FLAGS} --processes=3 --restarts=1 --export={}", desk.path("tars").display());
    let run = start(&mut desk.program(&models, &flags));
    let begin = Instant::now();
    while edits() <= 2 {
        assert!(begin.elapsed() < Duration::from_secs(120), "no edit was asked for");
        #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
        std::thread::sleep(Duration::from_millis(2));
    }
    kill(*processes_of(run.id()).get(&1).expect("is at work"), libc::SIGKILL);
    let run = ended_within(run, 120).expect(0, &["process 1 was ended by signal 9", "starts again (1 of 1)"]);
    assert!(run.stdout.contains("3 processes; "), "{run:#?}");

    let asked = models.asked_since(first);
    let distinct: HashSet<_> = asked.iter().map(|(_, key)| *key).collect();
    assert_eq!(distinct, needed, "the same questions as one run's");
    let again = asked.len() - distinct.len();
    println!("{} requests for {} answers", asked.len(), distinct.len());
    // All of them together had as many under way as one run has.
    assert!(again <= IN_FLIGHT, "{again} were paid for twice");
    for desk in [&whole, &desk] {
        ended(&mut desk.bare("release", &["--to=released"])).expect(0, &[]);
    }
    for folder in ["out", "released", "tars"] {
        trees::assert_same(&desk.path(folder), &whole.path(folder), "several processes, and one");
    }
    let before = models.server().count();
    ended(&mut desk.program(&models, FLAGS)).expect(0, &[]);
    assert_eq!(models.server().count(), before, "one process asks nobody");
}

#[test]
fn processes_share_what_a_run_may_spend() {
    const MOST: usize = 20;
    let models = Models::with(Faults::default(), Box::new(|_, _| None));
    let desk = Desk::new();
    let flags = format!("{FLAGS} --processes=3 --max-calls={MOST}");
    ended(&mut desk.program(&models, &flags)).expect(0, &[]);
    let asked = models.server().count();
    // Each has a third; one that has little to ask leaves some of it.
    assert!((MOST / 3 + 1..=MOST).contains(&asked), "{asked} requests, where {MOST} are allowed");
}

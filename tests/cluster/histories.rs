//! Random histories of runs by several processes: other numbers of them, other dials, parts of arrays in between, processes that are killed. What is
//! published is what one process publishes, and what was answered is not asked again.

use tests::Rng;
use tests::ground::HISTORY_FLAGS as FLAGS;
use tests::program::{asks, kill, processes_of};
use tests::resident::assert_published;

use crate::{IN_HAND, asked, begin, counted, desk, done};

#[test]
fn however_many_processes_what_is_published_is_what_one_publishes() {
    let (mut asked_in_all, mut kills) = (0, 0);
    let histories = if tests::is_long() { 100 } else { 24 };
    for seed in 0..histories {
        let mut rng = Rng(seed);
        let doubled = rng.below(2) == 0;
        let desk = desk(3 + rng.below(4) as u64, doubled);
        let (mut killed, mut most) = (0, 1);
        for step in 0..1 + rng.below(3) {
            let dials = FLAGS[rng.below(FLAGS.len())];
            let (processes, workers) = ([1, 2, 4][rng.below(3)], 1 + rng.below(2));
            let flags = format!("{dials} --workers {workers} --cores 1 --processes {processes}");
            let context = format!("seed {seed}, step {step}: {flags}");
            most = if doubled { most.max(processes) } else { 1 };
            if rng.below(3) == 0 {
                killed += usize::from(kill_one(
                    &desk,
                    &format!("{flags} --slow 1"),
                    rng.below(processes),
                    rng.below(60),
                ));
            }
            if rng.below(4) == 0 {
                let of = 1 + rng.below(8);
                let part = 1 + rng.below(of);
                done(begin(&desk, &format!("{dials} --part {part}/{of}")));
            }
            let said = done(begin(&desk, &flags)).json();
            assert_eq!(said["processes"]["count"], processes, "{context}");
            asked_in_all += asked(&said);
            assert_published(&desk, dials, &context);
            if rng.below(4) == 0 {
                desk.ask("store compact --store store").expect(0, &[]);
            }
        }
        let one = desk.done("--log-asks asks.log");
        let again: usize = counted(&desk).values().map(|count| count.saturating_sub(most)).sum();
        assert!(
            again <= killed * 4 * IN_HAND,
            "seed {seed}: {again} were asked more than {most} times, with {killed} kills"
        );
        assert_published(&desk, "", &format!("seed {seed}, by one process: {}", asked(&one)));
        kills += killed;
    }
    assert!(asked_in_all > 5000 && kills > 3, "{asked_in_all} questions, {kills} kills");
}

/// Starts a run, and kills one of its processes when so many questions were asked; whether it was still there.
fn kill_one(desk: &tests::program::Desk, flags: &str, process: usize, questions: usize) -> bool {
    let log = desk.path("asks.log");
    let before = asks(&log).len();
    let mut run = begin(desk, flags);
    while run.try_wait().expect("can be waited for").is_none() && asks(&log).len() <= before + questions {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let victim = processes_of(run.id()).get(&process).copied();
    victim.into_iter().for_each(|pid| kill(pid, libc::SIGKILL));
    let ended = tests::program::ended_within(run, 20);
    if victim.is_some() && ended.code != Some(0) {
        assert_eq!(ended.code, Some(75), "{ended:?}");
        return true;
    }
    false
}

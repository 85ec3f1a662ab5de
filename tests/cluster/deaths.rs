//! Processes that die, hang, or end in order: all others end, soon, and say where it began; the next run goes on where they were.

use std::time::{Duration, Instant};

use tests::Rng;
use tests::program::{Desk, Ended, asks, ended_within, kill, processes_of};
use tests::resident::assert_published;

use crate::{IN_HAND, asked, begin, counted, desk, done};

/// What the issue of a run may take from a death on.
const SOON: Duration = Duration::from_secs(10);

/// Does something to one of the four processes of a run when so many questions were asked; how the run ended, and after how long. `None` where it
/// was done before.
fn ended_by(
    desk: &Desk,
    process: usize,
    questions: usize,
    flags: &str,
    harm: impl Fn(u32),
) -> Option<(Ended, Duration)> {
    let log = desk.path("asks.log");
    let before = asks(&log).len();
    let mut run = begin(desk, &format!("--processes 4 --cores 1 --slow 4 {flags}"));
    while run.try_wait().expect("can be waited for").is_none() && asks(&log).len() <= before + questions {
        std::thread::sleep(Duration::from_millis(1));
    }
    let victim = processes_of(run.id()).get(&process).copied()?;
    harm(victim);
    let begin = Instant::now();
    let ended = ended_within(run, 60);
    Some((ended, begin.elapsed()))
}

/// How often `words` is said in all.
fn said(ended: &Ended, words: &str) -> usize {
    ended.stderr.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn one_of_four_is_killed_at_any_moment_and_the_next_run_goes_on() {
    let moments = 40;
    let mut killed = 0;
    let mut rng = Rng(11);
    for round in 0..moments / 4 {
        let desk = desk(8, false);
        let mut here = 0;
        for process in 0..4 {
            let questions = rng.below(400);
            let killed_so = ended_by(&desk, process, questions, "", |pid| kill(pid, libc::SIGKILL));
            let Some((ended, after)) = killed_so else { continue };
            let context = format!("round {round}, process {process} after {questions}: {ended:#?}");
            if ended.code == Some(0) {
                continue;
            }
            here += 1;
            assert_eq!(ended.code, Some(75), "{context}");
            assert!(after < SOON, "{context}");
            // Each of those that are left says which it was, and where.
            let named = format!("process {process} on ");
            assert_eq!(said(&ended, &named), 3, "{context}");
            assert!(ended.stderr.contains(&format!("process {process} was ended by signal 9")), "{context}");
        }
        let last = done(begin(&desk, "--processes 2")).json();
        let counts = counted(&desk);
        let again: usize = counts.values().map(|count| count - 1).sum();
        println!("{again} of {} asked twice after {here} kills", counts.len());
        // The other three end soon after, and lose what they have in hand, too.
        assert!(again <= here * 4 * IN_HAND, "{again} of {} asked twice after {here} kills", counts.len());
        assert_published(&desk, "", &format!("round {round}, {} asked at last", asked(&last)));
        killed += here;
    }
    assert!(killed * 2 > moments, "{killed} of {moments} were still there");
}

#[test]
fn one_that_hangs_ends_all_and_a_run_that_may_be_started_again_is_done() {
    let desk = desk(8, false);
    let hung = ended_by(&desk, 2, 40, "", |pid| kill(pid, libc::SIGSTOP));
    let (ended, after) = hung.expect("it was at work");
    assert!(after < SOON, "{after:?}");
    let ended =
        ended.expect(75, &["process 2 on ", "said nothing for 5 s: it hangs, or the network to it is cut"]);
    assert_eq!(said(&ended, "error: process 2 on "), 3, "{ended:#?}");

    let killed = ended_by(&desk, 0, 40, "--restarts 1", |pid| kill(pid, libc::SIGKILL));
    let (ended, _) = killed.expect("it was at work");
    let ended = ended.expect(0, &["process 0 was ended by signal 9", "starts again (1 of 1)"]);
    assert_eq!(ended.json()["processes"]["count"], 4);
    let again: usize = counted(&desk).values().map(|count| count - 1).sum();
    // All four were ended twice.
    assert!(again <= 8 * IN_HAND, "{again}");
    assert_published(&desk, "", "after a restart");
}

#[test]
fn each_process_starts_itself_again_where_nobody_else_does() {
    let desk = desk(6, false);
    let start = |index: usize| {
        begin(&desk, &format!("--process {index}/2 --bind 127.0.0.1 --cores 1 --slow 4 --restarts 2"))
    };
    let (first, second) = (start(0), start(1));
    tests::program::wait_for_asks(&desk.path("asks.log"), 60);
    kill(processes_of(second.id())[&1], libc::SIGKILL);
    let first = ended_within(first, 60)
        .expect(0, &["process 0 ended because another one was lost", "starts again (1 of 2)"]);
    let second =
        ended_within(second, 60).expect(0, &["process 1 was ended by signal 9", "starts again (1 of 2)"]);
    assert_eq!(first.json()["processes"]["count"], 2);
    assert_eq!(second.stdout, "");
    assert_published(&desk, "", "two that started themselves again");
}

#[test]
fn a_signal_ends_all_in_order_and_nothing_is_started_again() {
    let desk = desk(8, false);
    let log = desk.path("asks.log");
    let run = begin(&desk, "--processes 3 --cores 1 --slow 4 --restarts 5");
    tests::program::wait_for_asks(&log, 40);
    let all = processes_of(run.id());
    assert_eq!(all.len(), 3);
    tests::program::signal(&run, libc::SIGINT);
    let begin = Instant::now();
    let ended = ended_within(run, 60).expect(1, &["process 0 on ", ": stopped", "the answers are kept"]);
    assert!(begin.elapsed() < SOON && !ended.stderr.contains("starts again"), "{ended:#?}");
    assert!(all.values().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()));

    // Whoever started them is killed: they do not stay behind.
    let run = crate::begin(&desk, "--processes 3 --cores 1 --slow 4");
    tests::program::wait_for_asks(&log, asks(&log).len() + 10);
    let all = processes_of(run.id());
    tests::program::signal(&run, libc::SIGKILL);
    let begin = Instant::now();
    while all.values().any(|pid| is_there(*pid)) {
        assert!(begin.elapsed() < SOON, "they stay behind: {all:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = ended_within(run, 5);
    done(crate::begin(&desk, "--processes 3"));
    assert_published(&desk, "", "after both");
}

/// Whether that process runs.
fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

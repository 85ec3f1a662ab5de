//! An array of which a third of the tasks is killed once, as machines are preempted: the tasks that are run again go on where they were.

use std::time::Duration;

use tests::Rng;
use tests::program::asks;
use tests::resident::assert_published;
use threshflow::cli::Part;

use crate::{LOST, begin, counted, desk, done, publish};

#[test]
fn an_array_with_a_third_of_its_tasks_killed_once_is_done_when_they_were_run_again() {
    const OF: usize = 10;
    let has_work = |part: &usize| {
        let part = Part { index: *part as u16, of: OF as u16 };
        (0..20).filter(|n| part.has(&format!("s{n}"))).count() > 1
    };
    let unlucky: Vec<usize> = (1..=OF).filter(has_work).take(3).collect();
    let desk = desk(20, false);
    let log = desk.path("asks.log");
    let mut rng = Rng(3);
    let mut killed = 0;
    for part in 1..=OF {
        if unlucky.contains(&part) {
            let before = asks(&log).len();
            let mut task = begin(&desk, part, OF, "--cores 2 --slow 20");
            let enough = before + 5 + rng.below(25);
            while asks(&log).len() < enough && task.try_wait().expect("can be waited for").is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            killed += usize::from(task.try_wait().expect("can be waited for").is_none());
            task.kill().expect("is killed");
            task.wait().expect("is reaped");
        } else {
            done(begin(&desk, part, OF, "--cores 2"));
        }
    }
    assert_eq!(killed, 3, "they ended before the kill");
    // Whoever publishes now is told which parts did not end, and would ask itself.
    let plan = desk.ask("plan --shards shards --store store --out out --max-error-rate 1");
    let told = format!(
        "did not end, of {OF}: {}",
        unlucky.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
    );
    plan.expect(0, &[&told, "run them again first"]);
    for part in unlucky {
        done(begin(&desk, part, OF, "--cores 2"));
    }
    let twice: usize = counted(&desk).values().map(|count| count - 1).sum();
    assert!(twice <= killed * LOST, "{twice} were asked twice");
    assert_eq!(crate::asked(&publish(&desk, "")), 0);
    assert_published(&desk, "", "after the kills");
}

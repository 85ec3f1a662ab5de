//! Kill -9 while the judge answers, then a run to the end: the output of a run that nobody disturbed, and next to nothing asked twice.

use std::collections::HashSet;
use std::time::Duration;

use tests::fakes::http::{Action, FakeServer};
use tests::fakes::models::key;
use tests::program::{ended, killed_when, start};
use tests::trees;

use crate::desk::{Desk, Judge, lines, said, scores};

const IN_FLIGHT: usize = 4;
const EVERY: usize = 12;
const FLAGS: &str = "--results @mine --passes 2 --in-flight 4";
const KILLS: usize = 3;

#[test]
fn a_run_that_is_killed_while_it_judges_pays_for_nothing_again() {
    // Slow enough that a kill meets it.
    let judge = Judge::from(FakeServer::start(|asked| {
        let answer = said(&lines(scores(key(asked))));
        Action::After(Duration::from_millis(40), Box::new(answer))
    }));
    let desk = Desk::of(EVERY);
    desk.write_results("mine", EVERY, |number| 9000 + number as u32);
    let command = |out: &str| {
        let parts = [("--store", format!("{out}-store")), ("--out", out.to_owned())];
        let mut words = desk.command("run", &judge.url(), FLAGS);
        for (flag, part) in parts {
            let at = words.iter().position(|word| word == flag).expect("is said");
            words[at + 1] = desk.path(&part).to_string_lossy().into_owned();
        }
        desk.program(&words)
    };
    assert_eq!(ended(&mut command("whole")).code, Some(0));
    let needed = judge.server().asked().len();
    assert_eq!(needed, 2 * Desk::items(EVERY).len());

    for kill in 1..=KILLS {
        let share = needed + needed * kill / (KILLS + 1);
        killed_when(start(&mut command("killed")), || judge.server().asked().len() >= share);
    }
    // The threads of the server find out that nobody is there.
    #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ended(&mut command("killed")).code, Some(0));
    let asked = judge.server().asked();
    let later = &asked[needed..];
    let distinct: HashSet<u64> = later.iter().map(key).collect();
    assert_eq!(distinct.len(), needed, "the same questions as without a kill");
    // What was on its way when the process died: as many as may be under way, each kill.
    let again = later.len() - needed;
    println!("{again} of {needed} were asked again");
    assert!(again <= KILLS * IN_FLIGHT, "{again} were paid for again");
    trees::assert_same(&desk.path("killed"), &desk.path("whole"), "killed, and not");
}

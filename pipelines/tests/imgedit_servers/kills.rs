//! Kill -9 in the middle of the edits, then a run to the end.

use std::collections::HashSet;
use std::time::Duration;

use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task, answer};
use tests::program::{ended, killed_when, start};
use tests::trees;

use crate::desk::Desk;

const IN_FLIGHT: usize = 4;
/// The judge is embedded: it would ask when all edits are made.
const FLAGS: &str = "--edits=remove,replace,content_memory --in-flight=4 --caption-model=writer --nouns-model=writer \
    --instruct-model=writer";

fn edits(models: &Models, first: usize) -> usize {
    models.asked_since(first).iter().filter(|(task, _)| *task == Task::Edit).count()
}

#[test]
fn a_run_that_is_killed_while_it_edits_pays_for_nothing_again() {
    // Slow enough that a kill meets it.
    let slow: tests::fakes::models::Before = Box::new(|asked, task| {
        (task == Task::Edit).then(|| Action::After(Duration::from_millis(60), Box::new(answer(asked, task))))
    });
    let models = Models::with(Faults::default(), slow);
    let whole = Desk::new();
    assert_eq!(ended(&mut whole.program(&models, FLAGS)).code, Some(0));
    let all = edits(&models, 0);
    let needed = models.server().count();
    let desk = Desk::new();
    let first = needed;
    for share in [1, 2] {
        let before = models.server().count();
        let child = start(&mut desk.program(&models, FLAGS));
        killed_when(child, || edits(&models, first) >= all * share / 3);
        // The threads of the server find out that nobody is there.
        #[expect(clippy::disallowed_methods, reason = "the test waits for a process")]
        std::thread::sleep(Duration::from_millis(200));
        println!("killed after {} requests", models.server().count() - before);
    }
    let killed_at = models.server().count();
    assert_eq!(ended(&mut desk.program(&models, FLAGS)).code, Some(0));
    let asked = models.asked_since(first);
    let sent: HashSet<usize> = models.server().sent().into_iter().collect();
    let mut answered = HashSet::new();
    let mut again = 0;
    for (number, (_, key)) in asked.iter().enumerate() {
        again += usize::from(answered.contains(key));
        if sent.contains(&(first + number)) && first + number < killed_at {
            answered.insert(*key);
        }
    }
    let distinct = asked.iter().map(|(_, key)| key).collect::<HashSet<_>>().len();
    println!("{} requests for {distinct} answers; {again} had been answered before", asked.len());
    assert_eq!(distinct, needed, "the same questions as without a kill");
    // What was on its way when the process died: as many as may be under way, each kill.
    assert!(again <= 2 * IN_FLIGHT, "{again} were paid for again");
    trees::assert_same(&desk.path("out"), &whole.path("out"), "killed twice, and not");
}

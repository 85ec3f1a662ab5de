//! A budget: it ends the asking and nothing else.

use std::collections::BTreeSet;

use tests::fakes::models::Models;
use tests::trees;

use crate::desk::Desk;

#[test]
fn a_budget_ends_the_asking_and_the_next_run_asks_the_rest() {
    const MOST: usize = 45;
    let models = Models::start();
    let desk = Desk::new();
    // 7 of the 24 pictures are broken on purpose, and all that the budget leaves out is no error.
    let report = desk.run(&models, &format!("--edits=remove --max-calls={MOST} --max-error-rate=0.3"));
    assert_eq!(models.server().count(), MOST);
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    let over =
        |refused: &std::collections::BTreeMap<String, std::collections::BTreeMap<String, u64>>| -> u64 {
            refused.values().filter_map(|classes| classes.get("over_budget")).sum()
        };
    let (rows, pieces) = (over(&report.summary.refused), over(&edits.refused));
    println!("{rows} pictures and {pieces} edits were not asked about");
    assert!(rows + pieces > 0);
    let whole = desk.run(&models, "--edits=remove");
    assert_eq!(over(&whole.summary.refused) + over(&whole.summary.edits.as_ref().expect("edits").refused), 0);
    let keys: Vec<u64> = models.asked_since(0).into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "something was asked twice");
    let unbounded = Desk::new();
    unbounded.run(&models, "--edits=remove");
    assert_eq!(models.server().count(), 2 * keys.len());
    trees::assert_same(&desk.path("out"), &unbounded.path("out"), "in two runs and in one");
}

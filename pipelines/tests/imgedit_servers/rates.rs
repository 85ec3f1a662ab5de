//! A server that fails all that it is asked ends the run, and what was published stands.

use serde_json::json;
use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task, said};
use tests::trees;
use threshflow::cli::{RunReport, invoke};

use crate::desk::Desk;

/// 7 of the 24 pictures are broken on purpose: that much is allowed.
const ALLOWED: &str = "--edits=remove --max-error-rate=0.35";

/// A model of this name is not for this key; one named `garbler` says nothing that can be read.
const BARRED: &str = "barred";

fn models() -> Models {
    let script = |asked: &tests::fakes::http::Asked, task: Task| {
        let named = |name: &str| String::from_utf8_lossy(&asked.body).contains(name);
        if named(BARRED) {
            let error = json!({"error": {"message": "Your plan has no such model.", "code": 403}});
            return Some(Action::json(403, &error));
        }
        (task == Task::Judge && named("garbler")).then(|| said("Hm."))
    };
    Models::with(Faults::default(), Box::new(script))
}

fn run(desk: &Desk, models: &Models, more: &str) -> RunReport {
    invoke::run::<pipelines::imgedit::ImgEdit>(&desk.command("run", &models.url(), more)).expect("runs")
}

#[test]
fn a_dead_stage_fails_the_run_and_what_was_published_stands() {
    let (models, desk) = (models(), Desk::new());
    desk.run(&models, ALLOWED);
    let before = trees::read(&desk.path("out"));
    for (flag, stage) in [
        ("--judge-model=barred", "judge"),
        ("--edit-model=barred", "edit"),
        ("--judge-model=garbler", "judge"),
    ] {
        let report = run(&desk, &models, &format!("{ALLOWED} {flag}"));
        let failure = report.check().expect_err(flag).to_string();
        let errors = &report.summary.errors["edits"][stage];
        assert!(errors.errors >= 10 && errors.errors == errors.of && errors.rate == 1.0, "{errors:?}");
        let counts = format!("{} of {} edits failed at {stage} (100.0 %)", errors.errors, errors.of);
        // What is not remembered needs no --retry.
        let advice = if flag.ends_with("garbler") { "with --retry" } else { "what failed is asked again" };
        for part in [counts.as_str(), "--max-error-rate 0.35", "--max-error-rate 1.00", advice] {
            assert!(failure.contains(part), "{part:?} is not in {failure}");
        }
        assert!(report.committed.is_none());
        assert!(trees::read(&desk.path("out")) == before, "{flag}: what was published changed");
        let json = serde_json::to_value(&report.summary).expect("is JSON");
        assert_eq!(json["errors"]["edits"][stage]["rate"], 1.0, "{flag}");
    }
    // Who means it can have it, and what a chooser does not choose is no error.
    let report =
        run(&desk, &models, "--edits=remove,hybrid --judge-model=barred --max-error-rate=1 --max-lost=1");
    report.check().expect("is done");
    let edits = report.summary.edits.as_ref().expect("edits are tried");
    assert!(edits.refused.contains_key("choose") && edits.kept == 0, "{edits:?}");
    assert_eq!(report.summary.errors["edits"].keys().collect::<Vec<_>>(), ["judge"]);
}

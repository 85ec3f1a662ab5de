//! What is published is not replaced by less because a server failed for a few, or a budget ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use pipelines::imgedit::ImgEdit;
use tests::fakes::http::Action;
use tests::fakes::models::{Faults, Models, Task, key};
use tests::trees;
use threshflow::cli::{RunReport, invoke};

use crate::desk::{Desk, asked};

fn edits(report: &RunReport) -> u64 {
    report.summary.edits.as_ref().expect("edits are tried").kept
}

#[test]
fn edits_that_a_server_failed_for_and_pictures_that_a_budget_left_out_stay_published() {
    let broken = Arc::new(AtomicBool::new(false));
    let (is_broken, failed) = (broken.clone(), |asked: &_| !key(asked).is_multiple_of(3));
    let models = Models::with(
        Faults::default(),
        Box::new(move |asked, task| {
            let fails = task == Task::Judge && is_broken.load(SeqCst) && failed(asked);
            fails.then(|| Action::text(500, "no memory"))
        }),
    );
    let desk = Desk::of(14, 8);
    let published = edits(&desk.run(&models, "--edits=remove"));
    assert!(published > 3, "{published} edits");
    let before = trees::read(&desk.path("out"));
    broken.store(true, SeqCst);
    // Another judge: all is judged anew, and some of it in vain. So much may fail.
    let another = "--edits=remove --judge-model=another --call-deadline=2";
    let run = |more: &str| {
        let command = desk.command("run", &models.url(), more);
        invoke::run::<ImgEdit>(&command).expect("runs")
    };
    let report = run(another);
    let lost = report.summary.lost.clone().expect("edits are lost");
    println!("{lost}");
    assert!(lost.edits.of == published && lost.edits.rows > 0 && lost.pictures.rows == 0, "{lost}");
    let failure = report.check().expect_err("less is not published").to_string();
    assert!(failure.contains("published edits") && failure.contains("--max-lost"), "{failure}");
    assert!(trees::read(&desk.path("out")) == before, "what was published changed");
    // Who wants it so gets it so, and when the server is well the rest alone is asked.
    let allowed = run(&format!("{another} --max-lost=100%"));
    allowed.check().expect("may lose them");
    assert!(allowed.committed.is_some() && allowed.summary.lost.is_some());
    broken.store(false, SeqCst);
    let whole = desk.run(&models, another);
    let asked = asked(&whole);
    assert!(asked.get("judge").is_some_and(|judged| *judged > 0) && asked.len() <= 2, "{asked:?}");
    // A budget that ends before all that is published was asked anew.
    let before = trees::read(&desk.path("out"));
    let report = run("--edits=remove --caption-model=another --max-calls=3");
    let failure = report.check().expect_err("less is not published").to_string();
    assert!(failure.contains("published pictures") && failure.contains("not paid for"), "{failure}");
    assert!(trees::read(&desk.path("out")) == before, "what was published changed");
}

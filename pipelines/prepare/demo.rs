//! `prepare demo`: the main job on data that it makes itself. Each step is a command that the user could type.

use std::path::Path;

use threshflow::cli::{Commands, Failure, Output, print_json};

use kit::demo_run::{AESTHETIC, DemoParts, DemoRun};

/// What the two turns set the dial to; a first run leaves it at its default of 4.75.
const TURNS: [f32; 2] = [5.5, 4.0];

/// Makes data, runs, turns the threshold twice, and says what happened.
pub(crate) fn run(folder: &Path, output: Output, commands: &Commands) -> Result<(), Failure> {
    let flags = [("--aesthetic", "aesthetic")];
    let parts = DemoParts { models: &[AESTHETIC], flags: &flags, scenes: 240 };
    let (demo, made) = DemoRun::start(folder, output, commands, &parts)?;
    let first = demo.run(&[], &[])?;
    let mut before = demo.published()?;
    demo.check_planted(&made, &first)?;
    let mut runs = vec![first.summary];
    for at in TURNS {
        let settings = [format!("aesthetic={at}")];
        let plan = demo.plan(&settings)?;
        let report = demo.run(&settings, &[])?;
        let after = demo.published()?;
        let (left, came) =
            (before.difference(&after).count() as u64, after.difference(&before).count() as u64);
        let asked = report.summary.asks["aesthetic"].asked;
        demo.say(&format!(
            "Turned aesthetic to {at}: {asked} pictures asked, {left} rows left, {came} came; the plan had said {} would leave and {} enter.\n",
            plan.total.leave, plan.total.enter
        ));
        if asked != 0 || (left, came) != (plan.total.leave, plan.total.enter) {
            return Err(Failure::Failed(
                "a turned threshold did not do what was planned; please report this".into(),
            ));
        }
        runs.push(report.summary);
        before = after;
    }
    match output {
        Output::Json => print_json(&serde_json::json!({ "demo": folder, "runs": runs }))?,
        Output::Text => demo.farewell(&made),
    }
    let last = TURNS.last().map(|at| format!("aesthetic={at}"));
    demo.stay(&last.iter().map(String::as_str).collect::<Vec<_>>())
}

//! `imgedit demo`: objects and backgrounds of drawn scenes are found, masked and scored, and dials are turned. Each
//! step is a command that the user could type.

use std::collections::BTreeMap;
use std::path::Path;

use threshflow::cli::{Failure, Output, print_json};

use crate::demo_run::{AESTHETIC, CLIP, DETECT, DemoRun, SEGMENT};
use crate::imgedit::ImgEdit;

const FLAGS: [(&str, &str); 5] = [
    ("--aesthetic", "aesthetic"),
    ("--detector", "detect"),
    ("--detector-text", "clip"),
    ("--segmenter", "segment"),
    ("--clip", "clip"),
];

/// Where the dials stand in turn: first where the demo's detector is at its best, then tighter, then looser than ever.
const TURNS: [&[&str]; 3] = [
    &["detection=0.4"],
    &["detection=0.6", "object_area=0.02", "regions=1"],
    &["detection=0.1", "object_clip=0.5"],
];

/// Makes data, runs, turns dials, and says what happened.
pub fn run(folder: &Path, output: Output) -> Result<(), Failure> {
    let (demo, made) =
        DemoRun::<ImgEdit>::start(folder, output, &[AESTHETIC, DETECT, SEGMENT, CLIP], &FLAGS)?;
    let mut runs = Vec::new();
    for (turn, settings) in TURNS.into_iter().enumerate() {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let plan = if turn > 0 { Some(demo.plan(&settings)?) } else { None };
        let page = if turn == 0 { demo.report() } else { Vec::new() };
        let report = demo.run(&settings, &page)?;
        let Some(plan) = plan else {
            demo.check_planted(&made, &report)?;
            runs.push(report.summary);
            continue;
        };
        let asks = report.summary.asks.iter().map(|(stage, asks)| (*stage, asks.asked));
        let asked: BTreeMap<&str, u64> = asks.filter(|(_, asked)| *asked > 0).collect();
        let planned: BTreeMap<&str, u64> =
            plan.total.asks.iter().map(|(stage, asks)| (*stage, *asks)).collect();
        let said = |asks: &BTreeMap<&str, u64>| match asks.is_empty() {
            true => "nothing".to_owned(),
            false => {
                asks.iter().map(|(stage, asks)| format!("{asks} of {stage}")).collect::<Vec<_>>().join(", ")
            }
        };
        demo.say(&format!(
            "Turned to {}: asked {}; the plan had said {}.\n",
            settings.join(" "),
            said(&asked),
            said(&planned)
        ));
        if asked != planned {
            return Err(Failure::Failed(
                "turned dials did not ask what was planned; please report this".into(),
            ));
        }
        runs.push(report.summary);
    }
    match output {
        Output::Json => print_json(&serde_json::json!({ "demo": folder, "runs": runs })),
        Output::Text => {
            demo.farewell(&made);
            println!(
                "The first run's page, with what was found drawn on the pictures: {0}/report.html, and as one picture: {0}/report.png",
                folder.display()
            );
            Ok(())
        }
    }
}

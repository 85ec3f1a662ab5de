//! `recap_mask demo`: objects and backgrounds of drawn scenes are found, masked and scored, and dials are moved. Each step is a command
//! that the user could type.

use std::path::Path;

use threshflow::cli::{Commands, Failure, Output, print_json};

use kit::demo_run::{AESTHETIC, CLIP, DETECT, DemoParts, DemoRun, SEGMENT};

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
pub(crate) fn run(folder: &Path, output: Output, commands: &Commands) -> Result<(), Failure> {
    let parts = DemoParts { models: &[AESTHETIC, DETECT, SEGMENT, CLIP], flags: &FLAGS, scenes: 240 };
    let (demo, made) = DemoRun::start(folder, output, commands, &parts)?;
    let first: Vec<String> = TURNS[0].iter().map(|setting| (*setting).to_owned()).collect();
    let report = demo.run(&first, &demo.report())?;
    demo.check_planted(&made, &report)?;
    let mut runs = vec![report.summary];
    for settings in &TURNS[1..] {
        runs.push(demo.turn(settings)?.summary);
    }
    match output {
        Output::Json => print_json(&serde_json::json!({ "demo": folder, "runs": runs }))?,
        Output::Text => {
            demo.farewell(&made);
            threshflow::say!(
                "The first run's page, with what was found drawn on the pictures: {0}/report.html, and as one picture: {0}/report.png",
                folder.display()
            );
        }
    }
    demo.stay(TURNS[TURNS.len() - 1])
}

//! `imgedit demo`: the embedded defaults make and judge edit pairs of drawn scenes, and dials are moved. Each step is a command that the
//! user could type.

use std::path::Path;

use threshflow::cli::{Commands, Failure, ObjectOptions, Output, print_json};

use imgedit_stages::subcommands::release_to;
use kit::demo::VOCABULARY;
use kit::demo_run::{AESTHETIC, CLIP, DETECT, DemoParts, DemoRun, SEGMENT};
use kit::released::{self, PicturesIn, Severity};

const FLAGS: [(&str, &str); 6] = [
    ("--aesthetic", "aesthetic"),
    ("--detector", "detect"),
    ("--detector-text", "clip"),
    ("--segmenter", "segment"),
    ("--clip", "clip"),
    ("--vocabulary", "vocabulary.txt"),
];

/// Few enough that all is done in a minute or two on two cores.
const SCENES: usize = 96;
const FILMS: usize = 8;

/// Of every type some twenty; a background of the right size stands in few scenes, and an action needs a film.
const EDITS: &str = "add=0.3,remove=0.3,replace=0.3,adjust=0.3,action,style=0.2,extract=0.3,visual=0.3,background,\
                     hybrid=0.3,content_memory=0.3,content_understanding=0.2,version_backtracking=0.2";

/// Where the demo's detector is at its best; and all that is made, whatever the judge says of it.
const FIRST: [&str; 3] = ["detection=0.4", "follows=1", "natural=1"];
/// Where the dials stand then: by default, so that only what the judge vouches for is left; only the best pictures; and looser, so that
/// of every type something is published.
const TURNS: [&[&str]; 3] = [
    &["detection=0.4"],
    &["detection=0.4", "aesthetic=6"],
    &["detection=0.4", "follows=1.5", "natural=1.5", "aesthetic=4.5"],
];

/// Makes data, runs, turns dials, and says what happened.
pub(crate) fn run(folder: &Path, output: Output, commands: &Commands) -> Result<(), Failure> {
    let parts = DemoParts { models: &[AESTHETIC, DETECT, SEGMENT, CLIP], flags: &FLAGS, scenes: SCENES };
    let (mut demo, made) = DemoRun::start(folder, output, commands, &parts)?;
    demo.add_films(FILMS)?;
    demo.write("vocabulary.txt", VOCABULARY)?;
    // The few scenes hold as many broken ones as more would.
    demo.always_say(&["--edits", EDITS, "--max-error-rate=0.1"]);
    let report = demo.run(&FIRST.map(str::to_owned), &demo.report())?;
    demo.check_planted(&made, &report)?;
    let mut runs = vec![report.summary];
    for settings in TURNS {
        runs.push(demo.turn(settings)?.summary);
    }
    release(&demo, folder, &commands.name)?;
    match output {
        Output::Json => print_json(&serde_json::json!({ "demo": folder, "runs": runs }))?,
        Output::Text => {
            demo.farewell(&made);
            threshflow::say!(
                "The first run's page, with every type of edit before and after: {0}/report.html, and its pictures as one: {0}/report.png",
                folder.display()
            );
        }
    }
    demo.stay(TURNS[TURNS.len() - 1])
}

/// Writes what is published then in ImgEdit's own layout, and looks it over.
fn release(demo: &DemoRun<'_>, folder: &Path, called: &str) -> Result<(), Failure> {
    let parts = ["released", "out", "store"];
    let [to, out, store] = parts.map(|part| demo.word(part));
    demo.say(&format!("$ {called} release --store {store} --out {out} --to {to}"));
    let [to, out, store] = parts.map(|part| folder.join(part));
    let (done, _) = release_to(&to, [&out, &store], PicturesIn::TARS, &ObjectOptions::default())?;
    demo.say(&format!("{} files, {:.1} MB", done.parts_written, done.bytes_written as f64 / 1e6));
    demo.say(&format!("$ {called} check {}", demo.word("released")));
    let findings = released::check(&to);
    demo.say(released::report(&findings).trim_end());
    match findings.iter().any(|finding| finding.severity == Severity::Fault) {
        false => Ok(()),
        true => Err(Failure::Failed("what was released has faults; please report this".into())),
    }
}

//! The job file for Slurm, submitted as it is to a real one with one node.

use std::path::Path;

use serde_json::{Value, json};
use tests::python::python_with;
use tests::resident::assert_published;
use threshflow::cli::Part;

use crate::desk;

#[test]
fn the_file_for_slurm_is_submitted_as_it_is_and_outlives_kills() {
    let Some(mut python) = python_with(&["json"]) else { return };
    let desk = desk(9, false);
    let flags = "--shards shards/*.tar --store store --out out --max-error-rate 1 --cores 1 --slow 30";
    let said = desk.ask(&format!("script slurm --parts 3 -- {flags}")).expect(0, &[]);
    std::fs::write(desk.path("ask.sbatch"), said.stdout).expect("is written");
    let shards = |part: &u16| (0..9).filter(|n| Part { index: *part, of: 3 }.has(&format!("s{n}"))).count();
    let busy: Vec<u16> = (1..=3).filter(|part| shards(part) > 1).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("array/slurm.py");
    python.arg(script).arg(desk.folder.path()).arg(desk.path("ask.sbatch"));
    let ended = tests::program::ended(python.arg(busy[0].to_string()).arg(busy[1].to_string()));
    let logs = || {
        let files = std::fs::read_dir(desk.folder.path())
            .expect("is listed")
            .map(|entry| entry.expect("a file").path());
        let logs = files.filter(|path| path.extension().is_some_and(|it| it == "log"));
        logs.map(|path| {
            format!("{}: {}\n", path.display(), std::fs::read_to_string(&path).unwrap_or_default())
        })
        .collect::<String>()
    };
    assert_eq!(ended.code, Some(0), "{ended:#?} {}", logs());
    let said = ended.json();
    if let Some(why) = said["unavailable"].as_str() {
        let required = std::env::var_os("THRESHFLOW_REQUIRE_SLURM").is_some_and(|set| set == "1");
        assert!(!required, "no Slurm: {why}");
        eprintln!("passed over: no Slurm: {why}");
        return;
    }
    let state = |part: u16| if part == busy[1] { "FAILED" } else { "COMPLETED" };
    let states: serde_json::Map<String, Value> =
        (1..=3).map(|part| (part.to_string(), state(part).into())).collect();
    assert_eq!(said["first"], Value::Object(states), "{said} {}", logs());
    assert_ne!(said["restarts"], "0", "the task whose program died was queued again");
    assert_eq!(said["again"], json!({ busy[1].to_string(): "COMPLETED" }), "{said} {}", logs());
    assert_eq!(said["publishing"], json!({ "0": "COMPLETED" }), "{said} {}", logs());
    assert!(logs().contains("0 asked of find"), "the run that publishes asks nobody: {}", logs());
    assert_published(&desk, "", "by Slurm");
}

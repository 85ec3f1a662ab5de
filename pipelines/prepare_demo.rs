//! `prepare demo`: the main job on data that it makes itself. Each step is a command that the user could type.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use threshflow::cli::{Failure, Output, Plan, RunReport, invoke, print_json};
use threshflow::publish;

use crate::demo::{DemoOptions, DemoShards, write_demo_shards};
use crate::prepare::Prepare;

/// The demo's scorer travels inside the program: the demo needs nothing but itself.
const MODEL: &[(&str, &[u8])] = &[
    ("model.onnx", include_bytes!("../models/demo/aesthetic/model.onnx")),
    ("preprocessor_config.json", include_bytes!("../models/demo/aesthetic/preprocessor_config.json")),
];

/// What the two turns set the dial to; a first run leaves it at its default of 4.75.
const TURNS: [f32; 2] = [5.5, 4.0];

fn failed(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let place = format!("{what} {}", path.display());
    move |error| Failure::Failed(format!("{place}: {error}; --folder names another place"))
}

/// Makes data, runs, turns the threshold twice, and says what happened.
pub fn run(folder: &Path, output: Output) -> Result<(), Failure> {
    let say = |line: &str| {
        if output == Output::Text {
            println!("{line}");
        }
    };
    let begin = Instant::now();
    clear(folder)?;
    let shards = folder.join("shards");
    let made =
        write_demo_shards(&shards, &DemoOptions::default()).map_err(failed("the demo's shards", &shards))?;
    say(&format!(
        "Drew {} scenes into {} files, {:.0} MB, in {:.1} s: {}",
        made.samples,
        made.files.len(),
        made.bytes as f64 / 1e6,
        begin.elapsed().as_secs_f64(),
        shards.display()
    ));
    write_model(&folder.join("aesthetic"))?;

    let demo = Demo { folder, output };
    let first = demo.run(None)?;
    let kept = demo.published()?;
    say(&check_planted(&made, &first)?);
    let mut runs = vec![first.summary.clone()];
    let mut before = kept;
    for at in TURNS {
        let plan = demo.plan(at)?;
        let report = demo.run(Some(at))?;
        let after = demo.published()?;
        let (left, came) =
            (before.difference(&after).count() as u64, after.difference(&before).count() as u64);
        let asked = report.summary.asks["aesthetic"].asked;
        say(&format!(
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
        Output::Json => print_json(&serde_json::json!({ "demo": folder, "runs": runs })),
        Output::Text => {
            demo.farewell(&made, begin);
            Ok(())
        }
    }
}

/// Removes what an earlier demo left, but for the shards, which are written anew only where they differ.
fn clear(folder: &Path) -> Result<(), Failure> {
    for part in ["store", "out", "aesthetic"] {
        let path = folder.join(part);
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(failed("an earlier demo's", &path))?;
        }
    }
    Ok(())
}

fn write_model(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(failed("the demo's model", folder))?;
    for (name, bytes) in MODEL {
        fs::write(folder.join(name), bytes).map_err(failed("the demo's model", folder))?;
    }
    Ok(())
}

/// That exactly what was broken on purpose was refused.
fn check_planted(made: &DemoShards, report: &RunReport) -> Result<String, Failure> {
    let found: u64 = report.summary.refused.values().flat_map(|classes| classes.values()).sum();
    let planted = made.planted.lost_pictures() as u64;
    if found != planted {
        let message =
            format!("{planted} pictures were broken on purpose and {found} were refused; please report this");
        return Err(Failure::Failed(message));
    }
    Ok(format!(
        "{planted} pictures were broken on purpose: {found} were refused, and no neighbour was harmed.\n"
    ))
}

struct Demo<'a> {
    folder: &'a Path,
    output: Output,
}

impl Demo<'_> {
    fn command(&self, verb: &str, aesthetic: Option<f32>) -> Vec<String> {
        let path = |part: &str| self.folder.join(part).to_string_lossy().into_owned();
        let mut command = vec![verb.to_owned(), "--shards".into(), path("shards")];
        for (flag, part) in [("--aesthetic", "aesthetic"), ("--store", "store"), ("--out", "out")] {
            command.extend([flag.to_owned(), path(part)]);
        }
        command.extend(aesthetic.map(|at| format!("--set=aesthetic={at}")));
        command
    }

    fn run(&self, aesthetic: Option<f32>) -> Result<RunReport, Failure> {
        let command = self.command("run", aesthetic);
        if self.output == Output::Text {
            println!("$ prepare {}", command.join(" "));
        }
        let report = invoke::run::<Prepare>(&command)?;
        if self.output == Output::Text {
            report.print(Output::Text);
        }
        report.check()?;
        Ok(report)
    }

    fn plan(&self, aesthetic: f32) -> Result<Plan, Failure> {
        let command = self.command("plan", Some(aesthetic));
        let plan = invoke::plan::<Prepare>(&command)?;
        if self.output == Output::Text {
            println!("$ prepare {}", command.join(" "));
            plan.print(Output::Text)?;
        }
        Ok(plan)
    }

    /// The keys that are published.
    fn published(&self) -> Result<BTreeSet<String>, Failure> {
        Ok(publish::published_keys(&self.folder.join("out"))?.into_iter().collect())
    }

    fn farewell(&self, made: &DemoShards, begin: Instant) {
        let folder = self.folder.display();
        println!(
            "All of it in {:.1} s. What was published lies in {folder}/out: its README.md shows the funnel.",
            begin.elapsed().as_secs_f64()
        );
        println!("Look at it:");
        println!(
            "  python3 -c \"import pyarrow.parquet as pq; print(pq.read_table('{folder}/out/data').to_pandas())\""
        );
        if let Some(broken) = made.planted.cut_pictures.first() {
            println!("  prepare explain --out {folder}/out {broken}");
        }
        println!("  prepare export --store {folder}/store --out {folder}/out --to {folder}/curated");
    }
}

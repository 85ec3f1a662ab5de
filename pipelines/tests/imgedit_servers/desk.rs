//! A folder with small scenes, and `imgedit` over them with fake models behind an address.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pipelines::demo::{DemoOptions, write_demo_shards};
use pipelines::imgedit::ImgEdit;
use tests::fakes::models::Models;
use threshflow::cli::{Plan, RunReport, invoke};

/// What each stage asked, or is foretold to ask; without those that ask nothing.
pub(crate) type Asks = BTreeMap<String, u64>;

pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

/// Where the dials of these tests stand if nothing else is said.
const DIALS: [(&str, &str); 6] = [
    ("short_side", "0"),
    ("aesthetic", "0"),
    ("detection", "0.4"),
    ("no_op", "1"),
    ("follows", "1"),
    ("natural", "1"),
];

impl Desk {
    pub(crate) fn new() -> Self {
        Desk::of(24, 8)
    }

    pub(crate) fn of(scenes: usize, shrink: u32) -> Self {
        let folder = tests::scratch();
        let options = DemoOptions { scenes, shrink, threads: 2, ..DemoOptions::default() };
        write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
        Desk { folder }
    }

    /// With what is put into its folder.
    pub(crate) fn copied(fill: impl FnOnce(&Path)) -> Self {
        let folder = tests::scratch();
        fill(folder.path());
        Desk { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `more` is split at blanks.
    pub(crate) fn command(&self, subcommand: &str, url: &str, more: &str) -> Vec<String> {
        let path = |part: &str| self.path(part).to_string_lossy().into_owned();
        // Sidecars bring nouns along: nobody would be asked.
        let mut command: Vec<String> = format!("{subcommand} --backend=embedded --cores=2 --nouns-from=none")
            .split(' ')
            .map(str::to_owned)
            .collect();
        for (flag, model) in tests::demo_models() {
            command.extend([flag.to_owned(), model]);
        }
        for (flag, part) in [("--shards", "shards"), ("--store", "store"), ("--out", "out")] {
            command.extend([flag.to_owned(), path(part)]);
        }
        if !more.contains("--max-error-rate") {
            command.push("--max-error-rate=1".to_owned());
        }
        let set = |dial: &str| more.contains(&format!("--set={dial}="));
        let dials = DIALS.iter().filter(|(dial, _)| !set(dial));
        command.extend(dials.map(|(dial, value)| format!("--set={dial}={value}")));
        for flag in ["--chat-url", "--edit-url"] {
            if !more.contains(flag) {
                command.extend([flag.to_owned(), url.to_owned()]);
            }
        }
        if !more.contains("--edit-model") {
            command.push("--edit-model=painter".to_owned());
        }
        // Who names models of single stages has the others answered here.
        if !["--instruct-model", "--caption-model"].iter().any(|flag| more.contains(flag)) {
            command.push("--chat-model=writer".to_owned());
        }
        command.extend(more.split_whitespace().map(str::to_owned));
        command
    }

    pub(crate) fn run(&self, models: &Models, more: &str) -> RunReport {
        let report = invoke::run::<ImgEdit>(&self.command("run", &models.url(), more)).expect("runs");
        report.check().expect("is done");
        report
    }

    pub(crate) fn plan(&self, models: &Models, more: &str) -> Plan {
        invoke::plan::<ImgEdit>(&self.command("plan", &models.url(), more)).expect("plans")
    }

    /// A subcommand over what was published, by the program itself.
    pub(crate) fn bare(&self, subcommand: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
        command.args(["imgedit", subcommand, "--out=out", "--store=store"]).args(more);
        command.current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// The program itself.
    pub(crate) fn program(&self, models: &Models, more: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
        command.arg("imgedit").args(self.command("run", &models.url(), more)).current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

pub(crate) fn asked(report: &RunReport) -> Asks {
    let asks = report.summary.asks.iter().filter(|(_, asks)| asks.asked > 0);
    asks.map(|(stage, asks)| ((*stage).to_owned(), asks.asked)).collect()
}

pub(crate) fn planned(plan: &Plan) -> Asks {
    plan.total.asks.iter().map(|(stage, asks)| ((*stage).to_owned(), *asks)).collect()
}

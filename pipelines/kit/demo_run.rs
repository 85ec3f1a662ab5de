//! What the demos of the pipelines share: data that they make, models inside the program, and commands that the user could type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

use threshflow::cli::invoke::shell_word;
use threshflow::cli::{Commands, Failure, Output, Plan, RunReport};
use threshflow::publish;

use crate::demo::{DEMO_SEED, DemoFrames, DemoOptions, DemoShards, write_demo_frames, write_demo_shards};

/// A model that travels inside the program: its folder's name, and its files.
pub struct Packed {
    pub name: &'static str,
    pub files: &'static [(&'static str, &'static [u8])],
}

macro_rules! packed {
    ($name:literal: $($file:literal),+) => {
        $crate::demo_run::Packed {
            name: $name,
            files: &[$(($file, include_bytes!(concat!("../../models/demo/", $name, "/", $file)))),+],
        }
    };
}

pub const AESTHETIC: Packed = packed!("aesthetic": "model.onnx", "preprocessor_config.json");
pub const DETECT: Packed = packed!("detect": "model.onnx", "preprocessor_config.json");
pub const SEGMENT: Packed = packed!("segment": "encoder.onnx", "decoder.onnx", "preprocessor_config.json");
pub const CLIP: Packed =
    packed!("clip": "vision_model.onnx", "text_model.onnx", "tokenizer.json", "preprocessor_config.json");

impl Packed {
    /// Writes the model into a folder of its name below `folder`.
    pub fn unpack(&self, folder: &Path) -> Result<(), Failure> {
        let folder = folder.join(self.name);
        fs::create_dir_all(&folder).map_err(failed("the demo's model", &folder))?;
        for (name, bytes) in self.files {
            fs::write(folder.join(name), bytes).map_err(failed("the demo's model", &folder))?;
        }
        Ok(())
    }
}

fn failed(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let place = format!("{what} {}", path.display());
    move |error| Failure::Failed(format!("{place}: {error}; --folder names another place"))
}

/// A pipeline's demo at work in its folder.
pub struct DemoRun<'a> {
    folder: &'a Path,
    output: Output,
    /// Flags of the pipeline and the folders of models that follow them.
    flags: &'a [(&'a str, &'a str)],
    /// What else every command says.
    more: Vec<String>,
    commands: &'a Commands,
    begin: Instant,
}

/// What a demo is made of.
pub struct DemoParts<'a> {
    pub models: &'a [Packed],
    /// Flags of the pipeline and the parts of the demo's folder that follow them.
    pub flags: &'a [(&'a str, &'a str)],
    /// How many scenes are drawn.
    pub scenes: usize,
}

impl<'a> DemoRun<'a> {
    /// Removes what an earlier demo left, but for the shards, which are written anew only where they differ; draws them, and
    /// unpacks the models.
    pub fn start(
        folder: &'a Path,
        output: Output,
        commands: &'a Commands,
        parts: &DemoParts<'a>,
    ) -> Result<(Self, DemoShards), Failure> {
        let DemoParts { models, flags, scenes } = *parts;
        let more = Vec::new();
        let demo = DemoRun { folder, output, flags, more, commands, begin: Instant::now() };
        for part in ["store", "out", "released"].into_iter().chain(models.iter().map(|model| model.name)) {
            let path = folder.join(part);
            if path.is_dir() {
                fs::remove_dir_all(&path).map_err(failed("an earlier demo's", &path))?;
            }
        }
        let shards = folder.join("shards");
        let options = DemoOptions { scenes, ..DemoOptions::default() };
        let made = write_demo_shards(&shards, &options).map_err(failed("the demo's shards", &shards))?;
        demo.say(&format!(
            "Drew {} scenes into {} files, {:.0} MB, in {:.1} s: {}",
            made.samples,
            made.files.len(),
            made.bytes as f64 / 1e6,
            demo.begin.elapsed().as_secs_f64(),
            shards.display()
        ));
        models.iter().try_for_each(|model| model.unpack(folder))?;
        Ok((demo, made))
    }

    /// Draws films of two frames, which every command of the demo reads beside the shards.
    pub fn add_films(&mut self, count: usize) -> Result<DemoFrames, Failure> {
        let folder = self.folder.join("films");
        let made = write_demo_frames(&folder, DEMO_SEED, count, 1);
        let made = made.map_err(failed("the demo's films", &folder))?;
        self.say(&format!(
            "Drew {count} films of two frames, {:.0} MB: {}",
            made.bytes as f64 / 1e6,
            made.file.display()
        ));
        self.more.extend(["--shards".to_owned(), folder.to_string_lossy().into_owned()]);
        Ok(made)
    }

    /// Writes a file into the demo's folder.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(failed("the demo's file", &path))
    }

    /// Words that every command says besides.
    pub fn always_say(&mut self, words: &[&str]) {
        self.more.extend(words.iter().map(|word| (*word).to_owned()));
    }

    pub fn say(&self, line: &str) {
        if self.output == Output::Text {
            threshflow::say!("{line}");
        }
    }

    /// A part of the demo's folder, for a command.
    pub fn word(&self, part: &str) -> String {
        shell_word(&self.folder.join(part).to_string_lossy())
    }

    pub fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    fn command(&self, subcommand: &str, settings: &[String]) -> Vec<String> {
        let path = |part: &str| self.folder.join(part).to_string_lossy().into_owned();
        let mut command = vec![subcommand.to_owned(), "--shards".into(), path("shards")];
        let places = self.flags.iter().copied().chain([("--store", "store"), ("--out", "out")]);
        for (flag, part) in places {
            command.extend([flag.to_owned(), path(part)]);
        }
        command.extend_from_slice(&self.more);
        command.extend(settings.iter().map(|setting| format!("--set={setting}")));
        command
    }

    /// A command as a person would type it.
    fn typed(&self, command: &[String]) -> String {
        let words: Vec<String> = command.iter().map(|word| shell_word(word)).collect();
        format!("$ {} {}", self.commands.name, words.join(" "))
    }

    pub fn run(&self, settings: &[String], more: &[String]) -> Result<RunReport, Failure> {
        let mut command = self.command("run", settings);
        command.extend_from_slice(more);
        self.say(&self.typed(&command));
        let report = (self.commands.run)(&command)?;
        if self.output == Output::Text {
            report.print(Output::Text);
        }
        report.check()?;
        Ok(report)
    }

    pub fn plan(&self, settings: &[String]) -> Result<Plan, Failure> {
        let command = self.command("plan", settings);
        let plan = (self.commands.plan)(&command)?;
        if self.output == Output::Text {
            threshflow::say!("{}", self.typed(&command));
            plan.print(Output::Text)?;
        }
        Ok(plan)
    }

    /// Ends the demo: with a session that stays, where the user asked for one. Its dials stand as these settings say.
    pub fn stay(&self, settings: &[&str]) -> Result<(), Failure> {
        if !self.commands.stays {
            return Ok(());
        }
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut command = self.command("live", &settings);
        command.extend(["--port", "0"].map(str::to_owned));
        self.say(&self.typed(&command));
        self.say("Open this page; Ctrl-C ends the session:");
        (self.commands.live)(&command)
    }

    /// Turns dials: the plan first, then the run; an error where the run asked other questions than were planned. What the plan
    /// calls undecided may be asked about further, by stages that the plan says nothing of.
    pub fn turn(&self, settings: &[&str]) -> Result<RunReport, Failure> {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let plan = self.plan(&settings)?;
        let report = self.run(&settings, &[])?;
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
        let decided = plan.total.is_decided();
        let and_more = if decided { "" } else { ", and then what follows from the answers" };
        self.say(&format!(
            "Turned to {}: asked {}; the plan had said {}{and_more}.\n",
            settings.join(" "),
            said(&asked),
            said(&planned)
        ));
        let mut foreseen = asked;
        foreseen.retain(|stage, _| decided || planned.contains_key(stage));
        match foreseen == planned {
            true => Ok(report),
            false => {
                Err(Failure::Failed("turned dials did not ask what was planned; please report this".into()))
            }
        }
    }

    /// The flags by which a run writes its page.
    pub fn report(&self) -> Vec<String> {
        vec!["--report".to_owned(), self.folder.join("report.html").to_string_lossy().into_owned()]
    }

    /// The rows that are published.
    pub fn published(&self) -> Result<BTreeSet<publish::RowKey>, Failure> {
        Ok(publish::published_keys(&self.folder.join("out"))?.into_iter().collect())
    }

    /// That exactly what was broken on purpose was refused.
    pub fn check_planted(&self, made: &DemoShards, report: &RunReport) -> Result<(), Failure> {
        let found: u64 = report.summary.refused.values().flat_map(|classes| classes.values()).sum();
        let planted = made.planted.lost_pictures() as u64;
        if found != planted {
            let message = format!(
                "{planted} pictures were broken on purpose and {found} were refused; please report this"
            );
            return Err(Failure::Failed(message));
        }
        self.say(&format!(
            "{planted} pictures were broken on purpose: {found} were refused, and no neighbour was harmed.\n"
        ));
        Ok(())
    }

    pub fn farewell(&self, made: &DemoShards) {
        let (folder, name) = (self.folder.display(), &self.commands.name);
        threshflow::say!(
            "All of it in {:.1} s. What was published lies in {folder}/out: its README.md shows the funnel.",
            self.seconds()
        );
        threshflow::say!("Look at it:");
        threshflow::say!(
            "  python3 -c \"import pyarrow.parquet as pq; print(pq.read_table('{folder}/out/data').to_pandas())\""
        );
        let [store, out, to] = ["store", "out", "curated"].map(|part| self.word(part));
        if let Some(broken) = made.planted.cut_pictures.first() {
            threshflow::say!("  {name} explain --out {out} {}", shell_word(broken));
        }
        threshflow::say!("  {name} export --store {store} --out {out} --to {to}");
    }
}

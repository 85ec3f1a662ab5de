//! A folder with items, a prompt file and results, and `edit_bench` over them with a fake judge behind an address.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{ImageFormat, Rgb, RgbImage};
use pipelines::edit_bench::EditBench;
use serde_json::{Value, json};
use tests::fakes::http::{Action, Asked, FakeServer};
use threshflow::cli::{Plan, RunReport, invoke};

/// What each stage asked; without those that asked nothing.
pub(crate) type Asks = BTreeMap<String, u64>;

/// The nine types, and how many of 737 items are of each.
pub(crate) const TYPES: [(&str, usize); 9] = [
    ("extract", 117),
    ("style", 100),
    ("add", 95),
    ("adjust", 94),
    ("background", 94),
    ("replace", 92),
    ("remove", 86),
    ("action", 36),
    ("compose", 23),
];

/// What the labels of every rubric here are.
pub(crate) const LABELS: [&str; 3] =
    ["Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"];

pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

/// An item of the desk.
pub(crate) struct DeskItem {
    pub key: String,
    pub edit_type: &'static str,
    pub prompt: String,
}

impl Desk {
    /// A share of the 737 items: one in `every` of each type, and at least one.
    pub(crate) fn of(every: usize) -> Self {
        let desk = Desk { folder: tests::scratch() };
        desk.write_items(every);
        desk.write_rubrics("prompts.json", |edit_type| format!("Judge this {edit_type}."));
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn items(every: usize) -> Vec<DeskItem> {
        let mut items = Vec::new();
        for (edit_type, count) in TYPES {
            for number in 0..(count / every).max(1) {
                let key = format!("{edit_type}{number}");
                items.push(DeskItem {
                    prompt: format!("Please {edit_type} thing {number}."),
                    key,
                    edit_type,
                });
            }
        }
        items
    }

    fn write_items(&self, every: usize) {
        let mut file = serde_json::Map::new();
        for (number, item) in Desk::items(every).iter().enumerate() {
            // As in the benchmark, several items share a picture.
            let id = format!("pictures/{:03}.png", number / 4);
            write_png(&self.path("items").join(&id), number as u32 / 4);
            let row = json!({ "id": id, "prompt": item.prompt, "edit_type": item.edit_type });
            file.insert(item.key.clone(), row);
        }
        let text = serde_json::to_string_pretty(&Value::Object(file)).expect("JSON");
        fs::write(self.path("items/basic_edit.json"), text).expect("writes");
    }

    /// A prompt file with a rubric for every type.
    pub(crate) fn write_rubrics(&self, name: &str, text: impl Fn(&str) -> String) {
        let lines = LABELS.map(|label| format!("{label}: a number from 1 to 5.")).join("\n");
        let rubric = |edit_type: &str| {
            let text = text(edit_type);
            (edit_type.to_owned(), json!(format!("{text}\n{lines}\nThe instruction is: <edit_prompt>")))
        };
        let file: serde_json::Map<String, Value> =
            TYPES.iter().map(|(edit_type, _)| rubric(edit_type)).collect();
        fs::write(self.path("items").join(name), Value::Object(file).to_string()).expect("writes");
    }

    /// Edited pictures for all items: of seed `of(number)`.
    pub(crate) fn write_results(&self, name: &str, every: usize, of: impl Fn(usize) -> u32) {
        for (number, item) in Desk::items(every).iter().enumerate() {
            write_png(&self.path(name).join(format!("{}.png", item.key)), of(number));
        }
    }

    pub(crate) fn command(&self, subcommand: &str, url: &str, more: &str) -> Vec<String> {
        let path = |part: &str| self.path(part).to_string_lossy().into_owned();
        let mut command = vec![subcommand.to_owned(), "--cores=2".to_owned()];
        for (flag, part) in [("--items", "items"), ("--store", "store"), ("--out", "bench")] {
            command.extend([flag.to_owned(), path(part)]);
        }
        for (flag, value) in
            [("--benchmark", "imgedit-basic"), ("--judge-url", url), ("--judge-model", "critic")]
        {
            if !more.contains(flag) {
                command.extend([flag.to_owned(), value.to_owned()]);
            }
        }
        command.extend(more.split_whitespace().map(|word| word.replace("@", &path(""))));
        command
    }

    pub(crate) fn run(&self, judge: &Judge, more: &str) -> RunReport {
        let command = self.command("run", &judge.url(), more);
        let report =
            invoke::run::<EditBench>(&command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        report.check().expect("is done");
        report
    }

    pub(crate) fn plan(&self, judge: &Judge, more: &str) -> Plan {
        invoke::plan::<EditBench>(&self.command("plan", &judge.url(), more)).expect("plans")
    }

    /// The program itself, with words of its own.
    pub(crate) fn program(&self, words: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threshflow"));
        command.arg("edit_bench").args(words).current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

pub(crate) fn write_png(path: &Path, seed: u32) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
    let picture = RgbImage::from_fn(24, 16, |x, y| {
        Rgb([(seed * 7 + x * 9) as u8, (seed / 5 + y * 11) as u8, seed as u8])
    });
    picture.save_with_format(path, ImageFormat::Png).expect("writes");
}

/// What was asked of servers: the stages that pay.
pub(crate) fn asked(report: &RunReport) -> Asks {
    let paid = |name: &str| name.starts_with("judge_pass") || name.starts_with("edit_");
    let asks = report.summary.asks.iter().filter(|(name, asks)| asks.asked > 0 && paid(name));
    asks.map(|(stage, asks)| ((*stage).to_owned(), asks.asked)).collect()
}

/// A fake judge: always the same to the same request.
pub(crate) struct Judge(FakeServer);

impl Judge {
    /// One that answers `says(the user turn's text, a hash of the request)`.
    pub(crate) fn of(says: impl Fn(&str, u64) -> Action + Send + Sync + 'static) -> Self {
        Judge(FakeServer::start(move |asked| says(&text_of(asked), tests::fakes::models::key(asked))))
    }

    pub(crate) fn fair() -> Self {
        Judge::of(|_, hash| said(&lines(scores(hash))))
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/v1", self.0.url())
    }

    pub(crate) fn server(&self) -> &FakeServer {
        &self.0
    }
}

/// Three scores that keep the judge's rule.
pub(crate) fn scores(hash: u64) -> [u64; 3] {
    let first = 1 + hash % 5;
    [first, 1 + (hash / 7) % first, 1 + (hash / 91) % first]
}

pub(crate) fn lines(scores: [u64; 3]) -> String {
    let lines: Vec<String> =
        LABELS.iter().zip(scores).map(|(label, score)| format!("{label}: {score}")).collect();
    format!("Brief reasoning: it is what it is.\n{}", lines.join("\n"))
}

/// A well-formed answer.
pub(crate) fn said(text: &str) -> Action {
    let choice =
        json!({ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } });
    Action::json(
        200,
        &json!({ "choices": [choice], "usage": { "prompt_tokens": 900, "completion_tokens": 40 } }),
    )
}

/// An answer that a content filter stopped.
pub(crate) fn filtered() -> Action {
    let choice = json!({ "index": 0, "finish_reason": "content_filter", "message": { "role": "assistant", "content": "" } });
    Action::json(
        200,
        &json!({ "choices": [choice], "usage": { "prompt_tokens": 900, "completion_tokens": 0 } }),
    )
}

/// The text of the user's turn.
pub(crate) fn text_of(asked: &Asked) -> String {
    let body = asked.json();
    let parts = body.pointer("/messages/0/content").and_then(Value::as_array).cloned().unwrap_or_default();
    parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
}

impl From<FakeServer> for Judge {
    fn from(server: FakeServer) -> Self {
        Judge(server)
    }
}

//! The file under the labels of a store: lines that are appended and never changed.
//!
//! ```text
//! 5b2d1c0a {"threshflow_labels":1}
//! 0f3c9d2e {"draw":{"dial":"sharp","at":0.5,...}}
//! 77aa0193 {"label":{"dial":"sharp","content":"00ff...","said":"good",...}}
//! ```
//! A line is the CRC-32 of its JSON in 8 hex digits, a blank, the JSON, and a line feed. The first line has the version. What a kill left of a last
//! line has no line feed: it is passed over, and the next writer cuts it off. A damaged line costs itself, and is told of.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Draw, Drawn, LabelError};

/// The file's name in the folder of a store.
pub(super) const FILE: &str = "labels.log";
/// What this program writes, and the newest that it reads.
const VERSION: u32 = 1;

/// A line of the log. What is written here never changes its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The first line: the version of the format.
    ThreshflowLabels(u32),
    Draw(Draw),
    Label(Written),
}

/// A label as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Written {
    pub dial: String,
    /// 32 hex digits.
    pub content: String,
    pub said: Said,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The number of its draw among the draws of the file, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
    /// RFC 3339.
    pub at: String,
}

/// What a person said of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    Good,
    Bad,
    TakenBack,
}

/// A line that could not be read. Labels in it are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// What a log was found to hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub lines: Vec<Line>,
    pub damaged: Vec<DamagedLine>,
    /// Bytes of whole lines.
    pub end: u64,
    /// Bytes of a last line that was not written to its end.
    pub torn: u64,
}

fn written(line: &Line) -> Result<String, LabelError> {
    let json = serde_json::to_string(line)
        .map_err(|error| LabelError::Wrong(format!("a label cannot be written as JSON: {error}")))?;
    Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
}

fn parsed(line: &[u8]) -> Result<Line, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is no text".to_owned())?;
    let (crc, json) = line.split_once(' ').ok_or("it has no checksum")?;
    let crc = u32::from_str_radix(crc, 16).map_err(|_| "it has no checksum".to_owned())?;
    if crc != crc32fast::hash(json.as_bytes()) {
        return Err("its checksum is not that of its text".to_owned());
    }
    serde_json::from_str(json).map_err(|error| format!("this program does not know what it says: {error}"))
}

/// The bytes of a log; one that is not there holds nothing.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, LabelError> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| failed("read", path, error)),
    }
}

/// What the bytes of the log say that lies there.
pub(super) fn found_in(bytes: &[u8], path: &Path) -> Result<Found, LabelError> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut found =
        Found { end: end as u64, torn: (bytes.len() - end) as u64, lines: Vec::new(), damaged: Vec::new() };
    for (number, line) in bytes[..end].split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parsed(&line[..line.len() - 1]) {
            Ok(Line::ThreshflowLabels(version)) if version > VERSION => {
                return Err(LabelError::Newer { path: path.to_owned(), version, known: VERSION });
            }
            Ok(line) => found.lines.push(line),
            Err(why) => found.damaged.push(DamagedLine { line: number + 1, why }),
        }
    }
    let first = written(&Line::ThreshflowLabels(VERSION))?;
    let begins_as_ours = first.as_bytes().starts_with(bytes);
    if found.lines.is_empty() && !bytes.is_empty() && !begins_as_ours {
        return Err(LabelError::NotLabels(path.to_owned()));
    }
    found.lines.retain(|line| !matches!(line, Line::ThreshflowLabels(_)));
    Ok(found)
}

/// The end of a log, for its one writer.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    /// `None` until something is written: a store without labels has no file.
    file: Option<File>,
    end: u64,
}

impl Writer {
    /// To append behind what was `found`. Cuts off what a kill left of a last line.
    pub(super) fn new(path: PathBuf, found: &Found) -> Result<Self, LabelError> {
        let writer = Writer { path, file: None, end: found.end };
        if found.torn > 0 {
            let cut = |file: File| file.set_len(found.end).and_then(|()| file.sync_data());
            OpenOptions::new()
                .write(true)
                .open(&writer.path)
                .and_then(cut)
                .map_err(|error| failed("write", &writer.path, error))?;
        }
        Ok(writer)
    }

    /// Appends lines and waits until they are on the disk. If that fails, none of them counts.
    pub(super) fn append(&mut self, lines: &[Line]) -> Result<(), LabelError> {
        let mut text = String::new();
        if self.end == 0 {
            text.push_str(&written(&Line::ThreshflowLabels(VERSION))?);
        }
        for line in lines {
            text.push_str(&written(line)?);
        }
        let wrote = self.write(text.as_bytes());
        wrote.map_err(|error| {
            // Otherwise the next line would stand behind a part of this one.
            if let Some(file) = &self.file {
                let _ = file.set_len(self.end);
            }
            failed("write", &self.path, error)
        })?;
        self.end += text.len() as u64;
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
                if self.end == 0
                    && let Some(folder) = self.path.parent()
                {
                    File::open(folder)?.sync_all()?;
                }
                none.insert(file)
            }
        };
        file.write_all_at(text, self.end)?;
        file.sync_data()
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> LabelError {
    LabelError::Io { doing, path: path.to_owned(), source }
}

//! The labels of a store: what people said of which content at which dial, and the draws that they were asked by.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

use super::log::{self, DamagedLine, Line, Said, Writer, Written};
use super::{BUCKETS, Draw, Drawn, Estimates, LabelError, Labelled, Population};
use crate::row::ContentHash;

/// What a person said of a content at a dial.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The dial; a group of a dial by group is a dial of its own here.
    pub dial: String,
    pub content: ContentHash,
    pub good: bool,
    /// The content's score when it was labelled, in the dial's unit.
    pub score: f32,
    /// The number of the draw that it belongs to, as [`Labels::add_draw`] gave it.
    pub draw: Option<usize>,
    /// Its permanent random number; see [`rank`](super::rank).
    pub rank: Option<u64>,
    /// How it was drawn. A label that nobody drew by chance is kept, and says nothing about other rows.
    pub drawn: Option<Drawn>,
    /// When it was given, to the second.
    pub at: DateTime<Utc>,
}

impl Label {
    /// The time for a label that is given now.
    pub fn now() -> DateTime<Utc> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        DateTime::from_timestamp(since.as_secs().cast_signed(), 0).unwrap_or_default()
    }

    /// Whether it says the same as another one of the same dial and content, wherever it came from.
    pub(super) fn says_what(&self, other: &Label) -> bool {
        (self.good, self.score, self.at) == (other.good, other.score, other.at) && self.drawn == other.drawn
    }

    fn line(&self) -> Line {
        Line::Label(Written {
            dial: self.dial.clone(),
            content: self.content.to_string(),
            said: if self.good { Said::Good } else { Said::Bad },
            score: Some(self.score),
            draw: self.draw,
            rank: self.rank,
            drawn: self.drawn.clone(),
            at: time_as_text(self.at),
        })
    }

    /// What would make the label useless.
    fn check(&self) -> Result<(), LabelError> {
        let (stratum, chance) =
            self.drawn.as_ref().map_or((0..BUCKETS, 1.0), |drawn| (drawn.stratum.clone(), drawn.chance));
        let wrong = if self.dial.is_empty() {
            "it has no dial; name the dial that it is about".to_owned()
        } else if !self.score.is_finite() {
            format!("its score is {}; only rows with a finite score are drawn", self.score)
        } else if stratum.start >= stratum.end || stratum.end > BUCKETS {
            format!("its stratum is the buckets {stratum:?}; a range within 0..{BUCKETS} is wanted")
        } else if !(chance > 0.0 && chance <= 1.0) {
            format!("its chance of being drawn is {chance}; above 0 and up to 1 is wanted")
        } else {
            return Ok(());
        };
        Err(LabelError::Wrong(format!("a label of {} cannot be kept: {wrong}", self.content)))
    }
}

pub(super) fn time_as_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn time_of(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    DateTime::from_timestamp(at.timestamp(), 0)
}

/// 32 hex digits.
pub(super) fn content_of(hex: &str) -> Option<ContentHash> {
    let mut content = ContentHash::default();
    if hex.len() != 2 * content.0.len() || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in content.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(content)
}

/// What was last said of a content, and when.
#[derive(Clone, Debug)]
enum Last {
    Label(Label),
    TakenBack(DateTime<Utc>),
}

/// All labels of a store, in memory and in the file `labels.log` of its folder.
///
/// The store has one owner, who alone may [`open`](Labels::open). Others may [`read`](Labels::read) beside it. The last line about a dial and a
/// content counts. Every change is on the disk when its call returns, which takes as long as the disk does.
///
/// ```
/// use threshflow::label::{Label, Labels};
/// use threshflow::row::ContentHash;
/// let folder = tempfile::tempdir()?;
/// let mut labels = Labels::open(folder.path())?;
/// let content = ContentHash::of(b"a picture");
/// labels.put(Label {
///     dial: "sharp".to_owned(),
///     content,
///     good: true,
///     score: 0.7,
///     draw: None,
///     rank: None,
///     drawn: None,
///     at: Label::now(),
/// })?;
/// let read = Labels::read(folder.path())?;
/// assert!(read.label("sharp", content).is_some_and(|label| label.good));
/// labels.take_back("sharp", content, Label::now())?;
/// assert_eq!(labels.label("sharp", content), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Labels {
    /// `None` for readers.
    writer: Option<Writer>,
    draws: Vec<Draw>,
    by_dial: BTreeMap<String, BTreeMap<ContentHash, Last>>,
    damaged: Vec<DamagedLine>,
}

impl Labels {
    /// Opens the labels of the store in `folder` for its owner. There need not be any.
    ///
    /// # Errors
    /// If the file cannot be read or mended, if it is no file of labels, or if a newer program wrote it.
    pub fn open(folder: &Path) -> Result<Self, LabelError> {
        Labels::of(folder, &Labels::bytes(folder)?, true)
    }

    /// Reads the labels of the store in `folder`, as they are on the disk now.
    ///
    /// # Errors
    /// As [`open`](Labels::open).
    pub fn read(folder: &Path) -> Result<Self, LabelError> {
        Labels::of(folder, &Labels::bytes(folder)?, false)
    }

    /// The bytes of a folder's log, for [`Labels::parse`] in another process.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn bytes(folder: &Path) -> Result<Vec<u8>, LabelError> {
        log::bytes(&folder.join(log::FILE))
    }

    /// As [`Labels::read`], of bytes that were read there.
    ///
    /// # Errors
    /// Where they are no labels, or are of a later version.
    pub(crate) fn parse(folder: &Path, bytes: &[u8]) -> Result<Self, LabelError> {
        Labels::of(folder, bytes, false)
    }

    fn of(folder: &Path, bytes: &[u8], writes: bool) -> Result<Self, LabelError> {
        let path = folder.join(log::FILE);
        let mut found = log::found_in(bytes, &path)?;
        let lines = std::mem::take(&mut found.lines);
        let writer = if writes { Some(Writer::new(path, &found)?) } else { None };
        let mut labels =
            Labels { writer, draws: Vec::new(), by_dial: BTreeMap::new(), damaged: found.damaged };
        for line in lines {
            match line {
                Line::Draw(draw) => labels.draws.push(draw),
                Line::Label(written) => labels.take_in(written),
                Line::ThreshflowLabels(_) => {}
            }
        }
        Ok(labels)
    }

    fn take_in(&mut self, written: Written) {
        // What has a right checksum and yet no content or time was not written by this program.
        let (Some(content), Some(at)) = (content_of(&written.content), time_of(&written.at)) else { return };
        let last = match (written.said, written.score) {
            (Said::TakenBack, _) | (_, None) => Last::TakenBack(at),
            (said, Some(score)) => Last::Label(Label {
                dial: written.dial.clone(),
                content,
                good: said == Said::Good,
                score,
                draw: written.draw,
                rank: written.rank,
                drawn: written.drawn,
                at,
            }),
        };
        self.by_dial.entry(written.dial).or_default().insert(content, last);
    }

    fn append(&mut self, lines: &[Line]) -> Result<(), LabelError> {
        match &mut self.writer {
            Some(writer) => writer.append(lines),
            None => Err(LabelError::Wrong(
                "labels that were opened for reading cannot be changed: ask the owner of the store"
                    .to_owned(),
            )),
        }
    }

    /// Lines of the file that could not be read. The labels in them are lost; what an earlier line says of the same content counts again.
    pub fn damaged(&self) -> &[DamagedLine] {
        &self.damaged
    }

    /// Keeps a draw, and gives its number.
    ///
    /// # Errors
    /// If it cannot be written, or if its dial stands at no finite number.
    pub fn add_draw(&mut self, draw: Draw) -> Result<usize, LabelError> {
        if !draw.at.is_finite() {
            return Err(LabelError::Wrong(format!(
                "a draw for {} at {}: a finite threshold is wanted; turn the dial first",
                draw.dial, draw.at
            )));
        }
        self.append(&[Line::Draw(draw.clone())])?;
        self.draws.push(draw);
        Ok(self.draws.len() - 1)
    }

    /// The draws of a dial with their numbers, the oldest first.
    pub fn draws(&self, dial: &str) -> impl Iterator<Item = (usize, &Draw)> {
        self.draws.iter().enumerate().filter(move |(_, draw)| draw.dial == dial)
    }

    /// Keeps a label. It takes the place of what was said of its content at its dial before.
    ///
    /// # Errors
    /// If it cannot be written, if its score is not finite, or if its stratum or chance is none.
    pub fn put(&mut self, label: Label) -> Result<(), LabelError> {
        self.put_all(vec![label])
    }

    /// Keeps several labels, or none of them if that fails.
    ///
    /// # Errors
    /// As [`put`](Labels::put).
    pub fn put_all(&mut self, labels: Vec<Label>) -> Result<(), LabelError> {
        labels.iter().try_for_each(Label::check)?;
        if labels.is_empty() {
            return Ok(());
        }
        let lines: Vec<Line> = labels.iter().map(Label::line).collect();
        self.append(&lines)?;
        for label in labels {
            self.by_dial.entry(label.dial.clone()).or_default().insert(label.content, Last::Label(label));
        }
        Ok(())
    }

    /// Takes a label back, at that time; gives whether there was one.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn take_back(
        &mut self,
        dial: &str,
        content: ContentHash,
        at: DateTime<Utc>,
    ) -> Result<bool, LabelError> {
        if self.label(dial, content).is_none() {
            return Ok(false);
        }
        self.append(&[Line::Label(Written {
            dial: dial.to_owned(),
            content: content.to_string(),
            said: Said::TakenBack,
            score: None,
            draw: None,
            rank: None,
            drawn: None,
            at: time_as_text(at),
        })])?;
        self.by_dial.entry(dial.to_owned()).or_default().insert(content, Last::TakenBack(at));
        Ok(true)
    }

    /// What is said of a content at a dial.
    pub fn label(&self, dial: &str, content: ContentHash) -> Option<&Label> {
        match self.by_dial.get(dial)?.get(&content)? {
            Last::Label(label) => Some(label),
            Last::TakenBack(_) => None,
        }
    }

    /// When something was last said of a content at a dial, if only that it was taken back.
    pub(super) fn last_said(&self, dial: &str, content: ContentHash) -> Option<DateTime<Utc>> {
        match self.by_dial.get(dial)?.get(&content)? {
            Last::Label(label) => Some(label.at),
            Last::TakenBack(at) => Some(*at),
        }
    }

    /// The labels of a dial, by content.
    pub fn labels(&self, dial: &str) -> impl Iterator<Item = &Label> {
        let labels = self.by_dial.get(dial).into_iter().flat_map(BTreeMap::values);
        labels.filter_map(|last| match last {
            Last::Label(label) => Some(label),
            Last::TakenBack(_) => None,
        })
    }

    /// The dials that anything was said about.
    pub fn dials(&self) -> impl Iterator<Item = &str> {
        self.by_dial.keys().map(String::as_str)
    }

    /// The labels of a dial that [`Estimates`] are made from: those that were drawn by chance and whose content is there. `present` says
    /// of a content its score now and how many rows have it; `None` where no row has it.
    pub fn labelled(&self, dial: &str, present: impl Fn(ContentHash) -> Option<(f32, u64)>) -> Vec<Labelled> {
        let counts = |label: &Label| {
            let drawn = label.drawn.clone()?;
            let (score, rows) = present(label.content)?;
            Some(Labelled { score, rows, good: label.good, drawn })
        };
        self.labels(dial).filter_map(counts).collect()
    }

    /// A line for cards and reports: `precision 0.97 [0.93, 0.99] by 84 labels`, for a dial that stands at `at`; `None` where no label is
    /// of a row that passes. `present` as in [`labelled`](Labels::labelled).
    pub fn summary(
        &self,
        dial: &str,
        at: f32,
        population: Population,
        present: impl Fn(ContentHash) -> Option<(f32, u64)>,
    ) -> Option<String> {
        let precision = Estimates::new(population, self.labelled(dial, present)).at(at).precision?;
        Some(format!("precision {precision}"))
    }
}

//! Labels as a table of commas (RFC 4180), for spreadsheets and other programs, and back.

use std::collections::HashMap;
use std::ops::Range;

use csv::{ReaderBuilder, Terminator, WriterBuilder};

use super::scale::BUCKETS;
use super::store::{content_of, time_as_text, time_of};
use super::{Drawn, Label, LabelError, Labels};
use crate::row::ContentHash;

const COLUMNS: [&str; 9] =
    ["dial", "content", "good", "score", "chance", "stratum", "labelled_at", "shard", "key"];
/// Without them a line says nothing.
const WANTED: [&str; 4] = ["dial", "content", "good", "score"];

/// What an import changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Labels that are new, or say something new.
    pub changed: usize,
    /// Labels that were there as they are.
    pub same: usize,
    /// Labels of contents of which something was said later.
    pub older: usize,
}

/// Text that a spreadsheet would take for a formula gets a quote before it.
fn harmless(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

impl Labels {
    /// The labels of a dial, or of all dials, as a table with the columns `dial`, `content` (32 hex digits), `good` (`true` or `false`), `score`,
    /// `chance`, `stratum` (a range of buckets, `2048..2089`, the end excluded), `labelled_at` (RFC 3339), `shard` and `key`. Chance and stratum
    /// are empty where nobody drew the label by chance. `where_is` gives the shard and key of a content; where it gives `None`, they are
    /// empty. A key that a spreadsheet would take for a formula has a `'` before it.
    ///
    /// # Errors
    /// If the writer of tables gives one. None is known: the table is made in memory.
    pub fn export(
        &self,
        dial: Option<&str>,
        where_is: impl Fn(ContentHash) -> Option<(String, String)>,
    ) -> Result<String, LabelError> {
        let failed = |error: &dyn std::fmt::Display| {
            LabelError::Wrong(format!("the table cannot be written: {error}"))
        };
        let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        table.write_record(COLUMNS).map_err(|error| failed(&error))?;
        let dials = self.dials().filter(|name| dial.is_none_or(|dial| dial == *name));
        for label in dials.flat_map(|dial| self.labels(dial)) {
            let (shard, key) = where_is(label.content).unwrap_or_default();
            let drawn = label.drawn.as_ref();
            let line = [
                harmless(&label.dial),
                label.content.to_string(),
                label.good.to_string(),
                label.score.to_string(),
                drawn.map(|drawn| drawn.chance.to_string()).unwrap_or_default(),
                drawn.map(|it| format!("{}..{}", it.stratum.start, it.stratum.end)).unwrap_or_default(),
                time_as_text(label.at),
                harmless(&shard),
                harmless(&key),
            ];
            table.write_record(line).map_err(|error| failed(&error))?;
        }
        let bytes = table.into_inner().map_err(|error| failed(&error))?;
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }

    /// Takes in a table as [`export`](Labels::export) makes it. The columns may stand in any order, and others may stand beside them; `chance`,
    /// `stratum` and `labelled_at` may be missing or empty, and `shard` and `key` are not looked at. `good` may also be `1`, `0`, `good` or
    /// `bad`. Labels without a time are of now. Of what is said of one content, the later counts; at the same time, what the
    /// table says. `dials` are the dials that there may be.
    ///
    /// # Errors
    /// If a line is wrong: which, why, and what is wanted. Then nothing is imported. If the labels cannot be written.
    pub fn import(&mut self, table: &str, dials: &[&str]) -> Result<Imported, LabelError> {
        let (mut imported, mut new) = (Imported::default(), Vec::new());
        for label in labels_of(table, dials)? {
            let here = self.label(&label.dial, label.content);
            let last = self.last_said(&label.dial, label.content);
            let (label, has_time) = match (label.at, here) {
                // Read again, a label without a time is the one that is there.
                (None, Some(here)) => (label.at(here.at), true),
                (None, None) => (label.at(Label::now()), false),
                (Some(at), _) => (label.at(at), true),
            };
            if here.is_some_and(|here| label.says_what(here)) {
                imported.same += 1;
            } else if has_time && last.is_some_and(|last| last > label.at) {
                imported.older += 1;
            } else {
                imported.changed += 1;
                new.push(label);
            }
        }
        self.put_all(new)?;
        Ok(imported)
    }
}

/// A line of a table.
struct Told {
    dial: String,
    content: ContentHash,
    good: bool,
    score: f32,
    drawn: Option<Drawn>,
    at: Option<chrono::DateTime<chrono::Utc>>,
}

impl Told {
    fn at(self, at: chrono::DateTime<chrono::Utc>) -> Label {
        let Told { dial, content, good, score, drawn, .. } = self;
        Label { dial, content, good, score, draw: None, rank: None, drawn, at }
    }
}

fn wrong(line: usize, why: &str) -> LabelError {
    LabelError::Wrong(format!(
        "line {line} of the table: {why}. Nothing was imported; mend the line and import again"
    ))
}

fn labels_of(table: &str, dials: &[&str]) -> Result<Vec<Told>, LabelError> {
    let table = table.strip_prefix('\u{feff}').unwrap_or(table);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table.as_bytes());
    let mut records = reader.records();
    // A position may lie before the line breaks in front of its record, and its own number of the line with it.
    let line_at = |position: Option<&csv::Position>| {
        let (before, after) =
            table.as_bytes().split_at(position.map_or(0, |it| it.byte() as usize).min(table.len()));
        let breaks = after.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        1 + before.iter().chain(breaks).filter(|byte| **byte == b'\n').count()
    };
    let head = match records.next() {
        Some(Ok(head)) => head,
        Some(Err(error)) => return Err(wrong(1, &error.to_string())),
        None => return Err(wrong(1, &format!("it is empty; the columns {} are wanted", COLUMNS.join(", ")))),
    };
    let column = |name: &str| head.iter().position(|it| it.trim().eq_ignore_ascii_case(name));
    if let Some(missing) = WANTED.iter().find(|name| column(name).is_none()) {
        let found = head.iter().collect::<Vec<_>>().join(", ");
        return Err(wrong(
            1,
            &format!(
                "the column {missing} is missing: the columns are {found}, and {} are wanted",
                COLUMNS.join(", ")
            ),
        ));
    }
    let places = COLUMNS.map(column);
    let (mut all, mut lines) = (Vec::new(), HashMap::new());
    for record in records {
        let record = record.map_err(|error| wrong(line_at(error.position()), &error.to_string()))?;
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if record.len() > head.len() {
            let line = line_at(record.position());
            return Err(wrong(
                line,
                &format!("it has {} cells, and the head has {}", record.len(), head.len()),
            ));
        }
        let cell = |column: usize| places[column].and_then(|at| record.get(at)).unwrap_or_default().trim();
        let told = told(&cell, dials).map_err(|why| wrong(line_at(record.position()), &why))?;
        let here = record.position().cloned();
        if let Some(before) = lines.insert((told.dial.clone(), told.content), here) {
            let (line, before) = (line_at(record.position()), line_at(before.as_ref()));
            return Err(wrong(
                line,
                &format!("line {before} is about the same dial and content; one line may be"),
            ));
        }
        all.push(told);
    }
    Ok(all)
}

fn told<'a>(cell: &impl Fn(usize) -> &'a str, dials: &[&str]) -> Result<Told, String> {
    let [dial, content, good, score, chance, stratum, at] = [0, 1, 2, 3, 4, 5, 6].map(cell);
    if !dials.contains(&dial) {
        return Err(format!("dial {dial:?} is none of this pipeline's: {}", dials.join(", ")));
    }
    let content =
        content_of(content).ok_or_else(|| format!("content {content:?}: 32 hex digits are wanted"))?;
    let good = match good.to_ascii_lowercase().as_str() {
        "true" | "1" | "good" => true,
        "false" | "0" | "bad" => false,
        _ => return Err(format!("good {good:?}: true or false is wanted")),
    };
    let finite = |score: &f32| score.is_finite();
    let score = score.parse::<f32>().ok().filter(finite);
    let score = score.ok_or_else(|| format!("score {:?}: a finite number is wanted", cell(3)))?;
    let drawn = match (chance, stratum) {
        ("", "") => None,
        (chance, stratum) => Some(Drawn {
            chance: chance.parse::<f64>().ok().filter(|chance| *chance > 0.0 && *chance <= 1.0).ok_or_else(
                || format!("chance {chance:?}: a number above 0 and up to 1 is wanted, beside a stratum"),
            )?,
            stratum: stratum_of(stratum).ok_or_else(|| {
                format!(
                    "stratum {stratum:?}: a range of buckets such as 0..{BUCKETS} is wanted, beside a chance"
                )
            })?,
        }),
    };
    let at = match at {
        "" => None,
        text => Some(time_of(text).ok_or_else(|| {
            format!("labelled_at {text:?}: a time such as 2026-01-31T12:00:00Z is wanted (RFC 3339)")
        })?),
    };
    Ok(Told { dial: dial.to_owned(), content, good, score, drawn, at })
}

fn stratum_of(text: &str) -> Option<Range<u16>> {
    let (start, end) = text.split_once("..")?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start < end && end <= BUCKETS).then_some(start..end)
}

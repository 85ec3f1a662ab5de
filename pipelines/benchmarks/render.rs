//! Tables of one model or many side by side: Markdown for people, CSV for spreadsheets, JSON for programs. The same tables give the same
//! bytes; whatever has a date is handed in.

mod csv;
mod json;
mod markdown;
mod pairs;

use serde::Serialize;

use crate::Table;
use crate::bootstrap::Estimate;
use crate::python_round;

/// What a table was made with, as it is to be shown. Empty texts are shown as `-`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    pub judge: String,
    /// The rubrics' name: a file, or `threshflow's own`.
    pub rubric: String,
    /// [`Rubrics::whole_hash`](crate::Rubrics::whole_hash).
    pub rubric_hash: String,
    /// When the answers were given, as a date or a span of dates.
    pub date: String,
}

/// A model with its table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub model: String,
    pub made: Made,
    pub table: Table,
}

/// The tables of one benchmark side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    pub entries: Vec<Entry>,
}

impl Tables {
    /// What to know before these tables are read: answers that were cut; and before they are compared: items, rubrics, judges or ways of
    /// counting that differ, each against the first.
    pub fn warnings(&self) -> Vec<String> {
        let Some((first, others)) = self.entries.split_first() else { return Vec::new() };
        let mut warnings: Vec<String> = self.entries.iter().filter_map(cut).collect();
        for it in others {
            let names = format!("{} and {}", first.model, it.model);
            if it.table.benchmark != first.table.benchmark {
                let (one, two) = (&first.table.benchmark, &it.table.benchmark);
                warnings.push(format!(
                    "{names} were run on two benchmarks, {one} and {two}: nothing of them compares"
                ));
            }
            warnings.extend(first.table.differ(&it.table).warning().map(|told| format!("{names}: {told}")));
            let mut other = |what: &str, one: &str, two: &str| {
                if one != two {
                    warnings.push(format!(
                        "{names} differ in {what}: {one} and {two}. Their totals don't compare."
                    ));
                }
            };
            other("the rubric", &rubric(&first.made), &rubric(&it.made));
            other("the judge", shown(&first.made.judge), shown(&it.made.judge));
            other("the parser", first.table.counting.parser.name(), it.table.counting.parser.name());
            other(
                "whether scores are clamped",
                yes(first.table.counting.clamp),
                yes(it.table.counting.clamp),
            );
        }
        warnings
    }

    /// For people: means to two decimals, intervals behind them, and what was counted.
    pub fn markdown(&self) -> String {
        markdown::of(self)
    }

    /// For spreadsheets: a row for each overall, group and named score of each model; numbers to two decimals.
    pub fn csv(&self) -> String {
        csv::of(self)
    }

    /// For programs: an object of `format` (`threshflow benchmark tables/1`), `warnings`, and `tables`, a list of [`Entry`]s. Numbers are
    /// as they were computed. Names in it stay; there may come more.
    pub fn json(&self) -> String {
        json::of(self)
    }
}

/// What cuts answers is a bound that the user chose.
fn cut(it: &Entry) -> Option<String> {
    let row = &it.table.all.row;
    let count = row.missing_answers.get("answer_cut")?;
    Some(format!(
        "{}: {count} of {} answers were cut at the most tokens that they may have, and are no score. Allow more by --max-tokens, or look at \
         what the judge says.",
        it.model, row.answers
    ))
}

fn rubric(made: &Made) -> String {
    format!("{} ({})", shown(&made.rubric), short(&made.rubric_hash))
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// The first twelve digits of a hash.
fn short(hash: &str) -> &str {
    shown(hash.get(..12).unwrap_or(hash))
}

fn yes(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

/// Two decimals, rounded as Python does.
fn two(value: f64) -> String {
    format!("{:.2}", python_round(value, 2))
}

/// `4.20 [4.11, 4.29]`.
fn estimate(it: Option<Estimate>) -> String {
    match it {
        None => "-".to_owned(),
        Some(Estimate { value, interval: None }) => two(value),
        Some(Estimate { value, interval: Some([low, high]) }) => {
            format!("{} [{}, {}]", two(value), two(low), two(high))
        }
    }
}

#[cfg(test)]
mod tests;

//! Reads a judge's answer: the scores that are in it, or why there are none. No number is made up.

mod labels;
mod listed;
mod upstream;

pub use upstream::python_round;

use serde::{Deserialize, Serialize};

use operators::words::chat::reader::said;
use operators::words::chat::reader::scores::Scale;

use crate::{Ask, Benchmark, Form};

/// How answers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parser {
    /// What judges really write: lines, JSON, tables, prose; every score of the ask once, in its range.
    #[default]
    Default,
    /// By the rule of the benchmark's own scripts, with its mistakes, so that published numbers come out. See [`read`].
    Upstream,
}

impl Parser {
    /// As `--parser` takes it, and as tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Parser::Default => "default",
            Parser::Upstream => "upstream",
        }
    }
}

/// What was read of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// In the order of [`Ask::scores`]; by upstream's rule as many as it finds. Empty where the answer is unread.
    pub scores: Vec<f64>,
    /// Of upstream's rule: lines that name a score and are dropped without a word there, or that are taken and should not be, each with
    /// why.
    pub dropped: Vec<String>,
    /// Why there are no scores.
    pub unread: Option<String>,
    /// A later score is above the first, which the rubric forbids.
    pub breaks_rule: bool,
}

impl Read {
    fn unread(why: impl Into<String>) -> Read {
        Read { unread: Some(why.into()), ..Read::default() }
    }

    fn of(scores: Vec<f64>) -> Read {
        Read { scores, ..Read::default() }
    }
}

/// Reads an answer to one of the benchmark's asks.
///
/// [`Parser::Default`] takes away what the model thought, and reads the last JSON object that has all of the ask's scores; without
/// one, the labels wherever they stand, each followed by a number: in lines, lists, tables or prose. `4`, `4.`, `4.5`, `4/5`, `**4**`
/// and `4 (good)` are scores; `4-5` and `4/10` (on a scale of 5) are none. An answer is unread where a score is missing, out of range, or
/// said twice with two values.
///
/// [`Parser::Upstream`] is, by benchmark:
///
/// - ImgEdit (`step1_get_avgscore.py`, `get_average_score.py`): the text is cut by Python's `str.splitlines`, each line stripped by
///   `str.strip` and split at `": "`; where that makes exactly two parts and the second is digits (`str.isdigit`), it is a score. All such
///   lines count, whatever their label, however many, and beyond 1 to 5. A superscript is a digit there, and then `int` fails: the whole
///   script ends. Such a line is told as dropped, and not counted.
/// - GEdit (VIEScore's `mllm_output_to_dict`): the JSON between two `||V^=^V||`, or from the first brace to the last, its line breaks
///   taken away; else a list of two whole numbers, or one whole number of 0 to 10. Where upstream repairs JSON, asks again or draws a
///   number, the answer is unread here.
/// - KRIS (`metrics_common.py`, `metrics_knowledge.py`): the flat JSON object with the score's key, else the first digit of 1 to 5 after
///   the key, before `/ 5` or `out of 5`, or standing alone anywhere.
/// - RISE (`gpt_eval.py`): the whole numbers behind the first `Final Score` that has any.
/// - Complex-Edit is answered by schema there: a JSON object with whole numbers of 0 to 10, or unread.
pub fn read(benchmark: &Benchmark, ask: &Ask, answer: &str, parser: Parser) -> Read {
    let mut read = match parser {
        Parser::Default => by_default(ask, answer),
        Parser::Upstream => upstream::read(benchmark, ask, answer),
    };
    let first = read.scores.first().copied().unwrap_or(f64::INFINITY);
    read.breaks_rule = ask.first_bounds && read.scores.iter().any(|score| *score > first);
    read
}

fn by_default(ask: &Ask, answer: &str) -> Read {
    let said = match said(answer) {
        Ok(said) => said,
        Err(silence) => return Read::unread(silence.told()),
    };
    let scores = match ask.form {
        Form::List => listed::scores(ask, &said),
        Form::Labels => labels::scores(ask, &said),
    };
    match scores {
        Ok(scores) => Read::of(scores),
        Err(why) => Read::unread(why),
    }
}

fn scale(ask: &Ask) -> Scale {
    Scale { lowest: ask.range[0] as u32, highest: ask.range[1] as u32 }
}

/// A label as judges' spellings have it in common: small letters, one space between words, `and` for `&`.
fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace('&', " and ").replace(['_', '-'], " ");
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;

//! The files that ImgEdit's scripts write, byte for byte as Python's `json.dump` does: `result.json` of `basic_bench.py` (`indent=4`),
//! `average_score.json` of `step1_get_avgscore.py` and `typescore.json` of `step2_typescore.py` (`indent=2`); no line break at the end.
//!
//! Floats are added up one by one, as Python's `sum` does before 3.12. Later ones compensate for what is lost; where a type's mean lies on
//! half a hundredth, their last decimal may be another.

use std::fmt::Write;

use crate::definition::mean;
use crate::score::{Counting, score};
use crate::{Benchmark, Judged, Said, python_round};

/// The three files, of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamFiles {
    /// `{key: answer}`, or `{key: {"error": message}}` where there is none. (Upstream's next script ends at such an entry.)
    pub result: String,
    /// `{key: mean}`, rounded to two decimals; keys without a score are not in it.
    pub average_score: String,
    /// `{type: mean}` of those means, rounded again. In the order that types come.
    pub typescore: String,
}

impl UpstreamFiles {
    /// In the order of the items. By [`Parser::Upstream`](crate::Parser::Upstream) these are upstream's numbers; by the default parser
    /// they are ours in upstream's form. Each answer is that of the benchmark's first ask; items that the pass does not have are errors.
    pub fn of(benchmark: &Benchmark, judged: &[Judged], pass: u32, counting: Counting) -> UpstreamFiles {
        let (mut answers, mut averages) = (Vec::new(), Vec::new());
        let mut types: Vec<(String, Vec<f64>)> = Vec::new();
        for it in judged {
            answers.push((it.item.key.as_str(), answer(benchmark, it, pass)));
            let score = score(benchmark, it, counting).passes.get(&pass).copied().flatten();
            let Some(score) = score.map(|score| python_round(score, 2)) else { continue };
            averages.push((it.item.key.as_str(), score));
            if let Some(group) = it.item.groups.get(benchmark.dimension) {
                match types.iter_mut().find(|(name, _)| name == group) {
                    Some((_, scores)) => scores.push(score),
                    None => types.push((group.clone(), vec![score])),
                }
            }
        }
        let typed = types.iter().map(|(name, scores)| {
            (name.as_str(), number(python_round(mean(scores.iter().copied()).unwrap_or_default(), 2)))
        });
        UpstreamFiles {
            result: object(4, answers),
            average_score: object(2, averages.into_iter().map(|(key, score)| (key, number(score))).collect()),
            typescore: object(2, typed.collect()),
        }
    }
}

fn answer(benchmark: &Benchmark, judged: &Judged, pass: u32) -> String {
    let first = benchmark.asks.first().map_or("", |ask| ask.name);
    let answer = judged.answers.iter().find(|answer| answer.pass == pass && answer.ask == first);
    let error = |message: &str| format!("{{\n        \"error\": {}\n    }}", quoted(message));
    match (answer.map(|answer| &answer.said), &judged.lacks) {
        (Some(Said::Text(text)), _) => quoted(text),
        (Some(Said::Refused { class, message }), _) => error(&format!("{class}: {message}")),
        (None, Some(lacks)) => error(&format!("{}: {}", lacks.class, lacks.message)),
        (None, None) => error(&format!("it was not asked about in pass {pass}")),
    }
}

/// As Python writes a float: `1.0`, `3.67`.
fn number(value: f64) -> String {
    format!("{value:?}")
}

fn object(indent: usize, members: Vec<(&str, String)>) -> String {
    if members.is_empty() {
        return "{}".to_owned();
    }
    let member = |(key, value): (&str, String)| format!("{}{}: {value}", " ".repeat(indent), quoted(key));
    let members: Vec<String> = members.into_iter().map(member).collect();
    format!("{{\n{}\n}}", members.join(",\n"))
}

/// A text as `json.dump` writes it: all but printable ASCII escaped, what is beyond 16 bits as two.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            ' '..='~' => quoted.push(letter),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a text never fails.
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;

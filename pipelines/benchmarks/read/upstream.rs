//! The rules of the benchmarks' own scripts, with their mistakes. What they drop or take wrongly is told.

use serde_json::Value;

use super::{Read, plain};
use crate::{Ask, Benchmark, Script};

pub(super) fn read(benchmark: &Benchmark, ask: &Ask, answer: &str) -> Read {
    match benchmark.script {
        Script::ImgEdit => imgedit(ask, answer),
        Script::VieScore => viescore(ask, answer),
        Script::Kris => kris(ask, answer),
        Script::Rise => rise(ask, answer),
        Script::Schema => by_schema(ask, answer),
    }
}

/// ImgEdit's: lines of two parts, of which the second is digits.
fn imgedit(ask: &Ask, answer: &str) -> Read {
    let mut read = Read::default();
    let mut labels: Vec<String> = Vec::new();
    for line in splitlines(answer).map(strip) {
        let parts: Vec<&str> = line.split(": ").collect();
        let score = match parts.as_slice() {
            [_, digits] if is_digit(digits) => int(digits),
            _ => None,
        };
        let wrong = match (score, parts.as_slice()) {
            (Some(score), [label, _]) => {
                read.scores.push(score);
                let label = plain(label.trim_matches(|it: char| !it.is_alphabetic()));
                let wrong = taken_wrongly(ask, score, &label, &labels);
                labels.push(label);
                wrong
            }
            (None, [_, digits]) if is_digit(digits) => Some("is dropped: upstream's script ends there"),
            _ if names_a_score(ask, line) => Some("is dropped"),
            _ => None,
        };
        read.dropped.extend(wrong.map(|wrong| format!("{line:?} {wrong}")));
    }
    if read.scores.is_empty() {
        read.unread =
            Some("by upstream's rule no line has a score: it drops the answer without a word".into());
    } else if read.scores.len() != ask.scores.len() {
        let (found, wanted) = (read.scores.len(), ask.scores.len());
        read.dropped.push(format!("{found} scores are averaged, and {wanted} were asked for"));
    }
    read
}

fn taken_wrongly(ask: &Ask, score: f64, label: &str, before: &[String]) -> Option<&'static str> {
    if !(ask.range[0]..=ask.range[1]).contains(&score) {
        Some("is taken, out of range")
    } else if !ask.labels.iter().any(|names| names.contains(&label)) {
        Some("is taken, though its label is none of the rubric's")
    } else if before.iter().any(|it| it == label) {
        Some("is taken a second time")
    } else {
        None
    }
}

/// Whether a line has one of the labels, and a digit behind it.
fn names_a_score(ask: &Ask, line: &str) -> bool {
    let line = plain(line);
    let behind = |name: &&str| line.find(name).map(|at| &line[at + name.len()..]);
    ask.labels
        .iter()
        .copied()
        .flatten()
        .filter_map(behind)
        .any(|rest| rest.contains(|it: char| it.is_numeric()))
}

/// Python's `str.splitlines`: the pieces between any of its line breaks.
fn splitlines(text: &str) -> impl Iterator<Item = &str> {
    const BREAKS: [char; 10] =
        ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    // An empty piece more, as between `\r` and `\n`, has no score.
    text.split(BREAKS)
}

/// Python's `str.strip`: its blanks are Unicode's, and four separators of ASCII besides.
fn strip(text: &str) -> &str {
    text.trim_matches(|it: char| it.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&it))
}

/// Python's `str.isdigit`: not empty, and every sign has `Numeric_Type` of Decimal or Digit.
fn is_digit(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| decimal(it).is_some() || is_other_digit(it))
}

/// Python's `int` of digits; nothing where it fails, which superscripts do.
fn int(digits: &str) -> Option<f64> {
    digits.chars().try_fold(0.0, |sum, it| Some(sum * 10.0 + f64::from(decimal(it)?)))
}

/// The value of a decimal digit of any script: these stand in runs of ten (Unicode 16, `Nd`).
fn decimal(it: char) -> Option<u32> {
    const ZEROS: [u32; 71] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
        0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
        0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
        0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0,
        0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60,
        0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140,
    ];
    const MORE: [u32; 5] = [0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0];
    let code = u32::from(it);
    ZEROS.iter().chain(&MORE).find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))
}

/// Signs that `isdigit` takes and `int` does not: superscripts, subscripts, digits in circles.
fn is_other_digit(it: char) -> bool {
    matches!(u32::from(it),
        0xb2 | 0xb3 | 0xb9 | 0x1369..=0x1371 | 0x19da | 0x2070 | 0x2074..=0x2079 | 0x2080..=0x2089
        | 0x2460..=0x2468 | 0x2474..=0x247c | 0x2488..=0x2490 | 0x24ea | 0x24f5..=0x24fd | 0x24ff
        | 0x2776..=0x277e | 0x2780..=0x2788 | 0x278a..=0x2792 | 0x10a40..=0x10a43 | 0x10e60..=0x10e68
        | 0x11052..=0x1105a | 0x1f100..=0x1f10a)
}

/// Python's `round(value, digits)`: the nearest decimal of the exact binary value, half to even.
pub fn python_round(value: f64, digits: usize) -> f64 {
    format!("{value:.digits$}").parse().unwrap_or(value)
}

/// VIEScore's, without what it repairs, asks again and draws.
fn viescore(ask: &Ask, answer: &str) -> Read {
    const MARK: &str = "||V^=^V||";
    let json = match answer.matches(MARK).count() {
        2 => answer.split(MARK).nth(1).map(str::trim),
        _ => answer
            .find('{')
            .zip(answer.rfind('}'))
            .filter(|(open, close)| open <= close)
            .map(|(open, close)| answer[open..=close].trim()),
    };
    let Some(json) = json else {
        return viescore_list(answer);
    };
    let value = serde_json::from_str::<Value>(&json.replace('\n', ""));
    let score = value.ok().and_then(|value| value.get("score").cloned());
    let numbers = match score {
        Some(Value::Array(items)) => items.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>(),
        Some(other) => other.as_f64().map(|score| vec![score]),
        None => None,
    };
    match numbers.filter(|numbers| !numbers.is_empty()) {
        Some(numbers) => {
            let mut read = Read::of(numbers);
            let outside = |score: &&f64| !(ask.range[0]..=ask.range[1]).contains(*score);
            let wrong =
                read.scores.iter().filter(outside).map(|score| format!("{score} is taken, out of range"));
            read.dropped = wrong.collect();
            if read.scores.len() != ask.scores.len() {
                read.dropped.push(format!(
                    "the lowest of {} scores is taken, and {} were asked for",
                    read.scores.len(),
                    ask.scores.len()
                ));
            }
            read
        }
        None => Read::unread("upstream asks again, and then draws a number at random: nothing is taken here"),
    }
}

fn viescore_list(answer: &str) -> Read {
    let list = answer.find('[').zip(answer.rfind(']')).filter(|(open, close)| open < close);
    if let Some((open, close)) = list {
        let parts: Vec<&str> = answer[open + 1..close].split(',').collect();
        if let [first, second] = parts.as_slice() {
            let second = second.strip_prefix(' ').unwrap_or(second);
            if is_digit(first)
                && is_digit(second)
                && let (Some(first), Some(second)) = (int(first), int(second))
            {
                return Read::of(vec![first, second]);
            }
        }
    }
    match strip(answer).parse::<i64>() {
        Ok(score @ 0..=10) => Read::of(vec![score as f64]),
        _ => Read::unread("upstream asks again, and then draws a number at random: nothing is taken here"),
    }
}

/// KRIS's: JSON's key, else a digit of 1 to 5 in ever wider patterns.
fn kris(ask: &Ask, answer: &str) -> Read {
    let several = ask.labels.len() > 1;
    let mut scores = Vec::new();
    let flat = flat_object(answer, &key(ask, 0));
    for at in 0..ask.labels.len() {
        let key = key(ask, at);
        let by_json = flat.as_ref().map(|object| object.get(&key).and_then(whole));
        // With two scores the object decides alone; with one a `null` falls through to the patterns.
        let found = match by_json {
            Some(score) if several => score,
            Some(Some(score)) => Some(score),
            _ => after_key(answer, &key).or_else(|| (!several).then(|| anywhere(answer)).flatten()),
        };
        match found {
            Some(score) => scores.push(score),
            None => {
                return Read::unread(format!("by upstream's rule {key} is null: it is asked again there"));
            }
        }
    }
    let mut read = Read::of(scores);
    let outside = |score: &&f64| !(1.0..=5.0).contains(*score);
    read.dropped =
        read.scores.iter().filter(outside).map(|it| format!("{it} is taken, out of range")).collect();
    read
}

fn key(ask: &Ask, at: usize) -> String {
    ask.labels[at][0].replace(' ', "_")
}

/// The first `{…}` without braces in it that has the key, if it is JSON.
fn flat_object(answer: &str, key: &str) -> Option<serde_json::Map<String, Value>> {
    let flat = answer.match_indices('{').find_map(|(at, _)| {
        let end = answer[at + 1..].find(['{', '}'])? + at + 1;
        let text = &answer[at..=end];
        (text.ends_with('}') && text.contains(key)).then_some(text)
    })?;
    serde_json::from_str(flat).ok()
}

/// Python's `int` of a JSON value.
fn whole(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().map(f64::trunc),
        Value::String(text) => strip(text).parse::<i64>().ok().map(|score| score as f64),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        _ => None,
    }
}

/// `consistency_score: 4`, in any case, with blanks or nothing for `_`, and a wide colon.
fn after_key(answer: &str, key: &str) -> Option<f64> {
    let text = answer.to_ascii_lowercase();
    let (head, tail) = key.split_once('_')?;
    text.match_indices(head).find_map(|(at, _)| {
        let rest = text[at + head.len()..].trim_start_matches(|it: char| it == '_' || it.is_whitespace());
        let rest = rest.strip_prefix(tail)?.trim_start().strip_prefix([':', '\u{ff1a}'])?.trim_start();
        one_to_five(rest)
    })
}

fn one_to_five(text: &str) -> Option<f64> {
    text.chars().next().filter(|it| ('1'..='5').contains(it)).and_then(|it| it.to_digit(10)).map(f64::from)
}

/// `4 / 5`, `4 out of 5`, or a digit that no letter or digit touches.
fn anywhere(answer: &str) -> Option<f64> {
    let digits = || answer.char_indices().filter(|(_, it)| ('1'..='5').contains(it));
    let word = |it: char| it.is_alphanumeric() || it == '_';
    let slash =
        |rest: &str| rest.trim_start().strip_prefix('/').is_some_and(|it| it.trim_start().starts_with('5'));
    let out_of = |rest: &str| {
        let rest = rest.to_ascii_lowercase();
        let words: Vec<&str> = rest.split_whitespace().take(3).collect();
        rest.starts_with(char::is_whitespace)
            && words[..2.min(words.len())] == ["out", "of"]
            && words.get(2).is_some_and(|it| it.starts_with('5'))
    };
    let alone = |at: usize, rest: &str| !answer[..at].ends_with(word) && !rest.starts_with(word);
    let first = |fits: &dyn Fn(usize, &str) -> bool| {
        digits()
            .find(|(at, _)| fits(*at, &answer[at + 1..]))
            .and_then(|(_, it)| it.to_digit(10))
            .map(f64::from)
    };
    first(&|_, rest| slash(rest)).or_else(|| first(&|_, rest| out_of(rest))).or_else(|| first(&alone))
}

/// RISE's: whole numbers behind the first `Final Score` that has any.
fn rise(ask: &Ask, answer: &str) -> Read {
    const NAME: &str = "final score";
    let text = answer.to_ascii_lowercase();
    for plural in ["", "s"] {
        let name = format!("{NAME}{plural}");
        for (at, _) in text.match_indices(&name) {
            let rest = &text[at + name.len()..];
            let rest = rest.strip_prefix('*').unwrap_or(rest);
            let rest = rest.strip_prefix('*').unwrap_or(rest);
            let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
            let end = rest.find(|it: char| !(it.is_ascii_digit() || "*,".contains(it) || it.is_whitespace()));
            let numbers = rest[..end.unwrap_or(rest.len())].split(|it: char| !it.is_ascii_digit());
            let scores: Vec<f64> = numbers.filter_map(|it| it.parse().ok()).collect();
            if !scores.is_empty() {
                let mut read = Read::of(scores);
                let outside = |score: &&f64| !(ask.range[0]..=ask.range[1]).contains(*score);
                read.dropped = read
                    .scores
                    .iter()
                    .filter(outside)
                    .map(|it| format!("{it} is taken, out of range"))
                    .collect();
                if read.scores.len() > 1 {
                    read.dropped.push(format!(
                        "{} numbers are taken as scores, and one was asked for",
                        read.scores.len()
                    ));
                }
                return read;
            }
        }
    }
    Read::unread("by upstream's rule there is no `Final Score`: its row is marked failed there")
}

/// Complex-Edit's: an object by schema, whole numbers as texts or as numbers.
fn by_schema(ask: &Ask, answer: &str) -> Read {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(answer) else {
        return Read::unread("by upstream's schema the answer is one JSON object");
    };
    let score = |at: usize| {
        let value = object.get(&key(ask, at))?;
        whole(value).filter(|score| (ask.range[0]..=ask.range[1]).contains(score))
    };
    match (0..ask.labels.len()).map(score).collect::<Option<Vec<f64>>>() {
        Some(scores) => Read::of(scores),
        None => Read::unread("by upstream's schema every score is a whole number of 0 to 10"),
    }
}

/// The value of what `isdigit` takes: -1 of what `int` fails on.
#[cfg(test)]
pub(super) fn digit_value(it: char) -> Option<i64> {
    decimal(it).map(i64::from).or(is_other_digit(it).then_some(-1))
}

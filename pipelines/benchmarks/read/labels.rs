//! Scores under labels: as keys of a JSON object, or wherever a text names a label and a number behind it.

use serde_json::{Map, Value};

use operators::words::chat::reader::objects::{Shape, object_in, opens_an_object};
use operators::words::chat::reader::scores::number_on;

use super::{plain, scale};
use crate::Ask;

/// What may stand between a label and its score, besides signs.
const BETWEEN: [&str; 20] = [
    "score", "scores", "scored", "rating", "rated", "is", "was", "of", "at", "gets", "got", "receives",
    "earns", "a", "an", "the", "grade", "value", "为", "是",
];
const SIGNS: [char; 21] = [
    ':', '\u{ff1a}', '=', '-', '\u{2013}', '\u{2014}', '|', '*', '_', '`', '"', '\'', ' ', '\t', '\u{3000}',
    '>', '\u{2192}', '#', '~', '\u{201c}', '\u{201d}',
];
const BRACKETS: [char; 3] = ['[', '{', '\u{3010}'];

/// What was found for each score, each value once.
struct Found<'a> {
    ask: &'a Ask,
    values: Vec<Vec<f64>>,
    /// Why a number behind a label within a sentence is none, of each label. It counts where the label has no score elsewhere.
    wrong: Vec<Option<String>>,
}

impl<'a> Found<'a> {
    fn new(ask: &'a Ask) -> Self {
        Found { ask, values: vec![Vec::new(); ask.labels.len()], wrong: vec![None; ask.labels.len()] }
    }

    fn take(&mut self, label: usize, value: f64) {
        if !self.values[label].contains(&value) {
            self.values[label].push(value);
        }
    }

    /// One value for each, or why not.
    fn scores(self) -> Result<Vec<f64>, String> {
        let name = |at: usize| self.ask.labels[at][0];
        let mut scores = Vec::new();
        for (at, values) in self.values.iter().enumerate() {
            match values.as_slice() {
                [score] => scores.push(*score),
                [] => {
                    let wrong = self.wrong[at].clone();
                    return Err(wrong.unwrap_or_else(|| format!("{:?} has no score in it", name(at))));
                }
                several => return Err(format!("{:?} has several scores, {several:?}", name(at))),
            }
        }
        Ok(scores)
    }
}

pub(super) fn scores(ask: &Ask, said: &str) -> Result<Vec<f64>, String> {
    let wanted: Vec<Vec<String>> = ask.labels.iter().map(|names| spellings(names)).collect();
    let names: Vec<Vec<&str>> =
        wanted.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
    let shape: Vec<&[&str]> = names.iter().map(Vec::as_slice).collect();
    match object_in(said, Shape { wanted: &shape }) {
        Ok(object) if opens_an_object(said) => of_object(ask, &object),
        Err(why) if opens_an_object(said) => Err(why),
        _ => of_text(ask, said),
    }
}

/// A label as a key of JSON may have it.
fn spellings(names: &[&str]) -> Vec<String> {
    let of = |name: &&str| {
        let signed = name.replace(" and ", " & ");
        let short = name.strip_suffix(" score").unwrap_or(name).to_owned();
        let mut all = vec![(*name).to_owned(), signed];
        all.push(format!("{short} score"));
        let under: Vec<String> = all.iter().map(|it| it.replace(' ', "_")).collect();
        let joined: Vec<String> = all.iter().map(|it| it.replace(' ', "")).collect();
        let dashed: Vec<String> = all.iter().map(|it| it.replace(' ', "-")).collect();
        all.extend(under.into_iter().chain(joined).chain(dashed));
        all
    };
    let mut all: Vec<String> = names.iter().flat_map(of).collect();
    all.sort();
    all.dedup();
    all
}

fn of_object(ask: &Ask, object: &Map<String, Value>) -> Result<Vec<f64>, String> {
    let mut found = Found::new(ask);
    for (key, value) in object {
        let Some(label) = label_of(ask, key) else { continue };
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            // `{"Prompt Compliance": {"score": 4, "reason": "…"}}`
            Value::Object(inner) => match inner.get("score").or(inner.get("Score")).or(inner.get("value")) {
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::String(text)) => text.clone(),
                _ => return Err(no_score(ask, label, &value.to_string())),
            },
            Value::Null | Value::Array(_) => return Err(no_score(ask, label, &value.to_string())),
        };
        let score = score(ask, &text).ok_or_else(|| no_score(ask, label, &text))?;
        found.take(label, score);
    }
    found.scores()
}

fn no_score(ask: &Ask, label: usize, given: &str) -> String {
    let [lowest, highest] = ask.range;
    let given: String = given.chars().take(40).collect();
    format!("{:?} must be a number from {lowest} to {highest}, not {:?}", ask.labels[label][0], given.trim())
}

/// The score whose label this is, with `score` behind it or not.
fn label_of(ask: &Ask, name: &str) -> Option<usize> {
    let name = plain(name.split(['(', '\u{ff08}']).next().unwrap_or_default());
    let name = name.trim_matches(|letter: char| !letter.is_alphabetic()).trim();
    let bare = |name: &str| name.replace(' ', "");
    let same = |known: &str| {
        let without = |name: &str| {
            let short = name.strip_suffix(" score").or(name.strip_suffix(" rating")).unwrap_or(name);
            bare(short)
        };
        bare(known) == bare(name) || without(known) == without(name)
    };
    ask.labels.iter().position(|names| names.iter().any(|known| same(known)))
}

/// The score that a text opens with. Where a score is 0 or 1, also `yes` and `no`.
fn score(ask: &Ask, text: &str) -> Option<f64> {
    if ask.range == [0.0, 1.0] {
        let word: String = text.trim().to_lowercase().chars().take_while(|it| it.is_alphanumeric()).collect();
        match word.as_str() {
            "yes" | "true" | "是" => return Some(1.0),
            "no" | "false" | "否" => return Some(0.0),
            _ => {}
        }
    }
    // `4, 5` are two.
    let behind = text.trim_start_matches(|it: char| it.is_numeric() || it == '.').trim_start();
    let another = behind.strip_prefix([',', ';', '\u{ff0c}', '\u{ff1b}', '\u{3001}']);
    if another.is_some_and(|it| it.trim_start().starts_with(char::is_numeric)) {
        return None;
    }
    number_on(scale(ask), text)
}

/// Scores of a text that is no JSON.
fn of_text(ask: &Ask, said: &str) -> Result<Vec<f64>, String> {
    let mut found = Found::new(ask);
    if ask.labels.len() == 1
        && let Some(score) = score(ask, said.trim())
    {
        // The number alone, as it was asked for.
        found.take(0, score);
    }
    let lines: Vec<&str> = said.lines().collect();
    let mut header: Option<Vec<Option<usize>>> = None;
    for (at, line) in lines.iter().enumerate() {
        let cells = cells(line);
        // A table whose head has the labels: the numbers stand below.
        if let (Some(labels), Some(cells)) = (&header, &cells) {
            if cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|it| "-: ".contains(it))) {
                continue;
            }
            if cells.len() == labels.len() {
                for (label, cell) in labels.iter().zip(cells) {
                    let Some(label) = *label else { continue };
                    let value = score(ask, cell).ok_or_else(|| no_score(ask, label, cell))?;
                    found.take(label, value);
                }
                continue;
            }
        }
        header = cells
            .filter(|cells| cells.iter().filter(|cell| label_of(ask, cell).is_some()).count() > 1)
            .map(|cells| cells.iter().map(|cell| label_of(ask, cell)).collect());
        let row = cells_of_row(ask, line);
        if let Some((label, cell)) = row {
            let value = score(ask, cell).ok_or_else(|| no_score(ask, label, cell))?;
            found.take(label, value);
        } else if header.is_none() {
            of_line(&mut found, line, &lines[at + 1..])?;
        }
    }
    found.scores()
}

/// The cells of a row of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.trim().strip_prefix('|')?;
    let row = row.strip_suffix('|').unwrap_or(row);
    row.contains('|').then(|| row.split('|').map(|cell| cell.trim().trim_matches('*').trim()).collect())
}

/// A row of a table that has a label and a number beside it: `| Prompt Compliance | 4 | … |`.
fn cells_of_row<'a>(ask: &Ask, line: &'a str) -> Option<(usize, &'a str)> {
    let cells = cells(line)?;
    let label = label_of(ask, cells[0])?;
    let number = cells[1..].iter().find(|cell| cell.starts_with(char::is_numeric))?;
    Some((label, number))
}

/// Every label in a line, and the number behind it; where the line ends with the label, the number may open the next.
fn of_line(found: &mut Found<'_>, line: &str, below: &[&str]) -> Result<(), String> {
    let ask = found.ask;
    for (at, (label, behind)) in labels_in(ask, line).into_iter().enumerate() {
        // Behind marks and numbers of lists.
        let leads = at == 0 && leads(ask, line);
        let rest = past_between(behind);
        let next = || below.iter().map(|line| line.trim()).find(|line| !line.is_empty()).unwrap_or_default();
        let text = if rest.is_empty() { past_between(next()) } else { rest };
        let yes = ask.range == [0.0, 1.0] && score(ask, text).is_some();
        if !yes && !text.starts_with(|it: char| it.is_numeric() || it == '\u{2605}') && !negative(behind) {
            // The label is spoken of, or a rubric is repeated: `a number from 1 to 5`.
            continue;
        }
        // What is said of the next label is no remark on this one.
        let text = labels_in(ask, text).first().map_or(text, |(_, next)| before(ask, text, next));
        match score(ask, text).filter(|_| !negative(behind)) {
            Some(score) => found.take(label, score),
            // `the score 2 people gave`: a label is spoken of.
            None if !rest.is_empty() && !is_told(&behind[..behind.len() - rest.len()]) => {}
            None if leads => return Err(no_score(ask, label, text)),
            None => found.wrong[label] = Some(no_score(ask, label, text)),
        }
    }
    Ok(())
}

/// Whether a label stands at the beginning of a line, behind marks and numbers of lists.
fn leads(ask: &Ask, line: &str) -> bool {
    let begins = line.trim_start_matches(|it: char| !it.is_alphabetic());
    names_at(ask, begins).is_some()
}

/// Whether what stands between a label and a number says that it is its score.
fn is_told(between: &str) -> bool {
    let between = between.to_lowercase();
    between.contains([':', '\u{ff1a}', '=', '|', '\u{2192}', '-', '\u{2013}', '\u{2014}'])
        || between.split_whitespace().any(|word| BETWEEN.contains(&word) && word != "of" && word != "the")
}

/// What stands before the label that `next` follows, without what joins the two.
fn before<'a>(ask: &Ask, text: &'a str, next: &str) -> &'a str {
    let end = text.len() - next.len();
    let start = (0..end).filter(|at| text.is_char_boundary(*at)).find(|at| {
        let (_, rest) = text.split_at(*at);
        names_at(ask, rest).is_some_and(|(_, length)| at + length == end)
    });
    let before = text[..start.unwrap_or(end)].trim_end();
    // `2.` of a list on one line.
    let bare = before.trim_end_matches(['.', ')']).trim_end_matches(|it: char| it.is_ascii_digit());
    let listed =
        bare.len() + 1 < before.len() && before.ends_with(['.', ')']) && bare.ends_with([' ', ',', ';', '(']);
    let before = if listed { bare.trim_end() } else { before };
    let joined =
        |it: char| ",;|/\u{ff0c}\u{ff1b}\u{3001}*_-\u{2013}\u{2014}&(".contains(it) || it.is_whitespace();
    let before = before.strip_suffix(" and").unwrap_or(before).trim_end_matches(joined);
    before.strip_suffix(" and").unwrap_or(before)
}

/// A sign directly before the digits, `: -3`, makes another number.
fn negative(behind: &str) -> bool {
    let rest = behind.trim_start_matches(['*', '_', ' ', ':', '\u{ff1a}', '=']);
    let digit = |text: &str| text.starts_with(|it: char| it.is_ascii_digit());
    let spaced = behind.trim_start_matches(['*', '_', ' ']).starts_with([':', '\u{ff1a}', '=']);
    spaced && rest.strip_prefix(['-', '\u{2212}']).is_some_and(digit)
}

/// Behind what may stand between a label and its score.
fn past_between(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(SIGNS);
        // `(1-5)`, `[out of 5]`: a remark of the label's.
        let enclosed =
            [('(', ')'), ('\u{ff08}', '\u{ff09}'), ('[', ']')].into_iter().find_map(|(open, close)| {
                let (scale, after) = rest.strip_prefix(open)?.split_once(close)?;
                let is_scale = scale.contains(|it: char| it.is_alphabetic() || "-\u{2013}~/".contains(it));
                let number = after.trim_start_matches(SIGNS).starts_with(|it: char| it.is_numeric());
                (is_scale && number).then_some(after)
            });
        if let Some(after) = enclosed {
            rest = after;
            continue;
        }
        rest = rest.trim_start_matches(BRACKETS).trim_start_matches(SIGNS);
        let word = BETWEEN.iter().find(|word| {
            let head = rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
            let ends = |it: char| it.is_alphabetic() && it.is_ascii();
            head && !(word.is_ascii() && rest[word.len()..].starts_with(ends))
        });
        match word {
            Some(word) => rest = &rest[word.len()..],
            None => {
                return rest
                    .strip_prefix(['(', '\u{ff08}'])
                    .filter(|it| it.starts_with(char::is_numeric))
                    .unwrap_or(rest);
            }
        }
    }
}

/// Labels in a line, in order, each with what stands behind it. Of two that begin at one place the longer counts.
fn labels_in<'a>(ask: &Ask, line: &'a str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        let letter = |it: char| it.is_alphanumeric() && it.is_ascii();
        let begins = !line[..at].ends_with(letter);
        match names_at(ask, rest).filter(|_| begins) {
            Some((label, length)) => {
                found.push((label, &rest[length..]));
                at += length;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    found
}

/// The label that a text opens with, and its length there.
fn names_at(ask: &Ask, text: &str) -> Option<(usize, usize)> {
    let all =
        ask.labels.iter().enumerate().flat_map(|(label, names)| names.iter().map(move |name| (label, *name)));
    all.filter_map(|(label, name)| Some((label, length_of(name, text)?))).max_by_key(|(_, length)| *length)
}

/// How long a label is as a text opens with it: in any case, with `&` for `and`, and `_`, `-` or several blanks for one.
fn length_of(name: &str, text: &str) -> Option<usize> {
    let mut rest = text;
    let mut words = name.split(' ').peekable();
    while let Some(word) = words.next() {
        let spelled = rest.get(..word.len()).is_some_and(|head| head.to_lowercase() == word);
        rest = match (word, spelled) {
            (_, true) => &rest[word.len()..],
            ("and", false) => rest.strip_prefix('&')?,
            _ => return None,
        };
        if words.peek().is_some() {
            let next = rest.trim_start_matches([' ', '_', '-', '\t']);
            if next.len() == rest.len() && word != "and" && words.peek() != Some(&"and") {
                return None;
            }
            rest = next;
        }
    }
    let goes_on = |it: char| it.is_alphanumeric() && it.is_ascii();
    (!rest.starts_with(goes_on)).then_some(text.len() - rest.len())
}

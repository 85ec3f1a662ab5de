//! Scores in lines, `Prompt Compliance: 5`, as judges write them that were trained to, whatever they are asked for; and the number
//! that a text means, wherever it stands.

use std::collections::BTreeSet;

/// A label that a line may have, under any of its names: small letters, `and` for `&`.
#[derive(Clone, Copy)]
pub(in crate::words::chat) struct Label<'a> {
    pub names: &'a [&'a str],
    /// Whether what follows is words, which may hold commas and other labels.
    pub prose: bool,
}

/// What the lines of a text say, by label: each value once, in order. Marks of lists, tables and bold letters don't matter.
pub(in crate::words::chat) fn labelled(said: &str, labels: &[Label<'_>]) -> Vec<Vec<String>> {
    let mut values: Vec<Vec<String>> = vec![Vec::new(); labels.len()];
    let mut waiting: Option<usize> = None;
    for line in said.lines().map(str::trim) {
        let mut put = |label: usize, value: &str| {
            let value = bare(value);
            if !value.is_empty() && !values[label].iter().any(|known| *known == value) {
                values[label].push(value.to_owned());
            }
            value.is_empty()
        };
        let pieces = pieces(line, labels);
        // A score may stand below its label; a list may too.
        let alone = |letter: char| letter.is_ascii_digit() || "./ *_`".contains(letter);
        if let Some(label) = waiting.filter(|_| line.chars().all(alone)) {
            put(label, line);
        }
        if !line.is_empty() {
            waiting = None;
        }
        for (label, value) in pieces {
            waiting = put(label, value).then_some(label);
        }
    }
    values
}

/// The labels of a line, and what stands behind each.
fn pieces<'a>(line: &'a str, labels: &[Label<'_>]) -> Vec<(usize, &'a str)> {
    if let Some(row) = line.strip_prefix('|').filter(|row| row.contains('|')) {
        let mut cells = row.split('|');
        let label = cells.next().and_then(|name| label_of(name, labels));
        return label.zip(cells.next()).into_iter().collect();
    }
    let Some((label, mut rest)) = labelled_at_start(line, labels) else { return Vec::new() };
    let mut found = Vec::new();
    let mut label = label;
    // `follows: 4, natural: 5` on one line.
    while !labels[label].prose {
        let next =
            rest.match_indices([',', ';', '|', '\u{ff0c}', '\u{ff1b}', '\u{3001}']).find_map(|(at, sign)| {
                let (next, after) = labelled_at_start(&rest[at + sign.len()..], labels)?;
                Some((at, next, after))
            });
        let Some((at, next, after)) = next else { break };
        found.push((label, &rest[..at]));
        (label, rest) = (next, after);
    }
    found.push((label, rest));
    found
}

fn labelled_at_start<'a>(text: &'a str, labels: &[Label<'_>]) -> Option<(usize, &'a str)> {
    let (name, value) = text.split_once([':', '=', '\u{ff1a}'])?;
    Some((label_of(name, labels)?, value))
}

fn label_of(name: &str, labels: &[Label<'_>]) -> Option<usize> {
    let name = name.to_lowercase().replace('&', " and ");
    // `3. Physical & Detail Integrity (1-5) score`
    let name = name.split(['(', '\u{ff08}']).next().unwrap_or_default();
    let name = name.trim_matches(|letter: char| !letter.is_alphabetic());
    let words: Vec<&str> = name
        .split(|letter: char| letter.is_whitespace() || letter == '_')
        .filter(|word| !word.is_empty())
        .collect();
    let words = match words.as_slice() {
        [words @ .., "score" | "rating"] if !words.is_empty() => words,
        words => words,
    };
    let name = words.join(" ");
    labels.iter().position(|label| label.names.contains(&name.as_str()))
}

/// A value without marks around it.
fn bare(value: &str) -> &str {
    value.trim().trim_matches(['*', '_', '`', ' ', '|']).trim()
}

/// With the narrow forms of digits and signs that Chinese and Japanese models write wide.
fn narrow(text: &str) -> String {
    let narrow = |letter: char| match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        '\u{3000}' => ' ',
        other => other,
    };
    text.chars().map(narrow).collect()
}

/// The scale that a score stands on. Its highest is what people write behind a slash: `4/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    pub lowest: u32,
    pub highest: u32,
}

impl Scale {
    /// Of ImgEdit's rubrics.
    pub const ONE_TO_FIVE: Scale = Scale { lowest: 1, highest: 5 };

    fn holds(self, score: f64) -> bool {
        (f64::from(self.lowest)..=f64::from(self.highest)).contains(&score)
    }
}

/// The score from 1 to 5 that a text opens with: [`number_on`].
pub(in crate::words::chat) fn number(text: &str) -> Option<f64> {
    number_on(Scale::ONE_TO_FIVE, text)
}

/// The score that a text opens with, and that nothing makes another: `4`, `4.5`, `4.`, `4/5`, `4 out of 5`, `3 (acceptable)`, `{5}`,
/// `4 - good`. Not `4-5`, `4 to 5`, `4/10`, nor `4,5`, of which the meaning depends on the country; all this on a scale of 1 to 5.
pub fn number_on(scale: Scale, text: &str) -> Option<f64> {
    let text = narrow(text);
    let text = text.trim_start_matches(['*', '_', '`', '"', '\'', '(', '[', '{', ' ', '\u{2605}']);
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let score: f64 = digits.trim_end_matches('.').parse().ok().filter(|score| scale.holds(*score))?;
    let rest = rest.trim_start_matches(['*', '_', '`', '"', '\'', ')', ']', '}']);
    let rest = of_scale(scale, rest.trim_start()).unwrap_or(rest);
    is_a_remark(scale, rest, digits.ends_with('.')).then_some(score)
}

/// What follows the scale's highest, where it is told.
fn of_scale(scale: Scale, rest: &str) -> Option<&str> {
    let after = |sign: &str| {
        let (head, rest) = rest.split_at_checked(sign.len())?;
        head.eq_ignore_ascii_case(sign).then(|| rest.trim_start())
    };
    let highest = scale.highest.to_string();
    let rest = ["/", "out of", "of"].into_iter().find_map(after)?.strip_prefix(highest.as_str())?;
    let digit = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit());
    let goes_on = digit(rest) || rest.strip_prefix('.').is_some_and(digit);
    (!goes_on).then_some(rest)
}

/// Whether a text tells of another scale.
fn has_another_scale(scale: Scale, text: &str) -> bool {
    let text = text.to_lowercase();
    ["/", "out of"].iter().flat_map(|sign| text.split(sign).skip(1)).any(|after| {
        let after = after.trim_start();
        let digits = after.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
        !digits.is_empty() && digits != scale.highest.to_string()
    })
}

/// Whether what stands behind a score leaves it as it is.
fn is_a_remark(scale: Scale, rest: &str, sentence: bool) -> bool {
    const UNITS: [&str; 8] =
        ["points", "point", "stars", "star", "\u{5206}", "\u{70b9}", "\u{661f}", "\u{2605}"];
    const REASONS: [&str; 3] = ["because ", "since ", "as "];
    let close = rest.trim_start_matches(['*', '_', '`', '"', '\'', ')', ']', '}', '.']);
    let rest = close.trim_start();
    let digit = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit());
    if has_another_scale(scale, rest) {
        return false;
    }
    if rest.is_empty() || REASONS.iter().any(|reason| rest.starts_with(reason)) {
        return true;
    }
    if let Some(after) = UNITS.iter().find_map(|unit| rest.strip_prefix(unit)) {
        return is_a_remark(scale, of_scale(scale, after.trim_start()).unwrap_or(after), false);
    }
    // A comma or a colon directly before a digit is part of a number, or of a ratio.
    if let Some(after) = close.strip_prefix([',', ':', ';']) {
        return !digit(after);
    }
    if rest.starts_with(['(', '[', ',', ';', ':', '\u{2b50}', '#', '\u{3002}', '!']) {
        return true;
    }
    // A remark after a dash is one, a range is none.
    if let Some(after) = rest.strip_prefix(['-', '\u{2013}', '\u{2014}']) {
        return after.trim_start().starts_with(|letter: char| letter.is_alphabetic() || letter == '(');
    }
    // `4. The dog is gone`
    sentence && rest.starts_with(char::is_alphabetic) && rest.len() < close.len()
}

/// The one score that a label's values come to. Values that open with a word are no scores and say nothing, such as a rubric that
/// is repeated, `a number from 1 to 5`. The error says what is there instead.
pub(in crate::words::chat) fn only_score(name: &str, values: &[String]) -> Result<f64, String> {
    let mut scores = BTreeSet::new();
    for value in values.iter().filter(|value| !value.starts_with(char::is_alphabetic)) {
        let score = number(value).ok_or_else(|| no_score(name, &format!("{value:?}")))?;
        scores.insert(score.to_bits());
    }
    match scores.iter().collect::<Vec<_>>().as_slice() {
        [score] => Ok(f64::from_bits(**score)),
        [] => Err(format!("the key {name:?} is missing")),
        _ => Err(format!("{name:?} has several scores, {}", values.join(" and "))),
    }
}

pub(in crate::words::chat) fn no_score(name: &str, given: &str) -> String {
    format!("{name:?} must be a number from 1 to 5, not {given}")
}

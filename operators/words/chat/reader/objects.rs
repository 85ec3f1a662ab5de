//! JSON out of what a model said: the last complete object that has the wanted shape. Drafts before it are passed over, and so is
//! what stands around it: words, fences, a list, another object.

use serde_json::{Map, Value};

use super::control::without_control_tokens;
use super::repair;

/// Openings that may be looked at. More of them are no answer, and looking at each costs the whole text.
const MOST_OPENINGS: usize = 200;

/// The things that an object must have, each under one of its names.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    pub wanted: &'a [&'a [&'a str]],
}

impl Shape<'_> {
    /// How many of the things it has.
    fn held(&self, object: &Map<String, Value>) -> usize {
        let has = |names: &&&[&str]| names.iter().any(|name| get(object, name).is_some());
        self.wanted.iter().filter(has).count()
    }

    fn fits(&self, object: &Map<String, Value>) -> bool {
        self.held(object) == self.wanted.len()
    }

    /// Whether one of the things is a key in a text.
    fn is_told_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let is_key = |name: &&&str| {
            let name = name.to_lowercase();
            let mut places = text.match_indices(name.as_str());
            places
                .any(|(at, _)| text[at + name.len()..].trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        };
        self.wanted.iter().flat_map(|names| names.iter()).any(|name| is_key(&name))
    }
}

/// An object in a text, where it begins and where it ends.
struct Written {
    start: usize,
    end: usize,
    value: Value,
}

/// The object that a text means. Where none has the shape, the last that has most of it, so that it can be said what is missing.
/// The error is a sentence for the model.
pub fn object_in(said: &str, shape: Shape<'_>) -> Result<Map<String, Value>, String> {
    let (written, wrong) = written(said)?;
    for (number, Written { end, value, .. }) in written.iter().enumerate().rev() {
        let mut fitting = Vec::new();
        fitting_in(value, shape, &mut fitting);
        let Some(object) = fitting.first().copied() else { continue };
        // A list of several.
        for at in (1..=number).rev() {
            let [before, behind] = [&written[at - 1], &written[at]];
            if said[before.end..behind.start].trim() != "," {
                break;
            }
            fitting_in(&before.value, shape, &mut fitting);
        }
        if fitting.iter().any(|other| *other != object) {
            return Err("it has several objects side by side, and they differ".to_owned());
        }
        let rest = &said[*end..];
        return match rest.find('{').filter(|at| shape.is_told_in(&rest[*at..])) {
            // What follows was to take its place.
            Some(_) => Err(format!(
                "it is not valid JSON: {}",
                wrong.unwrap_or_else(|| "it ends within an object".into())
            )),
            None => Ok(object.clone()),
        };
    }
    let objects = || written.iter().filter_map(|written| written.value.as_object());
    let most = objects().max_by_key(|object| shape.held(object));
    match (most, wrong) {
        (Some(object), None) => Ok(object.clone()),
        (Some(object), Some(_)) if shape.held(object) > 0 => Ok(object.clone()),
        (_, Some(wrong)) => Err(format!("it is not valid JSON: {wrong}")),
        (None, None) => Err("there is no JSON object in it".to_owned()),
    }
}

/// Whether a text looks as if an object was meant.
pub fn opens_an_object(said: &str) -> bool {
    said.match_indices('{').any(|(at, _)| {
        let rest = said[at + 1..].trim_start();
        rest.starts_with(['"', '\'', '\u{201c}', '}', '/']) || rest.starts_with(char::is_alphabetic)
    })
}

/// All objects that are not inside another, in order, and what is wrong with the last that can't be read.
fn written(said: &str) -> Result<(Vec<Written>, Option<String>), String> {
    let (mut found, mut wrong, mut from, mut openings) = (Vec::new(), None, 0, 0);
    while let Some(at) = said[from..].find('{').map(|at| from + at) {
        openings += 1;
        if openings > MOST_OPENINGS {
            return Err(format!("it has more than {MOST_OPENINGS} opening braces"));
        }
        match read(&said[at..]) {
            Ok((length, value)) => {
                from = at + length;
                found.push(Written { start: at, end: from, value });
            }
            Err(why) => {
                if opens_an_object(&said[at..]) {
                    wrong = why.or(wrong);
                }
                from = at + 1;
            }
        }
    }
    Ok((found, wrong))
}

/// The object that a text opens with, and its length. Quotes are taken as JSON takes them, and, where that comes to nothing, as
/// Python does.
fn read(text: &str) -> Result<(usize, Value), Option<String>> {
    let mut wrong = None;
    for quotes in [&['"'][..], &['"', '\'']] {
        let Some(length) = closing(text, quotes) else { continue };
        match repair::value(&text[..length]) {
            Ok(value) => return Ok((length, value)),
            Err(why) => wrong = wrong.or(Some(why)),
        }
    }
    Err(wrong.or_else(|| Some("it ends within an object".to_owned())))
}

/// Length of the balanced object that the text opens with.
fn closing(text: &str, quotes: &[char]) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            (letter, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => {}
            (letter, None) if quotes.contains(&letter) => quote = Some(letter),
            ('{', None) => depth += 1,
            ('}', None) => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The outermost objects that fit.
fn fitting_in<'a>(value: &'a Value, shape: Shape<'_>, found: &mut Vec<&'a Map<String, Value>>) {
    match value {
        Value::Object(object) if shape.fits(object) => found.push(object),
        Value::Object(object) => object.values().for_each(|value| fitting_in(value, shape, found)),
        Value::Array(items) => items.iter().for_each(|value| fitting_in(value, shape, found)),
        _ => {}
    }
}

/// What stands under a key, in whatever case it is written.
pub fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let same = |(known, _): &(&String, &Value)| {
        let known = known.trim().chars().flat_map(char::to_lowercase);
        known.eq(key.chars().flat_map(char::to_lowercase))
    };
    object.get(key).or_else(|| {
        let mut alike = object.iter().filter(same);
        let only = alike.next().map(|(_, value)| value);
        only.filter(|_| alike.next().is_none())
    })
}

/// The text under a key: one line, without control tokens.
pub(in crate::words::chat) fn text(object: &Map<String, Value>, key: &str) -> Result<String, String> {
    match get(object, key) {
        Some(Value::String(text)) => Ok(line(text)),
        Some(other) => Err(format!("the key {key:?} must hold a string, not {other}")),
        None => Err(format!("the key {key:?} is missing")),
    }
}

/// The texts of a list under a key, each one line without control tokens; empty ones are left out.
pub(in crate::words::chat) fn texts(object: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let Some(Value::Array(items)) = get(object, key) else {
        return Err(format!("the key {key:?} must hold a list of strings"));
    };
    let text = |item: &Value| match item {
        Value::String(text) => Ok(line(text)),
        other => Err(format!("the list {key:?} must hold strings only, not {other}")),
    };
    let texts: Result<Vec<String>, String> = items.iter().map(text).collect();
    Ok(texts?.into_iter().filter(|text| !text.is_empty()).collect())
}

/// A text on one line. Escapes may have hidden a token from whoever looked at the whole answer.
pub(in crate::words::chat) fn line(text: &str) -> String {
    let clean = without_control_tokens(text);
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

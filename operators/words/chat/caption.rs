//! `caption`: a dense description of a picture, in prose.

use serde_json::Value;

use super::prompt::version;
use super::reader::objects::line;
use super::reader::{repair, said};
use super::{ChatRequest, Part};
use crate::plan::edit_plan::words::count;

const PROMPT: &str = include_str!("../prompts/caption.md");
/// Raise this when the code changes what a caption is.
const VERSION: &[u8] = b"chat caption/2";
/// Characters that a caption may have. More is a model that found no end.
const MOST_CHARACTERS: usize = 8000;
/// Words that a caption has at least: less describes nothing.
const LEAST_WORDS: usize = 5;

/// Asks what a picture shows. `picture` is as [`encode`](super::encode) made it.
pub fn request(picture: Part) -> ChatRequest {
    let parts = vec![picture, Part::Text(PROMPT.trim_end().to_owned())];
    ChatRequest { system: String::new(), parts, schema: None, again: None }
}

/// The caption: one paragraph, blanks and line breaks made single blanks. What models put around it is left out: a fence, quotes, a
/// label, an object of one text, a sentence that announces it.
pub fn parse(answer: &str) -> Result<String, String> {
    let said = said(answer).map_err(|silence| silence.told().to_owned())?;
    let prose = of_an_object(unfenced(&said))?;
    if prose.lines().any(|line| ["```", "{\""].iter().any(|sign| line.trim_start().starts_with(sign))) {
        return Err("it holds more than prose, and one plain paragraph is wanted".to_owned());
    }
    let caption = line(&prose);
    let caption = unlabelled(unquoted(unlabelled(&caption)));
    if count(caption) < LEAST_WORDS {
        return Err(format!("{caption:?} is no description of a picture"));
    }
    match caption.chars().count() {
        characters if characters > MOST_CHARACTERS => {
            Err(format!("it has {characters} characters, and {MOST_CHARACTERS} are the most"))
        }
        _ => Ok(caption.to_owned()),
    }
}

/// What stands between fences, where they are around all of it; else without a first line that announces the rest.
fn unfenced(said: &str) -> &str {
    let fenced = said.strip_prefix("```").and_then(|rest| rest.trim_end().strip_suffix("```"));
    if let Some((_, text)) = fenced.and_then(|fenced| fenced.split_once('\n')) {
        return text.trim();
    }
    const OPENINGS: [&str; 10] = [
        "here",
        "sure",
        "certainly",
        "of course",
        "okay",
        "ok,",
        "below",
        "the following",
        "caption",
        "description",
    ];
    match said.split_once('\n') {
        Some((line, rest)) if line.trim_end().trim_end_matches('*').ends_with(':') => {
            let line = line.trim_start_matches(['*', '#', ' ']).to_lowercase();
            if OPENINGS.iter().any(|opening| line.starts_with(opening)) { rest.trim() } else { said }
        }
        _ => said,
    }
}

/// The only text of an object, where all of it is one.
fn of_an_object(said: &str) -> Result<String, String> {
    if !(said.starts_with('{') && said.ends_with('}')) {
        return Ok(said.to_owned());
    }
    let texts = match repair::value(said) {
        Ok(Value::Object(object)) => object.into_iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
    match texts.as_slice() {
        [Value::String(text)] => Ok(text.clone()),
        _ => Err("it is an object, and plain prose is wanted".to_owned()),
    }
}

/// Without quotes around all of it.
fn unquoted(text: &str) -> &str {
    const QUOTES: [(char, char); 4] =
        [('"', '"'), ('\u{201c}', '\u{201d}'), ('\u{300c}', '\u{300d}'), ('`', '`')];
    let within = |(open, close)| {
        let within = text.strip_prefix(open)?.strip_suffix(close)?;
        (!within.contains([open, close])).then_some(within.trim())
    };
    QUOTES.into_iter().find_map(within).unwrap_or(text)
}

/// Without a label before it.
fn unlabelled(text: &str) -> &str {
    const LABELS: [&str; 8] = [
        "caption",
        "description",
        "image description",
        "picture description",
        "\u{63cf}\u{8ff0}",
        "\u{56fe}\u{7247}\u{63cf}\u{8ff0}",
        "\u{56fe}\u{50cf}\u{63cf}\u{8ff0}",
        "\u{8aac}\u{660e}",
    ];
    let Some((label, rest)) = text.split_once([':', '\u{ff1a}']) else { return text };
    let label = label.trim_matches(['*', '#', '_', ' ']).to_lowercase();
    if LABELS.contains(&label.as_str()) { rest.trim_start_matches(['*', '_', ' ']) } else { text }
}

/// What of this task shapes an answer.
pub fn stamp_parts() -> Vec<(&'static str, Vec<u8>)> {
    vec![("task", VERSION.to_vec()), ("prompts", version([PROMPT]))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_is_one_paragraph() {
        let answer = "<think>hm</think>\n A red  kite\nflies over a green hill.\n";
        assert_eq!(parse(answer).as_deref(), Ok("A red kite flies over a green hill."));
    }

    #[test]
    fn what_describes_nothing_is_no_caption() {
        for answer in ["", "A kite.", "\n\n"] {
            assert!(parse(answer).is_err(), "{answer:?}");
        }
        assert!(parse(&"word ".repeat(2000)).expect_err("endless").contains("9999 characters"));
    }
}

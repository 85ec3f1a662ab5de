//! `caption`: a dense description of a picture, in prose.

use super::prompt::version;
use super::{ChatRequest, Part};

const PROMPT: &str = include_str!("../prompts/caption.md");
/// Raise this when the code changes what a caption is.
const VERSION: &[u8] = b"chat caption/1";
/// Characters that a caption may have. More is a model that found no end.
const MOST_CHARACTERS: usize = 8000;
/// Words that a caption has at least: less describes nothing.
const LEAST_WORDS: usize = 5;

/// Asks what a picture shows. `picture` is as [`encode`](super::encode) made it.
pub fn request(picture: Part) -> ChatRequest {
    let parts = vec![picture, Part::Text(PROMPT.trim_end().to_owned())];
    ChatRequest { system: String::new(), parts, schema: None, again: None }
}

/// The caption: one paragraph, blanks and line breaks made single blanks.
pub fn parse(answer: &str) -> Result<String, String> {
    let said = answer.rsplit_once("</think>").map_or(answer, |(_, said)| said);
    let caption = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if caption.split(' ').count() < LEAST_WORDS {
        return Err(format!("{caption:?} is no description of a picture"));
    }
    match caption.chars().count() {
        characters if characters > MOST_CHARACTERS => {
            Err(format!("it has {characters} characters, and {MOST_CHARACTERS} are the most"))
        }
        _ => Ok(caption),
    }
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

//! `noun_finder`: from a caption the nouns that a detector looks for, and a short summary. No picture is sent.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::prompt::{fill, version};
use super::reader::objects::{Shape, object_in, text, texts};
use super::reader::said;
use super::{ChatRequest, Part};
use crate::plan::edit_plan::words::{count, names, words};
use crate::plan::noun_list::NounList;

const PROMPT: &str = include_str!("../prompts/noun_finder.md");
/// Raise this when the code changes what is found.
const VERSION: &[u8] = b"chat noun_finder/2";
/// Words of a summary, at most.
pub const MOST_OF_SUMMARY: usize = 15;
/// Words of a noun, at most: more is a phrase.
const MOST_OF_NOUN: usize = 4;

/// Words that are no thing in a picture, however often models list them: what can't be pointed at, the picture itself, actions.
const NO_THINGS: [&str; 54] = [
    "action",
    "activity",
    "ambience",
    "angle",
    "appearance",
    "arrangement",
    "atmosphere",
    "attention",
    "background",
    "beauty",
    "brightness",
    "calm",
    "color",
    "colour",
    "composition",
    "contrast",
    "depth",
    "eating",
    "emotion",
    "feeling",
    "flying",
    "focus",
    "foreground",
    "holding",
    "image",
    "jumping",
    "laughing",
    "light",
    "lighting",
    "looking",
    "moment",
    "mood",
    "motion",
    "movement",
    "perspective",
    "photo",
    "photograph",
    "picture",
    "playing",
    "pose",
    "posing",
    "running",
    "scene",
    "scenery",
    "sense",
    "sitting",
    "smiling",
    "standing",
    "style",
    "talking",
    "tone",
    "vibe",
    "view",
    "walking",
];

/// What a caption speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNouns {
    /// Every noun stands in the caption to the letter, in any case. At least one.
    pub nouns: NounList,
    /// At most 15 words.
    pub summary: String,
}

/// Asks for the nouns of a caption.
pub fn request(caption: &str) -> ChatRequest {
    let text = fill(PROMPT, &[("caption", caption)]);
    let parts = vec![Part::Text(text)];
    ChatRequest { system: String::new(), parts, schema: Some(("nouns", schema())), again: None }
}

fn schema() -> Value {
    let list = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "type": "object",
        "properties": {"objects": list, "background": list, "summary": {"type": "string"}},
        "required": ["objects", "background", "summary"],
        "additionalProperties": false
    })
}

/// The nouns that stand in the caption; others are dropped, and so is what is no thing. An answer with none left is none, nor
/// is one whose summary is too long.
pub fn parse(answer: &str, caption: &str) -> Result<FoundNouns, String> {
    let said = said(answer).map_err(|silence| silence.told().to_owned())?;
    let object = object_in(&said, Shape { wanted: &[&["objects"], &["background"], &["summary"]] })?;
    let (objects, backgrounds) = (texts(&object, "objects")?, texts(&object, "background")?);
    let given = objects.len() + backgrounds.len();
    let mut seen = HashSet::new();
    let mut things = |listed: &[String]| -> Vec<String> {
        let nouns = listed.iter().map(|noun| without_article(noun));
        let nouns = nouns.filter(|noun| is_a_thing(noun) && names(caption, noun));
        nouns.filter(|noun| seen.insert(noun.to_lowercase())).map(str::to_owned).collect()
    };
    let (objects, backgrounds) = (things(&objects), things(&backgrounds));
    let nouns = NounList::of(objects.iter().map(String::as_str), backgrounds.iter().map(String::as_str));
    let nouns = nouns.map_err(|refusal| refusal.message)?;
    if nouns.is_empty() {
        return Err(match given {
            0 => "no noun is listed".to_owned(),
            _ => format!("none of the {given} nouns is a thing that stands in the description to the letter"),
        });
    }
    let summary = text(&object, "summary")?;
    match count(&summary) {
        _ if summary.is_empty() => Err("the summary is empty".to_owned()),
        count if count > MOST_OF_SUMMARY => {
            Err(format!("the summary has {count} words, and {MOST_OF_SUMMARY} are the most"))
        }
        _ => Ok(FoundNouns { nouns, summary }),
    }
}

fn without_article(noun: &str) -> &str {
    let noun = noun.trim();
    let rest = noun
        .split_once(' ')
        .filter(|(first, _)| ["a", "an", "the"].iter().any(|article| first.eq_ignore_ascii_case(article)));
    rest.map_or(noun, |(_, rest)| rest.trim())
}

/// A noun of up to four words, the last of which is neither an abstract thing nor an action.
fn is_a_thing(noun: &str) -> bool {
    let words = words(noun);
    let Some(last) = words.last() else { return false };
    count(noun) <= MOST_OF_NOUN
        && !NO_THINGS.contains(&last.as_str())
        && noun.chars().any(char::is_alphabetic)
}

/// What of this task shapes an answer.
pub fn stamp_parts() -> Vec<(&'static str, Vec<u8>)> {
    vec![("task", VERSION.to_vec()), ("prompts", version([PROMPT]))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTION: &str = "A Man in a red bow tie walks his dogs over wet grass. Behind him a lake lies under a grey sky, calm mood.";

    fn found(objects: &[&str], background: &[&str], summary: &str) -> Result<FoundNouns, String> {
        parse(&json!({"objects": objects, "background": background, "summary": summary}).to_string(), CAPTION)
    }

    #[test]
    fn nouns_stand_in_the_caption_to_the_letter() {
        let nouns = found(
            &["man", " the bow tie ", "dog", "dogs", "cat", "Man", "mood"],
            &["sky", "LAKE", "man", ""],
            "A walk.",
        );
        let nouns = nouns.expect("parses");
        assert_eq!(nouns.nouns.objects, ["man", "bow tie", "dogs"]);
        assert_eq!(nouns.nouns.backgrounds, ["sky", "LAKE"]);
        assert_eq!(nouns.summary, "A walk.");
    }

    #[test]
    fn an_answer_without_nouns_is_none() {
        assert!(found(&["cat"], &["sea"], "A walk.").expect_err("none").contains("none of the 2 nouns"));
        assert!(found(&[], &[], "A walk.").expect_err("none").contains("no noun is listed"));
        assert!(found(&["man"], &[], " ").expect_err("none").contains("empty"));
        let long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";
        assert!(found(&["man"], &[], long).expect_err("long").contains("16 words"));
        for odd in [
            "man, dog",
            "{\"objects\": \"man\"}",
            "{\"objects\": [1], \"background\": [], \"summary\": \"x\"}",
        ] {
            assert!(parse(odd, CAPTION).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_schema_asks_for_what_the_parser_takes() {
        let schema = schema();
        let mut answer = serde_json::Map::new();
        for key in schema["required"].as_array().expect("keys").iter().filter_map(Value::as_str) {
            let value = match schema["properties"][key]["type"].as_str() {
                Some("array") => json!(["dogs"]),
                _ => json!("A walk."),
            };
            answer.insert(key.into(), value);
        }
        assert!(parse(&Value::Object(answer.clone()).to_string(), CAPTION).is_ok());
        for key in answer.keys() {
            let mut less = answer.clone();
            less.remove(key);
            assert!(parse(&Value::Object(less).to_string(), CAPTION).is_err(), "{key} can be left out");
        }
    }

    #[test]
    fn the_prompt_holds_the_caption_and_says_what_is_demanded() {
        let request = request("A {caption} of braces");
        let [Part::Text(text)] = request.parts.as_slice() else { panic!("one text") };
        for said in ["A {caption} of braces", "at most 15 words", "to the letter", "actions", "\"summary\""] {
            assert!(text.contains(said), "{said}");
        }
    }
}

//! What the grammar may ask for: colours, looks, replacements, styles and grounds that an editor can make.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::editors::paint;
use crate::plan::edit_plan::check::{MOST_OF_NEW_OBJECT, MOST_OF_STYLE};
use crate::plan::edit_plan::words::{count, words};

/// The words of a ground, at most.
const MOST_OF_GROUND: usize = 10;

/// Lists of what an editor can make. An instruction asks for nothing else.
///
/// As a file it is JSON; a list that isn't given is the embedded editor's:
///
/// ```
/// use operators::words::plain::Lexicon;
/// let lexicon = Lexicon::from_json(br#"{"things": ["fire truck", "hour glass"]}"#).unwrap();
/// assert_eq!(lexicon.things, ["fire truck", "hour glass"]);
/// assert_eq!(lexicon.styles, Lexicon::embedded().styles);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lexicon {
    /// What a thing can be made: `blue`. One word each.
    pub colours: Vec<String>,
    /// What a thing can be made besides: `striped`. One word each; there may be none.
    pub looks: Vec<String>,
    /// What can stand in another thing's place, without an article: `star`.
    pub things: Vec<String>,
    /// What a whole picture can be made: `oil painting`.
    pub styles: Vec<String>,
    /// What can take a background's place, with an article: `a brick wall`.
    pub grounds: Vec<String>,
}

/// A lexicon that cannot be used.
#[derive(Debug, Error)]
pub enum LexiconError {
    #[error(
        "the lexicon is no JSON of lists of strings named colours, looks, things, styles and grounds: {0}"
    )]
    Json(#[from] serde_json::Error),
    #[error(
        "the lexicon has no {list}; at least two are needed, leave the list out to take the embedded ones"
    )]
    TooFew { list: &'static str },
    #[error(
        "the lexicon's {list} have {entry:?}; allowed are 1 to {most} words of letters in one plain line, each once"
    )]
    Entry { list: &'static str, entry: String, most: usize },
}

impl Default for Lexicon {
    fn default() -> Self {
        Lexicon::embedded()
    }
}

impl Lexicon {
    /// What the embedded editor can make.
    pub fn embedded() -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Lexicon {
            colours: paint::COLOURS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            looks: owned(paint::looks()),
            things: owned(paint::drawable()),
            styles: owned(paint::styles()),
            grounds: owned(paint::grounds()),
        }
    }

    /// The lexicon that lies in a JSON file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LexiconError> {
        let lexicon: Lexicon = serde_json::from_slice(bytes)?;
        // Two of each, so that there is one left where the other is what was there before.
        for (list, entries, most, least) in [
            ("colours", &lexicon.colours, 1, 2),
            ("looks", &lexicon.looks, 1, 0),
            ("things", &lexicon.things, MOST_OF_NEW_OBJECT - 1, 2),
            ("styles", &lexicon.styles, MOST_OF_STYLE, 2),
            ("grounds", &lexicon.grounds, MOST_OF_GROUND, 2),
        ] {
            if entries.len() < least {
                return Err(LexiconError::TooFew { list });
            }
            let mut seen = HashSet::new();
            let plain = |entry: &String| {
                let letters = |letter: char| letter.is_alphanumeric() || " -'".contains(letter);
                let fits = entry.chars().all(letters) && (1..=most).contains(&count(entry));
                fits && entry.trim() == entry && !words(entry).is_empty()
            };
            if let Some(entry) = entries.iter().find(|entry| !plain(entry) || !seen.insert(*entry)) {
                return Err(LexiconError::Entry { list, entry: entry.clone(), most });
            }
        }
        Ok(lexicon)
    }

    /// For stamps: the same for the same lists.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_lexicon_is_sound_and_comes_back() {
        let embedded = Lexicon::embedded();
        assert_eq!(Lexicon::from_json(&embedded.to_bytes()).unwrap(), embedded);
        assert_eq!(Lexicon::from_json(b"{}").unwrap(), embedded);
    }

    #[test]
    fn what_cannot_be_said_is_refused_with_its_entry() {
        for (json, told) in [
            ("[1]", "colours, looks"),
            (r#"{"colors": ["red"]}"#, "colors"),
            (r#"{"styles": ["comic"]}"#, "no styles"),
            (r#"{"colours": ["red", "light blue"]}"#, "light blue"),
            (r#"{"things": ["a", "one of four words"]}"#, "one of four words"),
            (r#"{"things": ["star", "star"]}"#, "star"),
            (r#"{"grounds": ["a sea", "a {b}"]}"#, "a {b}"),
            (r#"{"looks": [""]}"#, "\"\""),
        ] {
            let error = Lexicon::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{json}: {error}");
        }
    }
}

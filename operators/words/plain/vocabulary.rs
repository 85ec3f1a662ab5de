//! The nouns that a noun finder without a model knows. Ours are in `vocabulary.txt`; the user's are in a file of the same form.

use std::collections::HashMap;
use std::sync::LazyLock;

use thiserror::Error;
use threshflow::row::RegionKind;

use crate::plan::edit_plan::words::{is_mark, stands_alone};

/// The words of a noun, at most.
const MOST_WORDS: usize = 6;

/// Nouns of concrete things, objects and backgrounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// In the order given.
    nouns: Vec<(String, RegionKind)>,
    /// By the noun in lower case.
    numbers: HashMap<String, usize>,
    most_bounds: usize,
}

/// A vocabulary that cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VocabularyError {
    #[error("the vocabulary has no objects: list at least one noun, a noun a line, below [objects]")]
    Empty,
    #[error(
        "line {line} of the vocabulary is {text:?}, below no heading; begin with [objects] or [backgrounds]"
    )]
    NoHeading { line: usize, text: String },
    #[error("line {line} of the vocabulary is {text:?}; the headings are [objects] and [backgrounds]")]
    Heading { line: usize, text: String },
    #[error("{text:?} is no noun of 1 to 6 words that begins and ends with a letter or a digit")]
    Noun { text: String },
}

static EMBEDDED: LazyLock<Vocabulary> = LazyLock::new(|| {
    // Sound by a test; a list of nothing would find nothing.
    Vocabulary::parse(include_str!("vocabulary.txt")).unwrap_or_else(|_| Vocabulary {
        nouns: Vec::new(),
        numbers: HashMap::new(),
        most_bounds: 0,
    })
});

impl Vocabulary {
    /// Our own list of common things.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// The vocabulary of a text: a noun a line, below `[objects]` or `[backgrounds]`; what follows a `#` is a remark.
    ///
    /// ```
    /// use operators::words::plain::Vocabulary;
    /// let vocabulary = Vocabulary::parse("[objects]\ncar # of any make\n[backgrounds]\nsky\n").unwrap();
    /// assert_eq!(vocabulary.iter().collect::<Vec<_>>(), ["car", "sky"]);
    /// assert!(Vocabulary::parse("car").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, VocabularyError> {
        let (mut objects, mut backgrounds, mut kind) = (Vec::new(), Vec::new(), None);
        for (number, line) in text.lines().enumerate() {
            let line_text = line.split('#').next().unwrap_or_default().trim();
            let told = || (number + 1, line_text.to_owned());
            match (line_text, kind) {
                ("", _) => {}
                ("[objects]", _) => kind = Some(RegionKind::Object),
                ("[backgrounds]", _) => kind = Some(RegionKind::Background),
                (heading, _) if heading.starts_with('[') => {
                    let (line, text) = told();
                    return Err(VocabularyError::Heading { line, text });
                }
                (_, None) => {
                    let (line, text) = told();
                    return Err(VocabularyError::NoHeading { line, text });
                }
                (noun, Some(RegionKind::Object)) => objects.push(noun),
                (noun, Some(RegionKind::Background)) => backgrounds.push(noun),
            }
        }
        Vocabulary::of(objects, backgrounds)
    }

    /// The vocabulary of these nouns. What stands in both lists, or twice, is taken the first time: an object.
    pub fn of<'a>(
        objects: impl IntoIterator<Item = &'a str>,
        backgrounds: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, VocabularyError> {
        let mut made = Vocabulary { nouns: Vec::new(), numbers: HashMap::new(), most_bounds: 0 };
        made.extend(objects, RegionKind::Object)?;
        if made.nouns.is_empty() {
            return Err(VocabularyError::Empty);
        }
        made.extend(backgrounds, RegionKind::Background)?;
        Ok(made)
    }

    fn extend<'a>(
        &mut self,
        nouns: impl IntoIterator<Item = &'a str>,
        kind: RegionKind,
    ) -> Result<(), VocabularyError> {
        for noun in nouns {
            let ends = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
            // A mark is part of the letter before it.
            let last = noun.chars().rfind(|letter| !is_mark(*letter));
            let plain = ends(noun.chars().next()) && ends(last);
            if !plain || noun.chars().any(char::is_control) || noun.split_whitespace().count() > MOST_WORDS {
                return Err(VocabularyError::Noun { text: noun.to_owned() });
            }
            let number = self.nouns.len();
            if let std::collections::hash_map::Entry::Vacant(new) = self.numbers.entry(noun.to_lowercase()) {
                new.insert(number);
                self.nouns.push((noun.to_owned(), kind));
                let letters: Vec<char> = noun.chars().collect();
                let inner = letters.windows(2).filter(|two| is_boundary(Some(two[0]), Some(two[1]))).count();
                self.most_bounds = self.most_bounds.max(inner + 1);
            }
        }
        Ok(())
    }

    /// The noun that this is, in any case, and whether it is an object's.
    pub fn get(&self, spelt: &str) -> Option<(&str, RegionKind)> {
        let number = match self.numbers.get(spelt) {
            Some(number) => number,
            None => self.numbers.get(&spelt.to_lowercase())?,
        };
        self.nouns.get(*number).map(|(noun, kind)| (noun.as_str(), *kind))
    }

    /// All nouns, objects first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.nouns.iter().map(|(noun, _)| noun.as_str())
    }

    /// For stamps: the same for the same nouns in the same order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self.nouns.iter().map(|(noun, kind)| format!("{kind}\t{noun}\n"));
        lines.collect::<String>().into_bytes()
    }

    /// How many boundaries lie behind a noun's start, up to and with its end, at most.
    pub(super) fn most_bounds(&self) -> usize {
        self.most_bounds
    }
}

/// Whether a noun may begin or end between these two letters: not inside a word. A hyphen between letters is inside; of scripts
/// that put no blanks between words every letter is a word by itself, with the marks that belong to it.
pub(super) fn is_boundary(before: Option<char>, after: Option<char>) -> bool {
    let inside = |letter: char| (letter.is_alphanumeric() && !stands_alone(letter)) || letter == '-';
    match (before, after) {
        (Some(_), Some(after)) if is_mark(after) => false,
        (Some(before), Some(after)) => !(inside(before) && inside(after)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_list_is_sound() {
        let vocabulary = Vocabulary::parse(include_str!("vocabulary.txt")).unwrap();
        let count = |kind| vocabulary.nouns.iter().filter(|(_, one)| *one == kind).count();
        assert!(count(RegionKind::Object) >= 300 && count(RegionKind::Background) >= 60);
        let listed = include_str!("vocabulary.txt").lines();
        let listed = listed.filter(|line| !line.is_empty() && !line.starts_with(['#', '['])).count();
        assert_eq!(listed, vocabulary.nouns.len(), "a noun stands twice");
        assert_eq!(vocabulary.get("TREE"), Some(("tree", RegionKind::Object)));
        assert_eq!(vocabulary.get("sky"), Some(("sky", RegionKind::Background)));
        assert_eq!(vocabulary.get("freedom"), None);
    }

    #[test]
    fn errors_say_the_line_and_what_is_allowed() {
        let error = |text: &str| Vocabulary::parse(text).unwrap_err().to_string();
        assert!(error("\ncar").contains("line 2") && error("\ncar").contains("[objects]"));
        assert!(error("[things]\ncar").contains("[things]"));
        assert!(error("[backgrounds]\nsky").contains("no objects"));
        assert!(error("[objects]\n- car").contains("- car"));
        assert!(error("[objects]\none two three four five six seven").contains("1 to 6"));
    }
}

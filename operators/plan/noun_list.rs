//! The words that a picture's objects and backgrounds are looked for by, whoever found them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use threshflow::lane::Question;
use threshflow::row::{Refusal, RegionKind, Stamp};

/// The most nouns that one picture may have.
const MOST: usize = 1000;

/// What is looked for in a picture: first the objects, then the backgrounds, each noun once, trimmed, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NounList {
    pub objects: Vec<String>,
    pub backgrounds: Vec<String>,
    /// What the picture shows in at most 15 words; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The hash of the released record that the list is of, as 32 hex digits, where that record has regions too: what is asked
    /// about a sample with such a record is asked about no other, though it be the same picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

impl NounList {
    /// The list of these nouns. What is empty is left out, and so is what stands a second time: a noun that is in both lists is an
    /// object's. More than 1000 are refused as `too_many_nouns`.
    pub fn of<'a>(
        objects: impl IntoIterator<Item = &'a str>,
        backgrounds: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Refusal> {
        let mut seen = HashSet::new();
        let mut fresh = |noun: &'a str| {
            let noun = noun.trim();
            (!noun.is_empty() && seen.insert(noun)).then(|| noun.to_owned())
        };
        let objects: Vec<String> = objects.into_iter().filter_map(&mut fresh).collect();
        let backgrounds: Vec<String> = backgrounds.into_iter().filter_map(&mut fresh).collect();
        let count = objects.len() + backgrounds.len();
        if count > MOST {
            let message = format!("the picture has {count} nouns, at most {MOST} are taken");
            return Err(Refusal::permanent("too_many_nouns", message));
        }
        Ok(NounList { objects, backgrounds, ..NounList::default() })
    }

    pub fn len(&self) -> usize {
        self.objects.len() + self.backgrounds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nouns, objects first: a noun's place here is its number.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().chain(&self.backgrounds).map(String::as_str)
    }

    /// The noun of this number, and what kind of region it is looked for as.
    pub fn get(&self, number: usize) -> Option<(&str, RegionKind)> {
        let kind = if number < self.objects.len() { RegionKind::Object } else { RegionKind::Background };
        self.iter().nth(number).map(|noun| (noun, kind))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(bytes)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not a list of nouns: {error}")))
    }
}

/// Where a picture's nouns are remembered.
pub trait NounSource: Send + Sync {
    fn stamp(&self) -> Stamp;
    /// The nouns of the picture that the question is about, read from a memo. Not for a worker thread.
    fn nouns(&self, question: &Question) -> Result<NounList, Refusal>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nouns_number_is_its_place_and_lists_come_back() {
        let nouns = NounList::of(["cat", "boat"], ["sky"]).unwrap();
        assert_eq!(nouns.get(1), Some(("boat", RegionKind::Object)));
        assert_eq!(nouns.get(2), Some(("sky", RegionKind::Background)));
        assert_eq!(nouns.get(3), None);
        assert_eq!(NounList::from_bytes(&nouns.to_bytes()), Ok(nouns));
        assert_eq!(NounList::from_bytes(b"[]").unwrap_err().class, "foreign_answer");
    }
}

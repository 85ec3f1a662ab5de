//! What the number of a region's noun means. This is the only place where it is looked up.
//!
//! A detector that takes text numbers the nouns of the question. A detector with a built-in vocabulary numbers its own labels; after them
//! come the picture's nouns, for regions of a released record.

use std::sync::Arc;

use threshflow::lane::Question;
use threshflow::row::{Refusal, Region, RegionKind, Stamp};

use crate::models::detect_model::Vocabulary;
use crate::plan::noun_list::{NounList, NounSource};

/// The nouns that regions are numbered by.
#[derive(Clone)]
pub struct Labels {
    /// Empty where nouns are asked.
    baked: Arc<Vec<String>>,
    nouns: Arc<dyn NounSource>,
}

impl Labels {
    pub fn new(vocabulary: &Vocabulary, nouns: Arc<dyn NounSource>) -> Self {
        let baked = match vocabulary {
            Vocabulary::Asked { .. } => Vec::new(),
            Vocabulary::Baked { labels } => labels.clone(),
        };
        Labels { baked: Arc::new(baked), nouns }
    }

    /// Of all that a number's meaning rests on.
    pub fn stamp(&self) -> Stamp {
        match self.baked.is_empty() {
            true => self.nouns.stamp(),
            false => {
                let labels = self.baked.join("\n");
                Stamp::of(&[("labels", labels.as_bytes()), ("nouns", &self.nouns.stamp().0.0)])
            }
        }
    }

    /// Whether the vocabulary is the detector's own.
    pub(crate) fn are_baked(&self) -> bool {
        !self.baked.is_empty()
    }

    /// The nouns of the picture that the question is about. Reads a memo: not for a worker thread.
    pub fn nouns(&self, question: &Question) -> Result<NounList, Refusal> {
        self.nouns.nouns(question)
    }

    /// Whether the detector has a label of its own that is this noun.
    pub(crate) fn has_label(&self, noun: &str) -> bool {
        self.baked.iter().any(|label| label == noun)
    }

    /// The noun and kind of the detector's own label number `class`; `None` where nouns are asked.
    pub(crate) fn of_class(&self, class: usize) -> Option<(&str, RegionKind)> {
        self.baked.get(class).map(|label| (label.as_str(), RegionKind::Object))
    }

    /// The number of a noun of a picture with these nouns; `None` where it is neither a label nor one of them.
    pub fn number_of(&self, noun: &str, nouns: &NounList) -> Option<u16> {
        let label = self.baked.iter().position(|label| label == noun);
        let place = label.or_else(|| Some(self.baked.len() + nouns.iter().position(|known| known == noun)?));
        place.and_then(|place| u16::try_from(place).ok())
    }

    /// What the region was found as. Reads a memo: not for a worker thread. Refusal class: `no_noun`.
    pub fn noun(&self, region: &Region, question: &Question) -> Result<String, Refusal> {
        let number = usize::from(region.noun);
        if let Some((label, _)) = self.of_class(number) {
            return Ok(label.to_owned());
        }
        let nouns = self.nouns.nouns(question)?;
        let noun = number.checked_sub(self.baked.len()).and_then(|place| nouns.get(place));
        noun.map(|(noun, _)| noun.to_owned()).ok_or_else(|| {
            let message = format!(
                "noun {number} of {} labels and {} nouns is not there",
                self.baked.len(),
                nouns.len()
            );
            Refusal::permanent("no_noun", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caption::FixedVocabulary;
    use threshflow::flow::Found;
    use threshflow::lane::Key;
    use threshflow::row::{ContentHash, Image, RowId};

    fn list(objects: &[&str], backgrounds: &[&str]) -> NounList {
        NounList::of(objects.iter().copied(), backgrounds.iter().copied()).unwrap()
    }

    fn named(labels: &Labels, number: u16) -> Result<String, Refusal> {
        let id = RowId { shard: 0, member: 0 };
        let image = Image { id, content: ContentHash([7; 16]), width: 9, height: 9 };
        let (kind, bbox) = (RegionKind::Object, [0.0, 0.0, 4.0, 4.0]);
        let found = Found { kind, noun: number, noun_text: "x".to_owned(), bbox, score: 0.5, told_by: None };
        let region = found.region(&image, 0);
        labels.noun(&region, &Question::about(&region, Key::Row))
    }

    #[test]
    fn a_number_means_the_same_to_whoever_looks_it_up() {
        let nouns = list(&["cat", "boat"], &["sky"]);
        let source: Arc<dyn NounSource> = Arc::new(FixedVocabulary(nouns.clone()));
        let asked = Labels::new(&Vocabulary::Asked { dimension: 8 }, source.clone());
        // Twice the same label, as nudity detectors and the like have; and one that the picture's nouns have too.
        let own = ["tree", "boat", "tree"].map(str::to_owned).to_vec();
        let baked = Labels::new(&Vocabulary::Baked { labels: own }, source);
        for (number, noun) in ["cat", "boat", "sky"].into_iter().enumerate() {
            assert_eq!(named(&asked, number as u16).unwrap(), noun);
            assert_eq!(asked.number_of(noun, &nouns), Some(number as u16));
        }
        for (number, noun) in ["tree", "boat", "tree", "cat", "boat", "sky"].into_iter().enumerate() {
            assert_eq!(named(&baked, number as u16).unwrap(), noun);
        }
        for (noun, number) in
            [("tree", Some(0)), ("boat", Some(1)), ("cat", Some(3)), ("sky", Some(5)), ("dog", None)]
        {
            assert_eq!(baked.number_of(noun, &nouns), number, "{noun}");
        }
        for (labels, number) in [(&asked, 3), (&baked, 6), (&baked, u16::MAX), (&asked, u16::MAX)] {
            assert_eq!(named(labels, number).unwrap_err().class, "no_noun");
        }
        assert_ne!(asked.stamp(), baked.stamp());
    }
}

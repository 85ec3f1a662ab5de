//! Nouns from captions: the nouns of a vocabulary that stand in a caption as whole words. It works on captions of any origin.

use super::phrase::{list, with_article};
use super::vocabulary::{Vocabulary, is_boundary};
use crate::plan::edit_plan::words::{count, first};
use threshflow::row::RegionKind;

/// The words of a summary, at most.
pub(crate) const MOST_OF_SUMMARY: usize = 15;
/// Its letters, at most: a word may be of any length.
const MOST_LETTERS: usize = 300;

/// What a caption names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundNouns {
    /// As they stand in the caption, in its order, each once.
    pub objects: Vec<String>,
    /// Likewise.
    pub backgrounds: Vec<String>,
    /// At most `MOST_OF_SUMMARY` words: the caption's first sentence if it is short enough, else what was found.
    pub summary: String,
}

/// The nouns of `vocabulary` that stand in the caption, whole words in any case. The longest come first, and what they cover is
/// used up: a `fire truck` is no `truck`. Each is given as the caption spells it, the vocabulary's own spelling before others.
///
/// ```
/// use operators::words::plain::{Vocabulary, nouns};
/// let found = nouns("A fire truck and two dogs; a Dog barks at the sky.", Vocabulary::embedded());
/// assert_eq!(found.objects, ["fire truck", "Dog"]);
/// assert_eq!(found.backgrounds, ["sky"]);
/// ```
pub fn nouns(caption: &str, vocabulary: &Vocabulary) -> FoundNouns {
    let mut found: Vec<Hit<'_>> = Vec::new();
    for hit in without_overlaps(hits(caption, vocabulary)) {
        match found.iter_mut().find(|known| known.noun == hit.noun) {
            Some(known) if known.spelt != known.noun && hit.spelt == hit.noun => known.spelt = hit.spelt,
            Some(_) => {}
            None => found.push(hit),
        }
    }
    let of = |kind: RegionKind| -> Vec<String> {
        found.iter().filter(|hit| hit.kind == kind).map(|hit| hit.spelt.to_owned()).collect()
    };
    let (objects, backgrounds) = (of(RegionKind::Object), of(RegionKind::Background));
    let summary = summary(caption, &objects, &backgrounds);
    FoundNouns { objects, backgrounds, summary }
}

/// A noun of the vocabulary in the caption.
#[derive(Clone)]
struct Hit<'a> {
    noun: &'a str,
    kind: RegionKind,
    spelt: &'a str,
    start: usize,
}

fn hits<'a>(caption: &'a str, vocabulary: &'a Vocabulary) -> Vec<Hit<'a>> {
    let mut bounds = Vec::new();
    let mut before = None;
    for (at, letter) in caption.char_indices() {
        if is_boundary(before, Some(letter)) {
            bounds.push(at);
        }
        before = Some(letter);
    }
    bounds.push(caption.len());
    let mut hits = Vec::new();
    for (number, &start) in bounds.iter().enumerate() {
        for &end in bounds[number + 1..].iter().take(vocabulary.most_bounds()) {
            let spelt = &caption[start..end];
            if let Some((noun, kind)) = vocabulary.get(spelt) {
                hits.push(Hit { noun, kind, spelt, start });
            }
        }
    }
    hits
}

/// The longest first, then the first; what overlaps one that was taken is left out. In the caption's order.
fn without_overlaps(mut hits: Vec<Hit<'_>>) -> Vec<Hit<'_>> {
    let end = |hit: &Hit<'_>| hit.start + hit.spelt.len();
    hits.sort_by_key(|hit| (usize::MAX - hit.spelt.chars().count(), hit.start));
    let mut taken = std::collections::BTreeMap::<usize, Hit<'_>>::new();
    for hit in hits {
        let before = taken.range(..end(&hit)).next_back();
        if before.is_none_or(|(_, before)| end(before) <= hit.start) {
            taken.insert(hit.start, hit);
        }
    }
    taken.into_values().collect()
}

fn summary(caption: &str, objects: &[String], backgrounds: &[String]) -> String {
    let fits = |text: &str| count(text) <= MOST_OF_SUMMARY && text.chars().count() <= MOST_LETTERS;
    let end = caption.char_indices().find(|&(at, letter)| {
        let next = caption[at + letter.len_utf8()..].chars().next();
        matches!(letter, '\n' | '。' | '！' | '？')
            || (matches!(letter, '.' | '!' | '?') && next.is_none_or(char::is_whitespace))
    });
    let sentence = end.map_or(caption, |(at, letter)| &caption[..at + letter.len_utf8()]).trim();
    if !sentence.is_empty() && fits(sentence) {
        return sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let mut told = Vec::new();
    for noun in objects.iter().chain(backgrounds) {
        told.push(with_article(noun));
        if !fits(&list(&told)) {
            told.pop();
        }
    }
    if !told.is_empty() {
        return list(&told);
    }
    first(caption, MOST_OF_SUMMARY).chars().take(MOST_LETTERS).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_noun_is_taken_and_uses_its_words_up() {
        let found = nouns(
            "A teddy bear sits in a fire truck. Behind it is another truck, and no bearing, carpet-like or scar.",
            Vocabulary::embedded(),
        );
        assert_eq!(found.objects, ["teddy bear", "fire truck", "truck"]);
        assert_eq!(found.summary, "A teddy bear sits in a fire truck.");
        let vocabulary = Vocabulary::of(["a b", "b c d", "d"], ["猫", "汽车"]).unwrap();
        assert_eq!(nouns("a b c d", &vocabulary).objects, ["b c d"]);
        assert_eq!(nouns("一只猫在汽车上", &vocabulary).backgrounds, ["猫", "汽车"]);
        let thai = Vocabulary::of(["แมว", "โซฟา"], []).unwrap();
        assert_eq!(nouns("แมวนอนอยู่บนโซฟา", &thai).objects, ["แมว", "โซฟา"]);
        let korean = Vocabulary::of(["고양이"], []).unwrap();
        assert_eq!(nouns("고양이가 잔다", &korean).objects, ["고양이"]);
        assert_eq!(nouns("a  b", &vocabulary).objects, [] as [&str; 0]);
    }

    #[test]
    fn spellings_are_the_captions() {
        let spelt = |caption| nouns(caption, Vocabulary::embedded()).objects;
        assert_eq!(spelt("Car by car, CAR."), ["car"]);
        assert_eq!(spelt("The CAR's door"), ["CAR", "door"]);
        assert_eq!(spelt("many cars and a T-shirt"), ["T-shirt"]);
        assert_eq!(spelt("cat\u{2019}s, (dog)/horse"), ["cat", "dog", "horse"]);
        assert_eq!(spelt(""), [] as [&str; 0]);
    }

    #[test]
    fn summaries_are_short() {
        let long = "In this picture one can see very clearly that there are a car and a dog and a cat and a horse and a tree and a \
                    house and a lamp and a boat under the sky";
        let found = nouns(long, Vocabulary::embedded());
        assert!(count(&found.summary) <= MOST_OF_SUMMARY, "{}", found.summary);
        assert_eq!(found.summary, "a car, a dog, a cat, a horse, a tree, a house and a lamp");
        for strange in ["\n", "...", " . ", &"x".repeat(9000), &"猫".repeat(9000), &"word ".repeat(99)] {
            let summary = nouns(strange, Vocabulary::embedded()).summary;
            assert!(count(&summary) <= MOST_OF_SUMMARY && summary.chars().count() <= MOST_LETTERS);
        }
    }

    #[test]
    fn what_the_embedded_captioner_says_is_found_again() {
        use crate::words::plain::phrase::plural;
        use crate::words::plain::{Seen, caption};
        for noun in Vocabulary::embedded().iter() {
            for count in 1..6 {
                let (_, kind) = Vocabulary::embedded().get(noun).unwrap();
                let seen = |at| Seen {
                    noun,
                    kind,
                    bbox: [at as f32, 0.0, 90.0, 90.0],
                    score: 0.5,
                    colour: Some("red"),
                };
                let finds: Vec<Seen<'_>> = (0..count).map(seen).collect();
                let caption = caption(&finds, 100, 100);
                let found = nouns(&caption, Vocabulary::embedded());
                let (list, other) = match kind {
                    RegionKind::Object => (found.objects, found.backgrounds),
                    RegionKind::Background => (found.backgrounds, found.objects),
                };
                // Some plurals are nouns of their own: clouds.
                let single = |found: &&String| **found == noun || !plural(noun).ends_with(found.as_str());
                assert_eq!(list.iter().filter(single).collect::<Vec<_>>(), [noun], "{caption}");
                assert_eq!(other.iter().find(single), None, "{caption}");
            }
        }
    }
}

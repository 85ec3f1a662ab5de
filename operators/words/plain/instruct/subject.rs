//! How an object is named: `the small red car on the left`.

use crate::plan::edit_plan::place::{Position, Size};
use crate::plan::edit_plan::words::{count, head, words};
use crate::plan::edit_plan::{EditPlan, PlannedObject};
use crate::words::plain::phrase::{is_plural, spaced, with_article};

/// More words of a noun than a result has room for.
const MOST_OF_KIND: usize = 10;

pub(super) struct Subject<'a> {
    pub noun: &'a str,
    /// What its colour is known to be; it may stand in the noun.
    pub colour: Option<&'a str>,
    /// `small`, `large` or nothing; another word for it where the noun has that one.
    size: &'static str,
    /// The colour where it may be said: not in the noun already.
    tint: &'a str,
    place: &'static str,
}

impl<'a> Subject<'a> {
    pub(crate) fn of(
        object: &'a PlannedObject,
        plan: &EditPlan,
        colour: Option<&'a str>,
        terse: bool,
    ) -> Self {
        let said = words(&object.noun);
        let in_noun = |word: &str| said.iter().any(|said| said == word);
        let size = match Size::of(object.bbox, plan.width, plan.height) {
            Size::Small if in_noun("small") => "little",
            Size::Large if in_noun("large") => "big",
            size => size.word().unwrap_or_default(),
        };
        Subject {
            noun: &object.noun,
            colour,
            size,
            tint: colour.filter(|colour| !terse && !in_noun(colour)).unwrap_or_default(),
            place: Position::of(object.bbox, plan.width, plan.height).phrase(),
        }
    }

    fn has_article(&self) -> bool {
        words(self.noun).first().is_some_and(|word| matches!(word.as_str(), "a" | "an" | "the"))
    }

    fn described(&self, words: &[&str]) -> String {
        // Nothing fits between an article and its noun.
        if self.has_article() { self.noun.to_owned() } else { spaced(&[words, &[self.noun]].concat()) }
    }

    fn the(&self, words: &[&str]) -> String {
        let described = self.described(words);
        let the = if self.has_article() { "" } else { "the" };
        spaced(&[the, &described, self.place])
    }

    /// `the small red car on the left`
    pub(crate) fn known(&self) -> String {
        self.the(&[self.size, self.tint])
    }

    /// With one adjective at most: the size, or else the colour.
    pub(crate) fn known_by_one(&self) -> String {
        self.the(&[if self.size.is_empty() { self.tint } else { self.size }])
    }

    /// `a small red car on the left`
    pub(crate) fn introduced(&self) -> String {
        spaced(&[&with_article(&self.described(&[self.size, self.tint])), self.place])
    }

    /// `the car`
    pub(crate) fn bare(&self) -> String {
        if self.has_article() { self.noun.to_owned() } else { format!("the {}", self.noun) }
    }

    /// `it` or `them`.
    pub(crate) fn pronoun(&self) -> &'static str {
        if is_plural(self.noun) { "them" } else { "it" }
    }

    /// What it is once it looks like this: `a blue car`, also of a `red car`.
    pub(crate) fn made(&self, look: &str, colours: &[String]) -> String {
        let said = words(self.noun);
        let skipped = said.iter().take(said.len().saturating_sub(1));
        let skipped = skipped.take_while(|word| {
            matches!(word.as_str(), "a" | "an" | "the") || colours.contains(word) || self.colour == Some(word)
        });
        let skipped = skipped.count();
        let kind = match count(self.noun) {
            words if words > MOST_OF_KIND => head(self.noun).unwrap_or_default(),
            _ => self.noun.split_whitespace().skip(skipped).collect::<Vec<_>>().join(" "),
        };
        with_article(&spaced(&[look, &kind]))
    }
}

//! What a CLIP says of an edited region: from embeddings to numbers of 0 to 1. No model is asked here.

use crate::models::embedding::{cosine, share_of_first};
use crate::models::region_clip::NounTexts;
use crate::plan::edit_plan::{Operation, Shows};

/// A region's crop and the words about it, as embeddings of length 1.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Of the region's crop, before and after.
    pub crops: [&'a [f32]; 2],
    /// What the region showed: the object's noun.
    pub noun: &'a NounTexts,
    /// What it is to show: the noun phrase that the edit puts in, or that the object becomes.
    pub target: Option<&'a [f32]>,
}

/// How a region agrees with words before and after an edit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    pub noun: Told,
    pub target: Option<Told>,
    /// How surely the region shows its noun, before and after: clip_score, 0 to 1.
    pub shows: [f32; 2],
}

/// A text and the two crops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The cosine of the text with the crop, before and after, -1 to 1.
    pub cosines: [f32; 2],
    /// Asked which of the two crops shows it: the share of the one after, 0 to 1; 0.5 where nothing changed. The softmax of 100 x
    /// cosine over both, as CLIP was trained to find a text's picture among others (arXiv 2103.00020, figure 3).
    pub after: f32,
}

impl Told {
    fn of(text: &[f32], [before, after]: [&[f32]; 2]) -> Self {
        Told {
            cosines: [before, after].map(|crop| cosine(crop, text)),
            after: share_of_first(text, after, before),
        }
    }

    /// 1 where the text is surely about the crop after, 0 where it is no more so than before.
    fn rose(self) -> f32 {
        (2.0 * self.after - 1.0).max(0.0)
    }

    /// The other way round.
    fn fell(self) -> f32 {
        (1.0 - 2.0 * self.after).max(0.0)
    }
}

impl Agreement {
    /// `None` where an embedding is degenerate, or of another length than the others.
    pub fn of(seen: &Seen<'_>) -> Option<Self> {
        let shows = seen.crops.map(|crop| share_of_first(crop, &seen.noun.noun, &seen.noun.not));
        let agreement = Agreement {
            noun: Told::of(&seen.noun.noun, seen.crops),
            target: seen.target.map(|target| Told::of(target, seen.crops)),
            shows,
        };
        let told = [Some(agreement.noun), agreement.target].into_iter().flatten();
        let numbers = told.flat_map(|told| [told.cosines[0], told.cosines[1], told.after]);
        numbers.chain(shows).all(f32::is_finite).then_some(agreement)
    }

    /// How far this is what `operation` must come to, 0 to 1:
    ///
    /// | operation | agreed |
    /// |---|---|
    /// | remove | `fell(noun)` |
    /// | add | `rose(noun)` |
    /// | replace, visual, background | `max(rose(target), fell(noun))` |
    /// | adjust | `max(rose(target), is)` |
    /// | style, extract | `is` |
    /// | action, of which nobody knows a region | 1 |
    ///
    /// with `rose(text) = max(0, 2 after - 1)` and `fell(text) = max(0, 1 - 2 after)` of [`Told::after`], 0 for a text that there is
    /// none of, and `is = min(1, shows after / min(0.5, shows before))`: the region still shows its noun rather than not, or no less
    /// than before.
    pub fn with(&self, operation: Operation) -> f32 {
        let target = self.target.map_or(0.0, Told::rose);
        let [before, after] = self.shows;
        let enough = before.min(0.5);
        let is = if after >= enough { 1.0 } else { after / enough };
        match operation.shows() {
            Shows::Gone => self.noun.fell(),
            Shows::Come => self.noun.rose(),
            Shows::Another => target.max(self.noun.fell()),
            Shows::Altered => target.max(is),
            Shows::Same => is,
            Shows::Unknown => 1.0,
        }
    }

    /// For people, at most eight words: what [`with`](Agreement::with) went by.
    pub(crate) fn in_words(&self, operation: Operation) -> Option<String> {
        let told = |what: &str, [before, after]: [f32; 2]| format!("{what} {before:.2} to {after:.2}");
        let noun = || told("noun", self.noun.cosines);
        match (operation.shows(), self.target) {
            (Shows::Unknown, _) => None,
            (Shows::Altered | Shows::Same, _) => Some(told("clip_score", self.shows)),
            (Shows::Gone | Shows::Come, _) | (Shows::Another, None) => Some(noun()),
            (Shows::Another, Some(target)) => Some(format!("{}, {}", noun(), told("target", target.cosines))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a noun whose text is the first axis, of "not X" on the second, of a target on the third.
    fn agreement(before: [f32; 3], after: [f32; 3]) -> Agreement {
        let noun = NounTexts { noun: vec![1.0, 0.0, 0.0], not: vec![0.0, 1.0, 0.0] };
        let seen = Seen { crops: [&before, &after], noun: &noun, target: Some(&[0.0, 0.0, 1.0]) };
        Agreement::of(&seen).unwrap()
    }

    fn near(found: f32, wanted: f32) {
        assert!((found - wanted).abs() < 1e-4, "{found} instead of {wanted}");
    }

    #[test]
    fn shares_are_the_softmax_of_a_hundred_cosines() {
        // Cosines of 0.62 and 0.60 (the third number makes the length 1): 100 x 0.02 = 2, and 1 / (1 + e^2) = 0.11920.
        let third = |noun: f32| (1.0 - noun * noun).sqrt();
        let found = agreement([0.62, 0.0, third(0.62)], [0.60, 0.0, third(0.60)]);
        near(found.noun.cosines[0], 0.62);
        near(found.noun.cosines[1], 0.60);
        near(found.noun.after, 0.119_20);
        near(found.with(Operation::Remove), 1.0 - 2.0 * 0.119_20);
        near(found.with(Operation::Add), 0.0);
        // The target's cosines are 0.78460 and 0.8: 100 x 0.0154 = 1.540, and 1 / (1 + e^-1.540) = 0.82345.
        let target = found.target.unwrap();
        near(target.after, 0.823_45);
        near(found.with(Operation::Replace), 1.0 - 2.0 * 0.119_20);
        near(found.with(Operation::Visual), found.with(Operation::Background));
        // Against "not X", whose cosine is 0: 1 / (1 + e^-60).
        near(found.shows[1], 1.0);
        near(found.with(Operation::Adjust), 1.0);
    }

    #[test]
    fn an_object_that_is_no_longer_itself_is_told() {
        // "X" and "not X" at 0.01 and 0.03 of the crop after: 1 / (1 + e^2) = 0.11920, of half: 0.23841.
        let third = (1.0f32 - 0.01 * 0.01 - 0.03 * 0.03).sqrt();
        let found = agreement([0.8, 0.6, 0.0], [0.01, 0.03, third]);
        near(found.shows[1], 0.119_20);
        for operation in [Operation::Style, Operation::Extract] {
            near(found.with(operation), 0.238_41);
        }
        // It shows the target instead.
        near(found.with(Operation::Adjust), 1.0);
        // One that was hardly itself before is asked for no more than that.
        let found = agreement([0.01, 0.03, third], [0.01, 0.03, third]);
        near(found.with(Operation::Style), 1.0);
    }

    #[test]
    fn what_stayed_as_it_was_neither_rose_nor_fell() {
        let found = agreement([0.6, 0.0, 0.8], [0.6, 0.0, 0.8]);
        assert_eq!((found.noun.after, found.target.unwrap().after), (0.5, 0.5));
        let none = [Operation::Remove, Operation::Add, Operation::Replace, Operation::Visual];
        assert!(none.into_iter().all(|operation| found.with(operation) == 0.0));
        let all = [Operation::Adjust, Operation::Style, Operation::Extract, Operation::Action];
        assert!(all.into_iter().all(|operation| found.with(operation) == 1.0));
    }

    #[test]
    fn what_points_nowhere_agrees_with_nothing() {
        let noun = NounTexts { noun: vec![1.0, 0.0], not: vec![0.0, 1.0] };
        for (before, target) in [([0.0, 0.0], None), ([f32::NAN, 1.0], None), ([1.0, 0.0], Some([0.0; 3]))] {
            let target = target.as_ref().map(|target| target.as_slice());
            let seen = Seen { crops: [&before, &[1.0, 0.0]], noun: &noun, target };
            assert_eq!(Agreement::of(&seen), None);
        }
    }
}

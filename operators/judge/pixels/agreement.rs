//! What a CLIP says of an edited region: from embeddings to numbers of 0 to 1. No model is asked here.

use crate::models::embedding::{cosine, share_of_first};
use crate::models::region_clip::NounTexts;
use crate::plan::edit_plan::{Changes, Operation, Shows};

/// A region's crop and the words about it, as embeddings of length 1.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Of the region's crop, before and after.
    pub crops: [&'a [f32]; 2],
    /// What the region showed: the object's noun.
    pub noun: &'a NounTexts,
    /// What it is to show: the noun phrase that the edit puts in, or that the object becomes.
    pub target: Option<&'a [f32]>,
    /// The other nouns of the picture.
    pub rivals: &'a [Vec<f32>],
    /// Whether the detector was sure that the region is what its noun says.
    pub sure: bool,
}

/// How a region agrees with words before and after an edit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    pub noun: Told,
    pub target: Option<Told>,
    /// How surely the region shows its noun, before and after: clip_score, 0 to 1.
    pub shows: [f32; 2],
    /// Asked which of the two the crop after shows, the target or the noun: the share of the target, 0 to 1.
    pub replaced: Option<f32>,
    /// Whether the region, before and after, shows its noun no less than each other noun of the picture, and the detector was sure of
    /// it. A CLIP that takes a thing for another just as well knows neither; and what two models don't agree on is not known.
    pub likeliest: [bool; 2],
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

    /// From -1, the text is surely about the crop before, to 1, about the crop after; 0 where nothing changed.
    fn rose(self) -> f32 {
        2.0 * self.after - 1.0
    }

    /// The other way round.
    fn fell(self) -> f32 {
        1.0 - 2.0 * self.after
    }
}

/// What a CLIP says of whether a step did what its words say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Evidence {
    /// It can't see that: the words are of no region, or nobody knows of which.
    Unseen,
    /// It looked, and does not tell.
    Undecided,
    /// It confirms it, this surely: above 0 to 1.
    Confirms(f32),
    /// It says the opposite, this surely: above 0 to 1.
    Contradicts(f32),
}

/// How far a CLIP must lean one way, or it does not tell.
const LEANS: f32 = 0.1;

impl Evidence {
    /// Of a number from -1 to 1, and whether it may confirm at all.
    fn of(leans: f32, may_confirm: bool) -> Self {
        match leans {
            leans if leans <= -LEANS => Evidence::Contradicts(-leans),
            leans if leans >= LEANS && may_confirm => Evidence::Confirms(leans.min(1.0)),
            _ => Evidence::Undecided,
        }
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
            likeliest: seen.crops.map(|crop| {
                let of_noun = cosine(crop, &seen.noun.noun);
                seen.sure && seen.rivals.iter().all(|rival| of_noun >= cosine(crop, rival))
            }),
            replaced: seen.target.map(|target| share_of_first(seen.crops[1], target, &seen.noun.noun)),
        };
        let told = [Some(agreement.noun), agreement.target].into_iter().flatten();
        let numbers = told.flat_map(|told| [told.cosines[0], told.cosines[1], told.after]);
        numbers.chain(shows).chain(agreement.replaced).all(f32::is_finite).then_some(agreement)
    }

    /// Whether the step did what its words say. It confirms only what the crop after shows by itself, not only more than before:
    ///
    /// | operation | leans by | and confirms where |
    /// |---|---|---|
    /// | remove | `fell(noun)` | the noun was shown before (`shows` of 0.5 or more), as the likeliest and sure, and is not after |
    /// | add | `rose(noun)` | the noun is shown after, and is the likeliest |
    /// | replace, visual, background | `rose(target)` | the target is shown after, rather than the noun (`replaced` of 0.5 or more), which was shown before, as the likeliest and sure |
    /// | the same, without a target | `fell(noun)` | never: what came is not known |
    /// | adjust | `rose(target)`; without a target 0 | the noun is still shown (`is` of 1), and was shown before, as the likeliest and sure |
    /// | extract | `is - 0.5` | the noun is shown after, and is the likeliest |
    /// | style, action | unseen: the words are of no region | never |
    ///
    /// with `rose(text) = 2 after - 1` and `fell(text) = 1 - 2 after` of [`Told::after`].
    pub fn evidence(&self, operation: Operation) -> Evidence {
        let [was_shown, shown] = self.shows.map(|shows| shows >= 0.5);
        let [likeliest, comes] = self.likeliest;
        // What was not to be seen before cannot be seen to have gone, or changed.
        let known = likeliest && was_shown;
        match (operation.shows(), self.target) {
            (Shows::Unknown, _) => Evidence::Unseen,
            (Shows::Gone, _) => Evidence::of(self.noun.fell(), !shown && known),
            (Shows::Come, _) => Evidence::of(self.noun.rose(), shown && comes),
            (Shows::Another, Some(target)) => {
                Evidence::of(target.rose(), known && self.replaced.is_some_and(|share| share >= 0.5))
            }
            (Shows::Another, None) => Evidence::of(self.noun.fell(), false),
            (Shows::Altered, Some(target)) => Evidence::of(target.rose(), known && self.is() >= 1.0),
            (Shows::Altered, None) => Evidence::Undecided,
            (Shows::Same, _) if operation.changes() == Changes::Surroundings => {
                Evidence::of(2.0 * (self.is() - 0.5), shown && comes)
            }
            (Shows::Same, _) => Evidence::Unseen,
        }
    }

    /// How far what the step is to leave what it is did stay so, 0 to 1: by [`is`](Agreement::is) for style and extract; for an adjust,
    /// which may have become its target instead, by that where it is more; 1 for the others.
    pub fn kept(&self, operation: Operation) -> f32 {
        match operation.shows() {
            Shows::Same => self.is(),
            Shows::Altered => self.target.map_or(0.0, Told::rose).max(self.is()),
            Shows::Gone | Shows::Come | Shows::Another | Shows::Unknown => 1.0,
        }
    }

    /// How far the region still is what it was, 0 to 1: `min(1, shows after / min(0.5, shows before))`.
    pub fn is(&self) -> f32 {
        let [before, after] = self.shows;
        let enough = before.min(0.5);
        if after >= enough { 1.0 } else { after / enough }
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
        let seen = Seen {
            crops: [&before, &after],
            noun: &noun,
            target: Some(&[0.0, 0.0, 1.0]),
            rivals: &[],
            sure: true,
        };
        Agreement::of(&seen).unwrap()
    }

    fn near(found: f32, wanted: f32) {
        assert!((found - wanted).abs() < 1e-4, "{found} instead of {wanted}");
    }

    fn confirms(found: &Agreement, operation: Operation, wanted: f32) {
        match found.evidence(operation) {
            Evidence::Confirms(surely) => near(surely, wanted),
            other => panic!("{operation:?}: {other:?} and no confirmation"),
        }
    }

    #[test]
    fn shares_are_the_softmax_of_a_hundred_cosines() {
        // Cosines of 0.62 and 0.60 (the third number makes the length 1): 100 x 0.02 = 2, and 1 / (1 + e^2) = 0.11920.
        let third = |noun: f32| (1.0 - noun * noun).sqrt();
        let found = agreement([0.62, 0.0, third(0.62)], [0.60, 0.0, third(0.60)]);
        near(found.noun.cosines[0], 0.62);
        near(found.noun.cosines[1], 0.60);
        near(found.noun.after, 0.119_20);
        // The target's cosines are 0.78460 and 0.8: 100 x 0.0154 = 1.540, and 1 / (1 + e^-1.540) = 0.82345.
        let target = found.target.unwrap();
        near(target.after, 0.823_45);
        // Against the noun it is 0.8 to 0.6: surely the target.
        near(found.replaced.unwrap(), 1.0);
        let another = [Operation::Replace, Operation::Visual, Operation::Background];
        another.into_iter().for_each(|operation| confirms(&found, operation, 2.0 * 0.823_45 - 1.0));
        // Against "not X", whose cosine is 0: 1 / (1 + e^-60). So the noun fell, and is still shown.
        near(found.shows[1], 1.0);
        assert_eq!(found.evidence(Operation::Remove), Evidence::Undecided);
        assert_eq!(found.evidence(Operation::Add), Evidence::Contradicts(1.0 - 2.0 * found.noun.after));
        confirms(&found, Operation::Adjust, 2.0 * 0.823_45 - 1.0);
        confirms(&found, Operation::Extract, 1.0);
    }

    #[test]
    fn what_is_put_in_must_be_shown_and_not_only_more_than_before() {
        // The target rises from 0.1 to 0.3; the noun is at 0.9 still.
        let third = |noun: f32, target: f32| (1.0 - noun * noun - target * target).sqrt();
        let found = agreement([0.9, third(0.9, 0.1), 0.1], [0.9, third(0.9, 0.3), 0.3]);
        assert!(found.target.unwrap().after > 0.99);
        assert_eq!(
            found.evidence(Operation::Replace),
            Evidence::Undecided,
            "the noun is shown, not the target"
        );
        // An umbrella that became less likely.
        let found = agreement([0.2, third(0.2, 0.3), 0.3], [0.1, third(0.1, 0.2), 0.2]);
        assert!(matches!(found.evidence(Operation::Replace), Evidence::Contradicts(surely) if surely > 0.99));
        // Without a target nothing is confirmed, and a noun that rose contradicts.
        let of = |found: &Agreement, operation| {
            Agreement { target: None, replaced: None, ..*found }.evidence(operation)
        };
        assert_eq!(of(&found, Operation::Replace), Evidence::Undecided);
        assert_eq!(of(&found, Operation::Adjust), Evidence::Undecided);
        let rose = agreement([0.1, third(0.1, 0.2), 0.2], [0.2, third(0.2, 0.3), 0.3]);
        assert!(matches!(of(&rose, Operation::Replace), Evidence::Contradicts(_)));
        // What is taken out must not be shown after.
        let gone = agreement([0.9, 0.1, third(0.9, 0.1)], [0.2, 0.9, third(0.2, 0.9)]);
        confirms(&gone, Operation::Remove, 1.0);
        let come = agreement([0.2, 0.9, third(0.2, 0.9)], [0.9, 0.1, third(0.9, 0.1)]);
        confirms(&come, Operation::Add, 1.0);
    }

    #[test]
    fn a_clip_that_takes_the_region_for_another_thing_confirms_nothing() {
        let third = |noun: f32, not: f32| (1.0 - noun * noun - not * not).sqrt();
        let (with, without) = ([0.6, 0.1, third(0.6, 0.1)], [0.1, 0.6, third(0.1, 0.6)]);
        let noun = NounTexts { noun: vec![1.0, 0.0, 0.0], not: vec![0.0, 1.0, 0.0] };
        let of = |before: &[f32], after: &[f32], rival: [f32; 3], operation| {
            let seen = Seen {
                crops: [before, after],
                noun: &noun,
                target: None,
                rivals: &[rival.to_vec()],
                sure: true,
            };
            let unsure = Agreement::of(&Seen { sure: false, ..seen }).unwrap().evidence(operation);
            assert_eq!(unsure, Evidence::Undecided, "what the detector was not sure of");
            Agreement::of(&seen).unwrap().evidence(operation)
        };
        let (weaker, stronger) = ([0.0, 0.8, 0.6], [0.3, 0.0, 0.954]);
        for (before, after, operation) in [
            (&with, &without, Operation::Remove),
            (&without, &with, Operation::Add),
            (&with, &with, Operation::Extract),
        ] {
            assert!(matches!(of(before, after, weaker, operation), Evidence::Confirms(_)), "{operation:?}");
            assert_eq!(of(before, after, stronger, operation), Evidence::Undecided, "{operation:?}");
        }
    }

    #[test]
    fn an_object_that_is_no_longer_itself_is_told() {
        // "X" and "not X" at 0.01 and 0.03 of the crop after: 1 / (1 + e^2) = 0.11920, of half: 0.23841.
        let third = (1.0f32 - 0.01 * 0.01 - 0.03 * 0.03).sqrt();
        let found = agreement([0.8, 0.6, 0.0], [0.01, 0.03, third]);
        near(found.shows[1], 0.119_20);
        near(found.is(), 0.238_41);
        assert!(matches!(found.evidence(Operation::Extract), Evidence::Contradicts(_)));
        assert_eq!(found.evidence(Operation::Style), Evidence::Unseen);
        // It shows the target instead: an adjusted thing must be still what it was.
        assert_eq!(found.evidence(Operation::Adjust), Evidence::Undecided);
        // One that was hardly itself before is asked for no more than that.
        near(agreement([0.01, 0.03, third], [0.01, 0.03, third]).is(), 1.0);
    }

    #[test]
    fn what_was_not_shown_before_cannot_be_seen_to_go_or_to_change() {
        // The noun is the first axis, "not X" the second: less of the noun than of that, and more.
        let (unlike, like) = ([0.6, 0.8, 0.0], [0.8, 0.6, 0.0]);
        let cases = [
            (Operation::Remove, [0.0, 1.0, 0.0]),
            (Operation::Replace, [0.0, 0.6, 0.8]),
            (Operation::Adjust, [0.7, 0.1, 0.7]),
        ];
        for (operation, after) in cases {
            let told = [unlike, like].map(|before| agreement(before, after).evidence(operation));
            assert_eq!(told[0], Evidence::Undecided, "{operation:?}");
            assert!(matches!(told[1], Evidence::Confirms(surely) if surely > 0.5), "{operation:?}: {told:?}");
        }
    }

    #[test]
    fn what_stayed_as_it_was_tells_nothing() {
        let found = agreement([0.6, 0.0, 0.8], [0.6, 0.0, 0.8]);
        assert_eq!((found.noun.after, found.target.unwrap().after), (0.5, 0.5));
        let words =
            [Operation::Remove, Operation::Add, Operation::Replace, Operation::Visual, Operation::Adjust];
        assert!(words.into_iter().all(|operation| found.evidence(operation) == Evidence::Undecided));
        let unseen = [Operation::Style, Operation::Action];
        assert!(unseen.into_iter().all(|operation| found.evidence(operation) == Evidence::Unseen));
    }

    #[test]
    fn what_points_nowhere_agrees_with_nothing() {
        let noun = NounTexts { noun: vec![1.0, 0.0], not: vec![0.0, 1.0] };
        for (before, target) in [([0.0, 0.0], None), ([f32::NAN, 1.0], None), ([1.0, 0.0], Some([0.0; 3]))] {
            let target = target.as_ref().map(|target| target.as_slice());
            let seen = Seen { crops: [&before, &[1.0, 0.0]], noun: &noun, target, rivals: &[], sure: true };
            assert_eq!(Agreement::of(&seen), None);
        }
    }
}

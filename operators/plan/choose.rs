//! `choose`: which edits are tried on a picture, and on which of its regions. A pure function of the seed, the picture's
//! content and the regions that stand: see [`choice`](mod@crate::plan::choice) for the hashes behind it.

use std::fmt;
use std::str::FromStr;

use threshflow::flow::{Chooser, Chosen};
use threshflow::row::{Choice, Image, Refusal, Region, Row};

use crate::plan::choice::{self, Candidate};
use crate::plan::edit_plan::{EditType, Needs, Operation};

/// How far apart the two objects of a `hybrid` or a `content_memory` must be, in pixels: ImgEdit's.
pub const PIXELS_APART: f32 = 100.0;

/// Which types are tried, and on which share of the pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares([f32; EditType::COUNT]);

impl Default for Shares {
    /// Every type on every picture.
    fn default() -> Self {
        Shares([1.0; EditType::COUNT])
    }
}

impl Shares {
    /// 0 to 1.
    pub fn of(&self, edit_type: EditType) -> f32 {
        self.0[usize::from(edit_type.number())]
    }
}

/// `all`, or types with their shares: `add,remove=0.5`; those that are not named are not tried.
///
/// ```
/// use operators::plan::choose::Shares;
/// use operators::plan::edit_plan::EditType;
/// let shares: Shares = "add, remove=0.5".parse()?;
/// assert_eq!(EditType::ALL.map(|edit_type| shares.of(edit_type))[..3], [1.0, 0.5, 0.0]);
/// assert_eq!("ad".parse::<Shares>().unwrap_err().contains("add"), true);
/// # Ok::<(), String>(())
/// ```
impl FromStr for Shares {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "all" {
            return Ok(Shares::default());
        }
        let mut shares = [0.0; EditType::COUNT];
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (name, share) = entry.split_once('=').unwrap_or((entry, "1"));
            let known = EditType::from_name(name.trim());
            let Some(edit_type) = known else {
                let names = EditType::ALL.map(EditType::name).join(", ");
                return Err(format!("there is no edit type {:?}; there are {names}", name.trim()));
            };
            let share: f32 = share.trim().parse().unwrap_or(f32::NAN);
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("the share of {edit_type} is {entry:?}; give a number from 0 to 1"));
            }
            shares[usize::from(edit_type.number())] = share;
        }
        if shares.iter().all(|share| *share == 0.0) {
            return Err("no edit type is left to be tried; name one, or `all`".to_owned());
        }
        Ok(Shares(shares))
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = EditType::ALL.into_iter().map(|edit_type| (edit_type, self.of(edit_type)));
        let shares: Vec<String> =
            shares.filter(|(_, share)| *share > 0.0).map(|(name, share)| format!("{name}={share}")).collect();
        f.write_str(&shares.join(","))
    }
}

/// Chooses edits.
#[derive(Clone, Debug, PartialEq)]
pub struct Choose {
    pub seed: u64,
    pub shares: Shares,
    pub pixels_apart: f32,
}

impl Choose {
    fn one(&self, edit_type: EditType, picture: &Image, candidates: &[Candidate]) -> Result<Choice, Refusal> {
        let content = &picture.content;
        let chosen: Vec<u16> = match edit_type.needs() {
            Needs::Nothing | Needs::TwoFrames => Vec::new(),
            Needs::Object | Needs::Background => {
                let one = choice::choose_one(self.seed, content, edit_type, candidates);
                one.map(|one| vec![one.number]).ok_or_else(|| too_few(edit_type, candidates, ""))?
            }
            Needs::Pair => {
                let pair = choice::choose_pair(self.seed, content, edit_type, candidates, self.pixels_apart);
                let apart = format!(" of different nouns and more than {} pixels apart", self.pixels_apart);
                pair.map(|(a, b)| vec![a.number, b.number])
                    .ok_or_else(|| too_few(edit_type, candidates, &apart))?
            }
        };
        let mut regions = [Choice::NONE; 2];
        regions.iter_mut().zip(chosen).for_each(|(place, number)| *place = number);
        let mut operations = [NO_OPERATION; Choice::MOST_OPERATIONS];
        let pick = choice::pick(self.seed, content, edit_type.name());
        let chosen = choice::operations(edit_type, pick);
        operations.iter_mut().zip(chosen).for_each(|(place, operation)| *place = operation as u8);
        Ok(Choice { regions, operations })
    }
}

const NO_OPERATION: u8 = u8::MAX;

const _: () =
    assert!(EditType::MOST_STEPS <= Choice::MOST_OPERATIONS, "a choice has no place for so many steps");

/// The operations of a choice, in the order of its steps.
pub fn operations(choice: &Choice) -> Vec<Operation> {
    let operation = |number: &u8| Operation::ALL.get(usize::from(*number)).copied();
    choice.operations.iter().filter_map(operation).collect()
}

fn too_few(edit_type: EditType, candidates: &[Candidate], apart: &str) -> Refusal {
    let kind = edit_type.kind();
    let count = candidates.iter().filter(|candidate| candidate.kind == kind).count();
    let needed = edit_type.objects();
    Refusal::permanent(
        "too_few_candidates",
        format!("{edit_type} needs {needed} {kind} region(s){apart}; {count} {kind} region(s) stand"),
    )
}

impl Chooser for Choose {
    fn name(&self) -> &'static str {
        "choose"
    }

    fn choose(&self, picture: &Image, regions: &[Region]) -> Vec<Chosen> {
        let candidate = |region: &Region| Candidate {
            content: region.content(),
            number: region.number,
            noun: region.noun,
            bbox: region.bbox(),
            kind: region.kind,
        };
        let candidates: Vec<Candidate> = regions.iter().map(candidate).collect();
        let tried = EditType::ALL.into_iter().filter(|edit_type| {
            choice::takes_part(self.seed, &picture.content, *edit_type, self.shares.of(*edit_type))
        });
        let chosen = |edit_type: EditType| Chosen {
            number: edit_type.number(),
            choice: self.one(edit_type, picture, &candidates),
        };
        tried.map(chosen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use threshflow::flow::Found;
    use threshflow::row::{ContentHash, RegionKind, RowId};

    fn picture() -> Image {
        let id = RowId { shard: 0, member: 0 };
        Image { id, content: ContentHash([7; 16]), width: 1000, height: 800 }
    }

    /// A region of 100 by 110 pixels, and of the noun of that number.
    fn region(number: u16, kind: RegionKind, noun: u16, left: f32) -> Region {
        let (noun_text, bbox) = (format!("thing {noun}"), [left, 10.0, left + 100.0, 120.0]);
        Found { kind, noun, noun_text, bbox, score: 0.5, told_by: None }.region(&picture(), number)
    }

    fn regions() -> Vec<Region> {
        let object = |number: u16| region(number, RegionKind::Object, number, f32::from(number) * 240.0);
        (0..4).map(object).chain([region(4, RegionKind::Background, 4, 0.0)]).collect()
    }

    fn choose(regions: &[Region]) -> Vec<Chosen> {
        let chooser = Choose { seed: 3, shares: Shares::default(), pixels_apart: PIXELS_APART };
        chooser.choose(&picture(), regions)
    }

    #[test]
    fn all_types_are_tried_and_one_failure_costs_only_itself() {
        let chosen = choose(&regions());
        let numbers: Vec<u16> = chosen.iter().map(|chosen| chosen.number).collect();
        assert_eq!(numbers, EditType::ALL.map(EditType::number));
        assert!(chosen.iter().all(|chosen| chosen.choice.is_ok()), "{chosen:?}");
        // Of one object: a background and two objects find too little; of none all that is about any.
        let lacks = |needs: Needs, left: usize| match needs {
            Needs::Nothing | Needs::TwoFrames => false,
            Needs::Object => left == 0,
            Needs::Pair | Needs::Background => true,
        };
        for left in [1, 0] {
            let chosen = choose(&regions()[..left]);
            let refused = chosen.iter().filter_map(|chosen| chosen.choice.as_ref().err());
            let classes: Vec<&str> = refused.map(|refusal| refusal.class.as_ref()).collect();
            let expected = EditType::ALL.iter().filter(|it| lacks(it.needs(), left)).count();
            assert!(expected > 0);
            assert_eq!(classes, vec!["too_few_candidates"; expected]);
        }
    }

    #[test]
    fn steps_are_as_many_as_operations_and_regions_are_of_the_right_kind() {
        for Chosen { number, choice } in choose(&regions()) {
            let edit_type = EditType::from_number(number).unwrap();
            let choice = choice.unwrap();
            assert_eq!(choice.regions().count(), edit_type.objects(), "{edit_type}");
            let background = choice.regions().any(|number| number == 4);
            assert_eq!(background, edit_type == EditType::Background);
            assert_eq!(operations(&choice).len(), edit_type.steps().len(), "{edit_type}");
        }
    }

    #[test]
    fn of_a_pair_the_one_with_the_lower_rank_comes_first() {
        for seed in 0..20 {
            let chooser = Choose { seed, shares: "hybrid".parse().unwrap(), pixels_apart: PIXELS_APART };
            let chosen = chooser.choose(&picture(), &regions()).remove(0).choice.unwrap();
            let rank = |number: u16| {
                let region = regions().remove(usize::from(number)).content();
                choice::rank(seed, &picture().content, EditType::Hybrid, &region)
            };
            let ranks: Vec<u64> = chosen.regions().map(rank).collect();
            assert!(ranks[0] < ranks[1], "{chosen:?}");
        }
    }

    #[test]
    fn a_pair_is_of_two_nouns_and_far_enough_apart() {
        let chooser = |pixels_apart| Choose { seed: 3, shares: "hybrid".parse().unwrap(), pixels_apart };
        let gap_of_all = 140.0;
        let chosen = chooser(gap_of_all - 1.0).choose(&picture(), &regions()[..2]);
        assert!(chosen[0].choice.is_ok());
        let refused = chooser(gap_of_all).choose(&picture(), &regions()[..2]).remove(0).choice.unwrap_err();
        assert!(refused.class == "too_few_candidates" && refused.message.contains("140"), "{refused}");
        let same = |number: u16| region(number, RegionKind::Object, 0, f32::from(number) * 240.0);
        let refused = chooser(0.0).choose(&picture(), &[same(0), same(1)]).remove(0).choice;
        assert!(refused.is_err_and(|refused| refused.class == "too_few_candidates"));
    }

    #[test]
    fn only_types_with_a_share_are_tried_and_of_so_many_pictures() {
        let tried = |shares: &str, number: u8| {
            let chooser = Choose { seed: 3, shares: shares.parse().unwrap(), pixels_apart: PIXELS_APART };
            let picture = Image { content: ContentHash([number; 16]), ..picture() };
            let chosen = chooser.choose(&picture, &regions());
            chosen.into_iter().map(|chosen| chosen.number).collect::<Vec<u16>>()
        };
        let [style, add] = [EditType::Style, EditType::Add].map(EditType::number);
        assert_eq!(tried("style", 7), [style]);
        let half = (0..200).filter(|number| tried("add=0.5,style", *number) == [add, style]).count();
        assert!((70..130).contains(&half), "{half} of 200");
    }

    #[test]
    fn a_region_that_was_not_chosen_leaves_and_nothing_changes() {
        let all = choose(&regions());
        for gone in 0..4_u16 {
            let left: Vec<Region> = regions().into_iter().filter(|region| region.number != gone).collect();
            for (before, after) in all.iter().zip(choose(&left)) {
                let before = before.choice.as_ref().unwrap();
                if !before.regions().any(|number| number == gone) {
                    assert_eq!(after.choice.as_ref(), Ok(before));
                }
            }
        }
    }
}

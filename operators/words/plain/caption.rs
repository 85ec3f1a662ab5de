//! A caption from a detector's finds: counts, places, sizes, colours, the background last.

use threshflow::row::RegionKind;

use super::phrase::{list, number, plural, spaced, with_article};
use crate::plan::edit_plan::place::{Position, Size};
use crate::plan::edit_plan::words::words;

/// So many things of one noun are told one by one; of more, the surest.
const TOLD_OF_ONE_NOUN: usize = 3;
/// So many nouns are told at most, the surest.
const NOUNS_TOLD: usize = 24;

/// Something that a detector found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<'a> {
    pub noun: &'a str,
    pub kind: RegionKind,
    /// Left, top, right, bottom, in pixels.
    pub bbox: [f32; 4],
    /// How sure the detector is: greater is surer.
    pub score: f32,
    /// A colour's name, where one was made out.
    pub colour: Option<&'a str>,
}

/// What is in a picture of this size, in sentences. Objects come before backgrounds, and both in the order of their surest
/// find. Every noun that is told stands in the caption to the letter, between blanks or punctuation; of things that there are
/// several of, the plural besides if the noun is one word. Empty where nothing was found. The order of the finds is of no account.
///
/// ```
/// use operators::words::plain::{Seen, caption};
/// use threshflow::row::RegionKind;
/// let found = |noun, kind, bbox, colour| Seen { noun, kind, bbox, score: 0.9, colour };
/// let finds = [
///     found("car", RegionKind::Object, [10.0, 200.0, 90.0, 290.0], Some("red")),
///     found("sky", RegionKind::Background, [0.0, 0.0, 300.0, 150.0], None),
/// ];
/// assert_eq!(
///     caption(&finds, 300, 300),
///     "The picture shows a red car in the bottom left corner. The background shows the sky at the top."
/// );
/// ```
pub fn caption(finds: &[Seen<'_>], width: u32, height: u32) -> String {
    let mut finds: Vec<&Seen<'_>> = finds.iter().filter(|seen| !words(seen.noun).is_empty()).collect();
    // The surest first; what is equally sure in reading order, so that the list's own order plays no part.
    finds.sort_by(|a, b| {
        let sides = |seen: &Seen<'_>| [seen.bbox[1], seen.bbox[0], seen.bbox[3], seen.bbox[2]];
        let (first, second) = (sides(a), sides(b));
        let by_side = first.iter().zip(&second).map(|(a, b)| a.total_cmp(b));
        let place = by_side.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
        b.score.total_cmp(&a.score).then(place).then_with(|| (a.noun, a.colour).cmp(&(b.noun, b.colour)))
    });
    let mut sentences = Vec::new();
    for kind in [RegionKind::Object, RegionKind::Background] {
        let mut groups: Vec<(&str, Vec<&Seen<'_>>)> = Vec::new();
        for seen in finds.iter().filter(|seen| seen.kind == kind) {
            match groups.iter_mut().find(|(noun, _)| *noun == seen.noun) {
                Some((_, group)) => group.push(seen),
                None => groups.push((seen.noun, vec![seen])),
            }
        }
        groups.truncate(NOUNS_TOLD);
        let (several, single): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(_, group)| group.len() > 1);
        if kind == RegionKind::Object {
            let told: Vec<String> = single.iter().map(|(_, group)| one(group[0], width, height)).collect();
            sentences.extend(told.chunks(4).enumerate().map(|(at, some)| match at {
                0 => format!("The picture shows {}.", list(some)),
                _ => format!("It also shows {}.", list(some)),
            }));
            sentences.extend(several.iter().map(|(noun, group)| many(noun, group, width, height)));
        } else {
            let told: Vec<String> =
                single.iter().chain(&several).map(|(_, group)| behind(group[0], width, height)).collect();
            if !told.is_empty() {
                sentences.push(format!("The background shows {}.", list(&told)));
            }
        }
    }
    sentences.join(" ")
}

/// `the blue sky at the top`: a background has no size to speak of.
fn behind(seen: &Seen<'_>, width: u32, height: u32) -> String {
    let place = Position::of(seen.bbox, width, height).phrase();
    format!("the {} {place}", coloured(seen))
}

/// `a small red car on the left`
fn one(seen: &Seen<'_>, width: u32, height: u32) -> String {
    let place = Position::of(seen.bbox, width, height).phrase();
    spaced(&[&with_article(&described(seen, width, height)), place])
}

/// `small red car`
fn described(seen: &Seen<'_>, width: u32, height: u32) -> String {
    let size = Size::of(seen.bbox, width, height).word().filter(|word| !in_noun(seen, word));
    spaced(&[size.unwrap_or_default(), &coloured(seen)])
}

/// `red car`
fn coloured(seen: &Seen<'_>) -> String {
    let colour = seen.colour.filter(|word| !in_noun(seen, word));
    spaced(&[colour.unwrap_or_default(), seen.noun])
}

/// An orange orange is an orange.
fn in_noun(seen: &Seen<'_>, word: &str) -> bool {
    words(seen.noun).iter().any(|said| said == word)
}

/// `There are five cars: a red car on the left, a car at the top and three more.`
fn many(noun: &str, group: &[&Seen<'_>], width: u32, height: u32) -> String {
    let mut told: Vec<String> =
        group.iter().take(TOLD_OF_ONE_NOUN).map(|seen| one(seen, width, height)).collect();
    if group.len() > TOLD_OF_ONE_NOUN {
        told.push(format!("{} more", number(group.len() - TOLD_OF_ONE_NOUN)));
    }
    // The plural of several words would hide them from a noun finder: of `ice creams` it finds the ice.
    let kind = if noun.split_whitespace().count() == 1 { plural(noun) } else { "of one kind".to_owned() };
    format!("There are {} {kind}: {}.", number(group.len()), list(&told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::edit_plan::words::names;

    fn object<'a>(noun: &'a str, bbox: [f32; 4], score: f32, colour: Option<&'a str>) -> Seen<'a> {
        Seen { noun, kind: RegionKind::Object, bbox, score, colour }
    }

    #[test]
    fn counts_places_sizes_and_colours_are_told() {
        let finds = [
            object("car", [0.0, 100.0, 60.0, 200.0], 0.9, Some("red")),
            object("car", [240.0, 100.0, 300.0, 200.0], 0.8, Some("blue")),
            object("fire truck", [100.0, 100.0, 120.0, 120.0], 0.7, None),
            object("orange", [0.0, 0.0, 250.0, 250.0], 0.6, Some("orange")),
        ];
        assert_eq!(
            caption(&finds, 300, 300),
            "The picture shows a small fire truck in the centre and a large orange in the centre. There are two cars: a red car on \
             the left and a blue car on the right."
        );
        let many: Vec<Seen<'_>> =
            (0..5).map(|at| object("boat", [at as f32 * 60.0, 0.0, 50.0, 90.0], 0.5, None)).collect();
        assert!(
            caption(&many, 300, 300).contains("five boats: ")
                && caption(&many, 300, 300).ends_with("two more.")
        );
        assert_eq!(caption(&[], 300, 300), "");
    }

    #[test]
    fn every_noun_stands_to_the_letter_whatever_the_order() {
        let long = "n".repeat(500);
        let nouns =
            ["car", "Eiffel Tower", "猫", "berry", "mountains", "T-shirt", &long, "bus", "glass of water"];
        let mut finds: Vec<Seen<'_>> = nouns
            .iter()
            .enumerate()
            .flat_map(|(at, noun)| {
                (0..1 + at % 3).map(move |row| {
                    let (left, top) = (at as f32 * 30.0, row as f32 * 120.0);
                    object(noun, [left, top, left + 20.0, top + 50.0], 0.5, None)
                })
            })
            .collect();
        finds.push(Seen { kind: RegionKind::Background, ..object("hills", [f32::NAN; 4], f32::NAN, None) });
        let told = caption(&finds, 300, 300);
        for noun in nouns.iter().chain(&["hills"]) {
            assert!(told.contains(noun) && names(&told, noun), "{noun} in {told}");
        }
        finds.reverse();
        assert_eq!(caption(&finds, 300, 300), told);
        finds.push(object("!?", [0.0; 4], 1.0, None));
        assert_eq!(caption(&finds, 300, 300), told);
    }
}

//! Where a box lies in its picture and how much of it it takes up, in the words that instructions use.
//!
//! Rough on purpose: a picture has nine fields, and a box lies in the one that its middle falls into.

use super::words::{names, parts, words};

/// One of the nine fields of a picture, each a third of its width and of its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    TopLeft,
    Top,
    TopRight,
    Left,
    Centre,
    Right,
    BottomLeft,
    Bottom,
    BottomRight,
}

impl Position {
    /// In reading order.
    pub const ALL: [Position; 9] = [
        Position::TopLeft,
        Position::Top,
        Position::TopRight,
        Position::Left,
        Position::Centre,
        Position::Right,
        Position::BottomLeft,
        Position::Bottom,
        Position::BottomRight,
    ];

    /// Of a box (left, top, right, bottom, in pixels) in a picture of this size. What is no number counts as the middle.
    pub fn of(bbox: [f32; 4], width: u32, height: u32) -> Position {
        let column = third(bbox[0], bbox[2], width);
        let row = third(bbox[1], bbox[3], height);
        Position::ALL[3 * row + column]
    }

    /// For a sentence about a picture: `on the left`, `in the top right corner`.
    pub fn phrase(self) -> &'static str {
        match self {
            Position::TopLeft => "in the top left corner",
            Position::Top => "at the top",
            Position::TopRight => "in the top right corner",
            Position::Left => "on the left",
            Position::Centre => "in the centre",
            Position::Right => "on the right",
            Position::BottomLeft => "in the bottom left corner",
            Position::Bottom => "at the bottom",
            Position::BottomRight => "in the bottom right corner",
        }
    }

    fn column(self) -> usize {
        self as usize % 3
    }

    fn row(self) -> usize {
        self as usize / 3
    }

    /// Whether the text tells this place: it has a word of it, and none of its opposite that it doesn't also have. Text about a
    /// box on the left may say `left` and not `right`; either `top` or `left` is enough for the corner.
    pub fn told_by(self, text: &str) -> Result<(), String> {
        let said = parts(text);
        let any = |known: &[&str]| said.iter().any(|word| known.contains(&word.as_str()));
        let axes = [(self.column(), &COLUMNS), (self.row(), &ROWS)];
        for (third, sides) in axes {
            if third != 1 && any(sides[2 - third]) && !any(sides[third]) {
                let wrong = sides[2 - third][0];
                return Err(format!("it says {wrong:?}, but the object is {}", self.phrase()));
            }
        }
        let own = match self {
            Position::Centre => any(&CENTRE),
            _ => axes.iter().any(|(third, sides)| *third != 1 && any(sides[*third])),
        };
        if own { Ok(()) } else { Err(format!("it does not say where the object is: {}", self.phrase())) }
    }
}

const COLUMNS: [&[&str]; 3] = [&["left", "leftmost"], &[], &["right", "rightmost"]];
const ROWS: [&[&str]; 3] =
    [&["top", "upper", "topmost", "uppermost"], &[], &["bottom", "lower", "bottommost", "lowest"]];
const CENTRE: [&str; 5] = ["centre", "center", "middle", "central", "centered"];

/// 0, 1 or 2: the third of an axis that the middle of `low..high` falls into.
fn third(low: f32, high: f32, length: u32) -> usize {
    let middle = f64::from(low) / 2.0 + f64::from(high) / 2.0;
    let part = 3.0 * middle / f64::from(length);
    if part.is_finite() { part.clamp(0.0, 2.0).floor() as usize } else { 1 }
}

/// How much of a picture a box takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Below a twenty-fifth of the picture's area.
    Small,
    /// Needs no word.
    Medium,
    /// A quarter of the picture's area, or more.
    Large,
}

const SMALL: [&str; 7] = ["small", "little", "tiny", "smaller", "smallest", "mini", "miniature"];
const LARGE: [&str; 9] =
    ["large", "big", "huge", "larger", "largest", "biggest", "giant", "massive", "enormous"];

impl Size {
    /// Of a box (left, top, right, bottom, in pixels) in a picture of this size.
    pub fn of(bbox: [f32; 4], width: u32, height: u32) -> Size {
        let [left, top, right, bottom] = bbox.map(f64::from);
        let share = (right - left) * (bottom - top) / (f64::from(width) * f64::from(height));
        match share {
            share if share < 0.04 => Size::Small,
            share if share >= 0.25 => Size::Large,
            _ => Size::Medium,
        }
    }

    /// `small`, `large`; none for what is neither.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Size::Small => Some("small"),
            Size::Medium => None,
            Size::Large => Some("large"),
        }
    }

    /// Whether the text tells this size: it has a word of it, and none of its opposite. What is neither small nor large needs
    /// no word.
    pub fn told_by(self, text: &str) -> Result<(), String> {
        let said = parts(text);
        let any = |known: &[&str]| said.iter().any(|word| known.contains(&word.as_str()));
        let (own, other) = match self {
            Size::Small => (any(&SMALL), any(&LARGE)),
            Size::Medium => return Ok(()),
            Size::Large => (any(&LARGE), any(&SMALL)),
        };
        let word = self.word().unwrap_or_default();
        match (own, other) {
            (true, false) => Ok(()),
            (_, true) => Err(format!("it gives the wrong size, the object is {word}")),
            (false, false) => Err(format!("it does not say that the object is {word}")),
        }
    }
}

/// The text without these words, wherever they stand together: `left shoe` says nothing of a place.
pub(super) fn without(text: &str, noun: &str) -> String {
    let (said, noun) = (words(text), words(noun));
    if noun.is_empty() || !names(text, &noun.join(" ")) {
        return said.join(" ");
    }
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < said.len() {
        if said[at..].starts_with(&noun) {
            at += noun.len();
        } else {
            kept.push(said[at].as_str());
            at += 1;
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_box_decides() {
        let fields = [
            ([0.0, 0.0, 10.0, 10.0], Position::TopLeft),
            ([0.0, 0.0, 300.0, 60.0], Position::Top),
            ([250.0, 20.0, 300.0, 80.0], Position::TopRight),
            ([0.0, 0.0, 60.0, 300.0], Position::Left),
            ([50.0, 50.0, 250.0, 250.0], Position::Centre),
            ([200.0, 120.0, 300.0, 170.0], Position::Right),
            ([0.0, 250.0, 120.0, 300.0], Position::BottomLeft),
            ([100.0, 280.0, 200.0, 300.0], Position::Bottom),
            ([280.0, 280.0, 300.0, 300.0], Position::BottomRight),
            ([f32::NAN, 0.0, 0.0, 10.0], Position::Top),
            ([900.0, -900.0, 990.0, -880.0], Position::TopRight),
        ];
        for (bbox, place) in fields {
            assert_eq!(Position::of(bbox, 300, 300), place, "{bbox:?}");
        }
        assert_eq!(Position::of([0.0, 0.0, 0.0, 0.0], 0, 0), Position::Centre);
    }

    #[test]
    fn every_place_is_told_by_its_own_phrase_and_by_no_opposite() {
        for place in Position::ALL {
            assert_eq!(place.told_by(place.phrase()), Ok(()));
            assert!(place.told_by("Remove the dog.").is_err());
            let mirrored = Position::ALL[8 - place as usize];
            if place != Position::Centre {
                assert!(place.told_by(mirrored.phrase()).is_err(), "{place:?}");
            }
        }
        assert_eq!(Position::TopLeft.told_by("the kite in the upper part"), Ok(()));
        assert_eq!(Position::TopLeft.told_by("in the top-left corner"), Ok(()));
        assert!(Position::TopLeft.told_by("in the bottom-left corner").is_err());
        assert_eq!(Position::Right.told_by("on the right-hand side"), Ok(()));
        assert_eq!(Position::Centre.told_by("in the CENTER of the picture"), Ok(()));
        assert_eq!(Position::Left.told_by("on the left, right beside the door"), Ok(()));
        assert!(Position::Left.told_by("on the right").unwrap_err().contains("on the left"));
    }

    #[test]
    fn sizes_have_words_where_they_stand_out() {
        assert_eq!(Size::of([0.0, 0.0, 19.0, 20.0], 100, 100), Size::Small);
        assert_eq!(Size::of([0.0, 0.0, 20.0, 20.0], 100, 100), Size::Medium);
        assert_eq!(Size::of([0.0, 0.0, 50.0, 50.0], 100, 100), Size::Large);
        assert_eq!(Size::Small.told_by("the tiny dog"), Ok(()));
        assert!(Size::Small.told_by("the big dog").is_err());
        assert!(Size::Large.told_by("the dog").unwrap_err().contains("large"));
        assert_eq!(Size::Medium.told_by("the dog"), Ok(()));
    }

    #[test]
    fn what_belongs_to_the_noun_says_nothing_of_a_place() {
        assert_eq!(without("Remove the Left Shoe on the right.", "left shoe"), "remove the on the right");
        assert_eq!(without("Remove it", "left shoe"), "remove it");
    }
}

//! A scene: what stands where, in which colours; its picture, and the truth about it.

use image::{GrayImage, Luma, RgbImage};

use super::colour::Rgb;
use super::dice::Dice;
use super::draw::{Board, Placing};
use super::frames::Move;
use super::palette::Palette;
use super::places;
use super::things::{Part, Thing};

/// An object of which less than this many pixels are seen is not in the truth.
const LEAST_SEEN: u32 = 16;

/// A drawn scene. It has no size: [`Scene::draw`] gives it one.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What stands behind the objects: `sky`, `hills`, `sea`, `table` ...
    pub background: Vec<&'static str>,
    palette: Palette,
    objects: Vec<Named>,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Named {
    noun: &'static str,
    colour: &'static str,
}

/// Parts that share a frame and an owner, in drawing order.
#[derive(Clone, Debug)]
struct Layer {
    frame: Frame,
    /// One more than the object's place in `objects`, or what [`ground_owner`] says of a background.
    owner: u8,
    parts: Vec<Part>,
}

/// The owner of what is seen of the background of this place in `background`: counted from the end, since objects are counted
/// from the start. 0 is nobody's.
fn ground_owner(place: usize) -> u8 {
    u8::MAX - place as u8
}

#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Units are the whole picture: 0 to 1 in both directions.
    Whole,
    /// The origin is at (`x`, `y`) of the whole picture; a unit is `size` times its shorter side.
    At { x: f32, y: f32, size: f32 },
}

impl Frame {
    fn placing(self, width: u32, height: u32) -> Placing {
        let (width, height) = (width as f32, height as f32);
        match self {
            Frame::Whole => Placing { origin: (0.0, 0.0), scale: (width, height) },
            Frame::At { x, y, size } => {
                let unit = size * width.min(height);
                Placing { origin: (x * width, y * height), scale: (unit, unit) }
            }
        }
    }
}

/// An object as it is seen in a picture of a certain size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is: `house`, `tree`, `boat`, `cup` ...
    pub noun: &'static str,
    /// The word for its main colour.
    pub colour: &'static str,
    /// Left, top, right, bottom of what is seen of it, in pixels; right and bottom are just outside.
    pub bounds: [u32; 4],
    /// How many pixels of it are seen.
    pub area: u32,
    owner: u8,
}

/// A part of the background as it is seen in a picture of a certain size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// What it is: `sky`, `hills`, `sea`, `table` ...
    pub noun: &'static str,
    /// Left, top, right, bottom of what is seen of it, in pixels; right and bottom are just outside.
    pub bounds: [u32; 4],
    /// How many pixels of it are seen.
    pub area: u32,
    owner: u8,
}

/// All that is true of a picture of a scene: its objects and backgrounds, and which pixel belongs to which.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The objects that are seen, from back to front.
    pub objects: Vec<Object>,
    /// The parts of the background that are seen, from back to front.
    pub grounds: Vec<Ground>,
    width: u32,
    height: u32,
    owners: Vec<u8>,
}

impl Truth {
    /// What is seen of an object: 255 where it is, 0 elsewhere. Masks of two objects never meet.
    pub fn mask(&self, object: &Object) -> GrayImage {
        self.mask_of(object.owner)
    }

    /// What is seen of a part of the background: 255 where it is, 0 elsewhere. It meets no object's mask.
    pub fn ground_mask(&self, ground: &Ground) -> GrayImage {
        self.mask_of(ground.owner)
    }

    fn mask_of(&self, of: u8) -> GrayImage {
        GrayImage::from_fn(self.width, self.height, |x, y| {
            let owner = self.owners[y as usize * self.width as usize + x as usize];
            Luma([if owner == of { 255 } else { 0 }])
        })
    }
}

impl Scene {
    /// Scene number `n` of the series `seed`: the same scene always.
    pub fn number(seed: u64, n: u64) -> Scene {
        let mut dice = Dice::of(seed, n);
        let palette = Palette::roll(&mut dice);
        let mut scene = Scene { background: Vec::new(), palette, objects: Vec::new(), layers: Vec::new() };
        places::furnish(&mut scene, &mut dice);
        scene
    }

    /// The picture, at a width and height in pixels. Any size will do; sizes are not distorted, things are
    /// as big as the shorter side has them.
    pub fn draw(&self, width: u32, height: u32) -> RgbImage {
        self.draw_on(Board::new(width, height)).finish().0
    }

    /// The objects and backgrounds of the picture of this size, with their boxes and masks.
    pub fn objects(&self, width: u32, height: u32) -> Truth {
        let (_, owners) = self.draw_on(Board::with_owners(width, height)).finish();
        let seen = Seen::count(&owners, width);
        let object = |(i, named): (usize, &Named)| {
            let owner = i as u8 + 1;
            let (bounds, area) = seen.of(owner)?;
            Some(Object { noun: named.noun, colour: named.colour, bounds, area, owner })
        };
        let ground = |(i, noun): (usize, &&'static str)| {
            let owner = ground_owner(i);
            let (bounds, area) = seen.of(owner)?;
            Some(Ground { noun, bounds, area, owner })
        };
        let objects = self.objects.iter().enumerate().filter_map(object).collect();
        let grounds = self.background.iter().enumerate().filter_map(ground).collect();
        Truth { objects, grounds, width, height, owners }
    }

    /// The scene with one of its objects moved, and grown about its foot.
    pub(super) fn with_moved(&self, object: &Object, by: Move) -> Scene {
        let mut moved = self.clone();
        for layer in moved.layers.iter_mut().filter(|layer| layer.owner == object.owner) {
            if let Frame::At { x, y, size } = &mut layer.frame {
                (*x, *y, *size) = (*x + by.dx, *y + by.dy, *size * by.zoom);
            }
        }
        moved
    }

    /// How many pixels are seen of an object of this scene, or of one that it was moved from.
    pub(super) fn seen_of(&self, object: &Object, width: u32, height: u32) -> Option<u32> {
        let truth = self.objects(width, height);
        truth.objects.iter().find(|known| known.owner == object.owner).map(|known| known.area)
    }

    /// What its objects are, each noun once, from back to front.
    pub fn nouns(&self) -> Vec<&'static str> {
        let mut nouns: Vec<&'static str> = Vec::new();
        for named in &self.objects {
            if !nouns.contains(&named.noun) {
                nouns.push(named.noun);
            }
        }
        nouns
    }

    /// How good its colours are, 0 to 10: [`Palette::harmony`].
    pub fn harmony(&self) -> f32 {
        self.palette.harmony()
    }

    /// The colours that it is drawn in.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// One English sentence that names its most prominent objects, its background, and the sun or moon.
    pub fn caption(&self) -> String {
        let (lights, others): (Vec<&Named>, Vec<&Named>) =
            self.objects.iter().partition(|object| matches!(object.noun, "sun" | "moon"));
        let mut said: Vec<&Named> = Vec::new();
        for object in others.into_iter().rev() {
            if said.len() < 4 && said.iter().all(|other| other.noun != object.noun) {
                said.push(object);
            }
        }
        let phrase = |named: &&Named| format!("{} {} {}", article(named.colour), named.colour, named.noun);
        let things: Vec<String> = said.iter().map(phrase).collect();
        let list = match things.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => "nothing".into(),
        };
        let ground = self.background.last().unwrap_or(&"ground");
        let light = lights.first().map(|light| format!(" under {}", phrase(light))).unwrap_or_default();
        let by = if *ground == "beach" { "by" } else { "on" };
        let text = format!("{list} {by} a {ground}{light}.");
        text[..1].to_uppercase() + &text[1..]
    }

    /// Adds something that is not an object, in units of the whole picture. It belongs to the background named last.
    pub(super) fn backdrop(&mut self, parts: Vec<Part>) {
        self.layers.push(Layer { frame: Frame::Whole, owner: self.last_ground(), parts });
    }

    /// Adds something that is not an object, with its origin at a place. It belongs to the background named last.
    pub(super) fn ornament(&mut self, (x, y): (f32, f32), size: f32, parts: Vec<Part>) {
        self.layers.push(Layer { frame: Frame::At { x, y, size }, owner: self.last_ground(), parts });
    }

    fn last_ground(&self) -> u8 {
        self.background.len().checked_sub(1).map_or(0, ground_owner)
    }

    /// Stands a thing at a place (0 to 1 of the picture), `size` times its shorter side high.
    pub(super) fn stand(&mut self, thing: Thing, (x, y): (f32, f32), size: f32) {
        self.objects.push(Named { noun: thing.noun, colour: Rgb::name(thing.colour) });
        let owner = self.objects.len() as u8;
        self.layers.push(Layer { frame: Frame::At { x, y, size }, owner, parts: thing.parts });
    }

    fn draw_on(&self, mut board: Board) -> Board {
        let (width, height) = board.size();
        for layer in &self.layers {
            let placing = layer.frame.placing(width, height);
            for (shape, paint) in &layer.parts {
                board.paint(&shape.placed(&placing), paint, layer.owner);
            }
        }
        board
    }
}

/// Bounds and area of each owner's pixels.
struct Seen(Vec<([u32; 4], u32)>);

impl Seen {
    fn count(owners: &[u8], width: u32) -> Self {
        let mut seen = vec![([u32::MAX, u32::MAX, 0, 0], 0); 1 + usize::from(u8::MAX)];
        for (row, y) in owners.chunks_exact(width as usize).zip(0..) {
            for (&owner, x) in row.iter().zip(0..) {
                let ([left, top, right, bottom], area) = &mut seen[usize::from(owner)];
                (*left, *top) = ((*left).min(x), (*top).min(y));
                (*right, *bottom) = ((*right).max(x + 1), (*bottom).max(y + 1));
                *area += 1;
            }
        }
        Seen(seen)
    }

    /// None where too little is seen.
    fn of(&self, owner: u8) -> Option<([u32; 4], u32)> {
        Some(self.0[usize::from(owner)]).filter(|(_, area)| *area >= LEAST_SEEN)
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use threshflow::row::ContentHash;

    use super::*;

    fn hash(seed: u64, n: u64) -> String {
        ContentHash::of(&Scene::number(seed, n).draw(97, 64)).to_string()
    }

    /// If this fails because scenes were changed on purpose, the scorer must be made again.
    #[test]
    fn the_same_pixels_on_every_machine() {
        let found: Vec<String> = (0..4).map(|n| hash(1, n)).collect();
        assert_eq!(
            found,
            [
                "663abe760053714a1d09d5de5c426bfc",
                "e8cc2c04724a0691b6052fa2717a8ab4",
                "4f643d2fac81be59cbc8e397a4774992",
                "4744940c9f18c066b410965d84ea5d95",
            ]
        );
    }

    #[test]
    fn scenes_differ() {
        let found: HashSet<String> = (0..30).flat_map(|n| [hash(1, n), hash(2, n)]).collect();
        assert_eq!(found.len(), 60);
        let places: HashSet<&str> =
            (0..30).map(|n| *Scene::number(1, n).background.last().unwrap()).collect();
        assert_eq!(places, HashSet::from(["meadow", "beach", "table", "street"]));
    }

    #[test]
    fn each_ground_is_where_no_object_is_and_together_they_fill_the_picture() {
        for n in 0..12 {
            let scene = Scene::number(1, n);
            let truth = scene.objects(160, 120);
            let nouns: Vec<&str> = truth.grounds.iter().map(|ground| ground.noun).collect();
            assert!(
                nouns.iter().all(|noun| scene.background.contains(noun)) && nouns.len() >= 3,
                "{nouns:?}"
            );
            let all: u32 = truth.objects.iter().map(|object| object.area).sum::<u32>()
                + truth.grounds.iter().map(|ground| ground.area).sum::<u32>();
            assert!(all > 160 * 120 * 99 / 100, "scene {n}: {all} pixels are somebody's");
            for ground in &truth.grounds {
                let mask = truth.ground_mask(ground);
                let inside: Vec<(u32, u32)> =
                    mask.enumerate_pixels().filter(|(.., m)| m.0[0] == 255).map(|(x, y, _)| (x, y)).collect();
                let right = inside.iter().map(|(x, _)| x + 1).max().unwrap();
                let top = *inside.iter().map(|(_, y)| y).min().unwrap();
                let found = (inside.len() as u32, right, top);
                assert_eq!(found, (ground.area, ground.bounds[2], ground.bounds[1]), "{}", ground.noun);
            }
        }
        // The sky is above the hills, and both above the street.
        let street = Scene::number(1, 0).objects(160, 120).grounds;
        let tops: Vec<(&str, u32)> = street.iter().map(|ground| (ground.noun, ground.bounds[1])).collect();
        assert!(tops.len() == 3 && tops[0] == ("sky", 0) && tops[1].1 < tops[2].1, "{tops:?}");
    }

    #[test]
    fn each_box_is_the_bounds_of_its_mask_and_no_masks_meet() {
        for n in 0..12 {
            let (width, height) = [(160, 120), (90, 120)][n as usize % 2];
            let truth = Scene::number(1, n).objects(width, height);
            assert!(truth.objects.len() >= 3, "scene {n} shows {} objects", truth.objects.len());
            let mut taken = vec![false; width as usize * height as usize];
            for object in &truth.objects {
                let mask = truth.mask(object);
                let (mut bounds, mut area) = ([width, height, 0, 0], 0);
                for (x, y, _) in mask.enumerate_pixels().filter(|(.., pixel)| pixel.0[0] == 255) {
                    bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x + 1), bounds[3].max(y + 1)];
                    area += 1;
                    assert!(!std::mem::replace(&mut taken[(y * width + x) as usize], true));
                }
                assert_eq!((object.bounds, object.area), (bounds, area), "{} of scene {n}", object.noun);
            }
        }
    }

    #[test]
    fn a_mask_is_where_its_object_was_painted() {
        let mut scene = Scene::number(1, 0);
        let (picture, truth) = (scene.draw(120, 90), scene.objects(120, 90));
        let object = truth.objects.last().unwrap();
        let owner = object.owner;
        scene.layers.retain(|layer| layer.owner != owner);
        let (mask, without) = (truth.mask(object), scene.draw(120, 90));
        let changed = |x, y| picture.get_pixel(x, y) != without.get_pixel(x, y);
        let inside = mask.enumerate_pixels().filter(|(.., m)| m.0[0] == 255);
        let (seen, all) =
            inside.fold((0, 0), |(seen, all), (x, y, _)| (seen + u32::from(changed(x, y)), all + 1));
        assert!(seen * 10 >= all * 9, "{seen} of {all} pixels of the {} differ without it", object.noun);
    }

    #[test]
    fn harmony_is_spread_around_five_so_that_every_dial_moves_rows() {
        let all: Vec<f32> = (0..600).map(|n| Scene::number(1, n).harmony()).collect();
        assert!(all.iter().all(|h| (0.0..=10.0).contains(h)));
        let above = |dial: f32| all.iter().filter(|h| **h > dial).count();
        let counts = [above(4.0), above(4.75), above(5.5)];
        assert!(
            counts[0] < 500 && counts[0] > counts[1] + 40 && counts[1] > counts[2] + 40 && counts[2] > 150
        );
    }

    #[test]
    fn the_vocabulary_has_every_noun() {
        let (objects, backgrounds) = super::super::VOCABULARY.split_once("[backgrounds]").unwrap();
        let listed = |list: &str, noun: &str| list.lines().any(|line| line == noun);
        for n in 0..300 {
            let scene = Scene::number(1, n);
            assert!(scene.nouns().iter().all(|noun| listed(objects, noun)), "{:?}", scene.nouns());
            assert!(scene.background.iter().all(|noun| listed(backgrounds, noun)), "{:?}", scene.background);
        }
    }

    #[test]
    fn captions_name_what_is_seen() {
        let caption = "A red car, a teal tree and a red house on a street under an orange sun.";
        assert_eq!(Scene::number(1, 0).caption(), caption);
    }
}

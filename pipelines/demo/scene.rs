//! A scene: what stands where, in which colours; its picture, and the truth about it.

use image::{GrayImage, Luma, RgbImage};

use super::colour::Rgb;
use super::dice::Dice;
use super::draw::{Board, Placing};
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
    /// 0 for the background, else one more than the object's place in `objects`.
    owner: u8,
    parts: Vec<Part>,
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

/// All that is true of a picture of a scene: its objects, and which pixel belongs to which.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The objects that are seen, from back to front.
    pub objects: Vec<Object>,
    width: u32,
    height: u32,
    owners: Vec<u8>,
}

impl Truth {
    /// What is seen of an object: 255 where it is, 0 elsewhere. Masks of two objects never meet.
    pub fn mask(&self, object: &Object) -> GrayImage {
        GrayImage::from_fn(self.width, self.height, |x, y| {
            let owner = self.owners[y as usize * self.width as usize + x as usize];
            Luma([if owner == object.owner { 255 } else { 0 }])
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

    /// The objects of the picture of this size, with their boxes and masks.
    pub fn objects(&self, width: u32, height: u32) -> Truth {
        let (_, owners) = self.draw_on(Board::with_owners(width, height)).finish();
        let mut objects: Vec<Object> = Vec::new();
        for (i, named) in self.objects.iter().enumerate() {
            let bounds = [width, height, 0, 0];
            objects.push(Object {
                noun: named.noun,
                colour: named.colour,
                bounds,
                area: 0,
                owner: i as u8 + 1,
            });
        }
        for (row, y) in owners.chunks_exact(width as usize).zip(0..) {
            for (&owner, x) in row.iter().zip(0..).filter(|(owner, _)| **owner > 0) {
                let object = &mut objects[owner as usize - 1];
                let [left, top, right, bottom] = object.bounds;
                object.bounds = [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)];
                object.area += 1;
            }
        }
        objects.retain(|object| object.area >= LEAST_SEEN);
        Truth { objects, width, height, owners }
    }

    /// How good its colours are, 0 to 10: [`Palette::harmony`].
    pub fn harmony(&self) -> f32 {
        self.palette.harmony()
    }

    /// The colours that it is drawn in.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// One English sentence that names its most prominent objects and its background.
    pub fn caption(&self) -> String {
        let mut said: Vec<&Named> = Vec::new();
        for object in self.objects.iter().rev() {
            if said.len() < 4 && said.iter().all(|other| other.noun != object.noun) {
                said.push(object);
            }
        }
        let things: Vec<String> = said
            .iter()
            .map(|named| format!("{} {} {}", article(named.colour), named.colour, named.noun))
            .collect();
        let ground = self.background.last().unwrap_or(&"ground");
        let text = match things.split_last() {
            None => format!("an empty {ground}"),
            Some((last, [])) => format!("{last} before the {ground}"),
            Some((last, others)) => format!("{} and {last} before the {ground}", others.join(", ")),
        };
        text[..1].to_uppercase() + &text[1..] + "."
    }

    /// Adds something that is not an object, in units of the whole picture.
    pub(super) fn backdrop(&mut self, parts: Vec<Part>) {
        self.layers.push(Layer { frame: Frame::Whole, owner: 0, parts });
    }

    /// Adds something that is not an object, with its origin at a place.
    pub(super) fn ornament(&mut self, (x, y): (f32, f32), size: f32, parts: Vec<Part>) {
        self.layers.push(Layer { frame: Frame::At { x, y, size }, owner: 0, parts });
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

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

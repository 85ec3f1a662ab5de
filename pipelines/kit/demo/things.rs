//! The things in the scenes, each drawn from a few shapes.
//!
//! A thing is at the origin of its own units: x to the right, y down, so that everything above its foot has a negative y. It is about one
//! unit high.

use super::colour::Rgb;
use super::dice::Dice;
use super::draw::{Paint, Run, Shape};
use super::palette::{Palette, Role};

/// A shape and its paint.
pub(crate) type Part = (Shape, Paint);

/// A thing in its own units.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub noun: &'static str,
    /// The colour that a person would name it by.
    pub colour: Rgb,
    pub parts: Vec<Part>,
}

/// Makes a thing in the colours of a palette.
pub(crate) type Maker = fn(&Palette, &mut Dice) -> Thing;

fn polygon(corners: &[(f32, f32)]) -> Shape {
    Shape::Polygon(corners.to_vec())
}

fn oval(x: f32, y: f32, rx: f32, ry: f32) -> Shape {
    Shape::Oval { x, y, rx, ry }
}

fn flat(shape: Shape, colour: Rgb) -> Part {
    (shape, Paint::flat(colour))
}

/// A ball's or a crown's paint: lit from the upper left.
fn round(shape: Shape, colour: Rgb) -> Part {
    (shape, Paint::run(Run::Lit, colour.lighter(0.38), colour.darker(0.22)))
}

/// A cup's or a bottle's paint: lit from the left.
fn turned(shape: Shape, colour: Rgb) -> Part {
    (shape, Paint::run(Run::Across, colour.lighter(0.25), colour.darker(0.25)))
}

fn shadow(rx: f32) -> Part {
    (oval(0.06, 0.0, rx, rx * 0.16), Paint::veil(Rgb([16, 14, 30]), 70))
}

fn accent(palette: &Palette, dice: &mut Dice) -> Rgb {
    palette.get(dice.pick(&[Role::AccentA, Role::AccentA, Role::AccentB, Role::AccentC]))
}

pub(crate) fn house(palette: &Palette, dice: &mut Dice) -> Thing {
    let (wall, roof, dark) = (palette.get(Role::Wall), accent(palette, dice), palette.get(Role::Dark));
    let glass = palette.get(Role::Light).mix(palette.get(Role::SkyTop), dice.between(0.0, 0.6));
    let chimney = dice.pick(&[-0.36, 0.2]);
    let mut parts = vec![
        shadow(0.62),
        flat(Shape::rect(chimney, -0.98, chimney + 0.13, -0.6), roof.darker(0.35)),
        (Shape::rect(-0.5, -0.6, 0.5, 0.0), Paint::run(Run::Across, wall, wall.darker(0.14))),
        (
            polygon(&[(-0.6, -0.56), (-0.22, -1.0), (0.22, -1.0), (0.6, -0.56)]),
            Paint::run(Run::Down, roof.lighter(0.08), roof.darker(0.16)),
        ),
        flat(Shape::rect(-0.1, -0.36, 0.12, 0.0), dark),
        flat(Shape::disc(0.07, -0.17, 0.018), palette.get(Role::Light)),
    ];
    for left in [-0.4, 0.2] {
        parts.push(flat(Shape::rect(left - 0.02, -0.45, left + 0.22, -0.19), dark.lighter(0.1)));
        parts.push(flat(Shape::rect(left, -0.43, left + 0.09, -0.21), glass));
        parts.push(flat(Shape::rect(left + 0.11, -0.43, left + 0.2, -0.21), glass));
    }
    Thing { noun: "house", colour: roof, parts }
}

/// A narrow house of a few floors, for streets.
pub(crate) fn tower_house(palette: &Palette, dice: &mut Dice) -> Thing {
    let wall = match dice.below(3) {
        0 => palette.get(Role::Wall),
        _ => accent(palette, dice).mix(palette.get(Role::Wall), 0.35),
    };
    let (roof, dark) = (palette.get(Role::Dark).mix(palette.get(Role::Near), 0.35), palette.get(Role::Dark));
    let floors = 2 + dice.below(3);
    let high = 0.3 + 0.23 * floors as f32;
    let mut parts = vec![
        (Shape::rect(-0.3, -high, 0.3, 0.0), Paint::run(Run::Across, wall.lighter(0.08), wall.darker(0.12))),
        flat(polygon(&[(-0.34, -high), (0.0, -high - dice.between(0.16, 0.32)), (0.34, -high)]), roof),
        flat(Shape::rect(-0.09, -0.22, 0.09, 0.0), dark),
    ];
    for floor in 1..=floors {
        for left in [-0.22, -0.05, 0.12] {
            let top = -0.1 - 0.23 * floor as f32;
            let lit = dice.chance(0.4);
            let glass = if lit { palette.get(Role::Light) } else { palette.get(Role::SkyTop).darker(0.25) };
            parts.push(flat(Shape::rect(left, top, left + 0.1, top + 0.14), glass));
        }
    }
    Thing { noun: "house", colour: wall, parts }
}

pub(crate) fn tree(palette: &Palette, dice: &mut Dice) -> Thing {
    let leaf = palette.get(Role::Leaf).lighter(dice.between(0.0, 0.14));
    let trunk = palette.get(Role::Dark).mix(leaf, 0.12);
    let wide = dice.between(0.85, 1.1);
    let parts = vec![
        shadow(0.34),
        flat(polygon(&[(-0.07, 0.0), (-0.035, -0.5), (0.035, -0.5), (0.07, 0.0)]), trunk),
        round(oval(-0.2 * wide, -0.5, 0.23, 0.2), leaf.darker(0.1)),
        round(oval(0.2 * wide, -0.52, 0.24, 0.21), leaf.darker(0.14)),
        round(oval(0.0, -0.7, 0.29 * wide, 0.3), leaf),
    ];
    Thing { noun: "tree", colour: leaf, parts }
}

pub(crate) fn pine(palette: &Palette, dice: &mut Dice) -> Thing {
    let leaf = palette.get(Role::Leaf).darker(dice.between(0.0, 0.2));
    let mut parts = vec![shadow(0.28), flat(Shape::rect(-0.045, -0.2, 0.045, 0.0), palette.get(Role::Dark))];
    for (foot, tip, half) in [(-0.12, -0.6, 0.3), (-0.36, -0.8, 0.24), (-0.6, -1.0, 0.17)] {
        let paint = Paint::run(Run::Across, leaf.lighter(0.16), leaf.darker(0.2));
        parts.push((polygon(&[(-half, foot), (0.0, tip), (half, foot)]), paint));
    }
    Thing { noun: "tree", colour: leaf, parts }
}

pub(crate) fn boat(palette: &Palette, dice: &mut Dice) -> Thing {
    let (hull, sail) = (accent(palette, dice), palette.get(Role::Wall));
    let jib = sail.mix(hull, 0.35);
    let parts = vec![
        (oval(0.0, 0.05, 0.5, 0.05), Paint::veil(Rgb([10, 20, 40]), 80)),
        flat(Shape::rect(-0.015, -1.0, 0.015, -0.18), palette.get(Role::Dark)),
        (
            polygon(&[(0.03, -0.96), (0.03, -0.24), (0.42, -0.24)]),
            Paint::run(Run::Down, sail, sail.darker(0.1)),
        ),
        flat(polygon(&[(-0.03, -0.86), (-0.03, -0.24), (-0.34, -0.24)]), jib),
        (
            polygon(&[(-0.5, -0.2), (0.52, -0.2), (0.36, 0.03), (-0.34, 0.03)]),
            Paint::run(Run::Down, hull.lighter(0.1), hull.darker(0.3)),
        ),
        flat(polygon(&[(-0.48, -0.17), (0.5, -0.17), (0.475, -0.13), (-0.45, -0.13)]), sail),
    ];
    Thing { noun: "boat", colour: hull, parts }
}

pub(crate) fn ball(palette: &Palette, dice: &mut Dice) -> Thing {
    let colour = accent(palette, dice);
    let stripe = palette.get(Role::Wall);
    let mut parts = vec![shadow(0.5), round(Shape::disc(0.0, -0.5, 0.5), colour)];
    if dice.chance(0.6) {
        parts.push((
            Shape::Ring { x: 0.0, y: -0.5, rx: 0.47, ry: 0.2, hole: 0.68 },
            Paint::run(Run::Across, stripe, stripe.darker(0.25)),
        ));
    }
    parts.push((oval(-0.17, -0.72, 0.12, 0.08), Paint::veil(Rgb([255; 3]), 120)));
    Thing { noun: "ball", colour, parts }
}

pub(crate) fn cup(palette: &Palette, dice: &mut Dice) -> Thing {
    let colour = if dice.chance(0.25) { palette.get(Role::Wall) } else { accent(palette, dice) };
    let parts = vec![
        shadow(0.66),
        (oval(0.0, -0.04, 0.62, 0.13), Paint::run(Run::Down, colour.lighter(0.35), colour.darker(0.1))),
        flat(Shape::Ring { x: 0.44, y: -0.5, rx: 0.26, ry: 0.27, hole: 0.62 }, colour.darker(0.18)),
        turned(
            polygon(&[
                (-0.46, -0.9),
                (0.46, -0.9),
                (0.4, -0.35),
                (0.26, -0.08),
                (-0.26, -0.08),
                (-0.4, -0.35),
            ]),
            colour,
        ),
        flat(oval(0.0, -0.9, 0.46, 0.11), colour.lighter(0.3)),
        flat(oval(0.0, -0.885, 0.39, 0.08), palette.get(Role::Dark).mix(colour, 0.15)),
    ];
    Thing { noun: "cup", colour, parts }
}

pub(crate) fn apple(palette: &Palette, dice: &mut Dice) -> Thing {
    let colour = accent(palette, dice);
    let parts = vec![
        shadow(0.46),
        round(oval(-0.16, -0.43, 0.34, 0.42), colour.darker(0.04)),
        round(oval(0.16, -0.43, 0.34, 0.42), colour.darker(0.12)),
        round(oval(0.0, -0.42, 0.36, 0.4), colour),
        flat(polygon(&[(-0.02, -0.78), (0.05, -1.0), (0.1, -0.98), (0.03, -0.76)]), palette.get(Role::Dark)),
        flat(oval(0.2, -0.9, 0.15, 0.06), palette.get(Role::Leaf)),
    ];
    Thing { noun: "apple", colour, parts }
}

pub(crate) fn vase(palette: &Palette, dice: &mut Dice) -> Thing {
    let (body, flower) = (accent(palette, dice), accent(palette, dice));
    let leaf = palette.get(Role::Leaf);
    let mut parts = vec![shadow(0.24)];
    let heads: [(f32, f32); 5] = [(-0.24, -0.78), (-0.11, -0.94), (0.03, -0.8), (0.14, -0.97), (0.26, -0.76)];
    for &(x, y) in &heads {
        parts.push(flat(
            polygon(&[(x - 0.008, y), (x + 0.012, y), (0.012, -0.4), (-0.012, -0.4)]),
            leaf.darker(0.1),
        ));
    }
    for (x, y) in heads {
        let petal = flower.lighter(dice.between(0.0, 0.35));
        for (dx, dy) in [(-0.05, 0.0), (0.05, 0.0), (-0.025, -0.05), (0.025, -0.05), (0.0, 0.04)] {
            parts.push(flat(Shape::disc(x + dx, y + dy, 0.046), petal));
        }
        parts.push(flat(Shape::disc(x, y, 0.032), palette.get(Role::Light)));
    }
    let outline = [
        (-0.09, -0.5),
        (0.09, -0.5),
        (0.06, -0.43),
        (0.12, -0.33),
        (0.17, -0.22),
        (0.16, -0.11),
        (0.1, 0.0),
        (-0.1, 0.0),
        (-0.16, -0.11),
        (-0.17, -0.22),
        (-0.12, -0.33),
        (-0.06, -0.43),
    ];
    parts.push(turned(polygon(&outline), body));
    Thing { noun: "vase", colour: body, parts }
}

pub(crate) fn lamp(palette: &Palette, dice: &mut Dice) -> Thing {
    let (shade, foot) = (accent(palette, dice), palette.get(Role::Dark));
    let parts = vec![
        shadow(0.2),
        (Shape::disc(0.0, -0.72, 0.6), Paint::glow(palette.get(Role::Light), 110)),
        turned(oval(0.0, -0.03, 0.18, 0.045), foot),
        turned(Shape::rect(-0.025, -0.6, 0.025, -0.03), foot.lighter(0.2)),
        (
            polygon(&[(-0.15, -1.0), (0.15, -1.0), (0.32, -0.55), (-0.32, -0.55)]),
            Paint::run(Run::Down, shade, shade.lighter(0.45)),
        ),
    ];
    Thing { noun: "lamp", colour: shade, parts }
}

pub(crate) fn car(palette: &Palette, dice: &mut Dice) -> Thing {
    let (body, dark) = (accent(palette, dice), palette.get(Role::Dark));
    let glass = palette.get(Role::SkyLow).mix(palette.get(Role::SkyTop), 0.3);
    let cabin = [(-0.5, -0.5), (-0.3, -0.86), (0.3, -0.86), (0.56, -0.5)];
    let mut parts = vec![
        (oval(0.0, 0.0, 1.0, 0.09), Paint::veil(Rgb([16, 14, 30]), 90)),
        flat(polygon(&cabin), body.darker(0.12)),
        flat(polygon(&[(-0.41, -0.52), (-0.25, -0.79), (-0.03, -0.79), (-0.03, -0.52)]), glass),
        flat(polygon(&[(0.04, -0.52), (0.04, -0.79), (0.26, -0.79), (0.44, -0.52)]), glass),
        (
            polygon(&[
                (-0.95, -0.16),
                (-0.92, -0.46),
                (-0.5, -0.55),
                (0.56, -0.55),
                (0.94, -0.42),
                (0.98, -0.16),
            ]),
            Paint::run(Run::Down, body.lighter(0.14), body.darker(0.2)),
        ),
        flat(oval(0.9, -0.36, 0.06, 0.06), palette.get(Role::Light)),
    ];
    for x in [-0.55, 0.58] {
        parts.push(flat(Shape::disc(x, -0.17, 0.19), dark.darker(0.4)));
        parts.push(flat(Shape::disc(x, -0.17, 0.09), palette.get(Role::Wall)));
    }
    Thing { noun: "car", colour: body, parts }
}

pub(crate) fn lighthouse(palette: &Palette, dice: &mut Dice) -> Thing {
    let (wall, stripe) = (palette.get(Role::Wall), accent(palette, dice));
    let side = |y: f32| 0.09 + 0.06 * (1.0 + y / 0.8);
    let band = |top: f32, bottom: f32| {
        polygon(&[(-side(top), top), (side(top), top), (side(bottom), bottom), (-side(bottom), bottom)])
    };
    let mut parts = vec![
        (Shape::disc(0.0, -0.87, 0.4), Paint::glow(palette.get(Role::Light), 150)),
        turned(band(-0.8, 0.0), wall),
    ];
    parts.extend([-0.72, -0.44, -0.16].map(|top| turned(band(top, top + 0.14), stripe)));
    parts.push(flat(Shape::rect(-0.13, -0.82, 0.13, -0.79), palette.get(Role::Dark)));
    parts.push(flat(Shape::rect(-0.07, -0.92, 0.07, -0.82), palette.get(Role::Light)));
    parts.push(flat(polygon(&[(-0.1, -0.92), (0.0, -1.0), (0.1, -0.92)]), stripe.darker(0.2)));
    Thing { noun: "lighthouse", colour: stripe, parts }
}

pub(crate) fn kite(palette: &Palette, dice: &mut Dice) -> Thing {
    let colour = accent(palette, dice);
    let other = palette.get(Role::Wall);
    let parts = vec![
        flat(polygon(&[(0.0, -1.0), (0.3, -0.62), (0.0, -0.1)]), colour.darker(0.14)),
        flat(polygon(&[(0.0, -1.0), (-0.3, -0.62), (0.0, -0.1)]), colour),
        flat(polygon(&[(-0.3, -0.62), (0.0, -0.66), (0.3, -0.62), (0.0, -0.58)]), other),
        flat(
            polygon(&[(0.0, -0.1), (0.1, 0.06), (0.02, 0.22), (0.1, 0.38), (0.05, 0.22), (0.13, 0.06)]),
            other,
        ),
    ];
    Thing { noun: "kite", colour, parts }
}

/// The sun or, under a dark sky, the moon; its middle is the origin, its radius one unit.
pub(crate) fn sun_or_moon(palette: &Palette, _dice: &mut Dice) -> Thing {
    let light = palette.get(Role::Light);
    let night = palette.get(Role::SkyTop).opponent()[0] < 0.2;
    let mut parts = vec![
        (Shape::disc(0.0, 0.0, 4.2), Paint::glow(light, 110)),
        (Shape::disc(0.0, 0.0, 1.9), Paint::glow(light, 120)),
        flat(Shape::disc(0.0, 0.0, 1.0), light),
    ];
    if night {
        let grey = light.mix(palette.get(Role::SkyTop), 0.22);
        let craters = [(-0.3, -0.25, 0.22), (0.35, 0.1, 0.17), (-0.1, 0.45, 0.14), (0.25, -0.5, 0.1)];
        parts.extend(craters.map(|(x, y, r)| flat(Shape::disc(x, y, r), grey)));
    }
    Thing { noun: if night { "moon" } else { "sun" }, colour: light, parts }
}

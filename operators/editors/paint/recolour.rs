//! Gives a region another colour or look, with the same light and shade.
//!
//! It works in Oklab (Ottosson, 2020), where equal steps look equally big: lightness keeps its differences from the mean, and the colour
//! axes go to the new colour.

use image::{Rgb, RgbImage};
use palette::{FromColor, LinSrgb, Oklab, Srgb};

use super::dice;
use super::names::{COLOURS, colour_in, looks, name_in, unknown};
use crate::pixels::mask::Mask;
use threshflow::row::Refusal;

/// How near the region's mean lightness comes to the colour's: all the way would take the depth from dark and light parts.
const LIGHTNESS: f32 = 0.8;
/// How much of the differences in colour within the region is kept.
const VARIETY: f32 = 0.25;

/// What is asked for: a colour, a look, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    colour: Option<[u8; 3]>,
    look: Option<&'static str>,
}

impl Change {
    /// What a result asks for.
    /// What a result must say, in words.
    pub(crate) fn told() -> String {
        let colours: Vec<&str> = COLOURS.iter().map(|(name, _)| *name).collect();
        format!("the object with a colour of {}, or a look of {}", colours.join(", "), looks().join(", "))
    }

    pub(crate) fn of(result: &str) -> Result<Self, Refusal> {
        let change = Change { colour: colour_in(result).map(|(_, rgb)| rgb), look: name_in(looks(), result) };
        if change == (Change { colour: None, look: None }) {
            let names: Vec<&str> =
                COLOURS.iter().map(|(name, _)| *name).chain(looks().iter().copied()).collect();
            return Err(unknown("colour or look", result, &names));
        }
        Ok(change)
    }
}

/// Changes the pixels of the mask, and no others.
pub(crate) fn recolour(picture: &mut RgbImage, mask: &Mask, change: Change, seed: u64) {
    let Some([left, top, right, bottom]) = mask.bounds() else { return };
    let places = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
    let places: Vec<(u32, u32)> = places.filter(|&(x, y)| mask.holds(x, y)).collect();
    let before: Vec<Oklab> = places.iter().map(|&(x, y)| lab(picture.get_pixel(x, y).0)).collect();
    let mean = mean(&before);
    // Mid-greys take a colour anew; a metal without a colour is steel.
    let colour = change.colour.or((change.look == Some("metallic")).then_some([150, 154, 162])).map(lab);
    let side = ((right - left).min(bottom - top) as f32).max(8.0);
    for (&(x, y), &old) in places.iter().zip(&before) {
        let mut new = match colour {
            Some(colour) => toned(old, mean, colour),
            None => old,
        };
        let at = [(x - left) as f32, (y - top) as f32];
        match change.look {
            Some("darker") => new = Oklab::new(new.l * 0.6, new.a * 0.75, new.b * 0.75),
            Some("brighter") => new = Oklab::new(new.l + (1.0 - new.l) * 0.55, new.a * 0.8, new.b * 0.8),
            Some("striped") if is_on_stripe(at, side) => new = contrasting(new),
            Some("spotted") if is_on_spot(at, side, seed) => new = contrasting(new),
            Some("metallic") => new = gleaming(new, at, [(right - left) as f32, (bottom - top) as f32]),
            _ => {}
        }
        picture.put_pixel(x, y, Rgb(rgb(new)));
    }
}

fn mean(colours: &[Oklab]) -> Oklab {
    let count = colours.len().max(1) as f64;
    let mean = |part: fn(&Oklab) -> f32| {
        (colours.iter().map(|colour| f64::from(part(colour))).sum::<f64>() / count) as f32
    };
    Oklab::new(mean(|c| c.l), mean(|c| c.a), mean(|c| c.b))
}

fn toned(old: Oklab, mean: Oklab, colour: Oklab) -> Oklab {
    let light = (old.l + (colour.l - mean.l) * LIGHTNESS).clamp(0.0, 1.0);
    // Near white and near black there is no room for colour.
    let room = (light / 0.3).min((1.0 - light) / 0.12).clamp(0.0, 1.0);
    let axis = |to: f32, old: f32, mean: f32| (to + (old - mean) * VARIETY) * room;
    Oklab::new(light, axis(colour.a, old.a, mean.a), axis(colour.b, old.b, mean.b))
}

/// A light shade on dark colours, a dark one on light ones.
fn contrasting(colour: Oklab) -> Oklab {
    let light = if colour.l < 0.62 { colour.l + 0.34 } else { colour.l - 0.3 };
    Oklab::new(light.clamp(0.0, 1.0), colour.a * 0.8, colour.b * 0.8)
}

fn is_on_stripe([x, y]: [f32; 2], side: f32) -> bool {
    ((x + y) / (side / 5.0).max(4.0)) as u32 % 2 == 1
}

fn is_on_spot([x, y]: [f32; 2], side: f32, seed: u64) -> bool {
    let step = (side / 4.5).max(6.0);
    let (column, row) = ((x / step) as i32, (y / step) as i32);
    let moved = |salt: u64| 0.5 + 0.16 * (dice::at(seed ^ salt, column, row) - 0.5);
    let (across, down) = (x / step - column as f32 - moved(1), y / step - row as f32 - moved(2));
    let radius = 0.34 + 0.07 * dice::at(seed ^ 3, column, row);
    across * across + down * down < radius * radius
}

/// Bands of light and dark, as on something polished.
fn gleaming(colour: Oklab, [x, y]: [f32; 2], [width, height]: [f32; 2]) -> Oklab {
    let along = 2.4 * (y / height + 0.35 * x / width) + 1.1 * colour.l;
    let wave = (along - along.floor() - 0.5).abs() * 2.0;
    let smooth = wave * wave * (3.0 - 2.0 * wave);
    let light = 0.25 * colour.l + 0.3 + 0.48 * smooth;
    Oklab::new(light.clamp(0.0, 0.99), colour.a * 0.75, colour.b * 0.75)
}

pub(super) fn lab([r, g, b]: [u8; 3]) -> Oklab {
    Oklab::from_color(Srgb::new(r, g, b).into_linear::<f32>())
}

fn rgb(colour: Oklab) -> [u8; 3] {
    let linear = LinSrgb::from_color(colour);
    let srgb: Srgb<u8> = Srgb::from_linear(linear);
    [srgb.red, srgb.green, srgb.blue]
}

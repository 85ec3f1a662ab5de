//! Strokes of a brush, laid one over the other.

use image::{Rgb, RgbImage};

use super::flatten::flattened;
use crate::editors::paint::dice::Dice;
use crate::editors::paint::zone::mixed;
use crate::pixels::light::light;

/// The picture in strokes: a layer of ones `brush` pixels long, then one of half of that. Each has the colour that stands
/// in its middle, a little lighter or darker, and runs along the edge that is there.
pub fn painted(picture: &RgbImage, brush: u32, seed: u64) -> RgbImage {
    let calm = flattened(picture, (brush / 12).max(1));
    let mut canvas = calm.clone();
    let mut dice = Dice::of(seed);
    for (long, unlike) in [(brush, 46), (brush / 2, 36)] {
        layer(&mut canvas, &calm, long.max(3) as i32, unlike, &mut dice);
    }
    canvas
}

fn layer(canvas: &mut RgbImage, calm: &RgbImage, long: i32, unlike: i32, dice: &mut Dice) {
    let (width, height) = (canvas.width() as i32, canvas.height() as i32);
    let step = (long / 4).max(2);
    let mut places: Vec<(i32, i32)> = Vec::new();
    for y in (0..height).step_by(step as usize) {
        places.extend((0..width).step_by(step as usize).map(|x| (x, y)));
    }
    // Any order will do, but that of reading: then all strokes would be cut by their right and lower neighbours.
    for n in (1..places.len()).rev() {
        places.swap(n, dice.within(0, n as i32) as usize);
    }
    for (x, y) in places {
        let (x, y) = (x + dice.within(-step / 2, step / 2), y + dice.within(-step / 2, step / 2));
        let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
        let Rgb(ink) = *calm.get_pixel(x as u32, y as u32);
        let lift = dice.within(-unlike / 2, unlike / 2);
        let ink = Rgb(ink.map(|ink| (i32::from(ink) + lift).clamp(0, 255) as u8));
        stroke(canvas, calm, [x, y], direction(calm, x, y, long, dice), long, ink);
    }
}

/// Across the steepest change of brightness; anywhere near level where there is none.
fn direction(calm: &RgbImage, x: i32, y: i32, long: i32, dice: &mut Dice) -> [f32; 2] {
    let reach = (long / 3).max(1);
    let at = |x: i32, y: i32| {
        let (x, y) = (x.clamp(0, calm.width() as i32 - 1), y.clamp(0, calm.height() as i32 - 1));
        i32::from(light(calm.get_pixel(x as u32, y as u32).0))
    };
    let (across, down) =
        ((at(x + reach, y) - at(x - reach, y)) as f32, (at(x, y + reach) - at(x, y - reach)) as f32);
    let steep = (across * across + down * down).sqrt();
    if steep > 12.0 {
        return [-down / steep, across / steep];
    }
    let slant = dice.within(-60, 20) as f32 / 100.0;
    let length = (1.0 + slant * slant).sqrt();
    [1.0 / length, slant / length]
}

/// A long oval with streaks of its bristles, only over what isn't of quite another colour.
fn stroke(
    canvas: &mut RgbImage,
    calm: &RgbImage,
    [x, y]: [i32; 2],
    [dx, dy]: [f32; 2],
    long: i32,
    ink: Rgb<u8>,
) {
    let (half, wide) = (long as f32 / 2.0, (long as f32 / 6.0).max(1.0));
    for py in (y - long / 2).max(0)..(y + long / 2 + 1).min(canvas.height() as i32) {
        for px in (x - long / 2).max(0)..(x + long / 2 + 1).min(canvas.width() as i32) {
            let (right, down) = ((px - x) as f32, (py - y) as f32);
            let (along, aside) = ((right * dx + down * dy) / half, (down * dx - right * dy) / wide);
            let edge = 1.0 - along * along * along * along - aside * aside;
            if edge <= 0.0 {
                continue;
            }
            let under = calm.get_pixel(px as u32, py as u32);
            if under.0.iter().zip(ink.0).any(|(a, b)| a.abs_diff(b) > 44) {
                continue;
            }
            let bristle = (aside * 3.0).floor() as i32;
            let streak = if bristle % 2 == 0 { 0.06 } else { 0.0 };
            let lit = mixed(ink, if aside < 0.0 { Rgb([255; 3]) } else { Rgb([0; 3]) }, streak);
            let pixel = canvas.get_pixel_mut(px as u32, py as u32);
            *pixel = mixed(*pixel, lit, (edge * 3.0).min(0.85));
        }
    }
}

//! Styles: filters of the whole picture.

use image::{GrayImage, Luma, Rgb, RgbImage, imageops};

use super::backdrop;
use super::zone::mixed;
use crate::pixels::light::light;

mod flatten;
mod strokes;

use flatten::flattened;

/// The picture in the style of this [name](super::styles). Other names change nothing.
pub fn apply(name: &str, picture: &RgbImage, seed: u64) -> RgbImage {
    match name {
        "pencil sketch" => sketch(picture),
        "oil painting" => strokes::painted(picture, brush(picture, 26.0), seed),
        "watercolour" => watercolour(picture, seed),
        "pixel art" => pixel_art(picture),
        "black and white photograph" => map_light(picture, |light| Rgb([contrast(light); 3])),
        "sepia photograph" => map_light(picture, sepia),
        "pop art" => pop_art(picture),
        "comic" => comic(picture),
        _ => picture.clone(),
    }
}

/// A brush so many times smaller than the picture's longer side, in pixels.
fn brush(picture: &RgbImage, smaller: f32) -> u32 {
    let side = picture.width().max(picture.height()) as f32;
    (side / smaller).round().clamp(1.0, 80.0) as u32
}

fn map_light(picture: &RgbImage, to: impl Fn(u8) -> Rgb<u8>) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| to(light(picture.get_pixel(x, y).0)))
}

/// A little steeper in the middle.
fn contrast(light: u8) -> u8 {
    let share = f32::from(light) / 255.0;
    let steep = share * share * (3.0 - 2.0 * share);
    ((0.45 * share + 0.55 * steep) * 255.0 + 0.5) as u8
}

fn sepia(light: u8) -> Rgb<u8> {
    let light = contrast(light);
    match light {
        0..128 => mixed(Rgb([34, 20, 10]), Rgb([158, 116, 76]), f32::from(light) / 127.0),
        _ => mixed(Rgb([158, 116, 76]), Rgb([252, 240, 214]), f32::from(light - 127) / 128.0),
    }
}

/// Brightness divided by its blurred surroundings: flat parts become paper, edges and shades stay as strokes.
fn sketch(picture: &RgbImage) -> RgbImage {
    let grey = GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        Luma([light(picture.get_pixel(x, y).0)])
    });
    let around = imageops::fast_blur(&grey, brush(picture, 240.0) as f32);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let (here, around) = (f32::from(grey.get_pixel(x, y).0[0]), f32::from(around.get_pixel(x, y).0[0]));
        let stroke = ((here + 4.0) / (around + 4.0)).min(1.0).powi(3);
        // Dark parts are hatched, the darker the denser.
        let lines = [(0.46, (x + y) % 7), (0.28, (x + 6000 * y - y) % 7), (0.14, y % 5)];
        let hatched = lines.iter().filter(|(below, at)| here / 255.0 < *below && *at < 2).count() as f32;
        let shade = (stroke * (1.0 - 0.16 * hatched)).clamp(0.0, 1.0);
        mixed(Rgb([38, 38, 44]), Rgb([250, 249, 245]), shade)
    })
}

/// Flat washes, lighter than the picture, darker at their edges, on grained paper.
fn watercolour(picture: &RgbImage, seed: u64) -> RgbImage {
    let washes = flattened(picture, brush(picture, 260.0));
    let soft = imageops::fast_blur(&washes, (brush(picture, 500.0) as f32).max(1.0));
    let paper = backdrop::grain(picture.width(), picture.height(), seed);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let edge = f32::from(steepness(&washes, x, y)) / 255.0;
        let wash = mixed(*soft.get_pixel(x, y), Rgb([255, 254, 248]), 0.26);
        let wash = mixed(wash, Rgb(washes.get_pixel(x, y).0.map(|ink| ink / 2)), (edge * 0.9).min(0.4));
        let grain = f32::from(paper.get_pixel(x, y).0[0]) / 255.0;
        mixed(wash, Rgb([255, 254, 248]), 0.28 * grain)
    })
}

fn pixel_art(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let block = (width.max(height) / 96).max(2);
    let small = imageops::thumbnail(picture, width.div_ceil(block), height.div_ceil(block));
    let step = |ink: u8| ((u32::from(ink) * 7 + 127) / 255 * 255 / 7) as u8;
    RgbImage::from_fn(width, height, |x, y| Rgb(small.get_pixel(x / block, y / block).0.map(step)))
}

/// Four loud colours by brightness, with dots between them.
fn pop_art(picture: &RgbImage) -> RgbImage {
    const INKS: [Rgb<u8>; 5] = [
        Rgb([34, 18, 82]),
        Rgb([226, 28, 108]),
        Rgb([250, 128, 34]),
        Rgb([255, 222, 40]),
        Rgb([250, 250, 236]),
    ];
    let flat = imageops::fast_blur(picture, (brush(picture, 600.0) as f32).max(0.7));
    let field = (picture.width().max(picture.height()) / 130).max(4);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let place = f32::from(contrast(light(flat.get_pixel(x, y).0))) / 255.0 * 4.0;
        let ink = (place as usize).min(3);
        let shift = if (y / field).is_multiple_of(2) { 0 } else { field / 2 };
        let from_middle = |at: u32| (at % field) as f32 + 0.5 - field as f32 / 2.0;
        let (across, down) = (from_middle(x + shift), from_middle(y));
        let radius = field as f32 * 0.62 * (place - ink as f32).clamp(0.0, 1.0).sqrt();
        let far = (across * across + down * down).sqrt();
        mixed(INKS[ink], INKS[ink + 1], (radius - far + 0.5).clamp(0.0, 1.0))
    })
}

/// Few and strong colours between black lines.
fn comic(picture: &RgbImage) -> RgbImage {
    let flat = flattened(picture, brush(picture, 300.0));
    let reach = brush(picture, 700.0);
    let lines = GrayImage::from_fn(picture.width(), picture.height(), |x, y| Luma([steepness(&flat, x, y)]));
    let lines = imageops::fast_blur(&lines, reach as f32 * 0.7);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let pixel = flat.get_pixel(x, y).0;
        let light = light(pixel);
        let step = |light: u8| ((f32::from(light) / 255.0 * 5.0).round() / 5.0) * 255.0;
        let lift = step(light) - f32::from(light);
        let strong = pixel.map(|ink| {
            let ink = f32::from(ink);
            let loud = f32::from(light) + (ink - f32::from(light)) * 1.5 + lift;
            (loud + 0.5).clamp(0.0, 255.0) as u8
        });
        let line = ((f32::from(lines.get_pixel(x, y).0[0]) - 14.0) / 22.0).clamp(0.0, 1.0);
        mixed(Rgb(strong), Rgb([16, 14, 22]), line)
    })
}

/// How much the picture changes from this pixel's left and upper to its right and lower neighbours: 0 to 255.
fn steepness(picture: &RgbImage, x: u32, y: u32) -> u8 {
    let (right, below) = ((x + 1).min(picture.width() - 1), (y + 1).min(picture.height() - 1));
    let change = |one: &Rgb<u8>, other: &Rgb<u8>| {
        one.0.iter().zip(other.0).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
    };
    let across = change(picture.get_pixel(x.saturating_sub(1), y), picture.get_pixel(right, y));
    let down = change(picture.get_pixel(x, y.saturating_sub(1)), picture.get_pixel(x, below));
    across.max(down)
}

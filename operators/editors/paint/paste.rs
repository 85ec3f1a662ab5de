//! Puts a thing where a mask is, and cuts one out.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::zone::{Zone, mixed};
use crate::pixels::mask::Mask;

/// The clean ground that cut-outs stand on.
pub(crate) const CLEAN: Rgb<u8> = Rgb([255; 3]);
/// A ground may differ by this much from its own colour, in levels of 255, and still count as plain.
const PLAIN: u8 = 14;
/// Which part of a thing may stick out of the mask, and is cut off.
const STICKS_OUT: f32 = 0.06;
/// The mask is looked at in a grid of this many fields along its longer side when a place is sought.
const GRID: f32 = 40.0;

/// The masked object on a clean ground, where it stood.
pub(crate) fn extracted(picture: &RgbImage, mask: &Mask) -> RgbImage {
    let mut out = RgbImage::from_pixel(picture.width(), picture.height(), CLEAN);
    for ((to, from), _) in
        out.pixels_mut().zip(picture.pixels()).zip(&mask.bits).filter(|(_, bit)| **bit != 0)
    {
        *to = *from;
    }
    out
}

/// The object of a reference: where its border is of one colour, what isn't joined to the border by that colour, without the
/// empty rest; else all of it, with soft edges.
pub(crate) fn cut_out(reference: &RgbImage) -> RgbaImage {
    let (width, height) = reference.dimensions();
    let opaque = |Rgb([r, g, b]): Rgb<u8>| Rgba([r, g, b, 255]);
    let mut cut = RgbaImage::from_fn(width, height, |x, y| opaque(*reference.get_pixel(x, y)));
    match plain_border(reference) {
        Some(ground) => clear_ground(&mut cut, ground),
        None => soften_edges(&mut cut),
    }
    trimmed(cut)
}

/// The colour of the border where nine tenths of it are alike.
fn plain_border(picture: &RgbImage) -> Option<Rgb<u8>> {
    let border: Vec<Rgb<u8>> =
        border(picture.width(), picture.height()).map(|(x, y)| *picture.get_pixel(x, y)).collect();
    let middle = |c: usize| {
        let mut values: Vec<u8> = border.iter().map(|pixel| pixel.0[c]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    if border.is_empty() {
        return None;
    }
    let ground = Rgb([middle(0), middle(1), middle(2)]);
    let alike = border.iter().filter(|pixel| is_near(pixel.0, ground.0)).count();
    (alike * 10 >= border.len() * 9).then_some(ground)
}

fn border(width: u32, height: u32) -> impl Iterator<Item = (u32, u32)> {
    let rows = (0..width).flat_map(move |x| [(x, 0), (x, height - 1)]);
    rows.chain((0..height).flat_map(move |y| [(0, y), (width - 1, y)]))
}

fn is_near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(b) <= PLAIN)
}

fn clear_ground(cut: &mut RgbaImage, ground: Rgb<u8>) {
    let (width, height) = cut.dimensions();
    let mut open: Vec<(u32, u32)> = border(width, height).collect();
    while let Some((x, y)) = open.pop() {
        let pixel = cut.get_pixel_mut(x, y);
        let [r, g, b, cover] = pixel.0;
        if cover == 0 || !is_near([r, g, b], ground.0) {
            continue;
        }
        pixel.0[3] = 0;
        let near = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        open.extend(near.into_iter().filter(|&(x, y)| x < width && y < height));
    }
    // Where this editor cut the thing out, what is clean within it is ground too, as in the handle of a cup.
    if ground == CLEAN {
        let [r, g, b] = CLEAN.0;
        cut.pixels_mut().filter(|pixel| pixel.0 == [r, g, b, 255]).for_each(|pixel| pixel.0[3] = 0);
    }
}

fn soften_edges(cut: &mut RgbaImage) {
    let (width, height) = cut.dimensions();
    let soft = (width.min(height) as f32 * 0.08).max(1.0);
    for (x, y, pixel) in cut.enumerate_pixels_mut() {
        let edge = x.min(width - 1 - x).min(y).min(height - 1 - y);
        pixel.0[3] = (((edge as f32 + 0.5) / soft).min(1.0) * 255.0) as u8;
    }
}

fn trimmed(cut: RgbaImage) -> RgbaImage {
    let bits = cut.pixels().map(|pixel| u8::from(pixel.0[3] > 0)).collect();
    let (width, height) = cut.dimensions();
    match (Mask { width, height, bits }).bounds() {
        Some([left, top, right, bottom]) => {
            imageops::crop_imm(&cut, left, top, right - left, bottom - top).to_image()
        }
        None => cut,
    }
}

/// A place for a thing: left, top, width, height in pixels of the picture.
pub(crate) type Rect = [u32; 4];

/// Where a thing of this shape stands within the widened mask as big as can be, its foot low and near the middle. Little of it
/// may stick out.
pub(crate) fn place(zone: &Zone, thing: &RgbaImage) -> Rect {
    let hole = zone.hole();
    let [left, top, right, bottom] = hole.bounds().unwrap_or([0, 0, zone.width(), zone.height()]);
    let (width, height) = ((right - left) as f32, (bottom - top) as f32);
    let field = (width.max(height) / GRID).max(1.0);
    let (columns, rows) = ((width / field).ceil() as usize, (height / field).ceil() as usize);
    let inside: Vec<bool> = (0..columns * rows)
        .map(|n| {
            let at = |field_at: usize, from: u32| from + ((field_at as f32 + 0.5) * field) as u32;
            hole.holds(at(n % columns, left), at(n / columns, top))
        })
        .collect();
    let (thing_width, thing_height) = (thing.width() as f32, thing.height() as f32);
    let biggest = (width / thing_width).min(height / thing_height);
    let mut scale = biggest;
    while scale > biggest * 0.12 {
        let size = [thing_width * scale / field, thing_height * scale / field];
        if let Some([column, row]) = fitting(&inside, [columns, rows], thing, size) {
            let to =
                |field_at: usize, from: u32, most: u32| from + ((field_at as f32 * field) as u32).min(most);
            let (wide, high) = ((thing_width * scale) as u32, (thing_height * scale) as u32);
            let (wide, high) = (wide.max(1), high.max(1));
            let x = to(column, left + zone.bounds[0], (right - left).saturating_sub(wide));
            let y = to(row, top + zone.bounds[1], (bottom - top).saturating_sub(high));
            return [x, y, wide, high];
        }
        scale *= 0.93;
    }
    // A mask as thin as a thread: what sticks out is cut off.
    let (wide, high) = ((thing_width * biggest) as u32, (thing_height * biggest) as u32);
    [left + zone.bounds[0], top + zone.bounds[1], wide.max(1), high.max(1)]
}

/// The place, in fields, where a thing of this size in fields lies inside but for a little.
fn fitting(
    inside: &[bool],
    [columns, rows]: [usize; 2],
    thing: &RgbaImage,
    size: [f32; 2],
) -> Option<[usize; 2]> {
    let (wide, high) = ((size[0].round() as usize).max(1), (size[1].round() as usize).max(1));
    let mut covered = Vec::new();
    for n in 0..wide * high {
        let at = |field_at: usize, fields: usize, pixels: u32| {
            ((field_at as f32 + 0.5) / fields as f32 * pixels as f32) as u32
        };
        let (x, y) = (at(n % wide, wide, thing.width()), at(n / wide, high, thing.height()));
        if thing.get_pixel(x.min(thing.width() - 1), y.min(thing.height() - 1)).0[3] > 127 {
            covered.push((n % wide, n / wide));
        }
    }
    let most_out = (covered.len() as f32 * STICKS_OUT) as usize;
    let mut places: Vec<[usize; 2]> = (0..=columns.saturating_sub(wide))
        .flat_map(|column| (0..=rows.saturating_sub(high)).map(move |row| [column, row]))
        .collect();
    let from_middle = |column: usize| (2 * column + wide).abs_diff(columns);
    places.sort_by_key(|&[column, row]| (2 * (rows - row) + from_middle(column), column));
    places.into_iter().find(|&[column, row]| {
        let mut out = 0;
        covered.iter().all(|&(x, y)| {
            let (x, y) = (column + x, row + y);
            out += usize::from(x >= columns || y >= rows || !inside[y * columns + x]);
            out <= most_out
        })
    })
}

/// Lays the thing over the picture at the place, as far as the zone's widened mask goes.
pub(crate) fn lay(picture: &mut RgbImage, zone: &Zone, thing: &RgbaImage, [left, top, width, height]: Rect) {
    let thing = imageops::resize(&premultiplied(thing), width, height, FilterType::Triangle);
    let hole = zone.hole();
    for (x, y, pixel) in thing.enumerate_pixels() {
        let (x, y) = (left + x, top + y);
        let inside = hole.holds(x.wrapping_sub(zone.bounds[0]), y.wrapping_sub(zone.bounds[1]));
        let Rgba([r, g, b, cover]) = *pixel;
        if inside && cover > 0 {
            let whole = |ink: u8| (u32::from(ink) * 255 / u32::from(cover)).min(255) as u8;
            let old = picture.get_pixel_mut(x, y);
            *old = mixed(*old, Rgb([whole(r), whole(g), whole(b)]), f32::from(cover) / 255.0);
        }
    }
}

/// Colours times cover, so that what isn't covered lends no colour when sizes change.
fn premultiplied(thing: &RgbaImage) -> RgbaImage {
    let mut thing = thing.clone();
    for pixel in thing.pixels_mut() {
        let cover = u32::from(pixel.0[3]);
        (0..3).for_each(|c| pixel.0[c] = (u32::from(pixel.0[c]) * cover / 255) as u8);
    }
    thing
}

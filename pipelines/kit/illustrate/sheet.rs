//! Contact sheets of marked pictures: boxes, nouns and scores drawn in pixels, for places where no page can be opened.

use image::{ImageFormat, Rgb, RgbImage, imageops};
use threshflow::report::{Illustration, Mark, OnSheet, Placed, label_texts, place_labels};
use threshflow::row::RegionKind;

use super::SIDE;
use super::writing::{LETTER, can_write, write};

/// Pixels between pictures, and around them.
const GAP: u32 = 14;
/// Pixels of the strip under a picture that its caption stands in.
const STRIP: u32 = LETTER[1] + 8;
/// Pixels of a label around its letters.
const PADDING: u32 = 3;
const INK: [u8; 3] = [40; 3];
const WHITE: Rgb<u8> = Rgb([255; 3]);
/// Pixels of a dash of a background's box, and of the gap behind it.
const DASH: u32 = 7;

/// Lays pictures out on white in rows of `columns`, each with its marks on it and its caption under it.
pub fn annotated_sheet(pictures: &[&OnSheet<'_>], columns: usize) -> Result<RgbImage, String> {
    let columns = columns.clamp(1, pictures.len().max(1));
    let drawn: Vec<RgbImage> =
        pictures.iter().map(|on_sheet| marked(on_sheet.illustration)).collect::<Result<_, _>>()?;
    let heights: Vec<u32> =
        drawn.chunks(columns).map(|row| row.iter().map(RgbImage::height).max().unwrap_or(0)).collect();
    let width = columns as u32 * (SIDE + GAP) + GAP;
    let height = heights.iter().map(|high| high + STRIP + GAP).sum::<u32>() + GAP;
    let mut sheet = RgbImage::from_pixel(width, height, WHITE);
    let mut top = GAP;
    for ((row, on_sheet), high) in drawn.chunks(columns).zip(pictures.chunks(columns)).zip(heights) {
        for (column, (picture, on_sheet)) in (0u32..).zip(row.iter().zip(on_sheet)) {
            let left = GAP + column * (SIDE + GAP);
            let inner = (SIDE.saturating_sub(picture.width())) / 2;
            // Pictures stand on one line, above their captions.
            let down = top + high - picture.height();
            imageops::replace(&mut sheet, picture, i64::from(left + inner), i64::from(down));
            let caption = fitting(&on_sheet.caption, (SIDE / LETTER[0]) as usize);
            write(&mut sheet, &caption, [left + inner, top + high + 4], INK);
        }
        top += high + STRIP + GAP;
    }
    Ok(sheet)
}

/// The picture with its boxes and labels.
pub(super) fn marked(illustration: &Illustration) -> Result<RgbImage, String> {
    let format = ImageFormat::from_mime_type(illustration.media_type)
        .ok_or_else(|| format!("{} is no kind of picture that is known", illustration.media_type))?;
    let decoded = image::load_from_memory_with_format(&illustration.bytes, format);
    let mut picture = decoded.map_err(|error| error.to_string())?.into_rgb8();
    let size = [picture.width() as f32, picture.height() as f32];
    let marks = &illustration.marks;
    let boxes: Vec<[f32; 4]> = marks.iter().map(|mark| in_pixels(mark.bbox, size)).collect();
    for (mark, bbox) in marks.iter().zip(&boxes) {
        outline(&mut picture, bbox.map(|edge| edge.round() as u32), mark);
    }
    let labels = label_texts(marks, can_write);
    let size_of = |label: &String| {
        let letters = label.chars().count() as u32;
        [letters * LETTER[0] + 2 * PADDING, LETTER[1]].map(|side| side as f32)
    };
    let placed: Vec<Placed> =
        boxes.iter().zip(&labels).map(|(bbox, label)| Placed { bbox: *bbox, size: size_of(label) }).collect();
    let places = place_labels(&placed, size);
    for (((mark, label), placed), [x, y]) in marks.iter().zip(&labels).zip(&placed).zip(places) {
        let (left, top) = (x.round() as u32, y.round() as u32);
        let [wide, high] = placed.size.map(|side| side as u32);
        fill(&mut picture, [left, top, left + wide, top + high], mark.colour);
        write(&mut picture, label, [left + PADDING, top], WHITE.0);
    }
    Ok(picture)
}

fn in_pixels(bbox: [f32; 4], [wide, high]: [f32; 2]) -> [f32; 4] {
    let [left, top, right, bottom] = bbox;
    [left * wide, top * high, right * wide, bottom * high]
}

/// The text's first letters, with dots where there are more.
fn fitting(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(2)).chain("..".chars()).collect(),
        false => text.to_owned(),
    }
}

/// A box of two pixels' width, dashed for a background, with a light line inside so that it is seen on dark pictures.
fn outline(picture: &mut RgbImage, [left, top, right, bottom]: [u32; 4], mark: &Mark) {
    let (right, bottom) = (right.min(picture.width()), bottom.min(picture.height()));
    if left + 6 > right || top + 6 > bottom {
        return fill(picture, [left, top, right, bottom], mark.colour);
    }
    for (x, y, _) in frame([left + 2, top + 2, right - 2, bottom - 2]) {
        let pixel = picture.get_pixel_mut(x, y);
        pixel.0 = pixel.0.map(|level| level.midpoint(255));
    }
    let is_ink = |along: u32| mark.kind == RegionKind::Object || along % (2 * DASH) < DASH;
    let outer = frame([left, top, right, bottom]).chain(frame([left + 1, top + 1, right - 1, bottom - 1]));
    for (x, y, _) in outer.filter(|(.., along)| is_ink(*along)) {
        picture.put_pixel(x, y, Rgb(mark.colour));
    }
}

/// The pixels along the inner edge of a rectangle, each with how far along its side it lies.
fn frame([left, top, right, bottom]: [u32; 4]) -> impl Iterator<Item = (u32, u32, u32)> {
    let across = (left..right).flat_map(move |x| [(x, top, x - left), (x, bottom - 1, x - left)]);
    let down = (top + 1..bottom - 1).flat_map(move |y| [(left, y, y - top), (right - 1, y, y - top)]);
    across.chain(down)
}

/// Fills a rectangle as far as it lies on the picture.
fn fill(picture: &mut RgbImage, [left, top, right, bottom]: [u32; 4], colour: [u8; 3]) {
    for y in top..bottom.min(picture.height()) {
        for x in left..right.min(picture.width()) {
            picture.put_pixel(x, y, Rgb(colour));
        }
    }
}

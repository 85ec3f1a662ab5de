//! Contact sheets: small pictures side by side, each with a number below it.

use image::{Rgb, RgbImage};

/// Digits and signs of three by five dots, a row's dots from high bit to low.
const GLYPHS: [(char, [u8; 5]); 12] = [
    ('0', [7, 5, 5, 5, 7]),
    ('1', [2, 6, 2, 2, 7]),
    ('2', [7, 1, 7, 4, 7]),
    ('3', [7, 1, 3, 1, 7]),
    ('4', [5, 5, 7, 1, 1]),
    ('5', [7, 4, 7, 1, 7]),
    ('6', [7, 4, 7, 5, 7]),
    ('7', [7, 1, 2, 2, 2]),
    ('8', [7, 5, 7, 5, 7]),
    ('9', [7, 5, 7, 1, 7]),
    ('.', [0, 0, 0, 0, 2]),
    ('-', [0, 0, 7, 0, 0]),
];

/// Pixels between pictures, and around them.
const GAP: u32 = 8;
/// Pixels a dot of a glyph is wide and high.
const DOT: u32 = 2;
/// Pixels of the strip under a picture that the number stands in.
const STRIP: u32 = 5 * DOT + 8;

/// Lays pictures of one size out in rows of `columns` on white, the number of each under it with one decimal.
///
/// Panics if there are no pictures, or no columns.
pub fn contact_sheet(pictures: &[(RgbImage, f32)], columns: usize) -> RgbImage {
    let (width, height) = pictures[0].0.dimensions();
    let rows = pictures.len().div_ceil(columns);
    let (cell_width, cell_height) = (width + GAP, height + STRIP + GAP);
    let size = (columns as u32 * cell_width + GAP, rows as u32 * cell_height + GAP);
    let mut sheet = RgbImage::from_pixel(size.0, size.1, Rgb([255; 3]));
    for (i, (picture, number)) in pictures.iter().enumerate() {
        let left = GAP + (i % columns) as u32 * cell_width;
        let top = GAP + (i / columns) as u32 * cell_height;
        image::imageops::replace(&mut sheet, picture, i64::from(left), i64::from(top));
        let text = format!("{number:.1}");
        let wide = text.len() as u32 * 4 * DOT - DOT;
        write(&mut sheet, &text, left + (width.saturating_sub(wide)) / 2, top + height + 6);
    }
    sheet
}

fn write(sheet: &mut RgbImage, text: &str, left: u32, top: u32) {
    for (at, letter) in text.chars().enumerate() {
        let Some((_, rows)) = GLYPHS.iter().find(|(known, _)| *known == letter) else { continue };
        for (x, y) in (0..3 * DOT).flat_map(|x| (0..5 * DOT).map(move |y| (x, y))) {
            if rows[(y / DOT) as usize] >> (2 - x / DOT) & 1 == 1 {
                sheet.put_pixel(left + at as u32 * 4 * DOT + x, top + y, Rgb([40; 3]));
            }
        }
    }
}

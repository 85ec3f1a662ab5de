//! Letters on pictures: the Spleen font, 8 by 16 pixels a letter, which has ASCII and Latin letters with accents.

use image::{Rgb, RgbImage};
use spleen_font::{FONT_8X16, PSF2Font};

/// Pixels that a letter is wide and high.
pub(super) const LETTER: [u32; 2] = [8, 16];

/// Whether every letter of the text is in the font.
pub(super) fn can_write(text: &str) -> bool {
    let Ok(mut font) = PSF2Font::new(FONT_8X16) else { return false };
    let mut buffer = [0; 4];
    text.chars().all(|letter| {
        !letter.is_control() && font.glyph_for_utf8(letter.encode_utf8(&mut buffer).as_bytes()).is_some()
    })
}

/// Writes one line; letters that the font lacks, and what is beyond the picture, are left out.
pub(super) fn write(picture: &mut RgbImage, text: &str, [left, top]: [u32; 2], colour: [u8; 3]) {
    let Ok(mut font) = PSF2Font::new(FONT_8X16) else { return };
    let mut buffer = [0; 4];
    for (place, letter) in (0u32..).zip(text.chars()) {
        let Some(glyph) = font.glyph_for_utf8(letter.encode_utf8(&mut buffer).as_bytes()) else { continue };
        for (y, row) in (top..).zip(glyph) {
            for (x, is_ink) in (left + place * LETTER[0]..).zip(row) {
                if is_ink && x < picture.width() && y < picture.height() {
                    picture.put_pixel(x, y, Rgb(colour));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ink of a letter, row by row.
    fn drawn(text: &str) -> Vec<String> {
        let mut picture = RgbImage::new(LETTER[0], LETTER[1]);
        write(&mut picture, text, [0, 0], [255; 3]);
        let row = |y| (0..LETTER[0]).map(|x| if picture.get_pixel(x, y).0[0] > 0 { '#' } else { '.' }).collect();
        (0..LETTER[1]).map(row).collect()
    }

    #[test]
    fn letters_have_their_shapes() {
        let bar = drawn("|");
        assert!(bar.iter().filter(|row| row.contains("##")).count() > 8, "{bar:#?}");
        let line = drawn("_");
        assert_eq!(line.iter().filter(|row| row.contains('#')).count(), 1, "{line:#?}");
        assert_ne!(drawn("a"), drawn("b"));
        assert_eq!(drawn(" ").concat().matches('#').count(), 0);
    }

    #[test]
    fn what_the_font_lacks_is_known() {
        assert!(can_write("mushroom 0.93 / café"));
        assert!(!can_write("蘑菇"));
        assert!(!can_write("a\nb"));
        assert_eq!(drawn("蘑").concat().matches('#').count(), 0);
    }
}

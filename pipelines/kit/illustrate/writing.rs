//! Letters on pictures: the Spleen font, 8 by 16 pixels a letter, which has ASCII and Latin letters with accents.
//!
//! The font is a PSF file of version 1: two bytes of magic, the mode (bit 0: 512 glyphs and not 256), a glyph's bytes (one
//! a row of eight pixels), the glyphs, and for each glyph the UCS-2 letters that it stands for, ended by 0xffff.

use image::{Rgb, RgbImage};
use spleen_font::FONT_8X16;

/// Pixels that a letter is wide and high.
pub(super) const LETTER: [u32; 2] = [8, 16];
const MAGIC: [u8; 2] = [0x36, 0x04];
const END_OF_GLYPH: u16 = 0xffff;
/// What follows, up to the end of the glyph, are sequences of letters and not letters.
const SEQUENCES: u16 = 0xfffe;

/// The rows of a letter, each from its high bit to its low; `None` where the font lacks it.
fn glyph(letter: char) -> Option<&'static [u8]> {
    let (header, rest) = FONT_8X16.split_first_chunk::<4>()?;
    let [first, second, mode, high] = *header;
    let (glyphs, high) = (if mode & 1 == 1 { 512 } else { 256 }, usize::from(high));
    if [first, second] != MAGIC || high != LETTER[1] as usize {
        return None;
    }
    let (glyphs, letters) = rest.split_at_checked(glyphs * high)?;
    let (mut number, mut in_sequences) = (0, false);
    for code in letters.chunks_exact(2).map(|code| u16::from_le_bytes([code[0], code[1]])) {
        match code {
            END_OF_GLYPH => (number, in_sequences) = (number + 1, false),
            SEQUENCES => in_sequences = true,
            code if !in_sequences && u32::from(code) == u32::from(letter) => {
                return glyphs.get(number * high..(number + 1) * high);
            }
            _ => {}
        }
    }
    None
}

/// Whether every letter of the text is in the font.
pub(super) fn can_write(text: &str) -> bool {
    text.chars().all(|letter| !letter.is_control() && glyph(letter).is_some())
}

/// Writes one line; letters that the font lacks, and what is beyond the picture, are left out.
pub(super) fn write(picture: &mut RgbImage, text: &str, [left, top]: [u32; 2], colour: [u8; 3]) {
    for (place, letter) in (0u32..).zip(text.chars()) {
        for (y, row) in (top..).zip(glyph(letter).unwrap_or_default()) {
            for column in 0..LETTER[0] {
                let x = left + place * LETTER[0] + column;
                if row >> (LETTER[0] - 1 - column) & 1 == 1 && x < picture.width() && y < picture.height() {
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
        let row =
            |y| (0..LETTER[0]).map(|x| if picture.get_pixel(x, y).0[0] > 0 { '#' } else { '.' }).collect();
        (0..LETTER[1]).map(row).collect()
    }

    #[test]
    fn letters_have_their_shapes() {
        let bar = drawn("|");
        assert!(bar.iter().filter(|row| row.contains("##")).count() > 8, "{bar:#?}");
        let line = drawn("_");
        assert_eq!(line.iter().filter(|row| row.contains('#')).count(), 1, "{line:#?}");
        let dot = drawn(".");
        assert!(dot[..8].concat().matches('#').count() == 0 && dot.concat().contains("##"), "{dot:#?}");
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

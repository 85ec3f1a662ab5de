//! The common name of a region's colour.

use image::RgbImage;

use crate::pixels::mask::Mask;

/// English's eleven basic colour terms (Berlin and Kay, 1969).
pub const COLOURS: [&str; 11] =
    ["black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"];

/// So many of a hundred pixels must have a colour for it to be the region's.
const PERCENT: u64 = 55;
/// About so many pixels are looked at, on a grid.
const PIXELS: u64 = 1 << 18;

/// The name of the colour that most pixels inside the mask have: one of [`COLOURS`]; `None` where no colour has
/// 55 % of them, or nothing is inside. The mask's size is the picture's; what lies beyond the picture is outside.
///
/// ```
/// use operators::{pixels::mask::Mask, words::plain::colour_of};
/// let picture = image::RgbImage::from_pixel(4, 4, image::Rgb([200, 30, 30]));
/// let mut mask = Mask::empty(4, 4);
/// assert_eq!(colour_of(&picture, &mask), None);
/// mask.bits.fill(1);
/// assert_eq!(colour_of(&picture, &mask), Some("red"));
/// ```
pub fn colour_of(picture: &RgbImage, mask: &Mask) -> Option<&'static str> {
    let [left, top, right, bottom] = mask.bounds()?;
    let (right, bottom) = (right.min(picture.width()), bottom.min(picture.height()));
    let pixels = u64::from(right.saturating_sub(left)) * u64::from(bottom.saturating_sub(top));
    let stride = (1..).find(|stride: &u64| pixels / (stride * stride) <= PIXELS).unwrap_or(1) as usize;
    let (mut counts, mut inside) = ([0u64; COLOURS.len()], 0);
    for y in (top..bottom).step_by(stride) {
        for x in (left..right).step_by(stride) {
            if mask.holds(x, y) {
                inside += 1;
                if let Some(colour) = colour_number(picture.get_pixel(x, y).0) {
                    counts[colour] += 1;
                }
            }
        }
    }
    let most = (0..COLOURS.len()).max_by_key(|&colour| (counts[colour], std::cmp::Reverse(colour)))?;
    (counts[most] > 0 && counts[most] * 100 >= inside * PERCENT).then(|| COLOURS[most])
}

/// The name of one sRGB colour; `None` for what lies between the names: beige, peach.
pub fn name_of(rgb: [u8; 3]) -> Option<&'static str> {
    colour_number(rgb).map(|number| COLOURS[number])
}

/// By value, saturation and hue (HSV), in whole numbers: the borders are set by eye.
fn colour_number(rgb: [u8; 3]) -> Option<usize> {
    let [red, green, blue] = rgb.map(i32::from);
    let value = red.max(green).max(blue);
    let chroma = value - red.min(green).min(blue);
    // In hundredths.
    let saturation = if value == 0 { 0 } else { 100 * chroma / value };
    let name = if value < 48 {
        "black"
    } else if saturation < 14 || chroma < 18 {
        match value {
            ..72 => "black",
            72..216 => "grey",
            _ => "white",
        }
    } else {
        chromatic(hue(red, green, blue, value, chroma), saturation, value)?
    };
    COLOURS.iter().position(|known| *known == name)
}

/// In degrees, 0 to 359.
fn hue(red: i32, green: i32, blue: i32, value: i32, chroma: i32) -> i32 {
    let sixth = if value == red {
        60 * (green - blue) / chroma
    } else if value == green {
        120 + 60 * (blue - red) / chroma
    } else {
        240 + 60 * (red - green) / chroma
    };
    sixth.rem_euclid(360)
}

fn chromatic(hue: i32, saturation: i32, value: i32) -> Option<&'static str> {
    let pale = saturation < 50;
    Some(match hue {
        346.. | 0..15 if saturation < 60 && value >= 190 => "pink",
        346.. | 0..12 => "red",
        12..15 => {
            if value < 180 {
                "brown"
            } else {
                "red"
            }
        }
        15..45 if pale && value >= 220 => return None,
        15..40 if value < 185 || pale || (value < 215 && saturation < 72) => "brown",
        40..50 if value < 140 => "brown",
        15..40 => "orange",
        40..50 if pale && value < 200 => "brown",
        40..66 if value >= 140 => "yellow",
        40..172 => "green",
        // Slate.
        172..256 if saturation < 24 && value < 200 => "grey",
        172..256 => "blue",
        // Lavender is a pale purple, fuchsia a bright one.
        256..310 => "purple",
        310..346 if value >= 190 => "pink",
        _ => "purple",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(colours: &[([u8; 3], u32)]) -> (RgbImage, Mask) {
        let height = colours.iter().map(|(_, rows)| rows).sum();
        let mut picture = RgbImage::new(20, height);
        let rows = colours.iter().flat_map(|(colour, rows)| vec![*colour; *rows as usize]);
        for (y, colour) in (0..).zip(rows) {
            (0..20).for_each(|x| picture.put_pixel(x, y, image::Rgb(colour)));
        }
        (picture, Mask::empty(20, height).inverted())
    }

    /// The named colours of CSS (W3C, CSS Color Module Level 4, section 6.1) whose name ends with a basic term, and some whose
    /// names are shades of one by general use.
    #[test]
    fn named_colours_of_the_web_keep_their_names() {
        let css = [
            ("black", "000000 "),
            ("white", "ffffff f8f8ff f5f5f5 fffafa"),
            ("grey", "808080 696969 a9a9a9 778899 708090 d3d3d3"),
            ("red", "ff0000 8b0000 dc143c b22222 800000"),
            ("orange", "ffa500 ff8c00"),
            ("yellow", "ffff00 ffd700"),
            ("green", "008000 006400 90ee90 32cd32 228b22 2e8b57 8fbc8f 98fb98 9acd32 556b2f 00ff7f 3cb371"),
            ("blue", "0000ff 00008b add8e6 4169e1 1e90ff 87ceeb 4682b4 000080 6495ed 191970 00bfff"),
            ("purple", "800080 663399 9370db 8a2be2 ee82ee 9400d3 4b0082"),
            ("pink", "ffc0cb ff69b4 ff1493 ffb6c1 db7093"),
            ("brown", "8b4513 a0522d d2b48c cd853f"),
        ];
        for (name, codes) in css {
            for code in codes.split_whitespace() {
                let number = u32::from_str_radix(code, 16).unwrap().to_be_bytes();
                let (picture, mask) = patch(&[([number[1], number[2], number[3]], 9)]);
                assert_eq!(colour_of(&picture, &mask), Some(name), "#{code}");
            }
        }
    }

    #[test]
    fn the_embedded_editors_colours_are_seen_by_their_names() {
        for (name, rgb) in crate::editors::paint::COLOURS {
            let seen = match name {
                "teal" => "blue",
                "gold" => "yellow",
                basic => basic,
            };
            assert_eq!(name_of(rgb), Some(seen), "{name}");
        }
    }

    #[test]
    fn mixtures_have_no_name_and_only_the_inside_counts() {
        let (red, blue) = ([220, 20, 20], [20, 20, 220]);
        let (picture, mut mask) = patch(&[(red, 10), (blue, 10)]);
        assert_eq!(colour_of(&picture, &mask), None);
        assert_eq!(colour_of(&patch(&[(red, 12), (blue, 8)]).0, &mask), Some("red"));
        mask.bits[200..].fill(0);
        assert_eq!(colour_of(&picture, &mask), Some("red"));
        assert_eq!(colour_of(&picture, &Mask::empty(20, 20)), None);
        // A mask of another size reads nothing beyond the picture.
        assert_eq!(colour_of(&picture, &Mask::empty(50, 50).inverted()), None);
        assert_eq!(colour_of(&RgbImage::new(0, 0), &Mask::empty(5, 5).inverted()), None);
        // A grid is looked at where there are many pixels.
        let large = RgbImage::from_pixel(1500, 900, image::Rgb([20, 160, 40]));
        assert_eq!(colour_of(&large, &Mask::empty(1500, 900).inverted()), Some("green"));
    }

    #[test]
    fn every_colour_is_named_without_a_panic() {
        let steps: Vec<u8> = (0..=255).step_by(5).collect();
        let mut named = std::collections::HashSet::new();
        for &red in &steps {
            for &green in &steps {
                for &blue in &steps {
                    named.extend(name_of([red, green, blue]));
                }
            }
        }
        assert_eq!(named.len(), COLOURS.len());
    }
}

//! The colours that tell regions apart. White letters can be read on each of them (contrast at least 4.5 to 1).

const COLOURS: [[u8; 3]; 8] = [
    [0x0b, 0x62, 0xc4], // blue
    [0xc2, 0x41, 0x0c], // orange
    [0x0a, 0x7d, 0x4b], // green
    [0xa2, 0x1c, 0xaf], // magenta
    [0xb9, 0x1c, 0x1c], // red
    [0x0e, 0x74, 0x90], // cyan
    [0x6d, 0x3f, 0xd6], // violet
    [0x7a, 0x52, 0x00], // brown
];

/// Of the region at this place among a picture's regions.
pub(super) fn of(place: usize) -> [u8; 3] {
    COLOURS[place % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2: relative luminance.
    fn luminance(colour: [u8; 3]) -> f64 {
        let linear = |level: u8| {
            let level = f64::from(level) / 255.0;
            if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = colour.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn white_is_legible_on_each() {
        for colour in COLOURS {
            let contrast = 1.05 / (luminance(colour) + 0.05);
            assert!(contrast >= 4.5, "{colour:?}: {contrast:.2}");
        }
    }
}

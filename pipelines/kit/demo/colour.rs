//! Colours: 8-bit RGB, the hue circle without trigonometry, and a plain word for each.

/// A colour, red, green and blue from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub [u8; 3]);

impl Rgb {
    /// From `0xRRGGBB`.
    pub const fn hex(code: u32) -> Self {
        Rgb([(code >> 16) as u8, (code >> 8) as u8, code as u8])
    }

    fn unit(self) -> [f32; 3] {
        self.0.map(|c| f32::from(c) / 255.0)
    }

    fn of_unit(rgb: [f32; 3]) -> Self {
        Rgb(rgb.map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8))
    }

    /// This colour on its way to `other`: `share` 0 is this one, 1 the other.
    pub fn mix(self, other: Rgb, share: f32) -> Self {
        let (from, to) = (self.unit(), other.unit());
        Rgb::of_unit([0, 1, 2].map(|i| from[i] + (to[i] - from[i]) * share))
    }

    /// Towards white by `share`, 0 to 1.
    pub fn lighter(self, share: f32) -> Self {
        self.mix(Rgb([255; 3]), share)
    }

    /// Towards black by `share`, 0 to 1.
    pub fn darker(self, share: f32) -> Self {
        self.mix(Rgb([0; 3]), share)
    }

    /// Brightness and the two opponent axes, the numbers that harmony is reckoned in:
    /// `y = 0.299 R + 0.587 G + 0.114 B` (0 to 1), `a = R - G` (red against green),
    /// `b = (R + G) / 2 - B` (yellow against blue), both -1 to 1.
    pub fn opponent(self) -> [f32; 3] {
        let [r, g, b] = self.unit();
        [0.299 * r + 0.587 * g + 0.114 * b, r - g, (r + g) / 2.0 - b]
    }

    /// Hue in degrees (0 to 360), saturation and lightness (0 to 1).
    pub fn hsl(self) -> [f32; 3] {
        let [r, g, b] = self.unit();
        let (high, low) = (r.max(g).max(b), r.min(g).min(b));
        let (span, light) = (high - low, (high + low) / 2.0);
        if span == 0.0 {
            return [0.0, 0.0, light];
        }
        let hue = if high == r {
            (g - b) / span + 6.0
        } else if high == g {
            (b - r) / span + 2.0
        } else {
            (r - g) / span + 4.0
        };
        [hue * 60.0 % 360.0, span / (1.0 - (2.0 * light - 1.0).abs()), light]
    }

    /// The colour of a hue in degrees (any number), saturation and lightness (cut to 0 to 1).
    pub fn of_hsl([hue, saturation, light]: [f32; 3]) -> Self {
        let light = light.clamp(0.0, 1.0);
        let span = saturation.clamp(0.0, 1.0) * (1.0 - (2.0 * light - 1.0).abs());
        let at = |shift: f32| {
            let sixth = (hue / 60.0 + shift) % 6.0;
            let sixth = if sixth < 0.0 { sixth + 6.0 } else { sixth };
            light - span / 2.0 + span * ((sixth - 3.0).abs() - 1.0).clamp(0.0, 1.0)
        };
        Rgb::of_unit([at(0.0), at(4.0), at(2.0)])
    }

    /// The word a person would use: `red`, `teal`, `white` ...
    pub fn name(self) -> &'static str {
        let [hue, saturation, light] = self.hsl();
        match (light, saturation) {
            (l, _) if l < 0.13 => return "black",
            (l, s) if s < 0.14 => return if l > 0.8 { "white" } else { "grey" },
            (l, _) if l > 0.85 && (20.0..70.0).contains(&hue) => return "cream",
            (l, _) if l > 0.93 => return "white",
            _ => {}
        }
        let dark_and_warm = light < 0.4 && saturation < 0.85 || saturation < 0.4;
        match hue as u32 {
            10..50 if dark_and_warm => "brown",
            0..16 | 346.. => "red",
            16..42 => "orange",
            42..66 => "yellow",
            66..160 => "green",
            160..195 => "teal",
            195..250 => "blue",
            250..295 => "purple",
            _ => "pink",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hue_and_back_changes_nothing() {
        for code in (0..0x100_0000).step_by(4099) {
            let colour = Rgb::hex(code);
            let back = Rgb::of_hsl(colour.hsl());
            let far = colour.0.iter().zip(back.0).map(|(a, b)| a.abs_diff(b)).max().unwrap();
            assert!(far <= 1, "{colour:?} came back as {back:?}");
        }
    }

    #[test]
    fn colours_have_their_common_names() {
        let names = [
            (0xd02020, "red"),
            (0xe07020, "orange"),
            (0xf0d030, "yellow"),
            (0x30a040, "green"),
            (0x20908f, "teal"),
            (0x2050c0, "blue"),
            (0x7040b0, "purple"),
            (0xe060b0, "pink"),
            (0x6b4423, "brown"),
            (0xfff4dc, "cream"),
            (0xfafafa, "white"),
            (0x808080, "grey"),
            (0x101010, "black"),
        ];
        for (code, name) in names {
            assert_eq!(Rgb::hex(code).name(), name, "{code:06x}");
        }
    }
}

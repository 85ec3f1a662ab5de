//! Palettes, from harmonious to muddy and clashing, and the rule that tells them apart.

use super::colour::Rgb;
use super::dice::Dice;

/// How many colours a palette has.
const ROLES: usize = 13;

/// The colours of one scene, by the part that they play.
#[derive(Clone, Debug, PartialEq)]
pub struct Palette([Rgb; ROLES]);

/// The part that a colour plays; in a room, the sky is the wall and the ground is the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    SkyTop,
    SkyLow,
    Light,
    Far,
    Near,
    GroundFar,
    GroundNear,
    Leaf,
    Wall,
    Dark,
    AccentA,
    AccentB,
    AccentC,
}

/// About how much of a picture each role covers, in hundredths.
const WEIGHTS: [f32; ROLES] = [19.0, 19.0, 2.0, 9.0, 10.0, 11.0, 13.0, 4.0, 3.0, 2.0, 3.0, 3.0, 2.0];

/// Palettes put together by hand. In each, the hues lie near one axis of the opponent plane.
const MOODS: [(&str, [u32; ROLES]); 8] = [
    (
        "dusk",
        [
            0x24407a, 0xf5b26b, 0xfff0c0, 0x4d6296, 0x2f4475, 0xb9803f, 0x7d5226, 0x2a3f5f, 0xfbe3b8,
            0x2a2233, 0xe8742c, 0x3565a8, 0xf7c65c,
        ],
    ),
    (
        "noon",
        [
            0x4f9bdc, 0xd8ecf6, 0xfff6d8, 0x8db4d2, 0x5f8fb8, 0xecd07e, 0xc99a3c, 0x3f7192, 0xfff4dc,
            0x5a3d22, 0xe0702f, 0x2c62a0, 0xf2b63d,
        ],
    ),
    (
        "spring",
        [
            0xf6c3d2, 0xfdeee9, 0xfff7ee, 0xa9d3bf, 0x6fb79a, 0x86c7a6, 0x3f8f6f, 0x2f7d62, 0xfff3ee,
            0x5a3444, 0xd9477f, 0xf08fb0, 0x2f8a70,
        ],
    ),
    (
        "lavender",
        [
            0x5b4a9c, 0xc9b8e8, 0xfff7c9, 0x8a7cc0, 0x6553a0, 0xd9cf6a, 0xa89a3a, 0x4f4487, 0xf6f0dc,
            0x33264f, 0xf0d24a, 0x7a5cc8, 0xe8e08a,
        ],
    ),
    (
        "autumn",
        [
            0xf7e6c4, 0xf9d9a0, 0xfff6df, 0xd2a06a, 0xb0703a, 0xc98a3c, 0x7c4319, 0xa8501c, 0xfdf0d8,
            0x4a2512, 0xd9560f, 0xf0a92b, 0x8c2b12,
        ],
    ),
    (
        "ocean",
        [
            0x8fd0d2, 0xeaf4ea, 0xfff4e2, 0x5fa9ac, 0x2f7f86, 0x1f7f88, 0x0f5560, 0x1c6a66, 0xfff1e2,
            0x3a2a28, 0xf26a4a, 0xf5a98a, 0x137a86,
        ],
    ),
    (
        "winter",
        [
            0x0f1f47, 0x4668a8, 0xfff1cf, 0x7f9fd0, 0xa9c3e6, 0xdce8f6, 0xb4cbe9, 0x20406e, 0xf5e7cf,
            0x1b1a2c, 0xff9d3c, 0xd96a34, 0x2d5fae,
        ],
    ),
    (
        "dawn",
        [
            0x7fa6c9, 0xf9c9a8, 0xfff3e0, 0x9a9fb8, 0x5f7f9f, 0xc0855f, 0x6f4c3c, 0x3a5f7c, 0xfde9d6,
            0x33282e, 0xe8643c, 0x2f7fb5, 0xf4ad6c,
        ],
    ),
];

/// Degrees that a full clash turns the hue of each role by.
const CLASH: [f32; ROLES] =
    [95.0, -60.0, 0.0, -100.0, 70.0, 140.0, -120.0, 60.0, 40.0, 0.0, 110.0, -85.0, 150.0];

/// What colours are dragged towards in a muddy palette.
const MUDS: [u32; 4] = [0x7a6f55, 0x6f6a5e, 0x73664f, 0x6a6f58];

/// What is wrong with a palette; each from 0 (nothing) to 1.
struct Faults {
    /// Hues are turned against each other, and shout.
    clash: f32,
    /// Light and dark come together: fog.
    fade: f32,
    /// Everything is mixed with the same dirty water.
    mud: f32,
}

impl Faults {
    fn roll(dice: &mut Dice) -> Self {
        let slight = |dice: &mut Dice| dice.between(0.0, 0.28);
        let mut faults = Faults { clash: slight(dice), fade: slight(dice), mud: slight(dice) };
        let grave = dice.between(0.3, 1.0);
        match dice.below(20) {
            0..7 => {}
            7..11 => faults.clash = grave,
            11..14 => faults.fade = grave,
            14..17 => faults.mud = grave,
            _ => {
                faults.clash = dice.between(0.2, 1.0);
                faults.fade = grave * 0.8;
                faults.mud = dice.between(0.2, 0.7);
            }
        }
        faults
    }
}

impl Palette {
    /// A hand-made palette, turned a little, then spoiled by as much as the dice say.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let (_, codes) = MOODS[dice.below(MOODS.len())];
        let turn = dice.between(-9.0, 9.0);
        let faults = Faults::roll(dice);
        let side = dice.pick(&[-1.0, 1.0]);
        let middle = dice.between(0.42, 0.62);
        let mud = Rgb::hex(dice.pick(&MUDS));
        let mut colours = codes.map(Rgb::hex);
        for (colour, clash) in colours.iter_mut().zip(CLASH) {
            let [hue, saturation, light] = colour.hsl();
            let jitter = dice.between(-4.0, 4.0);
            *colour = Rgb::of_hsl([
                hue + 360.0 + turn + jitter + side * clash * faults.clash,
                saturation + (1.0 - saturation) * 0.5 * faults.clash,
                light + (middle - light) * (0.75 * faults.fade + 0.25 * faults.clash),
            ])
            .mix(mud, 0.8 * faults.mud);
        }
        Palette(colours)
    }

    /// The colour of a role.
    pub(super) fn get(&self, role: Role) -> Rgb {
        self.0[role as usize]
    }

    /// How good the palette is, 0 to 10, about 5 on average:
    ///
    /// `10 x sqrt(contrast x colour x accord)`, where, over the roles weighted by the part of a picture that
    /// each covers, with `y`, `a`, `b` as in `Rgb::opponent`:
    /// - `contrast` is the standard deviation of `y` over 0.28, at most 1;
    /// - `colour` is `c / 0.36`, at most 1, where `c` is the mean of `sqrt(a^2 + b^2)`; above 0.42, where
    ///   colours begin to shout, it falls again, by 2.5 for each unit of `c`;
    /// - `accord` is how nearly the hues lie on one axis, alike or opposite: 1 on one axis, 0 all around;
    ///   `sqrt(E[a^2 - b^2]^2 + E[2ab]^2) / E[a^2 + b^2]`.
    pub fn harmony(&self) -> f32 {
        let total: f32 = WEIGHTS.iter().sum();
        let mean = |of: &dyn Fn([f32; 3]) -> f32| -> f32 {
            self.0.iter().zip(WEIGHTS).map(|(colour, weight)| weight * of(colour.opponent())).sum::<f32>()
                / total
        };
        let middle = mean(&|[y, _, _]| y);
        let contrast = (mean(&|[y, _, _]| (y - middle) * (y - middle)).sqrt() / 0.28).min(1.0);
        let chroma = mean(&|[_, a, b]| (a * a + b * b).sqrt());
        let colour = ((chroma / 0.36).min(1.0) - 2.5 * (chroma - 0.42).max(0.0)).max(0.0);
        let along = mean(&|[_, a, b]| a * a - b * b);
        let across = mean(&|[_, a, b]| 2.0 * a * b);
        let all = mean(&|[_, a, b]| a * a + b * b).max(1e-6);
        let accord = (along * along + across * across).sqrt() / all;
        10.0 * (contrast * colour * accord).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut colour: impl FnMut(usize) -> u32) -> Palette {
        Palette(std::array::from_fn(|i| Rgb::hex(colour(i))))
    }

    #[test]
    fn grey_flat_and_shouting_palettes_score_low() {
        assert!(all(|_| 0x808080).harmony() < 0.01);
        assert!(all(|_| 0x3060c0).harmony() < 0.01, "no contrast");
        assert!(all(|i| [0x000000, 0xffffff][i % 2]).harmony() < 0.01, "no colour");
        let shouting = all(|i| [0xff00ff, 0x00ff00, 0xff0000, 0x0000ff][i % 4]);
        assert!(shouting.harmony() < 3.0, "{}", shouting.harmony());
    }

    #[test]
    fn palettes_made_by_hand_score_high_and_mud_takes_that_away() {
        for (mood, codes) in MOODS {
            let clean = Palette(codes.map(Rgb::hex));
            let muddy = Palette(codes.map(|code| Rgb::hex(code).mix(Rgb::hex(MUDS[0]), 0.7)));
            assert!(clean.harmony() > 5.0, "{mood}: {}", clean.harmony());
            assert!(muddy.harmony() < 0.5 * clean.harmony(), "{mood}: {}", muddy.harmony());
        }
    }
}

//! Grounds, painted from gradients and noise.

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::dice;
use super::zone::mixed;

/// The ground of this [name](super::grounds), of this size. Other names are grey.
pub fn paint(name: &str, width: u32, height: u32, seed: u64) -> RgbImage {
    let canvas = Canvas { width: width as f32, height: height as f32, seed };
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        match name {
            "a starry night sky" => canvas.night(x, y),
            "a sunset sky" => canvas.sunset(x, y),
            "a clear blue sky" => canvas.sky(x, y),
            "a plain white wall" => canvas.plain(x, y, Rgb([250, 250, 248]), Rgb([222, 221, 218])),
            "a green meadow" => canvas.meadow(x, y),
            "a sandy desert" => canvas.desert(x, y),
            "a snowy field" => canvas.snow(x, y),
            "a calm blue sea" => canvas.sea(x, y),
            "a brick wall" => canvas.bricks(x, y),
            _ => canvas.plain(x, y, Rgb([188, 190, 194]), Rgb([104, 106, 112])),
        }
    })
}

struct Canvas {
    width: f32,
    height: f32,
    seed: u64,
}

impl Canvas {
    fn side(&self) -> f32 {
        self.width.max(self.height)
    }

    /// How far down, 0 to 1.
    fn down(&self, y: f32) -> f32 {
        y / self.height
    }

    /// From the upper middle outwards.
    fn plain(&self, x: f32, y: f32, near: Rgb<u8>, far: Rgb<u8>) -> Rgb<u8> {
        let (across, down) = (x / self.width - 0.5, self.down(y) - 0.4);
        mixed(near, far, smooth((across * across + down * down).sqrt() * 1.3))
    }

    fn night(&self, x: f32, y: f32) -> Rgb<u8> {
        let sky = mixed(Rgb([9, 12, 38]), Rgb([44, 58, 112]), self.down(y));
        let haze = self.clouds(x, y * 1.6, 0.35, 7);
        let sky = mixed(sky, Rgb([92, 84, 150]), 0.35 * smooth((haze - 0.5) * 3.0));
        let field = (self.side() / 34.0).max(7.0);
        let (column, row) = ((x / field) as i32, (y / field) as i32);
        if dice::at(self.seed ^ 11, column, row) > 0.62 {
            return sky;
        }
        let within = |salt: u64| 0.15 + 0.7 * dice::at(self.seed ^ salt, column, row);
        let (star_x, star_y) = ((column as f32 + within(12)) * field, (row as f32 + within(13)) * field);
        let bright = dice::at(self.seed ^ 14, column, row);
        let radius = (self.side() / 1000.0).max(0.6) * (0.7 + 1.5 * bright * bright);
        let far = ((x - star_x) * (x - star_x) + (y - star_y) * (y - star_y)).sqrt();
        let glow = (radius * 0.8 / (far + 0.01)).min(1.0).powi(3) * 0.35;
        mixed(
            sky,
            Rgb([255, 250, 232]),
            (radius + 0.5 - far).clamp(0.0, 1.0).max(glow) * (0.5 + 0.5 * bright),
        )
    }

    fn sunset(&self, x: f32, y: f32) -> Rgb<u8> {
        const STEPS: [(f32, [u8; 3]); 5] = [
            (0.0, [58, 48, 110]),
            (0.35, [150, 76, 130]),
            (0.62, [232, 108, 96]),
            (0.85, [250, 168, 88]),
            (1.0, [254, 218, 138]),
        ];
        let sky = along(&STEPS, self.down(y));
        let (across, below) =
            (x / self.side() - 0.62 * self.width / self.side(), (y - self.height * 0.86) / self.side());
        let far = (across * across + below * below).sqrt();
        let lit = mixed(sky, Rgb([255, 240, 190]), 0.75 * (1.0 - far / 0.34).max(0.0).powi(2));
        let cloud = smooth((self.clouds(x, y * 3.4, 0.45, 21) - 0.54) * 5.0);
        let edge = mixed(Rgb([112, 58, 112]), Rgb([255, 172, 120]), self.down(y));
        mixed(lit, edge, 0.55 * cloud)
    }

    fn sky(&self, x: f32, y: f32) -> Rgb<u8> {
        let sky = mixed(Rgb([58, 130, 214]), Rgb([192, 224, 246]), self.down(y));
        let cloud = smooth((self.clouds(x, y * 2.0, 0.4, 31) - 0.56) * 6.0);
        mixed(sky, Rgb([255, 255, 255]), 0.8 * cloud)
    }

    /// Where a pixel lies on a level ground that is seen from above: to the right and away, near a unit at the lower edge, with
    /// the horizon a third of the height above the upper edge.
    fn on_the_ground(&self, x: f32, y: f32) -> [f32; 2] {
        let away = 1.0 / (0.33 + self.down(y));
        [(x - self.width / 2.0) / self.side() * away, away]
    }

    fn meadow(&self, x: f32, y: f32) -> Rgb<u8> {
        let [right, away] = self.on_the_ground(x, y);
        let grass = mixed(Rgb([70, 142, 52]), Rgb([150, 198, 98]), (away - 0.75) / 2.2);
        let patches =
            self.noise(right * 7.0, away * 9.0, 42) * 0.6 + self.noise(right * 21.0, away * 26.0, 47) * 0.4;
        let grass = mixed(grass, Rgb([40, 108, 40]), 0.6 * smooth((patches - 0.4) * 2.5));
        let size = self.side() / 400.0;
        let blades = self.noise(x / size.max(1.0), y / (size * 4.5).max(2.0), 41);
        let grass = mixed(grass, Rgb([204, 226, 120]), 0.42 * ((blades - 0.5) * 2.0).max(0.0));
        let (column, row) = ((right * 34.0).floor(), (away * 40.0).floor());
        let of = |salt: u64| dice::at(self.seed ^ salt, column as i32, row as i32);
        let (across, down) = (right * 34.0 - column - 0.5, away * 40.0 - row - 0.5);
        let is_flower = of(43) > 0.86 && across * across + down * down < 0.06;
        match (is_flower, of(46) < 0.5) {
            (true, true) => Rgb([252, 236, 110]),
            (true, false) => Rgb([255, 250, 242]),
            (false, _) => grass,
        }
    }

    fn desert(&self, x: f32, y: f32) -> Rgb<u8> {
        let down = self.down(y);
        let sand = mixed(Rgb([240, 208, 148]), Rgb([206, 152, 88]), down);
        let bend = self.clouds(x, y, 0.5, 51);
        // Dunes, each lit from one side; ripples on them.
        let dune = (down * down * 0.5 + down) * 3.0 + bend * 1.6 + x / self.side() * 0.5;
        let slope = dune - dune.floor();
        let sand = mixed(sand, Rgb([158, 104, 60]), 0.42 * smooth((slope - 0.55) * 2.4));
        let ripple = dune * 16.0 + bend * 5.0;
        let wave = (ripple - ripple.floor() - 0.5).abs() * 2.0;
        mixed(sand, Rgb([255, 234, 186]), 0.16 * wave * down)
    }

    fn snow(&self, x: f32, y: f32) -> Rgb<u8> {
        let snow = mixed(Rgb([224, 234, 246]), Rgb([250, 252, 255]), self.down(y));
        let drift = self.clouds(x, y * 3.0, 0.5, 61);
        let snow = mixed(snow, Rgb([176, 198, 226]), 0.55 * smooth((drift - 0.46) * 3.5));
        let glint = dice::at(self.seed ^ 62, (x / 2.0) as i32, (y / 2.0) as i32);
        if glint > 0.996 { Rgb([255, 255, 255]) } else { snow }
    }

    fn sea(&self, x: f32, y: f32) -> Rgb<u8> {
        let [right, away] = self.on_the_ground(x, y);
        let water = mixed(Rgb([24, 88, 150]), Rgb([132, 190, 224]), (away - 0.75) / 2.2);
        let waves = self.noise(right * 22.0, away * 60.0, 71) * 0.6
            + self.noise(right * 60.0 + 9.0, away * 150.0, 72) * 0.4;
        let water = mixed(water, Rgb([14, 62, 118]), 0.4 * smooth((0.5 - waves) * 3.0));
        mixed(water, Rgb([214, 238, 250]), 0.65 * smooth((waves - 0.62) * 4.5))
    }

    fn bricks(&self, x: f32, y: f32) -> Rgb<u8> {
        let high = (self.side() / 26.0).max(8.0);
        let wide = high * 2.4;
        let row = (y / high) as i32;
        let x = x + if row % 2 == 0 { 0.0 } else { wide / 2.0 };
        let column = (x / wide) as i32;
        let (across, down) = (x - column as f32 * wide, y - row as f32 * high);
        let edge = across.min(wide - across).min(down).min(high - down);
        let joint = (high * 0.055).max(0.8);
        let shade = dice::at(self.seed ^ 81, column, row);
        let brick = mixed(Rgb([164, 74, 54]), Rgb([194, 106, 76]), shade);
        let grain = self.noise(x / 3.0, y / 3.0, 82);
        let brick = mixed(brick, Rgb([112, 48, 38]), 0.3 * grain);
        let light = mixed(brick, Rgb([228, 156, 122]), if down < joint * 2.5 { 0.3 } else { 0.0 });
        mixed(Rgb([204, 196, 184]), light, (edge - joint + 0.5).clamp(0.0, 1.0))
    }

    /// Noise of five sizes, the biggest `size` times the longer side: 0 to 1, mostly near a half.
    fn clouds(&self, x: f32, y: f32, size: f32, salt: u64) -> f32 {
        let (mut sum, mut weight, mut total, mut step) = (0.0, 1.0, 0.0, (size * self.side()).max(8.0));
        for octave in 0..5 {
            sum += weight * self.noise(x / step, y / step, salt + 1000 * octave);
            total += weight;
            weight *= 0.5;
            step = (step * 0.5).max(1.0);
        }
        sum / total
    }

    /// Smooth noise with a value for each whole number: 0 to 1.
    fn noise(&self, x: f32, y: f32, salt: u64) -> f32 {
        let (column, row) = (x.floor(), y.floor());
        let (across, down) = (smooth(x - column), smooth(y - row));
        let at = |dx: i32, dy: i32| dice::at(self.seed ^ salt, column as i32 + dx, row as i32 + dy);
        let above = at(0, 0) + (at(1, 0) - at(0, 0)) * across;
        let below = at(0, 1) + (at(1, 1) - at(0, 1)) * across;
        above + (below - above) * down
    }
}

/// From 0 to 1 without a corner.
fn smooth(share: f32) -> f32 {
    let share = share.clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// The colour at a place between steps that rise from 0 to 1.
fn along(steps: &[(f32, [u8; 3])], at: f32) -> Rgb<u8> {
    let pair = steps.windows(2).find(|pair| at <= pair[1].0).or(steps.windows(2).last());
    match pair {
        Some([(from, low), (to, high)]) => {
            mixed(Rgb(*low), Rgb(*high), ((at - from) / (to - from)).clamp(0.0, 1.0))
        }
        _ => Rgb([0; 3]),
    }
}

/// The grain of paper: mostly near 0, up to 255 where no colour takes.
pub fn grain(width: u32, height: u32, seed: u64) -> GrayImage {
    let canvas = Canvas { width: width as f32, height: height as f32, seed };
    GrayImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let fine = canvas.noise(x / 2.2, y / 2.2, 91);
        let pools = canvas.clouds(x, y, 0.12, 92);
        Luma([(255.0 * (0.45 * fine * fine + 0.9 * (pools - 0.45).max(0.0)).min(1.0)) as u8])
    })
}

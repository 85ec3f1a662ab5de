//! The grain and the sharpness of what changed, against those of what surrounds it; and how smooth a mask's outline is.

use std::ops::Range;

use image::RgbImage;

use crate::pixels::light::lights;
use crate::pixels::mask::Mask;

/// A pixel is rough where its brightness is off the mean of its neighbours on both sides: `|2 a - left - right| + |2 a - up - down|` of
/// more than this, in levels of 255. Nearly all pixels of a photograph are; a painted ground's are not.
const ROUGH: u16 = 2;
/// Added to shares of rough pixels before they are compared: among flat pictures none is smoother than the other.
const LEAST_ROUGH: f32 = 0.05;
/// Added to the strongest of these differences, in levels.
const LEAST_SHARP: f32 = 16.0;
/// What counts as changed, in levels.
const CHANGED: u8 = 10;
/// Fewer pixels tell nothing.
const LEAST_PIXELS: u32 = 30;

/// Of what changed in the region and of what surrounds it, in the picture that was made: by how much pixels are off their neighbours.
pub(crate) struct Textures {
    region: Counts,
    around: Counts,
}

struct Counts {
    /// How many pixels are off by so many levels, 0 to 1020.
    off: Vec<u32>,
    pixels: u32,
}

impl Counts {
    const NONE: Counts = Counts { off: Vec::new(), pixels: 0 };

    fn rough(&self) -> f32 {
        let smooth: u32 = self.off.iter().take(usize::from(ROUGH) + 1).sum();
        1.0 - smooth as f32 / self.pixels.max(1) as f32
    }

    /// What 95 of 100 pixels are off by less, or no more.
    fn strong(&self) -> f32 {
        let mut seen = 0;
        let found = self.off.iter().position(|count| {
            seen += count;
            u64::from(seen) * 100 >= u64::from(self.pixels) * 95
        });
        found.unwrap_or(0) as f32
    }
}

impl Textures {
    /// Where there is no region, nothing differs.
    pub(crate) const ALIKE: Textures = Textures { region: Counts::NONE, around: Counts::NONE };

    /// `made` is what an editor made of `other`; `owners` is 1 in the region and 0 outside of all masks; `bounds` are those of the
    /// surroundings.
    pub(crate) fn of(
        [other, made]: [&RgbImage; 2],
        owners: &[u8],
        [left, top, right, bottom]: [u32; 4],
    ) -> Self {
        let light = lights(made);
        let (width, height) = (made.width() as usize, made.height() as usize);
        let inner = |low: u32, high: u32, side: usize| -> Range<usize> {
            (low as usize).max(1)..(high as usize).min(side - 1)
        };
        let mut counts = [(); 2].map(|()| Counts { off: vec![0; 1021], pixels: 0 });
        for y in inner(top, bottom, height) {
            for x in inner(left, right, width) {
                let at = y * width + x;
                let owner = usize::from(owners[at]);
                if owner > 1 {
                    continue;
                }
                let far = |c: usize| made.as_raw()[3 * at + c].abs_diff(other.as_raw()[3 * at + c]);
                if owner == 1 && far(0).max(far(1)).max(far(2)) <= CHANGED {
                    continue;
                }
                let of = |at: usize| u16::from(light[at]);
                let off = |one: usize, two: usize| (2 * of(at)).abs_diff(of(one) + of(two));
                counts[owner].off[usize::from(off(at - 1, at + 1) + off(at - width, at + width))] += 1;
                counts[owner].pixels += 1;
            }
        }
        let [around, region] = counts;
        Textures { region, around }
    }

    fn tell(&self) -> bool {
        self.region.pixels >= LEAST_PIXELS && self.around.pixels >= LEAST_PIXELS
    }

    /// How far what is around has the grain of a photograph, 0 to 1: `up(share of rough pixels - 0.2, 0.3)`. Of drawn scenes the share is
    /// some 0.1, of photographs 0.6 and more.
    pub(crate) fn photographic(&self) -> f32 {
        if !self.tell() {
            return 0.0;
        }
        ((self.around.rough() - 0.2) / 0.3).clamp(0.0, 1.0)
    }

    /// The share of rough pixels in the region over that around it, 0.05 added to both, at most 1.
    pub(crate) fn grain(&self) -> f32 {
        if !self.tell() {
            return 1.0;
        }
        ((self.region.rough() + LEAST_ROUGH) / (self.around.rough() + LEAST_ROUGH)).min(1.0)
    }

    /// What the strongest 5 of 100 pixels around are off by over that in the region, 16 levels added to both, at most 1.
    pub(crate) fn sharp(&self) -> f32 {
        if !self.tell() {
            return 1.0;
        }
        ((self.around.strong() + LEAST_SHARP) / (self.region.strong() + LEAST_SHARP)).min(1.0)
    }
}

/// How smooth a mask's outline is, 0 to 1: 1 up to six times the outline of a disc of its area, squared (a disc is 1, a square 1.3, a star
/// some 3), and less beyond: `6 outline_of_disc² / outline²`. The outline is its pixels that have a neighbour outside.
pub(crate) fn smooth(mask: &Mask) -> f32 {
    let (width, height) = (mask.width as usize, mask.height as usize);
    let inside = |x: usize, y: usize| mask.bits[y * width + x] != 0;
    let is_edge = |x: usize, y: usize| {
        x == 0
            || y == 0
            || x + 1 == width
            || y + 1 == height
            || !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1))
    };
    let (mut area, mut outline) = (0u64, 0u64);
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).filter(|(x, y)| inside(*x, *y)) {
        area += 1;
        outline += u64::from(is_edge(x, y));
    }
    if outline == 0 {
        return 1.0;
    }
    let disc = 4.0 * std::f32::consts::PI * area as f32;
    (6.0 * disc / (outline * outline) as f32).min(1.0)
}

//! Where an edit may change pixels: a mask, widened a little, with a soft edge.
//!
//! A mask ends in the middle of an object's smoothed outline, so an object that is taken out leaves a rim of its colour behind. The mask is
//! widened by a part of the object's own size, so that it covers the rim.

use image::{Rgb, RgbImage};

use crate::pixels::mask::Mask;

/// How far a mask of this many pixels is widened, in pixels: 3 to 14, about a fiftieth of the region's side.
pub fn reach(area: u64) -> u32 {
    ((area as f64).sqrt() * 0.02 + 2.0).round().clamp(3.0, 14.0) as u32
}

/// The mask and all pixels within `radius` of it (Euclidean, between the centres of pixels).
///
/// ```
/// use operators::{pixels::mask::Mask, editors::paint::widened};
/// let mut mask = Mask::empty(9, 9);
/// mask.bits[4 * 9 + 4] = 1;
/// assert_eq!(widened(&mask, 1).area(), 5);
/// assert_eq!(widened(&mask, 3).area(), 29);
/// ```
pub fn widened(mask: &Mask, radius: u32) -> Mask {
    let mut wide = Mask::empty(mask.width, mask.height);
    let Some(zone) = Zone::around(mask, radius, 0) else { return wide };
    let most = radius * radius;
    for (x, y, far) in zone.places() {
        wide.bits[(y * mask.width + x) as usize] = u8::from(far <= most);
    }
    wide
}

/// A rectangle around a mask, and how far each of its pixels lies from the mask.
pub(crate) struct Zone {
    /// Left, top, right, bottom in the picture; the latter two one behind.
    pub bounds: [u32; 4],
    /// How far the mask is widened.
    pub radius: u32,
    /// Row by row, the square of the distance in pixels to the nearest pixel of the mask: exact up to
    /// `radius`, beyond it merely greater.
    squares: Vec<u32>,
}

impl Zone {
    /// The mask's bounds with `radius + margin` pixels around them, as far as the picture goes. `None` where nothing is inside.
    pub(crate) fn around(mask: &Mask, radius: u32, margin: u32) -> Option<Self> {
        let [left, top, right, bottom] = mask.bounds()?;
        let more = radius + margin;
        let bounds = [
            left.saturating_sub(more),
            top.saturating_sub(more),
            (right + more).min(mask.width),
            (bottom + more).min(mask.height),
        ];
        Some(Zone { bounds, radius, squares: squares(mask, bounds, radius) })
    }

    pub(crate) fn width(&self) -> u32 {
        self.bounds[2] - self.bounds[0]
    }

    pub(crate) fn height(&self) -> u32 {
        self.bounds[3] - self.bounds[1]
    }

    /// Column and row in the picture, and the square of the distance to the mask.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let [left, top, ..] = self.bounds;
        let width = self.width();
        (0..).zip(&self.squares).map(move |(n, &far): (u32, _)| (left + n % width, top + n / width, far))
    }

    /// The pixels to be filled, as a mask of the rectangle's size: the mask itself and `radius` around it.
    pub(crate) fn hole(&self) -> Mask {
        let most = self.radius * self.radius;
        let bits = self.squares.iter().map(|&far| u8::from(far <= most)).collect();
        Mask { width: self.width(), height: self.height(), bits }
    }

    /// What stands in the rectangle.
    pub(crate) fn cut(&self, picture: &RgbImage) -> RgbImage {
        let [left, top, ..] = self.bounds;
        image::imageops::crop_imm(picture, left, top, self.width(), self.height()).to_image()
    }

    /// Lays `painted`, of the rectangle's size, over the picture: fully for two thirds of the widening, then less and less.
    /// Pixels further than `radius` from the mask are left alone.
    pub(crate) fn lay(&self, picture: &mut RgbImage, painted: &RgbImage) {
        let (outer, inner) = (self.radius as f32 + 1.0, self.radius as f32 * 0.67);
        let most = self.radius * self.radius;
        for ((x, y, far), new) in self.places().zip(painted.pixels()) {
            if far > most {
                continue;
            }
            let share = ((outer - (far as f32).sqrt()) / (outer - inner)).clamp(0.0, 1.0);
            let old = picture.get_pixel_mut(x, y);
            *old = mixed(*old, *new, share);
        }
    }
}

/// `share` 0 is `from`, 1 is `to`.
pub(crate) fn mixed(from: Rgb<u8>, to: Rgb<u8>, share: f32) -> Rgb<u8> {
    let mix = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * share + 0.5) as u8;
    Rgb([mix(from.0[0], to.0[0]), mix(from.0[1], to.0[1]), mix(from.0[2], to.0[2])])
}

/// First the distance along each column, then the least sum of squares along each row: exact up to `radius`.
fn squares(mask: &Mask, [left, top, right, bottom]: [u32; 4], radius: u32) -> Vec<u32> {
    let (width, height) = ((right - left) as usize, (bottom - top) as usize);
    let far = radius + 1;
    let mut along = vec![far; width * height];
    for x in 0..width {
        let mut last = far;
        let mut step = |y: usize, along: &mut Vec<u32>| {
            let inside = mask.holds(left + x as u32, top + y as u32);
            last = if inside { 0 } else { (last + 1).min(far) };
            let here = &mut along[y * width + x];
            *here = last.min(*here);
        };
        (0..height).for_each(|y| step(y, &mut along));
        (0..height).rev().for_each(|y| step(y, &mut along));
    }
    let reach = radius as usize;
    let mut squares = vec![far * far; width * height];
    for (to, row) in squares.chunks_exact_mut(width).zip(along.chunks_exact(width)) {
        for (x, to) in to.iter_mut().enumerate() {
            if row[x] == 0 {
                *to = 0;
                continue;
            }
            let from = x.saturating_sub(reach);
            for (other, &down) in row.iter().enumerate().take((x + reach + 1).min(width)).skip(from) {
                let across = other.abs_diff(x) as u32;
                *to = (*to).min(across * across + down * down);
            }
        }
    }
    squares
}

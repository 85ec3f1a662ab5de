//! From a region's mask to the hole that is filled. The hole is wider than the region, since the object still shines through at the end of
//! its mask. It has a soft rim, so that no seam is left.

use crate::pixels::mask::Mask;

/// How much of the filling each pixel takes, within a window of the picture.
pub(super) struct Hole {
    /// The window in the picture: left, top, and its size.
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Row by row, 0 (outside the hole) to 1 (all of it), `width * height` numbers.
    weights: Vec<f32>,
}

impl Hole {
    /// The hole around `mask`, which reaches `margin` pixels further; over the outer `feather` of them the weight falls from 1
    /// towards 0. `None` where the mask is empty.
    pub(super) fn around(mask: &Mask, margin: u32, feather: u32) -> Option<Self> {
        let [left, top, right, bottom] = mask.bounds()?;
        let (left, top) = (left.saturating_sub(margin), top.saturating_sub(margin));
        let (right, bottom) = ((right + margin).min(mask.width), (bottom + margin).min(mask.height));
        let (width, height) = (right - left, bottom - top);
        let feather = feather.min(margin);
        let weight = |squared: u32| {
            let distance = f64::from(squared).sqrt();
            let beyond = distance - f64::from(margin - feather);
            match distance <= f64::from(margin) {
                true => (1.0 - beyond.max(0.0) / (f64::from(feather) + 1.0)) as f32,
                false => 0.0,
            }
        };
        let distances = squared_distances(mask, (left, top, width, height), margin);
        Some(Hole { left, top, width, height, weights: distances.into_iter().map(weight).collect() })
    }

    /// The weight of a pixel of the picture.
    pub(super) fn weight(&self, x: u32, y: u32) -> f32 {
        match (x.checked_sub(self.left), y.checked_sub(self.top)) {
            (Some(x), Some(y)) if x < self.width && y < self.height => {
                self.weights[y as usize * self.width as usize + x as usize]
            }
            _ => 0.0,
        }
    }

    pub(super) fn holds(&self, x: u32, y: u32) -> bool {
        self.weight(x, y) > 0.0
    }
}

/// The squared distance of each pixel of a window (left, top, width, height) to the nearest pixel inside the mask; more than
/// `margin` squared where that is further.
fn squared_distances(mask: &Mask, (left, top, width, height): (u32, u32, u32, u32), margin: u32) -> Vec<u32> {
    let far = margin + 1;
    // First along each row ...
    let mut along = vec![far; width as usize * height as usize];
    for (y, row) in (top..).zip(along.chunks_exact_mut(width as usize)) {
        let mut since = far;
        for (x, distance) in (left..).zip(row.iter_mut()) {
            since = if mask.holds(x, y) { 0 } else { (since + 1).min(far) };
            *distance = since;
        }
        since = far;
        for (x, distance) in (left..left + width).zip(row.iter_mut()).rev() {
            since = if mask.holds(x, y) { 0 } else { (since + 1).min(far) };
            *distance = since.min(*distance);
        }
    }
    // ... then the nearest of the rows above and below.
    let mut nearest = vec![far * far; along.len()];
    for (y, row) in nearest.chunks_exact_mut(width as usize).enumerate() {
        let y = y as u32;
        for other in y.saturating_sub(margin)..(y + margin + 1).min(height) {
            let down = y.abs_diff(other).pow(2);
            let theirs = &along[other as usize * width as usize..][..width as usize];
            for (distance, across) in row.iter_mut().zip(theirs) {
                *distance = (*distance).min(down + across * across);
            }
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hole_is_all_that_is_near_and_its_rim_falls_off() {
        let mut mask = Mask::empty(40, 30);
        for (x, y) in [(5, 4), (6, 4), (20, 15), (39, 29)] {
            mask.bits[y * 40 + x] = 1;
        }
        for (margin, feather) in [(0, 0), (1, 0), (5, 2), (5, 9), (12, 6)] {
            let hole = Hole::around(&mask, margin, feather).unwrap();
            for (x, y) in (0..30).flat_map(|y| (0..40).map(move |x| (x, y))) {
                let apart = |(a, b): (i32, i32)| f64::from((a - x).pow(2) + (b - y).pow(2)).sqrt();
                let nearest =
                    [(5, 4), (6, 4), (20, 15), (39, 29)].map(apart).into_iter().fold(f64::MAX, f64::min);
                let weight = hole.weight(x as u32, y as u32);
                assert_eq!(
                    weight > 0.0,
                    nearest <= f64::from(margin),
                    "{x} {y} {margin} {feather}: {weight}"
                );
                let solid = nearest <= f64::from(margin - feather.min(margin));
                assert_eq!(weight == 1.0, solid, "{x} {y} {margin} {feather}: {weight}");
            }
        }
        assert!(Hole::around(&Mask::empty(4, 4), 3, 1).is_none());
    }
}

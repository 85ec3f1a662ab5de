//! Finds the shift and the zoom between two pictures: over a pyramid of halved pictures, the smallest by trying, the others by
//! Gauss-Newton steps (Lucas and Kanade, 1981; Baker and Matthews, 2004, inverse compositional).

mod level;

use std::borrow::Cow;

use level::{Even, Level, Placed};

use super::{INSIDE, OUTSIDE};

/// How far a shift is looked for, in parts of the longer side.
pub const MOST_SHIFT: f32 = 0.125;
/// How far a zoom is looked for, as a factor, either way.
pub const MOST_ZOOM: f32 = 1.25;

/// The longer side of the smallest picture of the pyramid, in pixels, at most.
const SMALLEST: usize = 40;
/// The pixels of the largest picture that steps are made on.
const LARGEST: usize = 160_000;
/// By so many pixels it is told whether what was found is believed; where there are more, rows are left out.
const SEEN: usize = 100_000;
/// So many pixels are looked at, at most, when everything is tried. Where little counts, that may be a large picture.
const TRIED: usize = 64_000_000;
/// One of so many rows must do for that, at least.
const ROWS_TRIED: usize = 4;
const STEPS: usize = 12;
/// What must be left of the unexplained, at most, for an alignment to be believed.
const BELIEVED: f64 = 0.8;
/// Pixels that must tell something.
const LEAST_PIXELS: usize = 64;

/// The pixel at `(x, y)` of the picture before is shown at `middle + zoom * ((x, y) - middle) + (dx, dy)` of the one after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alignment {
    pub(crate) dx: f32,
    pub(crate) dy: f32,
    pub(crate) zoom: f32,
}

impl Default for Alignment {
    fn default() -> Self {
        Alignment { dx: 0.0, dy: 0.0, zoom: 1.0 }
    }
}

impl Alignment {
    /// How far the middle moved, in pixels.
    pub(super) fn shift(&self) -> f32 {
        self.dx.hypot(self.dy)
    }

    fn scaled(self, by: f32) -> Self {
        Alignment { dx: self.dx * by, dy: self.dy * by, ..self }
    }
}

/// The alignment of two planes of brightness, by the pixels outside; where nothing is outside, by all.
pub(super) fn find([before, after]: [&[u8]; 2], width: usize, owners: &[u8]) -> Alignment {
    let height = before.len() / width.max(1);
    if width < 2 || height < 2 {
        return Alignment::default();
    }
    let side = if owners.contains(&OUTSIDE) { OUTSIDE } else { INSIDE };
    let counts = owners.iter().map(|owner| u8::from(*owner == side)).collect();
    let planes = [Cow::Borrowed(before), Cow::Borrowed(after)];
    let whole = Level::of(0, (width, height), planes, counts);
    let Some(even) = whole.evened() else { return Alignment::default() };
    let mut halves: Vec<Level<'_, f32>> = whole.halved().into_iter().collect();
    while let Some(half) = halves.last().and_then(Level::halved) {
        halves.push(half);
    }
    let found = halves.iter().rev().fold(None, |found, level| level.refined(found));
    let Some(found) = whole.refined(found) else { return Alignment::default() };
    if found.shift() > MOST_SHIFT * width.max(height) as f32
        || !(1.0 / MOST_ZOOM..=MOST_ZOOM).contains(&found.zoom)
    {
        return Alignment::default();
    }
    whole.believed(found, &even)
}

impl<T: Copy + Into<f32>> Level<'_, T> {
    /// An alignment of the pictures that were compared, found or made better at this size where that can be.
    fn refined(&self, found: Option<Alignment>) -> Option<Alignment> {
        if found.is_some() && self.before.len() > LARGEST {
            return found;
        }
        let Some(even) = self.evened() else { return found };
        let scale = (1u32 << self.power) as f32;
        let start = found.map_or_else(|| self.tried(&even), |found| found.scaled(1.0 / scale));
        Some(self.stepped(start, &even).scaled(scale))
    }

    /// The best of many, for the smallest picture; that nothing moved, where all of them would take too long: what counts is spread
    /// thinly over a large picture then.
    fn tried(&self, even: &Even) -> Alignment {
        const ZOOMS: [f32; 7] = [1.0, 0.93, 1.07, 0.87, 1.15, 0.8, 1.25];
        let most = (MOST_SHIFT * self.width.max(self.height) as f32).round() as i32;
        let shifts = (2 * most + 1) as usize;
        let every = (self.area() * shifts * shifts * ZOOMS.len()).div_ceil(TRIED).max(1);
        if every > ROWS_TRIED {
            return Alignment::default();
        }
        let mut placed = Placed::default();
        let mut left =
            |alignment: &Alignment, most: f64| self.left_by(&mut placed, alignment, even, every, most);
        let mut best = (left(&Alignment::default(), f64::MAX).unwrap_or(f64::MAX), Alignment::default());
        for zoom in ZOOMS {
            for (dx, dy) in (-most..=most).flat_map(|dy| (-most..=most).map(move |dx| (dx, dy))) {
                let alignment = Alignment { dx: dx as f32, dy: dy as f32, zoom };
                if let Some(left) = left(&alignment, best.0).filter(|left| *left < best.0) {
                    best = (left, alignment);
                }
            }
        }
        best.1
    }

    /// An alignment made better step by step.
    fn stepped(&self, mut from: Alignment, even: &Even) -> Alignment {
        let middle = ((self.width as f32 - 1.0) / 2.0, (self.height as f32 - 1.0) / 2.0);
        let mut placed = Placed::default();
        for _ in 0..STEPS {
            let Some([dx, dy, zoom]) = self.step(&mut placed, &from, even) else { return from };
            // The step is undone before what was found so far.
            let to = from.zoom / (1.0 + zoom as f32);
            if !(0.5..=2.0).contains(&to) {
                return from;
            }
            from = Alignment { dx: from.dx - to * dx as f32, dy: from.dy - to * dy as f32, zoom: to };
            let edge = zoom.abs() * f64::from(middle.0.max(middle.1));
            if dx.hypot(dy) + edge < 0.003 {
                break;
            }
        }
        from
    }

    /// What was found, as whole pixels without a zoom where that fits as well; nothing where it explains too little.
    fn believed(&self, found: Alignment, even: &Even) -> Alignment {
        let every = self.area().div_ceil(SEEN).max(1);
        let mut placed = Placed::default();
        let mut left = |alignment: &Alignment| self.left_by(&mut placed, alignment, even, every, f64::MAX);
        let Some(before) = left(&Alignment::default()) else { return Alignment::default() };
        let whole = Alignment { dx: found.dx.round(), dy: found.dy.round(), zoom: 1.0 };
        let far = (found.zoom - 1.0).abs() * self.width.max(self.height) as f32;
        let whole = left(&whole).filter(|_| far < 3.0).map(|left| (left, whole));
        let found = left(&found).map(|left| (left, found));
        let best = match (whole, found) {
            (Some(whole), Some(found)) if whole.0 > found.0 * 1.02 => Some(found),
            (whole, found) => whole.or(found),
        };
        match best {
            Some((left, best)) if left <= BELIEVED * before => best,
            _ => Alignment::default(),
        }
    }
}

#[cfg(test)]
mod tests;

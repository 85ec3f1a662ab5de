//! Finds the shift and the zoom between two pictures: over a pyramid of halved pictures, the smallest by trying, the others by
//! Gauss-Newton steps (Lucas and Kanade, 1981; Baker and Matthews, 2004, inverse compositional).

use image::RgbImage;

use super::{INSIDE, LOST, OUTSIDE};

/// How far a shift is looked for, in parts of the longer side.
pub const MOST_SHIFT: f32 = 0.125;
/// How far a zoom is looked for, as a factor, either way.
pub const MOST_ZOOM: f32 = 1.25;

/// The longer side of the smallest picture of the pyramid, in pixels, at most.
const SMALLEST: usize = 40;
/// The pixels of the largest picture that steps are made on.
const LARGEST: usize = 160_000;
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

    fn place(&self, x: usize, y: usize, (middle_x, middle_y): (f32, f32)) -> (f32, f32) {
        let (x, y) = (x as f32 - middle_x, y as f32 - middle_y);
        (middle_x + self.zoom * x + self.dx, middle_y + self.zoom * y + self.dy)
    }
}

/// Pictures of one size; `None` of a pixel that does not count.
struct Level {
    width: usize,
    height: usize,
    before: Vec<f32>,
    after: Vec<f32>,
    counts: Vec<bool>,
}

/// The alignment of two planes of brightness, by the pixels outside; where nothing is outside, by all.
pub(super) fn find([before, after]: [&[u8]; 2], width: usize, owners: &[u8]) -> Alignment {
    let side = if owners.contains(&OUTSIDE) { OUTSIDE } else { INSIDE };
    let numbers = |plane: &[u8]| plane.iter().map(|light| f32::from(*light)).collect();
    let whole = Level {
        width,
        height: before.len() / width.max(1),
        before: numbers(before),
        after: numbers(after),
        counts: owners.iter().map(|owner| *owner == side).collect(),
    };
    let mut levels = vec![whole];
    while let Some(half) = levels.last().and_then(Level::halved) {
        levels.push(half);
    }
    let usable: Vec<usize> = (0..levels.len()).filter(|level| levels[*level].evened()).collect();
    let Some(&smallest) = usable.last() else { return Alignment::default() };
    let mut found = levels[smallest].tried();
    let mut at = smallest;
    for &level in
        usable.iter().rev().filter(|level| levels[**level].before.len() <= LARGEST || **level == smallest)
    {
        found = levels[level].stepped(found.scaled((1u32 << (at - level)) as f32));
        at = level;
    }
    let found = found.scaled((1u32 << at) as f32);
    let (shift, zoom) = (MOST_SHIFT * width.max(before.len() / width.max(1)) as f32, found.zoom);
    if found.shift() > shift || !(1.0 / MOST_ZOOM..=MOST_ZOOM).contains(&zoom) {
        return Alignment::default();
    }
    levels.first().map_or(Alignment::default(), |whole| whole.believed(found))
}

impl Level {
    fn middle(&self) -> (f32, f32) {
        ((self.width as f32 - 1.0) / 2.0, (self.height as f32 - 1.0) / 2.0)
    }

    fn halved(&self) -> Option<Level> {
        let (width, height) = (self.width / 2, self.height / 2);
        if self.width.max(self.height) <= SMALLEST || width < 8 || height < 8 {
            return None;
        }
        let four = |x: usize, y: usize| {
            let at = 2 * y * self.width + 2 * x;
            [at, at + 1, at + self.width, at + self.width + 1]
        };
        let places = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let mean = |plane: &[f32]| {
            places().map(|(x, y)| four(x, y).iter().map(|at| plane[*at]).sum::<f32>() / 4.0).collect()
        };
        Some(Level {
            width,
            height,
            before: mean(&self.before),
            after: mean(&self.after),
            counts: places().map(|(x, y)| four(x, y).iter().all(|at| self.counts[*at])).collect(),
        })
    }

    /// Makes both pictures of mean 0 and spread 1 where pixels count, so that a brighter picture is none that moved. False where too
    /// little counts, or one is flat.
    fn evened(&mut self) -> bool {
        let pixels = self.counts.iter().filter(|counts| **counts).count();
        if pixels < LEAST_PIXELS {
            return false;
        }
        for plane in [&mut self.before, &mut self.after] {
            let counting = || {
                plane
                    .iter()
                    .zip(&self.counts)
                    .filter(|(_, counts)| **counts)
                    .map(|(light, _)| f64::from(*light))
            };
            let mean = counting().sum::<f64>() / pixels as f64;
            let spread = (counting().map(|light| (light - mean).powi(2)).sum::<f64>() / pixels as f64).sqrt();
            if spread < 1.0 {
                return false;
            }
            let (mean, by) = (mean as f32, 1.0 / spread as f32);
            plane.iter_mut().for_each(|light| *light = (*light - mean) * by);
        }
        true
    }

    /// The picture after at a place between pixels; `None` beyond its edges.
    fn sample(&self, (x, y): (f32, f32)) -> Option<f32> {
        if !(x >= 0.0 && y >= 0.0 && x <= (self.width - 1) as f32 && y <= (self.height - 1) as f32) {
            return None;
        }
        let (left, top) = ((x as usize).min(self.width - 2), (y as usize).min(self.height - 2));
        let (across, down) = (x - left as f32, y - top as f32);
        let at = top * self.width + left;
        let row = |at: usize| self.after[at] * (1.0 - across) + self.after[at + 1] * across;
        Some(row(at) * (1.0 - down) + row(at + self.width) * down)
    }

    /// The mean squared difference that an alignment leaves, of every `step`th pixel of every `step`th row; `None` where too few of them
    /// lie in both pictures.
    fn left_by(&self, alignment: &Alignment, step: usize) -> Option<f64> {
        let middle = self.middle();
        let (mut sum, mut seen, mut all) = (0.0, 0usize, 0usize);
        for y in (0..self.height).step_by(step) {
            for x in (0..self.width).step_by(step).filter(|x| self.counts[y * self.width + x]) {
                all += 1;
                if let Some(light) = self.sample(alignment.place(x, y, middle)) {
                    sum += f64::from(light - self.before[y * self.width + x]).powi(2);
                    seen += 1;
                }
            }
        }
        (seen * 2 > all && seen > 0).then(|| sum / seen as f64)
    }

    /// The best of many: for the smallest picture.
    fn tried(&self) -> Alignment {
        let most = (MOST_SHIFT * self.width.max(self.height) as f32).round() as i32;
        let mut best = (self.left_by(&Alignment::default(), 1).unwrap_or(f64::MAX), Alignment::default());
        for zoom in [1.0, 0.93, 1.07, 0.87, 1.15, 0.8, 1.25] {
            for (dx, dy) in (-most..=most).flat_map(|dy| (-most..=most).map(move |dx| (dx, dy))) {
                let alignment = Alignment { dx: dx as f32, dy: dy as f32, zoom };
                if let Some(left) = self.left_by(&alignment, 1).filter(|left| *left < best.0) {
                    best = (left, alignment);
                }
            }
        }
        best.1
    }

    /// An alignment made better step by step.
    fn stepped(&self, mut from: Alignment) -> Alignment {
        let middle = self.middle();
        let inner = |of: usize| 1..of.saturating_sub(1);
        for _ in 0..STEPS {
            let (mut matrix, mut right) = ([[0.0f64; 3]; 3], [0.0f64; 3]);
            for y in inner(self.height) {
                for x in inner(self.width) {
                    let at = y * self.width + x;
                    if !self.counts[at] {
                        continue;
                    }
                    let Some(light) = self.sample(from.place(x, y, middle)) else { continue };
                    let across = (self.before[at + 1] - self.before[at - 1]) / 2.0;
                    let down = (self.before[at + self.width] - self.before[at - self.width]) / 2.0;
                    let outwards = across * (x as f32 - middle.0) + down * (y as f32 - middle.1);
                    let far = light - self.before[at];
                    // What differs by far is another thing, and not the same thing elsewhere (Geman and McClure).
                    let weight = 1.0 / (1.0 + (far / 0.5).powi(2)).powi(2);
                    let slopes = [across, down, outwards].map(f64::from);
                    for (row, slope) in slopes.iter().enumerate() {
                        right[row] += slope * f64::from(far * weight);
                        (0..3).for_each(|column| {
                            matrix[row][column] += slope * slopes[column] * f64::from(weight)
                        });
                    }
                }
            }
            let Some([dx, dy, zoom]) = solved(matrix, right) else { return from };
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
    fn believed(&self, found: Alignment) -> Alignment {
        let step = 1 + self.before.len() / 400_000;
        let left = |alignment: &Alignment| self.left_by(alignment, step);
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

/// Cramer's rule.
fn solved(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let of = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = of(matrix);
    let scale = matrix[0][0] * matrix[1][1] * matrix[2][2];
    if !(whole > scale * 1e-9 && whole > 0.0) {
        return None;
    }
    Some(std::array::from_fn(|column| {
        let mut other = matrix;
        (0..3).for_each(|row| other[row][column] = right[row]);
        of(other) / whole
    }))
}

/// The picture after as it would be without the alignment. What lies beyond its edges belongs to neither side.
pub(super) fn shown_by(alignment: &Alignment, after: &RgbImage, owners: &mut [u8]) -> RgbImage {
    let (width, height) = (after.width() as usize, after.height() as usize);
    let middle = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
    let mut shown = RgbImage::new(after.width(), after.height());
    let ink = after.as_raw();
    for (at, (to, owner)) in shown.chunks_exact_mut(3).zip(owners).enumerate() {
        let (x, y) = alignment.place(at % width, at / width, middle);
        if !(x >= 0.0 && y >= 0.0 && x <= (width - 1) as f32 && y <= (height - 1) as f32) {
            *owner = LOST;
            continue;
        }
        let (left, top) = (x as usize, y as usize);
        let (across, down) = (x - left as f32, y - top as f32);
        let from = 3 * (top * width + left);
        if across == 0.0 && down == 0.0 {
            to.copy_from_slice(&ink[from..from + 3]);
            continue;
        }
        let (next, below) = (if across > 0.0 { 3 } else { 0 }, if down > 0.0 { 3 * width } else { 0 });
        for (c, to) in to.iter_mut().enumerate() {
            let at = |more: usize| f32::from(ink[from + more + c]);
            let row = |more: usize| at(more) * (1.0 - across) + at(more + next) * across;
            *to = (row(0) * (1.0 - down) + row(below) * down + 0.5) as u8;
        }
    }
    shown
}

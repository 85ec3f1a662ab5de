//! Places between the pixels of a picture, and what is shown there.

use std::ops::Range;

use super::align::Alignment;

/// Where the pixels of a row or of a column come from: of those that lie within the other picture.
#[derive(Default)]
pub(super) struct Axis {
    /// The first and one behind the last of them.
    pub(super) pixels: Range<usize>,
    /// For each, the pixel before its place: that and the next are within the picture.
    pub(super) firsts: Vec<usize>,
    /// And how far behind that the place lies, 0 to 1.
    pub(super) parts: Vec<f32>,
    /// From one until another, firsts follow each other.
    runs: Vec<Range<usize>>,
}

impl Axis {
    /// Of some pixels of an axis of so many, at least two, that is drawn `zoom` times as large about its middle and moved by so many
    /// pixels.
    pub(super) fn take(&mut self, pixels: Range<usize>, length: usize, zoom: f32, by: f32) {
        let (middle, last) = ((length as f32 - 1.0) / 2.0, (length - 1) as f32);
        let place = |at: usize| middle + zoom * (at as f32 - middle) + by;
        let within = |at: &usize| (0.0..=last).contains(&place(*at));
        // Places follow each other as pixels do.
        let start = pixels.clone().find(within).unwrap_or(pixels.end);
        let end = pixels.rev().find(within).map_or(start, |last| last + 1);
        self.pixels = start..end;
        self.firsts.clear();
        self.firsts.extend((start..end).map(|at| (place(at) as usize).min(length - 2)));
        self.parts.clear();
        self.parts.extend((start..end).zip(&self.firsts).map(|(at, first)| place(at) - *first as f32));
        self.runs.clear();
        let mut from = 0;
        for run in self.firsts.chunk_by(|one, next| one + 1 == *next) {
            self.runs.push(from..from + run.len());
            from += run.len();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pixels.len()
    }

    /// The same of pixels that are three numbers each.
    pub(super) fn of_inks(&self) -> Self {
        Axis {
            pixels: 3 * self.pixels.start..3 * self.pixels.end,
            firsts: self.firsts.iter().flat_map(|first| [3 * first, 3 * first + 1, 3 * first + 2]).collect(),
            parts: self.parts.iter().flat_map(|part| [*part; 3]).collect(),
            runs: self.runs.iter().map(|run| 3 * run.start..3 * run.end).collect(),
        }
    }
}

/// How a picture is placed over another.
#[derive(Default)]
pub(super) struct Places {
    pub(super) columns: Axis,
    pub(super) rows: Axis,
}

impl Places {
    /// Of the pixels within bounds: left, top, right, bottom.
    pub(super) fn take(
        &mut self,
        alignment: &Alignment,
        [left, top, right, bottom]: [usize; 4],
        (width, height): (usize, usize),
    ) {
        self.columns.take(left..right, width, alignment.zoom, alignment.dx);
        self.rows.take(top..bottom, height, alignment.zoom, alignment.dy);
    }
}

/// What is shown between the pixels of two rows, `down` of the way from the one to the other. A pixel's next is `step` numbers behind.
#[inline(always)]
pub(super) fn between<T: Copy + Into<f32>>(
    rows: [&[T]; 2],
    step: usize,
    columns: &Axis,
    down: f32,
    to: &mut [f32],
) {
    for run in &columns.runs {
        let (from, number) = (columns.firsts[run.start], run.len());
        let [above, below] = rows.map(|row| &row[from..from + number + step]);
        let pixels = above.iter().zip(&above[step..]).zip(below.iter().zip(&below[step..]));
        let places = to[run.clone()].iter_mut().zip(&columns.parts[run.clone()]);
        for ((to, part), ((a, b), (c, d))) in places.zip(pixels) {
            let across = |one: T, next: T| one.into() * (1.0 - part) + next.into() * part;
            *to = across(*a, *b) * (1.0 - down) + across(*c, *d) * down;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_that_of_every_place_alone() {
        let mut random = fastrand::Rng::with_seed(41);
        for number in 0..200 {
            let (width, height) = (random.usize(2..60), random.usize(2..40));
            let plane: Vec<u8> = (0..width * height).map(|_| random.u8(..)).collect();
            let whole = number % 3 == 0;
            let by = |most: usize, random: &mut fastrand::Rng| {
                let by = (random.f32() - 0.5) * most as f32;
                if whole { by.round() } else { by }
            };
            let (dx, dy) = (by(width, &mut random), by(height, &mut random));
            let zoom = if whole { 1.0 } else { 0.8 + random.f32() * 0.45 };
            let alignment = Alignment { dx, dy, zoom };
            let bounds = [random.usize(..width), random.usize(..height), width, height];
            let mut places = Places::default();
            places.take(&alignment, bounds, (width, height));
            let mut found = vec![None; width * height];
            let mut row = vec![0.0; places.columns.len()];
            for (y, (first, down)) in
                places.rows.pixels.clone().zip(places.rows.firsts.iter().zip(&places.rows.parts))
            {
                let rows = [*first, first + 1].map(|y| &plane[y * width..][..width]);
                between(rows, 1, &places.columns, *down, &mut row);
                places
                    .columns
                    .pixels
                    .clone()
                    .zip(&row)
                    .for_each(|(x, light)| found[y * width + x] = Some(*light));
            }
            let middle = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
            for (at, found) in found.into_iter().enumerate() {
                let (x, y) = (at % width, at / width);
                let (u, v) = (
                    middle.0 + zoom * (x as f32 - middle.0) + dx,
                    middle.1 + zoom * (y as f32 - middle.1) + dy,
                );
                let within = u >= 0.0 && v >= 0.0 && u <= (width - 1) as f32 && v <= (height - 1) as f32;
                if x < bounds[0] || y < bounds[1] || !within {
                    assert_eq!(found, None, "{alignment:?} at {x}, {y}");
                    continue;
                }
                let ink = |x: f32, y: f32| f64::from(plane[y as usize * width + x as usize]);
                let weigh = |one: f64, other: f64, part: f32| one + (other - one) * f64::from(part);
                let across = |y: f32| weigh(ink(u.floor(), y), ink(u.ceil(), y), u.fract());
                let wanted = weigh(across(v.floor()), across(v.ceil()), v.fract());
                assert!((f64::from(found.unwrap()) - wanted).abs() < 1e-3, "{alignment:?} at {x}, {y}");
            }
        }
    }
}

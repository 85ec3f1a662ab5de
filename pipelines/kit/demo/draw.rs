//! The drawing board: shapes with smooth edges, painted one over the other, and the owner of each pixel.
//!
//! A shape is filled row by row. Each row is cut by four lines. On each line the shape is a few spans, whose ends count with the exact
//! share of their pixel. So a big shape costs little more than writing its pixels, and edges have 256 steps. A pixel belongs to the last
//! solid shape that covers half of it or more.

use std::ops::Range;

use image::RgbImage;

use super::colour::Rgb;

/// Lines that a row of pixels is cut by.
const CUTS: usize = 4;
/// Steps along a pixel; with [`CUTS`] lines, a covered pixel counts `FULL`.
const STEPS: i32 = 64;
const FULL: i32 = STEPS * CUTS as i32;
/// Shades of a paint that changes along a row: more than eight bits can tell apart.
const SHADES: usize = 512;

/// Colour, and opacity from 0 to 255.
type Inked = ([u8; 3], i32);

/// An outline. In a part's own units until [`Shape::placed`] brings it to pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Corners in order; where it crosses itself, the even-odd rule holds.
    Polygon(Vec<(f32, f32)>),
    Oval {
        x: f32,
        y: f32,
        rx: f32,
        ry: f32,
    },
    /// What is left of an oval when one of `hole` times its radii is taken out of its middle.
    Ring {
        x: f32,
        y: f32,
        rx: f32,
        ry: f32,
        hole: f32,
    },
}

/// Where a shape's units lie in the picture: `pixel = origin + unit * scale`, for each direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placing {
    pub origin: (f32, f32),
    pub scale: (f32, f32),
}

impl Placing {
    fn point(&self, (x, y): (f32, f32)) -> (f32, f32) {
        (self.origin.0 + x * self.scale.0, self.origin.1 + y * self.scale.1)
    }
}

impl Shape {
    /// An upright rectangle from its left top to its right bottom corner.
    pub(crate) fn rect(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Shape::Polygon(vec![(left, top), (right, top), (right, bottom), (left, bottom)])
    }

    /// A circle.
    pub(crate) fn disc(x: f32, y: f32, r: f32) -> Self {
        Shape::Oval { x, y, rx: r, ry: r }
    }

    /// The shape in pixels.
    pub(crate) fn placed(&self, by: &Placing) -> Shape {
        match *self {
            Shape::Polygon(ref corners) => Shape::Polygon(corners.iter().map(|&c| by.point(c)).collect()),
            Shape::Oval { x, y, rx, ry } => {
                let (x, y) = by.point((x, y));
                Shape::Oval { x, y, rx: rx * by.scale.0.abs(), ry: ry * by.scale.1.abs() }
            }
            Shape::Ring { x, y, rx, ry, hole } => {
                let (x, y) = by.point((x, y));
                Shape::Ring { x, y, rx: rx * by.scale.0.abs(), ry: ry * by.scale.1.abs(), hole }
            }
        }
    }

    /// Left, top, right, bottom.
    fn bounds(&self) -> [f32; 4] {
        match *self {
            Shape::Polygon(ref corners) => {
                let start = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
                corners.iter().fold(start, |[l, t, r, b], &(x, y)| [l.min(x), t.min(y), r.max(x), b.max(y)])
            }
            Shape::Oval { x, y, rx, ry } | Shape::Ring { x, y, rx, ry, .. } => {
                [x - rx, y - ry, x + rx, y + ry]
            }
        }
    }

    /// Puts the places where the line at height `line` enters and leaves the shape into `ends`, in order.
    fn cut(&self, line: f32, ends: &mut Vec<f32>) {
        ends.clear();
        let half = |y: f32, rx: f32, ry: f32| {
            let up = (line - y) / ry;
            (up.abs() < 1.0).then(|| rx * (1.0 - up * up).sqrt())
        };
        match *self {
            Shape::Polygon(ref corners) => {
                let mut from = corners[corners.len() - 1];
                for &to in corners {
                    if (from.1 <= line) != (to.1 <= line) {
                        ends.push(from.0 + (line - from.1) * (to.0 - from.0) / (to.1 - from.1));
                    }
                    from = to;
                }
                ends.sort_unstable_by(f32::total_cmp);
            }
            Shape::Oval { x, y, rx, ry } => {
                ends.extend(half(y, rx, ry).into_iter().flat_map(|half| [x - half, x + half]));
            }
            Shape::Ring { x, y, rx, ry, hole } => {
                let Some(outer) = half(y, rx, ry) else { return };
                ends.push(x - outer);
                ends.extend(
                    half(y, rx * hole, ry * hole).into_iter().flat_map(|inner| [x - inner, x + inner]),
                );
                ends.push(x + outer);
            }
        }
    }
}

/// How a paint runs over its shape's bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Run {
    /// From top to bottom.
    Down,
    /// From left to right.
    Across,
    /// From a point left of and above the middle outwards: a lit ball.
    Lit,
    /// From the middle outwards: a glow.
    Out,
}

/// A paint: from one colour and opacity (0 to 255) to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paint {
    from: (Rgb, u8),
    to: (Rgb, u8),
    run: Run,
}

impl Paint {
    /// One colour, opaque.
    pub(crate) fn flat(colour: Rgb) -> Self {
        Paint::run(Run::Down, colour, colour)
    }

    /// One colour that lets through what lies beneath.
    pub(crate) fn veil(colour: Rgb, opacity: u8) -> Self {
        Paint { from: (colour, opacity), to: (colour, opacity), run: Run::Down }
    }

    /// From one opaque colour to another.
    pub(crate) fn run(run: Run, from: Rgb, to: Rgb) -> Self {
        Paint { from: (from, 255), to: (to, 255), run }
    }

    /// A glow that is gone at its rim.
    pub(crate) fn glow(colour: Rgb, opacity: u8) -> Self {
        Paint { from: (colour, opacity), to: (colour, 0), run: Run::Out }
    }

    /// Whether nothing of what lies beneath is seen: only such a shape owns its pixels.
    pub(crate) fn is_solid(&self) -> bool {
        self.from.1 == 255 && self.to.1 == 255
    }

    fn at(&self, share: f32) -> Inked {
        let share = share.clamp(0.0, 1.0);
        let opacity = f32::from(self.from.1) + (f32::from(self.to.1) - f32::from(self.from.1)) * share;
        (self.from.0.mix(self.to.0, share).0, (opacity + 0.5) as i32)
    }

    /// The paint at [`SHADES`] even steps of its way; none if it runs down, since a row has one shade then.
    fn shades(&self) -> Vec<Inked> {
        let count = if self.run == Run::Down { 0 } else { SHADES };
        (0..count).map(|i| self.at(i as f32 / (SHADES - 1) as f32)).collect()
    }

    fn share(&self, [left, top, right, bottom]: [f32; 4], x: f32, y: f32) -> f32 {
        let (across, down) = ((x - left) / (right - left), (y - top) / (bottom - top));
        let off = |px: f32, py: f32| (across - px) * (across - px) + (down - py) * (down - py);
        match self.run {
            Run::Down => down,
            Run::Across => across,
            Run::Lit => off(0.36, 0.3) * 1.7,
            Run::Out => (off(0.5, 0.5) * 4.0).sqrt(),
        }
    }
}

/// A paint on its way over a shape.
struct Stroke<'a> {
    paint: &'a Paint,
    bounds: [f32; 4],
    /// Empty where a row has one shade.
    shades: Vec<Inked>,
    owner: u8,
}

impl Stroke<'_> {
    fn row_shade(&self, row: i32) -> Inked {
        self.paint.at(self.paint.share(self.bounds, 0.0, row as f32 + 0.5))
    }

    fn shade(&self, column: usize, row: i32) -> Inked {
        let share = self.paint.share(self.bounds, column as f32 + 0.5, row as f32 + 0.5);
        self.shades[(share.clamp(0.0, 1.0) * (SHADES - 1) as f32 + 0.5) as usize]
    }
}

/// A picture in the making.
pub(crate) struct Board {
    pixels: RgbImage,
    /// Owner of each pixel; empty where nobody asks.
    owners: Vec<u8>,
    cover: Vec<i32>,
    ends: Vec<f32>,
}

impl Board {
    /// An empty board.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Board {
            pixels: RgbImage::new(width, height),
            owners: Vec::new(),
            cover: vec![0; width as usize + 2],
            ends: Vec::new(),
        }
    }

    /// The same, keeping the record that masks are made from. Every pixel starts with owner 0.
    pub(crate) fn with_owners(width: u32, height: u32) -> Self {
        Board { owners: vec![0; width as usize * height as usize], ..Board::new(width, height) }
    }

    /// Paints a shape (in pixels) over what is there. If the paint is solid, its pixels are now `owner`'s.
    pub(crate) fn paint(&mut self, shape: &Shape, paint: &Paint, owner: u8) {
        let bounds = shape.bounds();
        let stroke = Stroke { paint, bounds, shades: paint.shades(), owner };
        let (width, height) = (self.pixels.width() as i32, self.pixels.height() as i32);
        let first = (bounds[0].floor() as i32).clamp(0, width);
        let last = (bounds[2].ceil() as i32).clamp(first, width);
        for row in (bounds[1].floor() as i32).clamp(0, height)..(bounds[3].ceil() as i32).clamp(0, height) {
            if self.cover_row(shape, row) {
                self.blend_row(&stroke, row, first as usize..last as usize);
            }
        }
    }

    /// Fills `cover` with the steps by which the shape's cover of this row changes; false if it stays out.
    fn cover_row(&mut self, shape: &Shape, row: i32) -> bool {
        let most = self.pixels.width() as i32 * STEPS;
        let mut any = false;
        for cut in 0..CUTS {
            let line = row as f32 + (cut as f32 + 0.5) / CUTS as f32;
            shape.cut(line, &mut self.ends);
            for span in self.ends.chunks_exact(2) {
                let [from, to] = [span[0], span[1]].map(|x| ((x * STEPS as f32) as i32).clamp(0, most));
                any |= from < to;
                for (end, sign) in [(from, 1), (to, -1)] {
                    let (pixel, rest) = ((end / STEPS) as usize, end % STEPS);
                    self.cover[pixel] += sign * (STEPS - rest);
                    self.cover[pixel + 1] += sign * rest;
                }
            }
        }
        any
    }

    /// Paints one row by `cover`, in runs of pixels that are covered alike, and empties `cover` again.
    fn blend_row(&mut self, stroke: &Stroke, row: i32, columns: Range<usize>) {
        let start = row as usize * self.pixels.width() as usize;
        let shade = stroke.row_shade(row);
        let (mut x, mut covered) = (columns.start, 0);
        while x < columns.end {
            covered += self.cover[x];
            let after = &self.cover[x + 1..columns.end];
            let run = x..x + 1 + after.iter().position(|step| *step != 0).unwrap_or(after.len());
            x = run.end;
            if covered == 0 {
                continue;
            }
            if stroke.paint.is_solid() && covered >= FULL / 2 && !self.owners.is_empty() {
                self.owners[start + run.start..start + run.end].fill(stroke.owner);
            }
            let bytes: &mut [u8] = &mut self.pixels;
            let pixels = &mut bytes[(start + run.start) * 3..(start + run.end) * 3];
            if stroke.shades.is_empty() {
                tint(pixels, shade, covered);
            } else {
                for (pixel, column) in pixels.chunks_exact_mut(3).zip(run) {
                    tint(pixel, stroke.shade(column, row), covered);
                }
            }
        }
        self.cover[columns.start..columns.end + 2].fill(0);
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// The finished picture, and the owner of each of its pixels, row by row.
    pub(crate) fn finish(self) -> (RgbImage, Vec<u8>) {
        (self.pixels, self.owners)
    }
}

/// Lays a shade over pixels of which it covers the same part, `covered` of [`FULL`].
#[inline]
fn tint(pixels: &mut [u8], (colour, opacity): Inked, covered: i32) {
    let share = covered * opacity;
    for pixel in pixels.chunks_exact_mut(3) {
        if share == FULL * 255 {
            pixel.copy_from_slice(&colour);
            continue;
        }
        for (under, over) in pixel.iter_mut().zip(colour) {
            let change = (i32::from(over) - i32::from(*under)) * share;
            *under = (i32::from(*under) + (change + FULL * 255 / 2).div_euclid(FULL * 255)) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgb = Rgb([255, 0, 0]);

    /// The red of each pixel of a black board of 8 x 1 that a shape was painted on in red.
    fn red_row(shape: &Shape) -> Vec<u8> {
        let mut board = Board::new(8, 1);
        board.paint(shape, &Paint::flat(RED), 0);
        board.finish().0.pixels().map(|pixel| pixel.0[0]).collect()
    }

    #[test]
    fn an_edge_counts_with_the_part_of_the_pixel_that_it_covers() {
        assert_eq!(red_row(&Shape::rect(1.5, 0.0, 4.25, 1.0)), [0, 128, 255, 255, 64, 0, 0, 0]);
        assert_eq!(red_row(&Shape::rect(2.0, 0.5, 4.0, 9.0)), [0, 0, 128, 128, 0, 0, 0, 0]);
        assert_eq!(red_row(&Shape::rect(-9.0, -9.0, 2.0, 9.0)), [255, 255, 0, 0, 0, 0, 0, 0]);
        assert_eq!(red_row(&Shape::rect(8.0, 0.0, 12.0, 1.0)), [0; 8]);
    }

    #[test]
    fn a_ring_has_a_hole() {
        let ring = Shape::Ring { x: 4.0, y: 0.5, rx: 4.0, ry: 400.0, hole: 0.5 };
        let covered: Vec<bool> = red_row(&ring).iter().map(|red| *red > 250).collect();
        assert_eq!(covered, [true, true, false, false, false, false, true, true]);
    }

    #[test]
    fn a_disc_covers_pi_r_squared() {
        let mut board = Board::with_owners(64, 64);
        board.paint(&Shape::disc(31.3, 32.7, 24.0), &Paint::flat(RED), 1);
        let (picture, owners) = board.finish();
        let area = picture.pixels().map(|pixel| f64::from(pixel.0[0]) / 255.0).sum::<f64>();
        assert!((area - 1809.56).abs() < 2.0, "{area}");
        let owned = owners.iter().filter(|owner| **owner == 1).count() as f64;
        assert!((owned - area).abs() < 12.0, "{owned}");
    }

    #[test]
    fn what_lets_light_through_owns_nothing() {
        let mut board = Board::with_owners(8, 1);
        board.paint(&Shape::rect(0.0, 0.0, 4.6, 1.0), &Paint::flat(RED), 1);
        board.paint(&Shape::rect(0.0, 0.0, 8.0, 1.0), &Paint::veil(Rgb([0; 3]), 128), 2);
        let (picture, owners) = board.finish();
        assert_eq!(owners, [1, 1, 1, 1, 1, 0, 0, 0]);
        assert_eq!(picture.get_pixel(0, 0).0, [127, 0, 0]);
    }
}

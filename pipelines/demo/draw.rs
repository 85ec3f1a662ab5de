//! The drawing board: shapes with smooth edges, painted one over the other, and who owns each pixel.
//!
//! A shape is filled row by row. Each row is cut by four lines; on each, the shape is a few spans, whose
//! ends count with the exact share of their pixel. So a big shape costs little more than writing its
//! pixels, and edges have 256 steps. A pixel belongs to the last solid shape that covers half of it or more.

use image::RgbImage;

use super::colour::Rgb;

/// Lines that a row of pixels is cut by.
const CUTS: usize = 4;
/// Steps along a pixel; with [`CUTS`] lines, a covered pixel counts `FULL`.
const STEPS: i32 = 64;
const FULL: i32 = STEPS * CUTS as i32;

/// An outline. In a part's own units until [`Shape::placed`] brings it to pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
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
pub struct Placing {
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
    pub fn rect(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Shape::Polygon(vec![(left, top), (right, top), (right, bottom), (left, bottom)])
    }

    /// A circle.
    pub fn disc(x: f32, y: f32, r: f32) -> Self {
        Shape::Oval { x, y, rx: r, ry: r }
    }

    /// The shape in pixels.
    pub fn placed(&self, by: &Placing) -> Shape {
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
pub enum Run {
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
pub struct Paint {
    from: (Rgb, u8),
    to: (Rgb, u8),
    run: Run,
}

impl Paint {
    /// One colour, opaque.
    pub fn flat(colour: Rgb) -> Self {
        Paint::run(Run::Down, colour, colour)
    }

    /// One colour that lets through what lies beneath.
    pub fn veil(colour: Rgb, opacity: u8) -> Self {
        Paint { from: (colour, opacity), to: (colour, opacity), run: Run::Down }
    }

    /// From one opaque colour to another.
    pub fn run(run: Run, from: Rgb, to: Rgb) -> Self {
        Paint { from: (from, 255), to: (to, 255), run }
    }

    /// A glow that is gone at its rim.
    pub fn glow(colour: Rgb, opacity: u8) -> Self {
        Paint { from: (colour, opacity), to: (colour, 0), run: Run::Out }
    }

    /// Whether nothing of what lies beneath is seen: only such a shape owns its pixels.
    pub fn is_solid(&self) -> bool {
        self.from.1 == 255 && self.to.1 == 255
    }

    fn at(&self, share: f32) -> ([u8; 3], i32) {
        if self.from == self.to {
            return (self.from.0.0, i32::from(self.from.1));
        }
        let share = share.clamp(0.0, 1.0);
        let opacity = f32::from(self.from.1) + (f32::from(self.to.1) - f32::from(self.from.1)) * share;
        (self.from.0.mix(self.to.0, share).0, (opacity + 0.5) as i32)
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

/// A picture in the making.
pub struct Board {
    pixels: RgbImage,
    /// Owner of each pixel; empty where nobody asks.
    owners: Vec<u8>,
    cover: Vec<i32>,
    ends: Vec<f32>,
}

impl Board {
    /// An empty board.
    pub fn new(width: u32, height: u32) -> Self {
        Board {
            pixels: RgbImage::new(width, height),
            owners: Vec::new(),
            cover: vec![0; width as usize + 2],
            ends: Vec::new(),
        }
    }

    /// The same, keeping the record that masks are made from. Every pixel starts with owner 0.
    pub fn with_owners(width: u32, height: u32) -> Self {
        Board { owners: vec![0; width as usize * height as usize], ..Board::new(width, height) }
    }

    /// Paints a shape (in pixels) over what is there. If the paint is solid, its pixels are now `owner`'s.
    pub fn paint(&mut self, shape: &Shape, paint: &Paint, owner: u8) {
        let bounds = shape.bounds();
        let (width, height) = (self.pixels.width() as i32, self.pixels.height() as i32);
        let first = (bounds[0].floor() as i32).clamp(0, width);
        let last = (bounds[2].ceil() as i32).clamp(first, width);
        for row in (bounds[1].floor() as i32).clamp(0, height)..(bounds[3].ceil() as i32).clamp(0, height) {
            if self.cover_row(shape, row) {
                self.blend_row(paint, bounds, row, first as usize..last as usize, owner);
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

    /// Paints one row by `cover`, and empties `cover` again.
    fn blend_row(
        &mut self,
        paint: &Paint,
        bounds: [f32; 4],
        row: i32,
        columns: std::ops::Range<usize>,
        owner: u8,
    ) {
        let width = self.pixels.width() as usize;
        let start = row as usize * width;
        let y = row as f32 + 0.5;
        let same_all_along = paint.run == Run::Down;
        let mut colour = paint.at(paint.share(bounds, 0.0, y));
        let solid = paint.is_solid() && !self.owners.is_empty();
        let bytes: &mut [u8] = &mut self.pixels;
        let pixels = bytes[start * 3..(start + width) * 3].chunks_exact_mut(3);
        let mut covered = 0;
        for ((x, pixel), step) in
            pixels.enumerate().take(columns.end).skip(columns.start).zip(&self.cover[columns.clone()])
        {
            covered += step;
            if covered == 0 {
                continue;
            }
            if !same_all_along {
                colour = paint.at(paint.share(bounds, x as f32 + 0.5, y));
            }
            let share = covered * colour.1;
            if share == FULL * 255 {
                pixel.copy_from_slice(&colour.0);
            } else {
                for (under, over) in pixel.iter_mut().zip(colour.0) {
                    let change = (i32::from(over) - i32::from(*under)) * share;
                    *under = (i32::from(*under) + (change + FULL * 255 / 2).div_euclid(FULL * 255)) as u8;
                }
            }
            if solid && covered >= FULL / 2 {
                self.owners[start + x] = owner;
            }
        }
        self.cover.fill(0);
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// The finished picture, and the owner of each of its pixels, row by row.
    pub fn finish(self) -> (RgbImage, Vec<u8>) {
        (self.pixels, self.owners)
    }
}

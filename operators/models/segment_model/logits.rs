//! From a small grid of logits to a mask of the picture's size: bilinear, then everything above 0 is inside.
//!
//! The arithmetic is torch's `interpolate(mode="bilinear", align_corners=False)` in float32, columns first. Down a column the result is
//! linear between one row of the grid and the next. If two neighbours agree on a side, everything between them does too. Only where they
//! differ are pixels computed. The run lengths need no more than that, and never a whole mask.

use crate::pixels::mask::Mask;
use crate::pixels::rle::RunWriter;

/// One box's logits, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logits<'a> {
    pub(super) values: &'a [f32],
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Where a pixel lies between two neighbours of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sampled {
    first: usize,
    second: usize,
    /// The second's share; the first has the rest.
    share: f32,
}

impl Sampled {
    fn between(self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.share) + second * self.share
    }
}

/// The places of `length` pixels on a grid of `grid` points. The ends reach over the outermost points.
fn places(grid: usize, length: u32) -> Vec<Sampled> {
    let scale = grid as f32 / length as f32;
    let place = |pixel: u32| {
        let at = ((pixel as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (at as usize).min(grid - 1);
        Sampled { first, second: (first + 1).min(grid - 1), share: (at - first as f32).clamp(0.0, 1.0) }
    };
    (0..length).map(place).collect()
}

impl Logits<'_> {
    /// The run lengths of the mask of `width` x `height` pixels.
    pub(super) fn runs(&self, (width, height): (u32, u32)) -> RunWriter {
        let mut writer = RunWriter::default();
        // Column by column, so that what is read together lies together.
        let turned: Vec<f32> = (0..self.width)
            .flat_map(|x| (0..self.height).map(move |y| self.values[y * self.width + x]))
            .collect();
        let down = places(self.height, height);
        let spans: Vec<&[Sampled]> =
            down.chunk_by(|a, b| (a.first, a.second) == (b.first, b.second)).collect();
        let mut column = vec![0.0; self.height];
        for across in places(self.width, width) {
            let grid_column = |x: usize| &turned[x * self.height..(x + 1) * self.height];
            let neighbours = grid_column(across.first).iter().zip(grid_column(across.second));
            for (value, (first, second)) in column.iter_mut().zip(neighbours) {
                *value = across.between(*first, *second);
            }
            for span in &spans {
                let (first, second) = (column[span[0].first], column[span[0].second]);
                if (first > 0.0) == (second > 0.0) {
                    writer.push(u8::from(first > 0.0), span.len() as u32);
                } else {
                    span.iter()
                        .for_each(|place| writer.push(u8::from(place.between(first, second) > 0.0), 1));
                }
            }
        }
        writer
    }

    /// The mask of `width` x `height` pixels.
    pub(super) fn mask(&self, (width, height): (u32, u32)) -> Mask {
        let across = places(self.width, width);
        // Every row of the grid, made as wide as the picture.
        let mut wide = Vec::with_capacity(self.height * width as usize);
        for row in self.values.chunks_exact(self.width) {
            wide.extend(across.iter().map(|place| place.between(row[place.first], row[place.second])));
        }
        let grid_row = |y: usize| &wide[y * width as usize..(y + 1) * width as usize];
        let mut bits = Vec::with_capacity(width as usize * height as usize);
        for place in places(self.height, height) {
            let neighbours = grid_row(place.first).iter().zip(grid_row(place.second));
            bits.extend(neighbours.map(|(first, second)| u8::from(place.between(*first, *second) > 0.0)));
        }
        Mask { width, height, bits }
    }
}

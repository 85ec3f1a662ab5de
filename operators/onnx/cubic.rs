//! ONNX's cubic Resize, for constants that the embedded back-end needs in advance: planes of numbers at another height and width.
//!
//! Source of the arithmetic: the ONNX operator specification, Resize (opsets 11 to 19), mode `cubic` without antialiasing.

/// Where a pixel of the result lies on the input (`coordinate_transformation_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
}

/// What happens to the part of a filter that reaches over the edge (`exclude_outside`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// It falls on the pixel at the edge.
    Clamped,
    /// It is left out, and the rest made to add up to 1 again.
    Excluded,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cubic {
    pub(super) coordinates: Coordinates,
    /// `cubic_coeff_a` of Keys' kernel.
    pub(super) a: f64,
    pub(super) outside: Outside,
}

/// One axis: its length before and after, and pixels of the result a pixel of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) scale: f64,
}

impl Cubic {
    /// Resizes planes of `down.from` x `across.from` numbers, row by row, that follow one another.
    pub(super) fn resize(&self, planes: &[f32], down: Axis, across: Axis) -> Vec<f32> {
        if down.from == 0 || across.from == 0 {
            return Vec::new();
        }
        let (lines, columns) = (self.taps(down), self.taps(across));
        let mut resized = Vec::with_capacity(planes.len() / (down.from * across.from) * down.to * across.to);
        for plane in planes.chunks_exact(down.from * across.from) {
            let mut narrow = Vec::with_capacity(down.from * across.to);
            for row in plane.chunks_exact(across.from) {
                let weigh = |&(at, weight): &(usize, f64)| f64::from(row[at]) * weight;
                narrow.extend(columns.iter().map(|taps| taps.iter().map(weigh).sum::<f64>()));
            }
            for taps in &lines {
                resized.extend((0..across.to).map(|column| {
                    let weigh = |&(at, weight): &(usize, f64)| narrow[at * across.to + column] * weight;
                    taps.iter().map(weigh).sum::<f64>() as f32
                }));
            }
        }
        resized
    }

    /// For each pixel of the result, which four of the input make it, and by how much of each.
    fn taps(&self, axis: Axis) -> Vec<[(usize, f64); 4]> {
        let last = axis.from as i64 - 1;
        let tap = |target: usize| {
            let centre = self.coordinates.on_the_input(target, axis);
            let (below, part) = (centre.floor() as i64, centre - centre.floor());
            let mut weights = self.weights(part);
            let places: [i64; 4] = std::array::from_fn(|tap| below - 1 + tap as i64);
            if self.outside == Outside::Excluded {
                for (weight, place) in weights.iter_mut().zip(places) {
                    *weight *= f64::from(u8::from((0..=last).contains(&place)));
                }
                let sum: f64 = weights.iter().sum();
                weights.iter_mut().for_each(|weight| *weight /= sum);
            }
            std::array::from_fn(|tap| (places[tap].clamp(0, last) as usize, weights[tap]))
        };
        (0..axis.to).map(tap).collect()
    }

    /// Of the pixels at -1, 0, 1 and 2, for a point at `part` of the way from 0 to 1 (Keys 1981, with `a` free).
    fn weights(&self, part: f64) -> [f64; 4] {
        let a = self.a;
        let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
        let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
        [far(part + 1.0), near(part), near(1.0 - part), far(2.0 - part)]
    }
}

impl Coordinates {
    /// By the value of the attribute; `None` for those that are not made here.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"half_pixel" => Some(Coordinates::HalfPixel),
            b"half_pixel_symmetric" => Some(Coordinates::HalfPixelSymmetric),
            b"pytorch_half_pixel" => Some(Coordinates::PytorchHalfPixel),
            b"align_corners" => Some(Coordinates::AlignCorners),
            b"asymmetric" => Some(Coordinates::Asymmetric),
            _ => None,
        }
    }

    fn on_the_input(self, target: usize, Axis { from, to, scale }: Axis) -> f64 {
        let (at, from, to) = (target as f64, from as f64, to as f64);
        match self {
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if to <= 1.0 => 0.0,
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (at + 0.5) / scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let offset = from / 2.0 * (1.0 - to / (scale * from));
                offset + (at + 0.5) / scale - 0.5
            }
            Coordinates::AlignCorners => at * (from - 1.0) / (to - 1.0),
            Coordinates::Asymmetric => at / scale,
        }
    }
}

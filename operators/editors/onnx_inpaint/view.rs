//! What a model sees of a picture: a part around the hole, made smaller if necessary, and filled up with its own mirror image; and the way
//! back into the picture.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use threshflow::row::Refusal;

use super::widen::Hole;

/// Which sizes a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Canvas {
    /// Squares of this edge.
    Fixed(u32),
    /// Any sides that are multiples of this, up to the second.
    Free { multiple: u32, largest: u32 },
}

/// What a free canvas shows at least, where the picture has so much: small holes need something around them too.
const LEAST_FREE: u32 = 512;

/// A part of the picture, and the canvas that it lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    /// The part's size on the canvas, at its left upper corner: never larger than in the picture.
    shown: (u32, u32),
    /// Width and height.
    pub(super) canvas: (u32, u32),
}

/// What a model is fed.
pub(super) struct Fed {
    /// Red, green, blue, each `canvas` numbers from 0 to 1 row by row; black in the hole.
    pub(super) image: Vec<f32>,
    /// 1 in the hole, 0 outside.
    pub(super) mask: Vec<f32>,
    /// The part of the picture that is shown, 0 to 255, without the hole made black: `shown` pixels.
    part: Vec<F32x3>,
}

impl View {
    /// Around a hole of a picture of this size: twice as wide and high as the hole's longer side, or as large as the canvas where
    /// that is more, as far as the picture reaches.
    pub(super) fn around(hole: &Hole, (across, down): (u32, u32), canvas: Canvas) -> Self {
        let least = match canvas {
            Canvas::Fixed(edge) => edge,
            Canvas::Free { largest, .. } => LEAST_FREE.min(largest),
        };
        let side = hole.width.max(hole.height).saturating_mul(2).max(least);
        let (width, height) = (side.min(across), side.min(down));
        let start = |hole_start: u32, hole_length: u32, length: u32, whole: u32| {
            let middle = hole_start + hole_length / 2;
            middle.saturating_sub(length / 2).min(whole - length)
        };
        let longest = width.max(height);
        let most = match canvas {
            Canvas::Fixed(edge) => edge,
            Canvas::Free { largest, .. } => largest,
        };
        let shrunk = |length: u32| match longest > most {
            // Rounded to the nearest.
            true => ((u64::from(length) * u64::from(most) * 2 + u64::from(longest))
                / (2 * u64::from(longest)))
            .max(1) as u32,
            false => length,
        };
        let shown = (shrunk(width), shrunk(height));
        View {
            left: start(hole.left, hole.width, width, across),
            top: start(hole.top, hole.height, height, down),
            width,
            height,
            shown,
            canvas: match canvas {
                Canvas::Fixed(edge) => (edge, edge),
                Canvas::Free { multiple, .. } => {
                    (shown.0.next_multiple_of(multiple), shown.1.next_multiple_of(multiple))
                }
            },
        }
    }

    /// The part of `picture` on its canvas. A pixel of the canvas is in the hole where any of the hole went into it, so nothing of
    /// what is to go is seen. Refused as `nothing_to_fill_from` where the hole is all that is seen.
    pub(super) fn feed(&self, picture: &RgbImage, hole: &Hole) -> Result<Fed, Refusal> {
        let part = self.part(picture)?;
        let holes = self.holes(hole);
        if holes.iter().all(|&hole| hole) {
            let message = format!(
                "the hole takes all of {} x {} pixels; a filling needs something of the picture around it",
                self.width, self.height
            );
            return Err(Refusal::permanent("nothing_to_fill_from", message));
        }
        let (width, height) = (self.canvas.0 as usize, self.canvas.1 as usize);
        let mut fed =
            Fed { image: vec![0.0; 3 * width * height], mask: vec![0.0; width * height], part: Vec::new() };
        let (shown_width, shown_height) = (self.shown.0 as usize, self.shown.1 as usize);
        for y in 0..height {
            for x in 0..width {
                let from = mirrored(y, shown_height) * shown_width + mirrored(x, shown_width);
                let at = y * width + x;
                match holes[from] {
                    true => fed.mask[at] = 1.0,
                    false => {
                        for channel in 0..3 {
                            fed.image[channel * width * height + at] = part[from].0[channel] / 255.0;
                        }
                    }
                }
            }
        }
        fed.part = part;
        Ok(fed)
    }

    /// Pastes what came of `fed`, `made` (laid out as its image, 0 to 255), into the hole. Everything else stays as it is, to the
    /// byte. Refused as `not_a_number` where a pixel of the hole is none.
    pub(super) fn paste(
        &self,
        picture: &mut RgbImage,
        hole: &Hole,
        fed: Fed,
        made: &[f32],
    ) -> Result<(), Refusal> {
        let (width, height) = (self.canvas.0 as usize, self.canvas.1 as usize);
        let mut part = fed.part;
        for (y, row) in part.chunks_exact_mut(self.shown.0 as usize).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                let at = y * width + x;
                if fed.mask[at] > 0.0 {
                    let value = |channel: usize| made[channel * width * height + at];
                    *pixel = F32x3::new([value(0), value(1), value(2)]);
                    if let Some(value) = pixel.0.iter().find(|value| !value.is_finite()) {
                        let message =
                            format!("the model answered {value}, which is no colour; look at the model");
                        return Err(Refusal::permanent("not_a_number", message));
                    }
                }
            }
        }
        let part = resized(part, self.shown, (self.width, self.height))?;
        for y in 0..self.height {
            for x in 0..self.width {
                let weight = hole.weight(self.left + x, self.top + y);
                if weight > 0.0 {
                    let made = part[y as usize * self.width as usize + x as usize];
                    let pixel = picture.get_pixel_mut(self.left + x, self.top + y);
                    for (value, made) in pixel.0.iter_mut().zip(made.0) {
                        let mixed = made.clamp(0.0, 255.0) * weight + f32::from(*value) * (1.0 - weight);
                        *value = mixed.round() as u8;
                    }
                }
            }
        }
        Ok(())
    }

    /// The part of the picture at its size on the canvas.
    fn part(&self, picture: &RgbImage) -> Result<Vec<F32x3>, Refusal> {
        let row = |y: u32| (0..self.width).map(move |x| picture.get_pixel(self.left + x, self.top + y));
        let floats = |pixel: &image::Rgb<u8>| F32x3::new(pixel.0.map(f32::from));
        let pixels: Vec<F32x3> = (0..self.height).flat_map(|y| row(y).map(floats)).collect();
        resized(pixels, (self.width, self.height), self.shown)
    }

    /// Which pixels of the canvas's own part show some of the hole.
    fn holes(&self, hole: &Hole) -> Vec<bool> {
        let columns: Vec<_> = (0..self.shown.0).map(|x| seen_by(x, self.shown.0, self.width)).collect();
        let rows = (0..self.shown.1).map(|y| seen_by(y, self.shown.1, self.height));
        rows.flat_map(|rows| {
            columns.iter().map(move |columns| {
                rows.clone().any(|y| columns.clone().any(|x| hole.holds(self.left + x, self.top + y)))
            })
        })
        .collect()
    }
}

/// Which of `length` pixels go into pixel `at` of `shown` when they are resized bilinearly.
fn seen_by(at: u32, shown: u32, length: u32) -> std::ops::Range<u32> {
    let scale = f64::from(length) / f64::from(shown);
    if scale <= 1.0 {
        return at..at + 1;
    }
    let middle = (f64::from(at) + 0.5) * scale;
    let start = (middle - scale).floor().max(0.0) as u32;
    let end = (middle + scale).ceil().min(f64::from(length)) as u32;
    start..end
}

/// Where pixel `at` comes from when `length` pixels are followed by their mirror image, and so on.
fn mirrored(at: usize, length: usize) -> usize {
    let within = at % (2 * length);
    within.min(2 * length - 1 - within)
}

fn resized(pixels: Vec<F32x3>, size: (u32, u32), wanted: (u32, u32)) -> Result<Vec<F32x3>, Refusal> {
    if size == wanted {
        return Ok(pixels);
    }
    let failed = |why: String| {
        let message = format!("resizing {} x {} to {} x {}: {why}", size.0, size.1, wanted.0, wanted.1);
        Refusal::permanent("bad_picture", message)
    };
    let source = TypedImageRef::new(size.0, size.1, &pixels).map_err(|error| failed(error.to_string()))?;
    let mut made = TypedImage::<F32x3>::new(wanted.0, wanted.1);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize_typed(&source, &mut made, &options).map_err(|error| failed(error.to_string()))?;
    Ok(made.pixels().to_vec())
}

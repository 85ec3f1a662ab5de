//! Pictograms: a handful of things, each drawn from a few shapes in shades of one colour.
//!
//! A thing fills the square from (0, 0) to (1, 1), y down.

use image::{Rgb, Rgba, RgbaImage};

use super::zone::mixed;

/// Every pixel is looked at in this many rows and columns.
const SAMPLES: u32 = 4;

enum Shape {
    Polygon(Vec<[f32; 2]>),
    /// Middle and radii.
    Oval([f32; 4]),
}

/// A shape, and its shade: below 0 towards black, above 0 towards white.
type Part = (Shape, f32);

/// The pictogram of this [name](super::drawable), `side` pixels wide and high, on nothing. `None` for other names.
pub fn draw(name: &str, colour: [u8; 3], side: u32) -> Option<RgbaImage> {
    let parts = parts(name)?;
    Some(RgbaImage::from_fn(side, side, |x, y| {
        let mut sum = [0.0f32; 4];
        for sample in 0..SAMPLES * SAMPLES {
            let at = |pixel: u32, sample: u32| {
                (pixel as f32 + (sample as f32 + 0.5) / SAMPLES as f32) / side as f32
            };
            let (x, y) = (at(x, sample % SAMPLES), at(y, sample / SAMPLES));
            if let Some((_, shade)) = parts.iter().rev().find(|(shape, _)| shape.holds(x, y)) {
                // Lit from the upper left.
                let Rgb(ink) = shaded(colour, shade + 0.22 * (1.0 - x - y));
                (0..3).for_each(|c| sum[c] += f32::from(ink[c]));
                sum[3] += 1.0;
            }
        }
        let ink = |c: usize| (sum[c] / sum[3].max(1.0) + 0.5) as u8;
        let cover = sum[3] / (SAMPLES * SAMPLES) as f32;
        Rgba([ink(0), ink(1), ink(2), (cover * 255.0 + 0.5) as u8])
    }))
}

fn shaded(colour: [u8; 3], shade: f32) -> Rgb<u8> {
    let towards = if shade < 0.0 { Rgb([0; 3]) } else { Rgb([255; 3]) };
    mixed(Rgb(colour), towards, shade.abs().min(1.0))
}

impl Shape {
    fn holds(&self, x: f32, y: f32) -> bool {
        match self {
            Shape::Oval([middle_x, middle_y, rx, ry]) => {
                let (across, down) = ((x - middle_x) / rx, (y - middle_y) / ry);
                across * across + down * down <= 1.0
            }
            Shape::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let crossed = corners.iter().zip(next).filter(|([x0, y0], [x1, y1])| {
                    (*y0 > y) != (*y1 > y) && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
                });
                crossed.count() % 2 == 1
            }
        }
    }
}

fn polygon(corners: &[[f32; 2]], shade: f32) -> Part {
    (Shape::Polygon(corners.to_vec()), shade)
}

fn rect(left: f32, top: f32, right: f32, bottom: f32, shade: f32) -> Part {
    polygon(&[[left, top], [right, top], [right, bottom], [left, bottom]], shade)
}

fn oval(x: f32, y: f32, rx: f32, ry: f32, shade: f32) -> Part {
    (Shape::Oval([x, y, rx, ry]), shade)
}

fn parts(name: &str) -> Option<Vec<Part>> {
    Some(match name {
        "star" => star(),
        "heart" => heart(),
        "balloon" => vec![
            rect(0.49, 0.7, 0.51, 1.0, -0.5),
            polygon(&[[0.5, 0.7], [0.57, 0.8], [0.43, 0.8]], -0.25),
            oval(0.5, 0.37, 0.35, 0.37, 0.0),
            oval(0.38, 0.22, 0.08, 0.1, 0.5),
        ],
        "box" => vec![
            rect(0.08, 0.34, 0.92, 1.0, 0.0),
            rect(0.02, 0.2, 0.98, 0.4, 0.12),
            rect(0.43, 0.2, 0.57, 1.0, 0.65),
            polygon(&[[0.5, 0.2], [0.22, 0.02], [0.14, 0.16]], 0.5),
            polygon(&[[0.5, 0.2], [0.78, 0.02], [0.86, 0.16]], 0.55),
        ],
        "pot" => vec![
            oval(0.1, 0.5, 0.1, 0.1, -0.3),
            oval(0.9, 0.5, 0.1, 0.1, -0.3),
            polygon(&[[0.1, 0.34], [0.9, 0.34], [0.84, 0.9], [0.74, 1.0], [0.26, 1.0], [0.16, 0.9]], 0.0),
            oval(0.5, 0.34, 0.44, 0.12, -0.2),
            oval(0.5, 0.3, 0.42, 0.11, 0.16),
            oval(0.5, 0.17, 0.07, 0.06, -0.35),
        ],
        "umbrella" => umbrella(),
        "mushroom" => vec![
            polygon(&[[0.38, 0.5], [0.62, 0.5], [0.68, 1.0], [0.32, 1.0]], 0.72),
            half_disc(0.5, 0.56, 0.48, 0.5, 0.0),
            oval(0.3, 0.36, 0.08, 0.07, 0.75),
            oval(0.56, 0.22, 0.08, 0.06, 0.75),
            oval(0.74, 0.44, 0.06, 0.05, 0.75),
        ],
        "tent" => vec![
            polygon(&[[0.5, 0.06], [1.0, 1.0], [0.0, 1.0]], 0.0),
            polygon(&[[0.5, 0.06], [0.72, 1.0], [0.28, 1.0]], -0.6),
            polygon(&[[0.5, 0.06], [0.46, 1.0], [0.22, 1.0]], 0.25),
        ],
        "barrel" => vec![
            polygon(
                &[
                    [0.24, 0.06],
                    [0.76, 0.06],
                    [0.86, 0.32],
                    [0.88, 0.5],
                    [0.86, 0.68],
                    [0.76, 0.96],
                    [0.24, 0.96],
                    [0.14, 0.68],
                    [0.12, 0.5],
                    [0.14, 0.32],
                ],
                0.0,
            ),
            oval(0.5, 0.08, 0.27, 0.07, 0.35),
            rect(0.15, 0.27, 0.85, 0.35, -0.5),
            rect(0.15, 0.67, 0.85, 0.75, -0.5),
        ],
        "flower" => flower(),
        _ => return None,
    })
}

fn star() -> Vec<Part> {
    // The corners of a five-pointed star with one point up, as sines and cosines of the multiples of 36 degrees.
    const OUTER: [[f32; 2]; 5] = [
        [0.0, -1.0],
        [0.951_06, -0.309_02],
        [0.587_79, 0.809_02],
        [-0.587_79, 0.809_02],
        [-0.951_06, -0.309_02],
    ];
    let inner = |n: usize| OUTER[(n + 3) % 5].map(|away| -0.4 * away);
    let corners: Vec<[f32; 2]> = (0..5).flat_map(|n| [OUTER[n], inner(n)]).collect();
    let placed = |size: f32| -> Vec<[f32; 2]> {
        corners.iter().map(|[x, y]| [0.5 + 0.52 * size * x, 0.53 + 0.52 * size * y]).collect()
    };
    vec![(Shape::Polygon(placed(1.0)), -0.12), (Shape::Polygon(placed(0.82)), 0.08)]
}

fn heart() -> Vec<Part> {
    vec![
        oval(0.27, 0.3, 0.26, 0.26, 0.0),
        oval(0.73, 0.3, 0.26, 0.26, 0.0),
        polygon(&[[0.5, 0.3], [0.955, 0.425], [0.5, 0.98], [0.045, 0.425]], 0.0),
        polygon(&[[0.27, 0.3], [0.5, 0.2], [0.73, 0.3], [0.5, 0.6]], 0.0),
        oval(0.22, 0.24, 0.08, 0.07, 0.5),
    ]
}

fn umbrella() -> Vec<Part> {
    let mut parts = vec![rect(0.485, 0.04, 0.515, 0.93, -0.6), rect(0.4, 0.92, 0.515, 0.96, -0.6)];
    parts.push(half_disc(0.5, 0.52, 0.49, 0.46, 0.0));
    parts.push(half_disc(0.5, 0.52, 0.27, 0.46, 0.2));
    parts.push(half_disc(0.5, 0.52, 0.1, 0.46, -0.06));
    parts
}

fn flower() -> Vec<Part> {
    let mut parts = vec![
        polygon(&[[0.47, 0.4], [0.53, 0.4], [0.54, 1.0], [0.46, 1.0]], -0.55),
        oval(0.64, 0.78, 0.13, 0.06, -0.45),
        oval(0.36, 0.7, 0.13, 0.06, -0.5),
    ];
    for (x, y) in [(0.0, -0.2), (0.19, -0.06), (0.12, 0.16), (-0.12, 0.16), (-0.19, -0.06)] {
        parts.push(oval(0.5 + x, 0.34 + y, 0.15, 0.15, 0.0));
    }
    parts.push(oval(0.5, 0.34, 0.12, 0.12, 0.7));
    parts
}

/// The upper half of an oval, as a polygon of sixteen corners.
fn half_disc(x: f32, y: f32, rx: f32, ry: f32, shade: f32) -> Part {
    let corners = (0..=16).map(|step| {
        let across = step as f32 / 8.0 - 1.0;
        [x + rx * across, y - ry * (1.0 - across * across).max(0.0).sqrt()]
    });
    (Shape::Polygon(corners.collect()), shade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pictogram_is_drawn_in_its_colour() {
        for name in super::super::drawable() {
            let drawn = draw(name, [42, 94, 204], 64).unwrap();
            let covered = drawn.pixels().filter(|pixel| pixel.0[3] > 127).count();
            assert!((600..3800).contains(&covered), "{name} covers {covered} of 4096 pixels");
            let mean = |c: usize| -> u64 {
                let inside = drawn.pixels().filter(|pixel| pixel.0[3] > 127);
                inside.map(|pixel| u64::from(pixel.0[c])).sum::<u64>() / covered as u64
            };
            assert!(mean(2) > mean(1) && mean(1) > mean(0), "{name} isn't blue");
        }
        assert!(draw("house", [0; 3], 8).is_none());
    }

    #[test]
    fn a_star_is_as_big_as_geometry_says() {
        // 5 R r sin 36 degrees, with the inner radius 0.4 of the outer one.
        let exact = 5.0 * 0.52 * (0.52 * 0.4) * 0.587_785;
        let drawn = draw("star", [0; 3], 200).unwrap();
        let covered: f64 = drawn.pixels().map(|pixel| f64::from(pixel.0[3]) / 255.0).sum::<f64>() / 40_000.0;
        assert!((covered - exact).abs() < 0.002, "{covered} of the square, not {exact}");
    }
}

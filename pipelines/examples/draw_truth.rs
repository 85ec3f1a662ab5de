//! Draws scenes with all that is true of them, for the scripts that make the demo's models.
//!
//! `draw_truth <folder> <seed> <first> <count> <side>` writes for each scene `<n>.png` (the picture, its longer side
//! `side` pixels, in four shapes by turns), `<n>.owners.png` (grey: 0 background, else one more than the object's place
//! in the list), and a line of `truth.jsonl`: `{"n", "file", "width", "height", "background", "objects": [{"noun",
//! "colour", "bounds": [left, top, right, bottom], "area"}]}`, objects from back to front.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use anyhow::{Context, bail};
use image::{GrayImage, Luma};
use pipelines::demo::Scene;

/// Width and height of the four shapes, in parts of the longer side.
const SHAPES: [(f32, f32); 4] = [(1.0, 0.75), (0.75, 1.0), (1.0, 0.6667), (1.0, 1.0)];

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [folder, seed, first, count, side] = words[..] else {
        bail!("usage: draw_truth <folder> <seed> <first> <count> <side>")
    };
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
    draw(Path::new(folder), seed.parse()?, first..first + count, side.parse()?)
}

fn draw(folder: &Path, seed: u64, numbers: std::ops::Range<u64>, side: f32) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut lines = String::new();
    for n in numbers {
        let (wide, high) = SHAPES[(n % 4) as usize];
        let (width, height) = ((side * wide).round() as u32, (side * high).round() as u32);
        let scene = Scene::number(seed, n);
        scene.draw(width, height).save(folder.join(format!("{n:06}.png")))?;
        let truth = scene.objects(width, height);
        let mut owners = GrayImage::new(width, height);
        let mut objects = Vec::new();
        for (place, object) in truth.objects.iter().enumerate() {
            for (x, y, _) in truth.mask(object).enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
                owners.put_pixel(x, y, Luma([place as u8 + 1]));
            }
            objects.push(serde_json::json!({
                "noun": object.noun, "colour": object.colour, "bounds": object.bounds, "area": object.area,
            }));
        }
        owners.save(folder.join(format!("{n:06}.owners.png")))?;
        let line = serde_json::json!({
            "n": n, "file": format!("{n:06}.png"), "width": width, "height": height,
            "background": scene.background, "objects": objects,
        });
        writeln!(lines, "{line}")?;
    }
    fs::write(folder.join("truth.jsonl"), lines)?;
    Ok(())
}

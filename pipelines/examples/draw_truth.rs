//! Draws scenes with all that is true of them, for the scripts that make the demo's models.
//!
//! `draw_truth <folder> <seed> <first> <count> <side>` writes for each scene `<n>.png` (the picture, its longer side
//! `side` pixels, in four shapes by turns), `<n>.owners.png` (grey: 0 background, else one more than the object's place
//! in the list), `<n>.grounds.png` (grey: 0 nothing, else one more than the ground's place in its list), and a line of
//! `truth.jsonl`: `{"n", "file", "width", "height", "background", "objects": [{"noun", "colour", "bounds": [left, top, right,
//! bottom], "area"}], "grounds": [{"noun", "bounds", "area"}]}`, both lists from back to front.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use anyhow::{Context, bail};
use image::{GrayImage, Luma};
use pipelines::demo::{Ground, Object, Scene};

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
        let object_masks = truth.objects.iter().map(|object| truth.mask(object));
        places(object_masks, width, height).save(folder.join(format!("{n:06}.owners.png")))?;
        let ground_masks = truth.grounds.iter().map(|ground| truth.ground_mask(ground));
        places(ground_masks, width, height).save(folder.join(format!("{n:06}.grounds.png")))?;
        let object = |object: &Object| {
            serde_json::json!({
                "noun": object.noun, "colour": object.colour, "bounds": object.bounds, "area": object.area,
            })
        };
        let ground = |ground: &Ground| serde_json::json!({ "noun": ground.noun, "bounds": ground.bounds, "area": ground.area });
        let objects: Vec<_> = truth.objects.iter().map(object).collect();
        let grounds: Vec<_> = truth.grounds.iter().map(ground).collect();
        let line = serde_json::json!({
            "n": n, "file": format!("{n:06}.png"), "width": width, "height": height,
            "background": scene.background, "objects": objects,
            "grounds": grounds,
        });
        writeln!(lines, "{line}")?;
    }
    fs::write(folder.join("truth.jsonl"), lines)?;
    Ok(())
}

/// Masks that never meet, in one picture: one more than a mask's place where it is 255.
fn places(masks: impl Iterator<Item = GrayImage>, width: u32, height: u32) -> GrayImage {
    let mut places = GrayImage::new(width, height);
    for (mask, place) in masks.zip(1..) {
        for (to, from) in places.pixels_mut().zip(mask.pixels()) {
            if from.0[0] > 0 {
                *to = Luma([place]);
            }
        }
    }
    places
}

//! Draws scenes, for `models/demo/make_scorer.py` and for looking at.
//!
//! - `draw_scenes <folder> <seed> <count>` writes `<folder>/<n>.png` and `<folder>/scenes.csv` (columns
//!   `file,harmony`). Scenes are small, in four sizes by turns.
//! - `draw_scenes sheet <file.png> <seed> <columns> <n>=<score> ...` writes a contact sheet of these scenes.
//! - `draw_scenes shards <folder> <seed> <count>` writes shards as the demo does, of any number of scenes.
//! - `draw_scenes time <width> <height>` says how long drawing and encoding one takes.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context, bail};
use pipelines::demo::{DemoOptions, Scene, contact_sheet, write_demo_shards};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["sheet", file, seed, columns, ref scenes @ ..] => {
            sheet(Path::new(file), seed.parse()?, columns.parse()?, scenes)
        }
        ["shards", folder, seed, count] => shards(Path::new(folder), seed.parse()?, count.parse()?),
        ["time", width, height] => time(width.parse()?, height.parse()?),
        [folder, seed, count] => draw(Path::new(folder), seed.parse()?, count.parse()?),
        _ => bail!("usage: draw_scenes <folder> <seed> <count>"),
    }
}

/// Sizes of scenes that a model is to learn from; it sees 224 x 224 of them.
const SIZES: [(u32, u32); 4] = [(320, 240), (300, 244), (240, 320), (272, 272)];

fn draw(folder: &Path, seed: u64, count: u64) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut table = String::from("file,harmony\n");
    for (n, (width, height)) in (0..count).zip(SIZES.into_iter().cycle()) {
        let scene = Scene::number(seed, n);
        scene.draw(width, height).save(folder.join(format!("{n:05}.png")))?;
        table += &format!("{n:05}.png,{:.4}\n", scene.harmony());
    }
    fs::write(folder.join("scenes.csv"), table)?;
    Ok(())
}

fn sheet(file: &Path, seed: u64, columns: usize, scenes: &[&str]) -> anyhow::Result<()> {
    let mut pictures = Vec::new();
    for scene in scenes {
        let (n, score) = scene.split_once('=').with_context(|| format!("{scene}: not <n>=<score>"))?;
        pictures.push((Scene::number(seed, n.parse()?).draw(256, 192), score.parse()?));
    }
    contact_sheet(&pictures, columns).save(file)?;
    Ok(())
}

fn shards(folder: &Path, seed: u64, scenes: usize) -> anyhow::Result<()> {
    write_demo_shards(folder, &DemoOptions { scenes, seed, ..DemoOptions::default() })?;
    Ok(())
}

fn time(width: u32, height: u32) -> anyhow::Result<()> {
    let start = Instant::now();
    for n in 0..20 {
        std::hint::black_box(Scene::number(1, n).draw(width, height));
    }
    threshflow::say!("{:.1} ms a scene to draw", start.elapsed().as_secs_f64() * 50.0);
    let pictures: Vec<_> = (0..20).map(|n| Scene::number(1, n).draw(width, height)).collect();
    let start = Instant::now();
    for picture in &pictures {
        let mut bytes = Vec::new();
        picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 88))?;
        std::hint::black_box(bytes);
    }
    threshflow::say!("{:.1} ms a scene to encode", start.elapsed().as_secs_f64() * 50.0);
    Ok(())
}

//! Draws scenes as PNG with a table of their harmony, for `models/demo/make_scorer.py` and for looking at.
//!
//! `draw_scenes <folder> <seed> <count> [width height]` writes `<folder>/<n>.png` and `<folder>/scenes.csv`
//! (columns `file,harmony`). `draw_scenes sheet <file.png> <seed> <count> <columns>` writes one contact sheet,
//! sorted by harmony. A size left out varies from scene to scene, as it does in the demo's shards.

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context, bail};
use pipelines::demo::{Scene, contact_sheet};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["sheet", file, seed, count, columns] => {
            sheet(Path::new(file), seed.parse()?, count.parse()?, columns.parse()?)
        }
        ["time", width, height] => time(width.parse()?, height.parse()?),
        [folder, seed, count] => draw(Path::new(folder), seed.parse()?, count.parse()?, None),
        [folder, seed, count, width, height] => {
            draw(Path::new(folder), seed.parse()?, count.parse()?, Some((width.parse()?, height.parse()?)))
        }
        _ => bail!("usage: draw_scenes <folder> <seed> <count> [width height]"),
    }
}

fn draw(folder: &Path, seed: u64, count: u64, size: Option<(u32, u32)>) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut table = String::from("file,harmony\n");
    for n in 0..count {
        let scene = Scene::number(seed, n);
        let (width, height) =
            size.unwrap_or([(320, 240), (300, 244), (240, 320), (272, 272)][n as usize % 4]);
        scene.draw(width, height).save(folder.join(format!("{n:05}.png")))?;
        table += &format!("{n:05}.png,{:.4}\n", scene.harmony());
    }
    fs::write(folder.join("scenes.csv"), table)?;
    Ok(())
}

fn sheet(file: &Path, seed: u64, count: u64, columns: usize) -> anyhow::Result<()> {
    let mut pictures: Vec<_> = (0..count)
        .map(|n| Scene::number(seed, n))
        .map(|scene| (scene.draw(240, 180), scene.harmony()))
        .collect();
    pictures.sort_by(|a, b| a.1.total_cmp(&b.1));
    contact_sheet(&pictures, columns).save(file)?;
    Ok(())
}

fn time(width: u32, height: u32) -> anyhow::Result<()> {
    let start = Instant::now();
    for n in 0..20 {
        std::hint::black_box(Scene::number(1, n).draw(width, height));
    }
    println!("{:.1} ms a scene", start.elapsed().as_secs_f64() * 50.0);
    Ok(())
}

//! The demo's films of two frames: scenes in which one thing moved or came closer, as `KEY.jpg` and `KEY.end.jpg` in a tar of their own. It
//! is known what moved, and where to.

use std::path::{Path, PathBuf};
use std::{fs, io};

use threshflow::shard::DEMONSTRATION;

use super::dice::Dice;
use super::scene::Scene;
use super::shards::{MARK, append, jpeg};

/// What moves by itself, or is moved.
const MOVES: [&str; 6] = ["car", "boat", "ball", "kite", "cup", "apple"];
/// The least and the most of a picture that what moves may cover.
const COVERED: [f32; 2] = [0.008, 0.2];
/// How much of its own colours' harmony a scene must have to pass the demo's dial.
const HARMONY: f32 = 5.8;
/// The first scene that is looked at: far behind those of the other shards.
const FIRST_SCENE: u64 = 50_000;
/// Of the frames, before they are shrunk.
const SIZE: (u32, u32) = (1600, 1300);

/// How a thing of a scene moves between two frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// To the right, as a share of the picture's width.
    pub dx: f32,
    /// Down, as a share of the picture's height.
    pub dy: f32,
    /// How many times larger it becomes.
    pub zoom: f32,
}

/// A film that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct FramePair {
    pub key: String,
    /// What moves.
    pub noun: &'static str,
    pub by: Move,
}

/// Where films lie.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoFrames {
    pub file: PathBuf,
    pub bytes: u64,
    pub pairs: Vec<FramePair>,
}

/// A film of two frames.
#[derive(Clone, Debug)]
pub struct Film {
    /// Of the scene.
    pub number: u64,
    pub scene: Scene,
    /// The second frame.
    pub second: Scene,
    /// What moves.
    pub noun: &'static str,
    pub by: Move,
}

/// All films of a seed that can be told from pictures of this size, one after the other.
pub fn films(seed: u64, size: (u32, u32)) -> impl Iterator<Item = Film> {
    let mut found = 0;
    (FIRST_SCENE..).filter_map(move |number| {
        let scene = Scene::number(seed, number);
        let (second, noun, by) = moved(&scene, size, found, &mut Dice::of(seed ^ 0xF11A, number))?;
        found += 1;
        Some(Film { number, scene, second, noun, by })
    })
}

/// Writes `count` films into `folder/frames.tar`; sizes are divided by `shrink`. A function of its arguments: a file that holds
/// the same already is left alone.
pub fn write_demo_frames(folder: &Path, seed: u64, count: usize, shrink: u32) -> io::Result<DemoFrames> {
    let size = (SIZE.0 / shrink.max(1), SIZE.1 / shrink.max(1));
    let (mut tar, mut pairs) = (Vec::new(), Vec::new());
    for Film { number, scene, second, noun, by } in films(seed, size).take(count) {
        let key = format!("film{:04}", pairs.len());
        append(&mut tar, &format!("{key}.{DEMONSTRATION}"), MARK)?;
        append(&mut tar, &format!("{key}.end.jpg"), &jpeg(&second, size)?)?;
        append(&mut tar, &format!("{key}.jpg"), &jpeg(&scene, size)?)?;
        let caption = serde_json::json!({ "caption": scene.caption(), "scene": number });
        append(&mut tar, &format!("{key}.json"), caption.to_string().as_bytes())?;
        pairs.push(FramePair { key, noun, by });
    }
    // A tar ends with two empty blocks.
    tar.resize(tar.len() + 1024, 0);
    fs::create_dir_all(folder)?;
    let file = folder.join("frames.tar");
    if !fs::read(&file).is_ok_and(|old| old == tar) {
        fs::write(&file, &tar)?;
    }
    Ok(DemoFrames { file, bytes: tar.len() as u64, pairs })
}

/// The scene's second frame: its nearest thing of [`MOVES`], moved so that it stays in the picture and off its likes.
fn moved(
    scene: &Scene,
    (width, height): (u32, u32),
    number: usize,
    dice: &mut Dice,
) -> Option<(Scene, &'static str, Move)> {
    if scene.harmony() < HARMONY {
        return None;
    }
    let truth = scene.objects(width, height);
    let whole = (width * height) as f32;
    let fits = |area: u32| (COVERED[0]..=COVERED[1]).contains(&(area as f32 / whole));
    let thing = truth.objects.iter().rev().find(|thing| MOVES.contains(&thing.noun) && fits(thing.area))?;
    let [left, top, right, bottom] = thing.bounds.map(|edge| edge as f32);
    let (left, right) = (left / width as f32, right / width as f32);
    let (top, bottom) = (top / height as f32, bottom / height as f32);
    let way = dice.between(0.13, 0.2);
    // A kite rises and sinks, cars and boats drive on, what lies on a ground may come closer.
    let still = Move { dx: 0.0, dy: 0.0, zoom: 1.0 };
    let by = match (thing.noun, number % 3) {
        ("kite", 0) => Move { dy: way, ..still },
        ("kite", _) => Move { dy: -way, ..still },
        ("ball" | "cup" | "apple", 2) => Move { zoom: 1.25, ..still },
        (_, 0) => Move { dx: -way, ..still },
        _ => Move { dx: way, ..still },
    };
    let grown = (by.zoom - 1.0) / 2.0;
    let (across, down) = ((right - left) * grown, (bottom - top) * grown);
    let inside = |low: f32, high: f32| low > 0.01 && high < 0.99;
    let stays = inside(left + by.dx - across, right + by.dx + across)
        && inside(top + by.dy - 2.0 * down, bottom + by.dy);
    let second = scene.with_moved(thing, by);
    // Nothing hides it, neither before nor after.
    let seen = |scene: &Scene| scene.seen_of(thing, width, height);
    let expected = thing.area as f32 * by.zoom * by.zoom;
    let whole_there = (seen(&second)? as f32 / expected - 1.0).abs() < 0.06;
    (stays && whole_there).then_some((second, thing.noun, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_are_what_they_say_and_the_same_again() {
        let folder = tempfile::tempdir().unwrap();
        let made = write_demo_frames(folder.path(), super::super::DEMO_SEED, 32, 16).unwrap();
        assert_eq!(made.pairs.len(), 32);
        let zooms = made.pairs.iter().filter(|pair| pair.by.zoom > 1.0).count();
        let left = made.pairs.iter().filter(|pair| pair.by.dx < 0.0).count();
        assert!(zooms > 0 && left > 0 && left + zooms < 32, "{:?}", made.pairs);
        let names: Vec<String> = tar::Archive::new(fs::File::open(&made.file).unwrap())
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        let first = ["film0000.demonstration", "film0000.end.jpg", "film0000.jpg", "film0000.json"];
        assert_eq!(&names[..4], first);
        assert_eq!(names.len(), 128);
        assert_eq!(write_demo_frames(folder.path(), super::super::DEMO_SEED, 32, 16).unwrap(), made);
    }
}

//! The demo's items: drawn scenes of all nine types of the basic benchmark. What is where in them is known, so that the embedded editor and
//! the embedded judge can work by it.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use image::{GrayImage, ImageFormat, RgbImage};
use kit::demo::{DEMO_SEED, Ground, Object, Scene, Truth, films};
use operators::editors::paint;
use operators::pixels::mask::Mask;
use operators::pixels::rle;
use operators::plan::edit_plan::Operation;
use serde_json::json;

use crate::plan::{ItemPlan, ItemStep};

/// Of the scenes.
const SIZE: (u32, u32) = (640, 512);
/// The least and the most of a picture that a thing may cover to be edited.
const COVERED: [f32; 2] = [0.01, 0.2];
/// Behind the scenes of all other demos.
const FIRST_SCENE: u64 = 90_000;
/// The types, in the order of the keys.
pub const TYPES: [&str; 9] =
    ["add", "adjust", "extract", "replace", "remove", "background", "style", "compose", "action"];

/// A picture to edit, and the words.
struct DemoItem {
    scene: Scene,
    second: Option<Scene>,
    prompt: String,
    plan: ItemPlan,
}

/// Writes `each` items of every type into `folder`: `basic_edit.json` and the pictures beside it. A function of its arguments.
pub fn write_demo_items(folder: &Path, each: usize) -> io::Result<usize> {
    let mut file = BTreeMap::new();
    let mut scenes = FIRST_SCENE..;
    let mut films = films(DEMO_SEED, SIZE);
    for edit_type in TYPES {
        fs::create_dir_all(folder.join(edit_type))?;
        for number in 0..each {
            let item = match edit_type {
                "action" => films.by_ref().find_map(|film| {
                    let prompt = format!("Move the {} to where it goes next.", film.noun);
                    action(film.scene, film.second, prompt)
                }),
                edit_type => {
                    scenes.by_ref().find_map(|n| drawn(edit_type, Scene::number(DEMO_SEED, n), number))
                }
            };
            let item = item.ok_or_else(|| io::Error::other("no scene is left to draw"))?;
            let id = format!("{edit_type}/{number:03}.png");
            write_png(&folder.join(&id), &item.scene.draw(SIZE.0, SIZE.1))?;
            if let Some(second) = &item.second {
                write_png(&crate::source::film(&folder.join(&id)), &second.draw(SIZE.0, SIZE.1))?;
            }
            let plan = serde_json::to_value(&item.plan)?;
            let row = json!({ "id": id, "prompt": item.prompt, "edit_type": edit_type, "plan": plan });
            file.insert(format!("{edit_type}{number:03}"), row);
        }
    }
    fs::write(folder.join("basic_edit.json"), serde_json::to_vec_pretty(&file)?)?;
    Ok(file.len())
}

fn write_png(path: &Path, picture: &RgbImage) -> io::Result<()> {
    picture.save_with_format(path, ImageFormat::Png).map_err(io::Error::other)
}

/// Things of a scene that can be edited, the nearest first, each apart from all others.
struct Things {
    truth: Truth,
    apart: Vec<Object>,
}

impl Things {
    /// `None` where there are fewer than so many.
    fn of(scene: &Scene, least: usize) -> Option<Self> {
        let truth = scene.objects(SIZE.0, SIZE.1);
        let whole = (SIZE.0 * SIZE.1) as f32;
        let mut things: Vec<Object> = Vec::new();
        for thing in truth.objects.iter().rev() {
            let fits = (COVERED[0]..=COVERED[1]).contains(&(thing.area as f32 / whole));
            if fits && things.iter().all(|other| other.noun != thing.noun && apart(other, thing)) {
                things.push(thing.clone());
            }
        }
        (things.len() >= least).then_some(Things { truth, apart: things })
    }

    fn step(&self, operation: Operation, which: usize, result: &str) -> ItemStep {
        let thing = &self.apart[which];
        let object = format!("{} {}", thing.colour, thing.noun);
        step(operation, &object, result, &self.truth.mask(thing))
    }

    fn named(&self, which: usize) -> String {
        format!("the {} {}", self.apart[which].colour, self.apart[which].noun)
    }

    /// Where nothing stands: a square as large as a thing, as far from all things as can be.
    fn free(&self) -> Option<GrayImage> {
        let side = SIZE.1 / 5;
        let mut corners =
            (0..SIZE.1 - side).step_by(16).flat_map(|y| (0..SIZE.0 - side).step_by(16).map(move |x| (x, y)));
        let clear = |&(x, y): &(u32, u32)| {
            let [left, top, right, bottom] =
                [x.saturating_sub(12), y.saturating_sub(12), x + side + 12, y + side + 12];
            let meets = |bounds: [u32; 4]| {
                left < bounds[2] && bounds[0] < right && top < bounds[3] && bounds[1] < bottom
            };
            !self.truth.objects.iter().any(|thing| meets(thing.bounds))
        };
        let (x, y) = corners.rfind(clear)?;
        let inside = |at: u32, from: u32| (from..from + side).contains(&at);
        Some(GrayImage::from_fn(SIZE.0, SIZE.1, |px, py| {
            image::Luma([if inside(px, x) && inside(py, y) { 255 } else { 0 }])
        }))
    }
}

/// Whether a margin lies between two things: what is done to one does not touch the other.
fn apart(a: &Object, b: &Object) -> bool {
    let gap = |one: u32, other: u32| one > other + 24;
    let [left, top, right, bottom] = a.bounds;
    let [other_left, other_top, other_right, other_bottom] = b.bounds;
    gap(left, other_right) || gap(other_left, right) || gap(top, other_bottom) || gap(other_top, bottom)
}

fn step(operation: Operation, object: &str, result: &str, mask: &GrayImage) -> ItemStep {
    let bits = mask.as_raw().iter().map(|&value| u8::from(value > 0)).collect();
    let mask = Mask { width: mask.width(), height: mask.height(), bits };
    ItemStep {
        operation,
        object: object.to_owned(),
        result: result.to_owned(),
        mask: Some(rle::encode(&mask)),
    }
}

fn planned(prompt: String, steps: Vec<ItemStep>, wrong: Vec<ItemStep>) -> (String, ItemPlan) {
    (prompt, ItemPlan { steps, wrong, film: false })
}

fn drawn(edit_type: &str, scene: Scene, number: usize) -> Option<DemoItem> {
    let things = Things::of(&scene, if edit_type == "compose" { 3 } else { 2 })?;
    let of = |all: &[&'static str]| all[number % all.len()];
    let (first, other) = (things.named(0), things.named(1));
    let both = |operation: Operation, result: &str| {
        (vec![things.step(operation, 0, result)], vec![things.step(operation, 1, result)])
    };
    let (prompt, plan) = match edit_type {
        "add" => {
            let result = ["red star", "blue balloon", "pink flower"][number % 3];
            let free = things.free()?;
            let steps = vec![step(Operation::Add, result, result, &free)];
            planned(
                format!("Add a {result} where nothing stands."),
                steps,
                vec![things.step(Operation::Remove, 1, "")],
            )
        }
        "adjust" => {
            let colour = ["blue", "purple", "green", "orange"]
                .into_iter()
                .find(|colour| *colour != things.apart[0].colour)?;
            let (steps, wrong) = both(Operation::Adjust, &format!("{colour} {}", things.apart[0].noun));
            planned(format!("Make {first} {colour}."), steps, wrong)
        }
        "extract" => {
            let (steps, wrong) = both(Operation::Extract, "");
            planned(format!("Cut out {first}, on a white ground."), steps, wrong)
        }
        "replace" => {
            let result = of(&["purple barrel", "red umbrella", "gold pot"]);
            let (steps, wrong) = both(Operation::Replace, result);
            planned(format!("Replace {first} with a {result}."), steps, wrong)
        }
        "remove" => {
            let (steps, wrong) = both(Operation::Remove, "");
            planned(format!("Remove {first}."), steps, wrong)
        }
        "background" => {
            let ground = largest(&things.truth)?;
            let result = of(&["a brick wall", "a starry night sky", "a sandy desert"]);
            let steps =
                vec![step(Operation::Background, ground.noun, result, &things.truth.ground_mask(&ground))];
            let wrong = vec![things.step(Operation::Background, 0, result)];
            planned(format!("Change the {} behind everything into {result}.", ground.noun), steps, wrong)
        }
        "style" => {
            let style = of(paint::styles());
            let whole = ItemStep {
                operation: Operation::Style,
                object: String::new(),
                result: style.to_owned(),
                mask: None,
            };
            planned(
                format!("Show the picture as a {style}."),
                vec![whole],
                vec![things.step(Operation::Adjust, 1, "darker")],
            )
        }
        "compose" => {
            let colour = if things.apart[1].colour == "blue" { "orange" } else { "blue" };
            let look = format!("{colour} {}", things.apart[1].noun);
            let steps = vec![things.step(Operation::Remove, 0, ""), things.step(Operation::Adjust, 1, &look)];
            let wrong = vec![things.step(Operation::Remove, 2, "")];
            planned(format!("Remove {first}, and make {other} {colour}."), steps, wrong)
        }
        _ => return None,
    };
    Some(DemoItem { scene, second: None, prompt, plan })
}

fn action(scene: Scene, second: Scene, prompt: String) -> Option<DemoItem> {
    let things = Things::of(&scene, 2)?;
    // Where something moves: what differs between the frames.
    let [before, after] = [&scene, &second].map(|scene| scene.draw(SIZE.0, SIZE.1));
    let moves = |x: u32, y: u32| before.get_pixel(x, y) != after.get_pixel(x, y);
    let mask = GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| image::Luma([if moves(x, y) { 255 } else { 0 }]));
    let steps = vec![step(Operation::Action, "", "", &mask)];
    // Another thing is taken out, and nothing moves.
    let still = things.apart.iter().position(|thing| {
        let [left, top, right, bottom] = thing.bounds;
        (top..bottom).all(|y| (left..right).all(|x| !moves(x, y)))
    })?;
    let wrong = vec![things.step(Operation::Remove, still, "")];
    Some(DemoItem { scene, second: Some(second), prompt, plan: ItemPlan { steps, wrong, film: true } })
}

fn largest(truth: &Truth) -> Option<Ground> {
    truth.grounds.iter().max_by_key(|ground| ground.area).cloned()
}

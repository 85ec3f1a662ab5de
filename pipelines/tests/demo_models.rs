//! The demo's detector and its CLIP-like pair: that both back-ends agree on them, and that they know the demo's scenes.

mod native;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use native::native;
use operators::onnx::{
    Backend, BackendChoice, Device, ModelFolder, Session, SessionDevice, TensorIn, TensorOut,
};
use pipelines::demo::{HELD_OUT_SEED, Scene};

/// The largest difference between the two back-ends, relative to the value where that is above 1.
const TOLERANCE: f32 = 1e-3;
const SIDE: u32 = 288;
const CROP: u32 = 64;
const WIDTH: usize = 64;
const NOUNS: [&str; 12] =
    ["house", "tree", "boat", "cup", "ball", "car", "lamp", "sun", "sky", "sea", "table", "street"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo").join(name)
}

/// The embedded back-end, and ONNX Runtime where it is there.
fn backends() -> Vec<Backend> {
    let embedded = Backend::find(BackendChoice::Embedded, Device::Cpu).unwrap();
    std::iter::once(embedded).chain(native()).collect()
}

fn open(backend: &Backend, name: &str, graph: &str) -> Session {
    let model = ModelFolder::open(&folder(name)).unwrap().model(graph).unwrap();
    Session::open(&model, backend, SessionDevice::Cpu, 1).unwrap()
}

/// Asks each back-end, checks that they agree, and gives the first one's answer.
fn ask(name: &str, graph: &str, inputs: &[(&str, TensorIn<'_>)]) -> Vec<TensorOut> {
    let mut answers = backends().into_iter().map(|b| open(&b, name, graph).run(inputs).unwrap());
    let first = answers.next().unwrap();
    for other in answers {
        for (one, two) in first.iter().zip(&other) {
            assert_eq!((&one.name, &one.shape), (&two.name, &two.shape));
            for (a, b) in one.as_f32().unwrap().iter().zip(two.as_f32().unwrap()) {
                assert!((a - b).abs() <= TOLERANCE * a.abs().max(1.0), "{graph}: {a} and {b}");
            }
        }
    }
    first
}

fn normalised(mut rows: Vec<f32>) -> Vec<f32> {
    for row in rows.chunks_exact_mut(WIDTH) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }
    rows
}

/// Embeddings of texts whose words the tokeniser has whole.
fn embeds(texts: &[String]) -> Vec<f32> {
    let text = std::fs::read(folder("clip").join("tokenizer.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let vocabulary: BTreeMap<String, i64> = serde_json::from_value(config["model"]["vocab"].clone()).unwrap();
    let tokens = |text: &String| -> Vec<i64> {
        let words = text.split(' ').map(|word| vocabulary[&format!("\u{120}{word}")]);
        [0].into_iter().chain(words).chain([1]).collect()
    };
    let rows: Vec<Vec<i64>> = texts.iter().map(tokens).collect();
    let longest = rows.iter().map(Vec::len).max().unwrap();
    let padded = |fill: &dyn Fn(Option<&i64>) -> i64| -> Vec<i64> {
        rows.iter().flat_map(|row| (0..longest).map(|i| fill(row.get(i)))).collect()
    };
    let ids = padded(&|id| id.copied().unwrap_or(1));
    let mask = padded(&|id| i64::from(id.is_some()));
    let shape = &[rows.len(), longest];
    let inputs = [
        ("input_ids", TensorIn::I64 { shape, data: &ids }),
        ("attention_mask", TensorIn::I64 { shape, data: &mask }),
    ];
    let found = ask("clip", "text_model.onnx", &inputs).remove(0);
    assert_eq!((found.name.as_str(), &found.shape[..]), ("text_embeds", &[rows.len(), WIDTH][..]));
    normalised(found.as_f32().unwrap().to_vec())
}

fn nouns(start: &str) -> Vec<String> {
    NOUNS.iter().map(|noun| format!("{start}{noun}")).collect()
}

/// One channel after the other, each byte through `value`.
fn planes(picture: &RgbImage, value: impl Fn(u8) -> f32) -> Vec<f32> {
    (0..3).flat_map(|c| picture.pixels().map(move |pixel| pixel.0[c])).map(value).collect()
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |b: [f32; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / (area(a) + area(b) - both)
}

/// Scenes that are wider than high, drawn at the width of the detector's input.
fn scenes() -> impl Iterator<Item = (Scene, u32, u32)> {
    (0..4).map(|n| (Scene::number(HELD_OUT_SEED, n), SIDE, SIDE * 3 / 4))
}

#[test]
fn the_detector_finds_what_it_is_asked_for() {
    let texts = embeds(&nouns(""));
    let (mut asked, mut found, mut wrong) = (0, 0, 0);
    for (scene, width, height) in scenes() {
        let top = (SIDE - height) / 2;
        let mut boxed = RgbImage::from_pixel(SIDE, SIDE, Rgb([114; 3]));
        imageops::replace(&mut boxed, &scene.draw(width, height), 0, i64::from(top));
        let pixels = planes(&boxed, |byte| f32::from(byte) / 255.0);
        let side = SIDE as usize;
        let inputs = [
            ("images", TensorIn::F32 { shape: &[1, 3, side, side], data: &pixels }),
            ("text_embeds", TensorIn::F32 { shape: &[1, NOUNS.len(), WIDTH], data: &texts }),
        ];
        let answer = ask("detect", "model.onnx", &inputs);
        let (boxes, scores) = (answer[0].as_f32().unwrap(), answer[1].as_f32().unwrap());
        assert_eq!(answer[1].shape, [1, boxes.len() / 4, NOUNS.len()]);
        let truth = scene.objects(width, height);
        for (k, noun) in NOUNS.iter().enumerate() {
            let (best, score) = (0..boxes.len() / 4)
                .map(|cell| (cell, scores[cell * NOUNS.len() + k]))
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap();
            let bounds: Vec<[u32; 4]> = truth
                .objects
                .iter()
                .map(|object| (object.noun, object.bounds))
                .chain(truth.grounds.iter().map(|ground| (ground.noun, ground.bounds)))
                .filter(|(other, _)| other == noun)
                .map(|(_, [left, up, right, down])| [left, up + top, right, down + top])
                .collect();
            if bounds.is_empty() {
                wrong += usize::from(score > 0.5);
                continue;
            }
            asked += 1;
            let cell: [f32; 4] = boxes[best * 4..best * 4 + 4].try_into().unwrap();
            let fits = bounds.iter().any(|bounds| overlap(cell, bounds.map(|v| v as f32)) > 0.5);
            found += usize::from(score > 0.3 && fits);
        }
    }
    assert!(asked >= 12 && found * 10 >= asked * 9, "{found} of {asked} found");
    assert!(wrong <= 1, "{wrong} nouns were found that are not there");
}

#[test]
fn the_pair_tells_what_a_crop_shows_from_what_it_does_not() {
    let (yes, no) = (embeds(&nouns("")), embeds(&nouns("not ")));
    let (mut right, mut wrong, mut crops) = (0, 0, 0);
    for (scene, ..) in scenes() {
        let (picture, truth) = (scene.draw(640, 480), scene.objects(640, 480));
        for object in truth.objects.iter().filter(|object| object.area > 1000) {
            let Some(place) = NOUNS.iter().position(|noun| *noun == object.noun) else { continue };
            let mask = truth.mask(object);
            let [left, top, right_edge, bottom] = object.bounds;
            let mut cut = RgbImage::new(right_edge - left, bottom - top);
            for (x, y, pixel) in cut.enumerate_pixels_mut() {
                if mask.get_pixel(left + x, top + y).0[0] > 0 {
                    *pixel = *picture.get_pixel(left + x, top + y);
                }
            }
            // The middle square, as the preprocessing has it.
            let short = cut.width().min(cut.height());
            let (x, y) = ((cut.width() - short) / 2, (cut.height() - short) / 2);
            let square = imageops::crop_imm(&cut, x, y, short, short).to_image();
            let crop = imageops::resize(&square, CROP, CROP, FilterType::CatmullRom);
            let pixels = planes(&crop, |byte| f32::from(byte) / 127.5 - 1.0);
            let side = CROP as usize;
            let inputs = [("pixel_values", TensorIn::F32 { shape: &[1, 3, side, side], data: &pixels })];
            let seen = ask("clip", "vision_model.onnx", &inputs).remove(0);
            let seen = normalised(seen.as_f32().unwrap().to_vec());
            for k in 0..NOUNS.len() {
                let row = |texts: &[f32]| -> f32 {
                    texts[k * WIDTH..(k + 1) * WIDTH].iter().zip(&seen).map(|(a, b)| a * b).sum()
                };
                let share = 1.0 / (1.0 + (100.0 * (row(&no) - row(&yes))).exp());
                right += usize::from(k == place && share > 0.8);
                wrong += usize::from(k != place && share > 0.2);
            }
            crops += 1;
        }
    }
    assert!(crops >= 12 && right * 10 >= crops * 9, "{right} of {crops} crops are known");
    assert!(wrong * 20 <= crops * (NOUNS.len() - 1), "{wrong} wrong answers about {crops} crops");
}

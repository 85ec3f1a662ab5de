//! The demo's segmenter: its masks are right on scenes that it wasn't made from, and both back-ends give the same.

mod native;

use std::path::Path;

use image::imageops::FilterType;
use image::{GrayImage, RgbImage};
use native::native;
use operators::onnx::{
    Backend, BackendChoice, Device, ModelFolder, Session, SessionDevice, TensorIn, TensorOut,
};
use pipelines::demo::{HELD_OUT_SEED, Scene, Truth};

/// Side of the square that the encoder takes; the decoder's boxes are in its pixels.
const SIDE: usize = 256;
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The largest difference between numbers of the two back-ends.
const TOLERANCE: f32 = 1e-3;

/// The segmenter on one back-end.
struct Segmenter {
    encoder: Session,
    decoder: Session,
}

impl Segmenter {
    fn embedded() -> Self {
        Segmenter::open(&Backend::find(BackendChoice::Embedded, Device::Cpu).unwrap())
    }

    fn open(backend: &Backend) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo/segment");
        let folder = ModelFolder::open(&folder).unwrap();
        let open =
            |name: &str| Session::open(&folder.model(name).unwrap(), backend, SessionDevice::Cpu, 1).unwrap();
        Segmenter { encoder: open("encoder.onnx"), decoder: open("decoder.onnx") }
    }

    fn encode(&mut self, picture: &RgbImage) -> Vec<TensorOut> {
        let small = image::imageops::resize(picture, SIDE as u32, SIDE as u32, FilterType::Triangle);
        let value =
            |channel: usize, i: usize| f32::from(small.as_raw()[3 * i + channel]) / 255.0 - MEAN[channel];
        let pixels: Vec<f32> =
            (0..3).flat_map(|c| (0..SIDE * SIDE).map(move |i| value(c, i) / STD[c])).collect();
        let pixels = TensorIn::F32 { shape: &[1, 3, SIDE, SIDE], data: &pixels };
        self.encoder.run(&[("pixel_values", pixels)]).unwrap()
    }

    /// Masks, expected IoU and object scores.
    fn decode(&mut self, embeddings: &[TensorOut], boxes: &[[f32; 4]]) -> Vec<TensorOut> {
        let numbers = boxes.as_flattened();
        let shape = [1, boxes.len(), 4];
        let mut feeds: Vec<(&str, TensorIn<'_>)> = embeddings
            .iter()
            .map(|e| (e.name.as_str(), TensorIn::F32 { shape: &e.shape, data: e.as_f32().unwrap() }))
            .collect();
        feeds.push(("input_boxes", TensorIn::F32 { shape: &shape, data: numbers }));
        self.decoder.run(&feeds).unwrap()
    }
}

/// A scene, and its objects' boxes in the encoder's pixels.
fn scene(n: u64) -> (RgbImage, Truth, Vec<[f32; 4]>) {
    let (width, height) = [(400, 300), (300, 400), (384, 256), (320, 320)][n as usize % 4];
    let scene = Scene::number(HELD_OUT_SEED, n);
    let truth = scene.objects(width, height);
    let scale = [SIDE as f32 / width as f32, SIDE as f32 / height as f32];
    let boxes = truth.objects.iter().map(|o| std::array::from_fn(|i| o.bounds[i] as f32 * scale[i % 2]));
    let boxes = boxes.collect();
    (scene.draw(width, height), truth, boxes)
}

/// A square of logits at a pixel of a picture, linear between the logits' middles.
fn logit(logits: &[f32], side: usize, x: f32, y: f32) -> f32 {
    let place = |v: f32| (v * side as f32 - 0.5).clamp(0.0, side as f32 - 1.0);
    let (x, y) = (place(x), place(y));
    let (left, top) = (x as usize, y as usize);
    let (right, low) = ((left + 1).min(side - 1), (top + 1).min(side - 1));
    let across =
        |row: usize| logits[row * side + left] * (1.0 - x.fract()) + logits[row * side + right] * x.fract();
    across(top) * (1.0 - y.fract()) + across(low) * y.fract()
}

fn overlap(logits: &[f32], side: usize, mask: &GrayImage) -> f32 {
    let (width, height) = (mask.width() as f32, mask.height() as f32);
    let (mut both, mut either) = (0, 0);
    for (x, y, pixel) in mask.enumerate_pixels() {
        let found = logit(logits, side, (x as f32 + 0.5) / width, (y as f32 + 0.5) / height) > 0.0;
        let wanted = pixel.0[0] > 0;
        both += u32::from(found && wanted);
        either += u32::from(found || wanted);
    }
    both as f32 / either as f32
}

#[test]
fn masks_fit_the_objects_that_boxes_are_about() {
    let mut segmenter = Segmenter::embedded();
    let mut found = Vec::new();
    for n in 0..3 {
        let (picture, truth, boxes) = scene(n);
        let embeddings = segmenter.encode(&picture);
        let results = segmenter.decode(&embeddings, &boxes);
        let [_, count, 1, side, same] = results[0].shape[..] else { panic!("{:?}", results[0].shape) };
        assert_eq!((count, side), (boxes.len(), same));
        let (masks, expected) = (results[0].as_f32().unwrap(), results[1].as_f32().unwrap());
        for ((object, logits), expected) in truth.objects.iter().zip(masks.chunks(side * side)).zip(expected)
        {
            assert!((0.0..=1.0).contains(expected));
            if object.area * 1000 >= picture.width() * picture.height() {
                found.push(overlap(logits, side, &truth.mask(object)));
            }
        }
    }
    let mean = found.iter().sum::<f32>() / found.len() as f32;
    assert!(found.len() > 12 && mean > 0.8, "mean IoU {mean} of {} objects: {found:?}", found.len());
}

#[test]
fn both_backends_give_the_same_for_one_box_and_for_many() {
    let Some(native) = native() else { return };
    let mut embedded = Segmenter::embedded();
    let mut native = Segmenter::open(&native);
    let (picture, _, boxes) = scene(1);
    let whole = [0.0, 0.0, SIDE as f32, SIDE as f32];
    // An empty box, one beyond the picture's edge, and one over everything are boxes too.
    let odd = [[90.0, 90.0, 90.0, 90.0], [200.0, -20.0, 300.0, 60.0], whole];
    let many: Vec<[f32; 4]> = boxes.iter().copied().chain(odd).collect();
    let embeddings = [embedded.encode(&picture), native.encode(&picture)];
    same(&embeddings[0], &embeddings[1]);
    for boxes in [&many[..1], &many] {
        let results = [embedded.decode(&embeddings[0], boxes), native.decode(&embeddings[1], boxes)];
        same(&results[0], &results[1]);
    }
}

#[test]
fn a_mask_does_not_depend_on_the_other_boxes() {
    let mut segmenter = Segmenter::embedded();
    let (picture, _, boxes) = scene(1);
    let embeddings = segmenter.encode(&picture);
    let together = segmenter.decode(&embeddings, &boxes);
    for (i, one) in boxes.iter().enumerate().take(3) {
        for (alone, all) in segmenter.decode(&embeddings, &[*one]).iter().zip(&together) {
            let (alone, all) = (alone.as_f32().unwrap(), all.as_f32().unwrap());
            let part = &all[i * alone.len()..(i + 1) * alone.len()];
            assert!(alone.iter().zip(part).all(|(a, b)| (a - b).abs() < TOLERANCE), "box {i}");
        }
    }
}

#[expect(clippy::print_stdout, reason = "a part of tests, whose words are captured")]
fn same(some: &[TensorOut], others: &[TensorOut]) {
    assert_eq!(some.len(), others.len());
    for (one, other) in some.iter().zip(others) {
        assert_eq!((&one.name, &one.shape), (&other.name, &other.shape));
        let (a, b) = (one.as_f32().unwrap(), other.as_f32().unwrap());
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{}: {apart:e}", one.name);
        assert!(apart < TOLERANCE, "{} differs by {apart}", one.name);
    }
}

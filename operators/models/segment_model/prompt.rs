//! Boxes in the form that a decoder takes: the tensors that go in beside the embeddings.

use super::family::{Decoder, Prompt};
use crate::onnx::TensorIn;

/// An input that is made here.
pub(super) struct Told {
    pub(super) name: &'static str,
    shape: Vec<usize>,
    numbers: Numbers,
}

enum Numbers {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Told {
    pub(super) fn tensor(&self) -> TensorIn<'_> {
        let shape = &self.shape;
        match &self.numbers {
            Numbers::Floats(data) => TensorIn::F32 { shape, data },
            Numbers::Integers(data) => TensorIn::I64 { shape, data },
        }
    }
}

fn floats(name: &'static str, shape: &[usize], data: Vec<f32>) -> Told {
    Told { name, shape: shape.to_vec(), numbers: Numbers::Floats(data) }
}

fn integers(name: &'static str, shape: &[usize], data: Vec<i64>) -> Told {
    Told { name, shape: shape.to_vec(), numbers: Numbers::Integers(data) }
}

/// What labels a box's corners have: left top, right bottom.
const CORNERS: [u8; 2] = [2, 3];

/// The tensors for these boxes of the square, as many as go in at once.
pub(super) fn tell(decoder: &Decoder, boxes: &[[f32; 4]]) -> Vec<Told> {
    let count = boxes.len();
    let corners = boxes.as_flattened().to_vec();
    match decoder.prompt {
        Prompt::Boxes => {
            let no_points = [
                floats("input_points", &[1, count, 0, 2], vec![]),
                integers("input_labels", &[1, count, 0], vec![]),
            ];
            let boxes = floats("input_boxes", &[1, count, 4], corners);
            let taken = no_points.into_iter().filter(|told| decoder.takes(told.name));
            std::iter::once(boxes).chain(taken).collect()
        }
        Prompt::Points => vec![
            floats("input_points", &[1, count, 2, 2], corners),
            integers("input_labels", &[1, count, 2], CORNERS.map(i64::from).repeat(count)),
        ],
        Prompt::Coordinates => {
            // The masks may be counted by themselves: then one that isn't there does for all boxes.
            let fixed = |name, at, open| decoder.fixed(name, at).unwrap_or(open);
            let mask =
                [fixed("mask_input", 0, count), 1, fixed("mask_input", 2, 1), fixed("mask_input", 3, 1)];
            let flags = fixed("has_mask_input", 0, count);
            vec![
                floats("point_coords", &[count, 2, 2], corners),
                floats("point_labels", &[count, 2], CORNERS.map(f32::from).repeat(count)),
                floats("mask_input", &mask, vec![0.0; mask.iter().product()]),
                floats("has_mask_input", &[flags], vec![0.0; flags]),
            ]
        }
    }
}

//! Which graphs a segmenter is made of: recognised by the names and shapes of inputs and outputs, and checked.

use crate::onnx::{Axis, Model, ModelFolder, OnnxError, Port, Wanted};

/// How a decoder is told of boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// transformers: `input_boxes` f32 [1,P,4]. Where the graph takes `input_points` and `input_labels` beside it, none are given.
    Boxes,
    /// transformers: `input_points` f32 [1,P,2,2] and `input_labels` i64 [1,P,2]; a box is its two corners, labelled 2 and 3.
    Points,
    /// samexporter: `point_coords` f32 [P,2,2], `point_labels` f32 [P,2], and a `mask_input` that `has_mask_input` says is not there.
    Coordinates,
}

/// The encoder: a picture in, embeddings out.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    pub(super) model: Model,
    pub(super) input: String,
    /// The edge of its square input, where the graph fixes it.
    pub(super) edge: Option<u32>,
}

/// The decoder: embeddings and boxes in, logits and qualities out.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    pub(super) model: Model,
    pub(super) prompt: Prompt,
    /// The encoder's outputs that it takes, by name.
    pub(super) embeddings: Vec<String>,
    /// How many boxes go in at once, where the graph fixes that.
    pub(super) boxes_at_once: Option<usize>,
    pub(super) masks: &'static str,
    pub(super) qualities: &'static str,
}

const N: Axis = Axis::Is(1);
const P: Axis = Axis::Any("P");

impl Prompt {
    /// Told by the input that only this family has.
    fn of(decoder: &Model) -> Option<Self> {
        let takes = |name: &str| decoder.signature.inputs.iter().any(|port| port.name == name);
        match () {
            () if takes("point_coords") => Some(Prompt::Coordinates),
            () if takes("input_boxes") => Some(Prompt::Boxes),
            () if takes("input_points") => Some(Prompt::Points),
            () => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Prompt::Boxes => "boxes",
            Prompt::Points => "points",
            Prompt::Coordinates => "coordinates",
        }
    }

    /// What goes in beside the embeddings, the one that tells the boxes first, and what may go in and is left empty.
    fn inputs(self) -> (Vec<Wanted>, Vec<Wanted>) {
        let none = Axis::Is(0);
        match self {
            Prompt::Boxes => (
                vec![Wanted::f32("input_boxes", &[&[N, P, Axis::Is(4)]])],
                vec![
                    Wanted::f32("input_points", &[&[N, P, none, Axis::Is(2)]]),
                    Wanted::i64("input_labels", &[&[N, P, none]]),
                ],
            ),
            Prompt::Points => (
                vec![
                    Wanted::f32("input_points", &[&[N, P, Axis::Is(2), Axis::Is(2)]]),
                    Wanted::i64("input_labels", &[&[N, P, Axis::Is(2)]]),
                ],
                vec![],
            ),
            Prompt::Coordinates => (
                vec![
                    Wanted::f32("point_coords", &[&[P, Axis::Is(2), Axis::Is(2)]]),
                    Wanted::f32("point_labels", &[&[P, Axis::Is(2)]]),
                    Wanted::f32("mask_input", &[&[P, Axis::Is(1), Axis::Any("H"), Axis::Any("W")]]),
                    Wanted::f32("has_mask_input", &[&[P]]),
                ],
                vec![],
            ),
        }
    }

    /// Logits [.., K, h, w] of K candidates a box, and the quality that the model foretells of each.
    fn outputs(self) -> [Wanted; 2] {
        let (candidates, height, width) = (Axis::Any("K"), Axis::Any("h"), Axis::Any("w"));
        match self {
            Prompt::Boxes | Prompt::Points => [
                Wanted::f32("pred_masks", &[&[N, P, candidates, height, width]]),
                Wanted::f32("iou_scores", &[&[N, P, candidates]]),
            ],
            Prompt::Coordinates => [
                Wanted::f32("masks", &[&[P, candidates, height, width]]),
                Wanted::f32("iou_predictions", &[&[P, candidates]]),
            ],
        }
    }

    /// The axis of the first input that counts boxes.
    fn box_axis(self) -> usize {
        usize::from(self != Prompt::Coordinates)
    }
}

/// Finds the two graphs in a folder.
pub(super) fn find(folder: &ModelFolder) -> Result<(Model, Model), OnnxError> {
    let graphs = folder.graphs();
    // `prompt_encoder_mask_decoder.onnx` is a decoder.
    let is_decoder = |name: &&String| name.contains("decoder");
    let is_encoder = |name: &&String| name.contains("encoder") && !is_decoder(name);
    let only = |mut matching: Vec<&String>| matching.pop().filter(|_| matching.is_empty()).cloned();
    let usual = |names: &[&'static str]| folder.first_of(names).map(str::to_string);
    let encoder = usual(&["encoder.onnx", "vision_encoder.onnx"])
        .or_else(|| only(graphs.iter().filter(is_encoder).collect()));
    let decoder = usual(&["decoder.onnx", "prompt_encoder_mask_decoder.onnx"])
        .or_else(|| only(graphs.iter().filter(is_decoder).collect()));
    match (encoder, decoder) {
        (Some(encoder), Some(decoder)) if folder.named().is_none() => {
            Ok((folder.model(&encoder)?, folder.model(&decoder)?))
        }
        _ => Err(OnnxError::Folder {
            path: folder.root().to_path_buf(),
            why: format!(
                "no segmenter was found: it holds {graphs:?}; give a folder with encoder.onnx and decoder.onnx, or \
                 vision_encoder.onnx and prompt_encoder_mask_decoder.onnx, or one *encoder*.onnx and one *decoder*.onnx"
            ),
        }),
    }
}

impl Encoder {
    pub(super) fn check(model: Model) -> Result<Self, OnnxError> {
        let pixels = Wanted::f32("", &[&[N, Axis::Is(3), Axis::Any("S"), Axis::Any("S")]]);
        let input = model.fit(std::slice::from_ref(&pixels), &[])?.0[0].clone();
        let shape = input.shape.clone().unwrap_or_default();
        let (height, width) = (axis(&shape, 2), axis(&shape, 3));
        let edge = height.or(width).map(u32::try_from);
        match (height, width, edge) {
            (Some(height), Some(width), _) if height != width => {
                Err(contract(&model, "pixels [1,3,S,S], a square".to_string()))
            }
            (_, _, None) => Ok(Encoder { input: input.name, edge: None, model }),
            (_, _, Some(Ok(edge @ 1..=8192))) => Ok(Encoder { input: input.name, edge: Some(edge), model }),
            _ => Err(contract(&model, "pixels [1,3,S,S] with S of at most 8192".to_string())),
        }
    }
}

impl Decoder {
    pub(super) fn check(model: Model, encoder: &Encoder) -> Result<Self, OnnxError> {
        let Some(prompt) = Prompt::of(&model) else {
            let ways =
                "`input_boxes`, or `input_points` and `input_labels`, or `point_coords` and `point_labels`";
            return Err(contract(&model, format!("a decoder that is told boxes by {ways}")));
        };
        let (given, left_empty) = prompt.inputs();
        let inputs = &model.signature.inputs;
        let told = find_all(&model, inputs, &given)?;
        let [masks, qualities] = prompt.outputs();
        find_all(&model, &model.signature.outputs, &[masks.clone(), qualities.clone()])?;
        let boxes_at_once = axis(told[0].shape.as_deref().unwrap_or_default(), prompt.box_axis());
        let mut embeddings = Vec::new();
        for port in inputs {
            let named = |wanted: &&Wanted| wanted.name == port.name;
            match left_empty.iter().find(named) {
                _ if given.iter().any(|wanted| wanted.name == port.name) => {}
                Some(wanted) if wanted.fits(port) => {}
                Some(wanted) => return Err(contract(&model, wanted.to_string())),
                None => embeddings.push(embedding(&model, encoder, port)?),
            }
        }
        if embeddings.is_empty() {
            return Err(contract(&model, "an input that takes an output of the encoder".to_string()));
        }
        let (masks, qualities) = (masks.name, qualities.name);
        let decoder = Decoder { model, prompt, embeddings, boxes_at_once, masks, qualities };
        let is_open = |at| decoder.fixed("mask_input", at).is_none();
        if prompt == Prompt::Coordinates && (is_open(2) || is_open(3)) {
            return Err(contract(&decoder.model, "mask_input f32 [P,1,H,W] with fixed H and W".to_string()));
        }
        Ok(decoder)
    }

    /// The length of an axis of an input, where the graph fixes it.
    pub(super) fn fixed(&self, input: &str, at: usize) -> Option<usize> {
        let port = self.model.signature.inputs.iter().find(|port| port.name == input);
        port.and_then(|port| axis(port.shape.as_deref().unwrap_or_default(), at))
    }

    /// Whether the graph has an input of this name.
    pub(super) fn takes(&self, input: &str) -> bool {
        self.model.signature.inputs.iter().any(|port| port.name == input)
    }
}

fn axis(shape: &[Option<usize>], at: usize) -> Option<usize> {
    shape.get(at).copied().flatten()
}

fn contract(model: &Model, wanted: String) -> OnnxError {
    OnnxError::Contract { path: model.path.clone(), wanted, found: model.signature.to_string() }
}

fn find_all<'a>(model: &Model, ports: &'a [Port], wanted: &[Wanted]) -> Result<Vec<&'a Port>, OnnxError> {
    let find = |wanted: &Wanted| ports.iter().find(|port| wanted.fits(port));
    let list = || wanted.iter().map(Wanted::to_string).collect::<Vec<_>>().join(", ");
    wanted.iter().map(find).collect::<Option<_>>().ok_or_else(|| contract(model, list()))
}

/// An input that must be one of the encoder's outputs: by name, type, and shape as far as both tell it.
fn embedding(model: &Model, encoder: &Encoder, port: &Port) -> Result<String, OnnxError> {
    let agree = |given: &Option<Vec<Option<usize>>>| match (given, &port.shape) {
        (Some(given), Some(taken)) => {
            given.len() == taken.len()
                && given.iter().zip(taken).all(|(given, taken)| match (given, taken) {
                    (Some(given), Some(taken)) => given == taken,
                    _ => true,
                })
        }
        _ => true,
    };
    let outputs = &encoder.model.signature.outputs;
    let fits = |given: &Port| given.name == port.name && given.element == port.element && agree(&given.shape);
    if outputs.iter().any(fits) {
        return Ok(port.name.clone());
    }
    let file = encoder.model.path.file_name().unwrap_or_default().to_string_lossy();
    let given = outputs.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
    Err(contract(model, format!("`{port}` to be one of the outputs of {file}, which are {given}")))
}

//! An inpainting graph: its inputs, recognised by names or shapes, the range of its answers, and one run of it.

use std::path::Path;

use serde::Deserialize;
use threshflow::row::Refusal;

use super::view::Canvas;
use crate::onnx::{
    Axis, Backend, Model, ModelFolder, OnnxError, Port, Session, SessionDevice, TensorIn, Wanted,
};

/// The range of a model's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Range {
    #[serde(rename = "0..1")]
    One,
    #[serde(rename = "0..255")]
    Bytes,
}

impl Range {
    /// What an answer is multiplied by, so that it is 0 to 255.
    pub(super) fn factor(self) -> f32 {
        match self {
            Range::One => 255.0,
            Range::Bytes => 1.0,
        }
    }
}

/// `inpaint.json` in a model's folder.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    output: Option<Range>,
    #[serde(default)]
    multiple: Option<u32>,
}

const CONFIG: &str = "inpaint.json";
/// LaMa halves its picture three times.
const USUAL_MULTIPLE: u32 = 8;
const LARGEST_MULTIPLE: u32 = 256;
const LARGEST_EDGE: usize = 4096;

/// An inpainting model, looked into and checked, not loaded.
#[derive(Clone, Debug)]
pub(super) struct InpaintModel {
    pub(super) model: Model,
    ports: Ports,
    pub(super) canvas: Canvas,
    /// As the folder says; where it doesn't, a look at what the model makes of grey tells.
    pub(super) range: Option<Range>,
    pub(super) backend: Backend,
}

#[derive(Clone, Debug)]
struct Ports {
    image: Port,
    /// `None` where the mask is the fourth channel of the image.
    mask: Option<Port>,
    output: Port,
}

impl InpaintModel {
    /// Opens the graph in `path`: the file that is named, or of a folder `model.onnx` or its only graph. `largest` is the longest
    /// side of what a graph of free size is given.
    pub(super) fn open(path: &Path, backend: &Backend, largest: u32) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let model = folder.model(&graph(&folder)?)?;
        let ports = Ports::of(&model)?;
        let config = config(&folder)?;
        let multiple = config.multiple.unwrap_or(USUAL_MULTIPLE);
        let canvas = match ports.edge(&model)? {
            Some(edge) => Canvas::Fixed(edge),
            // What fits is a multiple itself.
            None => Canvas::Free { multiple, largest: (largest / multiple * multiple).max(multiple) },
        };
        Ok(InpaintModel { model, ports, canvas, range: config.output, backend: backend.clone() })
    }

    pub(super) fn open_session(&self, place: SessionDevice, threads: usize) -> Result<Inpainter, OnnxError> {
        let session = Session::open(&self.model, &self.backend, place, threads)?;
        Ok(Inpainter { session, ports: self.ports.clone(), path: self.model.path.clone() })
    }
}

/// The graph that is meant.
fn graph(folder: &ModelFolder) -> Result<String, OnnxError> {
    if let Some(name) = folder.named().or_else(|| folder.first_of(&["model.onnx"])) {
        return Ok(name.to_string());
    }
    match &folder.graphs()[..] {
        [only] => Ok(only.clone()),
        graphs => {
            let why = format!(
                "no inpainting model in it: it holds {graphs:?}; wanted model.onnx, or a single graph"
            );
            Err(OnnxError::Folder { path: folder.root().to_path_buf(), why })
        }
    }
}

fn config(folder: &ModelFolder) -> Result<Config, OnnxError> {
    let failed = |why: String| OnnxError::Folder {
        path: folder.root().to_path_buf(),
        why: format!(
            "{CONFIG}: {why}; allowed are \"output\": \"0..1\" or \"0..255\", and \"multiple\": 1 to {LARGEST_MULTIPLE}"
        ),
    };
    let text = match std::fs::read(folder.root().join(CONFIG)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(error) => return Err(failed(error.to_string())),
    };
    let config: Config = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    match config.multiple {
        Some(multiple) if !(1..=LARGEST_MULTIPLE).contains(&multiple) => {
            Err(failed(format!("a multiple of {multiple}")))
        }
        _ => Ok(config),
    }
}

impl Ports {
    /// Told by the names `image` and `mask`; where a graph has others, by the number of channels. One input of four channels is both.
    fn of(model: &Model) -> Result<Self, OnnxError> {
        let planes = |count: usize| [Axis::Is(1), Axis::Is(count), Axis::Any("H"), Axis::Any("W")];
        let wanted = |name, count| Wanted::f32(name, &[&planes(count)]);
        let has = |name: &str| model.signature.inputs.iter().any(|port| port.name == name);
        let named = [wanted("image", 3), wanted("mask", 1)];
        let channels_told = model.signature.inputs.iter().all(|port| axis(port, 1).is_some());
        let inputs = match has("image") && has("mask") || !channels_told {
            true => named,
            false => [wanted("", 3), wanted("", 1)],
        };
        let output = match model.signature.outputs.iter().any(|port| port.name == "output") {
            true => "output",
            false => "",
        };
        if let [only] = &model.signature.inputs[..]
            && axis(only, 1) == Some(4)
        {
            let (ins, outs) = model.fit(&[wanted("", 4)], &[wanted(output, 3)])?;
            return Ok(Ports { image: ins[0].clone(), mask: None, output: outs[0].clone() });
        }
        let (ins, outs) = model.fit(&inputs, &[wanted(output, 3)])?;
        Ok(Ports { image: ins[0].clone(), mask: Some(ins[1].clone()), output: outs[0].clone() })
    }

    /// The edge of the square that the graph takes; `None` where it takes any size.
    fn edge(&self, model: &Model) -> Result<Option<u32>, OnnxError> {
        let sides = [&self.image, self.mask.as_ref().unwrap_or(&self.image)];
        let sides = sides.map(|port| (axis(port, 2), axis(port, 3)));
        match sides {
            [(None, None), (None, None)] => Ok(None),
            [(Some(height), Some(width)), mask]
                if mask == (Some(height), Some(width))
                    && height == width
                    && (8..=LARGEST_EDGE).contains(&height) =>
            {
                Ok(Some(height as u32))
            }
            _ => Err(OnnxError::Contract {
                path: model.path.clone(),
                wanted: format!(
                    "image [1,3,S,S] and mask [1,1,S,S] of one size, S from 8 to {LARGEST_EDGE}, or both of any size"
                ),
                found: model.signature.to_string(),
            }),
        }
    }
}

fn axis(port: &Port, at: usize) -> Option<usize> {
    port.shape.as_ref().and_then(|shape| shape.get(at).copied().flatten())
}

/// A loaded inpainting model.
pub(super) struct Inpainter {
    session: Session,
    ports: Ports,
    path: std::path::PathBuf,
}

impl Inpainter {
    /// One run on a canvas of this width and height; gives the picture in the model's own range, channel by channel.
    pub(super) fn run(
        &mut self,
        (width, height): (u32, u32),
        image: &[f32],
        mask: &[f32],
    ) -> Result<Vec<f32>, OnnxError> {
        let (width, height) = (width as usize, height as usize);
        let name = &self.ports.image.name;
        let outputs = match &self.ports.mask {
            Some(port) => {
                let image = TensorIn::F32 { shape: &[1, 3, height, width], data: image };
                let mask = TensorIn::F32 { shape: &[1, 1, height, width], data: mask };
                self.session.run(&[(name, image), (&port.name, mask)])?
            }
            None => {
                let both = [image, mask].concat();
                self.session.run(&[(name, TensorIn::F32 { shape: &[1, 4, height, width], data: &both })])?
            }
        };
        let output = outputs.into_iter().find(|output| output.name == self.ports.output.name);
        let failed = |why: String| OnnxError::Run { path: self.path.clone(), why };
        let name = &self.ports.output.name;
        let output = output.ok_or_else(|| failed(format!("`{name}` is missing")))?;
        if output.shape != [1, 3, height, width] {
            let why = format!("`{name}` has the shape {:?}, wanted [1, 3, {height}, {width}]", output.shape);
            return Err(failed(why));
        }
        output.as_f32().map(<[f32]>::to_vec).ok_or_else(|| failed(format!("`{name}` holds no floats")))
    }

    /// Which range the model answers in, by what it makes of an even grey with a hole: what is outside the hole comes back as it
    /// was, as 0.5 or as 127.5, give or take a half of that, since some models repaint all of it.
    pub(super) fn look(&mut self, canvas: Canvas) -> Result<Range, OnnxError> {
        let edge = match canvas {
            Canvas::Fixed(edge) => edge,
            Canvas::Free { multiple, .. } => 64_u32.next_multiple_of(multiple),
        };
        let length = edge as usize * edge as usize;
        let third = edge / 3..edge - edge / 3;
        let in_hole = |at: usize| {
            let (x, y) = (at as u32 % edge, at as u32 / edge);
            third.contains(&x) && third.contains(&y)
        };
        let mask: Vec<f32> = (0..length).map(|at| f32::from(u8::from(in_hole(at)))).collect();
        let grey: Vec<f32> = mask.iter().map(|hole| 0.5 * (1.0 - hole)).collect();
        let made = self.run((edge, edge), &[&grey[..]; 3].concat(), &mask)?;
        let known = (0..made.len()).filter(|at| !in_hole(at % length)).map(|at| f64::from(made[at]));
        let (count, sum) = known.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
        let mean = sum / f64::from(count);
        match mean {
            0.25..=0.75 => Ok(Range::One),
            63.75..=191.25 => Ok(Range::Bytes),
            _ => Err(OnnxError::Contract {
                path: self.path.clone(),
                wanted: format!(
                    "pictures from 0 to 1 or from 0 to 255, which outside the hole are as they were; say which in {CONFIG} \
                     (\"output\": \"0..1\" or \"0..255\")"
                ),
                found: format!("an even grey of 0.5 came back as {mean} outside the hole"),
            }),
        }
    }
}

/// A model that didn't run, as a refusal that passes with the process.
pub(super) fn not_run(error: &OnnxError) -> Refusal {
    Refusal::transient("model_failed", error.to_string())
}

//! A scorer of the user's own: any ONNX model from a picture to numbers, and a `score.json` beside it that says how a picture goes in and
//! which number comes out.
//!
//! The file is [`spec`], what its pixels are is [`fit`](crate::pixels::fit), and `number` takes the score from the output. The file is held
//! against the model when it is opened, and the model is run once on a grey picture: what does not fit is told before a run begins, with a
//! whole file that would do (`teach`).

mod number;
pub mod spec;
mod teach;

use std::path::{Component, Path, PathBuf};

use threshflow::row::{ContentHash, Refusal};

use self::number::{Numbers, number};
use self::spec::{Channels, FitName, Layout, ScoreSpec};
use crate::models::row_graph::axis;
use crate::onnx::{
    Backend, Element, Model, ModelFolder, OnnxError, Session, SessionDevice, TensorData, TensorIn, TensorOut,
};
use crate::pixels::decode::{Purpose, Rgb, decoder_stamp};
use crate::pixels::fit::{Fit, Fitted, Fitting, Size};

/// The file that says how a folder's model scores.
pub const FILE: &str = "score.json";

/// No `score.json` is longer, in bytes.
const LONGEST: u64 = 1 << 16;

/// A scorer, looked into and held against its `score.json`, not loaded.
#[derive(Clone, Debug)]
pub struct ScoreModel {
    spec: ScoreSpec,
    model: Model,
    fitting: Fitting,
    /// The output's name.
    output: String,
    backend: Backend,
    /// For errors.
    folder: PathBuf,
    /// Whether the file has to name the model.
    among_others: bool,
}

impl ScoreModel {
    /// Opens the scorer in `path`: a folder with a `score.json` and a model, or the model's file beside a `score.json`.
    pub fn open(path: &Path, backend: &Backend) -> Result<Self, OnnxError> {
        let folder = ModelFolder::open(path)?;
        let failed = |why: String| OnnxError::Folder { path: path.to_path_buf(), why };
        let text = read(folder.root()).map_err(failed)?;
        let spec = text.as_deref().map(ScoreSpec::parse);
        let written =
            spec.as_ref().and_then(|spec| spec.as_ref().ok()).and_then(|spec| spec.model.as_deref());
        let name = model_name(&folder, written).map_err(failed)?;
        let among_others = folder.graphs().len() > 1 && folder.named().is_none();
        let model = folder.model(&name)?;
        let teach =
            |wrong: String| failed(format!("{wrong}\n{}", teach::how_to_write_it(&model, among_others)));
        let spec = match spec {
            None => return Err(teach(format!("it has no {FILE}, which says how the model scores pictures"))),
            Some(Err(error)) => return Err(teach(format!("{FILE}: {error}"))),
            Some(Ok(spec)) => spec,
        };
        let mut wrong = spec.wrong();
        wrong.extend(wrong_input(&spec, &model));
        let output = output_name(&spec, &model).unwrap_or_else(|why| {
            wrong.push(why);
            String::new()
        });
        if !wrong.is_empty() {
            return Err(teach(format!("{FILE}: {}", wrong.join(&format!("\n{FILE}: ")))));
        }
        let fixed = model.signature.inputs.first().map(|input| teach::fixed_size(input, spec.input.layout));
        let fitting = spec.input.fitting(fixed.unwrap_or_default());
        let backend = backend.clone();
        Ok(ScoreModel { spec, model, fitting, output, backend, folder: path.to_path_buf(), among_others })
    }

    /// Whether the folder has a `score.json`.
    pub fn is_in(path: &Path) -> bool {
        ModelFolder::open(path).is_ok_and(|folder| folder.root().join(FILE).exists())
    }

    /// What the file says.
    pub fn spec(&self) -> &ScoreSpec {
        &self.spec
    }

    /// How pictures become its input.
    pub fn fitting(&self) -> &Fitting {
        &self.fitting
    }

    /// What pictures have to be decoded for: every pixel counts.
    pub fn purpose(&self) -> Purpose {
        Purpose::Full
    }

    /// The picture as the model takes it.
    pub fn prepare(&self, picture: &Rgb) -> Result<Fitted, Refusal> {
        self.fitting.apply(picture)
    }

    /// Of the graph and its external data.
    pub(crate) fn content_hash(&self) -> ContentHash {
        self.model.content
    }

    /// Of the graph and its external data, in bytes.
    pub fn bytes(&self) -> u64 {
        self.model.bytes
    }

    /// How many pictures one run takes, where the graph fixes that.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        axis(&self.model.signature.inputs[0], 0)
    }

    /// The back-end and the precision that the scorer runs in.
    pub(crate) fn precision_class(&self) -> &'static str {
        self.backend.precision_class([&self.model])
    }

    pub(crate) fn graph(&self) -> &Model {
        &self.model
    }

    /// All that shapes a score, by name, for the operator's stamp.
    pub(crate) fn stamp_parts(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("model", self.model.content.0.to_vec()),
            ("score.json", self.spec.shapes().into_bytes()),
            ("fit", self.fitting.stamp().into_bytes()),
            ("decode", decoder_stamp(self.purpose()).into_bytes()),
            ("backend", self.backend.stamp_class_for([&self.model]).into()),
        ]
    }

    /// Loads the scorer onto one of the back-end's places, for one thread to use; a run may take `threads` cores.
    pub fn open_session(&self, place: SessionDevice, threads: usize) -> Result<ScoreSession, OnnxError> {
        let session = Session::open(&self.model, &self.backend, place, threads)?;
        let at_once = (place == SessionDevice::Cpu).then_some(1);
        Ok(ScoreSession { model: self.clone(), session, table: self.spec.input.table(), at_once })
    }

    /// A session that was run once on a grey picture: a `score.json` whose output does not fit what the model gives is an error.
    pub fn open_tried(&self, place: SessionDevice, threads: usize) -> Result<ScoreSession, OnnxError> {
        let mut session = self.open_session(place, threads)?;
        session.run(&[&self.grey()]).map_err(|error| match error {
            OnnxError::Run { why, .. } => OnnxError::Folder {
                path: self.folder.clone(),
                why: format!(
                    "{FILE}: a grey picture was tried: {why}\n{}",
                    teach::how_to_write_it(&self.model, self.among_others)
                ),
            },
            other => other,
        })?;
        Ok(session)
    }

    /// A grey picture of a size that pictures are given.
    fn grey(&self) -> Fitted {
        let (width, height) = self.fitting.size_of((256, 256));
        Fitted { width, height, pixels: vec![128; 3 * width as usize * height as usize] }
    }
}

/// A loaded scorer.
pub struct ScoreSession {
    model: ScoreModel,
    session: Session,
    /// What every byte becomes, by channel.
    table: [[f32; 256]; 3],
    /// Pictures of a run, where the place decides: see `RowSession`.
    at_once: Option<usize>,
}

impl ScoreSession {
    /// The numbers of pictures that [`ScoreModel::prepare`] fitted: one each, in order, as the model gives them. Whether they are scores,
    /// [`ScoreSpec::score`] tells.
    pub fn run(&mut self, pictures: &[&Fitted]) -> Result<Vec<f32>, OnnxError> {
        let at_once = self.model.fixed_batch().or(self.at_once);
        let mut all = Vec::with_capacity(pictures.len());
        for alike in pictures.chunk_by(|a, b| (a.width, a.height) == (b.width, b.height)) {
            let at_once = at_once.unwrap_or(alike.len()).max(1);
            for batch in alike.chunks(at_once) {
                all.append(&mut self.run_batch(batch, at_once)?);
            }
        }
        Ok(all)
    }

    /// The same of the bytes of pictures that were fitted into one size.
    pub(crate) fn run_crops(&mut self, crops: &[&[u8]]) -> Result<Vec<f32>, OnnxError> {
        let (width, height) = self.model.fitting.size().unwrap_or_default();
        let fitted = |crop: &&[u8]| Fitted { width, height, pixels: crop.to_vec() };
        let fitted: Vec<Fitted> = crops.iter().map(fitted).collect();
        self.run(&fitted.iter().collect::<Vec<_>>())
    }

    /// One run of so many grey pictures: what a GPU does only once is done then.
    pub(crate) fn warm_up(&mut self, pictures: usize) -> Result<(), OnnxError> {
        let grey = self.model.grey();
        self.run(&vec![&grey; pictures]).map(|_| ())
    }

    /// Pictures of one size, filled up with repetitions to `at_once`.
    fn run_batch(&mut self, batch: &[&Fitted], at_once: usize) -> Result<Vec<f32>, OnnxError> {
        let (width, height) = (batch[0].width as usize, batch[0].height as usize);
        let input = &self.model.model.signature.inputs[0];
        let spec = &self.model.spec.input;
        let shape = match spec.layout {
            Layout::Nchw => [at_once, 3, height, width],
            Layout::Nhwc => [at_once, height, width, 3],
        };
        let filled = || (0..at_once).map(|at| batch[at.min(batch.len() - 1)]);
        let (mut bytes, mut floats) = (Vec::new(), Vec::new());
        let tensor = if input.element == Element::U8 {
            filled().for_each(|it| put(&mut bytes, (spec.layout, spec.channels), &it.pixels, |_, byte| byte));
            TensorIn::U8 { shape: &shape, data: &bytes }
        } else {
            let value = |channel: usize, byte: u8| self.table[channel][usize::from(byte)];
            filled().for_each(|it| put(&mut floats, (spec.layout, spec.channels), &it.pixels, value));
            TensorIn::F32 { shape: &shape, data: &floats }
        };
        let outputs = self.session.run(&[(&input.name, tensor)])?;
        let failed = |why: String| OnnxError::Run { path: self.model.model.path.clone(), why };
        let rows = rows(&outputs, &self.model.output, at_once).map_err(failed)?;
        let numbers = rows.into_iter().take(batch.len());
        numbers.map(|row| number(&self.model.spec.output, row).map_err(failed)).collect()
    }
}

/// Writes a picture in the model's order of axes and channels.
fn put<T>(
    out: &mut Vec<T>,
    (layout, channels): (Layout, Channels),
    pixels: &[u8],
    value: impl Fn(usize, u8) -> T,
) {
    let byte = |pixel: &[u8], channel: usize| match channels {
        Channels::Rgb => pixel[channel],
        Channels::Bgr => pixel[2 - channel],
    };
    out.reserve(pixels.len());
    let pixels = || pixels.chunks_exact(3);
    match layout {
        Layout::Nhwc => out
            .extend(pixels().flat_map(|pixel| [0, 1, 2].map(|channel| value(channel, byte(pixel, channel))))),
        Layout::Nchw => {
            for channel in 0..3 {
                out.extend(pixels().map(|pixel| value(channel, byte(pixel, channel))));
            }
        }
    }
}

/// The output `name`, picture by picture.
fn rows(outputs: &[TensorOut], name: &str, at_once: usize) -> Result<Vec<Numbers>, String> {
    let output = outputs.iter().find(|output| output.name == name);
    let output = output.ok_or_else(|| format!("output `{name}` did not come"))?;
    let Some((first, shape)) = output.shape.split_first().filter(|(first, _)| **first == at_once) else {
        return Err(format!(
            "output `{name}` is {:?} for {at_once} pictures; its first axis is to be the pictures, so this output cannot be used",
            output.shape
        ));
    };
    let data: Vec<f32> = match &output.data {
        TensorData::F32(data) => data.clone(),
        TensorData::I64(data) => data.iter().map(|&number| number as f32).collect(),
    };
    let width = data.len() / first;
    Ok((0..*first)
        .map(|row| Numbers { shape: shape.to_vec(), data: data[row * width..(row + 1) * width].to_vec() })
        .collect())
}

/// The text of the folder's `score.json`; `None` where there is none.
fn read(folder: &Path) -> Result<Option<String>, String> {
    let path = folder.join(FILE);
    let told = |error: std::io::Error| format!("{FILE} cannot be read: {error}");
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error)),
        Ok(kind) if !kind.is_file() || kind.len() > LONGEST => {
            return Err(format!("{FILE} is no text file of at most {LONGEST} bytes"));
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(told)
}

/// The model's file: as the user named it, as `score.json` does, or the only one.
fn model_name(folder: &ModelFolder, written: Option<&str>) -> Result<String, String> {
    let graphs = folder.graphs();
    match (folder.named(), written) {
        (Some(named), Some(written)) if named != written => {
            Err(format!("{FILE} is about `model` {written:?}, and {named} was named; give the folder alone"))
        }
        (Some(named), _) => Ok(named.to_owned()),
        (None, Some(written)) => {
            let is_a_name =
                matches!(Path::new(written).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
            if is_a_name && graphs.iter().any(|graph| graph == written) {
                return Ok(written.to_owned());
            }
            Err(format!(
                "{FILE}: `model` is {written:?}, and the folder has the .onnx files {graphs:?}; name one of them"
            ))
        }
        (None, None) => match &graphs[..] {
            [only] => Ok(only.clone()),
            [] => Err("it has no .onnx file; put the model and its score.json into one folder".to_owned()),
            [first, ..] => Err(format!(
                "it has the .onnx files {graphs:?}; say in its {FILE} which one scores: \"model\": {first:?}"
            )),
        },
    }
}

/// What of the input does not fit the model: all of it.
fn wrong_input(spec: &ScoreSpec, model: &Model) -> Vec<String> {
    let mut wrong = Vec::new();
    let [input] = &model.signature.inputs[..] else {
        return vec![format!(
            "the model has {} inputs; a scorer has one, of pixels",
            model.signature.inputs.len()
        )];
    };
    let said = &spec.input;
    if !matches!(input.element, Element::F32 | Element::F16 | Element::U8) {
        wrong.push(format!("the model's input is `{input}`; pixels are fed as f32, f16 or u8"));
    }
    if input.element == Element::U8 && !said.scale.is_empty() {
        wrong.push(
            "the model takes bytes (u8), which are fed as they are; leave out `input.scale`".to_owned(),
        );
    }
    let channels = match said.layout {
        Layout::Nchw => 1,
        Layout::Nhwc => 3,
    };
    let is_of_four = input.shape.as_ref().is_none_or(|shape| shape.len() == 4);
    if !is_of_four || axis(input, channels).is_some_and(|channels| channels != 3) {
        let instead = match teach::layout_of(input) {
            Some(layout) if layout != said.layout && is_of_four => {
                format!("write {}", serde_json::to_string(&layout).unwrap_or_default())
            }
            _ => "a picture is four axes, of which one is 3 long: this model cannot be used".to_owned(),
        };
        let layout = serde_json::to_string(&said.layout).unwrap_or_default();
        wrong.push(format!("`input.layout` is {layout}, and the model's input is `{input}`; {instead}"));
        return wrong;
    }
    wrong.extend(wrong_size(spec, teach::fixed_size(input, said.layout)));
    wrong
}

fn wrong_size(spec: &ScoreSpec, fixed: [Option<u32>; 2]) -> Option<String> {
    let said = &spec.input;
    let shown = |edge: Option<u32>| edge.map_or("any".to_owned(), |edge| edge.to_string());
    let model = format!("the model takes pictures {} wide and {} high", shown(fixed[0]), shown(fixed[1]));
    if said.fit == FitName::KeepAspect {
        let is_free = fixed == [None, None];
        return (!is_free).then(|| {
            format!("`input.fit` is \"keep_aspect\", which gives pictures of many sizes, and {model}; take another fit")
        });
    }
    let Some(own) = said.size else {
        let is_fixed = fixed.iter().all(Option::is_some);
        return (!is_fixed)
            .then(|| format!("`input.size` is missing: {model}; give [width, height]"))
            .or_else(|| too_small(&said.fitting(fixed)));
    };
    if fixed.iter().zip(own).any(|(fixed, own)| fixed.is_some_and(|fixed| fixed != own)) {
        return Some(format!("`input.size` is {own:?}, and {model}; leave it out, or give that"));
    }
    too_small(&said.fitting(fixed))
}

/// Where a picture is smaller than what is to be cut out of it.
fn too_small(fitting: &Fitting) -> Option<String> {
    let (field, given, (width, height)): (_, Size, Size) = match fitting.fit {
        Fit::SquashThenCrop { resize, size } => ("resize", resize, size),
        Fit::ShortestSideThenCrop { shortest_side, size } => {
            ("shortest_side", (shortest_side, shortest_side), size)
        }
        _ => return None,
    };
    (given.0 < width || given.1 < height).then(|| {
        format!("`input.{field}` is smaller than the {width} x {height} pixels that are cut out; make it as large, or larger")
    })
}

fn output_name(spec: &ScoreSpec, model: &Model) -> Result<String, String> {
    let outputs = &model.signature.outputs;
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    match (&spec.output.name, &names[..]) {
        (Some(name), _) if names.contains(&name.as_str()) => Ok(name.clone()),
        (Some(name), _) => {
            Err(format!("`output.name` is {name:?}, and the model's outputs are {names:?}; name one of them"))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => {
            Err(format!("`output.name` is missing, and the model's outputs are {names:?}; name one of them"))
        }
    }
}

#[cfg(test)]
mod tests;

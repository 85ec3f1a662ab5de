//! Graphs that turn rows into rows: N rows of floats at one input, N rows of floats at one output.
//!
//! This is what scorers, heads and towers share. On a CPU a run takes one row, on a GPU all rows. A graph with a fixed batch is filled up
//! with repetitions. Inputs that belong to the other half of a graph get fillers. Crops are written as pixels.

use std::path::Path;

use crate::models::embedding::normalise;
use crate::onnx::{
    Axis, Backend, Element, Model, OnnxError, Port, Session, SessionDevice, TensorIn, TensorOut, Wanted,
};
use crate::pixels::clip_crop::Preprocess;

/// What a row of the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// One number a row.
    Number,
    /// Any number of numbers a row, the same for all.
    Vector,
    /// Of each row the first so many numbers.
    First(usize),
}

/// A graph with one input of interest and one output of interest.
#[derive(Clone, Debug)]
pub(crate) struct RowGraph {
    pub(crate) model: Model,
    pub(crate) input: Port,
    pub(crate) output: Port,
    pub(crate) gives: Gives,
    /// For the inputs that are of no interest.
    pub(crate) fillers: Vec<Filler>,
}

impl RowGraph {
    /// A graph with this one input; the output may stand among others.
    pub(crate) fn of(model: Model, input: &Wanted, output: &Wanted, gives: Gives) -> Result<Self, OnnxError> {
        let (ins, outs) = model.fit(std::slice::from_ref(input), std::slice::from_ref(output))?;
        let (input, output) = (ins[0].clone(), outs[0].clone());
        Ok(RowGraph { model, input, output, gives, fillers: Vec::new() })
    }

    /// How many rows go in at once, where the graph fixes that.
    pub(crate) fn batch(&self) -> Option<usize> {
        axis(&self.input, 0)
    }

    pub(crate) fn open(
        &self,
        backend: &Backend,
        place: SessionDevice,
        threads: usize,
    ) -> Result<RowSession, OnnxError> {
        let session = Session::open(&self.model, backend, place, threads)?;
        let at_once = (place == SessionDevice::Cpu).then_some(1);
        Ok(RowSession { graph: self.clone(), session, at_once })
    }
}

/// A loaded [`RowGraph`].
pub(crate) struct RowSession {
    pub(crate) graph: RowGraph,
    session: Session,
    /// Rows of a run, where the place decides: one on a CPU, which is no slower there. Kernels are chosen by shape and round
    /// differently, and what a row gets may not depend on how many neighbours it had.
    at_once: Option<usize>,
}

impl RowSession {
    /// Runs `rows` rows of `row_shape`, which `values` holds one after the other and may be given more of, where they don't fill
    /// the batch that the graph fixes; gives the outputs of those rows, one after the other.
    pub(crate) fn run(
        &mut self,
        values: &mut Vec<f32>,
        row_shape: &[usize],
        rows: usize,
    ) -> Result<Vec<f32>, OnnxError> {
        let row_length: usize = row_shape.iter().product();
        let at_once = self.graph.batch().or(self.at_once).unwrap_or(rows);
        let mut kept = Vec::new();
        for first in (0..rows).step_by(at_once.max(1)) {
            let real = at_once.min(rows - first);
            while values.len() < (first + at_once) * row_length {
                let last = values.len() - row_length;
                values.extend_from_within(last..);
            }
            let data = &values[first * row_length..(first + at_once) * row_length];
            let shape: Vec<usize> = std::iter::once(at_once).chain(row_shape.iter().copied()).collect();
            let mut feeds = vec![(self.graph.input.name.as_str(), TensorIn::F32 { shape: &shape, data })];
            feeds.extend(self.graph.fillers.iter().map(Filler::feed));
            let outputs = self.session.run(&feeds)?;
            let found = rows_of(&outputs, &self.graph.output.name, at_once, &self.graph.model.path)?;
            let width = found.len() / at_once;
            if self.graph.gives == Gives::Number && width != 1 {
                let why = format!("output `{}` has {width} values a row; wanted 1", self.graph.output.name);
                return Err(OnnxError::Run { path: self.graph.model.path.clone(), why });
            }
            match self.graph.gives {
                Gives::Number | Gives::Vector => kept.extend_from_slice(&found[..real * width]),
                Gives::First(length) => {
                    found
                        .chunks_exact(width)
                        .take(real)
                        .for_each(|row| kept.extend_from_slice(&row[..length]));
                }
            }
        }
        Ok(kept)
    }
}

/// A [`RowGraph`] that looks at pictures, and how they are prepared for it.
#[derive(Clone, Debug)]
pub(crate) struct PixelGraph {
    pub(crate) rows: RowGraph,
    pub(crate) preprocess: Preprocess,
}

impl PixelGraph {
    /// Takes the folder's preprocessing, or OpenAI's at the size that the graph fixes; the two must agree.
    pub(crate) fn of(rows: RowGraph, config: Option<Preprocess>) -> Result<Self, OnnxError> {
        let (height, width) = (axis(&rows.input, 2), axis(&rows.input, 3));
        let edge = height.or(width);
        let mut preprocess = config.clone().unwrap_or_default();
        if config.is_none()
            && let Some(edge) = edge.and_then(|edge| u32::try_from(edge).ok())
        {
            (preprocess.size, preprocess.crop) = (edge, edge);
        }
        let crop = preprocess.crop as usize;
        if [height, width].into_iter().flatten().any(|edge| edge != crop) {
            return Err(OnnxError::Contract {
                path: rows.model.path.clone(),
                wanted: format!("pixels [N,3,{crop},{crop}], a square as preprocessing gives it"),
                found: rows.input.to_string(),
            });
        }
        Ok(PixelGraph { rows, preprocess })
    }

    pub(crate) fn open(
        &self,
        backend: &Backend,
        place: SessionDevice,
        threads: usize,
    ) -> Result<PixelSession, OnnxError> {
        let rows = self.rows.open(backend, place, threads)?;
        Ok(PixelSession { rows, preprocess: self.preprocess.clone(), slots: Vec::new() })
    }
}

/// A loaded [`PixelGraph`].
pub(crate) struct PixelSession {
    pub(crate) rows: RowSession,
    preprocess: Preprocess,
    /// The input of one run, kept between runs.
    slots: Vec<f32>,
}

impl PixelSession {
    /// The outputs for crops that [`Preprocess::crop_u8`] made, any number of them, one after the other.
    pub(crate) fn run(&mut self, crops: &[&[u8]]) -> Result<Vec<f32>, OnnxError> {
        let edge = self.preprocess.crop as usize;
        let slot_length = 3 * edge * edge;
        if let Some(other) = crops.iter().find(|crop| crop.len() != slot_length) {
            let why = format!("a crop has {} bytes; {edge} x {edge} RGB has {slot_length}", other.len());
            return Err(OnnxError::Run { path: self.rows.graph.model.path.clone(), why });
        }
        let mut all = Vec::new();
        let at_once = self.rows.graph.batch().unwrap_or(crops.len()).max(1);
        for chunk in crops.chunks(at_once) {
            self.slots.resize(chunk.len() * slot_length, 0.0);
            for (crop, slot) in chunk.iter().zip(self.slots.chunks_exact_mut(slot_length)) {
                self.preprocess.write_tensor(crop, slot);
            }
            all.append(&mut self.rows.run(&mut self.slots, &[3, edge, edge], chunk.len())?);
        }
        Ok(all)
    }
}

/// What an input is fed that belongs to the half of a graph whose answer nobody wants: one row of no meaning.
#[derive(Clone, Debug)]
pub(crate) struct Filler {
    name: String,
    shape: Vec<usize>,
    data: Filling,
}

#[derive(Clone, Debug)]
enum Filling {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

impl Filler {
    /// Grey pixels for an input [N,3,edge,edge], ones (a token, and a mask that sees it) for any other.
    pub(crate) fn of(port: &Port, edge: usize) -> Self {
        let free: &[usize] = if port.element == Element::F32 { &[1, 3, edge, edge] } else { &[1, 2] };
        let shape: Vec<usize> =
            free.iter().enumerate().map(|(at, free)| axis(port, at).unwrap_or(*free)).collect();
        let length = shape.iter().product();
        let data = match port.element {
            Element::F32 => Filling::F32(vec![0.0; length]),
            _ => Filling::I64(vec![1; length]),
        };
        Filler { name: port.name.clone(), shape, data }
    }

    pub(crate) fn feed(&self) -> (&str, TensorIn<'_>) {
        let shape = &self.shape[..];
        let tensor = match &self.data {
            Filling::F32(data) => TensorIn::F32 { shape, data },
            Filling::I64(data) => TensorIn::I64 { shape, data },
        };
        (&self.name, tensor)
    }
}

/// The length of one axis, where the graph fixes it.
pub(crate) fn axis(port: &Port, at: usize) -> Option<usize> {
    port.shape.as_ref().and_then(|shape| shape.get(at).copied().flatten())
}

/// The length of the last axis, where the graph fixes it.
pub(crate) fn last_axis(port: &Port) -> Option<usize> {
    port.shape.as_ref().and_then(|shape| shape.last().copied().flatten())
}

/// Pixels as CLIP-like models take them.
pub(crate) fn pixels(name: &'static str) -> Wanted {
    Wanted::f32(name, &[&[Axis::Any("N"), Axis::Is(3), Axis::Any("H"), Axis::Any("W")]])
}

/// Embeddings, in or out.
pub(crate) fn embeddings(name: &'static str) -> Wanted {
    Wanted::f32(name, &[&[Axis::Any("N"), Axis::Any("D")]])
}

/// The floats of the output `name`, which must be `at_once` rows of one width.
pub(crate) fn rows_of<'a>(
    outputs: &'a [TensorOut],
    name: &str,
    at_once: usize,
    path: &Path,
) -> Result<&'a [f32], OnnxError> {
    let found = outputs.iter().find(|output| output.name == name).and_then(TensorOut::as_f32);
    let numbers = found.unwrap_or_default();
    if at_once == 0 || numbers.is_empty() || !numbers.len().is_multiple_of(at_once) {
        let why = format!("output `{name}` has {} values for a batch of {at_once}", numbers.len());
        return Err(OnnxError::Run { path: path.to_path_buf(), why });
    }
    Ok(numbers)
}

/// Cuts `numbers` into `rows` embeddings of length 1; one that has no direction is an error that tells which.
pub(crate) fn unit_rows(numbers: &[f32], rows: usize, path: &Path) -> Result<Vec<Vec<f32>>, OnnxError> {
    let width = numbers.len().checked_div(rows).unwrap_or_default().max(1);
    let unit = |(at, row): (usize, &[f32])| {
        let mut row = row.to_vec();
        normalise(&mut row).map_err(|error| OnnxError::Run {
            path: path.to_path_buf(),
            why: format!("the embedding of row {at} (of {rows}): {error}"),
        })?;
        Ok(row)
    };
    numbers.chunks_exact(width).enumerate().map(unit).collect()
}

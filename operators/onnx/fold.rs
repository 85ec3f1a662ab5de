//! Computes a cubic Resize of constants when a graph is loaded, and puts the result in as a weight.
//!
//! The embedded back-end takes a cubic Resize for a linear one and does not say so. In the common models that have one, it brings a
//! position embedding to the picture's size, the same in every run. So the node is removed from the graph that the back-end is given, and
//! all other bytes stay as they are. The file is not changed. Field numbers: onnx/onnx.proto of ONNX 1.23.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::constant::write_floats;
use super::cubic::{Axis, Coordinates, Cubic, Outside};
use super::node::{Constants, Node};
use super::wire::{fields, put_message};

/// How many values a weight made here may have: no position embedding comes near, and a file of nonsense fills no memory.
const MOST_VALUES: usize = 1 << 25;

/// Files beside the graph that hold tensors, by the names that it gives them.
type Files = BTreeMap<String, PathBuf>;

/// The model with every cubic Resize of its graph computed. `Err` says in words which one can't be, or what is wrong with the file.
/// Graphs within the graph are left as they are.
pub(super) fn fold_cubic_resizes(model: &[u8], files: &Files) -> Result<Vec<u8>, String> {
    let mut folded = Vec::with_capacity(model.len());
    fields(model, |field| {
        match field.number {
            7 => put_message(&mut folded, 7, &fold_graph(field.message()?, files)?),
            _ => folded.extend_from_slice(field.raw),
        }
        Ok(())
    })?;
    Ok(folded)
}

/// GraphProto: node, initializer.
fn fold_graph(graph: &[u8], files: &Files) -> Result<Vec<u8>, String> {
    let constants = Constants::of(graph)?;
    let mut folded = Vec::with_capacity(graph.len());
    fields(graph, |field| {
        let resize = if field.number == 1 { CubicResize::of(field.message()?)? } else { None };
        match resize {
            Some(resize) => {
                let named = |why: String| format!("`{}` {why}", String::from_utf8_lossy(resize.output));
                put_message(&mut folded, 5, &resize.compute(&constants, files).map_err(named)?);
            }
            None => folded.extend_from_slice(field.raw),
        }
        Ok(())
    })?;
    Ok(folded)
}

/// A Resize whose mode is cubic.
struct CubicResize<'a> {
    node: Node<'a>,
    output: &'a [u8],
}

impl<'a> CubicResize<'a> {
    fn of(message: &'a [u8]) -> Result<Option<Self>, String> {
        let node = Node::parse(message)?;
        let is_cubic = node.attributes.get(&b"mode"[..]).is_some_and(|mode| mode.text == b"cubic");
        let output = node.output(0);
        Ok((node.kind == b"Resize" && is_cubic).then_some(CubicResize { node, output }))
    }

    /// What it gives, as a TensorProto of its output's name.
    fn compute(&self, constants: &Constants<'a>, files: &Files) -> Result<Vec<u8>, String> {
        let cubic = self.settings()?;
        let of_input = |why: String| format!("resizes a tensor {why}");
        let input = constants.get(self.node.input(0)).map_err(of_input)?;
        let values = input.floats(files).map_err(of_input)?;
        let axes = self.axes(&input.dims, constants, files)?;
        let Some((others, &[down, across])) = axes.split_last_chunk::<2>() else {
            return Err(format!("resizes a tensor of {} axes, which takes at least 2", axes.len()));
        };
        let dims: Vec<usize> = axes.iter().map(|axis| axis.to).collect();
        let is_sound = |lengths: &[usize]| {
            let product = lengths.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
            product.is_some_and(|product| (1..=MOST_VALUES).contains(&product))
        };
        // What is resized along one axis only, on the way, counts too.
        if !is_sound(&dims) || !is_sound(&[down.from, across.to]) || values.is_empty() {
            return Err(format!("makes {dims:?} of {:?}: 1 to {MOST_VALUES} values are made", input.dims));
        }
        if others.iter().any(|axis| axis.from != axis.to) {
            return Err("resizes other axes than the last two".to_string());
        }
        Ok(write_floats(self.output, &dims, &cubic.resize(&values, down, across)))
    }

    fn settings(&self) -> Result<Cubic, String> {
        let attribute = |name: &str| self.node.attributes.get(name.as_bytes());
        let text = |name: &str, usual: &'static str| attribute(name).map_or(usual.as_bytes(), |it| it.text);
        let is_on = |name: &str| attribute(name).and_then(|it| it.integer).is_some_and(|number| number != 0);
        if is_on("antialias") {
            return Err("antialiases".to_string());
        }
        if text("keep_aspect_ratio_policy", "stretch") != b"stretch" {
            return Err("keeps the aspect".to_string());
        }
        let mode = text("coordinate_transformation_mode", "half_pixel");
        let unknown = || format!("has the coordinates `{}`", String::from_utf8_lossy(mode));
        let coordinates = Coordinates::named(mode).ok_or_else(unknown)?;
        let a = attribute("cubic_coeff_a").and_then(|it| it.float).unwrap_or(-0.75);
        let outside = if is_on("exclude_outside") { Outside::Excluded } else { Outside::Clamped };
        Ok(Cubic { coordinates, a: a.into(), outside })
    }

    /// Every axis of the input, by `sizes` where they are given, else by `scales`; either may be of some `axes` only.
    fn axes(&self, dims: &[usize], constants: &Constants<'a>, files: &Files) -> Result<Vec<Axis>, String> {
        let of_size = |why: String| format!("resizes to a size {why}");
        let whole = |from: usize, size: i64| {
            let to = usize::try_from(size).unwrap_or(0);
            Axis { from, to, scale: to as f64 / from as f64 }
        };
        let scaled = |from: usize, scale: f32| {
            let scale = f64::from(scale);
            Axis { from, to: (from as f64 * scale).floor() as usize, scale }
        };
        let mut axes: Vec<Axis> = dims.iter().map(|&from| Axis { from, to: from, scale: 1.0 }).collect();
        let places = self.places(dims.len())?;
        let given: Vec<Axis> = if self.node.input(3).is_empty() {
            let scales =
                constants.get(self.node.input(2)).and_then(|it| it.floats(files)).map_err(of_size)?;
            if scales.len() != places.len() {
                return Err(of_size(format!("of {} scales for {} axes", scales.len(), places.len())));
            }
            places.iter().zip(scales).map(|(&at, scale)| scaled(dims[at], scale)).collect()
        } else {
            let sizes =
                constants.get(self.node.input(3)).and_then(|it| it.integers(files)).map_err(of_size)?;
            if sizes.len() != places.len() {
                return Err(of_size(format!("of {} lengths for {} axes", sizes.len(), places.len())));
            }
            places.iter().zip(sizes).map(|(&at, size)| whole(dims[at], size)).collect()
        };
        places.into_iter().zip(given).for_each(|(at, axis)| axes[at] = axis);
        Ok(axes)
    }

    /// Which axes `sizes` and `scales` speak of: the attribute `axes` (below 0 from the end), or all.
    fn places(&self, rank: usize) -> Result<Vec<usize>, String> {
        let Some(axes) = self.node.attributes.get(&b"axes"[..]) else { return Ok((0..rank).collect()) };
        let place = |&axis: &i64| {
            let place = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
            usize::try_from(place).ok().filter(|place| *place < rank)
        };
        let places: Option<Vec<usize>> = axes.integers.iter().map(place).collect();
        places.ok_or_else(|| format!("has the axes {:?} of {rank}", axes.integers))
    }
}

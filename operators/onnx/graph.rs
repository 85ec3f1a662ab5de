//! Reads an ONNX file: its inputs and outputs, and which files beside it hold its tensors. No weights are read.
//!
//! Every place where a tensor can be is walked: a place that is missed could make a back-end open a file that nobody checked. Field
//! numbers: onnx/onnx.proto of ONNX 1.23. The wire format has a file of its own, `wire.rs`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use super::wire::{Field, fields};

/// What goes into a graph and what comes out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Without the weights, which old graphs list among their inputs.
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

/// A named input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub element: Element,
    /// Per axis its length, `None` where it may vary. `None` altogether where the graph says nothing.
    pub shape: Option<Vec<Option<usize>>>,
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    I32,
    I64,
    /// Bytes, 0 to 255.
    U8,
    /// Any other, by ONNX's number (TensorProto.DataType); 0 where the graph doesn't say.
    Other(i32),
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::F32 => f.write_str("f32"),
            Element::F16 => f.write_str("f16"),
            Element::I32 => f.write_str("i32"),
            Element::I64 => f.write_str("i64"),
            Element::U8 => f.write_str("u8"),
            Element::Other(number) => write!(f, "type {number}"),
        }
    }
}

impl fmt::Display for Port {
    /// `pixel_values f32 [?,3,224,224]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.name, self.element)?;
        let Some(shape) = &self.shape else { return f.write_str("[..]") };
        let axes: Vec<String> =
            shape.iter().map(|axis| axis.map_or("?".to_string(), |length| length.to_string())).collect();
        write!(f, "[{}]", axes.join(","))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{} -> {}", list(&self.inputs), list(&self.outputs))
    }
}

/// What the look found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) signature: Signature,
    /// The `location` of every tensor that is kept outside, as the graph writes it.
    pub(super) locations: BTreeSet<String>,
    /// Whether a Resize in it is cubic, which the embedded back-end would take for linear.
    pub(super) resizes_cubically: bool,
    /// ModelProto.metadata_props, by key.
    pub(super) metadata: std::collections::BTreeMap<String, String>,
}

/// Maps a file for reading.
pub(super) fn map(path: &Path) -> Result<Mmap, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    // SAFETY: a model that is rewritten in place while it is mapped gives wrong bytes or ends the process, here as in every
    // runtime that maps models: they are to be replaced by renaming.
    unsafe { Mmap::map(&file) }.map_err(|error| error.to_string())
}

/// Looks into the ONNX file at `path`.
pub(super) fn look(path: &Path) -> Result<Seen, String> {
    look_at(&map(path)?)
}

/// Looks into what an ONNX file holds.
pub(super) fn look_at(bytes: &[u8]) -> Result<Seen, String> {
    let mut walk = Walk::default();
    walk.model(bytes).map_err(|error| format!("it is no sound ONNX file: {error}"))?;
    if walk.seen.signature.outputs.is_empty() {
        return Err("it is no ONNX model: it has no graph with an output".to_string());
    }
    let weights = std::mem::take(&mut walk.weights);
    walk.seen.signature.inputs.retain(|port| !weights.contains(&port.name));
    Ok(walk.seen)
}

/// Graphs within graphs (the branches of an If) go a few levels deep; a file that goes further wants to overflow the stack.
const DEEPEST: usize = 32;

#[derive(Default)]
struct Walk {
    seen: Seen,
    weights: BTreeSet<String>,
    depth: usize,
}

type Walked = Result<(), String>;

impl Walk {
    fn model(&mut self, message: &[u8]) -> Walked {
        fields(message, |field| match field.number {
            7 => self.graph(field.message()?),
            14 => entry(field.message()?).map(|entry| self.seen.metadata.extend([entry])),
            20 => self.training(field.message()?),
            25 => self.function(field.message()?),
            _ => Ok(()),
        })
    }

    /// TrainingInfoProto: initialization, algorithm.
    fn training(&mut self, message: &[u8]) -> Walked {
        fields(message, |field| match field.number {
            1 | 2 => self.graph(field.message()?),
            _ => Ok(()),
        })
    }

    /// FunctionProto: node, attribute_proto.
    fn function(&mut self, message: &[u8]) -> Walked {
        fields(message, |field| match field.number {
            7 => self.node(field.message()?),
            11 => self.attribute(field.message()?),
            _ => Ok(()),
        })
    }

    /// GraphProto: node, initializer, input, output, sparse_initializer.
    fn graph(&mut self, message: &[u8]) -> Walked {
        if self.depth >= DEEPEST {
            return Err(format!("graphs nested more than {DEEPEST} deep"));
        }
        self.depth += 1;
        let is_outermost = self.depth == 1;
        fields(message, |field| {
            match field.number {
                1 => self.node(field.message()?)?,
                5 => {
                    let name = self.tensor(field.message()?)?;
                    self.weights.extend(is_outermost.then_some(name));
                }
                11 if is_outermost => self.seen.signature.inputs.push(port(field.message()?)?),
                12 if is_outermost => self.seen.signature.outputs.push(port(field.message()?)?),
                15 => self.sparse_tensor(field.message()?)?,
                _ => {}
            }
            Ok(())
        })?;
        self.depth -= 1;
        Ok(())
    }

    /// NodeProto: op_type, attribute.
    fn node(&mut self, message: &[u8]) -> Walked {
        let (mut resizes, mut cubic) = (false, false);
        fields(message, |field| {
            match field.number {
                4 => resizes = field.message()? == b"Resize",
                5 => {
                    cubic |= says_cubic(field.message()?)?;
                    self.attribute(field.message()?)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        self.seen.resizes_cubically |= resizes && cubic;
        Ok(())
    }

    /// AttributeProto: t and tensors, g and graphs, sparse_tensor and sparse_tensors.
    fn attribute(&mut self, message: &[u8]) -> Walked {
        fields(message, |field| match field.number {
            5 | 10 => self.tensor(field.message()?).map(|_| ()),
            6 | 11 => self.graph(field.message()?),
            22 | 23 => self.sparse_tensor(field.message()?),
            _ => Ok(()),
        })
    }

    /// SparseTensorProto: values, indices.
    fn sparse_tensor(&mut self, message: &[u8]) -> Walked {
        fields(message, |field| match field.number {
            1 | 2 => self.tensor(field.message()?).map(|_| ()),
            _ => Ok(()),
        })
    }

    /// TensorProto: its name is given; of external_data's entries (key, value) the one with `location` names a file.
    fn tensor(&mut self, message: &[u8]) -> Result<String, String> {
        let mut name = String::new();
        fields(message, |field| {
            match field.number {
                8 => name = field.text()?,
                13 => {
                    let (key, value) = entry(field.message()?)?;
                    self.seen.locations.extend((key == "location").then_some(value));
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(name)
    }
}

/// AttributeProto: whether its s is `cubic`.
fn says_cubic(message: &[u8]) -> Result<bool, String> {
    let mut cubic = false;
    fields(message, |field| {
        if field.number == 4 {
            cubic = field.message()? == b"cubic";
        }
        Ok(())
    })?;
    Ok(cubic)
}

/// StringStringEntryProto: key, value.
pub(super) fn entry(message: &[u8]) -> Result<(String, String), String> {
    let (mut key, mut value) = (String::new(), String::new());
    fields(message, |field| {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

/// ValueInfoProto: name, type; of the kinds of type only tensors are looked at.
pub(super) fn port(message: &[u8]) -> Result<Port, String> {
    let mut found = Port { name: String::new(), element: Element::Other(0), shape: None };
    fields(message, |field| match field.number {
        1 => field.text().map(|name| found.name = name),
        2 => fields(field.message()?, |kind| match kind.number {
            1 => tensor_type(kind.message()?, &mut found),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(found)
}

/// TypeProto.Tensor: elem_type, shape (TensorShapeProto: dim).
fn tensor_type(message: &[u8], found: &mut Port) -> Walked {
    fields(message, |field| {
        match field.number {
            1 => {
                found.element = match field.number()? {
                    1 => Element::F32,
                    2 => Element::U8,
                    6 => Element::I32,
                    7 => Element::I64,
                    10 => Element::F16,
                    other => Element::Other(i32::try_from(other).unwrap_or(0)),
                }
            }
            2 => {
                let mut shape = Vec::new();
                fields(field.message()?, |dim| {
                    if dim.number == 1 {
                        shape.push(length(dim)?);
                    }
                    Ok(())
                })?;
                found.shape = Some(shape);
            }
            _ => {}
        }
        Ok(())
    })
}

/// TensorShapeProto.Dimension: dim_value, where it is above 0; a dim_param is a name, and may be any length.
fn length(dim: Field<'_>) -> Result<Option<usize>, String> {
    let mut length = None;
    fields(dim.message()?, |field| {
        if field.number == 1 {
            length = usize::try_from(field.number()?)
                .ok()
                .filter(|&value| value > 0 && value <= isize::MAX as usize);
        }
        Ok(())
    })?;
    Ok(length)
}

//! A look into an ONNX file: what goes in and out, and which files beside it hold its tensors. No weights are read.
//!
//! The wire format is read by rten-onnx; the messages are walked here, because every place where a tensor can stand has to be
//! seen: one that was missed could make a back-end open a file that nobody checked. Field numbers: onnx/onnx.proto of ONNX 1.23.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::Path;

use rten_onnx::protobuf::{Field, Fields, OwnedValues, ReadValue, ValueReader};

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
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) signature: Signature,
    /// The `location` of every tensor that is kept outside, as the graph writes it.
    pub(super) locations: BTreeSet<String>,
}

/// Reads the ONNX file at `path`.
pub(super) fn look(path: &Path) -> Result<Seen, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = ValueReader::from_file(file);
    let mut walk = Walk::default();
    let fields = Fields::new(&mut reader, Some("ModelProto"));
    walk.model(fields).map_err(|error| format!("it is no sound ONNX file: {error}"))?;
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

/// A message's fields, whatever they are read from.
trait Source: ReadValue<Types = OwnedValues> {}
impl<R: ReadValue<Types = OwnedValues>> Source for R {}

/// Calls `each` on every field of a message, and steps over what it doesn't take.
fn fields<R: Source>(
    mut fields: Fields<'_, R>,
    mut each: impl FnMut(&mut Field<'_, R>) -> Result<bool, String>,
) -> Walked {
    while let Some(mut field) = fields.next().map_err(|error| error.to_string())? {
        if !each(&mut field)? {
            field.skip().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Reads the message in `field` with `$walk`.
macro_rules! within {
    ($field:expr, $walk:expr) => {
        $field.read_message(None).map_err(|error| error.to_string()).and_then($walk).map(|()| true)
    };
}

impl Walk {
    fn model<R: Source>(&mut self, message: Fields<'_, R>) -> Walked {
        fields(message, |field| match field.number() {
            7 => within!(field, |graph| self.graph(graph)),
            // TrainingInfoProto: initialization, algorithm.
            20 => within!(field, |info| fields(info, |field| match field.number() {
                1 | 2 => within!(field, |graph| self.graph(graph)),
                _ => Ok(false),
            })),
            // FunctionProto: node, attribute_proto.
            25 => within!(field, |function| fields(function, |field| match field.number() {
                7 => within!(field, |node| self.node(node)),
                11 => within!(field, |attribute| self.attribute(attribute)),
                _ => Ok(false),
            })),
            _ => Ok(false),
        })
    }

    fn graph<R: Source>(&mut self, message: Fields<'_, R>) -> Walked {
        if self.depth >= DEEPEST {
            return Err(format!("graphs nested more than {DEEPEST} deep"));
        }
        self.depth += 1;
        let is_outermost = self.depth == 1;
        fields(message, |field| match field.number() {
            1 => within!(field, |node| self.node(node)),
            5 => {
                let mut name = String::new();
                within!(field, |tensor| self.tensor(tensor, &mut name))?;
                if is_outermost {
                    self.weights.insert(name);
                }
                Ok(true)
            }
            number @ (11 | 12) if is_outermost => {
                let mut found = Port { name: String::new(), element: Element::Other(0), shape: None };
                within!(field, |info| port(info, &mut found))?;
                let signature = &mut self.seen.signature;
                let ports = if number == 11 { &mut signature.inputs } else { &mut signature.outputs };
                ports.push(found);
                Ok(true)
            }
            15 => within!(field, |sparse| self.sparse_tensor(sparse)),
            _ => Ok(false),
        })?;
        self.depth -= 1;
        Ok(())
    }

    fn node<R: Source>(&mut self, message: Fields<'_, R>) -> Walked {
        fields(message, |field| match field.number() {
            5 => within!(field, |attribute| self.attribute(attribute)),
            _ => Ok(false),
        })
    }

    /// AttributeProto: t and tensors, g and graphs, sparse_tensor and sparse_tensors.
    fn attribute<R: Source>(&mut self, message: Fields<'_, R>) -> Walked {
        fields(message, |field| match field.number() {
            5 | 10 => within!(field, |tensor| self.tensor(tensor, &mut String::new())),
            6 | 11 => within!(field, |graph| self.graph(graph)),
            22 | 23 => within!(field, |sparse| self.sparse_tensor(sparse)),
            _ => Ok(false),
        })
    }

    fn sparse_tensor<R: Source>(&mut self, message: Fields<'_, R>) -> Walked {
        fields(message, |field| match field.number() {
            1 | 2 => within!(field, |tensor| self.tensor(tensor, &mut String::new())),
            _ => Ok(false),
        })
    }

    /// TensorProto: name, and external_data's entries (key, value), of which `location` names a file.
    fn tensor<R: Source>(&mut self, message: Fields<'_, R>, name: &mut String) -> Walked {
        fields(message, |field| match field.number() {
            8 => text(field, name),
            13 => {
                let (mut key, mut value) = (String::new(), String::new());
                within!(field, |entry| fields(entry, |field| match field.number() {
                    1 => text(field, &mut key),
                    2 => text(field, &mut value),
                    _ => Ok(false),
                }))?;
                if key == "location" {
                    self.seen.locations.insert(value);
                }
                Ok(true)
            }
            _ => Ok(false),
        })
    }
}

fn text<R: Source>(field: &mut Field<'_, R>, into: &mut String) -> Result<bool, String> {
    *into = field.read_string().map_err(|error| error.to_string())?;
    Ok(true)
}

/// ValueInfoProto: name, type; of a type only tensors are looked at: elem_type, shape's dims.
fn port<R: Source>(message: Fields<'_, R>, found: &mut Port) -> Walked {
    fields(message, |field| match field.number() {
        1 => text(field, &mut found.name),
        2 => within!(field, |kind| fields(kind, |field| match field.number() {
            1 => within!(field, |tensor| tensor_type(tensor, found)),
            _ => Ok(false),
        })),
        _ => Ok(false),
    })
}

fn tensor_type<R: Source>(message: Fields<'_, R>, found: &mut Port) -> Walked {
    fields(message, |field| match field.number() {
        1 => {
            found.element = match field.get_enum().map_err(|error| error.to_string())? {
                1 => Element::F32,
                6 => Element::I32,
                7 => Element::I64,
                10 => Element::F16,
                other => Element::Other(other),
            };
            Ok(true)
        }
        2 => {
            let mut shape = Vec::new();
            within!(field, |dims| fields(dims, |field| match field.number() {
                1 => within!(field, |dim| {
                    let mut length = None;
                    fields(dim, |field| {
                        if field.number() == 1 {
                            let value = field.get_int64().map_err(|error| error.to_string())?;
                            length = usize::try_from(value).ok().filter(|&value| value > 0);
                            return Ok(true);
                        }
                        Ok(false)
                    })?;
                    shape.push(length);
                    Ok(())
                }),
                _ => Ok(false),
            }))?;
            found.shape = Some(shape);
            Ok(true)
        }
        _ => Ok(false),
    })
}

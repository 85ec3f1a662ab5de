//! Contracts: what an operator wants of a model. It is checked before anything runs, and an error states what was found.

use std::fmt;

use super::OnnxError;
use super::folder::Model;
use super::graph::{Element, Port, Signature};
use super::session::TensorIn;

/// One axis of a shape that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Exactly this length, or one that may vary.
    Is(usize),
    /// Any length, by a letter for people.
    Any(&'static str),
}

/// An input or output that is wanted: an element type, and one of several shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Empty where any name does.
    pub name: &'static str,
    pub element: Element,
    pub shapes: Vec<Vec<Axis>>,
}

impl Wanted {
    /// A wanted float tensor of one of these shapes. One of half precision is taken too: it is fed and read as f32.
    pub fn f32(name: &'static str, shapes: &[&[Axis]]) -> Self {
        Wanted { name, element: Element::F32, shapes: shapes.iter().map(|shape| shape.to_vec()).collect() }
    }

    /// A wanted integer tensor of one of these shapes. One of 32 bits is taken too: it is fed and read as i64.
    pub fn i64(name: &'static str, shapes: &[&[Axis]]) -> Self {
        Wanted { element: Element::I64, ..Wanted::f32(name, shapes) }
    }

    /// Whether `port` is this. A shape that the graph doesn't tell is given the benefit of the doubt.
    pub fn fits(&self, port: &Port) -> bool {
        let name_fits = self.name.is_empty() || self.name == port.name;
        let shape_fits = |shape: &Vec<Option<usize>>| {
            self.shapes.iter().any(|wanted| {
                wanted.len() == shape.len()
                    && wanted.iter().zip(shape).all(|(axis, found)| match (axis, found) {
                        (Axis::Is(length), Some(found)) => length == found,
                        _ => true,
                    })
            })
        };
        name_fits && takes(self.element, port.element) && port.shape.as_ref().is_none_or(shape_fits)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axis = |axis: &Axis| match axis {
            Axis::Is(length) => length.to_string(),
            Axis::Any(letter) => letter.to_string(),
        };
        let shape = |shape: &Vec<Axis>| format!("[{}]", shape.iter().map(axis).collect::<Vec<_>>().join(","));
        let name = if self.name.is_empty() { "any name" } else { self.name };
        let shapes: Vec<String> = self.shapes.iter().map(shape).collect();
        write!(f, "{name} {} {}", self.element, shapes.join(" or "))
    }
}

impl Model {
    /// The ports that fit: exactly `inputs` and nothing else goes in, and each of `outputs` comes out (others may as well).
    /// Gives the ports in the order asked for.
    pub fn fit(&self, inputs: &[Wanted], outputs: &[Wanted]) -> Result<(Vec<&Port>, Vec<&Port>), OnnxError> {
        let pick = |wanted: &[Wanted], ports: &[Port]| -> Option<Vec<usize>> {
            wanted.iter().map(|wanted| ports.iter().position(|port| wanted.fits(port))).collect()
        };
        let signature = &self.signature;
        match (pick(inputs, &signature.inputs), pick(outputs, &signature.outputs)) {
            (Some(ins), Some(outs)) if signature.inputs.len() == inputs.len() => Ok((
                ins.into_iter().map(|at| &signature.inputs[at]).collect(),
                outs.into_iter().map(|at| &signature.outputs[at]).collect(),
            )),
            _ => {
                let list =
                    |wanted: &[Wanted]| wanted.iter().map(Wanted::to_string).collect::<Vec<_>>().join(", ");
                Err(OnnxError::Contract {
                    path: self.path.clone(),
                    wanted: format!("{} -> {}", list(inputs), list(outputs)),
                    found: signature.to_string(),
                })
            }
        }
    }
}

/// Whether numbers of the one type can stand for the graph's own: halves are narrowed from f32, 32-bit integers from i64.
fn takes(given: Element, graphs: Element) -> bool {
    given == graphs || matches!((given, graphs), (Element::F32, Element::F16) | (Element::I64, Element::I32))
}

/// What is to be fed to one input of the graph.
pub(super) type Feed<'a> = (&'a Port, TensorIn<'a>);

/// Checks what is about to be fed: every input of the graph once, by name, with its element type and a shape that holds.
/// Gives the feeds in the graph's order.
pub(super) fn check_feeds<'a>(
    signature: &'a Signature,
    feeds: &[(&str, TensorIn<'a>)],
) -> Result<Vec<Feed<'a>>, String> {
    let mut checked = Vec::with_capacity(feeds.len());
    for port in &signature.inputs {
        let Some((_, tensor)) = feeds.iter().find(|(name, _)| *name == port.name) else {
            return Err(format!("input `{port}` was not given"));
        };
        let (element, shape, length) = match tensor {
            TensorIn::F32 { shape, data } => (Element::F32, shape, data.len()),
            TensorIn::I64 { shape, data } => (Element::I64, shape, data.len()),
            TensorIn::U8 { shape, data } => (Element::U8, shape, data.len()),
        };
        let axes_fit = port.shape.as_ref().is_none_or(|axes| {
            axes.len() == shape.len()
                && axes.iter().zip(*shape).all(|(axis, given)| axis.is_none_or(|a| a == *given))
        });
        if !takes(element, port.element) || !axes_fit || shape.iter().product::<usize>() != length {
            return Err(format!("input `{port}` was given {element} {shape:?} of {length} values"));
        }
        checked.push((port, *tensor));
    }
    match feeds.iter().find(|(name, _)| signature.inputs.iter().all(|port| port.name != *name)) {
        Some((name, _)) => Err(format!("there is no input `{name}`: {signature}")),
        None => Ok(checked),
    }
}

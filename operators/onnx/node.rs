//! Nodes of a graph, as far as this room looks at them: what a node reads and writes, its kind and its attributes.
//!
//! Field numbers: onnx/onnx.proto of ONNX 1.23.

use std::collections::BTreeMap;

use super::constant::Constant;
use super::wire::{Field, fields};

/// NodeProto.
#[derive(Clone, Default)]
pub(super) struct Node<'a> {
    pub(super) name: &'a [u8],
    pub(super) inputs: Vec<&'a [u8]>,
    pub(super) outputs: Vec<&'a [u8]>,
    /// The operator; empty for those of other domains than ONNX's own.
    pub(super) kind: &'a [u8],
    pub(super) attributes: BTreeMap<&'a [u8], Attribute<'a>>,
}

/// AttributeProto: f, i, s, t, g, floats, ints.
#[derive(Clone, Default)]
pub(super) struct Attribute<'a> {
    pub(super) float: Option<f32>,
    pub(super) integer: Option<u64>,
    pub(super) text: &'a [u8],
    pub(super) tensor: Option<&'a [u8]>,
    pub(super) graph: Option<&'a [u8]>,
    pub(super) floats: Vec<f32>,
    pub(super) integers: Vec<i64>,
}

impl<'a> Node<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, String> {
        let mut node = Node::default();
        let mut domain: &[u8] = b"";
        fields(message, |field| {
            match field.number {
                1 => node.inputs.push(field.message()?),
                2 => node.outputs.push(field.message()?),
                3 => node.name = field.message()?,
                4 => node.kind = field.message()?,
                5 => node.attributes.extend([attribute(field)?]),
                7 => domain = field.message()?,
                _ => {}
            }
            Ok(())
        })?;
        // Others' operators may bear the same names.
        if !domain.is_empty() && domain != b"ai.onnx" {
            node.kind = b"";
        }
        Ok(node)
    }

    /// The name of an input, empty where there is none.
    pub(super) fn input(&self, at: usize) -> &'a [u8] {
        self.inputs.get(at).copied().unwrap_or_default()
    }

    /// The name of an output, empty where there is none.
    pub(super) fn output(&self, at: usize) -> &'a [u8] {
        self.outputs.get(at).copied().unwrap_or_default()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.attributes.get(name.as_bytes()).and_then(|it| it.integer).map(|value| value as i64)
    }

    pub(super) fn integers(&self, name: &str) -> Option<&[i64]> {
        self.attributes.get(name.as_bytes()).map(|it| &it.integers[..])
    }

    /// A text; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &'a [u8] {
        self.attributes.get(name.as_bytes()).map_or(b"", |it| it.text)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name.as_bytes())
    }

    /// The graphs within: an If's branches, a Loop's body.
    pub(super) fn graphs(&self) -> impl Iterator<Item = &'a [u8]> {
        self.attributes.values().filter_map(|attribute| attribute.graph)
    }
}

fn attribute<'a>(field: Field<'a>) -> Result<(&'a [u8], Attribute<'a>), String> {
    let (mut name, mut found): (&[u8], _) = (b"", Attribute::default());
    fields(field.message()?, |field| {
        match field.number {
            1 => name = field.message()?,
            2 => found.float = field.floats()?.first_chunk().map(|bytes| f32::from_le_bytes(*bytes)),
            3 => found.integer = Some(field.number()?),
            4 => found.text = field.message()?,
            5 => found.tensor = Some(field.message()?),
            6 => found.graph = Some(field.message()?),
            7 => found.floats.extend(field.floats()?.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it))),
            8 => found.integers.extend(field.numbers()?.into_iter().map(|number| number as i64)),
            _ => {}
        }
        Ok(())
    })?;
    Ok((name, found))
}

/// Whether an operator is one of a list of names with a blank between.
pub(super) fn is_one_of(kind: &[u8], list: &str) -> bool {
    list.split(' ').any(|name| name.as_bytes() == kind)
}

/// The tensors of a graph that are the same on every run, by name.
pub(super) struct Constants<'a> {
    tensors: BTreeMap<&'a [u8], &'a [u8]>,
    /// What an Identity calls by another name.
    aliases: BTreeMap<&'a [u8], &'a [u8]>,
}

impl<'a> Constants<'a> {
    pub(super) fn of(graph: &'a [u8]) -> Result<Self, String> {
        let mut found = Constants { tensors: BTreeMap::new(), aliases: BTreeMap::new() };
        fields(graph, |field| {
            match field.number {
                1 => {
                    let node = Node::parse(field.message()?)?;
                    match node.kind {
                        b"Identity" => {
                            found.aliases.insert(node.output(0), node.input(0));
                        }
                        b"Constant" => {
                            let tensor = node.attributes.get(&b"value"[..]).and_then(|value| value.tensor);
                            found.tensors.extend(tensor.map(|tensor| (node.output(0), tensor)));
                        }
                        _ => {}
                    }
                }
                5 => {
                    let tensor = field.message()?;
                    found.tensors.insert(Constant::parse(tensor)?.name, tensor);
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn get(&self, mut name: &'a [u8]) -> Result<Constant<'a>, String> {
        // A graph has no cycles, and a file of nonsense no endless one.
        for _ in 0..=self.aliases.len() {
            if let Some(tensor) = self.tensors.get(name) {
                return Constant::parse(tensor);
            }
            name = self.aliases.get(name).copied().unwrap_or_default();
        }
        Err("that is computed anew on every run".to_string())
    }
}

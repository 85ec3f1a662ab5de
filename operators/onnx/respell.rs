//! Rewrites nodes that rten 0.27 computes wrong as nodes that it computes right, for the graph that it is given. The file is not changed.
//!
//! - `Cast` to truth values leaves numbers as they are: it becomes a comparison with 0.
//! - `ArgMax` and `ArgMin` may take the last of equal numbers, where ONNX takes the first: they become `TopK` of one.
//! - `Softplus` of more than 88 is infinite: it becomes max(x, 0) + log(1 + exp(-|x|)).
//! - `Unsqueeze`, `Expand` and `Reshape` in a row are fused into a repetition of single numbers whatever axis is new: an `Expand`
//!   that changes nothing is put between, so that they aren't.
//!
//! Real models have other such nodes too often to refuse them. Each is in the corpus of `tests/onnx_corpus.py`.

use std::collections::BTreeMap;

use super::constant::{BOOL, FLOAT};
use super::node::Node;
use super::wire::{Field, fields, put_message, put_number};

/// The model in such words, or `None` where nothing is to be changed.
pub(super) fn respell(model: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut changed = false;
    let mut made = Vec::new();
    fields(model, |field| {
        if field.number == 7 {
            let graph = of_graph(field.message()?)?;
            changed |= graph.is_some();
            if let Some(graph) = graph {
                made = graph;
            }
        }
        Ok(())
    })?;
    if !changed {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(model.len() + 4096);
    fields(model, |field| {
        match field.number {
            7 => put_message(&mut out, 7, &made),
            _ => out.extend_from_slice(field.raw),
        }
        Ok(())
    })?;
    Ok(Some(out))
}

/// GraphProto, with its nodes respelt; `None` where none is.
fn of_graph(graph: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut makers: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
    let mut reshaped: Vec<&[u8]> = Vec::new();
    fields(graph, |field| {
        if field.number == 1 {
            let node = Node::parse(field.message()?)?;
            makers.extend(node.outputs.iter().map(|output| (*output, node.kind)));
            reshaped.extend((node.kind == b"Reshape").then(|| node.input(0)));
        }
        Ok(())
    })?;
    let mut changed = false;
    let mut respelt: Vec<Option<Vec<u8>>> = Vec::new();
    fields(graph, |field| {
        if field.number == 1 {
            let node = Node::parse(field.message()?)?;
            let spelt = match of_node(&node, &makers, &reshaped) {
                Some(nodes) => Some(nodes),
                None => within(&node, field)?,
            };
            changed |= spelt.is_some();
            respelt.push(spelt);
        }
        Ok(())
    })?;
    if !changed {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(graph.len() + 4096);
    let mut respelt = respelt.into_iter();
    fields(graph, |field| {
        match if field.number == 1 { respelt.next().flatten() } else { None } {
            Some(nodes) => out.extend_from_slice(&nodes),
            None => out.extend_from_slice(field.raw),
        }
        Ok(())
    })?;
    Ok(Some(out))
}

/// A node whose own graphs (an If's branches, a Loop's body) are respelt, as a field of its graph.
fn within(node: &Node<'_>, field: Field<'_>) -> Result<Option<Vec<u8>>, String> {
    if node.graphs().next().is_none() {
        return Ok(None);
    }
    let (mut changed, mut message) = (false, Vec::new());
    fields(field.message()?, |part| {
        if part.number != 5 {
            message.extend_from_slice(part.raw);
            return Ok(());
        }
        let mut attribute = Vec::new();
        fields(part.message()?, |inner| {
            let graph = if inner.number == 6 { of_graph(inner.message()?)? } else { None };
            changed |= graph.is_some();
            match graph {
                Some(graph) => put_message(&mut attribute, 6, &graph),
                None => attribute.extend_from_slice(inner.raw),
            }
            Ok(())
        })?;
        put_message(&mut message, 5, &attribute);
        Ok(())
    })?;
    let mut out = Vec::new();
    put_message(&mut out, 1, &message);
    Ok(changed.then_some(out))
}

/// The nodes that stand for `node`, as fields of its graph; `None` where it stays.
fn of_node(node: &Node<'_>, makers: &BTreeMap<&[u8], &[u8]>, reshaped: &[&[u8]]) -> Option<Vec<u8>> {
    let mut spelling = Spelling { base: node.output(0), out: Vec::new() };
    let (x, y) = (node.input(0), node.output(0));
    match node.kind {
        b"Cast" if node.integer("to") == Some(BOOL as i64) => {
            let float = spelling.put("Cast", &[x], "float", &[("to", Attribute::Integer(FLOAT as i64))]);
            let zero = spelling.constant("zero", Attribute::Float(0.0));
            let equal = spelling.put("Equal", &[&float, &zero], "equal", &[]);
            spelling.node("Not", &[&equal], &[y], &[]);
        }
        b"ArgMax" | b"ArgMin" if node.integer("select_last_index").unwrap_or(0) == 0 => {
            let axis = node.integer("axis").unwrap_or(0);
            let one = spelling.constant("one", Attribute::Integers(vec![1]));
            let keeps = node.integer("keepdims").unwrap_or(1) != 0;
            let (best, place) = (spelling.name("best"), spelling.name("place"));
            let attributes = [
                ("axis", Attribute::Integer(axis)),
                ("largest", Attribute::Integer(i64::from(node.kind == b"ArgMax"))),
                ("sorted", Attribute::Integer(1)),
            ];
            let at: &[u8] = if keeps { y } else { &place };
            spelling.node("TopK", &[x, &one], &[&best, at], &attributes);
            if !keeps {
                let axes = spelling.constant("axes", Attribute::Integers(vec![axis]));
                spelling.node("Squeeze", &[&place, &axes], &[y], &[]);
            }
        }
        b"Softplus" => {
            let size = spelling.put("Abs", &[x], "size", &[]);
            let below = spelling.put("Neg", &[&size], "below", &[]);
            let small = spelling.put("Exp", &[&below], "small", &[]);
            let one = spelling.constant("one", Attribute::Float(1.0));
            let sum = spelling.put("Add", &[&small, &one], "sum", &[]);
            let log = spelling.put("Log", &[&sum], "log", &[]);
            let above = spelling.put("Relu", &[x], "above", &[]);
            spelling.node("Add", &[&above, &log], &[y], &[]);
        }
        b"Expand" if makers.get(x) == Some(&b"Unsqueeze".as_slice()) && reshaped.contains(&y) => {
            let one = spelling.constant("one", Attribute::Integers(vec![1]));
            let same = spelling.put("Expand", &[x, &one], "same", &[]);
            spelling.node("Expand", &[&same, node.input(1)], &[y], &[]);
        }
        _ => return None,
    }
    Some(spelling.out)
}

enum Attribute {
    Float(f32),
    Integer(i64),
    Integers(Vec<i64>),
}

/// Nodes that are being written, with names after the output that they make.
struct Spelling<'a> {
    base: &'a [u8],
    out: Vec<u8>,
}

impl Spelling<'_> {
    fn name(&self, part: &str) -> Vec<u8> {
        [self.base, b"/respelt/", part.as_bytes()].concat()
    }

    /// A node whose one output gets a name of its own.
    fn put(&mut self, kind: &str, inputs: &[&[u8]], part: &str, attributes: &[(&str, Attribute)]) -> Vec<u8> {
        let name = self.name(part);
        self.node(kind, inputs, &[&name], attributes);
        name
    }

    fn constant(&mut self, part: &str, value: Attribute) -> Vec<u8> {
        let name = match &value {
            Attribute::Float(_) => "value_float",
            Attribute::Integer(_) => "value_int",
            Attribute::Integers(_) => "value_ints",
        };
        self.put("Constant", &[], part, &[(name, value)])
    }

    /// NodeProto: input, output, op_type, attribute.
    fn node(&mut self, kind: &str, inputs: &[&[u8]], outputs: &[&[u8]], attributes: &[(&str, Attribute)]) {
        let mut node = Vec::new();
        inputs.iter().for_each(|name| put_message(&mut node, 1, name));
        outputs.iter().for_each(|name| put_message(&mut node, 2, name));
        put_message(&mut node, 4, kind.as_bytes());
        for (name, value) in attributes {
            put_message(&mut node, 5, &attribute(name, value));
        }
        put_message(&mut self.out, 1, &node);
    }
}

/// AttributeProto: name, f, i, ints, type.
fn attribute(name: &str, value: &Attribute) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, 1, name.as_bytes());
    let kind = match value {
        Attribute::Float(value) => {
            // A field of four bytes.
            out.push(2 << 3 | 5);
            out.extend_from_slice(&value.to_le_bytes());
            1
        }
        Attribute::Integer(value) => {
            put_number(&mut out, 3, *value as u64);
            2
        }
        Attribute::Integers(values) => {
            values.iter().for_each(|value| put_number(&mut out, 8, *value as u64));
            7
        }
    };
    put_number(&mut out, 20, kind);
    out
}

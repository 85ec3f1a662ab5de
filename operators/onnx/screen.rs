//! Which graphs the embedded back-end is not given: graphs that it is known to compute wrong, graphs of which this is not known, and graphs
//! that ask for more memory than a machine has.
//!
//! The list of operators contains those that were compared with ONNX Runtime (`tests/onnx_corpus.py` says by which attributes, shapes and
//! kinds of numbers). What came out differently is a rule of [`rules`](super::rules), or is rewritten by [`respell`](super::respell). rten
//! 0.27 itself refuses attributes that it does not know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::constant::Constant;
use super::graph::{Element, port};
use super::node::Node;
use super::rules;
use super::sizes::{self, Value, Values, Varying};
use super::wire::fields;

/// Files beside the graph that hold tensors, by the names that it gives them.
type Files = BTreeMap<String, PathBuf>;

/// Opsets of ONNX's own operators that were compared.
const OPSETS: std::ops::RangeInclusive<u64> = 7..=24;

/// What to do where the embedded back-end is not enough.
const INSTEAD: &str = "take ONNX Runtime (`pip install onnxruntime`, --backend onnxruntime)";

/// Says in words what of the model the embedded back-end may not be given.
pub(super) fn screen(model: &[u8], files: &Files) -> Result<(), String> {
    screen_within(model, files, memory())
}

/// [`screen`], for a machine of so many bytes of memory.
pub(super) fn screen_within(model: &[u8], files: &Files, memory: u64) -> Result<(), String> {
    let (mut graphs, mut opset) = (Vec::new(), None);
    fields(model, |field| {
        match field.number {
            7 => graphs.push(field.message()?),
            8 => opset = own_opset(field.message()?)?.or(opset),
            _ => {}
        }
        Ok(())
    })?;
    let opset = opset.ok_or("it does not say which opset it is of; export it again")?;
    if !OPSETS.contains(&opset) {
        return Err(format!(
            "its opset is {opset}, and the embedded back-end was compared with ONNX Runtime from {} to {} only; export it \
             again with one of those, or {INSTEAD}",
            OPSETS.start(),
            OPSETS.end()
        ));
    }
    for graph in graphs {
        for varying in [Varying::Unknown, Varying::One] {
            Screen { opset, varying, memory, files }.graph(graph, &Values::new())?;
        }
    }
    Ok(())
}

/// The version of ONNX's own operators that an OperatorSetIdProto names.
fn own_opset(message: &[u8]) -> Result<Option<u64>, String> {
    let (mut domain, mut version): (&[u8], _) = (b"", None);
    fields(message, |field| {
        match field.number {
            1 => domain = field.message()?,
            2 => version = Some(field.number()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(version.filter(|_| domain.is_empty() || domain == b"ai.onnx"))
}

/// The bytes of memory that one value may have: what the machine has, or what the process may use of it.
fn memory() -> u64 {
    // SAFETY: sysconf has no preconditions, and getrlimit writes into the struct that it is given.
    unsafe {
        let pages = u64::try_from(libc::sysconf(libc::_SC_PHYS_PAGES)).unwrap_or(0);
        let page = u64::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(0);
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        libc::getrlimit(libc::RLIMIT_AS, &raw mut limit);
        let there = pages.saturating_mul(page);
        // RLIM_INFINITY is the largest number.
        there.min(limit.rlim_cur)
    }
}

struct Screen<'f> {
    opset: u64,
    varying: Varying,
    memory: u64,
    files: &'f Files,
}

impl<'f> Screen<'f> {
    /// GraphProto: node, initializer, input, value_info. `outer` is what an If's or a Loop's graph sees of those around it.
    fn graph<'a>(&self, message: &'a [u8], outer: &Values<'a>) -> Result<(), String> {
        let (mut values, mut hints, mut nodes) = (outer.clone(), Values::new(), Vec::new());
        let mut sparse = false;
        fields(message, |field| {
            match field.number {
                1 => nodes.push(Node::parse(field.message()?)?),
                5 => {
                    let constant = Constant::parse(field.message()?)?;
                    let wide = constant.is_beyond_32_bits(self.files)?;
                    values.insert(constant.name, Value { wide, ..Value::of_constant(&constant) });
                }
                11 => {
                    let (name, value) = self.declared(field.message()?)?;
                    values.entry(name).or_insert(value);
                }
                13 => {
                    let (name, value) = self.declared(field.message()?)?;
                    hints.insert(name, value);
                }
                15 => sparse = true,
                _ => {}
            }
            Ok(())
        })?;
        if sparse {
            return Err(format!(
                "it has sparse weights, which the embedded back-end does not take; {INSTEAD}"
            ));
        }
        let mut makers: BTreeMap<&[u8], &Node<'a>> = BTreeMap::new();
        for node in &nodes {
            let ins: Vec<Option<&Value>> = node
                .inputs
                .iter()
                .map(|name| if name.is_empty() { None } else { values.get(name) })
                .collect();
            if self.varying == Varying::Unknown {
                let maker = |at: usize| makers.get(node.input(at)).copied();
                rules::check(node, &ins, self.opset, self.files, &maker).map_err(|why| {
                    format!("{why}; the embedded back-end is not right there, or was not compared: {INSTEAD}")
                })?;
            }
            let outs = sizes::infer(node, &ins, self.opset);
            for within in node.graphs() {
                self.graph(within, &values)?;
            }
            for (name, mut value) in node.outputs.iter().zip(outs) {
                if let Some(hint) = hints.get(name) {
                    value.kind = value.kind.or(hint.kind);
                    value.dims = value.dims.or_else(|| hint.dims.clone());
                }
                self.fits(node, name, &value)?;
                values.insert(name, value);
                makers.insert(name, node);
            }
        }
        Ok(())
    }

    /// ValueInfoProto, with its name.
    fn declared<'a>(&self, message: &'a [u8]) -> Result<(&'a [u8], Value), String> {
        let mut name: &[u8] = b"";
        fields(message, |field| {
            if field.number == 1 {
                name = field.message()?;
            }
            Ok(())
        })?;
        let port = port(message)?;
        let kind = match port.element {
            Element::F32 => Some(1),
            Element::F16 => Some(10),
            Element::I32 => Some(6),
            Element::I64 => Some(7),
            Element::U8 => Some(2),
            Element::Other(number) => u64::try_from(number).ok().filter(|number| *number != 0),
        };
        let free = (self.varying == Varying::One).then_some(1);
        let dims = port.shape.map(|shape| shape.iter().map(|n| n.map(|n| n as u64).or(free)).collect());
        Ok((name, Value { kind, dims, ..Value::default() }))
    }

    fn fits(&self, node: &Node<'_>, name: &[u8], value: &Value) -> Result<(), String> {
        match value.bytes() {
            Some(bytes) if bytes > self.memory => Err(format!(
                "{} makes `{}` of {} bytes, and this machine has {} for it; the file may be damaged",
                rules::named(node),
                String::from_utf8_lossy(name),
                bytes,
                self.memory
            )),
            _ => Ok(()),
        }
    }
}

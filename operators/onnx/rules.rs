//! Where rten 0.27 is known to differ from ONNX, and the operators that were compared. Each difference was seen in the corpus of
//! `tests/onnx_corpus.py`.
//!
//! A rule uses what the graph says: attributes, constants, and ranks and kinds of numbers as far as they follow from it. Raise `NUMERICS`
//! of the back-end when a rule is removed because rten was repaired.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::constant::{BOOL, Constant, INT8, INT32, INT64, UINT8};
use super::node::{Node, is_one_of};
use super::sizes::Value;

/// The operators that were compared with ONNX Runtime, and are right but for the rules below.
const COMPARED: &str = "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization Cast \
    CastLike Ceil Clip Concat ConcatFromSequence Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum \
    DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather \
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample HardSigmoid HardSwish \
    Identity If InstanceNormalization IsInf IsNaN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop \
    LpNormalization MatMul MatMulInteger Max MaxPool Mean Min Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear \
    RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd \
    ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RotaryEmbedding Round Scatter ScatterElements ScatterND \
    SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength Shape Sigmoid Sign Sin Sinh Size Slice \
    Softmax Softplus Softsign Split SplitToSequence Sqrt Squeeze Sub Sum Swish Tan Tanh Tile TopK Transpose Trilu Unsqueeze \
    Upsample Where Xor";

/// Those that take numbers of 8 bits.
const OF_BYTES: &str = "Cast CastLike Constant ConvInteger DequantizeLinear Expand Flatten Gather GatherElements GatherND Identity If \
    Loop MatMulInteger Pad QuantizeLinear Reshape Shape Size Slice Split Squeeze Tile Transpose Unsqueeze";

/// Those that take floats only, where ONNX has them for integers too.
const OF_FLOATS: &str = "Relu PRelu MatMul Gemm ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean Pow Mean";

/// The other nodes of a graph, by what they give: the maker of an input, by its place.
type Maker<'m, 'a> = &'m dyn Fn(usize) -> Option<&'m Node<'a>>;
type Files = BTreeMap<String, PathBuf>;

/// A node for people: ``Conv `name` ``.
pub(super) fn named(node: &Node<'_>) -> String {
    let name = if node.name.is_empty() { node.output(0) } else { node.name };
    let kind = if node.kind.is_empty() { b"an operator of another domain".as_slice() } else { node.kind };
    format!("operator {} (`{}`)", String::from_utf8_lossy(kind), String::from_utf8_lossy(name))
}

/// `Err` says in words what of the node is not to be given to the embedded back-end.
pub(super) fn check<'a>(
    node: &Node<'a>,
    ins: &[Option<&Value>],
    opset: u64,
    files: &Files,
    maker: Maker<'_, 'a>,
) -> Result<(), String> {
    if node.kind.is_empty() || !is_one_of(node.kind, COMPARED) {
        return Err(format!("it has the {}", named(node)));
    }
    let rule = of_numbers(node, ins, files)?
        .or_else(|| of_windows(node, ins))
        .or_else(|| of_matrices(node, ins, maker))
        .or_else(|| of_shapes(node, ins, opset))
        .or_else(|| of_values(node, ins))
        .or_else(|| of_sequences(node, ins));
    rule.map_or(Ok(()), |what| Err(format!("it has the {} {what}", named(node))))
}

fn input<'v>(ins: &[Option<&'v Value>], at: usize) -> Option<&'v Value> {
    ins.get(at).copied().flatten()
}

/// Kinds of numbers.
fn of_numbers(node: &Node<'_>, ins: &[Option<&Value>], files: &Files) -> Result<Option<String>, String> {
    let value = node.attributes.get(&b"value"[..]).and_then(|it| it.tensor);
    let value = value.map(Constant::parse).transpose()?;
    let makes_wide = value.map(|value| value.is_beyond_32_bits(files)).transpose()?.unwrap_or(false);
    let wide = |at: usize| input(ins, at).is_some_and(|it| it.wide);
    let passes_on = is_one_of(node.kind, "Concat Unsqueeze Squeeze Identity Constant");
    let reads_wide = (0..ins.len()).any(|at| wide(at) && !(node.kind == b"Slice" && (at == 1 || at == 2)));
    if (reads_wide && !passes_on) || (makes_wide && node.kind != b"Constant") {
        return Ok(Some("on a constant beyond 32 bits, which are all it counts with".to_string()));
    }
    let kinds: Vec<u64> = ins.iter().filter_map(|it| it.and_then(|it| it.kind)).collect();
    let bytes = kinds.iter().any(|kind| matches!(*kind, UINT8 | INT8));
    if bytes && !is_one_of(node.kind, OF_BYTES) {
        return Ok(Some("on numbers of 8 bits".to_string()));
    }
    let first = input(ins, 0).and_then(|it| it.kind);
    if matches!(first, Some(INT32 | INT64)) && is_one_of(node.kind, OF_FLOATS) {
        return Ok(Some("on integers".to_string()));
    }
    Ok(match node.kind {
        b"CastLike" => match input(ins, 1).and_then(|it| it.kind) {
            None | Some(BOOL) => Some("to truth values, or to what the graph does not tell".to_string()),
            Some(_) => None,
        },
        b"QuantizeLinear" if node.input(2).is_empty() && node.integer("output_dtype").unwrap_or(0) == 0 => {
            Some("without a zero point".to_string())
        }
        b"MatMulInteger" => {
            let weight = input(ins, 1).filter(|it| it.constant && it.kind != Some(UINT8));
            let zero =
                input(ins, 3).map(|it| it.known().is_none_or(|zeros| zeros.iter().any(|zero| *zero != 0)));
            (weight.is_some() && zero == Some(true))
                .then(|| "with a weight of int8 whose zero point is not 0".to_string())
        }
        b"Pow" => {
            let second = input(ins, 1).and_then(|it| it.kind);
            let whole = |kind: Option<u64>| kind.map(|kind| matches!(kind, INT32 | INT64));
            (whole(first).is_some() && whole(second).is_some() && whole(first) != whole(second))
                .then(|| "of a float and an integer".to_string())
        }
        b"OneHot" => (first == Some(1)).then(|| "with indices that are floats".to_string()),
        _ => None,
    })
}

/// Convolutions and pooling.
fn of_windows(node: &Node<'_>, ins: &[Option<&Value>]) -> Option<String> {
    if !is_one_of(node.kind, "Conv ConvInteger ConvTranspose AveragePool MaxPool") {
        return None;
    }
    let auto = node.text("auto_pad");
    if auto == b"SAME_LOWER" {
        return Some("with auto_pad SAME_LOWER".to_string());
    }
    let kernel = node.integers("kernel_shape");
    let spatial =
        kernel.map(<[i64]>::len).or(input(ins, 0).and_then(Value::rank).map(|rank| rank.saturating_sub(2)));
    if spatial.is_some_and(|spatial| spatial > 2) {
        return Some("over more than two axes".to_string());
    }
    let pads = node.integers("pads").unwrap_or_default();
    match node.kind {
        b"ConvInteger" if auto == b"SAME_UPPER" || pads.iter().any(|pad| *pad != 0) => {
            Some("with padding, which it fills with another number than the zero point".to_string())
        }
        b"AveragePool" | b"MaxPool" if !node.has("strides") => Some("without strides".to_string()),
        b"MaxPool" if !node.output(1).is_empty() => Some("with the output of indices".to_string()),
        b"AveragePool" if auto == b"SAME_UPPER" => {
            let strides = node.integers("strides").unwrap_or_default();
            let wider =
                kernel.unwrap_or_default().iter().zip(strides).any(|(kernel, stride)| stride > kernel);
            wider.then(|| "with auto_pad SAME_UPPER and strides above the kernel's size".to_string())
        }
        b"ConvTranspose" if auto == b"SAME_UPPER" => Some("with auto_pad SAME_UPPER".to_string()),
        b"Conv" | b"ConvInteger" | b"ConvTranspose"
            if kernel.is_none() && !["strides", "dilations", "pads"].iter().all(|name| node.has(name)) =>
        {
            Some("without kernel_shape, and without all of strides, dilations and pads".to_string())
        }
        _ => None,
    }
}

fn of_matrices<'a>(node: &Node<'a>, ins: &[Option<&Value>], maker: Maker<'_, 'a>) -> Option<String> {
    let rank = |at: usize| input(ins, at).and_then(Value::rank);
    match node.kind {
        b"MatMul" => (rank(1) == Some(1) && rank(0).is_none_or(|rank| rank > 2))
            .then(|| "of a stack of matrices and a list".to_string()),
        b"Add" => {
            // Fused into the product, a bias of one number is taken for one a column.
            let lone = |bias: usize, product: usize| {
                let is_list =
                    input(ins, bias).is_some_and(|it| it.constant && it.dims == Some(vec![Some(1)]));
                let columns = input(ins, product).and_then(|it| it.dims.as_ref()?.last().copied().flatten());
                is_list && columns != Some(1) && maker(product).is_some_and(|it| it.kind == b"MatMul")
            };
            (lone(0, 1) || lone(1, 0))
                .then(|| "of a product of matrices and a list of one number".to_string())
        }
        b"LSTM" | b"GRU" if !node.input(4).is_empty() => {
            Some("with sequence_lens, which it does not look at".to_string())
        }
        b"GRU" if node.integer("linear_before_reset").unwrap_or(0) == 0 => {
            Some("with linear_before_reset 0".to_string())
        }
        b"LayerNormalization" if !node.output(1).is_empty() || !node.output(2).is_empty() => {
            Some("with the outputs of mean and deviation".to_string())
        }
        _ => None,
    }
}

fn of_shapes(node: &Node<'_>, ins: &[Option<&Value>], opset: u64) -> Option<String> {
    let rank = |at: usize| input(ins, at).and_then(Value::rank);
    let known = |at: usize| input(ins, at).and_then(Value::known);
    match node.kind {
        b"Softmax" | b"LogSoftmax" if opset < 13 => {
            let axis = node.integer("axis").unwrap_or(1);
            let is_last = axis == -1 || rank(0).is_some_and(|rank| axis + 1 == rank as i64);
            (!is_last).then(|| {
                format!("of opset {opset} with axis {axis}, which may not be the last (it flattens axes before opset 13)")
            })
        }
        b"ReduceMean" if node.integer("noop_with_empty_axes").unwrap_or(0) != 0 => {
            let empty = input(ins, 1).is_some_and(|it| it.elements() == Some(0));
            empty.then(|| "with noop_with_empty_axes and a list of no axes".to_string())
        }
        b"NonZero" => (rank(0) == Some(0)).then(|| "of a single number".to_string()),
        b"Pad" if !node.input(3).is_empty() => Some("with axes".to_string()),
        b"Pad" if !matches!(node.text("mode"), b"" | b"constant") => {
            let pads = known(1).or_else(|| node.integers("pads").map(<[i64]>::to_vec))?;
            let axes = pads.len() / 2;
            let touched = (0..axes).filter(|at| pads[*at] != 0 || pads[at + axes] != 0).min().unwrap_or(axes);
            (axes - touched > 2).then(|| "of more than the last two axes".to_string())
        }
        b"Slice" if node.input(3).is_empty() && !node.has("axes") => {
            let starts = node.integers("starts").map(<[i64]>::len).or_else(|| {
                let count = input(ins, 1).and_then(Value::elements)?;
                usize::try_from(count).ok()
            })?;
            rank(0)
                .is_some_and(|rank| rank != starts)
                .then(|| "of the first axes, which it does not name".to_string())
        }
        b"Resize" | b"Upsample" if node.text("mode") == b"linear" => rank(0)
            .is_some_and(|rank| rank != 4)
            .then(|| "that is linear, of other than four axes".to_string()),
        _ => None,
    }
}

fn of_values(node: &Node<'_>, ins: &[Option<&Value>]) -> Option<String> {
    let kind = input(ins, 0).and_then(|it| it.kind);
    match node.kind {
        b"Sign" if !matches!(kind, Some(INT32 | INT64)) => {
            Some("of floats, whose sign of 0 it takes for 1".to_string())
        }
        _ => None,
    }
}

fn of_sequences(node: &Node<'_>, ins: &[Option<&Value>]) -> Option<String> {
    match node.kind {
        b"SequenceInsert" if !node.input(2).is_empty() => {
            let at = input(ins, 2).and_then(Value::known).and_then(|list| list.first().copied());
            at.is_none_or(|at| at < 0)
                .then(|| "at a place that is counted from the end, or is not told".to_string())
        }
        _ => None,
    }
}

//! What is known of the values of a graph: their kind of number, their shape, and the contents of small integers that shapes are made of.
//! No weight is looked at, and nothing is run.
//!
//! It serves two purposes: rules that depend on a rank, and sizes that no machine has. So what is not known is marked as unknown. A known
//! shape may be too small where it depends on lengths that vary (see [`Varying`]), but never too large.

mod axes;

use std::collections::BTreeMap;

use axes::{
    arithmetic, broadcast, choose, concat, constant, einsum, flatten, gather, lengths, matmul, pad, place,
    reduce, reshape, resize, shape_of, slice, split, squeeze, turned, unsqueeze, upwards, windows,
};

use super::constant::{BOOL, Constant, FLOAT, INT8, INT32, INT64, UINT8};
use super::node::{Node, is_one_of};

/// A length, where it is known.
pub(super) type Length = Option<u64>;

/// What is known of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Value {
    /// TensorProto.DataType.
    pub(super) kind: Option<u64>,
    pub(super) dims: Option<Vec<Length>>,
    /// The contents of a small tensor of integers, each where it is known.
    pub(super) integers: Option<Vec<Option<i64>>>,
    /// Whether it is a weight or a constant of the graph.
    pub(super) constant: bool,
    /// Whether there are integers in it that have no place in 32 bits.
    pub(super) wide: bool,
}

/// What lengths that vary from run to run are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Varying {
    Unknown,
    /// The least that they can be.
    One,
}

pub(super) type Values<'a> = BTreeMap<&'a [u8], Value>;

impl Value {
    pub(super) fn rank(&self) -> Option<usize> {
        self.dims.as_ref().map(Vec::len)
    }

    /// All lengths are known, and so is how many elements there are; saturating.
    pub(super) fn elements(&self) -> Option<u64> {
        self.dims.as_ref()?.iter().try_fold(1u64, |product, length| Some(product.saturating_mul((*length)?)))
    }

    /// Bytes that it takes, all lengths being known; saturating. The embedded back-end holds 4 bytes a number, but for bytes.
    pub(super) fn bytes(&self) -> Option<u64> {
        let width = if matches!(self.kind, Some(UINT8 | INT8)) { 1 } else { 4 };
        self.elements().map(|elements| elements.saturating_mul(width))
    }

    pub(super) fn of_constant(constant: &Constant<'_>) -> Self {
        let integers = constant.small_integers();
        Value {
            kind: Some(constant.kind),
            dims: Some(constant.dims.iter().map(|&length| Some(length as u64)).collect()),
            integers: integers.map(|list| list.into_iter().map(Some).collect()),
            constant: true,
            wide: false,
        }
    }

    fn of(kind: Option<u64>, dims: Option<Vec<Length>>) -> Self {
        Value { kind, dims, ..Value::default() }
    }

    /// The integers, all of them known.
    pub(super) fn known(&self) -> Option<Vec<i64>> {
        self.integers.as_ref()?.iter().copied().collect()
    }
}

const SAME: &str = "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Clip Cos Cosh CumSum Elu Erf Exp Floor Gelu HardSigmoid HardSwish \
                    Hardmax Identity LeakyRelu Log LogSoftmax LpNormalization Neg Reciprocal Relu ReverseSequence RMSNormalization \
                    RotaryEmbedding Round Scatter ScatterElements ScatterND Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt \
                    Swish Tan Tanh Trilu BatchNormalization InstanceNormalization LayerNormalization Dropout Not";
const BROADCAST: &str =
    "Add Sub Mul Div Pow Mod PRelu Max Min Sum Mean And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual";
const TRUTHS: &str = "And Or Xor Not Equal Greater GreaterOrEqual Less LessOrEqual IsNaN IsInf";

/// What a node gives, by its outputs. Unknown where it is none of the operators that are looked into.
pub(super) fn infer(node: &Node<'_>, ins: &[Option<&Value>], opset: u64) -> Vec<Value> {
    let mut outs = one(node, ins, opset);
    let wide = ins.iter().flatten().any(|it| it.wide);
    if wide && is_one_of(node.kind, "Concat Unsqueeze Squeeze Identity") {
        outs.iter_mut().for_each(|out| out.wide = true);
    }
    outs.resize(node.outputs.len().max(1), Value::default());
    outs
}

fn one(node: &Node<'_>, ins: &[Option<&Value>], opset: u64) -> Vec<Value> {
    let input = |at: usize| ins.get(at).copied().flatten();
    let dims = |at: usize| input(at).and_then(|value| value.dims.clone());
    let kind = |at: usize| input(at).and_then(|value| value.kind);
    let integers = |at: usize| input(at).and_then(|value| value.integers.clone());
    let known = |at: usize| input(at).and_then(Value::known);
    let given = |name: &str, at: usize| node.integers(name).map(<[i64]>::to_vec).or_else(|| known(at));
    let single = |value: Value| vec![value];
    match node.kind {
        b"Identity" => single(Value { constant: false, ..input(0).cloned().unwrap_or_default() }),
        b"Cast" => {
            let to = node.integer("to").map(|to| to as u64);
            let whole = matches!(to, Some(INT32 | INT64)) && matches!(kind(0), Some(INT32 | INT64));
            single(Value { integers: integers(0).filter(|_| whole), ..Value::of(to, dims(0)) })
        }
        b"CastLike" => single(Value::of(kind(1), dims(0))),
        b"Constant" => single(constant(node)),
        kind if is_one_of(kind, "IsNaN IsInf Not") => single(Value::of(Some(BOOL), dims(0))),
        b"BatchNormalization" | b"InstanceNormalization" | b"LayerNormalization" | b"Dropout" => {
            single(Value::of(kind(0), dims(0)))
        }
        name if is_one_of(name, SAME) => single(Value::of(kind(0), dims(0))),
        name if is_one_of(name, BROADCAST) => {
            let shapes: Vec<_> = (0..ins.len()).map(dims).collect();
            let kind = if is_one_of(name, TRUTHS) { Some(BOOL) } else { kind(0) };
            let integers = match (integers(0), integers(1), ins.len()) {
                (Some(a), Some(b), 2) => arithmetic(name, &a, &b),
                _ => None,
            };
            single(Value { integers, ..Value::of(kind, broadcast(&shapes)) })
        }
        b"Where" => {
            let made = Value::of(kind(1).or(kind(2)), broadcast(&[dims(0), dims(1), dims(2)]));
            single(Value { integers: choose([integers(0), integers(1), integers(2)]), ..made })
        }
        b"Shape" => single(shape_of(node, dims(0))),
        b"Size" => {
            let count = input(0).and_then(Value::elements).map(|count| count as i64);
            single(Value { integers: Some(vec![count]), ..Value::of(Some(INT64), Some(Vec::new())) })
        }
        b"ConstantOfShape" => {
            let value = node.attributes.get(&b"value"[..]).and_then(|it| it.tensor);
            let value = value.and_then(|tensor| Constant::parse(tensor).ok());
            let kind = value.as_ref().map_or(FLOAT, |value| value.kind);
            let made = Value::of(Some(kind), integers(0).map(lengths));
            let few = made.elements().filter(|count| *count <= 64);
            let filling = value.and_then(|value| value.small_integers()?.first().copied());
            let integers = few.zip(filling).map(|(count, value)| vec![Some(value); count as usize]);
            single(Value { integers, ..made })
        }
        b"Range" => {
            let [start, limit, delta] = [0, 1, 2].map(|at| known(at).and_then(|list| list.first().copied()));
            let count = start.zip(limit).zip(delta).and_then(|((start, limit), delta)| {
                let span = i128::from(limit) - i128::from(start);
                let delta = i128::from(delta);
                if delta == 0 {
                    return None;
                }
                u64::try_from((span / delta + i128::from(span % delta != 0)).max(0)).ok()
            });
            single(Value::of(kind(0), Some(vec![count])))
        }
        b"EyeLike" => single(Value::of(node.integer("dtype").map(|kind| kind as u64).or(kind(0)), dims(0))),
        b"Expand" => single(Value::of(kind(0), broadcast(&[dims(0), integers(1).map(lengths)]))),
        b"Tile" => {
            let times = integers(1).map(lengths);
            let tiled = dims(0).zip(times).map(|(dims, times)| {
                dims.iter().zip(times).map(|(n, times)| Some(n.as_ref()?.saturating_mul(times?))).collect()
            });
            single(Value::of(kind(0), tiled))
        }
        b"Reshape" => single(reshape(node, input(0), integers(1))),
        b"Flatten" => single(Value::of(kind(0), flatten(dims(0), node.integer("axis").unwrap_or(1)))),
        b"Transpose" => {
            let moved = dims(0).and_then(|dims| match node.integers("perm") {
                None => Some(dims.into_iter().rev().collect()),
                Some(perm) => perm.iter().map(|&at| dims.get(usize::try_from(at).ok()?).copied()).collect(),
            });
            let list = integers(0).zip(dims(0));
            let integers = list.and_then(|(list, dims)| turned(list, &dims, node.integers("perm")));
            single(Value { integers, ..Value::of(kind(0), moved) })
        }
        b"Squeeze" => {
            single(Value { integers: integers(0), ..Value::of(kind(0), squeeze(dims(0), given("axes", 1))) })
        }
        b"Unsqueeze" => single(Value {
            integers: integers(0),
            ..Value::of(kind(0), unsqueeze(dims(0), given("axes", 1)))
        }),
        b"Concat" => single(concat(node, ins)),
        b"Gather" => single(gather(node, input(0), input(1))),
        b"GatherElements" => single(Value::of(kind(0), dims(1))),
        b"GatherND" => {
            let batch = node.integer("batch_dims").unwrap_or(0) as usize;
            let last = dims(1).and_then(|dims| dims.last().copied().flatten());
            let taken = dims(0).zip(dims(1)).zip(last).and_then(|((data, index), last)| {
                let rest = data.get(batch.checked_add(usize::try_from(last).ok()?)?..)?;
                Some([&index[..index.len().checked_sub(1)?], rest].concat())
            });
            single(Value::of(kind(0), taken))
        }
        b"Slice" => single(slice(node, input(0), ins)),
        b"Split" => split(node, input(0), input(1)),
        b"Pad" => single(Value::of(kind(0), pad(dims(0), given("pads", 1), known(3), input(3).is_some()))),
        b"Resize" | b"Upsample" => single(Value::of(kind(0), resize(node, dims(0), input(3), opset))),
        b"OneHot" => {
            let depth = integers(1).and_then(|list| list.first().copied().flatten());
            let made = dims(0).and_then(|mut dims| {
                let at = place(node.integer("axis").unwrap_or(-1), dims.len() + 1)?;
                dims.insert(at, depth.map(|depth| depth.max(0) as u64));
                Some(dims)
            });
            single(Value::of(kind(2), made))
        }
        b"NonZero" => single(Value::of(Some(INT64), dims(0).map(|dims| vec![Some(dims.len() as u64), None]))),
        b"TopK" => {
            let k = given("k", 1).and_then(|list| list.first().copied());
            let best = dims(0).and_then(|mut dims| {
                let at = place(node.integer("axis").unwrap_or(-1), dims.len())?;
                dims[at] = k.and_then(|k| u64::try_from(k).ok());
                Some(dims)
            });
            vec![Value::of(kind(0), best.clone()), Value::of(Some(INT64), best)]
        }
        b"ArgMax" | b"ArgMin" => {
            let axes = Some(vec![node.integer("axis").unwrap_or(0)]);
            single(Value::of(Some(INT64), reduce(node, dims(0), axes)))
        }
        name if name.starts_with(b"Reduce") => {
            let axes = given("axes", 1);
            let unknown = input(1).is_some() && axes.is_none();
            let reduced = if unknown { None } else { reduce(node, dims(0), axes) };
            single(Value::of(kind(0), reduced))
        }
        b"Conv" | b"ConvInteger" | b"AveragePool" | b"MaxPool" => {
            let kind = if node.kind == b"ConvInteger" { Some(INT32) } else { kind(0) };
            single(Value::of(kind, windows(node, dims(0), dims(1))))
        }
        b"ConvTranspose" => single(Value::of(kind(0), upwards(node, dims(0), dims(1)))),
        b"GlobalAveragePool" | b"GlobalMaxPool" => {
            let pooled = dims(0).map(|dims| {
                dims.iter().enumerate().map(|(at, n)| if at < 2 { *n } else { Some(1) }).collect()
            });
            single(Value::of(kind(0), pooled))
        }
        b"MatMul" => single(Value::of(kind(0), matmul(dims(0), dims(1)))),
        b"MatMulInteger" => single(Value::of(Some(INT32), matmul(dims(0), dims(1)))),
        b"Gemm" => {
            let end = |at: usize, flag: &str, last: usize| {
                let at_end = if node.integer(flag).unwrap_or(0) != 0 { 1 - last } else { last };
                dims(at).and_then(|dims| dims.get(at_end).copied().flatten())
            };
            single(Value::of(kind(0), Some(vec![end(0, "transA", 0), end(1, "transB", 1)])))
        }
        b"Einsum" => single(Value::of(kind(0), einsum(node, &(0..ins.len()).map(dims).collect::<Vec<_>>()))),
        b"DepthToSpace" => {
            let block = node.integer("blocksize").unwrap_or(1).max(1) as u64;
            let spread = dims(0).and_then(|dims| {
                let [n, c, h, w] = dims[..] else { return None };
                let times = |length: Length| length.map(|length| length.saturating_mul(block));
                Some(vec![n, c.map(|c| c / block.saturating_mul(block).max(1)), times(h), times(w)])
            });
            single(Value::of(kind(0), spread))
        }
        b"GridSample" => {
            let sampled = dims(0)
                .zip(dims(1))
                .and_then(|(x, grid)| Some(vec![*x.first()?, *x.get(1)?, *grid.get(1)?, *grid.get(2)?]));
            single(Value::of(kind(0), sampled))
        }
        b"QuantizeLinear" => {
            let to = node.integer("output_dtype").map(|kind| kind as u64).filter(|kind| *kind != 0);
            single(Value::of(kind(2).or(to).or(Some(UINT8)), dims(0)))
        }
        b"DequantizeLinear" => single(Value::of(Some(FLOAT), dims(0))),
        b"DynamicQuantizeLinear" => {
            let scalar = |kind| Value::of(Some(kind), Some(Vec::new()));
            vec![Value::of(Some(UINT8), dims(0)), scalar(FLOAT), scalar(UINT8)]
        }
        _ => Vec::new(),
    }
}
